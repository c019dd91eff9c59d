/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/alerts.c - which alerts should be open
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/alerts.h"
#include "nodeagent/core/limits.h"
#include "nodeagent/quorum_db.h"
#include "nodeagent/store_fault.h"
#include "nodeagent/store_maintenance.h"
#include "nodeagent/store_mtbf.h"
#include "nodeagent/view_impl.h"

#define REPAIR_MAX	4

/* What is the same for every alert of a code. */
static const struct alert_kind {
	const char *code, *severity, *cause;
	const char *repair[REPAIR_MAX];
} kinds[] = {
	{ "node-lost", "serious",
	    "The PM lost power, its system stopped, or all its links are cut.",
	    { "Check the PM's power and its console.",
	      "Check the cables of the private links.",
	      "When it is up again it comes back by itself." } },
	{ "peer-incompatible", "serious",
	    "The PM's agent has another version or other timings, so it isn't let in and takes no part.",
	    { "Install the same version on both PMs.",
	      "Make 'time_scale' in avnoded.conf alike on both PMs." } },
	{ "corosync-down", "serious",
	    "The corosync service of the PM doesn't run, so the PMs can't agree on changes.",
	    { "It is restarted by itself: wait a minute.",
	      "On the PM, look at 'systemctl status corosync'." } },
	{ "node-left-out", "critical",
	    "The PM was lost too often in a short time; its data is kept up to date, but no guest runs there.",
	    { "Look for the reason: power, hardware, the links.",
	      "Clear its counter ('avcli node clear-mtbf'): it then takes part again." } },
	{ "node-maintenance", "info",
	    "Somebody took the PM out for maintenance; until it is back the VMs run on the other one alone.",
	    { "Do what is to be done, then order 'avcli node workoff' for it." } },
	{ "power-failed", "minor",
	    "The PM was to reboot or to switch itself off, and its system didn't do it; it goes on as before.",
	    { "Look at the PM's log and order it again: 'avcli node reboot' or 'avcli node shutdown'.",
	      "Or use the PM's own power button: it is out for maintenance." } },
	{ "watchdog-missing", "minor",
	    "Nothing ends this PM if its agent hangs just when all its links are cut: its guests could run on both PMs.",
	    { "Load the driver of the machine's watchdog (modprobe), or softdog.",
	      "See that the service av-watchdog runs; 'watchdog' in avnoded.conf names the device." } },
	{ "unit-alone", "serious",
	    "One PM runs all guests; if it fails too, they stop.",
	    { "Bring the other PM back: see the alerts about it.",
	      "Wait until the volumes are in step again." } },
	{ "unit-syncing", "info",
	    "Volumes changed while one PM was away; what changed is being copied.",
	    { "Nothing to do: wait until it is done.",
	      "Don't power off the PM that is up to date meanwhile." } },
	{ "no-quorum-server", "info",
	    "No quorum server is configured: when the PMs lose each other, guests pause until a person decides.",
	    { "Set up etcd on a third machine, then 'avcli quorum add' it." } },
	{ "quorum-server-unreachable", "serious",
	    "The quorum server doesn't answer; if a PM is lost now, the other one can't take over by itself.",
	    { "Check that the quorum server runs.",
	      "Check the network between it and both PMs." } },
	{ "quorum-server-down", "serious",
	    "A PM doesn't reach this quorum server; the other one is asked meanwhile, if there is one.",
	    { "Check that the quorum server runs.",
	      "Check the network between it and both PMs." } },
	{ "quorum-server-bad", "serious",
	    "The server answers, but not with what it should know of this unit; it is not believed.",
	    { "Look at 'avcli quorum info' for what it says.",
	      "If its memory was lost or restored from a copy, remove it and add it again." } },
	{ "quorum-server-weak", "info",
	    "Addresses that only answer can't decide between two PMs that both reach them: both may run the VMs.",
	    { "Set up etcd on a third machine, then 'avcli quorum add' it." } },
	{ "link-down", "serious",
	    "No heartbeat comes through this link; the unit goes on over the others.",
	    { "Check the cable and both ports of the link." } },
	{ "node-fault", "serious",
	    "Something that watches this PM's hardware says that a part is about to fail; its VMs move to the other PM.",
	    { "Replace the part: 'avcli node workon' takes the PM out for it.",
	      "Then say that it is well: 'avcli node clear-fault'." } },
	{ "network-link-down", "minor",
	    "The PM's port of this network has no link; guests there aren't reached through it.",
	    { "Check the cable and the switch's port." } },
	{ "vm-crashed", "critical",
	    "The VM crashed too often in a short time and isn't started again by itself.",
	    { "Look at the VM's console and the audit log for the reason.",
	      "Reset the VM ('avcli vm reset-device'): that clears the counter and starts it." } },
	{ "vm-waits", "minor",
	    "The VM is to run, but something that it needs isn't there yet.",
	    { "Mend what the reason names; the VM is then started by itself." } },
	{ "volume-one-leg", "serious",
	    "Only one PM has the volume's newest data.",
	    { "Nothing to do if the other PM has just come back.",
	      "Check the disk of the other PM." } },
	{ "volume-held", "serious",
	    "The volume's mirror lost the other PM; writes wait until it is back or given up.",
	    { "Check the other PM and the private links." } },
	{ "volume-split", "critical",
	    "Both PMs wrote to the volume without each other; nothing is overwritten until a person decides.",
	    { "Compare what both PMs hold.", "Decide which copy is kept." } },
	{ "volume-error", "serious",
	    "The volume's mirror reports an error.",
	    { "Check the disk and the log of the PM that reports it." } },
	{ "leg-failed", "critical",
	    "The disk of one PM failed; the volume's data is on the other PM alone.",
	    { "Replace the disk of the PM that is named and make its storage folder again.",
	      "Then order 'avcli volume replace-leg VOLUME': the data is copied to the new disk.",
	      "Don't power off the other PM until that is done." } },
	{ "read-repaired", "minor",
	    "The disk of a PM returned errors when it was read; the data came from the other PM and was written anew.",
	    { "Watch the disk of the PM that is named; replace it if this comes again." } },
	{ "verify-differences", "serious",
	    "The volume's copies on the two PMs are not alike; a disk or its controller has changed data.",
	    { "Find out which PM's disk is at fault: look at both PMs' logs and disks.",
	      "Run 'avcli volume verify --repair VOLUME': the copy of the PM that leads the volume is taken.",
	      "Verify again: this alert goes when both copies are alike." } },
	{ "verify-repaired", "minor",
	    "The volume's copies on the two PMs were not alike; what differed was copied from the PM that leads the volume.",
	    { "Look at the disks of both PMs.",
	      "Verify again: this alert goes when both copies are alike." } },
	{ "verify-failed", "minor",
	    "The volume's copies could not be compared to the end.",
	    { "Look at the reason, mend what it names, and verify again." } },
	{ "resync-paused", "minor",
	    "Somebody paused the copying of this volume; until it is resumed only one PM has all of its data.",
	    { "Resume it: 'avcli volume resync-resume VOLUME'." } },
	{ "storage-nearly-full", "info",
	    "Less than 5 GB are free for new volumes and snapshots.",
	    { "Remove volumes that aren't used.", "Add storage to both PMs." } },
};

