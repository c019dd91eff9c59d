/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guard.c - av-watchdog: kills this PM when it must
 */
#include "nodeagent/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/heartbeat.h"
#include "nodeagent/watchdog.h"

#define FEED_EVERY	4u	/* ticks */

struct guard {
	sd_event	*event;
	struct watchdog	 w;
	struct timing	 timing;
	struct guard_device device;
	struct heartbeat *hb;
	char		 sock_path[108];
	char		 hold_path[120];
	char		 vm_path[100];	/* "" = guests can't be seen */
	bool		 domains;	/* a guest may outlive its process: Xen's */
	enum watchdog_hold stored;
	int		 listen_fd, agent_fd, agent_pidfd;
	sd_event_source	*listen_src, *agent_src, *tick_src;
	unsigned	 n_ticks;
	bool		 killed;
};

/* --- what is held, for the next guard --- */

static enum watchdog_hold
hold_read(const struct guard *g)
{
	AUTO_FREE char *text = NULL;

	if (av_file_read(g->hold_path, 16, &text, NULL, NULL) < 0)
		return WATCHDOG_NONE;
	if (strcmp(text, "alone") == 0)
		return WATCHDOG_ALONE;
	return strcmp(text, "none") == 0 ? WATCHDOG_NONE : WATCHDOG_TOGETHER;
}

/* In a file system in memory: a PM that starts anew holds nothing. */
static void
hold_write(struct guard *g)
{
	const char *name = watchdog_hold_name(g->w.hold);
	struct av_err err = { 0 };

	if (g->stored == g->w.hold)
		return;
	g->stored = g->w.hold;
	if (av_file_write(g->hold_path, name, strlen(name), 0600, &err) < 0)
		log_err("watchdog", "%s", err.text);
	log_info("watchdog", "this PM holds: %s", name);
}

/* --- the agent: connected -> told ... gone --- */

static void
agent_drop(struct guard *g)
{
	g->agent_src = sd_event_source_disable_unref(g->agent_src);
	if (g->agent_fd >= 0)
		(void)close(g->agent_fd);
	if (g->agent_pidfd >= 0)
		(void)close(g->agent_pidfd);
	g->agent_fd = g->agent_pidfd = -1;
	watchdog_agent_gone(&g->w);
}

static void
beats_say(struct guard *g, uint64_t now_ns)
{
	struct role_hello h;

	memset(&h, 0, sizeof(h));	/* holes too: it is compared as bytes */
	h.ready = g->w.grant;
	h.released = watchdog_well(&g->w, now_ns);
	heartbeat_say(g->hb, &h, 0);
}

static int
on_agent(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct guard *g = arg;
	uint8_t buf[WATCHDOG_SAY_BYTES + 1];
	struct watchdog_say say;
	ssize_t n;

	(void)s;
	(void)revents;
	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (watchdog_say_decode(buf, (size_t)n, &say) == 0)
			watchdog_told(&g->w, &say);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		log_notice("watchdog", "the agent is gone");
		agent_drop(g);
	}
	hold_write(g);
	beats_say(g, av_clock_ns());
	return 0;
}

static int
on_connect(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct guard *g = arg;
	uint8_t answer[WATCHDOG_ANSWER_BYTES];
	struct ucred cred = { 0 };
	socklen_t n = sizeof(cred);
	int new_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)s;
	(void)revents;
	if (new_fd < 0)
		return 0;
	agent_drop(g);		/* the newest one counts */
	g->agent_fd = new_fd;
	if (getsockopt(new_fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 &&
	    cred.pid > 1)
		g->agent_pidfd = pidfd_open(cred.pid, 0);
	watchdog_agent_up(&g->w, av_clock_ns());
	beats_say(g, av_clock_ns());
	watchdog_answer_encode(&g->device.is, answer);
	(void)!send(new_fd, answer, sizeof(answer), MSG_DONTWAIT |
	    MSG_NOSIGNAL);
	if (sd_event_add_io(g->event, &g->agent_src, new_fd, EPOLLIN, on_agent,
	    g) < 0) {
		agent_drop(g);
		return 0;
	}
	/* before the beats: what the agent takes back isn't said again */
	(void)sd_event_source_set_priority(g->agent_src,
	    SD_EVENT_PRIORITY_IMPORTANT - 10);
	log_notice("watchdog", "an agent is here, process %d", (int)cred.pid);
	return 0;
}

/* --- the peer's guard --- */

static void
on_beat(void *arg, const struct heartbeat_beat *b)
{
	struct guard *g = arg;

	if (b->hello.ready && b->timing_hash == g->timing.hash)
		watchdog_proved(&g->w, heartbeat_echoed_ns(g->hb, b),
		    g->timing.lease_ns, b->hello.released);
}

