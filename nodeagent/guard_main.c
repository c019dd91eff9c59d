/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guard_main.c - av-watchdog: options, start, end
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "nodeagent/guard.h"

#define PRIORITY	10	/* of the real-time ones; below the kernel's own */

/* It must run when everything else of the PM is late. */
static void
be_punctual(void)
{
	const struct sched_param p = { .sched_priority = PRIORITY };

	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &p) < 0 &&
	    setpriority(PRIO_PROCESS, 0, -20) < 0)
		log_warn("watchdog", "no priority over others: %s",
		    strerror(errno));
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warn("watchdog", "memory isn't locked: %s",
		    strerror(errno));
}

static int
on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)arg;
	log_notice("watchdog", "signal %u: leaving", si->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static int
run(const char *conf_path)
{
	static const int handled[] = { SIGTERM, SIGINT };
	static struct agent_conf conf;
	struct guard *g = NULL;
	sd_event *event = NULL;
	struct av_err err = { 0 };
	sigset_t set;
	int rc, i;

	rc = conf_load(conf_path, &conf, &err);
	if (rc < 0) {
		log_err("watchdog", "%s", err.text);
		return 2;
	}
	(void)sigemptyset(&set);
	for (i = 0; i < 2; i++)
		(void)sigaddset(&set, handled[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	rc = sd_event_default(&event);
	for (i = 0; i < 2 && rc >= 0; i++)
		rc = sd_event_add_signal(event, NULL, handled[i], on_signal,
		    NULL);
	if (rc >= 0)
		rc = guard_open(event, &conf, &guard_sys_real, &g, &err);
	if (rc < 0) {
		log_err("watchdog", "%s", err.text[0] != '\0' ? err.text :
		    strerror(-rc));
		return 1;
	}
	be_punctual();
	(void)sd_notify(0, "READY=1");
	rc = sd_event_loop(event);
	(void)guard_close(g);
	sd_event_unref(event);
	conf_dispose(&conf);
	return rc < 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
	const char *conf_path = "/etc/avpair/avnoded.conf";
	int c;

	while ((c = getopt(argc, argv, "c:Vh")) != -1)
		switch (c) {
		case 'c':
			conf_path = optarg;
			break;
		case 'V':
			printf("av-watchdog %s\n", AV_VERSION);
			return 0;
		default:
			fprintf(c == 'h' ? stdout : stderr,
			    "usage: av-watchdog [-c FILE]\n"
			    "  -c FILE  configuration (/etc/avpair/avnoded.conf)\n"
			    "  -V       print the version\n");
			return c == 'h' ? 0 : 2;
		}
	av_log_open("av-watchdog", AV_LOG_INFO);
	return run(conf_path);
}
