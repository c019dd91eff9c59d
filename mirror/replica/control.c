/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/control.c - the agent's socket: orders in, status out
 *
 * Framed JSON (base/frame.h).  Request {"seq", "cmd", ...}; answer {"seq",
 * "rc", "code", "text"} and, for "status" and "hello", "status".  After
 * "subscribe" every change comes as {"event":"status","status":{...}}.
 * Commands: hello, status, subscribe, primary {alone, gen}, alone {gen},
 * secondary, outdate, discard {base}, connect, disconnect, rate {kib_s}, verify {repair, kib_s},
 * verify-cancel, resync-pause, resync-resume, grow {size_bytes}, hold
 * {timeout_ms}, release, diskless {gen}, digest {offset, length}, stop; alive
 * {lease_ms} has no answer.  Orders of one connection run one after the other, in
 * a thread of their own: the rest is answered whatever they wait for; digest, grow
 * and hold have threads to themselves.  Orders and alive are words of the agent
 * (lease.c), said at boot_ns (CLOCK_BOOTTIME).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/log.h"
#include "base/str.h"
#include "base/wire.h"
#include "mirror/replica/server.h"

#define CONNS_MAX	16
#define ORDERS_MAX	64u	/* waiting, of one connection */
#define DIGEST_BLOCK	(1u << 20)
#define DIGEST_MAX	(1ull << 40)
#define PUSH_MIN_NS	(20 * AV_NS_PER_MS)

struct conn {
	int		fd;
	unsigned	refs;		/* list_mu */
	bool		subscribed;	/* list_mu */
	bool		working;	/* list_mu: orders have their thread */
	json_t		*todo;		/* list_mu: orders, in turn */
	uint64_t	sent_seq;
	pthread_mutex_t	send_mu;
	struct conn	*next;		/* list_mu */
};

static struct srv *srv;
static int listen_fd = -1;
static pthread_mutex_t list_mu = PTHREAD_MUTEX_INITIALIZER;
static struct conn *conns;
static unsigned n_conns;

/* --- status --- */

static json_t *
hex64(uint64_t v)
{
	char buf[17];

	(void)snprintf(buf, sizeof(buf), "%016" PRIx64, v);
	return json_string(buf);
}

static enum mirror_conn
conn_now(const struct srv *s)
{
	if (s->role == MIRROR_PRIMARY)
		return s->primary_conn;
	if (s->session == NULL || !s->session_started ||
	    av_clock_ns() - s->peer_seen_ns >
	    s->p.peer_timeout_ms * AV_NS_PER_MS)
		return MIRROR_DISCONNECTED;
	return s->session_resync ? MIRROR_RESYNC_TARGET :
	    s->session_diskless ? MIRROR_DISKLESS : MIRROR_CONNECTED;
}

static uint64_t
out_of_step(const struct srv *s)
{
	bool primary = s->role == MIRROR_PRIMARY;

	return bits_count(primary ? s->oos : s->maybe,
	    s->leg->n_chunks) * (uint64_t)MIRROR_CHUNK_BYTES;
}

static void
status_resync(const struct srv *s, json_t *j)
{
	bool target = s->role != MIRROR_PRIMARY;
	uint64_t total = target ? s->session_total : s->resync_total;
	uint64_t copied = target ? s->session_copied : s->resync_copied;
	uint64_t eta = 0, speed = target ? 0 : resync_speed(s);

	if (speed > 0 && total > copied)
		eta = (total - copied) * MIRROR_CHUNK_BYTES / speed + 1;
	json_object_set_new(j, "resync_paused",
	    json_boolean(s->resync_paused));
	json_object_set_new(j, "resync_limit_kib_s",
	    json_integer((json_int_t)s->resync_rate_kib_s));
	json_object_set_new(j, "resync_speed_kib_s",
	    json_integer((json_int_t)(speed / 1024)));
	json_object_set_new(j, "resync_total_bytes",
	    json_integer((json_int_t)(total * MIRROR_CHUNK_BYTES)));
	json_object_set_new(j, "resync_copied_bytes",
	    json_integer((json_int_t)(copied * MIRROR_CHUNK_BYTES)));
	json_object_set_new(j, "resync_percent", json_integer((json_int_t)
	    (total == 0 ? 100 : copied >= total ? 100 :
	    copied * 100 / total)));
	json_object_set_new(j, "resync_eta_s", json_integer((json_int_t)eta));
	json_object_set_new(j, "resync_count",
	    json_integer((json_int_t)s->resync_finished_n));
}

