/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/test_tls.c - the relay's shared key, lines, and the pump
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/err.h"
#include "console/tls.h"
#include "tests/test.h"

static const uint8_t key_a[16] = { 1, 2, 3 }, key_b[16] = { 1, 2, 4 };

/* The serving end: a thread. */
struct server {
	struct av_tls_cred	*cred;
	int		 fd, stop, plain;
	int		 rc;		/* of the handshake */
	char		 line[64];
	pthread_t	 thread;
};

static void *
server_run(void *arg)
{
	struct server *s = arg;
	gnutls_session_t tls;

	s->rc = av_tls_accept(s->cred, s->fd, s->stop, 5000, &tls);
	if (s->rc == 0) {
		s->rc = av_tls_read_line(tls, s->fd, s->stop, 5000, s->line,
		    sizeof(s->line));
		if (s->rc == 0)
			s->rc = av_tls_write(tls, s->fd, s->stop, 5000, "ok\n");
		if (s->rc == 0 && s->plain >= 0)
			tls_pump(tls, s->fd, s->plain, s->stop);
		gnutls_deinit(tls);
	}
	(void)close(s->fd);
	if (s->plain >= 0)
		(void)close(s->plain);
	return NULL;
}

static int
server_start(struct server *s, struct av_tls_cred *cred, int plain,
    int *ret_client)
{
	struct timeval tv = { .tv_sec = 10 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	*s = (struct server){ .cred = cred, .fd = pair[0], .plain = plain,
	    .stop = eventfd(0, 0) };
	(void)setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	*ret_client = pair[1];
	return pthread_create(&s->thread, NULL, server_run, s);
}

static int
try_key(const char *user, const uint8_t *key, size_t n)
{
	struct av_tls_cred *sc, *cc;
	struct av_err err = { 0 };
	struct server s;
	gnutls_session_t tls;
	char line[16] = "";
	int fd, rc;

	if (av_tls_cred_psk("avpair", key_a, sizeof(key_a), &sc, &err) < 0 ||
	    av_tls_cred_psk(user, key, (unsigned)n, &cc, &err) < 0 ||
	    server_start(&s, sc, -1, &fd) != 0)
		return -1;
	rc = av_tls_connect(cc, fd, s.stop, 5000, &tls);
	if (rc == 0) {
		rc = av_tls_write(tls, fd, s.stop, 5000, "vnc vm:o1\n");
		if (rc == 0)
			rc = av_tls_read_line(tls, fd, s.stop, 5000, line,
			    sizeof(line));
		gnutls_deinit(tls);
	}
	(void)shutdown(fd, SHUT_RDWR);
	(void)pthread_join(s.thread, NULL);
	(void)close(fd);
	(void)close(s.stop);
	av_tls_cred_free(sc);
	av_tls_cred_free(cc);
	if (rc == 0 && (strcmp(line, "ok") != 0 ||
	    strcmp(s.line, "vnc vm:o1") != 0))
		return -1;
	return rc < 0 || s.rc < 0 ? 1 : 0;
}

TEST(only_the_shared_key_opens)
{
	CHECK_EQ(try_key("avpair", key_a, sizeof(key_a)), 0);
	CHECK_EQ(try_key("avpair", key_b, sizeof(key_b)), 1);
	CHECK_EQ(try_key("other", key_a, sizeof(key_a)), 1);
	CHECK_EQ(try_key("avpair", key_a, 15), 1);
	return 0;
}

TEST(garbage_and_silence_are_refused)
{
	struct av_tls_cred *sc;
	struct av_err err = { 0 };
	struct server s;
	uint64_t one = 1;
	int fd;

	CHECK(av_tls_cred_psk("avpair", key_a, sizeof(key_a), &sc, &err) == 0);
	CHECK(server_start(&s, sc, -1, &fd) == 0);
	CHECK(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
	(void)pthread_join(s.thread, NULL);
	CHECK(s.rc < 0);
	(void)close(fd);
	(void)close(s.stop);
	/* says nothing: ended by the stop, not by a long wait */
	CHECK(server_start(&s, sc, -1, &fd) == 0);
	CHECK(write(s.stop, &one, sizeof(one)) == sizeof(one));
	(void)pthread_join(s.thread, NULL);
	CHECK(s.rc < 0);
	(void)close(fd);
	(void)close(s.stop);
	av_tls_cred_free(sc);
	return 0;
}

/* The far side of the pump: sends all back, then ends. */
static void *
echo_run(void *arg)
{
	int fd = *(int *)arg;
	char buf[5000];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	(void)shutdown(fd, SHUT_WR);
	return NULL;
}

TEST(pump_carries_all_and_both_ends)
{
	static uint8_t out[20000], in[20000];
	struct av_tls_cred *c;
	struct av_err err = { 0 };
	struct server s;
	gnutls_session_t tls;
	pthread_t echo;
	char line[16];
	size_t at = 0, i;
	int fd, plain[2];

	for (i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, plain) == 0);
	CHECK(av_tls_cred_psk("avpair", key_a, sizeof(key_a), &c, &err) == 0);
	CHECK(server_start(&s, c, plain[0], &fd) == 0);
	CHECK(pthread_create(&echo, NULL, echo_run, &plain[1]) == 0);
	CHECK(av_tls_connect(c, fd, s.stop, 5000, &tls) == 0);
	CHECK(av_tls_write(tls, fd, s.stop, 5000, "x\n") == 0);
	CHECK(av_tls_read_line(tls, fd, s.stop, 5000, line, sizeof(line)) == 0);
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
	for (i = 0; i < sizeof(out); i += 10000)
		CHECK(gnutls_record_send(tls, out + i, 10000) == 10000);
	/* half-close: what was sent still comes back whole */
	CHECK(gnutls_bye(tls, GNUTLS_SHUT_WR) == 0);
	while (at < sizeof(in)) {
		ssize_t n = gnutls_record_recv(tls, in + at, sizeof(in) - at);

		CHECK(n > 0);
		at += (size_t)n;
	}
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	CHECK(gnutls_record_recv(tls, in, 1) == 0);
	(void)pthread_join(s.thread, NULL);
	(void)pthread_join(echo, NULL);
	gnutls_deinit(tls);
	(void)close(fd);
	(void)close(plain[1]);
	(void)close(s.stop);
	av_tls_cred_free(c);
	return 0;
}

TESTS_MAIN(T(only_the_shared_key_opens), T(garbage_and_silence_are_refused),
    T(pump_carries_all_and_both_ends))
