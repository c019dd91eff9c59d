/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/record.h - what this PM must remember about the right to run
 *
 * One small file, replaced in one durable step.  It is written before the
 * effect that it allows, never after.
 *
 * Format v1, text: 'avpair-role 1' line, 'key value' lines in this order (unit,
 * node, generation, mode, pending), 'crc32c' line over all bytes before it.
 *
 * Errors: -ENOENT none yet (a new PM); -EBADMSG 'record-damaged' torn, trailing
 * bytes or values out of range; -EPROTO 'record-newer'; -EXDEV 'record-other-unit' another unit's
 * or node's.  A record that isn't understood is never guessed at: the agent
 * doesn't start.
 */
#ifndef AV_RECORD_H
#define AV_RECORD_H

#include <stddef.h>

#include "nodeagent/core/role.h"

struct av_err;

int record_read(const char *path, const char *unit_uuid, int node,
    struct role_record *ret, struct av_err *err);
int record_write(const char *path, const char *unit_uuid, int node,
    const struct role_record *rec, struct av_err *err);
/* The decoder alone (tests, fuzzing). */
int record_decode(const char *text, size_t n, const char *unit_uuid, int node,
    struct role_record *ret, struct av_err *err);

#endif