static void
put_number(json_t *j, const char *key, uint64_t v)
{
	json_object_set_new(j, key, json_integer((json_int_t)v));
}

/* A failed or slow disk and the lease; 'why' gives way to what is worse. */
static void
status_faults(const struct srv *s, json_t *j)
{
	uint64_t slow_ms = disk_slow_ms(s);
	const char *code = NULL, *text = NULL;

	put_number(j, "lease_ms", s->lease_ms);
	put_number(j, "disk_slow_ms", slow_ms);
	put_number(j, "read_errors", s->read_errors);
	put_number(j, "repaired_bytes", s->repaired_bytes);
	put_number(j, "notice_count", s->notice_count);
	json_object_set_new(j, "notice_code", json_string(s->notice_code));
	json_object_set_new(j, "notice_text", json_string(s->notice_text));
	json_object_set_new(j, "diskless", json_boolean(s->diskless));
	json_object_set_new(j, "peer_connected", json_boolean(
	    s->role == MIRROR_PRIMARY && diskless_link_up(s)));
	json_object_set_new(j, "lease_expired", json_boolean(!lease_ok(s)));
	if (!lease_ok(s)) {
		code = "lease";
		text = "the agent is silent; requests wait";
	} else if (s->detached && !s->diskless) {
		code = "disk-error";
		text = "this PM's disk failed; requests wait for an order";
	} else if (slow_ms > 0 && s->why.code[0] == '\0') {
		code = "disk-slow";
		text = "this PM's disk doesn't finish a request";
	}
	if (code != NULL && strcmp(code, s->why.code) != 0) {
		json_object_set_new(j, "error_code", json_string(code));
		json_object_set_new(j, "error_text", json_string(text));
	}
}

/* mu held */
static json_t *
status_json(const struct srv *s)
{
	const struct meta_sb *sb = &s->leg->sb;
	enum mirror_conn conn = conn_now(s);
	bool up = conn == MIRROR_CONNECTED || conn == MIRROR_RESYNC_TARGET;
	enum mirror_disk peer_disk = s->role == MIRROR_PRIMARY ?
	    s->peer_disk : up ? MIRROR_DISK_UPTODATE :
	    conn == MIRROR_DISKLESS ? MIRROR_DISK_FAILED :
	    MIRROR_DISK_UNKNOWN;
	uint64_t seen = s->peer_seen_ns == 0 ? INT64_MAX :
	    (av_clock_ns() - s->peer_seen_ns) / AV_NS_PER_MS;
	json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:b,s:b,s:b,s:b,s:b,"
	    "s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:s}",
	    "pid", (int)getpid(),
	    "role", mirror_role_name(s->role),
	    "conn", mirror_conn_name(conn),
	    "disk", mirror_disk_name(srv_disk(s)),
	    "peer_disk", mirror_disk_name(peer_disk),
	    "alone", s->io_mode == IO_ALONE,
	    "peer_outdated", (sb->flags & META_PEER_OUTDATED) != 0,
	    "crashed_primary", (sb->flags & META_CRASHED_PRIMARY) != 0,
	    "wants_connect", s->wants_connect,
	    "sparse", (sb->flags & META_SPARSE) != 0,
	    "current", hex64(sb->current), "bitmap", hex64(sb->bitmap),
	    "h0", hex64(sb->h0), "h1", hex64(sb->h1),
	    "gen", (json_int_t)sb->gen,
	    "size_bytes", (json_int_t)sb->size_bytes,
	    "out_of_step_bytes", (json_int_t)out_of_step(s),
	    "held_requests", (json_int_t)s->n_held,
	    "front_connections", (json_int_t)s->n_front,
	    "written_bytes", (json_int_t)s->written_bytes,
	    "read_bytes", (json_int_t)s->read_bytes,
	    "write_requests", (json_int_t)s->write_requests,
	    "read_requests", (json_int_t)s->read_requests,
	    "peer_seen_ms", (json_int_t)seen,
	    "error_code", s->why.code, "error_text", s->why.text);

	if (j != NULL) {
		status_resync(s, j);
		status_faults(s, j);
		json_object_set_new(j, "verify", verify_status(s));
		json_object_set_new(j, "peer_size_bytes",
		    json_integer((json_int_t)s->peer_size_bytes));
		json_object_set_new(j, "hold",
		    json_string(mirror_hold_name(hold_state(s))));
		json_object_set_new(j, "hold_left_ms",
		    json_integer((json_int_t)hold_left_ms(s)));
	}
	return j;
}

