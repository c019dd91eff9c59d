/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Dialogues over a socket pair: the test plays QEMU.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"
#include "vmm/qmp.h"

#define HELLO	"{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"

struct talk {
	sd_event	*event;
	struct qmp	*q;
	int		 far;
	int		 up, down, events, replies, rc, free_in_reply;
};

static void on_up(void *c) { ((struct talk *)c)->up++; }
static void on_down(void *c, const struct av_err *e)
{ ((struct talk *)c)->down++; (void)e; }
static void on_event(void *c, const char *n, const json_t *d)
{ ((struct talk *)c)->events++; (void)n; (void)d; }

static void
on_reply(void *c, int rc, const json_t *ret, const struct av_err *err)
{
	struct talk *t = c;

	(void)ret;
	(void)err;
	t->replies++;
	t->rc = rc;
	if (t->free_in_reply)
		t->q = qmp_free(t->q);
}

static int
talk_open(struct talk *t)
{
	struct qmp_user u = { on_up, on_down, on_event, t };
	int fd[2];

	memset(t, 0, sizeof(*t));
	if (sd_event_new(&t->event) < 0 || socketpair(AF_UNIX, SOCK_STREAM |
	    SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return -1;
	t->far = fd[1];
	return qmp_adopt(t->event, fd[0], &u, &t->q);
}

static void
says(struct talk *t, const char *s)
{
	if (write(t->far, s, strlen(s)) < 0)
		perror("write");
	while (sd_event_run(t->event, 0) > 0)
		;
}

static int
talk_close(struct talk *t, int rc)
{
	qmp_free(t->q);
	close(t->far);
	sd_event_unref(t->event);
	return rc;
}

TEST(dialogue_in_pieces)
{
	struct talk t;
	char got[512] = "";

	CHECK_EQ(talk_open(&t), 0);
	CHECK_EQ(qmp_call(t.q, "query-status", NULL, on_reply, &t), 0);
	says(&t, "{\"QMP\":{\"ver");
	CHECK_EQ(t.up + t.down, 0);
	says(&t, "sion\":{}}}\n{\"event\":\"RESUME\"}\n");
	CHECK_EQ(t.events, 1);
	CHECK(read(t.far, got, sizeof(got) - 1) > 0);
	CHECK(strstr(got, "qmp_capabilities") != NULL);
	CHECK(strstr(got, "query-status") == NULL);	/* not before */
	says(&t, "{\"return\":{},\"id\":2}\n");
	CHECK_EQ(t.up, 1);
	says(&t, "{\"return\":{\"status\":\"running\"},\"id\":1}\n");
	CHECK_EQ(t.replies, 1);
	CHECK_EQ(t.rc, 0);
	CHECK_EQ(qmp_call(t.q, "stop", NULL, on_reply, &t), 0);
	says(&t, "{\"error\":{\"class\":\"G\",\"desc\":\"no\"},\"id\":3}\n");
	CHECK_EQ(t.rc, -EREMOTEIO);
	CHECK_EQ(t.down, 0);
	return talk_close(&t, 0);
}

TEST(garbage_ends_it)
{
	static const char *const bad[] = { "hello\n", "[]\n", "{}\n",
		"{\"return\":{}}\n", HELLO "{\"return\":{},\"id\":99}\n",
		HELLO "\xff\xfe\n", HELLO "{\"return\":\n" };
	struct talk t;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(talk_open(&t), 0);
		CHECK_EQ(qmp_call(t.q, "stop", NULL, on_reply, &t), 0);
		says(&t, bad[i]);
		CHECK_EQ(t.down, 1);
		CHECK_EQ(t.replies, 1);		/* once, with an error */
		CHECK_EQ(t.rc, -EPIPE);
		CHECK_EQ(qmp_call(t.q, "stop", NULL, on_reply, &t), -EPIPE);
		talk_close(&t, 0);
	}
	return 0;
}

TEST(gone_in_a_callback)
{
	struct talk t;

	CHECK_EQ(talk_open(&t), 0);
	t.free_in_reply = 1;
	says(&t, HELLO "{\"return\":{},\"id\":1}\n");
	CHECK_EQ(t.up, 1);
	CHECK_EQ(qmp_call(t.q, "stop", NULL, on_reply, &t), 0);
	says(&t, "{\"return\":{},\"id\":2}\n{\"event\":\"STOP\"}\n");
	CHECK_EQ(t.replies, 1);
	CHECK_EQ(t.events, 0);
	talk_close(&t, 0);

	CHECK_EQ(talk_open(&t), 0);
	t.free_in_reply = 1;		/* here from inside the failure */
	CHECK_EQ(qmp_call(t.q, "stop", NULL, on_reply, &t), 0);
	says(&t, "junk\n");
	CHECK_EQ(t.replies, 1);
	CHECK_EQ(t.down, 0);
	return talk_close(&t, 0);
}

TEST(peer_goes_away)
{
	struct talk t;

	CHECK_EQ(talk_open(&t), 0);
	says(&t, HELLO);
	CHECK_EQ(shutdown(t.far, SHUT_RDWR), 0);
	while (sd_event_run(t.event, 0) > 0)
		;
	CHECK_EQ(t.down, 1);
	return talk_close(&t, 0);
}

TESTS_MAIN(T(dialogue_in_pieces), T(garbage_ends_it), T(gone_in_a_callback),
    T(peer_goes_away))
