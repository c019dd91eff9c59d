/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/move.h - live migration of a domain, out and in
 *
 * libxl's stream over TLS-PSK (stream.h).  The promises are those of vmm.h; the
 * orders come from serve.c.
 */
#ifndef AV_XENRUN_MOVE_H
#define AV_XENRUN_MOVE_H

#include "vmm/xenrun/run.h"

/* Order 'migrate' {address, port, psk, tag}: begins; the rest is in the status. */
int xr_move_out(struct xr *xr, const json_t *args, struct av_err *err);
/* Order 'migrate_cancel'. */
int xr_move_cancel(struct xr *xr, struct av_err *err);
/* 'stop' and 'cont' while one is under way or complete. */
int xr_move_stop(struct xr *xr, struct av_err *err);
int xr_move_cont(struct xr *xr, struct av_err *err);
/* Mode incoming: listens at RUNTIME/incoming.json's place. */
int xr_move_in(struct xr *xr, struct av_err *err);
/* A domain came or went: has the guest stopped for the stream? */
void xr_move_look(struct xr *xr);
/* Any stream ends, so that its job does. */
void xr_move_break(struct xr *xr);
/* Mode adopt: 1 = the domain's state is a migration's, and is set. */
int xr_move_adopt(struct xr *xr, const struct xr_info *in,
    struct av_err *err);
json_t *xr_move_json(const struct xr_move *m);

#endif
