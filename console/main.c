/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/main.c - avconsoled: the web server of one PM
 *
 *   avconsoled [-c FILE]      serve (in the foreground)
 *   avconsoled --print-routes the table of routes as JSON
 *   avconsoled --version
 *
 * Nothing is kept on disk: it may be killed and started at will.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "console/listen.h"
#include "console/notify.h"
#include "console/relay.h"
#include "console/route.h"
#include "console/server.h"
#include "console/text.h"
#include "console/thread.h"
#include "console/tls.h"

#define CONF_FILE	"/etc/avpair/avconsoled.conf"
#define THREADS_END_MS	10000
#define FILES_WANTED	4096

static int
routes_print(void)
{
	size_t n, i;
	const struct route *r = routes(&n);
	AUTO_JSON json_t *all = json_array();

	for (i = 0; i < n; i++)
		(void)json_array_append_new(all, json_pack(
		    "{s:s, s:s, s:i, s:s?, s:b}", "method", r[i].method,
		    "path", r[i].pattern, "role", (int)r[i].role,
		    "op", r[i].op, "body", r[i].body != BODY_NONE));
	return json_dumpf(all, stdout, JSON_INDENT(1)) < 0 ||
	    puts("") < 0 ? 1 : 0;
}

static void
on_event(void *ctx, const json_t *event)
{
	events_add(ctx, event);
}

static void
on_linked(void *ctx)
{
	events_add_resync(ctx);
}

static int
privileges_drop(const struct console_conf *c, struct av_err *err)
{
	if (!c->drop)
		return 0;
	if (setgroups(0, NULL) < 0 ||
	    setresgid(c->gid, c->gid, c->gid) < 0 ||
	    setresuid(c->uid, c->uid, c->uid) < 0)
		return av_err_set(err, -errno, "can't become %u:%u: %s",
		    (unsigned)c->uid, (unsigned)c->gid, strerror(errno));
	return 0;
}

/* SIGTERM and SIGINT come as an fd; SIGPIPE never. */
static int
signals_open(struct av_err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		return av_err_set(err, -errno, "signals: %s", strerror(errno));
	return fd;
}

static void
files_raise(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur >= FILES_WANTED)
		return;
	rl.rlim_cur = rl.rlim_max < FILES_WANTED ? rl.rlim_max : FILES_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &rl);	/* fewer connections, then */
}

static int
parts_open(struct server *srv, struct av_tls_cred **ret_https,
    struct av_tls_cred **ret_psk, struct av_err *err)
{
	const struct console_conf *c = srv->conf;
	int rc = text_open(err);

	if (rc == 0 && c->listen.n > 0)
		rc = av_tls_cred_cert(c->cert_file, c->key_file, ret_https, err);
	if (rc == 0 && c->n_psk > 0)
		rc = av_tls_cred_psk(c->psk_user, c->psk, c->n_psk, ret_psk, err);
	if (rc < 0)
		return rc;
	if (events_new(&srv->events) < 0 ||
	    sessions_new(c->secret, &srv->sessions) < 0 ||
	    throttle_new(&srv->throttle) < 0 ||
	    tickets_new(&srv->tickets) < 0)
		return av_err_set(err, -ENOMEM, "no memory");
	srv->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (srv->stop_fd < 0)
		return av_err_set(err, -errno, "%s", strerror(errno));
	srv->web_fd = open(c->web_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (srv->web_fd < 0)
		log_warn("web", "'%s': %s: no pages", c->web_dir,
		    strerror(errno));
	return 0;
}

static void
parts_close(struct server *srv)
{
	if (srv->web_fd >= 0)
		(void)close(srv->web_fd);
	if (srv->stop_fd >= 0)
		(void)close(srv->stop_fd);
	tickets_free(srv->tickets);
	throttle_free(srv->throttle);
	sessions_free(srv->sessions);
	events_free(srv->events);
	text_close();
}

/* Tells everything to end, in the order that lets each end.  false: some thread
 * hangs, what it uses must stay. */
static bool
serve_stop(struct server *srv)
{
	uint64_t one = 1;
	unsigned left;

	srv->stopping = true;
	if (write(srv->stop_fd, &one, sizeof(one)) < 0)
		log_err("main", "eventfd: %s", strerror(errno));
	events_stop(srv->events);
	agent_stop(srv->agent);
	left = threads_await(THREADS_END_MS);
	if (left == 0) {
		http_stop(srv);
		return true;
	}
	log_warn("main", "%u connections did not end", left);
	return false;
}

static int
serve(const struct console_conf *conf, struct av_err *err)
{
	/* static: a thread that hangs at the end may still look at it */
	static struct server srv = { .web_fd = -1, .stop_fd = -1 };
	struct av_tls_cred *https = NULL, *psk = NULL;
	struct listeners *l = NULL;
	struct agent_ops ops = { on_event, on_linked, NULL };
	int sig = signals_open(err), rc = sig;

	srv.conf = conf;
	if (rc >= 0)
		rc = parts_open(&srv, &https, &psk, err);
	relay_open(psk);
	if (rc >= 0)
		rc = listen_open(&srv, https, &l, err);
	if (rc >= 0)
		rc = privileges_drop(conf, err);
	ops.ctx = srv.events;
	if (rc >= 0)
		rc = agent_open(conf->agent_socket, &ops, &srv.agent, err);
	if (rc >= 0)
		rc = http_start(&srv, err);
	if (rc >= 0) {
		log_notice("main", "serving '%s', version %s", conf->node,
		    AV_VERSION);
		notify_send("READY=1");
		rc = listen_run(l, sig);
		if (!serve_stop(&srv))
			return rc;
	}
	srv.agent = agent_close(srv.agent);
	listen_close(l);
	parts_close(&srv);
	av_tls_cred_free(psk);
	av_tls_cred_free(https);
	if (sig >= 0)
		(void)close(sig);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "print-routes", no_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	static struct console_conf conf;
	enum av_log_level level = AV_LOG_INFO;
	const char *file = CONF_FILE;
	struct av_err err = { 0 };
	int c, rc;

	while ((c = getopt_long(argc, argv, "c:vV", longs, NULL)) != -1)
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'p':
			return routes_print();
		case 'v':
			level = AV_LOG_DEBUG;
			break;
		case 'V':
			printf("avconsoled %s\n", AV_VERSION);
			return 0;
		default:
			fprintf(stderr, "usage: avconsoled [-v] [-c FILE] | "
			    "--print-routes | --version\n");
			return 2;
		}
	av_log_open("avconsoled", level);
	files_raise();
	json_object_seed(0);	/* before threads make objects */
	rc = conf_load(file, &conf, &err);
	if (rc == 0)
		rc = serve(&conf, &err);
	gnutls_memset(conf.secret, 0, sizeof(conf.secret));
	if (rc < 0) {
		log_err("main", "%s", err.text[0] != '\0' ? err.text :
		    strerror(-rc));
		return 1;
	}
	return 0;
}
