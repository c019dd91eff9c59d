/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/membership.c - corosync's closed process groups
 *
 * corosync's node id is node + 1.  A message that corosync can't take now
 * (CS_ERR_TRY_AGAIN) waits in a bounded queue for a timer, in order.
 * See cpg_overview(3).
 */
#include "nodeagent/membership.h"

#include <string.h>
#include <sys/epoll.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define TRY_AGAIN_USEC	2000u

struct out_msg {
	struct out_msg	*next;
	size_t		 n;
	uint8_t		 data[];
};

struct corosync {
	sd_event	*loop;
	sd_event_source	*io, *reconnect, *again;
	struct membership_events ev;
	void		*arg;
	int		 node;
	uint64_t	 reconnect_usec;
	struct cpg_name	 group;
	cpg_handle_t	 handle;
	bool		 connected;
	bool		 joined;	/* this agent is in the group */
	bool		 broken;	/* found inside a callback or a send */
	struct out_msg	*first, **last;
	size_t		 n_out;
};

static void try_connect(struct corosync *c);

/* --- sending --- */

static void
drop_queue(struct corosync *c)
{
	while (c->first != NULL) {
		struct out_msg *m = c->first;

		c->first = m->next;
		free(m);
	}
	c->last = &c->first;
	c->n_out = 0;
}

static void
again_later(struct corosync *c)
{
	(void)sd_event_source_set_time_relative(c->again, TRY_AGAIN_USEC);
	(void)sd_event_source_set_enabled(c->again, SD_EVENT_ONESHOT);
}

static void
send_queue(struct corosync *c)
{
	while (c->first != NULL && c->connected) {
		struct out_msg *m = c->first;
		struct iovec iov = { m->data, m->n };
		cs_error_t r = cpg_mcast_joined(c->handle, CPG_TYPE_AGREED,
		    &iov, 1);

		if (r == CS_ERR_TRY_AGAIN || r == CS_ERR_NO_MEMORY) {
			again_later(c);
			return;
		}
		if (r != CS_OK) {	/* the daemon is gone */
			c->broken = true;
			again_later(c);
			return;
		}
		c->first = m->next;
		if (c->first == NULL)
			c->last = &c->first;
		c->n_out--;
		free(m);
	}
}

static int
corosync_send(void *arg, const uint8_t *data, size_t n)
{
	struct corosync *c = arg;
	struct out_msg *m;

	if (!c->connected || !c->joined)
		return -ENOTCONN;
	if (n > MEMBERSHIP_MESSAGE_MAX)
		return -EMSGSIZE;
	if (c->n_out >= MEMBERSHIP_QUEUE_MAX)
		return -ENOBUFS;
	m = malloc(sizeof(*m) + n);
	if (m == NULL)
		return -ENOMEM;
	m->next = NULL;
	m->n = n;
	memcpy(m->data, data, n);
	*c->last = m;
	c->last = &m->next;
	c->n_out++;
	send_queue(c);
	return 0;
}

/* --- corosync's callbacks, from cpg_dispatch() --- */

static struct corosync *
owner(cpg_handle_t handle)
{
	void *ctx = NULL;

	return cpg_context_get(handle, &ctx) == CS_OK ? ctx : NULL;
}

static void
on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid,
    uint32_t pid, void *msg, size_t n)
{
	struct corosync *c = owner(handle);

	(void)group;
	(void)pid;
	if (c != NULL && (nodeid == 1 || nodeid == 2))
		c->ev.deliver(c->arg, (int)nodeid - 1, msg, n);
}

static void
on_group(cpg_handle_t handle, const struct cpg_name *group,
    const struct cpg_address *members, size_t n_members,
    const struct cpg_address *left, size_t n_left,
    const struct cpg_address *joined, size_t n_joined)
{
	struct corosync *c = owner(handle);
	bool self = false, peer = false;
	size_t i;

	(void)group; (void)left; (void)n_left; (void)joined; (void)n_joined;
	if (c == NULL)
		return;
	for (i = 0; i < n_members; i++) {
		self |= members[i].nodeid == (uint32_t)c->node + 1;
		peer |= members[i].nodeid == (uint32_t)(1 - c->node) + 1;
	}
	c->joined = self;
	c->ev.group(c->arg, self, peer);
}

static void
on_ring(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t n_members,
    const uint32_t *members)
{
	struct corosync *c = owner(handle);
	bool peer = false;
	uint32_t i;

	(void)ring;
	if (c == NULL)
		return;
	for (i = 0; i < n_members; i++)
		peer |= members[i] == (uint32_t)(1 - c->node) + 1;
	c->ev.nodes(c->arg, true, peer);
}

