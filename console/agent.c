/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/agent.c - asking avnoded
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/log.h"
#include "console/agent.h"
#include "console/thread.h"

#define RETRY_MS	100	/* between two tries to connect */
#define SEND_LIMIT_S	5	/* a reader this slow is taken for dead */
#define SUBSCRIBE_ID	0

/* One request in flight; lives on its caller's stack. */
struct call {
	struct call	*next;
	json_int_t	 id;
	json_t		*reply;		/* set once; the caller's */
	bool		 lost;		/* the connection went first */
	pthread_cond_t	 changed;
};

struct agent {
	char		*path;
	struct agent_ops ops;
	pthread_t	 reader;
	int		 stop_fd;	/* eventfd: end the reader */
	/* 'send' orders writers of the socket; taken before 'lock' */
	pthread_mutex_t	 send;
	/* all that follows */
	pthread_mutex_t	 lock;
	pthread_cond_t	 link_changed;	/* fd, stopping or n_calls */
	int		 fd;		/* -1 = no connection */
	uint64_t	 lost_ns;	/* since when, if so */
	bool		 stopping;
	json_int_t	 next_id;
	struct call	*calls;
	unsigned	 n_calls;
};

static void
calls_lose(struct agent *a)
{
	struct call *c;

	for (c = a->calls; c != NULL; c = c->next) {
		if (c->reply == NULL)
			c->lost = true;
		pthread_cond_signal(&c->changed);
	}
}

/* Takes 'msg': it is never shared between threads. */
static void
call_answer(struct agent *a, json_t *msg)
{
	json_t *id = json_object_get(msg, "id");
	struct call *c;

	pthread_mutex_lock(&a->lock);
	for (c = a->calls; c != NULL; c = c->next)
		if (json_is_integer(id) && c->id == json_integer_value(id))
			break;
	if (c != NULL && c->reply == NULL && !c->lost) {
		c->reply = TAKE_PTR(msg);
		pthread_cond_signal(&c->changed);
	}
	pthread_mutex_unlock(&a->lock);
	json_decref(msg);
}

static void
message_take(struct agent *a, json_t *msg)
{
	json_t *event = json_object_get(msg, "event");

	if (event == NULL) {
		call_answer(a, msg);
		return;
	}
	if (json_is_object(event) && a->ops.event != NULL)
		a->ops.event(a->ops.ctx, event);
	json_decref(msg);
}

/* Connects and subscribes; the fd or -errno. */
static int
agent_connect(struct agent *a)
{
	struct timeval limit = { .tv_sec = SEND_LIMIT_S };
	AUTO_JSON json_t *sub = NULL;
	AUTO_FD int fd = av_unix_connect(a->path);
	int rc;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	sub = json_pack("{s:i, s:s, s:{}, s:{s:s, s:s, s:s, s:s}}",
	    "id", SUBSCRIBE_ID, "op", "event.subscribe", "args",
	    "actor", "user", "console", "role", "read-only", "origin", "local",
	    "via", "console");
	if (sub == NULL)
		return -ENOMEM;
	rc = av_frame_send(fd, sub);
	if (rc < 0)
		return rc;
	return TAKE_FD(fd);
}

/* Reads until the connection ends or we stop. */
static void
agent_read(struct agent *a, int fd)
{
	struct av_frame_reader fr = { 0 };
	struct pollfd p[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = a->stop_fd, .events = POLLIN },
	};
	int rc = 1;

	while (rc > 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents != 0)
			break;
		if (p[0].revents == 0)
			continue;
		rc = av_frame_fill(&fr, fd);
		for (;;) {
			json_t *msg = NULL;
			int got = av_frame_next(&fr, &msg);

			if (got == 0) {
				message_take(a, msg);
				continue;
			}
			if (got != -EAGAIN) {
				log_err("agent", "answer that isn't a frame: "
				    "connecting anew");
				rc = got;
			}
			break;
		}
	}
	av_frame_reader_dispose(&fr);
}

