/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/order_world.h - two real order.c in one loop
 *
 * Real heartbeats over loopback UDP through a relay that can be cut; a group
 * in memory instead of corosync; a database that is a list of commands.
 */
#ifndef AV_ORDER_WORLD_H
#define AV_ORDER_WORLD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/wire.h"
#include "nodeagent/membership.h"
#include "nodeagent/order.h"
#include "nodeagent/order_msg.h"

#define W_UNIT	"0123456789abcdef0123456789abcdef"

struct w_msg { struct w_msg *next; int node; size_t n; uint8_t data[]; };

struct w_pm {
	struct order	*order;
	/* group */
	bool		 open, told_up, told_peer, told_self, told_group_peer;
	int		 told_instance;
	int		 instance;
	const struct membership_events *ev;
	void		*ev_arg;
	struct w_msg	*inbox, **inbox_last;
	/* database */
	uint64_t	 seq;
	uint8_t		 hash[32];
	uint64_t	 n_bytes;
	char		 log[4096];
	/* effects seen */
	int		 n_freeze, n_resume, n_alone, n_take, n_stop, n_follow;
	int		 n_create, n_fatal, n_facts;
	uint64_t	 gen;
	uint64_t	 froze_ns, alone_ns, took_ns;
	char		 dir[256];
};

static struct w_world {
	sd_event	*loop;
	struct w_pm	 pm[2];
	bool		 cut;
	int		 relay[2];
	uint16_t	 port;
	const char	*arbiter_kind, *arbiter_address;
	unsigned	 scale;
	bool		 versions_differ;	/* of the agents' hellos */
	sd_event_source	*pump;
} W;

/* --- group in memory --- */

static int
w_open(sd_event *loop, const struct membership_conf *conf,
    const struct membership_events *ev, void *arg, void **ret,
    struct av_err *err)
{
	struct w_pm *p = &W.pm[conf->node];

	(void)loop; (void)err;
	p->ev = ev;
	p->ev_arg = arg;
	p->open = true;
	p->instance++;
	p->told_up = p->told_self = p->told_peer = p->told_group_peer = false;
	p->inbox = NULL;
	p->inbox_last = &p->inbox;
	*ret = p;
	return 0;
}

static void
w_close(void *m)
{
	struct w_pm *p = m;

	p->open = false;
	while (p->inbox != NULL) {
		struct w_msg *g = p->inbox;

		p->inbox = g->next;
		free(g);
	}
}

static int
w_send(void *m, const uint8_t *data, size_t n)
{
	struct w_pm *p = m;
	int i;

	if (!p->told_self)
		return -ENOTCONN;
	for (i = 0; i < 2; i++) {
		struct w_pm *to = &W.pm[i];
		struct w_msg *g;

		if (!to->open || (to != p && (W.cut || !p->told_group_peer)))
			continue;
		g = malloc(sizeof(*g) + n);
		g->next = NULL;
		g->node = p == &W.pm[0] ? 0 : 1;
		g->n = n;
		memcpy(g->data, data, n);
		if (W.versions_differ && to != p && n > ORDER_HEADER_BYTES &&
		    data[4] == ORDER_MSG_HELLO)
			g->data[ORDER_HEADER_BYTES]++;
		*to->inbox_last = g;
		to->inbox_last = &g->next;
	}
	return 0;
}

static const struct membership_ops w_membership = { w_open, w_close, w_send };

static bool
w_deliver(struct w_pm *p)
{
	struct w_msg *g = p->inbox;

	if (g == NULL)
		return false;
	p->inbox = g->next;
	if (p->inbox == NULL)
		p->inbox_last = &p->inbox;
	p->ev->deliver(p->ev_arg, g->node, g->data, g->n);
	free(g);
	return true;
}