/* --- every tick --- */

static void
kill_pm(struct guard *g, uint64_t now_ns)
{
	char why[200];

	(void)snprintf(why, sizeof(why), "guests may run here without a right: "
	    "no healthy pass of the agent for %llu ms%s, the peer's word ran "
	    "out %llu ms ago", (unsigned long long)((now_ns - g->w.pass_ns) /
	    AV_NS_PER_MS), g->w.agent ? "" : " (it is down)",
	    now_ns > g->w.proof_ns ? (unsigned long long)((now_ns -
	    g->w.proof_ns) / AV_NS_PER_MS) : 0ull);
	guard_device_kill(&g->device, why);
	if (!g->killed)		/* after it: a disk may hang */
		log_err("watchdog", "this PM is killed: %s", why);
	g->killed = true;
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct guard *g = arg;
	uint64_t now_ns = av_clock_ns();

	(void)usec;
	switch (watchdog_judge(&g->w, now_ns)) {
	case WATCHDOG_KILL_PM:
		kill_pm(g, now_ns);
		break;		/* and not fed: the device has the last word */
	case WATCHDOG_KILL_AGENT:
		log_err("watchdog", "the agent made no pass for %llu ms: it is "
		    "killed and started again; guests run on",
		    (unsigned long long)((now_ns - g->w.seen_ns) /
		    AV_NS_PER_MS));
		if (g->agent_pidfd >= 0)
			(void)pidfd_send_signal(g->agent_pidfd, SIGKILL, NULL,
			    0);
		/* fall through */
	case WATCHDOG_FEED:
		if (g->n_ticks++ % FEED_EVERY == 0)
			guard_device_feed(&g->device);
		break;
	}
	beats_say(g, now_ns);
	(void)sd_event_source_set_time_relative(s, g->timing.watchdog_tick_ns /
	    AV_NS_PER_US);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

/* --- open, close --- */

/* Their own key, so that no packet of the agents is taken for one of these. */
static int
key_make(const struct agent_conf *c, uint8_t key[32], struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	uint8_t unit_key[32];
	int rc = av_file_read(c->key_file, 4096, &text, NULL, err);

	if (rc < 0)
		return rc;
	text[strcspn(text, "\r\n \t")] = '\0';
	rc = av_hex_decode(text, unit_key, 32);
	explicit_bzero(text, strlen(text));
	if (rc < 0)
		return av_err_set(err, -EINVAL, "%s: not 64 hex digits",
		    c->key_file);
	rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, unit_key, 32,
	    "avpair watchdog", 15, key);
	explicit_bzero(unit_key, sizeof(unit_key));
	return rc < 0 ? av_err_set(err, -EIO, "HMAC: %s",
	    gnutls_strerror(rc)) : 0;
}

static int
open_beats(struct guard *g, const struct agent_conf *c, struct av_err *err)
{
	static const char *const names[] = { "link0", "link1", "link2",
	    "link3" };
	struct order_conf oc = { .unit_uuid = c->unit_uuid, .node = c->node,
	    .n_links = c->n_links, .heartbeat_port = c->watchdog_port };
	size_t i;
	int rc = key_make(c, oc.key, err);

	for (i = 0; i < c->n_links; i++)
		oc.links[i] = (struct order_link){ .name = names[i],
		    .local = c->links[i].local, .peer = c->links[i].peer };
	if (rc == 0)
		rc = heartbeat_open(g->event, &oc, &g->timing, on_beat, g,
		    &g->hb, err);
	explicit_bzero(oc.key, sizeof(oc.key));
	return rc;
}

static int
open_socket(struct guard *g, struct av_err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int rc;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", g->sock_path);
	(void)unlink(g->sock_path);
	g->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (g->listen_fd < 0 || bind(g->listen_fd, (struct sockaddr *)&at,
	    sizeof(at)) < 0 || chmod(g->sock_path, 0600) < 0 ||
	    listen(g->listen_fd, 4) < 0)
		return av_err_set(err, -errno, "%s: %s", g->sock_path,
		    strerror(errno));
	rc = sd_event_add_io(g->event, &g->listen_src, g->listen_fd, EPOLLIN,
	    on_connect, g);
	if (rc >= 0)
		rc = sd_event_source_set_priority(g->listen_src,
		    SD_EVENT_PRIORITY_IMPORTANT - 20);
	if (rc >= 0)
		rc = sd_event_add_time_relative(g->event, &g->tick_src,
		    CLOCK_MONOTONIC, 0, 1000, on_tick, g);
	return rc < 0 ? av_err_set(err, rc, "event loop: %s", strerror(-rc)) :
	    0;
}

