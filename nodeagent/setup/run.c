/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/run.c - what the verbs of av-setup share
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/run.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"

#define CONSOLE_USER	"avpair-console"
#define PACKAGE_FOLDER	"/usr/lib/avpair"

void
run_say(const struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (r->wish->json)
		return;
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

int
run_lock(struct run *r, int *ret_fd, struct av_err *err)
{
	struct av_err first = { 0 };
	int rc = state_lock(r->wish->root, ret_fd, &first);

	/* who has the lock may be the service, which waits for nothing but us */
	if (rc == -EBUSY && !r->wish->dry_run &&
	    r->wish->formed_file == NULL && services_possible() &&
	    services_stop_setup(NULL) == 0)
		rc = state_lock(r->wish->root, ret_fd, &first);
	if (rc == 0)
		return 0;
	if (rc == -EBUSY)
		(void)snprintf(r->hint, sizeof(r->hint), "%s",
		    tr("wait for its end, or break it off (Ctrl-C) where it was started: the same command goes on"));
	if (err != NULL)
		*err = first;
	return rc;
}

int
run_pause(const struct run *r, unsigned ms)
{
	struct pollfd p = { .fd = r->stop_fd, .events = POLLIN };

	return poll(&p, 1, (int)ms) > 0 ? -ECANCELED : 0;
}

int
run_facts(struct run *r, struct setup_facts *ret, struct av_err *err)
{
	int node = r->st.node;

	if (r->facts != NULL)
		*ret = *r->facts;
	else
		facts_collect(ret);
	if (wish_facts(r->wish, ret, err) < 0)
		return -EINVAL;
	/* a service that goes on has no command line */
	if (r->st.phase != PHASE_NONE) {
		(void)snprintf(ret->storage_dir, sizeof(ret->storage_dir),
		    "%s", r->st.plan.storage_dir[node]);
		(void)snprintf(ret->volume_group, sizeof(ret->volume_group),
		    "%s", r->st.plan.volume_group[node]);
	}
	return 0;
}

int
run_judge(struct run *r, struct av_err *err)
{
	if (!r->wish->json)
		findings_print(&r->found, !r->wish->dry_run, stderr);
	r->shown = true;
	return findings_block(&r->found) ? av_err_code(err, -EPERM, "refused",
	    "%s", tr("nothing was changed: see above what is in the way")) : 0;
}

bool
run_confirm(const struct run *r)
{
	AUTO_FILE FILE *tty = NULL;
	char answer[16];

	if (r->wish->yes || r->wish->json || isatty(STDIN_FILENO) != 1)
		return true;
	tty = fopen("/dev/tty", "r+e");
	if (tty == NULL)
		return true;
	setvbuf(tty, NULL, _IONBF, 0);
	fprintf(tty, "%s", tr("Go on? (yes/no) "));
	return fgets(answer, sizeof(answer), tty) != NULL &&
	    strcmp(answer, "yes\n") == 0;
}

static void
show_storage(const struct run *r, int node)
{
	const struct setup_plan *p = &r->st.plan;

	if (p->volume_group[node][0] != '\0')
		run_say(r, tr("  volumes       in the volume group '%s', mirrored by %s"),
		    p->volume_group[node], p->mirror);
	else
		run_say(r, tr("  volumes       as files in '%s', mirrored by %s"),
		    p->storage_dir[node][0] != '\0' ? p->storage_dir[node] :
		    "/var/lib/avpair/storage", p->mirror);
}

void
run_show_plan(const struct run *r, int node)
{
	const struct setup_plan *p = &r->st.plan;
	size_t i;

	run_say(r, tr("The unit '%s':"), p->name);
	for (i = 0; i < p->n_links; i++)
		run_say(r, p->links[i].private ?
		    tr("  private link  %s %s") : tr("  second link   %s %s"),
		    p->links[i].address[0], p->links[i].address[1]);
	for (i = 0; i < p->n_bridges; i++)
		run_say(r, tr("  network       %s"), p->bridges[i]);
	if (p->unit_address[0] != '\0')
		run_say(r, tr("  address       %s on %s"), p->unit_address,
		    p->unit_interface);
	show_storage(r, node);
	run_say(r, tr("  guests        by %s"), p->hypervisor);
	run_say(r, tr("  quorum        %s"), strcmp(p->arbiter, "none") == 0 ?
	    tr("none") : p->arbiter_url);
	run_say(r, tr("  written       /etc/avpair, /etc/corosync; services: corosync, av-watchdog, avnoded, avconsoled"));
}

/* --- committed --- */

/* Programs that don't stand where packages put them are named in the files. */
static int
lines_make(struct run *r)
{
	const char *own = preflight_own_folder();
	const char *watchdog = r->wish->watchdog;
	bool packaged = strcmp(own, PACKAGE_FOLDER) == 0;
	char plugin[4200];

	if (r->st.agent_lines != NULL || r->st.console_lines != NULL)
		return 0;
	(void)snprintf(plugin, sizeof(plugin),
	    "%s/nbdkit-avreplica-plugin.so", own);
	if (asprintf(&r->st.agent_lines, "%s%s%s%s%s%s",
	    packaged || access(plugin, R_OK) < 0 ? "" : "plugin = ",
	    packaged || access(plugin, R_OK) < 0 ? "" : plugin,
	    packaged || access(plugin, R_OK) < 0 ? "" : "\n",
	    watchdog != NULL ? "watchdog = " : "",
	    watchdog != NULL ? watchdog : "", watchdog != NULL ? "\n" : "") < 0) {
		r->st.agent_lines = NULL;
		return -ENOMEM;
	}
	(void)snprintf(plugin, sizeof(plugin), "%s/webui", own);
	if (packaged || access(plugin, R_OK) < 0)
		return 0;
	if (asprintf(&r->st.console_lines, "web_dir = %s\n", plugin) < 0) {
		r->st.console_lines = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void
local_of(const struct run *r, struct setup_local *l)
{
	const struct passwd *pw = getpwnam(CONSOLE_USER);
	const struct group *gr = getgrnam(CONSOLE_USER);

	*l = (struct setup_local){
		.uid = pw != NULL ? pw->pw_uid : CONSOLE_ID,
		.gid = gr != NULL ? gr->gr_gid : CONSOLE_ID,
		.agent_lines = r->st.agent_lines,
		.console_lines = r->st.console_lines,
	};
}

int
run_install(struct run *r, struct av_err *err)
{
	const struct setup_wish *w = r->wish;
	struct setup_local local;
	struct setup_files files;
	int rc = lines_make(r) < 0 ?
	    av_err_set(err, -ENOMEM, "no memory") : 0;

	if (rc < 0)
		return rc;
	local_of(r, &local);
	rc = files_make(&r->st.plan, &r->st.secrets, &local, r->st.node,
	    &files, err);
	if (rc < 0)
		return rc;
	rc = files_install(&files, w->root, err);
	files_free(&files);
	if (rc == 0 && w->formed_file == NULL)
		rc = services_start(err);
	if (rc < 0)
		(void)snprintf(r->hint, sizeof(r->hint), "%s",
		    tr("once that is mended, the same command goes on from here"));
	return rc;
}

int
run_look_formed(struct run *r, bool *ret_formed, struct av_err *err)
{
	char why[256] = "";
	int rc;

	*ret_formed = r->wish->formed_file != NULL ?
	    access(r->wish->formed_file, F_OK) == 0 :
	    services_formed(RUN_AGENT_SOCKET, why, sizeof(why)) == 1;
	if (!*ret_formed)
		return why[0] != '\0' ? av_err_set(err, 0, "%s", why) : 0;
	rc = state_remove(r->wish->root, err);
	if (rc == 0)
		run_say(r, tr("The unit '%s' has formed: both PMs run together."),
		    r->st.plan.name);
	return rc;
}

int
run_wait_formed(struct run *r, struct av_err *err)
{
	uint64_t end_ns = av_clock_ns() + AV_NS_PER_MS *
	    plan_scaled_ms(&r->st.plan, 1000) * (uint64_t)RUN_FORM_S;
	struct av_err why = { 0 };
	bool formed = false;
	int rc = 0;

	run_say(r, "%s", tr("Waiting for the unit to form ..."));
	while (rc == 0 && av_clock_ns() < end_ns) {
		memset(&why, 0, sizeof(why));
		rc = run_look_formed(r, &formed, &why);
		if (rc < 0)
			*err = why;
		if (formed)
			return rc;
		if (rc == 0)
			rc = run_pause(r, r->wish->tick_ms > 0 ?
			    r->wish->tick_ms : 500);
	}
	if (rc < 0 && rc != -ECANCELED)
		return rc;
	(void)snprintf(r->hint, sizeof(r->hint), "%s",
	    tr("the same command goes on waiting; 'avcli unit info', 'corosync-cfgtool -s' and 'journalctl -u avnoded' show more"));
	if (rc == -ECANCELED)
		return av_err_code(err, rc, "interrupted", "%s",
		    tr("interrupted; the services run on, and the unit may form by itself"));
	return av_err_code(err, -ETIMEDOUT, "not-formed",
	    tr("the services run, but the unit hasn't formed yet: %s"),
	    why.text[0] != '\0' ? why.text :
	    tr("this PM's agent doesn't answer"));
}
