/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/main.c - avnoded: options, start, end
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <curl/curl.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "nodeagent/agent.h"

#define PROBE_MS	8000u
#define PROBE_MAX_MS	20000u	/* two of them fit into the unit's TimeoutStartSec */

static void
usage(FILE *f)
{
	fprintf(f, "usage: avnoded [-c FILE] [-d]\n"
	    "  -c FILE  configuration (/etc/avpair/avnoded.conf)\n"
	    "  -d       log debug lines too\n"
	    "  -V       print the version\n");
}

static int
on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)arg;
	if (si->ssi_signo == SIGUSR1) {
		av_log_dump_ring(2);
		return 0;
	}
	/* guests and mirror servers run on: this is a restart, not a farewell */
	log_notice("unit", "signal %u: leaving; guests run on", si->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static int
block_signals(sd_event *event)
{
	static const int handled[] = { SIGTERM, SIGINT, SIGUSR1 };
	sigset_t set;
	size_t i;
	int rc = 0;

	(void)sigemptyset(&set);
	for (i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		(void)sigaddset(&set, handled[i]);
	(void)sigaddset(&set, SIGCHLD);	/* sd-event's children need it blocked */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(handled) / sizeof(handled[0]) && rc >= 0; i++)
		rc = sd_event_add_signal(event, NULL, handled[i], on_signal,
		    NULL);
	return rc;
}

/* The probe takes seconds where /dev/kvm only pretends; its answer holds until the
 * PM starts anew, and so does the run folder. */
static void
choose_acceleration(struct agent *a)
{
	AUTO_FREE char *known = NULL;
	char path[300], why[200] = "";
	const char *name;
	double scaled_ms;

	if (strcmp(a->conf.driver_vmm, "qemu") != 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/acceleration", a->conf.run_dir);
	if (av_file_read(path, 16, &known, NULL, NULL) == 0 &&
	    (strcmp(known, "kvm") == 0 || strcmp(known, "tcg") == 0)) {
		a->accel = known[0] == 'k' ? VMM_ACCEL_KVM : VMM_ACCEL_TCG;
		return;
	}
	scaled_ms = PROBE_MS * a->conf.time_scale;
	a->accel = vmm_probe_accel(a->conf.qemu, scaled_ms < PROBE_MAX_MS ?
	    (unsigned)scaled_ms : PROBE_MAX_MS, why, sizeof(why));
	name = vmm_accel_name(a->accel);
	log_notice("unit", "guests run with %s%s%s", name,
	    why[0] != '\0' ? ": " : "", why);
	/* not written: probed again at the next start */
	(void)mkdir(a->conf.run_dir, 0755);
	(void)av_file_write(path, name, strlen(name), 0644, NULL);
}

/* systemd's watchdog waits as much longer as everything else does. */
static void
say_ready(double time_scale)
{
	uint64_t usec;

	if (time_scale > 1 && sd_watchdog_enabled(0, &usec) > 0)
		(void)sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64,
		    (uint64_t)((double)usec * time_scale));
	(void)sd_notify(0, "READY=1");
}

static int
run(const char *conf_path)
{
	static struct agent agent;	/* large, and lives as long as we do */
	sd_event *event = NULL;
	struct av_err err = { 0 };
	int rc;

	rc = conf_load(conf_path, &agent.conf, &err);
	if (rc < 0) {
		log_err("unit", "%s", err.text);
		return 2;
	}
	rc = sd_event_default(&event);
	if (rc >= 0)
		rc = block_signals(event);
	if (rc < 0) {
		log_err("unit", "event loop: %s", strerror(-rc));
		return 1;
	}
	choose_acceleration(&agent);
	rc = agent_open(&agent, event, &err);
	if (rc < 0) {
		log_err("unit", "%s", err.text);
		return 1;
	}
	say_ready(agent.conf.time_scale);
	rc = sd_event_loop(event);
	agent_close(&agent);
	sd_event_unref(event);
	return rc;
}

int
main(int argc, char **argv)
{
	const char *conf_path = "/etc/avpair/avnoded.conf";
	enum av_log_level level = AV_LOG_INFO;
	int c, rc;

	while ((c = getopt(argc, argv, "c:dVh")) != -1)
		switch (c) {
		case 'c':
			conf_path = optarg;
			break;
		case 'd':
			level = AV_LOG_DEBUG;
			break;
		case 'V':
			printf("avnoded %s\n", AV_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	av_log_open("avnoded", level);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return 1;
	rc = run(conf_path);
	curl_global_cleanup();
	return rc;
}
