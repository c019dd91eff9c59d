/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest's stream between two PMs (vmm/stream.h), as QEMU's is carried.
 */
#include "vmm/stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/test.h"

#define BYTES	(300u * 1024)	/* less than what may be under way */

/* One end, on a thread of its own. */
struct end {
	struct stream	*s;
	pthread_t	 thread;
	int		 fd[2];		/* the test's, the stream's */
	bool		 out;
	uint16_t	 port;
	int		 met, carried;
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	bool		 over;
};

static void *
end_run(void *ctx)
{
	struct end *n = ctx;
	struct av_err err = {0};

	n->met = n->out ? stream_reach(n->s, "127.0.0.1", n->port, &err) :
	    stream_meet(n->s, &err);
	n->carried = n->met == 0 ? stream_carry(n->s, n->fd[1], n->out) : 1;
	if (n->met < 0)
		(void)close(n->fd[1]);
	stream_free(n->s);
	(void)pthread_mutex_lock(&n->lock);
	n->over = true;
	(void)pthread_cond_signal(&n->cond);
	(void)pthread_mutex_unlock(&n->lock);
	return NULL;
}

static int
end_begin(struct end *n, const char *key, bool out, uint16_t port)
{
	struct av_err err = {0};

	*n = (struct end){ .out = out, .port = port };
	(void)pthread_mutex_init(&n->lock, NULL);
	(void)pthread_cond_init(&n->cond, NULL);
	CHECK_EQ(stream_new(key, &n->s, &err), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, n->fd), 0);
	if (!out)
		CHECK_EQ(stream_listen(n->s, "127.0.0.1", &n->port, &err), 0);
	CHECK_EQ(pthread_create(&n->thread, NULL, end_run, n), 0);
	return 0;
}

/* True: it was over within that time. */
static bool
end_over_within(struct end *n, long ms)
{
	struct timespec t;
	bool over;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	(void)pthread_mutex_lock(&n->lock);
	while (!n->over && pthread_cond_timedwait(&n->cond, &n->lock, &t) == 0)
		;
	over = n->over;
	(void)pthread_mutex_unlock(&n->lock);
	return over;
}

static void
end_join(struct end *n)
{
	(void)pthread_join(n->thread, NULL);
	if (n->fd[0] >= 0)
		(void)close(n->fd[0]);
}

static int
key_file(const char *name, const char *text, char ret[64])
{
	(void)snprintf(ret, 64, "/tmp/avstream.%d.%s", (int)getpid(), name);
	return av_file_write(ret, text, strlen(text), 0600, NULL);
}

#define KEY	"avpair:00112233445566778899aabbccddeeff\n"
#define OTHER	"avpair:ff112233445566778899aabbccddeeff\n"

/* The one that sends has sent all and closed before anything is taken. */
static int
carried(const char *key)
{
	char *given = malloc(BYTES), *got = malloc(BYTES + 1);
	struct end in, out;
	size_t at = 0, i;
	ssize_t r;

	CHECK(given != NULL && got != NULL);
	for (i = 0; i < BYTES; i++)
		given[i] = (char)(i * 7 + i / 251);
	CHECK_EQ(end_begin(&in, key, false, 0), 0);
	CHECK_EQ(end_begin(&out, key, true, in.port), 0);
	CHECK_EQ(write(out.fd[0], given, BYTES), BYTES);
	CHECK_EQ(close(out.fd[0]), 0);
	out.fd[0] = -1;
	/* who leaves before the other one has all of it may take it along */
	(void)end_over_within(&out, 500);
	while ((r = read(in.fd[0], got + at, BYTES + 1 - at)) > 0)
		at += (size_t)r;
	end_join(&out);
	end_join(&in);
	CHECK_EQ(at, BYTES);
	CHECK_EQ(memcmp(given, got, BYTES), 0);
	CHECK_EQ(out.carried, 0);
	CHECK_EQ(in.carried, 0);
	free(given);
	free(got);
	return 0;
}

TEST(all_of_it_arrives)
{
	char key[64];
	int rc;

	CHECK_EQ(key_file("key", KEY, key), 0);
	rc = carried(key);
	if (rc == 0)
		rc = carried(NULL);
	CHECK_EQ(unlink(key), 0);
	return rc;
}

TEST(who_hasnt_the_key_is_turned_away)
{
	char key[64], other[64], c;
	struct end in, out;
	int i;

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(key_file("key", KEY, key), 0);
	CHECK_EQ(key_file("other", OTHER, other), 0);
	CHECK_EQ(end_begin(&in, key, false, 0), 0);
	CHECK_EQ(end_begin(&out, other, true, in.port), 0);
	end_join(&out);
	CHECK(out.met < 0);
	/* nor who has none: what it sends comes to nothing */
	CHECK_EQ(end_begin(&out, NULL, true, in.port), 0);
	for (i = 0; i < 100 && !end_over_within(&out, 100); i++)
		(void)!write(out.fd[0], OTHER, sizeof(OTHER));
	CHECK(i < 100);
	end_join(&out);
	CHECK_EQ(recv(in.fd[0], &c, 1, MSG_DONTWAIT), -1);
	/* the right one is let in after them */
	CHECK_EQ(end_begin(&out, key, true, in.port), 0);
	CHECK_EQ(write(out.fd[0], "x", 1), 1);
	CHECK_EQ(read(in.fd[0], &c, 1), 1);
	CHECK_EQ(c, 'x');
	CHECK_EQ(close(out.fd[0]), 0);
	out.fd[0] = -1;
	CHECK_EQ(read(in.fd[0], &c, 1), 0);
	end_join(&out);
	end_join(&in);
	CHECK_EQ(unlink(key), 0);
	CHECK_EQ(unlink(other), 0);
	return 0;
}

/* Whichever end goes, the other one sees it. */
TEST(an_end_is_seen_on_the_other_side)
{
	struct end in, out;
	char c, piece[4096] = "";
	int i;

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(end_begin(&in, NULL, false, 0), 0);
	CHECK_EQ(end_begin(&out, NULL, true, in.port), 0);
	CHECK_EQ(write(out.fd[0], "x", 1), 1);
	CHECK_EQ(read(in.fd[0], &c, 1), 1);
	/* the taker goes: the giver's next words find nobody */
	CHECK_EQ(close(in.fd[0]), 0);
	in.fd[0] = -1;
	for (i = 0; i < 100 && !end_over_within(&out, 100); i++)
		(void)!send(out.fd[0], piece, sizeof(piece), MSG_DONTWAIT);
	CHECK(i < 100);
	end_join(&out);
	end_join(&in);
	CHECK_EQ(out.carried, -EPIPE);
	CHECK_EQ(in.carried, -EPIPE);
	/* and one that waits for nobody is ended */
	CHECK_EQ(end_begin(&in, NULL, false, 0), 0);
	stream_break(in.s);
	end_join(&in);
	CHECK(in.met < 0);
	return 0;
}

TESTS_MAIN(T(all_of_it_arrives), T(who_hasnt_the_key_is_turned_away),
    T(an_end_is_seen_on_the_other_side))
