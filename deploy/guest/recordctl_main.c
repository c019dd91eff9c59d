/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/guest/recordctl_main.c - av-recordctl: a client of the record service
 *
 *	av-recordctl write HOST PORT --log FILE [--count N] [--seconds S]
 *	    [--start n] [--interval-ms M] [--answer-ms A] [--quiet]
 *	av-recordctl check HOST PORT FILE [--timeout S]
 *
 * write: records one by one; without an answer for A ms (1000) it connects again and
 * asks for the same n, never skipping one.  FILE gets "n ms c" a line as soon as n is
 * acknowledged: CLOCK_MONOTONIC, and the number of the connection.  SIGTERM and SIGINT
 * end it in order.  Exit 0: all written; 1: the server refused one.
 * check: every record of FILE must be in the server's list, none twice, in rising
 * order.  Exit 0: so it is; 1: lost, double or disordered; 3: no answer.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"

#define ANSWER_MS	1000
#define RETRY_MS	50

struct opts {
	const char	*host;
	const char	*port;
	const char	*log;
	uint64_t	 count;		/* 0 = no limit */
	uint64_t	 seconds;	/* 0 = no limit */
	uint64_t	 start;
	uint64_t	 interval_ms;
	uint64_t	 answer_ms;	/* then the connection is taken for dead */
	uint64_t	 timeout_s;
	bool		 quiet;
};

struct conn {
	int	fd;		/* -1 = none */
	unsigned n_opened;
	size_t	n_in;
	char	in[65536];
};

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void
wait_ms(uint64_t ms)
{
	(void)poll(NULL, 0, (int)ms);
}

static void
conn_drop(struct conn *c)
{
	if (c->fd >= 0)
		(void)close(TAKE_FD(c->fd));	/* a socket */
	c->n_in = 0;
}

static int
connect_within(int fd, const struct addrinfo *ai, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int e = 0;
	socklen_t n = sizeof(e);

	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, ms) <= 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0)
		return -errno;
	return -e;
}

static int
conn_open(struct conn *c, const struct opts *o)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	AUTO_FD int fd = -1;
	int rc;

	if (getaddrinfo(o->host, o->port, &hints, &ai) != 0)
		return -EHOSTUNREACH;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	rc = fd < 0 ? -errno : connect_within(fd, ai, ANSWER_MS);
	freeaddrinfo(ai);
	if (rc < 0)
		return rc;
	c->fd = TAKE_FD(fd);
	c->n_opened++;
	c->n_in = 0;
	return 0;
}

/* One line without its end into 'line'; -ETIMEDOUT, -ECONNRESET, -EBADMSG. */
static int
conn_line(struct conn *c, char *line, size_t room, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	size_t n;
	ssize_t r;
	char *nl;

	while ((nl = memchr(c->in, '\n', c->n_in)) == NULL) {
		if (c->n_in == sizeof(c->in))
			return -EBADMSG;
		if (poll(&p, 1, ms) <= 0)
			return -ETIMEDOUT;
		r = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
		if (r < 0 && errno == EAGAIN)
			continue;
		if (r <= 0)
			return -ECONNRESET;
		c->n_in += (size_t)r;
	}
	n = (size_t)(nl - c->in);
	if (n >= room)
		return -EBADMSG;
	memcpy(line, c->in, n);
	line[n] = '\0';
	c->n_in -= n + 1;
	memmove(c->in, nl + 1, c->n_in);
	return 0;
}

