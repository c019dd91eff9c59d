/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_sim.c - coroutines, locks, clock, memory
 */
#include "tests/unit/mirror/crash_sim.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "base/assert.h"
#include "base/clock.h"

#define STACK_BYTES	(192u << 10)
#define COS_MAX		512

struct co {
	ucontext_t	ctx;
	void		*stack;
	void		*(*fn)(void *);
	void		*arg;
	int		node;
	bool		done, timed_out;
	const void	*chan;		/* waits for it */
	uint64_t	due_ns;
};

struct sim sim;
static struct co *threads[COS_MAX];
static size_t n_threads;
static ucontext_t scheduler;
static void *stacks[COS_MAX];
static size_t n_stacks;

struct block {			/* before each allocation */
	struct block	*next, *prev;
	size_t		pad[2];
};
static struct block heap[3];	/* of node 0, 1, and none */

/* --- chance --- */

void
sim_seed(uint64_t seed)
{
	sim.rng = seed * 0x9e3779b97f4a7c15ull + 0x1234567ull;
	(void)sim_rand();
}

uint64_t
sim_rand(void)
{
	uint64_t z = sim.rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned
sim_below(unsigned n)
{
	return (unsigned)((sim_rand() >> 33) % n);
}

bool
sim_chance(unsigned percent)
{
	return sim_below(100) < percent;
}

ssize_t
sim_getrandom(void *buf, size_t n)
{
	uint64_t v = sim_rand();

	AV_ASSERT(n <= sizeof(v));
	memcpy(buf, &v, n);
	return (ssize_t)n;
}

/* --- coroutines --- */

static void
co_main(void)
{
	struct co *c = sim.current;

	(void)c->fn(c->arg);
	c->done = true;
	(void)swapcontext(&c->ctx, &scheduler);
}

void
sim_start(int node, void *(*fn)(void *), void *arg)
{
	struct co *c = calloc(1, sizeof(*c));

	AV_ASSERT(c != NULL && n_threads < COS_MAX);
	c->stack = n_stacks > 0 ? stacks[--n_stacks] : malloc(STACK_BYTES);
	AV_ASSERT(c->stack != NULL);
	c->node = node;
	c->fn = fn;
	c->arg = arg;
	(void)getcontext(&c->ctx);
	c->ctx.uc_stack.ss_sp = c->stack;
	c->ctx.uc_stack.ss_size = STACK_BYTES;
	c->ctx.uc_link = NULL;
	makecontext(&c->ctx, co_main, 0);
	threads[n_threads++] = c;
}

static void
co_free(size_t i)
{
	struct co *c = threads[i];

	threads[i] = threads[--n_threads];
	if (n_stacks < COS_MAX)
		stacks[n_stacks++] = c->stack;
	else
		free(c->stack);
	free(c);
}

static void
switch_out(void)
{
	struct co *c = sim.current;

	if (c != NULL)
		(void)swapcontext(&c->ctx, &scheduler);
}

void
sim_yield(void)
{
	if (sim.current != NULL && sim_chance(60))
		switch_out();
}

bool
sim_block(const void *chan, uint64_t due)
{
	struct co *c = sim.current;

	AV_ASSERT(c != NULL);	/* straight-through code never waits */
	c->chan = chan;
	c->due_ns = due;
	c->timed_out = false;
	switch_out();
	return !c->timed_out;
}

int
sim_wake(const void *chan)
{
	size_t i;

	for (i = 0; i < n_threads; i++)
		if (threads[i]->chan == chan)
			threads[i]->chan = NULL;
	return 0;
}

void
sim_sleep(uint64_t ns)
{
	(void)sim_block(&sim.now_ns, sim.now_ns + ns);
}

int
sim_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	(void)t;
	sim_start(sim.node, fn, arg);
	return 0;
}

/* Nobody is ready: the clock goes to the next moment that somebody awaits. */
static bool
advance(void)
{
	uint64_t first = UINT64_MAX;
	size_t i;

	for (i = 0; i < n_threads; i++)
		if (threads[i]->due_ns < first)
			first = threads[i]->due_ns;
	if (first == UINT64_MAX)
		return false;
	if (first > sim.now_ns)
		sim.now_ns = first;
	for (i = 0; i < n_threads; i++)
		if (threads[i]->chan != NULL && threads[i]->due_ns <= sim.now_ns) {
			threads[i]->chan = NULL;
			threads[i]->timed_out = true;
		}
	return true;
}

