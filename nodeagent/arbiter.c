/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter.c - one question at a time, in a worker's thread
 *
 * The lock guards 'job', 'has_job', 'quit', 'orphan', 'answer' and 'has_answer';
 * nothing else is shared.  The driver belongs to the worker alone between open and close.
 */
#include "nodeagent/arbiter.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/err.h"

struct arbiter {
	const struct arbiter_ops *ops;	/* NULL: kind none */
	void			*drv;
	arbiter_answer_fn	 answer_fn;
	void			*arg;
	sd_event_source		*source;
	int			 fd;
	bool			 busy;		/* loop's thread only */
	bool			 started;
	pthread_t		 thread;
	pthread_mutex_t		 lock;
	pthread_cond_t		 wake;
	bool			 quit;
	bool			 orphan;	/* the worker frees it */
	bool			 has_job;
	bool			 job_probe;
	struct role_move	 job;
	bool			 has_answer;
	struct arbiter_answer	 answer;
};

static const struct arbiter_ops *
find_ops(const char *kind)
{
	static const struct arbiter_ops *const all[] = { &arbiter_etcd_ops,
		&arbiter_ping_ops, &arbiter_closed_ops };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, kind) == 0)
			return all[i];
	return NULL;
}

bool
arbiter_kind_ok(const char *kind)
{
	return strcmp(kind, "none") == 0 || find_ops(kind) != NULL;
}

static void
dispose(struct arbiter *a)
{
	if (a->drv != NULL)
		a->ops->close(a->drv);
	if (a->fd >= 0)
		(void)close(a->fd);
	(void)pthread_cond_destroy(&a->wake);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

static void *
worker(void *arg)
{
	struct arbiter *a = arg;
	const uint64_t one = 1;
	bool orphan;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->quit) {
		struct arbiter_answer ans;
		struct role_move move = a->job;
		bool probe = a->job_probe;

		if (!a->has_job) {
			(void)pthread_cond_wait(&a->wake, &a->lock);
			continue;
		}
		a->has_job = false;
		(void)pthread_mutex_unlock(&a->lock);
		memset(&ans, 0, sizeof(ans));
		ans.kind = ROLE_EV_NO_ANSWER;
		a->ops->run(a->drv, probe ? NULL : &move, &ans);
		ans.probe = probe;
		(void)pthread_mutex_lock(&a->lock);
		a->answer = ans;
		a->has_answer = true;
		/* the counter can't overflow: one answer at a time */
		if (write(a->fd, &one, sizeof(one)) != sizeof(one))
			a->quit = true;
	}
	orphan = a->orphan;
	(void)pthread_mutex_unlock(&a->lock);
	if (orphan)
		dispose(a);
	return NULL;
}

static int
on_answer(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct arbiter *a = arg;
	struct arbiter_answer ans;
	uint64_t count;
	bool have;

	(void)s;
	(void)revents;
	(void)!read(fd, &count, sizeof(count));	/* EAGAIN: nothing there */
	(void)pthread_mutex_lock(&a->lock);
	have = a->has_answer;
	a->has_answer = false;
	ans = a->answer;
	(void)pthread_mutex_unlock(&a->lock);
	if (!have)
		return 0;
	a->busy = false;
	a->answer_fn(a->arg, &ans);
	return 0;
}

static int
start(struct arbiter *a, sd_event *loop, const struct arbiter_conf *conf,
    struct av_err *err)
{
	int r;

	a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->fd < 0)
		return av_err_set(err, -errno, "eventfd: %s", strerror(errno));
	r = sd_event_add_io(loop, &a->source, a->fd, 1 /* EPOLLIN */,
	    on_answer, a);
	if (r < 0)
		return av_err_set(err, r, "event loop: %s", strerror(-r));
	r = a->ops->open(conf, &a->drv, err);
	if (r < 0)
		return r;
	r = pthread_create(&a->thread, NULL, worker, a);
	if (r != 0)
		return av_err_set(err, -r, "thread: %s", strerror(r));
	a->started = true;
	return 0;
}

int
arbiter_open(sd_event *loop, const struct arbiter_conf *conf,
    arbiter_answer_fn answer, void *arg, struct arbiter **ret,
    struct av_err *err)
{
	struct arbiter *a;
	int rc;

	if (!arbiter_kind_ok(conf->kind))
		return av_err_set(err, -EINVAL, "arbiter kind '%.32s' isn't "
		    "'none', 'etcd' or 'ping'", conf->kind);
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return av_err_set(err, -ENOMEM, "arbiter: no memory");
	a->fd = -1;
	a->ops = find_ops(conf->kind);
	a->answer_fn = answer;
	a->arg = arg;
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->wake, NULL);
	if (a->ops != NULL) {
		rc = start(a, loop, conf, err);
		if (rc < 0) {
			(void)arbiter_close(a);
			return rc;
		}
	}
	*ret = a;
	return 0;
}

struct arbiter *
arbiter_close(struct arbiter *a)
{
	if (a == NULL)
		return NULL;
	if (a->started) {
		(void)pthread_mutex_lock(&a->lock);
		a->quit = true;
		(void)pthread_cond_signal(&a->wake);
		(void)pthread_mutex_unlock(&a->lock);
		(void)pthread_join(a->thread, NULL);
	}
	sd_event_source_disable_unref(a->source);
	dispose(a);
	return NULL;
}

struct arbiter *
arbiter_drop(struct arbiter *a)
{
	pthread_t thread;

	if (a == NULL || !a->started)
		return arbiter_close(a);
	a->source = sd_event_source_disable_unref(a->source);
	thread = a->thread;
	(void)pthread_mutex_lock(&a->lock);
	a->quit = a->orphan = true;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_detach(thread);	/* 'a' may be gone already */
	return NULL;
}

static int
post(struct arbiter *a, const struct role_move *move, struct av_err *err)
{
	if (a->ops == NULL)
		return av_err_set(err, -EOPNOTSUPP, "no quorum server is "
		    "configured");
	if (a->busy)
		return av_err_set(err, -EBUSY, "a question is under way");
	a->busy = true;
	(void)pthread_mutex_lock(&a->lock);
	a->has_job = true;
	a->job_probe = move == NULL;
	if (move != NULL)
		a->job = *move;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
	return 0;
}

int
arbiter_ask(struct arbiter *a, const struct role_move *move,
    struct av_err *err)
{
	AV_ASSERT(move != NULL);
	return post(a, move, err);
}

int
arbiter_probe(struct arbiter *a, struct av_err *err)
{
	return post(a, NULL, err);
}

bool
arbiter_busy(const struct arbiter *a)
{
	return a->busy;
}

const char *
arbiter_state_name(enum arbiter_state s)
{
	static const char *const names[] = { "unconfigured", "ok",
		"unreachable", "refused", "refused" };

	return (unsigned)s < 5 ? names[s] : "unreachable";
}
