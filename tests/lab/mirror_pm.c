/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/lab/mirror_pm.c - one PM's side of a mirror, driven by lines of text
 *
 *   mirror-pm serve SOCKET KEY=VALUE...	one volume; see 'keys' below
 *   mirror-pm do SOCKET WORD...		one order; prints its answer
 *   mirror-pm write DEVICE BLOCKS SECONDS [SEED]
 *		writes numbered blocks of 4 KiB one after another, durably; prints
 *		"BLOCK NUMBER" for each that was acknowledged
 *   mirror-pm check DEVICE	reads such lines; each block must hold that number
 *		or a later one that was tried
 *
 * Orders: create delete read open close start status stop secondary outdate
 * connect disconnect pause resume release verify primary primary-alone:GEN
 * alone:GEN diskless:GEN rate:KIB grow:BYTES hold:MS digest snapshot:NAME
 * snapshot-delete:NAME window:on window:off wait:SECONDS KEY=VALUE...
 * Answers: "ok WORDS", "error CODE -ERRNO done|not-done|maybe: TEXT".  The exit
 * code of 'do' is 0 with ok.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "mirror/mirror.h"
#include "tests/lab/mirror_pm.h"

#define LINE_BYTES	2048

struct server {
	sd_event	*loop;
	struct mirror	*m;
	struct mirror_conf conf;
	struct mirror_leg_spec spec;
	struct mirror_drbd_conf drbd;
	const char	*driver;
	struct request	*waiting;
};

struct request {
	struct mirror_op op;
	struct server	*s;
	struct request	*next;		/* of those that wait for a status */
	int		fd;
	sd_event_source	*source, *timer;
	char		line[LINE_BYTES];
	size_t		n;
	char		*want[16];
	size_t		n_want;
};

/* --- answers --- */

static void
request_end(struct request *r, const char *text)
{
	(void)!write(r->fd, text, strlen(text));
	(void)!write(r->fd, "\n", 1);
	r->source = sd_event_source_disable_unref(r->source);
	r->timer = sd_event_source_disable_unref(r->timer);
	(void)close(r->fd);
	free(r);
}

static void
request_error(struct request *r, int rc, const struct av_err *err)
{
	char text[LINE_BYTES];

	(void)snprintf(text, sizeof(text), "error %s %d %s: %s",
	    err->code[0] != '\0' ? err->code : "-", rc,
	    err->outcome == AV_MAYBE ? "maybe" : "not-done", err->text);
	request_end(r, text);
}

static void
status_text(const struct mirror_status *st, char *buf, size_t n)
{
	(void)snprintf(buf, n, " server=%s found=%d role=%s conn=%s disk=%s "
	    "peer_disk=%s alone=%d diskless=%d peer_outdated=%d "
	    "crashed_primary=%d wants_connect=%d gen=%" PRIu64
	    " size=%" PRIu64 " out_of_step=%" PRIu64 " held=%" PRIu64
	    " resync_count=%" PRIu64 " percent=%u copied=%" PRIu64
	    " total=%" PRIu64 " paused=%d limit=%" PRIu64 " speed=%" PRIu64
	    " hold=%d current=%016" PRIx64 " bitmap=%016" PRIx64
	    " code=%s text='%s' ",
	    mirror_server_name(st->server), st->found,
	    mirror_role_name(st->role), mirror_conn_name(st->conn),
	    mirror_disk_name(st->disk), mirror_disk_name(st->peer_disk),
	    st->alone, st->diskless, st->peer_outdated, st->crashed_primary,
	    st->wants_connect, st->gen, st->size_bytes, st->out_of_step_bytes,
	    st->held_requests, st->resync_count, st->resync_percent,
	    st->resync_copied_bytes, st->resync_total_bytes,
	    st->resync_paused, st->resync_limit_kib_s, st->resync_speed_kib_s,
	    (int)st->hold, st->gi.current, st->gi.bitmap,
	    st->error_code[0] != '\0' ? st->error_code : "-", st->error_text);
}

/* --- waiting for a status --- */

static bool
is_wanted(const struct request *r)
{
	char now[LINE_BYTES], word[160];
	size_t i;

	if (r->s->m == NULL)
		return false;
	status_text(mirror_status_peek(r->s->m), now, sizeof(now));
	for (i = 0; i < r->n_want; i++) {
		bool not = r->want[i][0] == '!';

		(void)snprintf(word, sizeof(word), " %s ", r->want[i] + not);
		if ((strstr(now, word) != NULL) == not)
			return false;
	}
	return true;
}

