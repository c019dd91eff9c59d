/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_quorum.c - quorum servers: add, remove, and which is active
 *
 * quorum_db.h says why a change of the active one has two steps.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/quorum_db.h"
#include "nodeagent/store_maintenance.h"

static int
bad_argument(struct command *c, const char *name, const char *why)
{
	return command_refuse(c, -EINVAL, "bad-argument",
	    json_pack("{s:s}", "argument", name), "argument '%s' %s", name, why);
}

static int
state_read(struct command *c, struct quorum_state *ret)
{
	int rc = quorum_db_read(c->st, ret);

	return rc < 0 ? av_err_set(c->err, rc, "database: reading the quorum "
	    "servers") : 0;
}

static bool
printable(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x21 || *s > 0x7e || *s == '"' || *s == '\\')
			return false;
	return true;
}

static bool
is_pem(const char *s)
{
	return strstr(s, "-----BEGIN ") != NULL &&
	    strstr(s, "-----END ") != NULL;
}

/* Shape alone: whether somebody answers there is asked before it is ordered. */
static int
check_add(struct command *c, const char *kind)
{
	const char *address = command_arg_text(c, "address");
	bool tls = strncmp(address, "https://", 8) == 0;
	bool ca = command_arg_text(c, "ca")[0] != '\0';
	bool cert = command_arg_text(c, "cert")[0] != '\0';
	bool key = command_arg_text(c, "key")[0] != '\0';

	if (strcmp(kind, "etcd") != 0 && strcmp(kind, "ping") != 0)
		return bad_argument(c, "kind", "must be 'etcd' or 'ping'");
	if (!printable(address) || strlen(address) >= QUORUM_ADDRESS_MAX)
		return bad_argument(c, "address", "isn't an address");
	if (strcmp(kind, "etcd") == 0 && !tls &&
	    strncmp(address, "http://", 7) != 0)
		return bad_argument(c, "address", "must begin with https:// "
		    "(or http://), such as https://192.0.2.1:2379");
	if ((ca || cert || key) && (!tls || strcmp(kind, "etcd") != 0))
		return bad_argument(c, ca ? "ca" : "cert", "is only for a "
		    "server at https://");
	if (cert != key)
		return bad_argument(c, cert ? "key" : "cert", "is missing: "
		    "certificate and key go together");
	if ((ca && !is_pem(command_arg_text(c, "ca"))) ||
	    (cert && !is_pem(command_arg_text(c, "cert"))) ||
	    (key && !is_pem(command_arg_text(c, "key"))))
		return bad_argument(c, "cert", "isn't a PEM file");
	return 0;
}

static int
insert(struct command *c, const char *kind, bool preferred, int64_t *ret_id)
{
	int rc = store_counter(c->st, "next_id", ret_id, c->err);

	if (rc == 0)
		rc = sql_run(c->st, c->err, "INSERT INTO quorum_server VALUES"
		    " (?, ?, ?, ?, 0, ?, ?, ?, ?)", "ississsi", *ret_id, kind,
		    command_arg_text(c, "address"), (int64_t)preferred,
		    command_arg_text(c, "ca"), command_arg_text(c, "cert"),
		    command_arg_text(c, "key"), c->at_ms);
	if (rc == 0)
		store_id_format(KIND_QUORUM, *ret_id, c->object,
		    sizeof(c->object));
	return rc;
}

