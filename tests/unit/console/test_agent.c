/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/test_agent.c - asking an agent that answers, dies and returns
 *
 * The agent is a thread that does what the test's script says: one letter for each
 * request on one connection: 'a' answer, 'e' refuse, 'x' hang up, 'g' send garbage, 's'
 * keep for later and answer after the next one.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/frame.h"
#include "console/agent.h"
#include "tests/test.h"

static const struct actor who = { "u", "administrator", "local", "unix" };

struct fake {
	char		dir[32], path[64];
	int		listener;
	const char	*script;	/* "ax|a": connections parted by '|' */
	int		n_requests;	/* that came, subscriptions apart */
	pthread_t	thread;
};

static int n_linked, n_events;

static void
on_event(void *ctx, const json_t *event)
{
	(void)ctx;
	n_events += json_object_get(event, "type") != NULL;
}

static void
on_linked(void *ctx)
{
	(void)ctx;
	n_linked++;
}

static void
answer(int fd, const json_t *msg, bool good)
{
	AUTO_JSON json_t *reply = good ?
	    json_pack("{s:O,s:b,s:{s:O}}", "id", json_object_get(msg, "id"),
	    "ok", 1, "result", "op", json_object_get(msg, "op")) :
	    json_pack("{s:O,s:b,s:{s:s,s:s,s:{s:s},s:s}}", "id",
	    json_object_get(msg, "id"), "ok", 0, "error", "code", "busy",
	    "text", "not now", "params", "name", "x", "outcome", "maybe");

	(void)av_frame_send(fd, reply);
}

static void
connection(struct fake *f, int fd)
{
	struct av_frame_reader fr = { 0 };
	json_t *msg, *kept = NULL;

	while (*f->script != '\0' && *f->script != '|' &&
	    av_frame_recv(&fr, fd, 5000, &msg) == 0) {
		if (strcmp(json_string_value(json_object_get(msg, "op")),
		    "event.subscribe") == 0) {
			AUTO_JSON json_t *e = json_pack("{s:{s:s}}", "event",
			    "type", "changed");

			(void)av_frame_send(fd, e);
			json_decref(msg);
			continue;
		}
		f->n_requests++;
		switch (*f->script++) {
		case 'a':
			answer(fd, msg, true);
			break;
		case 'e':
			answer(fd, msg, false);
			break;
		case 'g':
			(void)!write(fd, "\5\0\0\0nonse", 9);
			break;
		case 's':
			kept = msg;
			continue;
		default:
			break;
		}
		json_decref(msg);
		if (kept != NULL) {
			answer(fd, kept, true);
			json_decref(kept);
			kept = NULL;
		}
	}
	if (*f->script == '|')
		f->script++;
	av_frame_reader_dispose(&fr);
}

static void *
fake_run(void *arg)
{
	struct fake *f = arg;

	while (*f->script != '\0') {
		int fd = accept(f->listener, NULL, NULL);

		if (fd < 0)
			break;
		connection(f, fd);
		(void)close(fd);
	}
	return NULL;
}

static int
fake_start(struct fake *f, const char *script, struct agent **a)
{
	static const struct agent_ops ops = { on_event, on_linked, NULL };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct av_err err = { 0 };

	n_linked = n_events = 0;
	*f = (struct fake){ .dir = "/tmp/avpair-agent.XXXXXX",
	    .script = script };
	if (mkdtemp(f->dir) == NULL)
		return -1;
	(void)snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	memcpy(sun.sun_path, f->path, strlen(f->path));
	f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(f->listener, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(f->listener, 4) < 0 ||
	    pthread_create(&f->thread, NULL, fake_run, f) != 0)
		return -1;
	return agent_open(f->path, &ops, a, &err);
}

static void
fake_end(struct fake *f, struct agent *a)
{
	(void)shutdown(f->listener, SHUT_RDWR);
	agent_close(a);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->listener);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
}