static void
request_answer_status(struct request *r, const char *first)
{
	char text[LINE_BYTES], now[LINE_BYTES - 16];

	status_text(mirror_status_peek(r->s->m), now, sizeof(now));
	(void)snprintf(text, sizeof(text), "%s%s", first, now);
	request_end(r, text);
}

static void
look_at_waiting(struct server *s)
{
	struct request **at = &s->waiting;

	while (*at != NULL) {
		struct request *r = *at;

		if (!is_wanted(r)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		request_answer_status(r, "ok");
	}
}

static int
on_waited(sd_event_source *es, uint64_t usec, void *arg)
{
	struct request *r = arg, **at = &r->s->waiting;

	(void)es;
	(void)usec;
	while (*at != NULL && *at != r)
		at = &(*at)->next;
	if (*at == r)
		*at = r->next;
	if (r->s->m == NULL)
		request_end(r, "error not-open");
	else
		request_answer_status(r, "error waited-in-vain");
	return 0;
}

static void
on_changed(struct mirror *m, void *arg)
{
	(void)m;
	look_at_waiting(arg);
}

static void
order_wait(struct request *r, uint64_t seconds)
{
	if (is_wanted(r)) {
		request_answer_status(r, "ok");
		return;
	}
	if (sd_event_add_time_relative(r->s->loop, &r->timer, CLOCK_MONOTONIC,
	    seconds * 1000000, 0, on_waited, r) < 0) {
		request_end(r, "error timer");
		return;
	}
	r->next = r->s->waiting;
	r->s->waiting = r;
}

/* --- orders --- */

static void
on_done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct request *r = container_of(op, struct request, op);
	char text[64];
	uint32_t sum = 0;
	size_t i;

	if (rc < 0) {
		request_error(r, rc, err);
		return;
	}
	for (i = 0; i < op->n_digests; i++)
		sum = sum * 31 + op->digests[i];
	(void)snprintf(text, sizeof(text), op->n_digests > 0 ?
	    "ok digest=%08x" : "ok", sum);
	request_end(r, text);
}

static int
leg_order(struct request *r, const char *word, uint64_t n, struct av_err *err)
{
	struct server *s = r->s;
	struct mirror_leg_info info;
	uint64_t size;
	int rc;

	if (strcmp(word, "create") == 0)
		return mirror_leg_create(s->driver, &s->spec, err);
	if (strcmp(word, "delete") == 0)
		return mirror_leg_delete(s->driver, s->spec.dir, s->spec.id,
		    err);
	if (strncmp(word, "snapshot:", 9) == 0)
		return mirror_leg_snapshot(s->driver, s->spec.dir, s->spec.id,
		    word + 9, &size, err);
	if (strncmp(word, "snapshot-delete:", 16) == 0)
		return mirror_leg_snapshot_delete(s->driver, s->spec.dir,
		    s->spec.id, word + 16, err);
	(void)n;
	rc = mirror_leg_read(s->driver, s->spec.dir, s->spec.id, &info, err);
	if (rc == 0) {
		char text[400];

		(void)snprintf(text, sizeof(text), "ok unit=%s volume=%s size=%"
		    PRIu64 " gen=%" PRIu64 " disk=%s crashed_primary=%d "
		    "peer_outdated=%d current=%016" PRIx64 " bitmap=%016"
		    PRIx64, info.unit_uuid, info.volume_uuid, info.size_bytes,
		    info.gen, mirror_disk_name(info.disk),
		    info.crashed_primary, info.peer_outdated,
		    info.gi.current, info.gi.bitmap);
		request_end(r, text);
		return 1;
	}
	return rc;
}