int
cmd_quorum_add(struct command *c)
{
	const char *kind = command_arg_text(c, "kind");
	const char *address = command_arg_text(c, "address");
	const json_t *want = json_object_get(c->args, "preferred");
	struct quorum_state q;
	bool preferred;
	int64_t id;
	size_t i;
	int rc;

	if (kind[0] == '\0')
		kind = "etcd";
	rc = check_add(c, kind);
	if (rc == 0)
		rc = state_read(c, &q);
	if (rc < 0)
		return rc;
	for (i = 0; i < q.n; i++)
		if (strcmp(q.servers[i].address, address) == 0)
			return command_refuse(c, -EEXIST, "name-exists",
			    json_pack("{s:s, s:s, s:s}", "kind",
			    "quorum server", "name", address, "id",
			    q.servers[i].id_text), "%s is a quorum server of "
			    "this unit already (%s)", address,
			    q.servers[i].id_text);
	if (q.n == QUORUM_SERVERS_MAX)
		return command_refuse(c, -E2BIG, "quorum-full",
		    json_pack("{s:i}", "limit", QUORUM_SERVERS_MAX),
		    "the unit has %d quorum servers, the most there can be: "
		    "remove one first", QUORUM_SERVERS_MAX);
	if (!q.imported)
		return command_refuse(c, -EAGAIN, "wrong-state", NULL,
		    "the unit is still taking over what avnoded.conf says: "
		    "try again in a moment");
	preferred = want != NULL ? json_is_true(want) : q.n == 0 ||
	    !q.servers[0].preferred;
	if (preferred)
		rc = sql_run(c->st, c->err, "UPDATE quorum_server SET"
		    " preferred = 0", "");
	if (rc == 0)
		rc = insert(c, kind, preferred, &id);
	if (rc == 0 && strcmp(kind, "ping") == 0)
		rc = command_warn(c, "quorum-weak", NULL, "addresses that only "
		    "answer are a weak arbiter: when both PMs reach them but "
		    "not each other, both may run the VMs");
	if (rc == 0 && strncmp(address, "http://", 7) == 0)
		rc = command_warn(c, "quorum-clear-text", NULL, "what is said "
		    "to %s is neither encrypted nor proved: anybody on the way "
		    "can decide which PM runs", address);
	command_detail(c, "add quorum server %.200s (%s%s)", address, kind,
	    preferred ? ", preferred" : ", alternate");
	return rc < 0 ? rc : command_result(c, "id", json_string(c->object));
}

int
cmd_quorum_remove(struct command *c)
{
	struct quorum_state q;
	const struct quorum_server *s;
	int64_t id;
	int rc = command_find_id(c, KIND_QUORUM, "server", &id);

	if (rc == 0)
		rc = state_read(c, &q);
	if (rc < 0)
		return rc;
	s = quorum_db_find(&q, id);
	command_detail(c, "remove quorum server %.200s", s != NULL ?
	    s->address : "");
	if (q.next != 0)
		return command_refuse(c, -EBUSY, "wrong-state", NULL,
		    "the unit is changing its quorum server just now: try "
		    "again in a moment");
	if (id == q.active && q.n > 1) {
		/* the other one first: see quorum.c */
		rc = command_warn(c, "quorum-leaving", NULL, "it is asked until "
		    "the other quorum server has taken over, then it is gone");
		return rc < 0 ? rc : sql_run(c->st, c->err, "UPDATE "
		    "quorum_server SET leaving = 1, preferred = 0 WHERE id = ?",
		    "i", id);
	}
	/* From asking it to asking nobody: one step, as nobody grants nothing. */
	if (id == q.active)
		rc = sql_run(c->st, c->err, "UPDATE quorum SET active = 0", "");
	if (rc == 0)
		rc = sql_run(c->st, c->err, "DELETE FROM quorum_server WHERE"
		    " id = ?", "i", id);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "UPDATE quorum_server SET"
		    " leaving = 0", "");
	if (rc == 0 && q.n == 1)
		rc = command_warn(c, "quorum-last", NULL, "this was the last "
		    "quorum server: when the PMs lose each other now, VMs stay "
		    "paused until a person decides");
	return rc;
}

/* --- the agents' own --- */

/* What avnoded.conf said when the unit was made becomes rows. */
int
cmd_quorum_import(struct command *c)
{
	const char *kind = command_arg_text(c, "kind");
	struct quorum_state q;
	int64_t id = 0;
	int rc = state_read(c, &q);

	if (rc < 0)
		return rc;
	if (q.imported)
		return command_refuse(c, -EALREADY, "wrong-state", NULL,
		    "the quorum servers are in the database already");
	if (strcmp(kind, "none") != 0) {
		rc = check_add(c, kind);
		if (rc == 0)
			rc = insert(c, kind, true, &id);
	}
	command_detail(c, "quorum server of avnoded.conf: %.200s", id != 0 ?
	    command_arg_text(c, "address") : "none");
	return rc < 0 ? rc : sql_run(c->st, c->err, "UPDATE quorum SET"
	    " imported = 1, active = ?", "i", id);
}

