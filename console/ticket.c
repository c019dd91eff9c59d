/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/ticket.c - one-time tickets for guests' screens
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "console/session.h"
#include "console/ticket.h"

struct ticket {
	char		word[TICKET_CHARS + 1];
	char		nonce[40];
	char		vm[300];
	uint64_t	until_ns;	/* 0 = free place */
};

struct tickets {
	pthread_mutex_t	lock;		/* what follows */
	struct ticket	all[TICKETS_MAX];
};

int
tickets_new(struct tickets **ret)
{
	struct tickets *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

struct tickets *
tickets_free(struct tickets *t)
{
	if (t != NULL)
		pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

int
ticket_make(struct tickets *t, const char *vm, const char *nonce,
    uint64_t now_ns, char ret[TICKET_CHARS + 1])
{
	uint8_t chance[TICKET_CHARS / 2];
	struct ticket *k = NULL;
	size_t i;

	if (strlen(vm) >= sizeof(k->vm) || strlen(nonce) >= sizeof(k->nonce))
		return -ENAMETOOLONG;
	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return -EIO;
	av_hex_encode(chance, sizeof(chance), ret);
	pthread_mutex_lock(&t->lock);
	for (i = 0; i < TICKETS_MAX && k == NULL; i++)
		if (t->all[i].until_ns <= now_ns)
			k = &t->all[i];
	if (k != NULL) {
		memcpy(k->word, ret, sizeof(k->word));
		memcpy(k->nonce, nonce, strlen(nonce) + 1);
		memcpy(k->vm, vm, strlen(vm) + 1);
		k->until_ns = now_ns + TICKET_S * AV_NS_PER_S;
	}
	pthread_mutex_unlock(&t->lock);
	return k != NULL ? 0 : -EBUSY;
}

int
ticket_take(struct tickets *t, const char *ticket, const char *nonce,
    uint64_t now_ns, char *ret_vm, size_t n)
{
	int rc = -ENOENT;
	size_t i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < TICKETS_MAX; i++) {
		struct ticket *k = &t->all[i];

		if (k->until_ns <= now_ns || !session_equal(k->word, ticket))
			continue;
		k->until_ns = 0;
		if (strcmp(k->nonce, nonce) != 0 || strlen(k->vm) >= n)
			continue;
		memcpy(ret_vm, k->vm, strlen(k->vm) + 1);
		rc = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}