static json_t *
status_locked(struct srv *s)
{
	json_t *j;

	pthread_mutex_lock(&s->mu);
	j = status_json(s);
	pthread_mutex_unlock(&s->mu);
	return j;
}

/* --- connections --- */

static void
conn_unref(struct conn *c)
{
	struct conn **at;
	bool last;

	pthread_mutex_lock(&list_mu);
	last = --c->refs == 0;
	if (last) {
		for (at = &conns; *at != c; at = &(*at)->next)
			;
		*at = c->next;
		n_conns--;
	}
	pthread_mutex_unlock(&list_mu);
	if (!last)
		return;
	(void)close(c->fd);	/* a socket */
	json_decref(c->todo);
	(void)pthread_mutex_destroy(&c->send_mu);
	free(c);
}

static void
conn_send(struct conn *c, json_t *msg)
{
	int rc;

	if (msg == NULL)
		return;
	pthread_mutex_lock(&c->send_mu);
	rc = av_frame_send(c->fd, msg);
	pthread_mutex_unlock(&c->send_mu);
	if (rc < 0)
		(void)shutdown(c->fd, SHUT_RDWR);	/* reader ends it */
	json_decref(msg);
}

static void
answer(struct conn *c, json_int_t seq, int rc, const struct av_err *err,
    const char *key, json_t *extra)
{
	json_t *m = json_pack("{s:I,s:i,s:s,s:s}", "seq", seq, "rc", rc,
	    "code", err->code, "text", err->text);

	if (m != NULL && extra != NULL)
		json_object_set_new(m, key, extra);
	else
		json_decref(extra);
	conn_send(c, m);
}

/* --- digest --- */

struct digest {
	struct conn	*c;
	json_int_t	 seq;
	uint64_t	 at, end;
};

static void *
digest_run(void *arg)
{
	struct digest *d = arg;
	uint8_t *buf = malloc(DIGEST_BLOCK);
	json_t *list = json_array();
	struct av_err err = { 0 };
	int rc = buf == NULL || list == NULL ? -ENOMEM : 0;

	while (rc == 0 && d->at < d->end) {
		size_t n = d->end - d->at < DIGEST_BLOCK ?
		    (size_t)(d->end - d->at) : DIGEST_BLOCK;

		rc = leg_pread_all(srv->leg->data_fd, buf, n, d->at);
		if (rc == 0)
			rc = json_array_append_new(list, json_integer(
			    av_crc32c(0, buf, n))) < 0 ? -ENOMEM : 0;
		d->at += n;
	}
	if (rc < 0)
		(void)av_err_code(&err, rc, "disk-error", "digest: %s",
		    strerror(-rc));
	answer(d->c, d->seq, rc, &err, "digests", list);
	conn_unref(d->c);
	free(buf);
	free(d);
	return NULL;
}