static int
overtaken(struct command *c)
{
	return command_refuse(c, -ESTALE, "wrong-state", NULL,
	    "another change of the quorum server came before this one");
}

/* The one that stays asks the active server for the right while both are together; if
 * that one is closed meanwhile and the PMs lose each other, nobody ever learns what it
 * answered, and both wait for good.  Once one runs alone nothing is asked any more. */
static bool
somebody_leaves(const struct command *c)
{
	return !json_is_string(json_object_get(c->context, "alone")) &&
	    (store_node_leaving(c->st, 0) || store_node_leaving(c->st, 1));
}

int
cmd_quorum_switch(struct command *c)
{
	const char *token = command_arg_text(c, "token");
	struct quorum_state q;
	int64_t id;
	int rc = command_find_id(c, KIND_QUORUM, "server", &id);

	if (rc == 0)
		rc = state_read(c, &q);
	if (rc < 0)
		return rc;
	if (!q.imported || q.next != 0 || id == q.active || token[0] == '\0')
		return overtaken(c);
	if (somebody_leaves(c))
		return command_refuse(c, -EBUSY, "wrong-state", NULL,
		    "a PM is being taken out for maintenance: the quorum server changes after that");
	command_detail(c, "begin to change to this quorum server");
	return sql_run(c->st, c->err, "UPDATE quorum SET next = ?, token = ?,"
	    " gen = ?, confirmed = 0", "isi", id, token,
	    (int64_t)json_integer_value(json_object_get(c->args,
	    "generation")));
}

static int
finish_switch(struct command *c, const struct quorum_state *q)
{
	int rc = sql_run(c->st, c->err, "UPDATE quorum SET active = next,"
	    " next = 0, token = '', confirmed = 0", "");

	if (rc == 0)
		rc = sql_run(c->st, c->err, "DELETE FROM quorum_server WHERE"
		    " leaving = 1 AND id <> ?", "i", q->next);
	if (rc == 0)	/* one is left, or one is the preferred one anyway */
		rc = sql_run(c->st, c->err, "UPDATE quorum_server SET leaving"
		    " = 0, preferred = preferred OR NOT EXISTS (SELECT 1 FROM"
		    " quorum_server WHERE preferred = 1)", "");
	store_id_format(KIND_QUORUM, q->next, c->object, sizeof(c->object));
	command_detail(c, "both PMs ask this quorum server from now on");
	return rc;
}

int
cmd_quorum_confirm(struct command *c)
{
	int node = command_arg_node(c, "node");
	struct quorum_state q;
	int rc = state_read(c, &q);

	if (rc < 0)
		return rc;
	if (q.next == 0 || strcmp(q.token, command_arg_text(c, "token")) != 0)
		return overtaken(c);
	q.confirmed |= 1u << node;
	if (q.confirmed == 3)
		return finish_switch(c, &q);
	c->quiet = true;
	return sql_run(c->st, c->err, "UPDATE quorum SET confirmed = ?", "i",
	    (int64_t)q.confirmed);
}

/* Safe at any moment before the second confirmation: neither PM asks the new one. */
int
cmd_quorum_abort(struct command *c)
{
	struct quorum_state q;
	int rc = state_read(c, &q);

	if (rc < 0)
		return rc;
	if (q.next == 0 || strcmp(q.token, command_arg_text(c, "token")) != 0)
		return overtaken(c);
	store_id_format(KIND_QUORUM, q.next, c->object, sizeof(c->object));
	command_detail(c, "change given up: %.200s",
	    command_arg_text(c, "reason"));
	return sql_run(c->st, c->err, "UPDATE quorum SET next = 0, token = '',"
	    " confirmed = 0", "");
}
