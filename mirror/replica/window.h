/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/window.h - where things are in the export 'peer' (proto.h)
 *
 * All follows from the volume's size, rounded up to 4096.  A connection keeps
 * the layout that the export had when it was opened, also when the volume grows
 * meanwhile; the client finds it from the export's size, since the two legs'
 * sizes may differ until both have grown.
 * Pure; bytes.
 */
#ifndef AV_MIRROR_WINDOW_H
#define AV_MIRROR_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

uint64_t window_mailbox(uint64_t size_bytes);	/* offset in the export */
uint64_t window_digests(uint64_t size_bytes);	/* offset in the export */
uint64_t window_digest_bytes(uint64_t size_bytes);
/* The whole export; the second one of a peer that has no digests. */
uint64_t window_export(uint64_t size_bytes);
uint64_t window_export_old(uint64_t size_bytes);
/* The rounded size of the volume whose export is that long; false = none. */
bool window_find(uint64_t export_bytes, uint64_t *ret_size_bytes);

#endif
