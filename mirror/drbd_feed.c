/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_feed.c - keeps 'events2' running, and asks what it doesn't tell
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mirror/drbd.h"

#define QUERY_NS	(10 * AV_NS_PER_S)
#define RESTART_US	(100 * 1000)
#define RESTARTS_MAX	100u	/* 10 s without a picture: DOWN */
#define POLL_US		(2 * 1000 * 1000)

/* --- queries: identity, statistics --- */

static void
on_gi(struct drbd_cmd *cmd, const struct drbd_result *res, void *arg)
{
	struct drbd *d = arg;

	(void)cmd;
	d->query = NULL;
	if (res->rc == 0 && res->exit_code == 0)
		(void)drbd_gi_parse(res->out, &d->gi);	/* else as it was */
	drbd_wake(d);
}

static void
on_snap_piece(const char *data, size_t n, void *arg)
{
	struct drbd *d = arg;

	(void)drbd_stream_feed(&d->snap, data, n);
}

/* Numbers alone are taken: states come by the stream, in their order. */
static void
on_snap(struct drbd_cmd *cmd, const struct drbd_result *res, void *arg)
{
	struct drbd *d = arg;
	struct drbd_model *m = &d->ev.now;

	(void)cmd;
	(void)res;
	d->query = NULL;
	if (d->snap.whole && d->snap.now.resource && m->resource) {
		m->out_of_step_kib = d->snap.now.out_of_step_kib;
		m->read_kib = d->snap.now.read_kib;
		m->written_kib = d->snap.now.written_kib;
		m->upper_pending = d->snap.now.upper_pending;
		m->size_kib = d->snap.now.size_kib;
	}
	drbd_wake(d);
}

void
drbd_query_start(struct drbd *d)
{
	struct drbd_argv a;
	struct av_err err = { 0 };
	int rc;

	if (d->query != NULL || (!d->gi_due && !d->snap_due) ||
	    d->st.server != MIRROR_SERVER_UP)
		return;
	drbd_argv_init(&a);
	drbd_argv_add(&a, "drbdsetup");
	if (d->gi_due) {
		drbd_argv_add(&a, "get-gi");
		drbd_argv_add(&a, "%u", d->rec.minor);
		rc = drbd_cmd_start(d->loop, d->rec.tools_path, &a,
		    av_clock_ns() + QUERY_NS, NULL, on_gi, d, &d->query,
		    &err);
		d->gi_due = false;
	} else {
		drbd_argv_add(&a, "events2");
		drbd_argv_add(&a, "--now");
		drbd_argv_add(&a, "--statistics");
		drbd_argv_add(&a, "%s", d->c.res);
		drbd_stream_begin(&d->snap, d->c.res);
		rc = drbd_cmd_start(d->loop, d->rec.tools_path, &a,
		    av_clock_ns() + QUERY_NS, on_snap_piece, on_snap, d,
		    &d->query, &err);
		d->snap_due = false;
	}
	(void)rc;	/* the next change asks again */
}

static int
on_poll(sd_event_source *es, uint64_t usec, void *arg)
{
	struct drbd *d = arg;

	(void)es;
	(void)usec;
	d->poll = sd_event_source_disable_unref(d->poll);
	d->snap_due = true;
	drbd_wake(d);
	return 0;
}

/* 'events2' of 8.4 doesn't tell progress by itself. */
void
drbd_poll_resync(struct drbd *d)
{
	bool sync = d->st.conn == MIRROR_RESYNC_SOURCE ||
	    d->st.conn == MIRROR_RESYNC_TARGET;

	if (sync && d->poll == NULL)
		(void)sd_event_add_time_relative(d->loop, &d->poll,
		    CLOCK_MONOTONIC, POLL_US, 0, on_poll, d);
	else if (!sync)
		d->poll = sd_event_source_disable_unref(d->poll);
}

/* --- the stream: start -> pieces -> whole -> changes -> end -> start --- */

static void
on_events_piece(const char *data, size_t n, void *arg)
{
	struct drbd *d = arg;

	if (drbd_stream_feed(&d->ev, data, n))
		drbd_wake(d);
}

static void
on_events_end(struct drbd_cmd *cmd, const struct drbd_result *res, void *arg)
{
	struct drbd *d = arg;

	(void)cmd;
	d->events = NULL;
	(void)snprintf(d->events_text, sizeof(d->events_text), "%s",
	    res->text);
	drbd_wake(d);
}

int
drbd_events_start(struct drbd *d, struct av_err *err)
{
	struct drbd_argv a;

	drbd_argv_init(&a);
	drbd_argv_add(&a, "drbdsetup");
	drbd_argv_add(&a, "events2");
	drbd_argv_add(&a, "--timestamps");
	drbd_argv_add(&a, "--statistics");
	drbd_argv_add(&a, "%s", d->c.res);
	drbd_stream_begin(&d->ev, d->c.res);
	return drbd_cmd_start(d->loop, d->rec.tools_path, &a, 0,
	    on_events_piece, on_events_end, d, &d->events, err);
}

static int
on_again(sd_event_source *es, uint64_t usec, void *arg)
{
	struct drbd *d = arg;
	struct av_err err = { 0 };

	(void)es;
	(void)usec;
	d->again = sd_event_source_disable_unref(d->again);
	if (d->events == NULL && drbd_events_start(d, &err) < 0)
		drbd_go_down(d, err.code, err.text);
	return 0;
}

void
drbd_events_again(struct drbd *d)
{
	d->events = drbd_cmd_free(d->events, true);
	d->ev.lost = false;
	if (d->again != NULL)
		return;
	if (++d->restarts > RESTARTS_MAX || sd_event_add_time_relative(
	    d->loop, &d->again, CLOCK_MONOTONIC, RESTART_US, 0, on_again,
	    d) < 0)
		drbd_go_down(d, "server-down", d->events_text[0] != '\0' ?
		    d->events_text : "'drbdsetup events2' can't be kept "
		    "running");
}
