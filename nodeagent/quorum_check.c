/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/quorum_check.c - asking a new quorum server before it is added
 *
 *   asked here --ok--> ordered --> the peer asks it, too --ok--> done
 *       '--no: refused   '--refused   '--no: removed again, and why
 *
 * The peer learns of it by the ordered command, asks it as it does with all, and
 * tells by its facts.  A peer that isn't there can't be asked: a warning says so.
 */
#include "nodeagent/quorum_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define ASK_NS		(3 * AV_NS_PER_S)	/* here, with TLS on a slow way */
#define PEER_NS		(8 * AV_NS_PER_S)	/* ordered, asked and told */

struct quorum_check {
	struct quorum_check *next;
	struct quorum	*q;
	json_t		*cmd;
	quorum_done_fn	 done;
	void		*arg;
	struct arbiter	*arbiter;	/* while it is asked here */
	bool		 over;		/* free it at the next pass */
	json_t		*result;	/* ordered: waiting for the peer */
	uint64_t	 until_ns;
	char		 dir[QUORUM_PATH_MAX];
};

static void
finish(struct quorum_check *k, int rc, json_t *result, const struct av_err *err)
{
	k->over = true;
	k->done(k->arg, rc, result, err);
}

static void
on_ordered(void *arg, int rc, json_t *result, const struct av_err *err)
{
	struct quorum_check *k = arg;

	if (rc < 0) {
		finish(k, rc, result, err);
		return;
	}
	k->result = json_deep_copy(result);
	k->until_ns = av_clock_ns() + av_scaled_ns(k->q->conf->time_scale,
	    PEER_NS);
}

static int
refuse(struct av_err *err, const char *where, const char *text)
{
	return av_err_code(err, -EHOSTUNREACH, "quorum-unusable",
	    "%s can't use this quorum server: %s", where,
	    text[0] != '\0' ? text : "It doesn't answer.");
}

static const char *
self_name(const struct quorum *q)
{
	return q->conf->node == 0 ? "node0" : "node1";
}

static const char *
peer_name(const struct quorum *q)
{
	return q->conf->node == 0 ? "node1" : "node0";
}

static void
on_asked(void *arg, const struct arbiter_answer *a)
{
	struct quorum_check *k = arg;
	struct quorum *q = k->q;
	struct av_err err = { 0 };
	char text[300];
	int rc;

	quorum_files_remove(k->dir);
	if (a->state != ARBITER_OK && a->state != ARBITER_EMPTY) {
		rc = refuse(&err, self_name(q), a->text);
		finish(k, rc, NULL, &err);
		return;
	}
	if (a->have_record && a->record.gen > q->own_gen) {
		(void)snprintf(text, sizeof(text), "It knows this unit at "
		    "generation %" PRIu64 ", newer than %" PRIu64 " here: "
		    "remove that key there first.", a->record.gen, q->own_gen);
		rc = refuse(&err, self_name(q), text);
		finish(k, rc, NULL, &err);
		return;
	}
	rc = q->ops->submit(q->ctx, k->cmd, on_ordered, k, &err);
	if (rc < 0)
		finish(k, rc, NULL, &err);
}

static const char *
pem(const json_t *args, const char *key)
{
	const char *s = json_string_value(json_object_get(args, key));

	return s != NULL ? s : "";
}

