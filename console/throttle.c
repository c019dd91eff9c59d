/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/throttle.c - slows down who guesses passwords
 *
 * Places are found by a 64-bit hash of their key (keyed by chance at start, so
 * nobody can aim at another's place).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <gnutls/crypto.h>

#include "base/clock.h"
#include "console/throttle.h"

struct place {
	uint64_t	key;		/* 0 = empty */
	uint64_t	last_ns;	/* of the last refusal */
	uint64_t	until_ns;	/* no try before */
	unsigned	n_failed;
};

struct throttle {
	uint8_t		 secret[32];
	pthread_mutex_t	 lock;		/* what follows */
	struct place	 places[THROTTLE_PLACES];
};

int
throttle_new(struct throttle **ret)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	if (getrandom(t->secret, sizeof(t->secret), 0) !=
	    (ssize_t)sizeof(t->secret)) {
		free(t);
		return -EIO;
	}
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

struct throttle *
throttle_free(struct throttle *t)
{
	if (t != NULL)
		pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

/* user may be NULL: the origin alone */
static uint64_t
key_of(struct throttle *t, const char *user, const char *origin)
{
	uint8_t digest[32] = { 0 };
	gnutls_hmac_hd_t h;
	uint64_t key;

	if (gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, t->secret,
	    sizeof(t->secret)) < 0)
		return 1;
	(void)gnutls_hmac(h, origin, strlen(origin) + 1);
	if (user != NULL)
		(void)gnutls_hmac(h, user, strlen(user) + 1);
	gnutls_hmac_deinit(h, digest);
	memcpy(&key, digest, sizeof(key));
	return key != 0 ? key : 1;
}

static struct place *
place_find(struct throttle *t, uint64_t key, uint64_t now_ns)
{
	size_t i;

	for (i = 0; i < THROTTLE_PLACES; i++)
		if (t->places[i].key == key) {
			if (now_ns - t->places[i].last_ns >
			    THROTTLE_FORGET_S * AV_NS_PER_S)
				t->places[i] = (struct place){ 0 };
			return t->places[i].key != 0 ? &t->places[i] : NULL;
		}
	return NULL;
}

static struct place *
place_make(struct throttle *t, uint64_t key, uint64_t now_ns)
{
	struct place *p = place_find(t, key, now_ns);
	size_t i;

	if (p != NULL)
		return p;
	p = &t->places[0];
	for (i = 0; i < THROTTLE_PLACES && p->key != 0; i++)
		if (t->places[i].key == 0 ||
		    t->places[i].last_ns < p->last_ns)
			p = &t->places[i];
	*p = (struct place){ .key = key };
	return p;
}

static void
place_failed(struct throttle *t, uint64_t key, unsigned n_free,
    uint64_t now_ns)
{
	struct place *p = place_make(t, key, now_ns);
	unsigned over, wait_s;

	p->n_failed++;
	p->last_ns = now_ns;
	if (p->n_failed < n_free)
		return;
	over = p->n_failed - n_free;
	wait_s = over < 6 ? 1u << over : THROTTLE_MAX_WAIT_S;
	p->until_ns = now_ns + wait_s * AV_NS_PER_S;
}

static uint64_t
place_until(struct throttle *t, uint64_t key, uint64_t now_ns)
{
	const struct place *p = place_find(t, key, now_ns);

	return p != NULL ? p->until_ns : 0;
}

unsigned
throttle_wait_s(struct throttle *t, const char *user, const char *origin,
    uint64_t now_ns)
{
	uint64_t a = key_of(t, user, origin), b = key_of(t, NULL, origin);
	uint64_t until, until_b;

	pthread_mutex_lock(&t->lock);
	until = place_until(t, a, now_ns);
	until_b = place_until(t, b, now_ns);
	pthread_mutex_unlock(&t->lock);
	if (until_b > until)
		until = until_b;
	if (until <= now_ns)
		return 0;
	return (unsigned)((until - now_ns + AV_NS_PER_S - 1) / AV_NS_PER_S);
}

void
throttle_failed(struct throttle *t, const char *user, const char *origin,
    uint64_t now_ns)
{
	uint64_t a = key_of(t, user, origin), b = key_of(t, NULL, origin);

	pthread_mutex_lock(&t->lock);
	place_failed(t, a, THROTTLE_FREE, now_ns);
	place_failed(t, b, THROTTLE_FREE_ORIGIN, now_ns);
	pthread_mutex_unlock(&t->lock);
}

void
throttle_passed(struct throttle *t, const char *user, const char *origin)
{
	uint64_t a = key_of(t, user, origin);
	size_t i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < THROTTLE_PLACES; i++)
		if (t->places[i].key == a)
			t->places[i] = (struct place){ 0 };
	pthread_mutex_unlock(&t->lock);
}
