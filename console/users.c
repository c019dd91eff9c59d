/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/users.c - do a session's user and password still exist?
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/users.h"

#define PLACES	32

struct place {
	char		user[256];
	char		role[32];
	char		print[17];	/* "" = no such user */
	uint64_t	at_ns;		/* when asked; 0 = empty */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place places[PLACES];

static bool
place_get(const char *user, struct place *ret)
{
	uint64_t now_ns = av_clock_ns();
	bool found = false;
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < PLACES && !found; i++)
		if (places[i].at_ns != 0 && now_ns - places[i].at_ns <
		    USERS_FRESH_S * AV_NS_PER_S &&
		    strcmp(places[i].user, user) == 0) {
			*ret = places[i];
			found = true;
		}
	pthread_mutex_unlock(&lock);
	return found;
}

static void
place_put(const struct place *p)
{
	size_t i, at = 0;

	pthread_mutex_lock(&lock);
	for (i = 0; i < PLACES; i++) {
		if (strcmp(places[i].user, p->user) == 0) {
			at = i;
			break;
		}
		if (places[i].at_ns < places[at].at_ns)
			at = i;
	}
	places[at] = *p;
	pthread_mutex_unlock(&lock);
}

void
users_forget(const char *user)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < PLACES; i++)
		if (strcmp(places[i].user, user) == 0)
			places[i] = (struct place){ .at_ns = 0 };
	pthread_mutex_unlock(&lock);
}

/* Asks the agent.  -EAGAIN when it can't tell. */
static int
place_ask(struct agent *a, const char *user, struct place *ret)
{
	static const struct actor self = { .user = "console",
	    .role = "console", .origin = "local", .via = "console" };
	AUTO_JSON json_t *args = json_pack("{s:s}", "name", user);
	AUTO_JSON json_t *result = NULL;
	struct place p = { .at_ns = av_clock_ns() };
	const char *role, *hash;
	struct av_err err = { 0 };
	int rc;

	if (args == NULL)
		return -EAGAIN;
	rc = agent_call(a, "user.get", args, &self, false, &result, NULL,
	    &err);
	if (rc < 0 && strcmp(err.code, "not-found") != 0)
		return -EAGAIN;
	role = json_string_value(json_object_get(result, "role"));
	hash = json_string_value(json_object_get(result, "hash"));
	memcpy(p.user, user, strlen(user) + 1);
	if (rc == 0 && role != NULL && hash != NULL &&
	    strlen(role) < sizeof(p.role) &&
	    session_print(hash, p.print) == 0)
		memcpy(p.role, role, strlen(role) + 1);
	place_put(&p);
	*ret = p;
	return 0;
}

int
users_check(struct agent *a, struct session *s)
{
	struct place p;

	/* what doesn't fit may just be old: asked anew before it is refused */
	if ((!place_get(s->user, &p) || strcmp(p.print, s->print) != 0) &&
	    place_ask(a, s->user, &p) < 0)
		return 0;
	if (p.print[0] == '\0' || strcmp(p.print, s->print) != 0)
		return -ETIME;
	memcpy(s->role, p.role, sizeof(s->role));
	return 0;
}
