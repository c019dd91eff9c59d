/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qmp.h - one connection to a QEMU monitor (QMP), non-blocking
 *
 * Source: QEMU docs/interop/qmp-spec.  Greeting and capabilities are done here;
 * calls made before that wait.  A line that isn't QMP (not JSON, too long, an
 * answer to nothing) ends the connection.
 *
 *   qmp_connect --> connecting --greeting, capabilities--> up --> down
 *                       +-----------------------------------------^
 *
 * 'up' and 'down' run at most once each; after 'down' only qmp_free() is allowed,
 * and every call that was under way has got its 'reply' with -EPIPE, AV_MAYBE.
 * Any callback may call qmp_free().
 */
#ifndef AV_VMM_QMP_H
#define AV_VMM_QMP_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/err.h"

struct qmp;

struct qmp_user {
	void	(*up)(void *ctx);
	void	(*down)(void *ctx, const struct av_err *err);
	/* 'data' is borrowed and may be NULL. */
	void	(*event)(void *ctx, const char *name, const json_t *data);
	void	*ctx;
};

/* rc 0: 'ret' is the answer (borrowed).  Else 'err' has QEMU's own words. */
typedef void qmp_reply_fn(void *ctx, int rc, const json_t *ret,
    const struct av_err *err);

/* -ENOENT and -ECONNREFUSED: nobody listens (yet).  vmm_unix_connect(): the socket,
 * non-blocking, or -errno. */
int vmm_unix_connect(const char *path);
int qmp_connect(sd_event *event, const char *path, const struct qmp_user *user,
    struct qmp **ret_q);
/* On a connected socket that is given away; for tests. */
int qmp_adopt(sd_event *event, int fd, const struct qmp_user *user,
    struct qmp **ret_q);
struct qmp *qmp_free(struct qmp *q);	/* no reply runs for what is under way */
/* 'args' is stolen, also on error; NULL = none.  'reply' may be NULL. */
int qmp_call(struct qmp *q, const char *cmd, json_t *args,
    qmp_reply_fn *reply, void *ctx);
/* The same, out of turn where QEMU can: it answers although its big lock is held. */
int qmp_call_oob(struct qmp *q, const char *cmd, json_t *args,
    qmp_reply_fn *reply, void *ctx);

#endif