/* 0 = 'done' comes; 1 = answered; 2 = not one of these. */
static int
server_order(struct request *r, const char *word, uint64_t n,
    struct av_err *err)
{
	struct server *s = r->s;
	struct mirror_primary_req req = { .alone = word[7] == '-', .gen = n };
	struct mirror_verify_req verify = { 0 };

#define IS(w)	(strncmp(word, w, strcspn(word, ":")) == 0 && \
		    strlen(w) == strcspn(word, ":"))
	if (IS("primary") || IS("primary-alone"))
		return mirror_primary(s->m, &r->op, &req, err);
	if (IS("alone"))
		return mirror_alone(s->m, &r->op, n, err);
	if (IS("diskless"))
		return mirror_diskless(s->m, &r->op, n, err);
	if (IS("secondary"))
		return mirror_secondary(s->m, &r->op, err);
	if (IS("outdate"))
		return mirror_outdate(s->m, &r->op, err);
	if (IS("connect"))
		return mirror_connect(s->m, &r->op, err);
	if (IS("disconnect"))
		return mirror_disconnect(s->m, &r->op, err);
	if (IS("stop"))
		return mirror_stop(s->m, &r->op, err);
	if (IS("rate"))
		return mirror_set_rate(s->m, &r->op, n, err);
	if (IS("pause"))
		return mirror_resync_pause(s->m, &r->op, err);
	if (IS("resume"))
		return mirror_resync_resume(s->m, &r->op, err);
	if (IS("grow"))
		return mirror_grow(s->m, &r->op, n, err);
	if (IS("hold"))
		return mirror_hold_writes(s->m, &r->op, (uint32_t)n, err);
	if (IS("release"))
		return mirror_release_writes(s->m, &r->op, err);
	if (IS("verify"))
		return mirror_verify(s->m, &r->op, &verify, err);
	if (IS("discard"))
		return mirror_discard(s->m, &r->op, n, err);
	if (IS("digest"))
		return mirror_digest(s->m, &r->op, 0, 0, err);
	if (IS("window"))
		return mirror_window(s->m, &r->op,
		    strcmp(word, "window:on") == 0, err);
	return 2;
#undef IS
}

static void
order_run(struct request *r)
{
	struct server *s = r->s;
	char *save = NULL, *word = strtok_r(r->line, " \r\n", &save), *w;
	const char *colon = word != NULL ? strchr(word, ':') : NULL;
	struct av_err err = { 0 };
	uint64_t n = 0;
	int rc;

	if (word == NULL) {
		request_end(r, "error empty");
		return;
	}
	if (colon != NULL)
		(void)av_parse_u64(colon + 1, &n);
	while ((w = strtok_r(NULL, " \r\n", &save)) != NULL &&
	    r->n_want < ARRAY_SIZE(r->want))
		r->want[r->n_want++] = w;
	r->op.done = on_done;
	r->op.deadline_ns = av_clock_ns() + 60 * AV_NS_PER_S;
	if (strcmp(word, "create") == 0 || strcmp(word, "delete") == 0 ||
	    strcmp(word, "read") == 0 || strncmp(word, "snapshot", 8) == 0) {
		rc = leg_order(r, word, n, &err);
		if (rc == 0)
			request_end(r, "ok");
	} else if (strcmp(word, "open") == 0) {
		rc = mirror_open(s->driver, &s->conf, s->loop, on_changed, s,
		    &s->m, &err);
		if (rc == 0)
			request_end(r, "ok");
	} else if (s->m == NULL) {
		rc = av_err_set(&err, -EINVAL, "not open");
	} else if (strcmp(word, "close") == 0) {
		s->m = mirror_close(s->m);
		request_end(r, "ok");
		return;
	} else if (strcmp(word, "status") == 0) {
		request_answer_status(r, "ok");
		return;
	} else if (strcmp(word, "start") == 0) {
		rc = mirror_start(s->m, &err);
		if (rc == 0)
			request_end(r, "ok");
	} else if (strncmp(word, "wait:", 5) == 0) {
		order_wait(r, n);
		return;
	} else {
		rc = server_order(r, word, n, &err);
		if (rc == 2)
			rc = av_err_set(&err, -EINVAL, "no such order");
	}
	if (rc < 0)
		request_error(r, rc, &err);
}

static int
on_line(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	struct request *r = arg;
	ssize_t n = read(fd, r->line + r->n, sizeof(r->line) - 1 - r->n);

	(void)es;
	(void)events;
	if (n <= 0) {
		request_end(r, "error read");
		return 0;
	}
	r->n += (size_t)n;
	r->line[r->n] = '\0';
	if (strchr(r->line, '\n') == NULL)
		return 0;
	r->source = sd_event_source_disable_unref(r->source);
	order_run(r);
	return 0;
}

static int
on_connect(sd_event_source *es, int fd, uint32_t events, void *arg)
{
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct request *r = conn >= 0 ? calloc(1, sizeof(*r)) : NULL;

	(void)es;
	(void)events;
	if (r == NULL)
		return 0;
	r->s = arg;
	r->fd = conn;
	if (sd_event_add_io(r->s->loop, &r->source, conn, EPOLLIN, on_line,
	    r) < 0)
		request_end(r, "error source");
	return 0;
}

/* --- serve --- */

