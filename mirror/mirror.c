/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/mirror.c - driver list; checks what callers and drivers promise
 */
#include "mirror/mirror.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/str.h"

static const struct mirror_ops *const drivers[] = {
	&mirror_replica_ops,
	&mirror_drbd_ops,
	&mirror_sim_ops,
	&mirror_sim_window_ops,
};

static const struct mirror_ops *
find_driver(const char *name, struct av_err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	(void)av_err_code(err, -EINVAL, "bad-request",
	    "there is no mirror driver '%s'", name);
	return NULL;
}

int
mirror_ops_check(struct av_err *err)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(drivers); i++) {
		const struct mirror_ops *o = drivers[i];

		if (o->name == NULL || o->leg_create == NULL ||
		    o->leg_delete == NULL || o->leg_read == NULL ||
		    o->open == NULL || o->close == NULL || o->start == NULL ||
		    o->order == NULL || o->status_peek == NULL ||
		    o->front_path == NULL || o->leg_snapshot == NULL ||
		    o->leg_snapshot_delete == NULL)
			return av_err_set(err, -EINVAL,
			    "mirror driver %zu has a hole", i);
		for (k = 0; k < i; k++)
			if (strcmp(drivers[k]->name, o->name) == 0)
				return av_err_set(err, -EINVAL,
				    "two mirror drivers '%s'", o->name);
	}
	return 0;
}

int
mirror_leg_create(const char *driver, const struct mirror_leg_spec *spec,
    struct av_err *err)
{
	const struct mirror_ops *o = find_driver(driver, err);

	return o == NULL ? -EINVAL : o->leg_create(spec, err);
}

int
mirror_leg_delete(const char *driver, const char *dir, const char *id,
    struct av_err *err)
{
	const struct mirror_ops *o = find_driver(driver, err);

	return o == NULL ? -EINVAL : o->leg_delete(dir, id, err);
}

int
mirror_leg_read(const char *driver, const char *dir, const char *id,
    struct mirror_leg_info *ret, struct av_err *err)
{
	const struct mirror_ops *o = find_driver(driver, err);

	return o == NULL ? -EINVAL : o->leg_read(dir, id, ret, err);
}

bool
mirror_leg_is_slow(const char *driver)
{
	const struct mirror_ops *o = find_driver(driver, NULL);

	return o != NULL && o->leg_slow;
}

int
mirror_open(const char *driver, const struct mirror_conf *conf,
    sd_event *loop, mirror_changed_fn changed, void *arg,
    struct mirror **ret_m, struct av_err *err)
{
	const struct mirror_ops *o = find_driver(driver, err);
	int rc;

	if (o == NULL)
		return -EINVAL;
	rc = o->open(conf, loop, changed, arg, ret_m, err);
	AV_ASSERT(rc <= 0);
	if (rc == 0)
		(*ret_m)->ops = o;
	return rc;
}

struct mirror *
mirror_close(struct mirror *m)
{
	if (m != NULL)
		m->ops->close(m);
	return NULL;
}

int
mirror_start(struct mirror *m, struct av_err *err)
{
	return m->ops->start(m, err);
}

const struct mirror_status *
mirror_status_peek(const struct mirror *m)
{
	return m->ops->status_peek(m);
}

const char *
mirror_front_path(const struct mirror *m)
{
	return m->ops->front_path(m);
}

static int
order(struct mirror *m, struct mirror_op *op, const struct mirror_order *o,
    struct av_err *err)
{
	int rc;

	AV_ASSERT(m != NULL && op != NULL && op->done != NULL);
	op->m = m;
	op->next = NULL;
	op->timer = NULL;
	op->digests = NULL;
	op->n_digests = 0;
	rc = m->ops->order(m, op, o, err);
	AV_ASSERT(rc <= 0);
	return rc;
}

int
mirror_primary(struct mirror *m, struct mirror_op *op,
    const struct mirror_primary_req *req, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_PRIMARY,
		.alone = req->alone, .gen = req->gen,
		.lease_ms = req->lease_ms };

	return order(m, op, &o, err);
}

int
mirror_alone(struct mirror *m, struct mirror_op *op, uint64_t gen,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_ALONE, .gen = gen };

	return order(m, op, &o, err);
}

int
mirror_secondary(struct mirror *m, struct mirror_op *op, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_SECONDARY };

	return order(m, op, &o, err);
}

int
mirror_outdate(struct mirror *m, struct mirror_op *op, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_OUTDATE };

	return order(m, op, &o, err);
}