static int
digest_start(struct conn *c, json_int_t seq, const json_t *msg,
    struct av_err *err)
{
	uint64_t size = srv->leg->sb.size_bytes;
	json_int_t offset = json_integer_value(json_object_get(msg, "offset"));
	json_int_t length = json_integer_value(json_object_get(msg, "length"));
	struct digest *d;
	pthread_t t;

	if (offset < 0 || length < 0 || (uint64_t)offset > size ||
	    (uint64_t)length > size - (uint64_t)offset)
		return av_err_code(err, -EINVAL, "bad-request",
		    "range outside of the volume");
	if (length == 0)
		length = (json_int_t)(size - (uint64_t)offset);
	if ((uint64_t)length > DIGEST_MAX)
		return av_err_code(err, -EINVAL, "bad-request",
		    "at most 1 TiB at once");
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	*d = (struct digest){ .c = c, .seq = seq, .at = (uint64_t)offset,
		.end = (uint64_t)(offset + length) };
	pthread_mutex_lock(&list_mu);
	c->refs++;
	pthread_mutex_unlock(&list_mu);
	if (pthread_create(&t, NULL, digest_run, d) != 0) {
		conn_unref(c);
		free(d);
		return av_err_set(err, -EAGAIN, "no thread");
	}
	(void)pthread_detach(t);
	return 0;
}

/* --- orders --- */

/* A sender that doesn't say when is taken to speak now. */
static uint64_t
said_at(const json_t *msg)
{
	json_int_t ns = json_integer_value(json_object_get(msg, "boot_ns"));

	return ns > 0 ? (uint64_t)ns : UINT64_MAX;
}

static void
do_alive(const json_t *msg)
{
	json_int_t ms = json_integer_value(json_object_get(msg, "lease_ms"));

	pthread_mutex_lock(&srv->mu);
	if (ms >= 0 && ms <= UINT32_MAX && srv->role == MIRROR_PRIMARY)
		lease_set(srv, (uint32_t)ms, said_at(msg));
	pthread_mutex_unlock(&srv->mu);
}

static int
do_primary(const json_t *msg, struct av_err *err)
{
	json_int_t ms = json_integer_value(json_object_get(msg, "lease_ms"));
	int rc;

	if (ms < 0 || ms > UINT32_MAX)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a lease isn't so long");
	rc = srv_order_primary(srv,
	    json_is_true(json_object_get(msg, "alone")),
	    (uint64_t)json_integer_value(json_object_get(msg, "gen")), err);
	if (rc == 0) {
		pthread_mutex_lock(&srv->mu);
		lease_set(srv, (uint32_t)ms, said_at(msg));
		pthread_mutex_unlock(&srv->mu);
	}
	return rc;
}

static int
do_alone(const json_t *msg, struct av_err *err)
{
	return srv_order_alone(srv,
	    (uint64_t)json_integer_value(json_object_get(msg, "gen")), err);
}

static int
do_secondary(const json_t *msg, struct av_err *err)
{
	(void)msg;
	return srv_order_secondary(srv, err);
}

static int
do_outdate(const json_t *msg, struct av_err *err)
{
	(void)msg;
	return srv_order_outdate(srv, err);
}

static int
do_discard(const json_t *msg, struct av_err *err)
{
	const char *base = json_string_value(json_object_get(msg, "base"));
	uint8_t b[8];
	uint64_t v = 0;
	size_t i;

	if (base != NULL && av_hex_decode(base, b, sizeof(b)) < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "'base' isn't 16 hex digits");
	for (i = 0; base != NULL && i < sizeof(b); i++)
		v = v << 8 | b[i];
	return srv_order_discard(srv, v, err);
}

static int
do_connect(const json_t *msg, struct av_err *err)
{
	(void)msg;
	(void)err;
	return srv_order_connect(srv, true);
}

static int
do_disconnect(const json_t *msg, struct av_err *err)
{
	(void)msg;
	(void)err;
	return srv_order_connect(srv, false);
}

