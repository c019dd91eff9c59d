/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/duties.c - what has to be ordered or held besides guests and volumes
 *
 * Every PM: reports what it is.  The PM that runs alone: becomes the unit's
 * primary and takes the peer's guests.  The unit's primary PM: holds the unit
 * address, raises and clears alerts.  Everything here is compared and repeated
 * until it is so; nothing is remembered that the database can tell.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "nodeagent/agent.h"
#include "nodeagent/home.h"
#include "nodeagent/alerts.h"
#include "nodeagent/evacuate.h"
#include "nodeagent/power.h"
#include "nodeagent/schedule.h"
#include "vif/vif.h"

static const char *
node_name(int node)
{
	return node == 0 ? "node0" : "node1";
}

/* --- commands of ours under way: one kind at a time is enough --- */

static void
flown(void *arg, int rc)
{
	struct agent *a = arg;

	a->n_flying--;
	if (rc == 0)
		agent_kick(a);	/* else the tick tries again */
}

static void
fly(struct agent *a, const char *op, json_t *args)
{
	a->n_flying++;
	agent_order(a, op, args, flown, a);
}

/* --- the unit's first command --- */

static json_t *
initial_admin(const struct agent_conf *c)
{
	AUTO_FREE char *text = NULL;
	struct av_err err = { 0 };
	char *colon;

	if (c->initial_admin_file == NULL)
		return NULL;
	if (av_file_read(c->initial_admin_file, 4096, &text, NULL, &err) < 0) {
		log_err("unit", "initial administrator: %s", err.text);
		return NULL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	colon = strchr(text, ':');
	if (colon == NULL) {
		log_err("unit", "%s: not NAME:HASH", c->initial_admin_file);
		return NULL;
	}
	*colon = '\0';
	return json_pack("{s:s,s:s}", "name", text, "hash", colon + 1);
}

static void
create_unit(struct agent *a)
{
	const struct agent_conf *c = &a->conf;
	json_t *networks = json_array(), *args, *admin = initial_admin(c);
	size_t i;

	for (i = 0; i < c->n_networks; i++)
		(void)json_array_append_new(networks, json_pack("{s:s,s:s}",
		    "name", c->networks[i], "bridge", c->networks[i]));
	args = json_pack("{s:s,s:s,s:o}", "uuid", c->unit_uuid, "name",
	    c->unit_name, "networks", networks);
	if (admin != NULL)
		(void)json_object_set_new(args, "admin", admin);
	if (c->unit_address != NULL)
		(void)json_object_set_new(args, "address",
		    json_string(c->unit_address));
	if (c->mtbf_policy != NULL)
		(void)json_object_set_new(args, "mtbf_policy",
		    json_string(c->mtbf_policy));
	log_notice("unit", "creating the unit '%s'", c->unit_name);
	fly(a, "unit.create", args);
}

/* --- what this PM is --- */

static void
host_flown(void *arg, int rc)
{
	struct agent *a = arg;

	a->host_reported = rc == 0;
	flown(a, rc);
}

static void
report_host(struct agent *a)
{
	json_t *args = json_copy(a->host);

	if (args == NULL)
		return;
	(void)json_object_del(args, "cpu_flags");	/* is for the facts */
	(void)json_object_set_new(args, "node",
	    json_string(node_name(a->conf.node)));
	a->n_flying++;
	agent_order(a, "node.report", args, host_flown, a);
}

/* --- alone: lead the unit, take the peer's guests --- */

static void
taken(void *arg, int rc)
{
	struct agent *a = arg;

	if (rc == 0) {
		a->take_due = false;
		a->failover.taken = true;
	}
	flown(a, rc);
}

static void
take_guests(struct agent *a)
{
	a->n_flying++;
	agent_order(a, "vm.takeover", json_pack("{s:s,s:s}", "from",
	    node_name(1 - a->conf.node), "to", node_name(a->conf.node)),
	    taken, a);
}

/* --- the unit address --- */

static void
address_hold(struct agent *a, bool wanted)
{
	const struct agent_conf *c = &a->conf;
	struct av_err err = { 0 };
	int rc;

	if (c->unit_address == NULL)
		return;
	if (!wanted) {
		rc = vif_addr_remove(c->unit_interface, c->unit_address, &err);
		if (rc < 0 && a->have_address)
			log_err("unit", "unit address: %s", err.text);
		a->have_address = a->have_address && rc < 0;
		return;
	}
	if (a->have_address)
		return;
	rc = vif_addr_add(c->unit_interface, c->unit_address, &err);
	if (rc == 0)
		rc = vif_announce(a->event, c->unit_interface, c->unit_address,
		    &err);
	if (rc < 0 && rc != -EAFNOSUPPORT) {
		if (!a->address_failed)	/* said once, tried at each pass */
			log_err("unit", "unit address: %s", err.text);
		a->address_failed = true;
		return;
	}
	log_notice("unit", "this PM holds the unit address %s",
	    c->unit_address);
	a->address_failed = false;
	a->have_address = true;
}

/* --- alerts --- */

/* Conditions pass by while things settle: only one that lasts is raised. */
#define ALERT_AFTER_NS	(3 * AV_NS_PER_S)

static bool
is_urgent(const char *code)
{
	return strcmp(code, "leg-failed") == 0 ||
	    strcmp(code, "node-lost") == 0 || strcmp(code, "vm-crashed") == 0 ||
	    strcmp(code, "node-left-out") == 0;
}

/* Has this alert been wanted for long enough?  Keeps the time of the first wish in
 * a->alerts_wanted; those no longer wished for are forgotten by alerts_do(). */
static bool
alert_is_ripe(struct agent *a, json_t *still_wanted, const json_t *args)
{
	const char *code = json_string_value(json_object_get(args, "code"));
	const char *object = json_string_value(json_object_get(args, "object"));
	uint64_t now_ns = av_clock_ns();
	json_t *since;
	char key[128];

	if (code == NULL || object == NULL || is_urgent(code))
		return true;
	(void)snprintf(key, sizeof(key), "%s %s", code, object);
	since = json_object_get(a->alerts_wanted, key);
	since = since != NULL ? json_incref(since) :
	    json_integer((json_int_t)now_ns);
	(void)json_object_set(still_wanted, key, since);
	now_ns -= (uint64_t)json_integer_value(since);
	json_decref(since);
	return now_ns >= ALERT_AFTER_NS;
}

static void
alerts_do(struct agent *a)
{
	const json_t *facts[2] = { a->facts[0], a->facts[1] };
	AUTO_JSON json_t *cmds = alerts_commands(a->store, facts, a->conf.node);
	json_t *cmd, *wanted = json_object();
	size_t i;

	json_array_foreach(cmds, i, cmd) {
		const char *op = json_string_value(json_object_get(cmd, "op"));
		json_t *args = json_object_get(cmd, "args");

		if (strcmp(op, "alert.raise") != 0 ||
		    alert_is_ripe(a, wanted, args))
			fly(a, op, json_incref(args));
	}
	json_decref(a->alerts_wanted);
	a->alerts_wanted = wanted;
}

bool
duties_lead(struct agent *a)
{
	struct store_unit unit = { 0 };

	return (a->right.kind == RIGHT_TOGETHER ||
	    a->right.kind == RIGHT_ALONE) &&
	    order_available(a->order, NULL) == 0 &&
	    store_get_unit(a->store, &unit) == 0 && unit.exists &&
	    unit.primary == a->conf.node;
}

/* --- volumes that are due to be verified --- */

static void
verify_do(struct agent *a)
{
	const json_t *facts[2] = { a->facts[0], a->facts[1] };
	char id[STORE_ID_MAX];
	bool repair;

	if (schedule_next(a->store, facts, a->conf.node, av_clock_utc_ms(), id,
	    &repair) == 0)
		fly(a, "volume.verify", json_pack("{s:s,s:b}", "volume", id,
		    "repair", repair));
}

/* --- VMs that a failover took away --- */

#define HOME_SETTLE_NS	(10 * AV_NS_PER_S)	/* together for so long */

static void
home_do(struct agent *a)
{
	const json_t *facts[2] = { a->facts[0], a->facts[1] };
	const struct evacuate_look l = { .st = a->store, .facts = facts,
		.self = a->conf.node, .now_utc_ms = av_clock_utc_ms() };
	char id[STORE_ID_MAX];

	if (av_clock_ns() - a->together_ns < HOME_SETTLE_NS)
		return;
	if (home_next(&l, id) == 0) {
		log_notice(id, "it goes home");
		fly(a, "vm.migrate", json_pack("{s:s}", "vm", id));
	}
}

void
duties_do(struct agent *a)
{
	struct store_unit unit = { 0 };
	bool may = a->right.kind == RIGHT_TOGETHER ||
	    a->right.kind == RIGHT_ALONE;
	bool exists = store_get_unit(a->store, &unit) == 0 && unit.exists;

	if (a->right.kind != RIGHT_TOGETHER)
		a->together_ns = av_clock_ns();
	address_hold(a, may && exists && unit.primary == a->conf.node);
	if (a->n_flying > 0 || order_available(a->order, NULL) < 0)
		return;
	if (!exists) {
		if (a->create_due)
			create_unit(a);
		return;
	}
	a->create_due = false;
	if (a->right.kind == RIGHT_ALONE && unit.primary != a->conf.node)
		fly(a, "unit.primary", json_pack("{s:s}", "node",
		    node_name(a->conf.node)));
	if (a->take_due && a->right.kind == RIGHT_ALONE)
		take_guests(a);
	if (a->n_flying == 0 && !a->host_reported)
		report_host(a);
	if (a->n_flying == 0 && may && unit.primary == a->conf.node)
		alerts_do(a);
	if (a->n_flying == 0)
		evacuate_do(a);
	if (a->n_flying == 0)
		power_do(a);
	if (a->n_flying == 0 && a->right.kind == RIGHT_TOGETHER &&
	    unit.primary == a->conf.node)
		verify_do(a);
	if (a->right.kind == RIGHT_TOGETHER && a->n_flying == 0 && unit.primary == a->conf.node)
		home_do(a);
}