static struct co *
choose(void)
{
	size_t i, n = 0, at = sim_below((unsigned)n_threads);

	for (; n < n_threads; n++) {
		i = (at + n) % n_threads;
		if (threads[i]->chan == NULL)
			return threads[i];
	}
	return NULL;
}

bool
sim_run(void *(*fn)(void *), void *arg)
{
	struct co *first, *c;
	bool ended = false;
	size_t i;

	sim_start(-1, fn, arg);
	first = threads[n_threads - 1];
	while (!ended) {
		c = choose();
		if (c == NULL) {
			if (advance())
				continue;
			sim.stuck = true;
			return false;
		}
		c->due_ns = UINT64_MAX;
		sim.current = c;
		sim.node = c->node;
		(void)swapcontext(&scheduler, &c->ctx);
		sim.current = NULL;
		if (!c->done)
			continue;
		ended = c == first;
		for (i = 0; i < n_threads && threads[i] != c; i++)
			;
		co_free(i);
	}
	return true;
}

void
sim_kill_node(int node)
{
	struct block *h = &heap[node < 0 ? 2 : node], *b, *next;
	size_t i;

	for (i = n_threads; i-- > 0; ) {
		AV_ASSERT(threads[i] != sim.current || threads[i]->node != node);
		if (threads[i]->node == node && threads[i] != sim.current)
			co_free(i);
	}
	for (b = h->next; b != NULL && b != h; b = next) {
		next = b->next;
		free(b);
	}
	h->next = h->prev = h;
	if (node >= 0)
		sim.srv[node] = NULL;
}

void
sim_end(void)
{
	sim_kill_node(0);
	sim_kill_node(1);
	sim_kill_node(-1);
	while (n_stacks > 0)
		free(stacks[--n_stacks]);
	sim.stuck = false;
}

/* --- locks; a mutex's first word says whether it is held --- */

static int *
held(pthread_mutex_t *m)
{
	return (int *)(void *)m;
}

int
sim_mutex_init(pthread_mutex_t *m)
{
	*held(m) = 0;
	return 0;
}

int
sim_mutex_lock(pthread_mutex_t *m)
{
	sim_yield();
	while (*held(m))
		(void)sim_block(m, UINT64_MAX);
	*held(m) = 1;
	return 0;
}

int
sim_mutex_trylock(pthread_mutex_t *m)
{
	if (*held(m))
		return EBUSY;
	*held(m) = 1;
	return 0;
}

int
sim_mutex_unlock(pthread_mutex_t *m)
{
	AV_ASSERT(*held(m));
	*held(m) = 0;
	if (sim.current != NULL)
		(void)sim_wake(m);
	return 0;
}

int
sim_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, uint64_t due)
{
	bool woken;

	(void)sim_mutex_unlock(m);
	woken = sim_block(c, due);
	while (*held(m))
		(void)sim_block(m, UINT64_MAX);
	*held(m) = 1;
	return woken ? 0 : ETIMEDOUT;
}

int
sim_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
    const struct timespec *ts)
{
	uint64_t due = (uint64_t)ts->tv_sec * AV_NS_PER_S +
	    (uint64_t)ts->tv_nsec;

	return due <= sim.now_ns ? ETIMEDOUT : sim_cond_wait(c, m, due);
}

uint64_t
sim_now(void)
{
	return sim.now_ns;
}

void
sim_log(int level, const char *subject, const char *fmt, ...)
{
	va_list ap;

	if (!sim.verbose)
		return;
	fprintf(stderr, "%8llu %10.3f node %d <%d> %s: ",
	    (unsigned long long)sim.tick, (double)sim.now_ns / 1e9, sim.node,
	    level, subject);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* --- memory --- */

void *
sim_malloc(size_t n)
{
	struct block *h = &heap[sim.node < 0 ? 2 : sim.node];
	struct block *b = malloc(sizeof(*b) + n);

	if (b == NULL)
		return NULL;
	if (h->next == NULL)
		h->next = h->prev = h;
	b->next = h->next;
	b->prev = h;
	h->next->prev = b;
	h->next = b;
	return b + 1;
}

void *
sim_calloc(size_t a, size_t b)
{
	void *p = sim_malloc(a * b);

	if (p != NULL)
		memset(p, 0, a * b);
	return p;
}

void
sim_free(void *p)
{
	struct block *b;

	if (p == NULL)
		return;
	b = (struct block *)p - 1;
	b->next->prev = b->prev;
	b->prev->next = b->next;
	free(b);
}