static void *
agent_reader(void *arg)
{
	struct agent *a = arg;
	struct pollfd p = { .fd = a->stop_fd, .events = POLLIN };
	bool said = false;

	do {
		int fd = agent_connect(a);

		if (fd < 0) {
			if (!said)
				log_warn("agent", "'%s' not reachable: %s; "
				    "trying on", a->path, strerror(-fd));
			said = true;
			continue;
		}
		log_info("agent", "connected to '%s'", a->path);
		said = false;
		pthread_mutex_lock(&a->lock);
		a->fd = fd;
		pthread_cond_broadcast(&a->link_changed);
		pthread_mutex_unlock(&a->lock);
		if (a->ops.linked != NULL)
			a->ops.linked(a->ops.ctx);
		agent_read(a, fd);

		/* a writer may hold the fd: wait for it before the close */
		(void)shutdown(fd, SHUT_RDWR);
		pthread_mutex_lock(&a->send);
		pthread_mutex_lock(&a->lock);
		a->fd = -1;
		a->lost_ns = av_clock_ns();
		calls_lose(a);
		pthread_mutex_unlock(&a->lock);
		pthread_mutex_unlock(&a->send);
		(void)close(fd);
	} while (poll(&p, 1, RETRY_MS) <= 0);
	return NULL;
}

int
agent_open(const char *path, const struct agent_ops *ops, struct agent **ret,
    struct av_err *err)
{
	struct agent *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	a->ops = *ops;
	a->fd = -1;
	a->lost_ns = av_clock_ns();
	a->next_id = SUBSCRIBE_ID + 1;
	a->path = strdup(path);
	a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&a->send, NULL);
	pthread_mutex_init(&a->lock, NULL);
	thread_cond_init(&a->link_changed);
	if (a->path == NULL || a->stop_fd < 0)
		rc = -ENOMEM;
	else
		rc = -pthread_create(&a->reader, NULL, agent_reader, a);
	if (rc < 0) {
		if (a->stop_fd >= 0)
			(void)close(a->stop_fd);
		free(a->path);
		free(a);
		return av_err_set(err, rc, "agent's reader not started: %s",
		    strerror(-rc));
	}
	*ret = a;
	return 0;
}

void
agent_stop(struct agent *a)
{
	uint64_t one = 1;

	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	calls_lose(a);
	pthread_cond_broadcast(&a->link_changed);
	pthread_mutex_unlock(&a->lock);
	if (write(a->stop_fd, &one, sizeof(one)) < 0)
		log_err("agent", "eventfd: %s", strerror(errno));
}

struct agent *
agent_close(struct agent *a)
{
	if (a == NULL)
		return NULL;
	agent_stop(a);
	(void)pthread_join(a->reader, NULL);
	(void)close(a->stop_fd);
	free(a->path);
	free(a);
	return NULL;
}

/* --- one call ----------------------------------------------------------- */

static void
call_unlink(struct agent *a, struct call *c)
{
	struct call **at;

	for (at = &a->calls; *at != NULL; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			a->n_calls--;
			pthread_cond_signal(&a->link_changed);
			break;
		}
}

