/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/power.c - this PM, out for maintenance, reboots or switches itself off
 */
#include "nodeagent/power.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
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

static int
program_ended(sd_event_source *s, const siginfo_t *si, void *arg)
{
	const char *word = arg;

	(void)s;
	if (si->si_code != CLD_EXITED)
		log_err("unit", "%s: the program ended by signal %d; this PM "
		    "goes on", word, si->si_status);
	else if (si->si_status != 0)
		log_err("unit", "%s: the program failed with %d; this PM goes "
		    "on", word, si->si_status);
	return 0;
}

int
power_run(sd_event *event, const char *program, enum store_power what,
    sd_event_source **ret_child, struct av_err *err)
{
	const char *word = program_word(what);
	pid_t pid;
	int rc = spawn(program, word, &pid);

	if (rc < 0)
		return av_err_set(err, rc, "%s %s: %s", program, word,
		    strerror(-rc));
	rc = sd_event_add_child(event, ret_child, pid, WEXITED, program_ended,
	    (void *)(uintptr_t)word);
	if (rc < 0)
		return av_err_set(err, rc, "%s %s was started, how it ends "
		    "isn't seen: %s", program, word, strerror(-rc));
	return 0;
}

/* --- asked -> node.power-begun -> the program --- */

static bool
follows(const struct agent *a)
{
	return a->right.kind == RIGHT_FOLLOW;
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
	if (power_run(a->event, a->conf.power_program, a->power.what,
	    &a->power.child, &err) < 0)
		log_err("unit", "%s", err.text);
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
