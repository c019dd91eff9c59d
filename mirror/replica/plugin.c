/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/plugin.c - the process: parameters and start
 *
 * nbdkit is only the process around us; it listens on a socket that nobody
 * knows.  The exports are served by nbdserve.c: 'front' to local clients of the
 * Unix socket (the folder's mode says who may), 'peer' to connections that proved
 * the key to tls.c.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "base/log.h"
#include "base/str.h"
#include "mirror/replica/nbdserve.h"
#include "mirror/replica/server.h"
#include "mirror/replica/tls.h"

#define BUFFER_BYTES	(256 << 10)	/* larger ones are large */

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct srv_params params = { .peer_timeout_ms = 1500 };
static uint64_t rate_kib_s;
static uint64_t ready_fd = UINT64_MAX;
static uint64_t listen_fd = UINT64_MAX;
static uint64_t front_fd = UINT64_MAX;
static struct srv server;

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
	} else if (strcmp(key, "front-fd") == 0) {
		r = copy_number(key, value, 1 << 20, &front_fd);
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
	    params.psk_user[0] == '\0' || front_fd == UINT64_MAX ||
	    listen_fd == UINT64_MAX) {
		nbdkit_error("dir, id, control, front-fd, listen-fd, psk-file "
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
	/* Large buffers go back to the system at once, whichever thread had
	 * them; glibc would keep some MiB for each. */
	(void)mallopt(M_MMAP_THRESHOLD, BUFFER_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * BUFFER_BYTES);
	(void)mallopt(M_ARENA_MAX, 2);
	log_info(params.id, "server starts, pid %d", (int)getpid());
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
		    nbd_peer_serve, &server);
		if (rc == 0)
			rc = nbd_front_start(&server, (int)front_fd);
		if (rc < 0)
			(void)av_err_set(&err, rc, "no threads");
	}
	if (rc < 0) {
		nbdkit_error("%s", err.text);
		tell_starter(&err);
		return -1;
	}
	log_info(params.id, "server is ready");
	tell_starter(NULL);
	return 0;
}

/* Orders to end come over the control socket; this is a signal to nbdkit. */
static void
replica_cleanup(void)
{
	log_warn(params.id, "server ends by a signal");
}

/* --- nbdkit's own exports: there are none --- */

static void *
replica_open(int readonly)
{
	(void)readonly;
	nbdkit_error("nothing is served here");
	nbdkit_set_error(EPERM);
	return NULL;
}

static int64_t
replica_get_size(void *handle)
{
	(void)handle;
	return 0;
}

static int
replica_pread(void *handle, void *buf, uint32_t n, uint64_t offset,
    uint32_t flags)
{
	(void)handle;
	(void)buf;
	(void)n;
	(void)offset;
	(void)flags;
	nbdkit_set_error(EPERM);
	return -1;
}

static struct nbdkit_plugin plugin = {
	.name = "avreplica",
	.longname = "one leg of a mirrored volume",
	.version = AV_VERSION,
	.config = replica_config,
	.config_complete = replica_config_complete,
	.get_ready = replica_get_ready,
	.after_fork = replica_after_fork,
	.cleanup = replica_cleanup,
	.open = replica_open,
	.get_size = replica_get_size,
	.pread = replica_pread,
};

struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
