/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/stream.c - server-sent events
 *
 * The connection's own thread waits in the reader callback; no connection is ever
 * suspended (0.9.75 may then forget others).
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/request.h"

#define HEARTBEAT_MS	15000
#define FIRST_LINE	"retry: 1000\n\n"

struct stream {
	struct server	*srv;
	struct session	 session;
	bool		 local;
	uint64_t	 pos;
	char		*text;		/* what is being sent */
	size_t		 n, at;
};

static void
stream_free(void *cls)
{
	struct stream *st = cls;

	st->srv->n_events--;
	free(st->text);
	free(st);
}

/* Fetches the next text; -ETIME when the stream is to end. */
static int
stream_fill(struct stream *st)
{
	int64_t now = av_clock_utc_ms();
	int rc;

	free(TAKE_PTR(st->text));
	st->at = st->n = 0;
	if (!st->local && (session_ended(st->srv->sessions, &st->session,
	    now) || session_idle(st->srv->sessions, &st->session, now)))
		return -ETIME;
	rc = events_next(st->srv->events, &st->pos, HEARTBEAT_MS, &st->text);
	if (rc == -ETIMEDOUT) {
		st->text = strdup(": still here\n\n");
		rc = st->text != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0)
		st->n = strlen(st->text);
	return rc;
}

static ssize_t
stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct stream *st = cls;
	size_t n;

	(void)pos;
	if (st->at == st->n && stream_fill(st) < 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = st->n - st->at < max ? st->n - st->at : max;
	memcpy(buf, st->text + st->at, n);
	st->at += n;
	return (ssize_t)n;
}

int
stream_get(struct request *req, struct av_err *err)
{
	struct server *srv = req->srv;
	struct MHD_Response *r;
	struct stream *st;
	char *resync = NULL;
	bool behind;
	int n;

	if (srv->n_events++ >= SERVER_EVENTS_MAX) {
		srv->n_events--;
		return av_err_code(err, -EBUSY, "unavailable",
		    "too many are listening for events");
	}
	st = calloc(1, sizeof(*st));
	if (st == NULL) {
		srv->n_events--;
		return -ENOMEM;
	}
	st->srv = srv;
	st->session = req->session;
	st->local = req->local;
	st->pos = events_place(srv->events, request_header(req,
	    "Last-Event-ID"), &behind);
	if (behind)
		(void)events_resync_text(srv->events, st->pos, &resync);
	n = asprintf(&st->text, FIRST_LINE "%s", resync != NULL ? resync : "");
	free(resync);
	if (n < 0) {
		st->text = NULL;
		stream_free(st);
		return -ENOMEM;
	}
	st->n = (size_t)n;
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096,
	    stream_read, st, stream_free);
	if (r == NULL) {
		stream_free(st);
		return -ENOMEM;
	}
	(void)MHD_add_response_header(r, "Content-Type", "text/event-stream");
	return reply_queue(req, 200, r);
}
