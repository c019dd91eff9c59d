/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/scope_main.c - av-scope: run a program in a scope of its own
 *
 *	av-scope guest|mirror ID PROGRAM ARG...
 *
 * Moves itself into the scope avpair-guest-ID-PID (slice avpair-guests) or
 * avpair-mirror-ID-PID (avpair-mirror), then becomes PROGRAM.  Where systemd
 * doesn't run the machine, or doesn't answer, it becomes PROGRAM all the same.
 *
 * At the machine's end the order is: the agent, guests, mirror servers; the guard
 * lives until the guests are gone (docs/DESIGN.md, "A PM's start and end").
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "nodeagent/scope.h"

#define LIMIT_MS	3000u	/* systemd usually needs some ms */
#define STOP_MS		15000u

static const struct kind {
	const char	*word;
	const char	*oom_adj;	/* the agent's is for the agent alone */
	int		 nice;
	struct scope	 scope;
} kinds[] = {
	{ "guest", "0", 0, { .slice = "avpair-guests.slice",
	    .before = { "avnoded.service", "avpair-guests.service" },
	    .after = { "av-watchdog.service" } } },
	{ "mirror", "-500", -5, { .slice = "avpair-mirror.slice",
	    .before = { "avnoded.service", "avpair-guests.slice" } } },
};

static const struct kind *
kind_find(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].word, word) == 0)
			return &kinds[i];
	return NULL;
}

/* An id of ours, and whatever systemd would take for something else becomes '_'. */
static void
name_make(char *name, size_t n, const struct kind *k, const char *id)
{
	char *p;

	(void)snprintf(name, n, "avpair-%s-%.100s-%d.scope", k->word, id,
	    (int)getpid());
	for (p = name; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || *p == '-' || *p == '.'))
			*p = '_';
}

static void
move(const struct kind *k, const char *id)
{
	char name[160], description[160];
	struct scope s = k->scope;
	struct av_err err = { 0 };

	name_make(name, sizeof(name), k, id);
	(void)snprintf(description, sizeof(description), "avpair %s %.100s",
	    k->word, id);
	s.name = name;
	s.description = description;
	s.stop_ms = STOP_MS;
	s.limit_ms = LIMIT_MS;
	if (scope_enter(&s, &err) < 0)
		(void)sd_journal_print(LOG_WARNING, "%s %s has no scope of its "
		    "own: %s", k->word, id, err.text);
}

static void
be_ordinary(const struct kind *k)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, k->oom_adj, strlen(k->oom_adj));
		(void)close(fd);
	}
	(void)setpriority(PRIO_PROCESS, 0, k->nice);
}

int
main(int argc, char **argv)
{
	const struct kind *k = argc >= 4 ? kind_find(argv[1]) : NULL;

	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		printf("av-scope %s\n", AV_VERSION);
		return 0;
	}
	if (k == NULL || argv[3][0] != '/') {
		fprintf(stderr, "usage: av-scope guest|mirror ID PROGRAM "
		    "ARG...\n");
		return 2;
	}
	if (sd_booted() > 0) {
		move(k, argv[2]);
		be_ordinary(k);
	}
	execv(argv[3], argv + 3);
	fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
	return 127;
}
