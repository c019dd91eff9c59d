/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/main.c - av-setup: two fresh machines become a unit
 *
 *	av-setup create NAME --private ... [OPTION...]
 *	av-setup join ADDRESS KEY [OPTION...]
 *	av-setup leave
 *	av-setup serve			goes on with a create; the service's verb
 *	av-setup render NODE FOLDER	files of a plan that stands on stdin
 *
 * Run by 'avcli unit create' and so on, with the same options (avcli(1)).
 * Exit status as avcli's (docs/API.md section 4).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeagent/setup/render_main.h"
#include "nodeagent/setup/run.h"
#include "nodeagent/setup/text.h"

enum exit_status { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3, EXIT_DENIED = 4, EXIT_CONFLICT = 5,
	EXIT_NO_CONNECTION = 6, EXIT_TIMEOUT = 7 };

static int stop_fd = -1;

static void
on_signal(int number)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t r = write(stop_fd, &one, sizeof(one));

	(void)number;
	(void)r;	/* full: somebody has asked already */
	errno = saved;
}

static int
signals_open(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		return -errno;
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* --- the command line --- */

static struct setup_wish wish = { .root = "" };
static const char *language = "en";
static char *key_text;		/* of --key-file */

static const struct { const char *name; const char **at; } values[] = {
	{ "private", &wish.private_list },
	{ "business", &wish.business_list },
	{ "address", &wish.unit_address },
	{ "storage", &wish.storage_dir },
	{ "volume-group", &wish.volume_group },
	{ "mirror", &wish.mirror }, { "hypervisor", &wish.hypervisor },
	{ "quorum", &wish.quorum }, { "quorum-ca", &wish.quorum_ca },
	{ "quorum-cert", &wish.quorum_cert },
	{ "quorum-key", &wish.quorum_key },
	{ "time-scale", &wish.time_scale }, { "watchdog", &wish.watchdog },
	{ "password-file", &wish.password_file },
	{ "key-file", &wish.key_file }, { "lang", &language },
};
static const struct { const char *name; bool *at; } flags[] = {
	{ "dry-run", &wish.dry_run }, { "no-wait", &wish.no_wait },
	{ "yes", &wish.yes }, { "json", &wish.json },
};

static int
options_parse(int argc, char **argv)
{
	struct option list[ARRAY_SIZE(values) + ARRAY_SIZE(flags) + 1];
	size_t i, n = 0;
	int c, at;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		list[n++] = (struct option){ values[i].name,
		    required_argument, NULL, 1 };
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		list[n++] = (struct option){ flags[i].name, no_argument, NULL,
		    1 };
	list[n] = (struct option){ NULL, 0, NULL, 0 };
	while ((c = getopt_long(argc, argv, "", list, &at)) != -1) {
		if (c != 1)
			return -EINVAL;
		if ((size_t)at < ARRAY_SIZE(values))
			*values[at].at = optarg;
		else
			*flags[(size_t)at - ARRAY_SIZE(values)].at = true;
	}
	return 0;
}

static int
usage(void)
{
	fprintf(stderr, "usage: av-setup create NAME --private INTERFACE [OPTION...]\n"
	    "       av-setup join ADDRESS KEY [OPTION...]\n"
	    "       av-setup leave | serve\n"
	    "       av-setup render NODE FOLDER <PLAN\n"
	    "options: avcli help unit create\n");
	return EXIT_USAGE;
}

static int
key_file_read(struct av_err *err)
{
	size_t n;
	int rc;

	if (wish.key_file == NULL || wish.key != NULL)
		return 0;
	rc = av_file_read(wish.key_file, 4096, &key_text, &n, err);
	if (rc < 0)
		return rc;
	key_text[strcspn(key_text, "\r\n")] = '\0';
	wish.key = key_text;
	return 0;
}

/* --- the end --- */

static enum exit_status
status_of(const struct av_err *err)
{
	static const struct { const char *code; enum exit_status status; }
	list[] = {
		{ "bad-argument", EXIT_USAGE }, { "bad-key", EXIT_USAGE },
		{ "key-typo", EXIT_USAGE }, { "not-confirmed", EXIT_USAGE },
		{ "no-terminal", EXIT_USAGE }, { "bad-password", EXIT_USAGE },
		{ "no-interface", EXIT_USAGE }, { "no-address", EXIT_USAGE },
		{ "no-bridge", EXIT_USAGE }, { "same-network", EXIT_USAGE },
		{ "address-taken", EXIT_USAGE },
		{ "address-elsewhere", EXIT_USAGE },
		{ "nothing-unfinished", EXIT_NOT_FOUND },
		{ "wrong-key", EXIT_DENIED }, { "key-void", EXIT_DENIED },
		{ "key-used", EXIT_DENIED }, { "key-expired", EXIT_DENIED },
		{ "not-root", EXIT_DENIED },
		{ "refused", EXIT_CONFLICT }, { "configured", EXIT_CONFLICT },
		{ "has-data", EXIT_CONFLICT }, { "busy", EXIT_CONFLICT },
		{ "other-version", EXIT_CONFLICT },
		{ "port-taken", EXIT_CONFLICT },
		{ "not-reached", EXIT_NO_CONNECTION },
		{ "connection-lost", EXIT_NO_CONNECTION },
		{ "not-formed", EXIT_TIMEOUT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(list); i++)
		if (strcmp(list[i].code, err->code) == 0)
			return list[i].status;
	return EXIT_FAILED;
}

static void
report(const struct run *r, const struct av_err *err)
{
	AUTO_JSON json_t *j = NULL;

	fprintf(stderr, "avcli: %s\n", err->text);
	if (r->hint[0] != '\0')
		fprintf(stderr, tr("hint: %s\n"), r->hint);
	if (!wish.json)
		return;
	j = json_pack("{s:{s:s, s:s, s:s, s:s, s:i}, s:o}", "error", "code",
	    err->code[0] != '\0' ? err->code : "failed", "text", err->text,
	    "hint", r->hint, "outcome", err->outcome == AV_MAYBE ? "maybe" :
	    "not-done", "exit", (int)status_of(err), "findings",
	    findings_encode(&r->found));
	if (j != NULL && json_dumpf(j, stdout, JSON_COMPACT) == 0)
		(void)putchar('\n');
}

static int
verb_run(const char *verb, struct run *r, struct av_err *err)
{
	if (geteuid() != 0)
		return av_err_code(err, -EPERM, "not-root", "%s",
		    tr("only root can make this machine a PM"));
	if (strcmp(verb, "create") == 0)
		return run_create(r, err);
	if (strcmp(verb, "join") == 0)
		return run_join(r, err);
	if (strcmp(verb, "leave") == 0)
		return run_leave(r, err);
	return run_serve(r, err);
}

static bool
verb_known(const char *verb, int n)
{
	if (strcmp(verb, "create") == 0)
		return n == 1;
	if (strcmp(verb, "join") == 0)
		return n <= 2;
	return (strcmp(verb, "leave") == 0 || strcmp(verb, "serve") == 0) &&
	    n == 0;
}

int
main(int argc, char **argv)
{
	struct run *r = calloc(1, sizeof(*r));
	struct av_err err = { 0 };
	const char *verb;
	int rc;

	umask(077);
	av_log_open("av-setup", AV_LOG_WARN);
	if (r == NULL || options_parse(argc, argv) < 0 || optind == argc)
		return usage();
	(void)tr_language(language);
	verb = argv[optind++];
	if (strcmp(verb, "render") == 0)
		return argc - optind == 2 ? render_main(argv[optind],
		    argv[optind + 1]) : usage();
	if (!verb_known(verb, argc - optind))
		return usage();
	if (strcmp(verb, "create") == 0)
		wish.name = argv[optind];
	if (strcmp(verb, "join") == 0) {
		wish.address = optind < argc ? argv[optind] : NULL;
		wish.key = optind + 1 < argc ? argv[optind + 1] : NULL;
	}
	r->wish = &wish;
	rc = signals_open();
	r->stop_fd = stop_fd;
	if (rc == 0)
		rc = key_file_read(&err);
	if (rc == 0)
		rc = verb_run(verb, r, &err);
	if (rc < 0 && err.text[0] == '\0')
		(void)av_err_set(&err, rc, "%s", strerror(-rc));
	if (rc < 0)
		report(r, &err);
	state_free(&r->st);
	free(r);
	if (key_text != NULL)
		explicit_bzero(key_text, strlen(key_text));
	free(key_text);
	return rc < 0 ? (int)status_of(&err) : EXIT_OK;
}
