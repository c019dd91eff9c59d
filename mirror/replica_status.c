/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica_status.c - the server's status message, and our parameters
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "mirror/replica.h"

static uint64_t
get_u64(const json_t *j, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(j, key));

	return v < 0 ? 0 : (uint64_t)v;
}

static uint64_t
get_hex(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	uint8_t b[8];
	uint64_t v = 0;
	size_t i;

	if (s == NULL || av_hex_decode(s, b, sizeof(b)) < 0)
		return 0;
	for (i = 0; i < sizeof(b); i++)
		v = v << 8 | b[i];
	return v;
}

static bool
get_bool(const json_t *j, const char *key)
{
	return json_is_true(json_object_get(j, key));
}

static void
get_text(const json_t *j, const char *key, char *buf, size_t n)
{
	const char *s = json_string_value(json_object_get(j, key));

	(void)snprintf(buf, n, "%s", s != NULL ? s : "");
	av_utf8_trim(buf);
}

static bool
is_word(const json_t *j, const char *key, const char *word)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s != NULL && strcmp(s, word) == 0;
}

static enum mirror_disk
get_disk(const json_t *j, const char *key)
{
	int d;

	for (d = MIRROR_DISK_UNKNOWN; d <= MIRROR_DISK_FAILED; d++)
		if (is_word(j, key, mirror_disk_name((enum mirror_disk)d)))
			return (enum mirror_disk)d;
	return MIRROR_DISK_UNKNOWN;
}

static enum mirror_conn
get_conn(const json_t *j)
{
	int c;

	for (c = MIRROR_DISCONNECTED; c <= MIRROR_DISKLESS; c++)
		if (is_word(j, "conn", mirror_conn_name((enum mirror_conn)c)))
			return (enum mirror_conn)c;
	return MIRROR_DISCONNECTED;
}

static enum mirror_verify_state
get_verify_state(const json_t *j)
{
	int st;

	for (st = MIRROR_VERIFY_NONE; st <= MIRROR_VERIFY_CANCELLED; st++)
		if (is_word(j, "state", mirror_verify_name(
		    (enum mirror_verify_state)st)))
			return (enum mirror_verify_state)st;
	return MIRROR_VERIFY_NONE;
}

static enum mirror_hold
get_hold(const json_t *j)
{
	int h;

	for (h = MIRROR_HOLD_NONE; h <= MIRROR_HOLD_EXPIRED; h++)
		if (is_word(j, "hold", mirror_hold_name((enum mirror_hold)h)))
			return (enum mirror_hold)h;
	return MIRROR_HOLD_NONE;
}

static void
get_verify_last(const json_t *j, struct mirror_verify_last *l)
{
	l->state = get_verify_state(j);
	l->finished_at = (int64_t)get_u64(j, "finished_at");
	l->repair = get_bool(j, "repair");
	l->n_found = get_u64(j, "found");
	l->n_repaired = get_u64(j, "repaired");
}

static void
get_verify(const json_t *j, struct mirror_verify *v)
{
	const json_t *list = json_object_get(j, "list");
	size_t i;

	memset(v, 0, sizeof(*v));
	v->state = get_verify_state(j);
	v->finished_at = (int64_t)get_u64(j, "finished_at");
	get_verify_last(json_object_get(j, "last"), &v->last);
	v->repair = get_bool(j, "repair");
	v->total_bytes = get_u64(j, "total_bytes");
	v->done_bytes = get_u64(j, "done_bytes");
	v->n_found = get_u64(j, "found");
	v->n_repaired = get_u64(j, "repaired");
	for (i = 0; i < json_array_size(list) && i < MIRROR_VERIFY_LIST_MAX;
	    i++)
		v->list[i] = (uint64_t)json_integer_value(
		    json_array_get(list, i));
	v->n_list = i;
	get_text(j, "code", v->code, sizeof(v->code));
	get_text(j, "text", v->text, sizeof(v->text));
}

