/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/hold.c - the guest's writes wait while a snapshot is made
 *
 *   none, expired --order--> beginning --quiet, flushed--> held --release--> none
 *                               |                           |
 *                               '--- time, change of role --'--> expired
 *
 * Nobody has to end it: a write that waits looks at the clock itself.  A first
 * flush, with writes going on, takes most of the time off the second one.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "mirror/replica/server.h"

static bool
is_on(const struct srv_hold *h)
{
	return h->state == MIRROR_HOLD_BEGINNING ||
	    h->state == MIRROR_HOLD_HELD;
}

static void
expire(struct srv *s, const char *why)
{
	s->hold.state = MIRROR_HOLD_EXPIRED;
	s->hold.waiting = false;
	log_notice(s->p.id, "writes go on, the hold ended by itself: %s",
	    why);
	srv_changed(s);
}

/* mu held.  Ends it when its time is over. */
static void
look_at_clock(struct srv *s)
{
	if (!is_on(&s->hold))
		return;
	if (s->hold.role_count != s->role_count || s->stopping)
		expire(s, "change of role");
	else if (s->hold.waiting && av_clock_ns() >= s->hold.due_ns)
		expire(s, "time is up");
}

bool
hold_waits(struct srv *s)
{
	look_at_clock(s);
	return s->hold.waiting;
}

void
hold_wait(struct srv *s)
{
	(void)srv_wait_until(s, s->hold.due_ns);
}

/* mu held, dropped meanwhile.  What is acknowledged is on both legs' disks. */
static int
flush_legs(struct srv *s)
{
	struct link_job j = { .kind = LINK_FLUSH };
	bool both = s->io_mode == IO_BOTH;
	int local, remote = 0;

	if (both)
		link_submit(s, s->link_count, &j);
	else if (s->io_mode != IO_ALONE)
		return -ENOTCONN;
	pthread_mutex_unlock(&s->mu);
	local = srv_data_sync(s);
	pthread_mutex_lock(&s->mu);
	if (both)
		remote = link_wait(s, &j);
	return local < 0 ? local : remote != 0 ? -ENOTCONN : 0;
}

/* Is it this order's hold, and in time? */
static bool
still(struct srv *s, uint64_t seq)
{
	look_at_clock(s);
	return is_on(&s->hold) && s->hold.seq == seq;
}

static int
begin(struct srv *s, uint32_t timeout_ms, struct av_err *err)
{
	struct srv_hold *h = &s->hold;

	look_at_clock(s);
	if (s->role != MIRROR_PRIMARY)
		return av_err_code(err, -EPERM, "wrong-role",
		    "the primary holds writes, this copy is the secondary");
	if (is_on(h))
		return av_err_code(err, -EALREADY, "wrong-state",
		    "writes are held already");
	if (s->io_mode != IO_BOTH && s->io_mode != IO_ALONE)
		return av_err_code(err, -ENOTCONN, "wrong-state",
		    "the peer is lost and it isn't decided how to go on");
	if (timeout_ms == 0 || timeout_ms > MIRROR_HOLD_MAX_MS)
		return av_err_code(err, -EINVAL, "bad-request",
		    "writes are held for 1 to %u ms", MIRROR_HOLD_MAX_MS);
	*h = (struct srv_hold){ .state = MIRROR_HOLD_BEGINNING,
		.role_count = s->role_count, .timeout_ms = timeout_ms,
		.seq = h->seq + 1 };
	srv_changed(s);
	return 0;
}

int
srv_order_hold(struct srv *s, uint32_t timeout_ms, struct av_err *err)
{
	struct srv_hold *h = &s->hold;
	uint64_t seq;
	int rc;

	pthread_mutex_lock(&s->mu);
	rc = begin(s, timeout_ms, err);
	if (rc < 0)
		goto out;
	seq = h->seq;
	rc = flush_legs(s);
	if (rc == 0 && still(s, seq)) {
		h->waiting = true;
		h->due_ns = av_clock_ns() + timeout_ms * AV_NS_PER_MS;
	}
	while (rc == 0 && still(s, seq) && s->n_writing > 0)
		(void)srv_wait_until(s, h->due_ns);
	if (rc == 0 && still(s, seq))
		rc = flush_legs(s);
	if (rc == 0 && still(s, seq)) {
		h->state = MIRROR_HOLD_HELD;
		srv_changed(s);
	} else if (rc < 0) {
		if (still(s, seq))
			expire(s, "a leg didn't flush");
		rc = av_err_code(err, rc, rc == -ENOTCONN ? "wrong-state" :
		    "disk-error", "what was written couldn't be flushed");
	} else {
		rc = av_err_code(err, -ETIME, "hold-expired",
		    "writes under way and the flush took too long");
	}
out:
	pthread_mutex_unlock(&s->mu);
	return rc;
}

int
srv_order_release(struct srv *s, struct av_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	look_at_clock(s);
	if (s->hold.state == MIRROR_HOLD_NONE)
		rc = av_err_code(err, -EALREADY, "wrong-state",
		    "no writes are held");
	else if (s->hold.state == MIRROR_HOLD_HELD)
		s->hold.state = MIRROR_HOLD_NONE;
	else {
		/* told once */
		s->hold.state = s->hold.state == MIRROR_HOLD_EXPIRED ?
		    MIRROR_HOLD_NONE : MIRROR_HOLD_EXPIRED;
		rc = av_err_code(err, -ETIME, "hold-expired",
		    "writes went on before they were released");
	}
	s->hold.waiting = false;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	return rc;
}

uint64_t
hold_left_ms(const struct srv *s)
{
	uint64_t now = av_clock_ns();

	return s->hold.waiting && s->hold.due_ns > now ?
	    (s->hold.due_ns - now) / AV_NS_PER_MS + 1 : 0;
}

enum mirror_hold
hold_state(const struct srv *s)
{
	/* a status may come before anybody looked at the clock */
	if (is_on(&s->hold) && ((s->hold.waiting &&
	    av_clock_ns() >= s->hold.due_ns) ||
	    s->hold.role_count != s->role_count))
		return MIRROR_HOLD_EXPIRED;
	return s->hold.state;
}
