/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/plugin.c - nbdkit's side: parameters, exports, requests
 *
 * nbdkit listens on the Unix socket alone (the folder's mode says who may).
 * Export 'front' is for local clients; export 'peer' only for connections that
 * proved the key to tls.c, which listens on TCP.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "base/log.h"
#include "base/str.h"
#include "mirror/replica/server.h"
#include "mirror/replica/tls.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct srv_params params = { .peer_timeout_ms = 1500 };
static uint64_t rate_kib_s;
static uint64_t ready_fd = UINT64_MAX;
static uint64_t listen_fd = UINT64_MAX;
static struct srv server;

struct handle {
	bool		 front;
	uint64_t	 role_count;
	struct peer_conn *pc;
};

/* --- parameters --- */

static int
copy_text(const char *key, const char *value, char *buf, size_t n)
{
	if (strlen(value) >= n) {
		nbdkit_error("%s: too long", key);
		return -1;
	}
	memcpy(buf, value, strlen(value) + 1);
	return 0;
}

static int
copy_number(const char *key, const char *value, uint64_t max, uint64_t *ret)
{
	if (av_parse_u64(value, ret) < 0 || *ret > max) {
		nbdkit_error("%s: '%s' isn't a number up to %llu", key, value,
		    (unsigned long long)max);
		return -1;
	}
	return 0;
}

static int
copy_uuid(const char *key, const char *value, uint8_t *ret)
{
	if (meta_uuid_parse(value, ret) < 0) {
		nbdkit_error("%s: not 32 hex digits", key);
		return -1;
	}
	return 0;
}

static int
config_number(const char *key, const char *value)
{
	uint64_t v;
	int r;

	if (strcmp(key, "node") == 0) {
		r = copy_number(key, value, 1, &v);
		params.node = r == 0 ? (unsigned)v : 0;
	} else if (strcmp(key, "peer-port") == 0) {
		r = copy_number(key, value, 65535, &v);
		params.peer_port = r == 0 ? (uint16_t)v : 0;
	} else if (strcmp(key, "peer-timeout-ms") == 0) {
		r = copy_number(key, value, 600000, &v);
		if (r == 0 && v >= 50)
			params.peer_timeout_ms = (uint32_t)v;
	} else if (strcmp(key, "resync-rate-kib-s") == 0) {
		r = copy_number(key, value, 1ull << 40, &rate_kib_s);
	} else if (strcmp(key, "ready-fd") == 0) {
		r = copy_number(key, value, 1 << 20, &ready_fd);
	} else if (strcmp(key, "listen-fd") == 0) {
		r = copy_number(key, value, 1 << 20, &listen_fd);
	} else {
		nbdkit_error("unknown parameter '%s'", key);
		r = -1;
	}
	return r;
}

static int
replica_config(const char *key, const char *value)
{
	struct srv_params *p = &params;

#define TEXT(name, field) \
	if (strcmp(key, (name)) == 0) \
		return copy_text(key, value, p->field, sizeof(p->field))
	TEXT("dir", dir);
	TEXT("id", id);
	TEXT("psk-file", psk_file);
	TEXT("psk-user", psk_user);
	TEXT("control", control_path);
	TEXT("front", front_path);
#undef TEXT
	if (strcmp(key, "unit") == 0)
		return copy_uuid(key, value, p->unit_uuid);
	if (strcmp(key, "volume") == 0)
		return copy_uuid(key, value, p->volume_uuid);
	if (strcmp(key, "peer") == 0) {
		if (p->n_peer_addrs == SRV_ADDRS_MAX) {
			nbdkit_error("too many peer addresses");
			return -1;
		}
		return copy_text(key, value,
		    p->peer_addrs[p->n_peer_addrs++], MIRROR_ADDR_MAX);
	}
	return config_number(key, value);
}

static int
replica_config_complete(void)
{
	if (params.dir[0] == '\0' || params.id[0] == '\0' ||
	    params.control_path[0] == '\0' || params.psk_file[0] == '\0' ||
	    params.psk_user[0] == '\0' || params.front_path[0] == '\0' ||
	    listen_fd == UINT64_MAX) {
		nbdkit_error("dir, id, control, front, listen-fd, psk-file "
		    "and psk-user are needed");
		return -1;
	}
	return 0;
}

/* --- start --- */

/* Tells the starter why it failed; a close without words means ready. */
static void
tell_starter(const struct av_err *err)
{
	char line[320];
	int n;

	if (ready_fd == UINT64_MAX)
		return;
	if (err != NULL) {
		n = snprintf(line, sizeof(line), "%s\n%s\n", err->code,
		    err->text);
		if (n > 0)
			(void)!write((int)ready_fd, line, (size_t)n);
	}
	(void)close((int)ready_fd);
	ready_fd = UINT64_MAX;
}

static int
replica_get_ready(void)
{
	struct av_err err = { 0 };

	av_log_open("avreplica", AV_LOG_INFO);
	if (srv_open(&server, &params, &err) < 0 ||
	    tls_keys_new(params.psk_file, params.psk_user, &server.keys,
	    &err) < 0) {
		nbdkit_error("%s", err.text);
		tell_starter(&err);
		return -1;
	}
	server.resync_rate_kib_s = rate_kib_s;
	return 0;
}

static int
replica_after_fork(void)
{
	struct av_err err = { 0 };
	int rc = srv_start_threads(&server);

	(void)signal(SIGPIPE, SIG_IGN);
	if (rc < 0)
		(void)av_err_set(&err, rc, "no threads");
	else
		rc = control_start(&server, &err);
	if (rc == 0) {
		rc = tls_server_start(server.keys, (int)listen_fd,
		    params.front_path);
		if (rc < 0)
			(void)av_err_set(&err, rc, "no threads");
	}
	if (rc < 0) {
		nbdkit_error("%s", err.text);
		tell_starter(&err);
		return -1;
	}
	tell_starter(NULL);
	return 0;
}

/* --- connections --- */

static int
may_open(bool front)
{
	int64_t pid = nbdkit_peer_pid();

	/* What has come through tls.c comes from this process. */
	if (pid < 0 || front != (pid != getpid())) {
		nbdkit_error("this export isn't served to this client");
		nbdkit_set_error(EPERM);
		return -1;
	}
	return 0;
}

static void *
replica_open(int readonly)
{
	const char *name = nbdkit_export_name();
	struct handle *h;
	int rc;

	(void)readonly;
	if (name == NULL || (strcmp(name, "front") != 0 &&
	    strcmp(name, "peer") != 0)) {
		nbdkit_error("no such export");
		return NULL;
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->front = strcmp(name, "front") == 0;
	if (may_open(h->front) < 0) {
		free(h);
		return NULL;
	}
	if (h->front) {
		rc = front_open(&server, &h->role_count);
	} else {
		h->pc = peer_open(&server);
		rc = h->pc == NULL ? ENOMEM : 0;
	}
	if (rc != 0) {
		nbdkit_error("this PM isn't the volume's primary");
		nbdkit_set_error(rc);
		free(h);
		return NULL;
	}
	return h;
}

static void
replica_close(void *handle)
{
	struct handle *h = handle;

	if (h->front)
		front_close(&server);
	else
		peer_close(&server, h->pc);
	free(h);
}

static int64_t
replica_get_size(void *handle)
{
	struct handle *h = handle;

	return (int64_t)(h->front ? server.leg->sb.size_bytes :
	    peer_export_bytes(&server));
}

static int
yes(void *handle)
{
	(void)handle;
	return 1;
}

static int
no(void *handle)
{
	(void)handle;
	return 0;
}

static int
fua_native(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

/* --- requests --- */

static int
result(int e)
{
	if (e == 0)
		return 0;
	nbdkit_set_error(e);
	return -1;
}

static int
replica_pread(void *handle, void *buf, uint32_t n, uint64_t offset,
    uint32_t flags)
{
	struct handle *h = handle;

	(void)flags;
	return result(h->front ?
	    front_read(&server, h->role_count, buf, n, offset) :
	    peer_read(&server, h->pc, buf, n, offset));
}

static int
replica_pwrite(void *handle, const void *buf, uint32_t n, uint64_t offset,
    uint32_t flags)
{
	struct handle *h = handle;
	bool fua = flags & NBDKIT_FLAG_FUA;

	return result(h->front ?
	    front_write(&server, h->role_count, buf, n, offset, fua) :
	    peer_write(&server, h->pc, buf, n, offset, fua));
}

static int
replica_zero(void *handle, uint32_t n, uint64_t offset, uint32_t flags)
{
	return replica_pwrite(handle, NULL, n, offset, flags);
}

static int
replica_flush(void *handle, uint32_t flags)
{
	struct handle *h = handle;

	(void)flags;
	return result(h->front ? front_flush(&server, h->role_count) :
	    peer_flush(&server, h->pc));
}

static struct nbdkit_plugin plugin = {
	.name = "avreplica",
	.longname = "one leg of a mirrored volume",
	.version = AV_VERSION,
	.config = replica_config,
	.config_complete = replica_config_complete,
	.get_ready = replica_get_ready,
	.after_fork = replica_after_fork,
	.open = replica_open,
	.close = replica_close,
	.get_size = replica_get_size,
	.can_write = yes,
	.can_flush = yes,
	.can_trim = no,
	.can_zero = yes,
	.can_fua = fua_native,
	.can_multi_conn = yes,
	.pread = replica_pread,
	.pwrite = replica_pwrite,
	.zero = replica_zero,
	.flush = replica_flush,
};

struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