static int
conn_send(struct conn *c, const char *text)
{
	size_t n = strlen(text);

	/* a short line into an empty socket: all or a dead peer */
	return send(c->fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EPIPE;
}

/* --------------------------------- write ---------------------------------- */

/* 0 = acknowledged; -EPROTO = refused, *line says why; else try again. */
static int
put_once(struct conn *c, const struct opts *o, uint64_t n, char *line,
    size_t room)
{
	char msg[64], ok[64], got[64];
	int rc;

	if (c->fd < 0) {
		rc = conn_open(c, o);
		if (rc < 0)
			return rc;
	}
	(void)snprintf(msg, sizeof(msg), "PUT %llu\n", (unsigned long long)n);
	(void)snprintf(ok, sizeof(ok), "OK %llu", (unsigned long long)n);
	(void)snprintf(got, sizeof(got), "HAVE %llu", (unsigned long long)n);
	rc = conn_send(c, msg);
	if (rc == 0)
		rc = conn_line(c, line, room, (int)o->answer_ms);
	if (rc < 0) {
		conn_drop(c);
		return rc;
	}
	return strcmp(line, ok) == 0 || strcmp(line, got) == 0 ? 0 : -EPROTO;
}

struct tally {
	uint64_t	begin_ns;
	uint64_t	last_ns;	/* of the last acknowledgement */
	uint64_t	gap_ns;		/* the longest without one */
	uint64_t	told_ns;
	uint64_t	n;
};

static void
tally_add(struct tally *t, const struct opts *o, uint64_t n)
{
	uint64_t now = av_clock_ns();

	if (now - t->last_ns > t->gap_ns && t->n > 0)
		t->gap_ns = now - t->last_ns;
	t->last_ns = now;
	t->n++;
	if (o->quiet || now - t->told_ns < AV_NS_PER_S)
		return;
	t->told_ns = now;
	(void)printf("record %llu, longest gap %llu ms\n",
	    (unsigned long long)n,
	    (unsigned long long)(t->gap_ns / AV_NS_PER_MS));
	(void)fflush(stdout);
}

static bool
more_to_do(const struct opts *o, const struct tally *t)
{
	if (stop || (o->count != 0 && t->n >= o->count))
		return false;
	return o->seconds == 0 ||
	    av_clock_ns() - t->begin_ns < o->seconds * AV_NS_PER_S;
}

static int
do_write(const struct opts *o)
{
	static struct conn c = { .fd = -1 };
	AUTO_FILE FILE *log = fopen(o->log, "ae");
	struct tally t = { .begin_ns = av_clock_ns() };
	uint64_t n = o->start;
	char line[128];
	int rc;

	if (log == NULL) {
		(void)fprintf(stderr, "%s: %s\n", o->log, strerror(errno));
		return 2;
	}
	while (more_to_do(o, &t)) {
		rc = put_once(&c, o, n, line, sizeof(line));
		if (rc == -EPROTO) {
			(void)fprintf(stderr, "record %llu refused: %s\n",
			    (unsigned long long)n, line);
			return 1;
		}
		if (rc < 0) {
			wait_ms(RETRY_MS);
			continue;
		}
		tally_add(&t, o, n);
		if (fprintf(log, "%llu %llu %u\n", (unsigned long long)n,
		    (unsigned long long)(t.last_ns / AV_NS_PER_MS),
		    c.n_opened) < 0 ||
		    fflush(log) != 0) {
			(void)fprintf(stderr, "%s: %s\n", o->log,
			    strerror(errno));
			return 2;
		}
		n++;
		if (o->interval_ms > 0)
			wait_ms(o->interval_ms);
	}
	conn_drop(&c);
	(void)printf("acknowledged %llu, longest gap %llu ms\n",
	    (unsigned long long)t.n,
	    (unsigned long long)(t.gap_ns / AV_NS_PER_MS));
	return 0;
}

/* --------------------------------- check ---------------------------------- */

struct list {
	uint64_t	*v;
	size_t		 n;
	size_t		 room;
	size_t		 disorder;	/* as they came */
};

static int
list_add(struct list *l, uint64_t n)
{
	if (l->n == l->room) {
		size_t room = l->room == 0 ? 4096 : l->room * 2;
		uint64_t *v = reallocarray(l->v, room, sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		l->v = v;
		l->room = room;
	}
	if (l->n > 0 && n < l->v[l->n - 1])
		l->disorder++;
	l->v[l->n++] = n;
	return 0;
}

static int
u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
list_read_log(struct list *l, const char *path)
{
	AUTO_FILE FILE *f = fopen(path, "re");
	char line[128];
	uint64_t n;

	if (f == NULL)
		return -errno;
	while (fgets(line, sizeof(line), f) != NULL) {
		char *space = strchr(line, ' ');

		/* a last line without its end: the writer was killed in it,
		 * after the acknowledgement; the number stands if whole */
		if (space == NULL)
			continue;
		*space = '\0';
		if (av_parse_u64(line, &n) < 0 || list_add(l, n) < 0)
			return -EBADMSG;
	}
	return ferror(f) ? -EIO : 0;
}

static int
list_fetch(struct list *l, const struct opts *o)
{
	static struct conn c = { .fd = -1 };
	char line[128];
	uint64_t n;
	int rc;

	l->n = l->disorder = 0;
	rc = conn_open(&c, o);
	if (rc == 0)
		rc = conn_send(&c, "LIST\n");
	while (rc == 0) {
		rc = conn_line(&c, line, sizeof(line), 5 * ANSWER_MS);
		if (rc < 0)
			break;
		if (strncmp(line, "END ", 4) == 0) {
			rc = av_parse_u64(line + 4, &n) == 0 && n == l->n ?
			    0 : -EBADMSG;
			break;
		}
		if (av_parse_u64(line, &n) < 0) {
			(void)fprintf(stderr, "the server says: %s\n", line);
			rc = -EPROTO;
			break;
		}
		rc = list_add(l, n);
	}
	conn_drop(&c);
	return rc;
}

/* Both sorted.  How many of 'a' aren't in 'b', each counted once. */
static size_t
count_missing(const struct list *a, const struct list *b)
{
	size_t i, j = 0, lost = 0;

	for (i = 0; i < a->n; i++) {
		if (i > 0 && a->v[i] == a->v[i - 1])
			continue;
		while (j < b->n && b->v[j] < a->v[i])
			j++;
		lost += j == b->n || b->v[j] != a->v[i];
	}
	return lost;
}

static int
do_check(const struct opts *o)
{
	uint64_t end_ns = av_clock_ns() + o->timeout_s * AV_NS_PER_S;
	struct list logged = {0}, stored = {0};
	size_t i, lost, twice = 0;
	int rc = list_read_log(&logged, o->log);

	if (rc < 0) {
		(void)fprintf(stderr, "%s: %s\n", o->log, strerror(-rc));
		free(logged.v);
		return 2;
	}
	while ((rc = list_fetch(&stored, o)) < 0 && rc != -EPROTO &&
	    av_clock_ns() < end_ns && !stop)
		wait_ms(RETRY_MS);
	if (rc == 0) {
		if (logged.n > 0)
			qsort(logged.v, logged.n, sizeof(uint64_t), u64_cmp);
		if (stored.n > 0)
			qsort(stored.v, stored.n, sizeof(uint64_t), u64_cmp);
		for (i = 1; i < stored.n; i++)
			twice += stored.v[i] == stored.v[i - 1];
		lost = count_missing(&logged, &stored);
		(void)printf("acknowledged %zu, stored %zu, lost %zu, "
		    "double %zu, disordered %zu\n", logged.n, stored.n, lost,
		    twice, stored.disorder);
		rc = lost > 0 || twice > 0 || stored.disorder > 0 ? 1 : 0;
	} else {
		(void)fprintf(stderr, "%s port %s: %s\n", o->host, o->port,
		    strerror(-rc));
		rc = rc == -EPROTO ? 1 : 3;
	}
	free(logged.v);
	free(stored.v);
	return rc;
}

/* ---------------------------------- main ---------------------------------- */

static int
usage(void)
{
	(void)fprintf(stderr, "usage: av-recordctl write HOST PORT --log FILE "
	    "[--count N] [--seconds S]\n"
	    "           [--start n] [--interval-ms M] [--answer-ms A]\n"
	    "           [--quiet]\n"
	    "       av-recordctl check HOST PORT FILE [--timeout S]\n");
	return 2;
}

static int
options(int argc, char **argv, struct opts *o)
{
	static const struct option known[] = {
		{ "log", required_argument, NULL, 'l' },
		{ "count", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "start", required_argument, NULL, 'n' },
		{ "interval-ms", required_argument, NULL, 'i' },
		{ "answer-ms", required_argument, NULL, 'a' },
		{ "timeout", required_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = 0;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'l')
			o->log = optarg;
		else if (c == 'c')
			rc |= av_parse_u64(optarg, &o->count);
		else if (c == 's')
			rc |= av_parse_u64(optarg, &o->seconds);
		else if (c == 'n')
			rc |= av_parse_u64(optarg, &o->start);
		else if (c == 'i')
			rc |= av_parse_u64(optarg, &o->interval_ms);
		else if (c == 'a')
			rc |= av_parse_u64(optarg, &o->answer_ms);
		else if (c == 't')
			rc |= av_parse_u64(optarg, &o->timeout_s);
		else if (c == 'q')
			o->quiet = true;
		else
			return -EINVAL;
	}
	return rc != 0 || o->timeout_s > 86400 || o->seconds > 1u << 30 ||
	    o->interval_ms > 3600000 || o->answer_ms > 3600000 ? -EINVAL : 0;
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct opts o = { .start = 1, .timeout_s = 10,
		.answer_ms = ANSWER_MS };
	int left;

	if (options(argc, argv, &o) < 0)
		return usage();
	left = argc - optind;
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	if (left < 3)
		return usage();
	o.host = argv[optind + 1];
	o.port = argv[optind + 2];
	if (strcmp(argv[optind], "write") == 0 && left == 3 && o.log != NULL)
		return do_write(&o);
	if (strcmp(argv[optind], "check") == 0 && left == 4) {
		o.log = argv[optind + 3];
		return do_check(&o);
	}
	return usage();
}