void
replica_status_parse(const json_t *j, struct mirror_status *st)
{
	uint64_t seen = get_u64(j, "peer_seen_ms");

	st->pid = (int)get_u64(j, "pid");
	st->role = is_word(j, "role", "primary") ? MIRROR_PRIMARY :
	    MIRROR_SECONDARY;
	st->conn = get_conn(j);
	st->disk = get_disk(j, "disk");
	st->peer_disk = get_disk(j, "peer_disk");
	st->alone = get_bool(j, "alone");
	st->peer_outdated = get_bool(j, "peer_outdated");
	st->crashed_primary = get_bool(j, "crashed_primary");
	st->wants_connect = get_bool(j, "wants_connect");
	st->sparse = get_bool(j, "sparse");
	st->gi = (struct mirror_gi){ get_hex(j, "current"),
		get_hex(j, "bitmap"), get_hex(j, "h0"), get_hex(j, "h1") };
	st->gen = get_u64(j, "gen");
	st->size_bytes = get_u64(j, "size_bytes");
	st->out_of_step_bytes = get_u64(j, "out_of_step_bytes");
	st->held_requests = get_u64(j, "held_requests");
	st->front_connections = get_u64(j, "front_connections");
	st->written_bytes = get_u64(j, "written_bytes");
	st->read_bytes = get_u64(j, "read_bytes");
	st->write_requests = get_u64(j, "write_requests");
	st->read_requests = get_u64(j, "read_requests");
	st->resync_total_bytes = get_u64(j, "resync_total_bytes");
	st->resync_copied_bytes = get_u64(j, "resync_copied_bytes");
	st->resync_count = get_u64(j, "resync_count");
	st->resync_percent = (uint32_t)get_u64(j, "resync_percent");
	st->resync_eta_s = get_u64(j, "resync_eta_s");
	st->resync_paused = get_bool(j, "resync_paused");
	st->resync_limit_kib_s = get_u64(j, "resync_limit_kib_s");
	st->resync_speed_kib_s = get_u64(j, "resync_speed_kib_s");
	st->peer_size_bytes = get_u64(j, "peer_size_bytes");
	st->hold = get_hold(j);
	st->hold_left_ms = get_u64(j, "hold_left_ms");
	get_verify(json_object_get(j, "verify"), &st->verify);
	st->peer_seen_ms = seen == INT64_MAX ? UINT64_MAX : seen;
	st->peer_connected = get_bool(j, "peer_connected");
	st->diskless = get_bool(j, "diskless");
	st->lease_ms = (uint32_t)get_u64(j, "lease_ms");
	st->lease_expired = get_bool(j, "lease_expired");
	st->disk_slow_ms = get_u64(j, "disk_slow_ms");
	st->read_errors = get_u64(j, "read_errors");
	st->repaired_bytes = get_u64(j, "repaired_bytes");
	st->notice_count = get_u64(j, "notice_count");
	get_text(j, "notice_code", st->notice_code, sizeof(st->notice_code));
	get_text(j, "notice_text", st->notice_text, sizeof(st->notice_text));
	get_text(j, "error_code", st->error_code, sizeof(st->error_code));
	get_text(j, "error_text", st->error_text, sizeof(st->error_text));
}

/* --- parameters --- */

static bool
put(char *buf, size_t n, const char *s)
{
	if (s == NULL || strlen(s) >= n)
		return false;
	memcpy(buf, s, strlen(s) + 1);
	return true;
}

static bool
put_join(char *buf, size_t n, const char *dir, const char *name)
{
	int r = snprintf(buf, n, "%s/%s", dir, name);

	return r > 0 && (size_t)r < n;
}

/* nbdkit is in /usr/sbin upstream, in /usr/bin on Debian. */
static const char *
nbdkit_default(void)
{
	return access("/usr/sbin/nbdkit", X_OK) == 0 ? "/usr/sbin/nbdkit" :
	    "/usr/bin/nbdkit";
}

#define PUT(dst, src)	put((dst), sizeof(dst), (src))

int
replica_conf_copy(struct replica_conf *c, const struct mirror_conf *f,
    struct av_err *err)
{
	char cwd_plugin[MIRROR_PATH_MAX * 16];
	bool ok;
	size_t i;

	memset(c, 0, sizeof(*c));
	/* the server runs in "/": paths must not depend on where we are */
	ok = f->plugin_path != NULL &&
	    realpath(f->plugin_path, cwd_plugin) != NULL;
	if (!ok)
		return av_err_code(err, -ENOENT, "bad-request",
		    "mirror plugin '%s' isn't there",
		    f->plugin_path != NULL ? f->plugin_path : "");
	ok = PUT(c->id, f->id) && PUT(c->dir, f->dir) &&
	    PUT(c->run_dir, f->run_dir) && PUT(c->unit_uuid, f->unit_uuid) &&
	    PUT(c->volume_uuid, f->volume_uuid) &&
	    PUT(c->listen_addr, f->listen_addr) &&
	    PUT(c->psk_file, f->psk_file) &&
	    PUT(c->psk_user, f->psk_user != NULL ? f->psk_user : "avpair") &&
	    PUT(c->nbdkit_path, f->nbdkit_path != NULL ? f->nbdkit_path :
	    nbdkit_default()) &&
	    PUT(c->plugin_path, cwd_plugin) &&
	    PUT(c->log_path, f->log_path) &&
	    put_join(c->front_path, sizeof(c->front_path), f->run_dir,
	    "front.sock") &&
	    put_join(c->control_path, sizeof(c->control_path), f->run_dir,
	    "control.sock") &&
	    f->node <= 1 && f->n_peer_addrs <= MIRROR_PEER_ADDRS_MAX &&
	    f->dir[0] == '/' && f->psk_file[0] == '/' &&
	    f->run_dir[0] == '/';
	for (i = 0; ok && i < f->n_peer_addrs; i++)
		ok = PUT(c->peer_addrs[i], f->peer_addrs[i]);
	if (!ok)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a mirror parameter is missing, too long or not absolute");
	c->n_peer_addrs = f->n_peer_addrs;
	c->node = f->node;
	c->port = f->port;
	c->peer_port = f->peer_port;
	c->peer_timeout_ms = f->peer_timeout_ms != 0 ? f->peer_timeout_ms :
	    1500;
	c->time_scale = f->time_scale;
	c->resync_rate_kib_s = f->resync_rate_kib_s;
	return 0;
}