static void
init(struct guard *g, const struct agent_conf *c)
{
	struct watchdog_times times;

	timing_fill(&g->timing, (unsigned)(c->time_scale * 100 + 0.5));
	times = (struct watchdog_times){ .strict_ns = g->timing.strict_ns,
	    .hang_ns = g->timing.hang_ns, .relaxed_ns = g->timing.relaxed_ns };
	(void)snprintf(g->sock_path, sizeof(g->sock_path),
	    "%.80s/watchdog.sock", c->run_dir);
	(void)snprintf(g->hold_path, sizeof(g->hold_path),
	    "%.80s/watchdog.hold", c->run_dir);
	g->domains = c->driver_vmm != NULL && strcmp(c->driver_vmm, "xen") == 0;
	if (g->domains || (c->driver_vmm != NULL &&
	    strcmp(c->driver_vmm, "qemu") == 0))
		(void)snprintf(g->vm_path, sizeof(g->vm_path), "%.80s/vm",
		    c->run_dir);
	g->stored = hold_read(g);
	watchdog_init(&g->w, &times, g->stored, av_clock_ns());
}

int
guard_open(sd_event *event, const struct agent_conf *conf,
    const struct guard_sys *sys, struct guard **ret, struct av_err *err)
{
	struct guard *g = calloc(1, sizeof(*g));
	int rc;

	if (g == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	g->event = event;
	g->listen_fd = g->agent_fd = g->agent_pidfd = -1;
	g->device.fd = -1;
	(void)mkdir(conf->run_dir, 0755);
	init(g, conf);
	rc = guard_device_open(&g->device, sys, conf->watchdog,
	    (uint32_t)(g->timing.device_ns / AV_NS_PER_MS), err);
	if (rc == 0)
		rc = open_beats(g, conf, err);
	if (rc == 0)
		rc = open_socket(g, err);
	if (rc < 0) {
		(void)guard_close(g);
		return rc;
	}
	*ret = g;
	return 0;
}

/* av-vmrun and the guest's process hold the lock as long as they live. */
static bool
guest_lives(int dir_fd, const char *name)
{
	AUTO_FD int vm_fd = openat(dir_fd, name, O_PATH | O_DIRECTORY |
	    O_CLOEXEC);
	AUTO_FD int fd = -1;

	if (vm_fd < 0)
		return errno != ENOTDIR && errno != ENOENT;
	fd = openat(vm_fd, "lock", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	return flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Of guests whose process died alone. */
static bool
domains_gone(const struct guard *g)
{
	const char *path = g->device.sys->backends;
	DIR *d = path != NULL ? opendir(path) : NULL;
	const struct dirent *e;

	if (d == NULL)
		return false;
	errno = 0;
	do
		e = readdir(d);
	while (e != NULL && e->d_name[0] == '.');
	(void)closedir(d);	/* read-only */
	return e == NULL && errno == 0;
}

/* Who can't tell says no. */
static bool
processes_gone(const struct guard *g)
{
	DIR *d = g->vm_path[0] != '\0' ? opendir(g->vm_path) : NULL;
	const struct dirent *e;
	bool lives = false;

	if (d == NULL)
		return g->vm_path[0] != '\0' && errno == ENOENT;
	errno = 0;
	while (!lives && (e = readdir(d)) != NULL)
		lives = e->d_name[0] != '.' && guest_lives(dirfd(d), e->d_name);
	if (!lives && errno != 0)
		lives = true;
	(void)closedir(d);	/* read-only */
	return !lives;
}

/* The processes first: one that is there may be making a domain. */
static bool
guests_gone(const struct guard *g)
{
	return processes_gone(g) && (!g->domains || domains_gone(g));
}

struct guard *
guard_close(struct guard *g)
{
	bool let_go;

	if (g == NULL)
		return NULL;
	let_go = watchdog_may_let_go(&g->w) ||
	    (g->agent_fd < 0 && !g->killed && guests_gone(g));
	agent_drop(g);
	g->listen_src = sd_event_source_disable_unref(g->listen_src);
	g->tick_src = sd_event_source_disable_unref(g->tick_src);
	if (g->listen_fd >= 0) {
		(void)close(g->listen_fd);
		(void)unlink(g->sock_path);
	}
	g->hb = heartbeat_close(g->hb);
	guard_device_close(&g->device, let_go);
	free(g);
	return NULL;
}

const struct watchdog *
guard_peek(const struct guard *g)
{
	return &g->w;
}
