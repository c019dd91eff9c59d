/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/events.c - the agent's events on their way to many readers
 *
 * An event's id is "LIFE-N": LIFE is random for this process, so a browser that
 * comes back to another console, or to a restarted one, is noticed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "console/events.h"
#include "console/thread.h"

struct events {
	char		 life[17];
	pthread_mutex_t	 lock;		/* all that follows */
	pthread_cond_t	 added;
	bool		 stopping;
	uint64_t	 next;		/* number of the next event */
	char		*kept[EVENTS_KEEP];	/* data text; NULL = resync */
};

int
events_new(struct events **ret)
{
	struct events *e = calloc(1, sizeof(*e));
	uint8_t life[8];

	if (e == NULL)
		return -ENOMEM;
	if (getrandom(life, sizeof(life), 0) != (ssize_t)sizeof(life)) {
		free(e);
		return -EIO;
	}
	av_hex_encode(life, sizeof(life), e->life);
	pthread_mutex_init(&e->lock, NULL);
	thread_cond_init(&e->added);
	e->next = 1;
	*ret = e;
	return 0;
}

struct events *
events_free(struct events *e)
{
	size_t i;

	if (e == NULL)
		return NULL;
	for (i = 0; i < EVENTS_KEEP; i++)
		free(e->kept[i]);
	pthread_cond_destroy(&e->added);
	pthread_mutex_destroy(&e->lock);
	free(e);
	return NULL;
}

/* Takes 'text' (malloc'd or NULL = resync). */
static void
ring_put(struct events *e, char *text)
{
	pthread_mutex_lock(&e->lock);
	free(e->kept[e->next % EVENTS_KEEP]);
	e->kept[e->next % EVENTS_KEEP] = text;
	e->next++;
	pthread_cond_broadcast(&e->added);
	pthread_mutex_unlock(&e->lock);
}

void
events_add(struct events *e, const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	AUTO_JSON json_t *data = NULL;

	if (type == NULL || strcmp(type, "changed") != 0)
		return;
	data = json_pack("{s:s, s:O?, s:O?}", "type", type,
	    "seq", json_object_get(event, "seq"),
	    "objects", json_object_get(event, "objects"));
	/* without memory the text is NULL: readers then load everything */
	ring_put(e, data != NULL ? json_dumps(data, JSON_COMPACT) : NULL);
}

void
events_add_resync(struct events *e)
{
	ring_put(e, NULL);
}

void
events_stop(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_cond_broadcast(&e->added);
	pthread_mutex_unlock(&e->lock);
}

/* How far back the ring reaches. */
static uint64_t
ring_first(const struct events *e)
{
	return e->next > EVENTS_KEEP ? e->next - EVENTS_KEEP : 1;
}

uint64_t
events_place(struct events *e, const char *last_id, bool *ret_resync)
{
	size_t n_life = strlen(e->life);
	uint64_t pos, n;

	pthread_mutex_lock(&e->lock);
	pos = e->next;
	*ret_resync = false;
	if (last_id != NULL && *last_id != '\0') {
		*ret_resync = true;
		if (strncmp(last_id, e->life, n_life) == 0 &&
		    last_id[n_life] == '-' &&
		    av_parse_u64(last_id + n_life + 1, &n) == 0 &&
		    n < e->next && n + 1 >= ring_first(e)) {
			pos = n + 1;
			*ret_resync = false;
		}
	}
	pthread_mutex_unlock(&e->lock);
	return pos;
}

static int
event_text(const struct events *e, uint64_t n, const char *data,
    char **ret_text)
{
	if (asprintf(ret_text, "id: %s-%llu\nevent: %s\ndata: %s\n\n", e->life,
	    (unsigned long long)n, data != NULL ? "changed" : "resync",
	    data != NULL ? data : "{\"type\":\"resync\"}") < 0)
		return -ENOMEM;
	return 0;
}

int
events_resync_text(struct events *e, uint64_t pos, char **ret_text)
{
	return event_text(e, pos - 1, NULL, ret_text);
}

int
events_next(struct events *e, uint64_t *pos, unsigned wait_ms,
    char **ret_text)
{
	uint64_t end_ns = av_clock_ns() + wait_ms * AV_NS_PER_MS;
	int rc = 0;

	pthread_mutex_lock(&e->lock);
	while (*pos >= e->next && !e->stopping && rc == 0)
		rc = thread_cond_wait(&e->added, &e->lock, end_ns);
	if (e->stopping) {
		rc = -ECANCELED;
	} else if (*pos >= e->next) {
		rc = -ETIMEDOUT;
	} else if (*pos < ring_first(e)) {	/* overtaken */
		*pos = e->next;
		rc = event_text(e, *pos - 1, NULL, ret_text);
	} else {
		rc = event_text(e, *pos, e->kept[*pos % EVENTS_KEEP],
		    ret_text);
		if (rc == 0)
			(*pos)++;
	}
	pthread_mutex_unlock(&e->lock);
	return rc;
}