static int
do_rate(const json_t *msg, struct av_err *err)
{
	json_int_t v = json_integer_value(json_object_get(msg, "kib_s"));

	if (v < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a rate isn't negative");
	srv_order_rate(srv, (uint64_t)v);
	return 0;
}

static int
do_resync_pause(const json_t *msg, struct av_err *err)
{
	(void)msg;
	(void)err;
	srv_order_resync_pause(srv, true);
	return 0;
}

static int
do_resync_resume(const json_t *msg, struct av_err *err)
{
	(void)msg;
	(void)err;
	srv_order_resync_pause(srv, false);
	return 0;
}

static int
do_grow(const json_t *msg, struct av_err *err)
{
	return srv_order_grow(srv, (uint64_t)json_integer_value(
	    json_object_get(msg, "size_bytes")), err);
}

static int
do_hold(const json_t *msg, struct av_err *err)
{
	json_int_t v = json_integer_value(json_object_get(msg, "timeout_ms"));

	return srv_order_hold(srv, v < 0 || v > MIRROR_HOLD_MAX_MS ? 0 :
	    (uint32_t)v, err);
}

static int
do_release(const json_t *msg, struct av_err *err)
{
	(void)msg;
	return srv_order_release(srv, err);
}

static int
do_verify(const json_t *msg, struct av_err *err)
{
	json_int_t v = json_integer_value(json_object_get(msg, "kib_s"));

	if (v < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a rate isn't negative");
	return srv_order_verify(srv,
	    json_is_true(json_object_get(msg, "repair")), (uint64_t)v, err);
}

static int
do_verify_cancel(const json_t *msg, struct av_err *err)
{
	(void)msg;
	return srv_order_verify_cancel(srv, err);
}

static int
do_diskless(const json_t *msg, struct av_err *err)
{
	return srv_order_diskless(srv,
	    (uint64_t)json_integer_value(json_object_get(msg, "gen")), err);
}

static int
do_stop(const json_t *msg, struct av_err *err)
{
	(void)msg;
	return srv_order_stop(srv, err);
}

static const struct {
	const char *cmd;
	int (*run)(const json_t *msg, struct av_err *err);
	bool slow;	/* in a thread: a later order must not wait for it */
} orders[] = {
	{ "primary", do_primary, false },
	{ "alone", do_alone, false },
	{ "secondary", do_secondary, false },
	{ "outdate", do_outdate, false },
	{ "discard", do_discard, false },
	{ "connect", do_connect, false },
	{ "disconnect", do_disconnect, false },
	{ "rate", do_rate, false },
	{ "verify", do_verify, false },
	{ "verify-cancel", do_verify_cancel, false },
	{ "resync-pause", do_resync_pause, false },
	{ "resync-resume", do_resync_resume, false },
	{ "grow", do_grow, true },
	{ "hold", do_hold, true },
	{ "release", do_release, false },
	{ "diskless", do_diskless, false },
	{ "stop", do_stop, false },
};

static void
subscribe(struct conn *c)
{
	pthread_mutex_lock(&list_mu);
	c->subscribed = true;
	pthread_mutex_unlock(&list_mu);
	pthread_mutex_lock(&srv->mu);
	srv_changed(srv);	/* the first event comes at once */
	pthread_mutex_unlock(&srv->mu);
}

static void
run_order(struct conn *c, size_t i, json_int_t seq, const json_t *msg)
{
	struct av_err err = { 0 };
	int rc = orders[i].run(msg, &err);

	log_notice(srv->p.id, "order '%s': %s", orders[i].cmd,
	    rc == 0 ? "done" : err.text);
	answer(c, seq, rc, &err, "status", status_locked(srv));
	if (orders[i].run == do_stop)
		_exit(0);	/* all is recorded; nbdkit has no more */
}

struct slow {
	struct conn	*c;
	size_t		 i;
	json_int_t	 seq;
	json_t		*msg;
};

static void *
slow_run(void *arg)
{
	struct slow *w = arg;

	run_order(w->c, w->i, w->seq, w->msg);
	json_decref(w->msg);
	conn_unref(w->c);
	free(w);
	return NULL;
}

static int
slow_start(struct conn *c, size_t i, json_int_t seq, const json_t *msg,
    struct av_err *err)
{
	struct slow *w = calloc(1, sizeof(*w));
	pthread_t t;

	if (w == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	*w = (struct slow){ .c = c, .i = i, .seq = seq,
		.msg = json_deep_copy(msg) };
	pthread_mutex_lock(&list_mu);
	c->refs++;
	pthread_mutex_unlock(&list_mu);
	if (w->msg != NULL && pthread_create(&t, NULL, slow_run, w) == 0) {
		(void)pthread_detach(t);
		return 0;
	}
	json_decref(w->msg);
	conn_unref(c);
	free(w);
	return av_err_set(err, -EAGAIN, "no thread");
}

static void
order(struct conn *c, const json_t *msg)
{
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));
	json_int_t seq = json_integer_value(json_object_get(msg, "seq"));
	struct av_err err = { 0 };
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		if (cmd == NULL || strcmp(cmd, orders[i].cmd) != 0)
			continue;
		if (!orders[i].slow)
			run_order(c, i, seq, msg);
		else if ((rc = slow_start(c, i, seq, msg, &err)) < 0)
			answer(c, seq, rc, &err, NULL, NULL);
		return;
	}
	rc = av_err_code(&err, -EINVAL, "bad-request", "unknown command");
	answer(c, seq, rc, &err, NULL, NULL);
}

