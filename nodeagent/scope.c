/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/scope.c - move this process into a scope of systemd
 */
#include "nodeagent/scope.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/clock.h"

#define MANAGER		"org.freedesktop.systemd1"
#define MANAGER_PATH	"/org/freedesktop/systemd1"
#define MANAGER_IFACE	"org.freedesktop.systemd1.Manager"
#define PRIVATE		"unix:path=/run/systemd/private"

struct wait {
	const char	*job;		/* its object */
	bool		 over;
	bool		 done;
};

static int
bus_open(const struct scope *s, sd_bus **ret)
{
	sd_bus *bus = NULL;
	int rc = sd_bus_new(&bus);

	if (rc >= 0)
		rc = sd_bus_set_address(bus, s->address != NULL ? s->address :
		    PRIVATE);
	if (rc >= 0)
		rc = sd_bus_start(bus);
	if (rc < 0) {
		sd_bus_unref(bus);
		bus = NULL;
		if (s->address == NULL)
			rc = sd_bus_open_system(&bus);
	}
	*ret = bus;
	return rc < 0 ? rc : 0;
}

static int
put_text(sd_bus_message *m, const char *name, const char *value)
{
	return sd_bus_message_append(m, "(sv)", name, "s", value);
}

static int
put_units(sd_bus_message *m, const char *name, const char *const *units)
{
	size_t i;
	int rc = sd_bus_message_open_container(m, 'r', "sv");

	if (rc >= 0)
		rc = sd_bus_message_append(m, "s", name);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'v', "as");
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "s");
	for (i = 0; rc >= 0 && i < SCOPE_UNITS_MAX && units[i] != NULL; i++)
		rc = sd_bus_message_append(m, "s", units[i]);
	for (i = 0; rc >= 0 && i < 3; i++)
		rc = sd_bus_message_close_container(m);
	return rc;
}

static int
request_make(sd_bus *bus, const struct scope *s, sd_bus_message **ret)
{
	int rc = sd_bus_message_new_method_call(bus, ret, MANAGER,
	    MANAGER_PATH, MANAGER_IFACE, "StartTransientUnit");
	sd_bus_message *m = *ret;

	if (rc >= 0)
		rc = sd_bus_message_append(m, "ss", s->name, "fail");
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(sv)");
	if (rc >= 0)
		rc = put_text(m, "Description", s->description);
	if (rc >= 0)
		rc = put_text(m, "Slice", s->slice);
	if (rc >= 0)	/* gone with its processes, however they ended */
		rc = put_text(m, "CollectMode", "inactive-or-failed");
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)", "TimeoutStopUSec", "t",
		    s->stop_ms * 1000);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1,
		    (uint32_t)getpid());
	if (rc >= 0)
		rc = put_units(m, "Before", s->before);
	if (rc >= 0)
		rc = put_units(m, "After", s->after);
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "a(sa(sv))", 0);
	return rc;
}

static int
on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct wait *w = arg;
	const char *job, *unit, *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) >= 0 &&
	    w->job != NULL && strcmp(job, w->job) == 0) {
		w->over = true;
		w->done = strcmp(result, "done") == 0;
	}
	return 0;
}

/* Until the job is over: the process is moved when it runs, not when it is queued. */
static int
job_wait(sd_bus *bus, struct wait *w, uint64_t until_ns, struct av_err *err)
{
	while (!w->over) {
		uint64_t now_ns = av_clock_ns();
		int rc = sd_bus_process(bus, NULL);

		if (rc == 0 && now_ns >= until_ns)
			return av_err_maybe(err, -ETIMEDOUT,
			    "systemd doesn't do it in time");
		if (rc == 0)
			rc = sd_bus_wait(bus, (until_ns - now_ns) / 1000);
		if (rc < 0 && rc != -EINTR)
			return av_err_maybe(err, rc, "systemd is lost: %s",
			    strerror(-rc));
	}
	return w->done ? 0 : av_err_set(err, -EIO, "systemd's job failed");
}

static int
ask(sd_bus *bus, sd_bus_message *request, const struct scope *s,
    struct av_err *err)
{
	uint64_t until_ns = av_clock_ns() + s->limit_ms * 1000000u;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	struct wait w = { .job = NULL };
	int rc;

	/* before the request: the word may come with the answer */
	rc = sd_bus_match_signal(bus, NULL, NULL, MANAGER_PATH, MANAGER_IFACE,
	    "JobRemoved", on_job_removed, &w);
	if (rc >= 0)
		rc = sd_bus_call(bus, request, s->limit_ms * 1000, &error,
		    &reply);
	if (rc < 0) {
		/* only systemd's own word is certain */
		bool refused = error.name != NULL &&
		    strncmp(error.name, MANAGER ".", sizeof(MANAGER)) == 0;

		(void)av_err_set(err, rc, "systemd: %s", error.message != NULL ?
		    error.message : strerror(-rc));
		err->outcome = refused ? AV_NOT_DONE : AV_MAYBE;
		sd_bus_error_free(&error);
		return rc;
	}
	rc = sd_bus_message_read(reply, "o", &w.job);
	rc = rc < 0 ? av_err_maybe(err, rc, "systemd's answer isn't understood") :
	    job_wait(bus, &w, until_ns, err);
	sd_bus_message_unref(reply);
	return rc;
}

int
scope_enter(const struct scope *s, struct av_err *err)
{
	sd_bus_message *request = NULL;
	sd_bus *bus = NULL;
	int rc = bus_open(s, &bus);

	if (rc < 0)
		return av_err_set(err, rc, "systemd can't be reached: %s",
		    strerror(-rc));
	rc = request_make(bus, s, &request);
	if (rc < 0)
		rc = av_err_set(err, rc, "no request: %s", strerror(-rc));
	else
		rc = ask(bus, request, s, err);
	sd_bus_message_unref(request);
	sd_bus_close(bus);
	sd_bus_unref(bus);
	return rc;
}
