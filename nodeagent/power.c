/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/power.c - this PM, out for maintenance, reboots or switches itself off
 */
#include "nodeagent/power.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "nodeagent/agent.h"
#include "nodeagent/maintenance.h"

/* --- the program --- */

static const char *
program_word(enum store_power what)
{
	return what == STORE_POWER_REBOOT ? "reboot" : "poweroff";
}

static int
spawn(const char *program, const char *word, pid_t *ret)
{
	const char *const argv[] = { program, word, NULL };
	char *const envp[] = { (char *)(uintptr_t)"PATH=/usr/sbin:/usr/bin",
	    (char *)(uintptr_t)"LC_ALL=C.UTF-8", NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int r = posix_spawn_file_actions_init(&fa);

	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return -r;
	}
	(void)sigemptyset(&none);
	r = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attr, &none);
	if (r == 0)
		r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	if (r == 0)
		r = posix_spawn(ret, program, &fa, &attr,
		    (char *const *)(uintptr_t)argv, envp);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&fa);
	return -r;
}

struct run {
	const char	*word;
	power_failed_fn	*failed;
	void		*arg;
};

static int
program_ended(sd_event_source *s, const siginfo_t *si, void *arg)
{
	const struct run *run = arg;
	char why[80];

	(void)s;
	if (si->si_code == CLD_EXITED && si->si_status == 0)
		return 0;
	(void)snprintf(why, sizeof(why), si->si_code == CLD_EXITED ?
	    "%s: the program failed with %d" :
	    "%s: the program ended by signal %d", run->word, si->si_status);
	run->failed(run->arg, why);
	return 0;
}

int
power_run(sd_event *event, const char *program, enum store_power what,
    power_failed_fn *failed, void *arg, sd_event_source **ret_child,
    struct av_err *err)
{
	const char *word = program_word(what);
	struct run *run = malloc(sizeof(*run));
	pid_t pid;
	int rc;

	if (run == NULL)
		return av_err_set(err, -ENOMEM, "%s: no memory", word);
	*run = (struct run){ .word = word, .failed = failed, .arg = arg };
	rc = spawn(program, word, &pid);
	if (rc < 0) {
		free(run);
		return av_err_set(err, rc, "%s %s: %s", program, word,
		    strerror(-rc));
	}
	rc = sd_event_add_child(event, ret_child, pid, WEXITED, program_ended,
	    run);
	if (rc < 0) {
		free(run);
		return av_err_set(err, rc, "%s %s was started, how it ends "
		    "isn't seen: %s", program, word, strerror(-rc));
	}
	(void)sd_event_source_set_destroy_callback(*ret_child, free);
	return 0;
}

/* --- asked -> node.power-begun -> the program --- */

static bool
follows(const struct agent *a)
{
	return a->right.kind == RIGHT_FOLLOW;
}

/* It goes on as before; a person sees an alert. */
static void
has_failed(void *arg, const char *why)
{
	struct agent *a = arg;

	log_err("unit", "%s; this PM goes on", why);
	(void)snprintf(a->power.failed, sizeof(a->power.failed), "%.120s",
	    why);
	agent_kick(a);
}

json_t *
power_facts(struct agent *a)
{
	if (!store_node_leaving(a->store, a->conf.node))
		a->power.failed[0] = '\0';
	return a->power.failed[0] == '\0' ? json_null() :
	    json_pack("{s:s}", "failed", a->power.failed);
}

static void
begun(void *arg, int rc)
{
	struct agent *a = arg;
	struct av_err err = { 0 };

	a->n_flying--;
	if (rc < 0)
		return;		/* not done, or nobody knows: nothing happens */
	if (!maintenance_may_stop(a->store, a->conf.node, follows(a),
	    guests_none(a->guests))) {
		log_err("unit", "%s: not now after all; order it again",
		    program_word(a->power.what));
		return;
	}
	log_notice("unit", "%s, as ordered: %s",
	    program_word(a->power.what), a->conf.power_program);
	a->power.child = sd_event_source_disable_unref(a->power.child);
	a->power.failed[0] = '\0';
	if (power_run(a->event, a->conf.power_program, a->power.what,
	    has_failed, a, &a->power.child, &err) < 0)
		has_failed(a, err.text);
}

void
power_do(struct agent *a)
{
	a->power.what = maintenance_power_due(a->store, a->conf.node,
	    follows(a), guests_none(a->guests));
	if (a->power.what == STORE_POWER_NONE)
		return;
	a->n_flying++;
	agent_order(a, "node.power-begun", json_pack("{s:s, s:s}", "node",
	    a->conf.node == 0 ? "node0" : "node1", "action",
	    store_power_name(a->power.what)), begun, a);
}