static int
w_pump(sd_event_source *s, uint64_t usec, void *arg)
{
	int i, k;

	(void)usec; (void)arg;
	for (k = 0; k < 64; k++)
		for (i = 0; i < 2; i++)
			if (W.pm[i].open)
				(void)w_deliver(&W.pm[i]);
	/* a change comes between the messages of before and of after */
	for (i = W.pm[0].inbox || W.pm[1].inbox ? 2 : 0; i < 2; i++) {
		struct w_pm *p = &W.pm[i], *o = &W.pm[1 - i];
		bool peer = p->open && o->open && !W.cut;

		if (!p->open)
			continue;
		if (!p->told_up || p->told_peer != peer) {
			p->told_up = true;
			p->told_peer = peer;
			p->ev->nodes(p->ev_arg, true, peer);
		}
		if (!p->told_self || p->told_group_peer != peer ||
		    (peer && p->told_instance != o->instance)) {
			p->told_self = true;
			p->told_group_peer = peer;
			p->told_instance = o->instance;
			p->ev->group(p->ev_arg, true, peer);
		}
	}
	(void)sd_event_source_set_time_relative(s, 1000);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

/* --- database: the commands one after the other --- */

static void
w_rehash(struct w_pm *p)
{
	memset(p->hash, 0, 32);
	(void)snprintf((char *)p->hash, 32, "%08x", av_crc32c(0, p->log,
	    strlen(p->log)));
}

static int
w_apply(void *ctx, const json_t *cmd, json_t **ret, struct av_err *err)
{
	struct w_pm *p = ctx;
	const char *id = json_string_value(json_object_get(cmd, "cmd_id"));

	p->seq++;
	(void)snprintf(p->log + strlen(p->log), sizeof(p->log) -
	    strlen(p->log), "%s ", id);
	w_rehash(p);
	if (json_is_true(json_object_get(cmd, "refuse")))
		return av_err_code(err, -EEXIST, "name-exists", "refused");
	*ret = json_pack("{s:s}", "id", id);
	return 0;
}

static void
w_position(void *ctx, struct order_position *ret)
{
	struct w_pm *p = ctx;

	ret->seq = p->seq;
	memcpy(ret->hash, p->hash, 32);
}

#define W_PAD	200000u		/* so that a snapshot takes several fragments */

static int
w_serialize(void *ctx, uint8_t **ret, size_t *n, struct av_err *err)
{
	struct w_pm *p = ctx;
	uint8_t *buf = calloc(1, W_PAD + sizeof(p->log) + 8);

	(void)err;
	memcpy(buf, &p->seq, 8);
	memcpy(buf + 8, p->log, sizeof(p->log));
	*ret = buf;
	*n = W_PAD + sizeof(p->log) + 8;
	return 0;
}

static int
w_replace(void *ctx, const uint8_t *data, size_t n, struct av_err *err)
{
	struct w_pm *p = ctx;

	if (n != W_PAD + sizeof(p->log) + 8)
		return av_err_set(err, -EBADMSG, "length");
	memcpy(&p->seq, data, 8);
	memcpy(p->log, data + 8, sizeof(p->log));
	w_rehash(p);
	return 0;
}

/* --- effects --- */

static void w_freeze(void *c) { struct w_pm *p = c; p->n_freeze++; p->froze_ns = av_clock_ns(); }
static void w_resume(void *c, uint64_t g) { struct w_pm *p = c; p->n_resume++; p->gen = g; }
static void w_alone(void *c, uint64_t g) { struct w_pm *p = c; p->n_alone++; p->gen = g; p->alone_ns = av_clock_ns(); }
static void w_take(void *c) { struct w_pm *p = c; p->n_take++; p->took_ns = av_clock_ns(); }
static void
w_stop(void *c, const char *code, const char *text)
{
	struct w_pm *p = c;

	(void)code; (void)text;
	p->n_stop++;
	order_guests_stopped(p->order);
}
static void w_follow(void *c, uint64_t g) { struct w_pm *p = c; p->n_follow++; p->gen = g; }
static void w_created(void *a, int rc, json_t *r, const struct av_err *e)
{ (void)a; (void)rc; (void)r; (void)e; }
static void
w_create(void *c)
{
	struct w_pm *p = c;
	AUTO_JSON json_t *cmd = json_pack("{s:s,s:s}", "op", "unit.create",
	    "cmd_id", "create");

	p->n_create++;
	(void)order_submit(p->order, cmd, w_created, NULL, NULL);
}
static void w_facts(void *c, json_t *f) { struct w_pm *p = c; (void)f; p->n_facts++; }
static void w_changed(void *c) { (void)c; }
static void
w_fatal(void *c, const struct av_err *err)
{
	struct w_pm *p = c;

	p->n_fatal++;
	fprintf(stderr, "fatal: %s\n", err->text);
}

static const struct order_ops w_ops = {
	w_apply, w_position, w_serialize, w_replace, w_freeze, w_resume,
	w_alone, w_take, w_stop, w_follow, w_create, w_facts, w_changed,
	w_fatal, NULL,
};

/* --- the world --- */

static int
w_relay(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	char buf[512];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(W.port) };

	(void)s; (void)revents;
	to.sin_addr.s_addr = htonl(0x7f000000 + (arg == NULL ? 12 : 11));
	if (n > 0 && !W.cut)
		(void)!sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&to,
		    sizeof(to));
	return 0;
}