static void *
orders_run(void *arg)
{
	struct conn *c = arg;
	json_t *msg;

	for (;;) {
		pthread_mutex_lock(&list_mu);
		msg = json_incref(json_array_get(c->todo, 0));
		c->working = msg != NULL;
		(void)json_array_remove(c->todo, 0);
		pthread_mutex_unlock(&list_mu);
		if (msg == NULL)
			break;
		order(c, msg);
		json_decref(msg);
	}
	conn_unref(c);
	return NULL;
}

/* In turn, but not here: an order may wait for a disk that is stuck. */
static int
order_queue(struct conn *c, json_t *msg)
{
	pthread_t t;
	int rc = 0;

	pthread_mutex_lock(&list_mu);
	if (json_array_size(c->todo) >= ORDERS_MAX ||
	    json_array_append(c->todo, msg) < 0) {
		rc = -EBUSY;
	} else if (!c->working) {
		c->working = pthread_create(&t, NULL, orders_run, c) == 0;
		if (c->working) {
			(void)pthread_detach(t);
			c->refs++;
		} else {
			(void)json_array_clear(c->todo);
			rc = -EAGAIN;
		}
	}
	pthread_mutex_unlock(&list_mu);
	return rc;
}

static void
serve(struct conn *c, json_t *msg)
{
	const char *cmd = json_string_value(json_object_get(msg, "cmd"));
	json_int_t seq = json_integer_value(json_object_get(msg, "seq"));
	struct av_err err = { 0 };
	int rc;

	if (cmd == NULL)
		cmd = "";
	if (strcmp(cmd, "alive") == 0) {
		do_alive(msg);
		return;
	}
	if (strcmp(cmd, "status") == 0 || strcmp(cmd, "hello") == 0) {
		answer(c, seq, 0, &err, "status", status_locked(srv));
		return;
	}
	if (strcmp(cmd, "subscribe") == 0) {
		subscribe(c);
		answer(c, seq, 0, &err, NULL, NULL);
		return;
	}
	if (strcmp(cmd, "digest") == 0) {
		rc = digest_start(c, seq, msg, &err);
		if (rc < 0)
			answer(c, seq, rc, &err, NULL, NULL);
		return;
	}
	pthread_mutex_lock(&srv->mu);
	lease_heard(srv, said_at(msg));
	pthread_mutex_unlock(&srv->mu);
	rc = order_queue(c, msg);
	if (rc < 0) {
		(void)av_err_code(&err, rc, "server-down", "too many orders");
		answer(c, seq, rc, &err, NULL, NULL);
	}
}

