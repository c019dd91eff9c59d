/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_quorum.c - the quorum servers, as both PMs see them
 */
#include <string.h>

#include "nodeagent/quorum_db.h"
#include "nodeagent/view_impl.h"

const json_t *
view_quorum_says(const json_t *const facts[2], int self, int node,
    const char *id)
{
	return json_object_get(json_object_get(json_object_get(view_heard(
	    facts, self, node), "quorum"), "servers"), id);
}

static const char *
says_state(const json_t *const facts[2], int self, int node, const char *id)
{
	const char *state = view_text(view_quorum_says(facts, self, node, id),
	    "state", NULL);

	return state[0] != '\0' ? state : "unknown";
}

const char *
view_quorum_state(const json_t *const facts[2], int self, const char *id)
{
	static const char *const worst_first[] = { "refused", "unreachable",
		"unknown" };
	size_t i;
	int n;

	for (i = 0; i < 3; i++)
		for (n = 0; n < STORE_NODES; n++)
			if (view_heard(facts, self, n) != NULL && strcmp(
			    says_state(facts, self, n, id),
			    worst_first[i]) == 0)
				return worst_first[i];
	return "ok";
}

static json_t *
node_json(const json_t *const facts[2], int self, int node, const char *id)
{
	const json_t *says = view_quorum_says(facts, self, node, id);

	return json_pack("{s:s, s:s, s:o}", "state",
	    says_state(facts, self, node, id), "text",
	    view_text(says, "text", NULL), "ok_utc", view_copy(says, "ok_utc"));
}

static json_t *
server_json(const json_t *const facts[2], int self,
    const struct quorum_state *q, const struct quorum_server *s)
{
	const char *state = view_quorum_state(facts, self, s->id_text);
	bool ok = strcmp(state, "ok") == 0;

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b,"
	    " s:b, s:{s:o, s:o}}", "id", s->id_text, "name", s->address, "kind", s->kind, "address",
	    s->address, "preference", s->preferred ? "preferred" : "alternate",
	    "activity", state, "state", ok ? "good" : strcmp(state,
	    "unknown") == 0 ? "-" : "alert", "active", q->active == s->id,
	    "leaving", s->leaving, "weak", strcmp(s->kind, "ping") == 0, "tls",
	    s->has_cert, "nodes", "node0", node_json(facts, self, 0,
	    s->id_text), "node1", node_json(facts, self, 1, s->id_text));
}

json_t *
view_quorum(const struct store *st, const json_t *const facts[2], int self)
{
	AUTO_JSON json_t *list = json_array();
	struct quorum_state q;
	size_t i;

	if (quorum_db_read(st, &q) < 0)
		return NULL;
	for (i = 0; i < q.n; i++)
		if (json_array_append_new(list, server_json(facts, self, &q,
		    &q.servers[i])) < 0)
			return NULL;
	return TAKE_PTR(list);
}
