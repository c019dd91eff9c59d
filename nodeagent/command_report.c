/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_report.c - what the agents report of guests and volumes
 *
 * A report of a run that is over ('run_id' is another) changes nothing and leaves no
 * audit line: the guest was restarted elsewhere meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/store_mtbf.h"

static int
ignore(struct command *c)
{
	c->quiet = true;
	return command_result(c, "ignored", json_true());
}

struct report {
	int64_t		id;
	struct store_vm	vm;
	const char	*reason;
};

/* --- a guest's life --- */

static int
vm_started(struct command *c, struct report *r)
{
	if (r->vm.want != STORE_WANT_RUNNING)
		return ignore(c);	/* told to stop meanwhile */
	command_detail(c, "VM '%s' started on node%d", r->vm.name, r->vm.node);
	/* told again by an agent that found it running, or that it moved to */
	return sql_run(c->st, c->err, "UPDATE vm SET moving = 0,"
	    " started_ms = coalesce(started_ms, ?), reason_code = '', reason_text = ''"
	    " WHERE id = ?", "ii", c->at_ms, r->id);
}

static int
vm_stopped(struct command *c, struct report *r)
{
	command_detail(c, "VM '%s' stopped%s%s", r->vm.name,
	    r->reason[0] != '\0' ? ": " : "", r->reason);
	return sql_run(c->st, c->err, "UPDATE vm SET want = 0, node = NULL,"
	    " stop_how = 0, moving = 0, started_ms = NULL WHERE id = ?", "i",
	    r->id);
}

static int
vm_crashed(struct command *c, struct report *r, const char *code)
{
	struct store_mtbf m;
	bool held;
	int rc;

	/* it was to stop anyhow, or is being removed */
	if (r->vm.want != STORE_WANT_RUNNING)
		return vm_stopped(c, r);
	rc = command_mtbf_failed(c, r->id, &m);
	if (rc < 0)
		return rc;
	held = m.held;
	c->audit_result = "failed";
	command_detail(c, "VM '%s' crashed on node%d (%s), crash %" PRId64 ": %s",
	    r->vm.name, r->vm.node, r->reason, m.count.failures,
	    held ? "it stays down until it is started by hand" :
	    "it is started again");
	rc = sql_run(c->st, c->err, "UPDATE vm SET crashes = ?,"
	    " crash_first_ms = ?, started_ms = NULL, reason_code = ?,"
	    " reason_text = ? WHERE id = ?", "iissi", m.count.failures,
	    m.count.first_ms, code, r->reason, r->id);
	if (rc == 0 && held)
		return sql_run(c->st, c->err, "UPDATE vm SET want = 0,"
		    " node = NULL, crash_held = 1, moving = 0 WHERE id = ?",
		    "i", r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "UPDATE vm SET run_id = run_id + 1 WHERE id = ?", "i",
		    r->id);
	return rc;
}

/* The leg on its PM has failed and can't be led there: only the other PM can run
 * it. */
static int
vm_disk_lost(struct command *c, struct report *r)
{
	int other = 1 - r->vm.node;

	if (r->vm.want != STORE_WANT_RUNNING || r->vm.node < 0 ||
	    !command_online(c, other))
		return ignore(c);
	command_detail(c, "VM '%s' starts anew on node%d: its disk on node%d failed",
	    r->vm.name, other, r->vm.node);
	return sql_run(c->st, c->err, "UPDATE vm SET home ="
	    " nullif(coalesce(preferred, home, node), ?1), node = ?1,"
	    " run_id = run_id + 1, moving = 1, started_ms = NULL"
	    " WHERE id = ?2", "ii", (int64_t)other, r->id);
}

/* --- its beginning and end --- */

static int
vm_installed(struct command *c, struct report *r)
{
	struct av_err local = { 0 };
	int64_t start;
	int rc;

	if (r->vm.phase != STORE_CREATING)
		return ignore(c);
	rc = sql_get_int(c->st, &start, c->err,
	    "SELECT start_after FROM vm WHERE id = ?", "i", r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE volume SET installed = 1,"
		    " phase = 1 WHERE id IN"
		    " (SELECT volume FROM vm_volume WHERE vm = ?)", "i", r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET phase = 1,"
		    " node = NULL WHERE id = ?", "i", r->id);
	if (rc == 0)
		command_detail(c, "VM '%s' is installed", r->vm.name);
	if (rc < 0 || start == 0)
		return rc;
	/* it is installed whether or not it can start */
	r->vm.phase = STORE_READY;
	rc = command_start_vm(c, r->id, &r->vm);
	if (rc == 0 || c->err->code[0] == '\0')
		return rc;
	local = *c->err;
	*c->err = (struct av_err){ 0 };
	json_decref(c->params);
	c->params = NULL;
	command_detail(c, "VM '%s' is installed but can't start: %s",
	    r->vm.name, local.text);
	return sql_run(c->st, c->err, "UPDATE vm SET reason_code = ?,"
	    " reason_text = ?, start_after = 0 WHERE id = ?", "ssi", local.code,
	    local.text, r->id);
}

