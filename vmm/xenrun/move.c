/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/move.c - live migration: not there yet
 */
#include <errno.h>

#include "vmm/xenrun/move.h"

int xr_move_out(struct xr *xr, const json_t *args, struct av_err *err) { (void)xr; (void)args; return av_err_set(err, -EOPNOTSUPP, "not there"); }
int xr_move_cancel(struct xr *xr, struct av_err *err) { (void)xr; return av_err_set(err, -EOPNOTSUPP, "not there"); }
int xr_move_stop(struct xr *xr, struct av_err *err) { (void)xr; return av_err_set(err, -EOPNOTSUPP, "not there"); }
int xr_move_cont(struct xr *xr, struct av_err *err) { (void)xr; return av_err_set(err, -EOPNOTSUPP, "not there"); }
int xr_move_in(struct xr *xr, struct av_err *err) { (void)xr; return av_err_set(err, -EOPNOTSUPP, "not there"); }
json_t *xr_move_json(const struct xr_move *m) { (void)m; return json_object(); }