/* Waits for the connection, notes the call.  Takes and leaves the lock. */
static int
call_enter(struct agent *a, struct call *c, struct av_err *err)
{
	uint64_t now_ns = av_clock_ns(), end_ns;
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	end_ns = now_ns + AV_NS_PER_MS * (a->fd < 0 && now_ns - a->lost_ns >
	    AGENT_GONE_MS * AV_NS_PER_MS ? 2 * RETRY_MS : AGENT_LINK_WAIT_MS);
	while ((a->fd < 0 || a->n_calls >= AGENT_CALLS_MAX) && !a->stopping &&
	    rc == 0)
		rc = thread_cond_wait(&a->link_changed, &a->lock, end_ns);
	if (a->fd < 0 || a->stopping || a->n_calls >= AGENT_CALLS_MAX) {
		rc = av_err_code(err, a->fd < 0 ? -EHOSTDOWN : -EBUSY,
		    "unavailable", "%s", a->stopping ? "the console is stopping"
		    : a->fd < 0 ? "the agent on this PM does not answer" :
		    "the agent on this PM has too much to do");
	} else {
		rc = 0;
		c->id = a->next_id++;
		c->next = a->calls;
		a->calls = c;
		a->n_calls++;
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

/* Sends; the connection may have changed since call_enter: then the call is
 * marked lost already and nothing is sent. */
static int
call_send(struct agent *a, struct call *c, json_t *msg)
{
	int fd, rc;

	pthread_mutex_lock(&a->send);
	pthread_mutex_lock(&a->lock);
	fd = c->lost ? -1 : a->fd;
	pthread_mutex_unlock(&a->lock);
	rc = fd < 0 ? -ENOTCONN : av_frame_send(fd, msg);
	if (rc == -EAGAIN || rc == -EPIPE)
		(void)shutdown(fd, SHUT_RDWR);	/* half a frame may be out */
	pthread_mutex_unlock(&a->send);
	return rc;
}

static int
call_await(struct agent *a, struct call *c, bool changing)
{
	uint64_t end_ns = av_clock_ns() + AV_NS_PER_MS *
	    (uint64_t)(changing ? AGENT_CHANGE_MS : AGENT_READ_MS);
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (c->reply == NULL && !c->lost && rc == 0)
		rc = thread_cond_wait(&c->changed, &a->lock, end_ns);
	pthread_mutex_unlock(&a->lock);
	if (c->reply != NULL)
		return 0;
	return c->lost ? -ECONNRESET : -ETIMEDOUT;
}

/* 0 with c->reply, -EHOSTDOWN or -EBUSY (waited long enough), -ENOTCONN (lost just
 * now, nothing sent), -ECONNRESET, -ETIMEDOUT. */
static int
call_once(struct agent *a, struct call *c, json_t *msg, bool changing,
    struct av_err *err)
{
	int rc;

	thread_cond_init(&c->changed);
	rc = call_enter(a, c, err);
	if (rc < 0) {
		pthread_cond_destroy(&c->changed);
		return rc;
	}
	rc = json_object_set_new(msg, "id", json_integer(c->id)) < 0 ?
	    -ENOMEM : call_send(a, c, msg);
	if (rc == 0)
		rc = call_await(a, c, changing);
	pthread_mutex_lock(&a->lock);
	call_unlink(a, c);
	pthread_mutex_unlock(&a->lock);
	pthread_cond_destroy(&c->changed);
	if (rc == -EMSGSIZE)
		(void)av_err_code(err, rc, "too-large", "request too large");
	else if (rc == -ENOTCONN)
		(void)av_err_code(err, rc, "unavailable",
		    "the agent on this PM does not answer");
	else if (rc < 0 && changing) {
		(void)av_err_code(err, rc, "timed-out", rc == -ETIMEDOUT ?
		    "the agent did not answer in time" :
		    "the agent was lost before it answered");
		err->outcome = AV_MAYBE;
	} else if (rc < 0)
		(void)av_err_code(err, rc, rc == -ETIMEDOUT ? "timed-out" :
		    "unavailable", "the agent did not answer");
	return rc;
}

static int
reply_error(json_t *reply, json_t **ret_params, struct av_err *err)
{
	json_t *e = json_object_get(reply, "error");
	const char *code = json_string_value(json_object_get(e, "code"));
	const char *text = json_string_value(json_object_get(e, "text"));
	const char *outcome = json_string_value(json_object_get(e, "outcome"));
	json_t *params = json_object_get(e, "params");

	(void)av_err_code(err, -EREMOTEIO, code != NULL ? code : "internal",
	    "%s", text != NULL ? text : "the agent refused without a reason");
	if (outcome != NULL && strcmp(outcome, "maybe") == 0)
		err->outcome = AV_MAYBE;
	if (json_is_object(params) && ret_params != NULL)
		*ret_params = json_incref(params);
	return -EREMOTEIO;
}

int
agent_call(struct agent *a, const char *op, json_t *args,
    const struct actor *actor, bool changing, json_t **ret_result,
    json_t **ret_params, struct av_err *err)
{
	AUTO_JSON json_t *msg = NULL, *reply = NULL;
	struct call c = { 0 };
	json_t *result;
	int rc;

	msg = json_pack("{s:s, s:o, s:{s:s, s:s, s:s, s:s}}", "op", op,
	    "args", args != NULL ? json_incref(args) : json_object(),
	    "actor", "user", actor->user, "role", actor->role,
	    "origin", actor->origin, "via", actor->via);
	if (msg == NULL)
		return av_err_code(err, -ENOMEM, "internal", "no memory");
	rc = call_once(a, &c, msg, changing, err);
	/* nothing was sent, or only a question: asking again is safe */
	if (rc == -ENOTCONN || (rc == -ECONNRESET && !changing)) {
		c = (struct call){ 0 };
		rc = call_once(a, &c, msg, changing, err);
	}
	if (rc < 0)
		return rc;
	reply = c.reply;
	if (!json_is_true(json_object_get(reply, "ok")))
		return reply_error(reply, ret_params, err);
	result = json_object_get(reply, "result");
	*ret_result = result != NULL ? json_incref(result) : json_object();
	return 0;
}