static int
vm_install_failed(struct command *c, struct report *r)
{
	if (r->vm.phase != STORE_CREATING)
		return ignore(c);
	c->audit_result = "failed";
	command_detail(c, "VM '%s' could not be installed: %s", r->vm.name,
	    r->reason);
	return command_vm_abort_install(c, r->id, r->reason);
}

static int
vm_deleted(struct command *c, struct report *r)
{
	int rc;

	if (r->vm.phase != STORE_DELETING)
		return ignore(c);
	/* volumes go by their own reports, when both legs are gone */
	rc = sql_run(c->st, c->err, "DELETE FROM vm_volume WHERE vm = ?", "i",
	    r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "DELETE FROM mtbf WHERE object = ?", "i", r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "DELETE FROM vm_network WHERE vm = ?", "i", r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "DELETE FROM vm WHERE id = ?", "i",
		    r->id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "DELETE FROM volume WHERE"
		    " phase = 2 AND leg0 = 0 AND leg1 = 0 AND id NOT IN"
		    " (SELECT volume FROM vm_volume)", "");
	command_detail(c, "VM '%s' is removed", r->vm.name);
	return rc;
}

int
cmd_vm_report(struct command *c)
{
	struct report r = { .reason = command_arg_text(c, "reason") };
	const char *event = command_arg_text(c, "event");
	uint64_t run_id = (uint64_t)json_integer_value(
	    json_object_get(c->args, "run_id"));
	int rc = command_get_vm(c, &r.id, &r.vm);

	if (rc == -ENOENT && c->err->code[0] != '\0') {
		c->quiet = true;	/* removed meanwhile: no news */
		return rc;
	}
	if (rc < 0)
		return rc;
	if (run_id != r.vm.run_id)
		return ignore(c);
	if (strcmp(event, "started") == 0)
		return vm_started(c, &r);
	if (strcmp(event, "stopped-by-guest") == 0)
		return vm_stopped(c, &r);
	if (strcmp(event, "crashed") == 0 || strcmp(event, "start-failed") == 0)
		return vm_crashed(c, &r, event);
	if (strcmp(event, "disk-lost") == 0)
		return vm_disk_lost(c, &r);
	if (strcmp(event, "installed") == 0)
		return vm_installed(c, &r);
	if (strcmp(event, "install-failed") == 0)
		return vm_install_failed(c, &r);
	if (strcmp(event, "deleted") == 0)
		return vm_deleted(c, &r);
	return command_refuse(c, -EINVAL, "bad-argument",
	    json_pack("{s:s}", "argument", "event"),
	    "argument 'event' can't be '%s'", event);
}

/* --- a PM's guests go to the other one --- */

int
cmd_vm_takeover(struct command *c)
{
	int64_t from = command_arg_node(c, "from");
	int64_t to = command_arg_node(c, "to"), n = 0;
	int rc;

	(void)snprintf(c->object, sizeof(c->object), "%s",
	    command_arg_text(c, "from"));
	if (from == to)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "to"),
		    "argument 'to' must be the other PM");
	rc = sql_get_int(c->st, &n, c->err, "SELECT count(*) FROM vm WHERE"
	    " node = ? AND want = 1 AND phase = 1", "i", from);
	if (rc == 0)
		rc = command_move_peer_lost(c);
	/* where it goes back to when both are in step again */
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET home ="
		    " nullif(coalesce(preferred, home, node), ?)"
		    " WHERE node = ? AND want = 1 AND phase = 1", "ii", to,
		    from);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET node = ?,"
		    " run_id = run_id + 1, moving = 1, started_ms = NULL"
		    " WHERE node = ? AND want = 1 AND phase = 1", "ii", to,
		    from);
	/* an install begins again on the other PM */
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET node = ?,"
		    " run_id = run_id + 1 WHERE node = ? AND phase = 0", "ii",
		    to, from);
	/* what was to stop there has stopped */
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE vm SET node = NULL,"
		    " stop_how = 0, moving = 0, started_ms = NULL"
		    " WHERE node = ?", "i", from);
	/* nobody waits any more for the other PM's leg of a new volume */
	if (rc == 0)
		rc = sql_run(c->st, c->err, to == 0 ?
		    "UPDATE volume SET phase = 1 WHERE phase = 0 AND leg0 = 1" :
		    "UPDATE volume SET phase = 1 WHERE phase = 0 AND leg1 = 1",
		    "");
	if (rc == 0)
		rc = command_node_lost(c, (int)from);
	command_detail(c, "%" PRId64 " VMs move from node%d to node%d", n,
	    (int)from, (int)to);
	return rc == 0 ? command_result(c, "moved", json_integer(n)) : rc;
}

