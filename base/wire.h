/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/wire.h - bytes of wire and disk formats, field by field
 *
 * Little-endian.  Both cursors go bad once and stay bad: check 'rc' at the end.
 * No C struct is ever sent or stored.
 */
#ifndef AV_WIRE_H
#define AV_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct av_rd { const uint8_t *at; size_t left; int rc; };
struct av_wr { uint8_t *at; size_t left; int rc; };

uint64_t av_rd_le(struct av_rd *r, unsigned n_bytes);	/* 1..8; 0 when bad */
void	 av_rd_bytes(struct av_rd *r, void *dst, size_t n);
/* -EBADMSG unless all was read and nothing went wrong. */
int	 av_rd_end(const struct av_rd *r);
void	 av_wr_le(struct av_wr *w, uint64_t v, unsigned n_bytes);
void	 av_wr_bytes(struct av_wr *w, const void *src, size_t n);

/* CRC-32C (Castagnoli, RFC 3720 B.4); start with crc = 0. */
uint32_t av_crc32c(uint32_t crc, const void *data, size_t n);

#endif