static int
w_start(int i)
{
	struct order_conf conf = { .unit_uuid = W_UNIT, .node = i,
		.state_dir = W.pm[i].dir, .n_links = 1,
		.heartbeat_port = W.port, .arbiter_kind = W.arbiter_kind,
		.arbiter_address = W.arbiter_address, .time_scale = W.scale,
		.membership = &w_membership };
	struct av_err err = { 0 };
	int rc;

	conf.links[0] = (struct order_link){ "link0",
		i == 0 ? "127.0.0.11" : "127.0.0.12",
		i == 0 ? "127.0.0.13" : "127.0.0.14" };
	memset(conf.key, 7, 32);
	rc = order_open(W.loop, &conf, &w_ops, &W.pm[i], &W.pm[i].order, &err);
	if (rc < 0)
		fprintf(stderr, "order_open: %s\n", err.text);
	return rc;
}

static int
w_init(void)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	int i;

	memset(&W, 0, sizeof(W));
	W.arbiter_kind = "none";
	W.scale = 50;
	W.port = (uint16_t)(20000 + getpid() % 20000);
	if (sd_event_new(&W.loop) < 0)
		return -1;
	for (i = 0; i < 2; i++) {
		struct sockaddr_in a = { .sin_family = AF_INET,
			.sin_port = htons(W.port) };

		(void)snprintf(W.pm[i].dir, sizeof(W.pm[i].dir),
		    "%.200s/ord.XXXXXX", tmp);
		if (mkdtemp(W.pm[i].dir) == NULL)
			return -1;
		W.relay[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		a.sin_addr.s_addr = htonl(0x7f000000u + 13 + (unsigned)i);
		if (bind(W.relay[i], (struct sockaddr *)&a, sizeof(a)) < 0)
			return -1;
		if (sd_event_add_io(W.loop, NULL, W.relay[i], 1, w_relay,
		    i == 0 ? NULL : &W) < 0)
			return -1;
		w_rehash(&W.pm[i]);
	}
	return sd_event_add_time_relative(W.loop, &W.pump, CLOCK_MONOTONIC, 0,
	    100, w_pump, NULL);
}

static void
w_kill(int i)
{
	W.pm[i].order = order_close(W.pm[i].order);
}

static void
w_end(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		char path[300];

		w_kill(i);
		(void)close(W.relay[i]);
		(void)snprintf(path, sizeof(path), "%s/role", W.pm[i].dir);
		(void)unlink(path);
		(void)rmdir(W.pm[i].dir);
	}
	sd_event_source_disable_unref(W.pump);
	W.loop = sd_event_unref(W.loop);
}

/* Runs the loop until 'cond' or 'ms' (then false). */
#define W_UNTIL(ms, cond) __extension__ ({ \
	uint64_t end_ = av_clock_ns() + (uint64_t)(ms) * AV_NS_PER_MS; \
	while (!(cond) && av_clock_ns() < end_) \
		(void)sd_event_run(W.loop, 5000); \
	(cond); })

static inline bool
w_in(int i, enum role_state s)
{
	return W.pm[i].order != NULL && order_role(W.pm[i].order)->state == s;
}

#endif