int
quorum_add_checked(struct quorum *q, json_t *cmd, quorum_done_fn done,
    void *arg, struct av_err *err)
{
	const json_t *args = json_object_get(cmd, "args");
	struct quorum_check *k = calloc(1, sizeof(*k));
	struct arbiter_conf ac = { .kind = pem(args, "kind"),
		.address = pem(args, "address"),
		.unit_uuid = q->conf->unit_uuid, .node = q->conf->node,
		.timeout_ns = av_scaled_ns(q->conf->time_scale, ASK_NS) };
	int rc = 0;

	if (k == NULL)
		return av_err_set(err, -ENOMEM, "quorum: no memory");
	if (ac.kind[0] == '\0')
		ac.kind = "etcd";
	k->q = q;
	k->done = done;
	k->arg = arg;
	(void)snprintf(k->dir, sizeof(k->dir), "%.300s/quorum/check-%u",
	    q->conf->state_dir, ++q->n_checks);
	if (pem(args, "ca")[0] != '\0' || pem(args, "cert")[0] != '\0') {
		ac.tls_dir = k->dir;
		rc = quorum_files_write(q, k->dir, pem(args, "ca"),
		    pem(args, "cert"), pem(args, "key"), err);
	}
	if (rc == 0 && strcmp(ac.kind, "etcd") != 0 &&
	    strcmp(ac.kind, "ping") != 0)
		rc = av_err_set(err, -EINVAL, "kind");
	if (rc == 0)
		rc = arbiter_open(q->event, &ac, on_asked, k, &k->arbiter,
		    err);
	if (rc == 0)
		rc = arbiter_probe(k->arbiter, err);
	if (rc < 0) {	/* what isn't an address: the database says why */
		k->arbiter = arbiter_close(k->arbiter);
		quorum_files_remove(k->dir);
		free(k);
		return q->ops->submit(q->ctx, cmd, done, arg, err);
	}
	k->cmd = json_incref(cmd);
	k->next = q->checks;
	q->checks = k;
	return 0;
}

/* --- the peer's word --- */

static void
forget(void *arg, int rc)
{
	(void)arg;
	(void)rc;	/* it stays then, with an alert that says what it lacks */
}

static void
not_asked(struct quorum_check *k)
{
	json_t *list = json_object_get(k->result, "warnings");
	char text[160];

	(void)snprintf(text, sizeof(text), "%s isn't there or hasn't asked "
	    "it yet: whether it reaches this quorum server isn't known",
	    peer_name(k->q));
	if (list == NULL) {
		list = json_array();
		(void)json_object_set_new(k->result, "warnings", list);
	}
	(void)json_array_append_new(list, json_pack("{s:s,s:s,s:{s:s}}",
	    "code", "quorum-unchecked", "text", text, "params", "node",
	    peer_name(k->q)));
}

static void
look_at_peer(struct quorum_check *k)
{
	struct quorum *q = k->q;
	const json_t *facts = q->ops->facts(q->ctx, 1 - q->conf->node);
	json_t *id = json_object_get(k->result, "id");
	const json_t *says = json_object_get(json_object_get(json_object_get(
	    facts, "quorum"), "servers"), id != NULL ?
	    json_string_value(id) : "");
	const char *state = pem(says, "state");
	struct av_err err = { 0 };
	int rc;

	if (strcmp(state, "ok") == 0) {
		finish(k, 0, k->result, &err);
	} else if (facts == NULL || av_clock_ns() >= k->until_ns) {
		not_asked(k);
		finish(k, 0, k->result, &err);
	} else if (state[0] != '\0' && strcmp(state, "unknown") != 0) {
		q->ops->order(q->ctx, "quorum.remove", json_pack("{s:O}",
		    "server", id), forget, NULL);
		rc = refuse(&err, peer_name(q), pem(says, "text"));
		finish(k, rc, NULL, &err);
	}
}

static void
check_free(struct quorum_check *k)
{
	k->arbiter = arbiter_drop(k->arbiter);
	json_decref(k->cmd);
	json_decref(k->result);
	free(k);
}

void
quorum_checks_step(struct quorum *q)
{
	struct quorum_check **at = &q->checks;

	while (*at != NULL) {
		struct quorum_check *k = *at;

		if (!k->over && k->result != NULL)
			look_at_peer(k);
		if (!k->over) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		check_free(k);
	}
}

void
quorum_checks_dispose(struct quorum *q)
{
	struct av_err err = { .rc = -ECANCELED, .code = "unavailable",
		.text = "the agent is stopping" };

	while (q->checks != NULL) {
		struct quorum_check *k = q->checks;

		q->checks = k->next;
		if (!k->over && k->arbiter != NULL && k->result == NULL)
			quorum_files_remove(k->dir);
		if (!k->over)
			finish(k, -ECANCELED, NULL, &err);
		check_free(k);
	}
}