struct build {
	const struct store	*st;
	const json_t *const	*facts;
	int			 self;
	struct store_unit	 unit;
	bool			 alone;		/* the other PM isn't in play */
	json_t			*list;
	int			 rc;
};

static const struct alert_kind *
kind_of(const char *code)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].code, code) == 0)
			return &kinds[i];
	return NULL;
}

/* The text must hold nothing that changes from second to second: another text is
 * another alert.raise. */
static void add(struct build *b, const char *code, const char *object,
    json_t *params, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* 'params' is taken over. */
static void
add(struct build *b, const char *code, const char *object, json_t *params,
    const char *fmt, ...)
{
	const struct alert_kind *kind = kind_of(code);
	json_t *repair = json_array();
	char text[256];
	va_list ap;
	int i;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	av_utf8_trim(text);
	for (i = 0; i < REPAIR_MAX && kind->repair[i] != NULL; i++)
		(void)json_array_append_new(repair,
		    json_string(kind->repair[i]));
	if (json_array_append_new(b->list, json_pack("{s:s, s:s, s:s, s:s, s:s,"
	    " s:o, s:o}", "code", code, "object", object, "severity",
	    kind->severity, "text", text, "cause", kind->cause, "repair",
	    repair, "params", params)) < 0)
		b->rc = -ENOMEM;
}

/* --- PMs and what is between them --- */

static void
add_watchdog(struct build *b, const struct store_node *node,
    const char *state)
{
	if (state[0] == '\0' || strcmp(state, "ok") == 0)
		return;
	add(b, "watchdog-missing", node->id, json_pack("{s:s, s:s}", "node",
	    node->name, "state", state), "%s has no watchdog (%s)", node->name,
	    state);
}

struct faults { char text[160]; int n; };

static int
see_fault(void *arg, const struct store_fault *f)
{
	struct faults *all = arg;

	if (all->n++ == 0)
		(void)snprintf(all->text, sizeof(all->text), "%s%s%.100s",
		    f->part, f->text[0] != '\0' ? ": " : "", f->text);
	return 0;
}

static void
add_faults(struct build *b, const struct store_node *node, int index)
{
	struct faults all = { .n = 0 };

	if (store_each_fault(b->st, index, see_fault, &all) < 0 || all.n == 0)
		return;
	add(b, "node-fault", node->id, json_pack("{s:s, s:s, s:i}", "node",
	    node->name, "fault", all.text, "count", all.n),
	    "%s is about to fail (%s)", node->name, all.text);
}

static void
add_nodes(struct build *b)
{
	struct store_node node;
	int i;

	for (i = 0; i < STORE_NODES; i++) {
		const json_t *f = view_heard(b->facts, b->self, i);

		if (store_get_node(b->st, i, &node) < 0)
			continue;
		if (store_node_held(b->st, i))
			add(b, "node-left-out", node.id, json_pack("{s:s}",
			    "node", node.name), "%s crashed too often and is "
			    "left out", node.name);
		if (i != b->self && json_is_true(json_object_get(
		    json_object_get(b->facts[b->self], "role"),
		    "incompatible")))
			add(b, "peer-incompatible", node.id,
			    json_pack("{s:s}", "node", node.name), "%s has "
			    "another version or other timings", node.name);
		if (store_node_leaving(b->st, i))
			add(b, "node-maintenance", node.id,
			    json_pack("{s:s}", "node", node.name),
			    "%s is out for maintenance", node.name);
		else if (f == NULL)
			add(b, "node-lost", node.id,
			    json_pack("{s:s}", "node", node.name),
			    "No sign of life from %s", node.name);
		else if (strcmp(view_text(f, "daemons", "corosync"), "down") == 0)
			add(b, "corosync-down", node.id,
			    json_pack("{s:s}", "node", node.name),
			    "corosync doesn't run on %s", node.name);
		if (view_text(f, "power", "failed")[0] != '\0')
			add(b, "power-failed", node.id, json_pack("{s:s, s:s}",
			    "node", node.name, "reason", view_text(f, "power",
			    "failed")), "%s didn't reboot or switch itself off",
			    node.name);
		add_faults(b, &node, i);
		add_watchdog(b, &node, view_text(f, "watchdog", "state"));
	}
}

static void
add_links(struct build *b)
{
	const json_t *beats = json_object_get(json_object_get(
	    b->facts[b->self], "signs"), "heartbeats"), *beat;
	char object[STORE_ID_MAX];
	size_t i;

	/* a lost PM has lost all its links: said once */
	if (!view_node_online(b->facts, b->self, 1 - b->self))
		return;
	json_array_foreach((json_t *)(uintptr_t)beats, i, beat) {
		const char *name = view_text(beat, "link", NULL);
		const char *mine = view_text(beat, "local", NULL);
		const char *peer = view_text(beat, "peer", NULL);

		if (strcmp(view_text(beat, "state", NULL), "down") != 0)
			continue;
		(void)snprintf(object, sizeof(object), "link:%.24s", name);
		add(b, "link-down", object, json_pack("{s:s, s:s, s:s}",
		    "link", name, "node0", b->self == 0 ? mine : peer, "node1",
		    b->self == 0 ? peer : mine),
		    "Link '%s' between the PMs is down", name);
	}
}

static void
add_arbiter(struct build *b)
{
	const json_t *f = b->facts[b->self];
	const char *state = view_text(f, "arbiter", "state");
	const char *kind = view_text(f, "arbiter", "kind");
	const char *address = view_text(f, "arbiter", "address");
	const char *why = view_text(f, "arbiter", "text");

	if (strcmp(kind, "none") == 0 || strcmp(state, "unconfigured") == 0)
		add(b, "no-quorum-server", b->unit.id, json_object(),
		    "There is no quorum server");
	else if ((strcmp(state, "unreachable") == 0 && why[0] != '\0') ||
	    strcmp(state, "refused") == 0)	/* no words: not asked yet */
		add(b, "quorum-server-unreachable", b->unit.id,
		    json_pack("{s:s, s:s}", "address", address, "reason", why),
		    "The quorum server %s can't be used", address);
}

static void
add_quorum(struct build *b)
{
	struct quorum_state q;
	size_t i;

	if (quorum_db_read(b->st, &q) < 0) {
		b->rc = -EIO;
		return;
	}
	for (i = 0; i < q.n; i++) {
		const struct quorum_server *s = &q.servers[i];
		const char *state = view_quorum_state(b->facts, b->self,
		    s->id_text);
		bool bad = strcmp(state, "refused") == 0;

		if (strcmp(s->kind, "ping") == 0)
			add(b, "quorum-server-weak", s->id_text,
			    json_pack("{s:s}", "address", s->address),
			    "%.180s is a weak quorum server", s->address);
		/* the only one has an alert of the unit already */
		if (bad || (strcmp(state, "unreachable") == 0 && q.n > 1))
			add(b, bad ? "quorum-server-bad" : "quorum-server-down",
			    s->id_text, json_pack("{s:s, s:s}", "address",
			    s->address, "preference", s->preferred ?
			    "preferred" : "alternate"), bad ?
			    "Quorum server %.180s isn't believed" :
			    "Quorum server %.180s isn't reached", s->address);
	}
}

static int
add_network(void *arg, const struct store_network *net)
{
	struct build *b = arg;
	int i;

	for (i = 0; i < STORE_NODES; i++) {
		const json_t *ports = json_object_get(view_heard(b->facts,
		    b->self, i), "ports");
		const json_t *port = json_object_get(ports, net->name);
		const char *name = view_node_name(i);

		if (port == NULL)
			port = json_object_get(ports, net->bridge);
		if (strcmp(view_text(port, "link", NULL), "down") != 0)
			continue;
		/* one alert a network: the first PM that has it */
		add(b, "network-link-down", net->id, json_pack(
		    "{s:s, s:s, s:s}", "network", net->name, "node", name,
		    "interface", view_text(port, "interface", NULL)),
		    "Network '%.120s' has no link on %s (%s)", net->name, name,
		    view_text(port, "interface", NULL));
		break;
	}
	return b->rc;
}

/* --- the unit --- */

static void
add_unit(struct build *b)
{
	struct unit_state us = { 0 };

	if (view_unit_state(b->st, b->facts, b->self, &us) < 0) {
		b->rc = -EIO;
		return;
	}
	json_decref(us.reason);
	if (b->alone)
		add(b, "unit-alone", b->unit.id, json_pack("{s:s}", "node",
		    view_node_name(b->self)), "%s runs alone",
		    view_node_name(b->self));
	if (us.syncing)
		add(b, "unit-syncing", b->unit.id, json_object(),
		    "Volumes are being brought in step");
}

static void
add_storage(struct build *b)
{
	AUTO_JSON json_t *groups = view_storage_groups(b->st);
	const json_t *group;
	char text[32];
	size_t i;

	json_array_foreach(groups, i, group) {
		json_int_t size = json_integer_value(
		    json_object_get(group, "size_bytes"));
		json_int_t left = json_integer_value(
		    json_object_get(group, "free_bytes"));

		if (size == 0 || left >= (json_int_t)LIMITS_STORAGE_LOW_BYTES)
			continue;
		av_format_size((uint64_t)left, text, sizeof(text));
		/* the text has no number: it would be raised anew at every
		 * change; the number is in the storage group */
		add(b, "storage-nearly-full", view_text(group, "id", NULL),
		    json_pack("{s:s, s:I, s:s}", "group",
		    view_text(group, "name", NULL), "free_bytes", left, "free",
		    text), "Storage group '%s' is nearly full",
		    view_text(group, "name", NULL));
	}
}

/* --- VMs and volumes --- */

static int
add_vm(void *arg, const struct store_vm *vm)
{
	struct build *b = arg;
	const json_t *fact = vm->node < 0 ? NULL : json_object_get(
	    json_object_get(view_heard(b->facts, b->self, vm->node), "vms"),
	    vm->id);
	const json_t *reason = json_object_get(fact, "reason");

	if (vm->phase == STORE_READY && vm->crash_held)
		add(b, "vm-crashed", vm->id, json_pack("{s:s, s:i}", "name",
		    vm->name, "crashes", (int)vm->crashes),
		    "VM '%.200s' crashed too often and stays down", vm->name);
	else if (vm->want == STORE_WANT_RUNNING && json_is_object(reason) &&
	    strcmp(view_text(reason, "code", NULL), "guest-waits") == 0)
		add(b, "vm-waits", vm->id, json_pack("{s:s, s:s}", "name",
		    vm->name, "reason", view_text(reason, "text", NULL)),
		    "VM '%.200s' can't be started yet", vm->name);
	return b->rc;
}

static const char *
volume_code(const struct build *b, const struct volume_state *vs)
{
	switch (vs->activity) {
	case VOLUME_ONE_LEG:
		/* said by unit-alone, or by the resync that is about to start */
		return b->alone ? NULL : "volume-one-leg";
	case VOLUME_HELD:
		return "volume-held";
	case VOLUME_SPLIT:
		return "volume-split";
	default:
		return NULL;
	}
}

/* What the database tells of the volume's care. */
static void
add_care(struct build *b, const struct store_volume *vol,
    const struct volume_state *vs)
{
	const struct store_verify *v = &vol->verify;
	int failed = vol->failed_leg;

	if (failed >= 0)
		add(b, "leg-failed", vol->id, json_pack("{s:s, s:s, s:s}",
		    "name", vol->name, "node", view_node_name(failed), "reason",
		    vol->failed_text), "Volume '%.140s': the disk of its leg on %s failed",
		    vol->name, view_node_name(failed));
	if (strcmp(v->result, "failed") == 0)
		add(b, "verify-failed", vol->id, json_pack("{s:s, s:s}",
		    "name", vol->name, "reason", v->text),
		    "Volume '%.180s' could not be verified", vol->name);
	else if (v->found > 0)
		add(b, v->repaired >= v->found ? "verify-repaired" :
		    "verify-differences", vol->id, json_pack(
		    "{s:s, s:I, s:I}", "name", vol->name, "found",
		    (json_int_t)v->found, "repaired", (json_int_t)v->repaired),
		    v->repaired >= v->found ?
		    "Volume '%.120s': %llu blocks differed between the PMs and were repaired" :
		    "Volume '%.120s': %llu blocks differ between the PMs and were not repaired",
		    vol->name, (unsigned long long)v->found);
	if (vol->resync_paused && vs->activity == VOLUME_SYNCING)
		add(b, "resync-paused", vol->id, json_pack("{s:s}", "name",
		    vol->name), "Copying of volume '%.180s' is paused",
		    vol->name);
}

/* Counts of the servers, since their start. */
static void
add_read_repairs(struct build *b, const struct store_volume *vol)
{
	int i;

	for (i = 0; i < STORE_NODES; i++) {
		const json_t *f = json_object_get(json_object_get(view_heard(
		    b->facts, b->self, i), "volumes"), vol->id);
		json_int_t errors = json_integer_value(json_object_get(f,
		    "read_errors"));

		if (errors == 0 || vol->failed_leg == i)
			continue;
		add(b, "read-repaired", vol->id, json_pack(
		    "{s:s, s:s, s:I, s:I}", "name", vol->name, "node",
		    view_node_name(i), "errors", errors, "repaired_bytes",
		    json_integer_value(json_object_get(f, "repaired_bytes"))),
		    "Volume '%.140s': the disk of %s had read errors",
		    vol->name, view_node_name(i));
		return;		/* one alert a volume */
	}
}

static int
add_volume(void *arg, const struct store_volume *vol)
{
	struct build *b = arg;
	struct volume_state vs;
	struct store_vm vm = { 0 };
	const char *code, *error;

	if (vol->phase != STORE_READY)
		return 0;
	view_volume_state(b->facts, b->self, vol, &vs);
	add_care(b, vol, &vs);
	add_read_repairs(b, vol);
	/* a failed leg says it all */
	code = vol->failed_leg >= 0 ? NULL : volume_code(b, &vs);
	error = view_text(vs.fact, "error", NULL);
	if (vol->vm_id[0] != '\0')
		(void)store_get_vm(b->st, vol->vm_id, &vm);
	if (code != NULL)
		add(b, code, vol->id, json_pack("{s:s, s:s}", "name",
		    vol->name, "vm", vm.name), "Volume '%.180s' is %s",
		    vol->name, vs.activity == VOLUME_ONE_LEG ?
		    "on one PM only" : vs.activity == VOLUME_HELD ?
		    "waiting for the other PM" : "split");
	/* a lost peer has an alert of its own */
	if (error[0] != '\0' && vol->failed_leg < 0 && view_node_online(b->facts, b->self, 1 - b->self))
		add(b, "volume-error", vol->id, json_pack("{s:s, s:s}", "name",
		    vol->name, "reason", error), "Volume '%.100s': %.140s",
		    vol->name, error);
	return b->rc;
}

/* --- all --- */

json_t *
alerts_wanted(const struct store *st, const json_t *const facts[2], int self)
{
	struct build b = { .st = st, .facts = facts, .self = self };
	const char *role = view_role(facts, self, self);

	if (store_get_unit(st, &b.unit) < 0)
		return json_array();	/* no unit, nothing to be said of it */
	b.list = json_array();
	b.alone = strcmp(role, "alone") == 0 || strcmp(role, "rejoining") == 0;
	if (b.list == NULL)
		return NULL;
	add_nodes(&b);
	add_links(&b);
	add_arbiter(&b);
	add_quorum(&b);
	add_unit(&b);
	add_storage(&b);
	if (store_each_network(st, add_network, &b) < 0 ||
	    store_each_vm(st, add_vm, &b) < 0 ||
	    store_each_volume(st, add_volume, &b) < 0 || b.rc < 0) {
		json_decref(b.list);
		return NULL;
	}
	return b.list;
}

/* --- the difference to what is open --- */

struct diff {
	const struct store *st;
	json_t		*wanted;	/* an element is removed when it is open */
	json_t		*commands;
};

/* Its VM or volume is no more. */
static bool
object_gone(const struct store *st, const char *object)
{
	struct store_volume vol;
	struct store_vm vm;
	int64_t id;

	if (store_id_parse(KIND_VM, object, &id) == 0)
		return store_get_vm(st, object, &vm) == -ENOENT;
	if (store_id_parse(KIND_QUORUM, object, &id) == 0)
		return store_find(st, KIND_QUORUM, object, &id, NULL) < 0;
	if (store_id_parse(KIND_VOLUME, object, &id) == 0)
		return store_get_volume(st, object, &vol) == -ENOENT;
	return false;
}

static int
see_open(void *arg, const struct store_alert *open)
{
	struct diff *d = arg;
	const json_t *want;
	size_t i;

	json_array_foreach(d->wanted, i, want) {
		if (strcmp(view_text(want, "code", NULL), open->code) != 0 ||
		    strcmp(view_text(want, "object", NULL), open->object) != 0)
			continue;
		/* open with other words: raised again, which replaces them */
		if (strcmp(view_text(want, "text", NULL), open->text) == 0 &&
		    strcmp(view_text(want, "severity", NULL),
		    open->severity) == 0)
			(void)json_array_remove(d->wanted, i);
		return 0;
	}
	if (kind_of(open->code) == NULL && !object_gone(d->st, open->object))
		return 0;	/* somebody else's, and still of interest */
	return json_array_append_new(d->commands, json_pack(
	    "{s:s, s:{s:s, s:s}}", "op", "alert.clear", "args", "code",
	    open->code, "object", open->object)) < 0 ? -ENOMEM : 0;
}

json_t *
alerts_commands(const struct store *st, const json_t *const facts[2], int self)
{
	AUTO_JSON json_t *wanted = alerts_wanted(st, facts, self);
	struct diff d = { .st = st, .wanted = wanted,
		.commands = json_array() };
	const json_t *want;
	size_t i;

	if (wanted == NULL || store_each_open_alert(st, see_open, &d) < 0) {
		json_decref(d.commands);
		return NULL;
	}
	json_array_foreach(wanted, i, want)
		(void)json_array_append_new(d.commands, json_pack(
		    "{s:s, s:O}", "op", "alert.raise", "args", want));
	return d.commands;
}