int
mirror_discard(struct mirror *m, struct mirror_op *op, uint64_t winner_base,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_DISCARD,
		.winner_base = winner_base };

	return order(m, op, &o, err);
}

int
mirror_disconnect(struct mirror *m, struct mirror_op *op, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_DISCONNECT };

	return order(m, op, &o, err);
}

int
mirror_connect(struct mirror *m, struct mirror_op *op, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_CONNECT };

	return order(m, op, &o, err);
}

int
mirror_set_rate(struct mirror *m, struct mirror_op *op,
    uint64_t resync_rate_kib_s, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_RATE,
		.rate_kib_s = resync_rate_kib_s };

	return order(m, op, &o, err);
}

int
mirror_stop(struct mirror *m, struct mirror_op *op, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_STOP };

	return order(m, op, &o, err);
}

int
mirror_digest(struct mirror *m, struct mirror_op *op, uint64_t offset,
    uint64_t length, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_DIGEST, .offset = offset,
		.length = length };

	return order(m, op, &o, err);
}

int
mirror_verify(struct mirror *m, struct mirror_op *op,
    const struct mirror_verify_req *req, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_VERIFY,
		.repair = req->repair, .rate_kib_s = req->rate_kib_s };

	return order(m, op, &o, err);
}

int
mirror_diskless(struct mirror *m, struct mirror_op *op, uint64_t gen,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_DISKLESS, .gen = gen };

	return order(m, op, &o, err);
}

int
mirror_alive(struct mirror *m, uint32_t lease_ms, uint64_t since_boot_ns,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_ALIVE,
		.lease_ms = lease_ms, .since_boot_ns = since_boot_ns };
	int rc;

	AV_ASSERT(m != NULL);
	rc = m->ops->order(m, NULL, &o, err);
	AV_ASSERT(rc <= 0);
	return rc;
}

int
mirror_verify_cancel(struct mirror *m, struct mirror_op *op,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_VERIFY_CANCEL };

	return order(m, op, &o, err);
}

int
mirror_resync_pause(struct mirror *m, struct mirror_op *op,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_RESYNC_PAUSE };

	return order(m, op, &o, err);
}

int
mirror_resync_resume(struct mirror *m, struct mirror_op *op,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_RESYNC_RESUME };

	return order(m, op, &o, err);
}

int
mirror_grow(struct mirror *m, struct mirror_op *op, uint64_t new_size_bytes,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_GROW,
		.new_size_bytes = new_size_bytes };

	if (new_size_bytes < MIRROR_SIZE_MIN_BYTES ||
	    new_size_bytes > MIRROR_SIZE_MAX_BYTES ||
	    new_size_bytes % 512 != 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "volume size must be a multiple of 512 bytes, at most "
		    "16 TiB");
	return order(m, op, &o, err);
}

int
mirror_hold_writes(struct mirror *m, struct mirror_op *op,
    uint32_t timeout_ms, struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_HOLD,
		.timeout_ms = timeout_ms != 0 ? timeout_ms :
		    MIRROR_HOLD_DEFAULT_MS };

	if (timeout_ms > MIRROR_HOLD_MAX_MS)
		return av_err_code(err, -EINVAL, "bad-request",
		    "writes are held for at most %u ms", MIRROR_HOLD_MAX_MS);
	return order(m, op, &o, err);
}

bool
mirror_needs_window(const struct mirror *m)
{
	return m->ops->window;
}

int
mirror_window(struct mirror *m, struct mirror_op *op, bool open,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_WINDOW, .open = open };

	if (!m->ops->window)
		return av_err_code(err, -EOPNOTSUPP, "not-supported",
		    "driver '%s' needs no window", m->ops->name);
	return order(m, op, &o, err);
}

int
mirror_release_writes(struct mirror *m, struct mirror_op *op,
    struct av_err *err)
{
	struct mirror_order o = { .verb = MIRROR_V_RELEASE };

	return order(m, op, &o, err);
}

int
mirror_leg_snapshot(const char *driver, const char *dir, const char *id,
    const char *name, uint64_t *ret_size_bytes, struct av_err *err)
{
	const struct mirror_ops *o = find_driver(driver, err);

	return o == NULL ? -EINVAL : o->leg_snapshot(dir, id, name,
	    ret_size_bytes, err);
}

int
mirror_leg_snapshot_delete(const char *driver, const char *dir,
    const char *id, const char *name, struct av_err *err)
{
	const struct mirror_ops *o = find_driver(driver, err);

	return o == NULL ? -EINVAL : o->leg_snapshot_delete(dir, id, name,
	    err);
}
