/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/wait.c - --wait: until an object has arrived or failed
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/api.h"
#include "avcli/codeset.h"
#include "avcli/conn.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define WAIT_DEFAULT_S	300u
#define LOOK_FIRST_MS	200
#define LOOK_LAST_MS	1000

static bool
is(const json_t *obj, const char *key, const char *word)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL && strcmp(s, word) == 0;
}

/* A PM that is out was told to reboot, or to switch itself off. */
static enum goal_state
check_power(enum goal goal, const json_t *obj, unsigned waited_s)
{
	const json_t *m = json_object_get(obj, "maintenance");
	const json_t *up = json_object_get(obj, "uptime_s");

	if (!json_is_object(m))		/* somebody called it off */
		return GOAL_FAILED;
	if (json_is_string(json_object_get(m, "power")))
		return GOAL_NOT_YET;
	if (goal == GOAL_OFF)
		return is(obj, "role", "stopped") && !json_is_integer(up) ?
		    GOAL_ARRIVED : GOAL_NOT_YET;
	/* up for less long than we wait: it was down meanwhile */
	return is(obj, "role", "follower") && json_is_integer(up) &&
	    json_integer_value(up) <= (json_int_t)waited_s ?
	    GOAL_ARRIVED : GOAL_NOT_YET;
}

enum goal_state
goal_check(enum goal goal, const json_t *obj, unsigned waited_s)
{
	if (goal == GOAL_GONE)
		return obj == NULL ? GOAL_ARRIVED : GOAL_NOT_YET;
	if (obj == NULL)
		return GOAL_FAILED;
	if (is(obj, "activity", "installing"))
		return GOAL_NOT_YET;
	switch (goal) {
	case GOAL_MOVED:
		return json_is_object(json_object_get(obj, "migration")) ?
		    GOAL_NOT_YET : GOAL_ARRIVED;
	case GOAL_VERIFIED:
		obj = json_object_get(obj, "verify");
		return is(obj, "state", "running") ||
		    is(obj, "state", "waiting") ? GOAL_NOT_YET : GOAL_ARRIVED;
	case GOAL_RESIZED:
		return json_is_true(json_object_get(obj, "growing")) ?
		    GOAL_NOT_YET : GOAL_ARRIVED;
	case GOAL_REPLACED:
		return json_is_string(json_object_get(obj, "failed_leg")) ?
		    GOAL_NOT_YET : GOAL_ARRIVED;
	case GOAL_OUT:		/* somebody else may have called it off */
		if (!json_is_object(json_object_get(obj, "maintenance")))
			return GOAL_FAILED;
		return is(json_object_get(obj, "maintenance"), "phase", "out") ?
		    GOAL_ARRIVED : GOAL_NOT_YET;
	case GOAL_BACK:
		return is(obj, "role", "together") ? GOAL_ARRIVED :
		    GOAL_NOT_YET;
	case GOAL_REBOOTED:
	case GOAL_OFF:
		return check_power(goal, obj, waited_s);
	case GOAL_READY:
		return GOAL_ARRIVED;
	case GOAL_STOPPED:
		return is(obj, "activity", "stopped") ? GOAL_ARRIVED :
		    GOAL_NOT_YET;
	default:
		break;
	}
	if (is(obj, "activity", "running"))
		return GOAL_ARRIVED;
	if (is(obj, "activity", "crashed") ||
	    (is(obj, "activity", "stopped") && is(obj, "want", "stopped")))
		return GOAL_FAILED;
	return GOAL_NOT_YET;
}

static void
progress(const struct cli *cli, const char *id, const json_t *obj,
    const char *instead, uint64_t start_ns)
{
	const char *name = json_string_value(json_object_get(obj, "name"));
	const char *activity = json_string_value(json_object_get(obj,
	    "activity"));
	const json_t *percent = json_object_get(obj, "progress_percent");
	const json_t *move = json_object_get(obj, "migration");
	char done[24] = "";

	if (!cli->tty_err || cli->quiet)
		return;
	if (json_is_object(move)) {
		activity = json_string_value(json_object_get(move, "phase"));
		percent = json_object_get(move, "percent");
	}
	if (json_is_number(percent))
		(void)snprintf(done, sizeof(done), " %.0f %%",
		    json_number_value(percent));
	codeset_printf(stderr, "\r\033[K%s: %s%s, %u s",
	    name != NULL ? name : id,
	    instead != NULL ? instead : activity != NULL ? activity : "...",
	    instead != NULL ? "" : done,
	    (unsigned)((av_clock_ns() - start_ns) / AV_NS_PER_S));
	(void)fflush(stderr);
}