/* --- volumes --- */

static const char *const leg_set[STORE_NODES][2] = {
	{ "UPDATE volume SET leg0 = 0 WHERE id = ?",
	  "UPDATE volume SET leg0 = 1 WHERE id = ?" },
	{ "UPDATE volume SET leg1 = 0 WHERE id = ?",
	  "UPDATE volume SET leg1 = 1 WHERE id = ?" },
};

static int
volume_created(struct command *c, int64_t id, const struct store_volume *vol,
    int node)
{
	bool alone = json_is_string(json_object_get(c->context, "alone"));
	int rc = sql_run(c->st, c->err, leg_set[node][1], "i", id);

	if (rc < 0 || vol->phase != STORE_CREATING)
		return rc;
	/* a PM that runs alone can't wait for the other one's leg */
	if (!vol->leg_exists[1 - node] && !alone)
		return 0;
	return sql_run(c->st, c->err,
	    "UPDATE volume SET phase = 1 WHERE id = ? AND phase = 0", "i", id);
}

static int
volume_deleted(struct command *c, int64_t id, const struct store_volume *vol,
    int node)
{
	int rc;

	/* no news, and it can't go yet: a 'no', so that nobody asks at once again */
	if (vol->phase == STORE_DELETING && !vol->leg_exists[node] &&
	    (vol->leg_exists[1 - node] || vol->vm_id[0] != '\0')) {
		c->quiet = true;
		return command_refuse(c, -EBUSY, "busy", NULL,
		    "the volume goes when its VM and the other leg are gone");
	}
	rc = sql_run(c->st, c->err, leg_set[node][0], "i", id);
	if (rc < 0 || vol->phase != STORE_DELETING ||
	    vol->leg_exists[1 - node] || vol->vm_id[0] != '\0')
		return rc;	/* one that still has a VM goes with it */
	return sql_run(c->st, c->err, "DELETE FROM volume WHERE id = ?", "i",
	    id);
}

static int
volume_failed(struct command *c, const struct store_volume *vol, int node)
{
	const char *reason = command_arg_text(c, "reason");
	struct store_vm vm;
	int64_t vm_id;
	char why[256];

	c->audit_result = "failed";
	(void)snprintf(why, sizeof(why), "node%d can't make volume '%.80s': %s",
	    node, vol->name, reason);
	av_utf8_trim(why);
	command_detail(c, "%s", why);
	if (vol->phase != STORE_CREATING || vol->vm_id[0] == '\0' ||
	    store_get_vm(c->st, vol->vm_id, &vm) < 0 ||
	    vm.phase != STORE_CREATING)
		return 0;	/* a leg that is made again later: an alert
				 * comes from the facts */
	(void)store_id_parse(KIND_VM, vol->vm_id, &vm_id);
	return command_vm_abort_install(c, vm_id, why);
}

int
cmd_volume_report(struct command *c)
{
	const char *event = command_arg_text(c, "event");
	int node = command_arg_node(c, "node");
	struct store_volume vol;
	int64_t id;
	int rc = command_find_id(c, KIND_VOLUME, "volume", &id);

	if (rc == -ENOENT && c->err->code[0] != '\0')
		c->quiet = true;	/* gone meanwhile: no news */
	if (rc == 0)
		rc = store_get_volume(c->st, c->object, &vol);
	if (rc < 0)
		return rc;
	if (strcmp(event, "created") == 0)
		return volume_created(c, id, &vol, node);
	if (strcmp(event, "deleted") == 0)
		return volume_deleted(c, id, &vol, node);
	if (strcmp(event, "create-failed") == 0)
		return volume_failed(c, &vol, node);
	if (strcmp(event, "delete-failed") == 0)
		return 0;		/* tried again; an alert tells */
	return command_volume_care(c, id, &vol, node);
}