/* The last one counts. */
static const char *
take(int argc, char **argv, const char *key, const char *otherwise)
{
	size_t n = strlen(key);
	int i;

	for (i = argc - 1; i >= 0; i--)
		if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=')
			return argv[i] + n + 1;
	return otherwise;
}

static uint64_t
take_number(int argc, char **argv, const char *key, const char *otherwise)
{
	uint64_t v = 0;

	(void)av_parse_u64(take(argc, argv, key, otherwise), &v);
	return v;
}

static void
server_conf(struct server *s, int argc, char **argv)
{
#define KEY(k, d)	take(argc, argv, k, d)
#define NUM(k, d)	take_number(argc, argv, k, d)
	static const char unit[] = "00112233445566778899aabbccddeeff";
	static const char volume[] = "0123456789abcdef0123456789abcdef";

	s->driver = KEY("driver", "drbd");
	s->drbd = (struct mirror_drbd_conf){ .vg = KEY("vg", "vg0"),
		.minor = (unsigned)NUM("minor", "1000"),
		.unencrypted_ok = true, .handler_path = KEY("handler", NULL),
		.tools_path = KEY("tools", NULL) };
	s->conf = (struct mirror_conf){ .id = KEY("id", "o3"),
		.dir = KEY("dir", "/var/lib/mirror-pm"),
		.unit_uuid = KEY("unit", unit),
		.volume_uuid = KEY("volume", volume),
		.node = (unsigned)NUM("node", "0"),
		.run_dir = KEY("run", "/run/mirror-pm"),
		.listen_addr = KEY("listen", "0.0.0.0"),
		.port = (uint16_t)NUM("port", "7800"),
		.peer_addrs = { KEY("peer", "") }, .n_peer_addrs = 1,
		.peer_port = (uint16_t)NUM("port", "7800"),
		.psk_file = KEY("psk", "/etc/mirror-pm.psk"),
		.plugin_path = KEY("plugin", NULL),
		.log_path = KEY("log", "/var/log/mirror-pm.log"),
		.peer_timeout_ms = (uint32_t)NUM("timeout_ms", "3000"),
		.resync_rate_kib_s = NUM("rate", "0") };
	s->spec = (struct mirror_leg_spec){ .dir = s->conf.dir,
		.id = s->conf.id, .unit_uuid = s->conf.unit_uuid,
		.volume_uuid = s->conf.volume_uuid,
		.size_bytes = NUM("size", "67108864"),
		.initial_current = NUM("current", "81985529216486880"),
		.gen = NUM("gen", "1") };
	if (strcmp(s->driver, "drbd") == 0)
		s->conf.drbd = s->spec.drbd = &s->drbd;
}

static int
unix_socket(const char *path, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
serve(const char *path, int argc, char **argv)
{
	static struct server s;
	struct sockaddr_un sa;
	int fd = unix_socket(path, &sa);

	(void)unlink(path);
	server_conf(&s, argc, argv);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 8) < 0 || sd_event_new(&s.loop) < 0 ||
	    sd_event_add_io(s.loop, NULL, fd, EPOLLIN, on_connect, &s) < 0) {
		perror(path);
		return 99;
	}
	return sd_event_loop(s.loop) < 0 ? 99 : 0;
}

/* --- do --- */

static int
order(const char *path, int argc, char **argv)
{
	struct sockaddr_un sa;
	int fd = unix_socket(path, &sa), i, ok = -1;
	char buf[LINE_BYTES];
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror(path);
		return 99;
	}
	for (i = 0; i < argc; i++)
		(void)dprintf(fd, "%s%s", argv[i],
		    i + 1 == argc ? "\n" : " ");
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (ok < 0)
			ok = n >= 2 && memcmp(buf, "ok", 2) == 0;
		(void)!write(1, buf, (size_t)n);
	}
	(void)close(fd);
	return ok == 1 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	uint64_t blocks, seconds, seed = 1;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argc - 3, argv + 3);
	if (argc >= 4 && strcmp(argv[1], "do") == 0)
		return order(argv[2], argc - 3, argv + 3);
	if (argc >= 5 && strcmp(argv[1], "write") == 0 &&
	    av_parse_u64(argv[3], &blocks) == 0 &&
	    av_parse_u64(argv[4], &seconds) == 0 &&
	    (argc == 5 || av_parse_u64(argv[5], &seed) == 0))
		return pm_write(argv[2], blocks, seconds, seed);
	if (argc == 3 && strcmp(argv[1], "check") == 0)
		return pm_check(argv[2]);
	fprintf(stderr, "usage: see tests/lab/mirror_pm.c\n");
	return 99;
}