static void
progress_end(const struct cli *cli)
{
	if (cli->tty_err && !cli->quiet)
		(void)fputs("\r\033[K", stderr);
}

static int
fail_goal(const struct kind *kind, const char *id, const json_t *obj,
    struct cli_err *err)
{
	const json_t *reason = json_object_get(obj, "reason");
	const char *why = json_string_value(json_object_get(reason, "text"));
	const char *activity = json_string_value(json_object_get(obj,
	    "activity"));

	if (obj == NULL)
		(void)cli_fail(err, EXIT_FAILED, "wait-failed",
		    tr("the %s '%s' is gone: it was removed or could not be made"),
		    tr(kind->human), id);
	else if (why != NULL)
		(void)cli_fail(err, EXIT_FAILED, "wait-failed",
		    tr("the %s '%s' is %s: %s"), tr(kind->human), id,
		    activity != NULL ? activity : "?", why);
	else
		(void)cli_fail(err, EXIT_FAILED, "wait-failed",
		    tr("the %s '%s' is %s"), tr(kind->human), id,
		    activity != NULL ? activity : "?");
	cli_hint(err, tr("'avcli alert info' and 'avcli audit info' say more"));
	return -EXIT_FAILED;
}

/* One look.  0: *ret_obj is set or NULL when it is gone; < 0: no answer now. */
static int
look(struct cli *cli, const char *path, json_t **ret_obj, struct cli_err *err)
{
	int rc = conn_look(cli->conn, path, ret_obj, err);

	if (rc == -EXIT_NOT_FOUND && err->http_status == 404)
		return 0;
	return rc;
}

/* The unit may be failing over; another machine in its place is no reason. */
static bool
worth_another_try(int rc, const struct cli_err *err)
{
	return (rc == -EXIT_NO_CONNECTION || rc == -EXIT_TIMEOUT) &&
	    strncmp(err->code, "certificate", strlen("certificate")) != 0;
}

static int
fail_timeout(const struct kind *kind, const char *id, unsigned limit_s,
    struct cli_err *err)
{
	(void)cli_fail(err, EXIT_TIMEOUT, "timed-out",
	    tr("the %s '%s' has not arrived within %u s; it goes on in the unit"),
	    tr(kind->human), id, limit_s);
	cli_hint(err, tr("'avcli %s info %s' shows where it is"), kind->word, id);
	return -EXIT_TIMEOUT;
}

int
api_wait(struct cli *cli, const struct kind *kind, const char *id,
    enum goal goal, json_t **ret_obj, struct cli_err *err)
{
	AUTO_FREE char *path = NULL;
	unsigned limit_s = cli->timeout_s != 0 ? cli->timeout_s : WAIT_DEFAULT_S;
	uint64_t start_ns = av_clock_ns();
	int pause_ms = LOOK_FIRST_MS;
	int rc = api_path(kind, id, "", &path, err);

	*ret_obj = NULL;
	while (rc == 0) {
		json_t *obj = NULL;
		enum goal_state state = GOAL_NOT_YET;
		int r = look(cli, path, &obj, err);

		if (r < 0 && !worth_another_try(r, err)) {
			rc = r;
			break;
		}
		if (r == 0) {
			json_decref(*ret_obj);
			*ret_obj = obj;
			state = goal_check(goal, obj, (unsigned)((av_clock_ns() -
			    start_ns) / AV_NS_PER_S));
		}
		if (state == GOAL_ARRIVED) {
			*err = (struct cli_err){ 0 };	/* of earlier looks */
			break;
		}
		if (state == GOAL_FAILED)
			rc = fail_goal(kind, id, obj, err);
		else if (av_clock_ns() - start_ns >= limit_s * AV_NS_PER_S)
			rc = fail_timeout(kind, id, limit_s, err);
		if (rc < 0)
			break;
		progress(cli, id, *ret_obj,
		    r < 0 ? tr("no connection, trying again") : NULL, start_ns);
		(void)poll(NULL, 0, pause_ms);
		pause_ms = pause_ms * 5 / 4;
		if (pause_ms > LOOK_LAST_MS)
			pause_ms = LOOK_LAST_MS;
	}
	progress_end(cli);
	return rc;
}