static void *
conn_run(void *arg)
{
	struct conn *c = arg;
	struct av_frame_reader fr = { .max_bytes = 65536 };
	json_t *msg;
	int rc;

	for (;;) {
		rc = av_frame_next(&fr, &msg);
		if (rc == 0) {
			serve(c, msg);
			json_decref(msg);
		} else if (rc != -EAGAIN || av_frame_fill(&fr, c->fd) <= 0) {
			break;
		}
	}
	av_frame_reader_dispose(&fr);
	pthread_mutex_lock(&list_mu);
	c->subscribed = false;
	pthread_mutex_unlock(&list_mu);
	conn_unref(c);
	return NULL;
}

static void
conn_new(int fd)
{
	struct timeval tv = { .tv_sec = 2 };
	struct conn *c = calloc(1, sizeof(*c));
	pthread_t t;

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	/* A reader that doesn't read is cut off, not waited for. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	c->fd = fd;
	c->refs = 1;
	c->todo = json_array();
	(void)pthread_mutex_init(&c->send_mu, NULL);
	pthread_mutex_lock(&list_mu);
	c->next = conns;
	conns = c;
	n_conns++;
	pthread_mutex_unlock(&list_mu);
	if (n_conns > CONNS_MAX || pthread_create(&t, NULL, conn_run, c) != 0)
		conn_unref(c);
	else
		(void)pthread_detach(t);
}

static void *
accept_run(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			conn_new(fd);
		else if (errno != EINTR && errno != ECONNABORTED &&
		    errno != EMFILE && errno != ENFILE)
			return NULL;
	}
}

/* --- events --- */

static struct conn *
next_subscriber(uint64_t seq)
{
	struct conn *c;

	pthread_mutex_lock(&list_mu);
	for (c = conns; c != NULL; c = c->next)
		if (c->subscribed && c->sent_seq < seq)
			break;
	if (c != NULL) {
		c->sent_seq = seq;
		c->refs++;
	}
	pthread_mutex_unlock(&list_mu);
	return c;
}

/* So often that the peer's age as told last, plus a ping's interval (a third
 * of the peer's timeout), is below the agent's TIMING_MIRROR_LOST. */
#define PUSH_MAX_NS	(300 * AV_NS_PER_MS)

/* Pushes on change, and each PUSH_MAX so that times and progress move. */
static void *
notify_run(void *arg)
{
	struct srv *s = arg;
	uint64_t seen = 0, n = 0;

	for (;;) {
		uint64_t start = av_clock_ns();
		struct conn *c;

		pthread_mutex_lock(&s->mu);
		while (s->change_seq == seen && srv_wait_until(s,
		    start + PUSH_MAX_NS))
			;
		seen = s->change_seq;
		pthread_mutex_unlock(&s->mu);
		n++;
		while ((c = next_subscriber(n)) != NULL) {
			json_t *st = status_locked(s);

			conn_send(c, json_pack("{s:s,s:o}", "event", "status",
			    "status", st));
			conn_unref(c);
		}
		pthread_mutex_lock(&s->mu);
		while (srv_wait_until(s, start + PUSH_MIN_NS))
			;
		pthread_mutex_unlock(&s->mu);
	}
	return NULL;
}

int
control_start(struct srv *s, struct av_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = s->p.control_path;
	pthread_t t;

	srv = s;
	if (strlen(path) >= sizeof(a.sun_path))
		return av_err_set(err, -ENAMETOOLONG, "'%s': too long", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	(void)unlink(path);	/* the leg's lock says that it is ours */
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 ||
	    bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(path, 0600) < 0 || listen(listen_fd, 8) < 0)
		return av_err_set(err, -errno, "'%s': %s", path,
		    strerror(errno));
	if (pthread_create(&t, NULL, accept_run, NULL) != 0 ||
	    pthread_detach(t) != 0 ||
	    pthread_create(&t, NULL, notify_run, s) != 0 ||
	    pthread_detach(t) != 0)
		return av_err_set(err, -EAGAIN, "no threads");
	return 0;
}