/* --- connecting -> connected -> gone -> connecting --- */

static void
disconnected(struct corosync *c)
{
	bool was = c->connected;

	c->io = sd_event_source_disable_unref(c->io);
	if (was)
		(void)cpg_finalize(c->handle);
	c->connected = false;
	c->joined = false;
	c->broken = false;
	drop_queue(c);
	(void)sd_event_source_set_enabled(c->again, SD_EVENT_OFF);
	(void)sd_event_source_set_time_relative(c->reconnect,
	    c->reconnect_usec);
	(void)sd_event_source_set_enabled(c->reconnect, SD_EVENT_ONESHOT);
	if (was) {
		c->ev.group(c->arg, false, false);
		c->ev.nodes(c->arg, false, false);
	}
}

static int
on_cpg(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct corosync *c = arg;
	cs_error_t r;

	(void)s;
	(void)fd;
	r = cpg_dispatch(c->handle, CS_DISPATCH_ALL);
	if ((r != CS_OK && r != CS_ERR_TRY_AGAIN) || c->broken ||
	    (revents & (EPOLLHUP | EPOLLERR))) {
		log_warn("unit", "corosync is gone (cs error %d): trying again",
		    (int)r);
		disconnected(c);
	}
	return 0;
}

static int
on_again(sd_event_source *s, uint64_t usec, void *arg)
{
	struct corosync *c = arg;

	(void)s;
	(void)usec;
	if (c->broken)
		disconnected(c);
	else
		send_queue(c);
	return 0;
}

static int
on_reconnect(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	try_connect(arg);
	return 0;
}

static void
try_connect(struct corosync *c)
{
	static cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_deliver,
		.cpg_confchg_fn = on_group,
		.cpg_totem_confchg_fn = on_ring,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	unsigned nodeid = 0;
	int fd = -1;

	if (cpg_model_initialize(&c->handle, CPG_MODEL_V1,
	    (cpg_model_data_t *)&model, c) != CS_OK) {
		disconnected(c);
		return;
	}
	c->connected = true;
	if (cpg_local_get(c->handle, &nodeid) != CS_OK ||
	    nodeid != (unsigned)c->node + 1) {
		log_err("unit", "corosync's node id is %u, not %d: waiting for "
		    "another corosync.conf", nodeid, c->node + 1);
		disconnected(c);
		return;
	}
	if (cpg_join(c->handle, &c->group) != CS_OK ||
	    cpg_fd_get(c->handle, &fd) != CS_OK ||
	    sd_event_add_io(c->loop, &c->io, fd, EPOLLIN, on_cpg, c) < 0) {
		disconnected(c);
		return;
	}
	(void)sd_event_source_set_priority(c->io, SD_EVENT_PRIORITY_IMPORTANT);
	log_notice("unit", "connected to corosync");
}

/* --- open, close --- */

static void
corosync_close(void *arg)
{
	struct corosync *c = arg;

	if (c == NULL)
		return;
	sd_event_source_disable_unref(c->io);
	if (c->connected) {
		(void)cpg_leave(c->handle, &c->group);	/* best effort */
		(void)cpg_finalize(c->handle);
	}
	sd_event_source_disable_unref(c->reconnect);
	sd_event_source_disable_unref(c->again);
	drop_queue(c);
	free(c);
}

static int
corosync_open(sd_event *loop, const struct membership_conf *conf,
    const struct membership_events *ev, void *arg, void **ret,
    struct av_err *err)
{
	struct corosync *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return av_err_set(err, -ENOMEM, "membership: no memory");
	c->loop = loop;
	c->ev = *ev;
	c->arg = arg;
	c->node = conf->node;
	c->last = &c->first;
	c->reconnect_usec = conf->reconnect_ns / 1000;
	r = snprintf(c->group.value, sizeof(c->group.value), "avpair:%s",
	    conf->unit_uuid);
	c->group.length = (uint32_t)r;
	r = sd_event_add_time_relative(loop, &c->reconnect, CLOCK_MONOTONIC,
	    0, 1000, on_reconnect, c);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &c->again,
		    CLOCK_MONOTONIC, 0, 500, on_again, c);
	if (r < 0) {
		corosync_close(c);
		return av_err_set(err, r, "event loop: timer");
	}
	(void)sd_event_source_set_enabled(c->again, SD_EVENT_OFF);
	*ret = c;
	return 0;
}

const struct membership_ops membership_corosync_ops = {
	.open = corosync_open,
	.close = corosync_close,
	.send = corosync_send,
};