TEST(answers_and_refusals)
{
	struct fake f;
	struct agent *a;
	struct av_err err = { 0 };
	AUTO_JSON json_t *result = NULL, *params = NULL;

	CHECK(fake_start(&f, "ae", &a) == 0);
	CHECK_EQ(agent_call(a, "vm.list", NULL, &who, false, &result, &params,
	    &err), 0);
	CHECK_STR(json_string_value(json_object_get(result, "op")), "vm.list");
	CHECK(params == NULL);
	json_decref(TAKE_PTR(result));
	CHECK(agent_call(a, "vm.start", NULL, &who, true, &result, &params,
	    &err) < 0);
	CHECK_STR(err.code, "busy");
	CHECK_STR(err.text, "not now");
	CHECK_EQ(err.outcome, AV_MAYBE);
	CHECK(json_object_get(params, "name") != NULL && result == NULL);
	CHECK(n_linked == 1 && n_events == 1);
	fake_end(&f, a);
	return 0;
}

TEST(question_is_asked_again_when_the_agent_dies)
{
	struct fake f;
	struct agent *a;
	struct av_err err = { 0 };
	AUTO_JSON json_t *result = NULL;

	CHECK(fake_start(&f, "x|a", &a) == 0);
	CHECK_EQ(agent_call(a, "vm.list", NULL, &who, false, &result, NULL,
	    &err), 0);
	CHECK_EQ(f.n_requests, 2);
	CHECK_EQ(n_linked, 2);
	fake_end(&f, a);
	return 0;
}

TEST(change_is_never_asked_again)
{
	struct fake f;
	struct agent *a;
	struct av_err err = { 0 };
	AUTO_JSON json_t *result = NULL;

	CHECK(fake_start(&f, "x|a", &a) == 0);
	CHECK_EQ(agent_call(a, "vm.start", NULL, &who, true, &result, NULL,
	    &err), -ECONNRESET);
	CHECK_STR(err.code, "timed-out");
	CHECK_EQ(err.outcome, AV_MAYBE);
	CHECK_EQ(f.n_requests, 1);
	fake_end(&f, a);
	return 0;
}

TEST(garbage_is_a_lost_agent)
{
	struct fake f;
	struct agent *a;
	struct av_err err = { 0 };
	AUTO_JSON json_t *result = NULL;

	CHECK(fake_start(&f, "ga|a", &a) == 0);
	CHECK_EQ(agent_call(a, "vm.list", NULL, &who, false, &result, NULL,
	    &err), 0);
	fake_end(&f, a);
	return 0;
}

struct asker {
	struct agent	*a;
	const char	*op;
	bool		 ok;
};

static void *
ask(void *arg)
{
	struct asker *k = arg;
	struct av_err err = { 0 };
	AUTO_JSON json_t *result = NULL;

	k->ok = agent_call(k->a, k->op, NULL, &who, false, &result, NULL,
	    &err) == 0 && strcmp(json_string_value(json_object_get(result,
	    "op")), k->op) == 0;
	return NULL;
}

TEST(answers_find_their_questions)
{
	struct fake f;
	struct agent *a;
	struct asker k[8];
	pthread_t t[8];
	static const char *const ops[] = { "a", "b", "c", "d", "e", "f", "g",
	    "h" };
	size_t i;

	/* every first answer comes after the second */
	CHECK(fake_start(&f, "sasasasa", &a) == 0);
	for (i = 0; i < 8; i++) {
		k[i] = (struct asker){ a, ops[i], false };
		CHECK(pthread_create(&t[i], NULL, ask, &k[i]) == 0);
	}
	for (i = 0; i < 8; i++)
		(void)pthread_join(t[i], NULL);
	for (i = 0; i < 8; i++)
		CHECK(k[i].ok);
	fake_end(&f, a);
	return 0;
}

TEST(no_agent_is_unavailable)
{
	static const struct agent_ops ops = { 0 };
	struct agent *a;
	struct av_err err = { 0 };
	AUTO_JSON json_t *result = NULL;

	CHECK(agent_open("/nonexistent/agent.sock", &ops, &a, &err) == 0);
	CHECK_EQ(agent_call(a, "vm.start", NULL, &who, true, &result, NULL,
	    &err), -EHOSTDOWN);
	CHECK_STR(err.code, "unavailable");
	CHECK_EQ(err.outcome, AV_NOT_DONE);
	agent_close(a);
	return 0;
}

TESTS_MAIN(T(answers_and_refusals),
    T(question_is_asked_again_when_the_agent_dies),
    T(change_is_never_asked_again), T(garbage_is_a_lost_agent),
    T(answers_find_their_questions), T(no_agent_is_unavailable))
