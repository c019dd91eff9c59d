/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/split.c - both PMs ran alone: a person's choice is carried out
 */
#include "nodeagent/split.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "nodeagent/agent.h"
#include "nodeagent/store_sql.h"

#define FILE_MAX	65536u

struct split {
	char	*path;
	char	 unit[40];
	json_t	*decided;	/* "unit" and volume ids -> "node0" or "node1" */
	json_t	*done;		/* "VOLUME" -> "discarded" or "copied" */
	char	 of[48];	/* which split: both generations, node0's first */
	char	 bad[512];	/* the file can't be used: why */
};

static const char *
node_name(int node)
{
	return node == 0 ? "node0" : "node1";
}

static int
node_of(const json_t *v)
{
	const char *s = json_string_value(v);

	return s == NULL ? -1 : strcmp(s, "node0") == 0 ? 0 : 1;
}

/* --- the file --- */

static int
save(struct split *s, struct av_err *err)
{
	AUTO_JSON json_t *j = json_pack("{s:i,s:s,s:s,s:O,s:O}", "version", 1,
	    "unit", s->unit, "of", s->of, "decided", s->decided, "done",
	    s->done);
	AUTO_FREE char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "split: no memory");
	return av_file_write(s->path, text, strlen(text), 0600, err);
}

static void
load(struct split *s)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON json_t *j = NULL;
	struct av_err err = { 0 };
	const char *of;
	int rc = av_file_read(s->path, FILE_MAX, &text, NULL, &err);

	if (rc == -ENOENT)
		return;
	if (rc == 0)
		rc = split_parse(text, s->unit, &j, &err);
	if (rc < 0) {
		/* nothing is done by it; the person is asked again */
		(void)snprintf(s->bad, sizeof(s->bad), "%s: %s", s->path,
		    err.text);
		log_err("unit", "the choice after a split can't be used: %s",
		    s->bad);
		return;
	}
	json_decref(s->decided);
	json_decref(s->done);
	s->decided = json_incref(json_object_get(j, "decided"));
	s->done = json_incref(json_object_get(j, "done"));
	of = json_string_value(json_object_get(j, "of"));
	(void)snprintf(s->of, sizeof(s->of), "%s", of ? of : "");
}

int
split_open(const char *state_dir, const char *unit_uuid, struct split **ret,
    struct av_err *err)
{
	struct split *s = calloc(1, sizeof(*s));

	if (s == NULL || asprintf(&s->path, "%s/split", state_dir) < 0) {
		free(s);
		return av_err_set(err, -ENOMEM, "split: no memory");
	}
	(void)snprintf(s->unit, sizeof(s->unit), "%s", unit_uuid);
	s->decided = json_object();
	s->done = json_object();
	load(s);
	*ret = s;
	return 0;
}

struct split *
split_close(struct split *s)
{
	if (s == NULL)
		return NULL;
	json_decref(s->decided);
	json_decref(s->done);
	free(s->path);
	free(s);
	return NULL;
}

static void
forget(struct split *s)
{
	if (unlink(s->path) < 0 && errno != ENOENT)
		log_warn("unit", "%s: %s", s->path, strerror(errno));
	(void)json_object_clear(s->decided);
	(void)json_object_clear(s->done);
	s->bad[0] = s->of[0] = '\0';
}

static bool
any(const struct split *s)
{
	return json_object_size(s->decided) > 0;
}

/* --- facts --- */

static bool
is_split(const struct agent *a)
{
	return order_role(a->order)->state == ROLE_SPLIT;
}

static json_t *
peer_part(const struct agent *a)
{
	return json_object_get(a->facts[1 - a->conf.node], "split");
}

static json_t *
last_change(const struct store *st)
{
	int64_t ms = 0;
	char utc[32];

	if (sql_get_int(st, &ms, NULL, "SELECT max(at_ms) FROM audit", "") < 0 ||
	    ms == 0)
		return json_null();
	av_clock_format_utc(ms, utc, sizeof(utc));
	return json_string(utc);
}

static bool
all_discarded(const struct agent *a)
{
	const struct split *s = a->split;
	const char *id;
	json_t *v;

	json_object_foreach(s->decided, id, v)
		if (strcmp(id, "unit") != 0 && node_of(v) != a->conf.node &&
		    json_object_get(s->done, id) == NULL)
			return false;
	return true;
}

json_t *
split_facts(struct agent *a)
{
	struct store_position pos;
	struct split *s = a->split;

	if (!is_split(a) && !any(s))
		return json_null();
	store_position(a->store, &pos);
	return json_pack("{s:b,s:s,s:O,s:b,s:s,s:o,s:{s:I,s:o,s:I}}", "now",
	    is_split(a), "of", s->of, "decided", s->decided, "discarded", any(s) &&
	    all_discarded(a), "bad", s->bad, "volumes",
	    volumes_split_facts(a->volumes), "database", "sequence",
	    (json_int_t)pos.seq, "changed_utc", last_change(a->store),
	    "generation", (json_int_t)order_role(a->order)->rec.gen);
}

int
split_kept(struct agent *a, const char *volume_id)
{
	const struct split *s = a->split;
	int keep = node_of(json_object_get(s->decided, volume_id));
	int owner = node_of(json_object_get(s->decided, "unit"));
	const char *done = json_string_value(json_object_get(s->done,
	    volume_id));

	/* the PM that has it runs the unit after all: nothing to copy first */
	if (keep == a->conf.node && a->right.kind == RIGHT_ALONE)
		return -1;
	if (keep < 0 || owner < 0 || keep == owner ||
	    (done != NULL && strcmp(done, "copied") == 0))
		return -1;
	return keep;
}

/* --- steps --- */

/* Copied over: the keeper's leg may go back to being an ordinary one. */
static void
note_copied(struct agent *a)
{
	struct split *s = a->split;
	const char *id;
	json_t *v;
	void *next;
	bool changed = false;

	json_object_foreach_safe(s->decided, next, id, v) {
		bool keeper = node_of(v) == a->conf.node;

		if (strcmp(id, "unit") == 0 || split_kept(a, id) < 0 ||
		    (!keeper && json_object_get(s->done, id) == NULL) ||
		    !volumes_split_copied(a->volumes, id, keeper,
		    a->facts[1 - a->conf.node]))
			continue;
		(void)json_object_set_new(s->done, id, json_string("copied"));
		changed = true;
		log_notice(id, "the kept copy is on both PMs");
	}
	if (changed)
		(void)save(s, NULL);	/* found again after a crash */
}

static void
discard_legs(struct agent *a)
{
	struct split *s = a->split;
	json_t *theirs = json_object_get(peer_part(a), "volumes");
	struct av_err err = { 0 };
	const char *id;
	json_t *v;
	bool changed = false;

	json_object_foreach(s->decided, id, v) {
		const char *base = json_string_value(json_object_get(
		    json_object_get(theirs, id), "base"));

		if (strcmp(id, "unit") == 0 || node_of(v) == a->conf.node ||
		    json_object_get(s->done, id) != NULL ||
		    !volumes_discard(a->volumes, id, base))
			continue;
		(void)json_object_set_new(s->done, id,
		    json_string("discarded"));
		changed = true;
		log_notice(id, "this PM's copy was discarded: %s is kept",
		    json_string_value(v));
	}
	if (changed && save(s, &err) < 0)
		log_err("unit", "%s", err.text);
}

static void
carry_out(struct agent *a)
{
	struct split *s = a->split;
	int owner = node_of(json_object_get(s->decided, "unit"));
	json_t *peer = peer_part(a);
	struct role_hello hello;

	if (a->right.kind != RIGHT_NONE) {
		log_warn("unit", "a person has chosen: guests are stopped, "
		    "copies that aren't kept are discarded");
		a->right = (struct right){ .kind = RIGHT_NONE };
		agent_kick(a);
		return;
	}
	if (!guests_none(a->guests) || !volumes_all_secondary(a->volumes))
		return;
	discard_legs(a);
	if (!all_discarded(a))
		return;
	if (owner != a->conf.node)
		order_resolve(a->order, owner);
	else if (json_is_true(json_object_get(peer, "discarded")) &&
	    order_peer_hello(a->order, &hello) &&
	    hello.rec.mode == ROLE_MODE_OUTDATED)
		order_resolve(a->order, owner);
}

/* Is the peer's choice of the same split as ours? */
static bool
same_split(const struct split *s, const json_t *peer)
{
	const char *of = json_string_value(json_object_get(peer, "of"));

	return of != NULL && s->of[0] != '\0' && strcmp(of, s->of) == 0;
}

static bool
is_carried_out(const struct split *s, const struct role_record *rec)
{
	int owner = node_of(json_object_get(s->decided, "unit"));
	char gave_up[24];
	size_t n, len = strlen(s->of);

	if (owner < 0 || rec[1 - owner].mode != ROLE_MODE_OUTDATED)
		return false;
	n = (size_t)snprintf(gave_up, sizeof(gave_up),
	    owner == 0 ? ":%" PRIu64 : "%" PRIu64 ":", rec[1 - owner].gen);
	return n < len && memcmp(owner == 0 ? s->of + len - n : s->of, gave_up,
	    n) == 0;
}

void
split_is_of(struct split *s, const struct role_record *rec)
{
	char of[sizeof(s->of)];

	(void)snprintf(of, sizeof(of), "%" PRIu64 ":%" PRIu64, rec[0].gen,
	    rec[1].gen);
	if (strcmp(of, s->of) == 0 || is_carried_out(s, rec))
		return;
	if (any(s)) {
		log_warn("unit", "the choice after the split before this one "
		    "is void: a person chooses again");
		forget(s);
	}
	(void)snprintf(s->of, sizeof(s->of), "%s", of);
}

/* False: not known yet which split this is. */
static bool
of_this_split(struct agent *a)
{
	struct role_record rec[2];
	struct role_hello hello;

	if (!order_peer_hello(a->order, &hello))
		return false;
	rec[a->conf.node] = order_role(a->order)->rec;
	rec[1 - a->conf.node] = hello.rec;
	split_is_of(a->split, rec);
	return true;
}

bool
split_hear(struct split *s, const json_t *peer, int self)
{
	AUTO_JSON json_t *before = json_deep_copy(s->decided);
	struct av_err err = { 0 };

	if (!same_split(s, peer) || !split_merge(s->decided,
	    json_object_get(peer, "decided"), self))
		return false;
	if (save(s, &err) < 0) {	/* not durable: it wasn't said */
		json_decref(s->decided);
		s->decided = TAKE_PTR(before);
		log_err("unit", "%s", err.text);
		return false;
	}
	log_notice("unit", "the other PM was told a choice after the split");
	return true;
}

const json_t *
split_peek_decided(const struct split *s)
{
	return s->decided;
}

void
split_reconcile(struct agent *a)
{
	struct split *s = a->split;
	AUTO_JSON json_t *mine = NULL;
	json_t *peer = peer_part(a);
	enum role_state state = order_role(a->order)->state;

	if (state == ROLE_TOGETHER && any(s)) {
		forget(s);
		return;
	}
	if (any(s) && state != ROLE_SPLIT)
		note_copied(a);
	if (state != ROLE_SPLIT)
		return;
	if (!of_this_split(a))
		return;
	(void)split_hear(s, peer, a->conf.node);
	if (!any(s))
		return;
	mine = volumes_split_facts(a->volumes);
	/* alike on both, as the other one's facts say: then it stands */
	if (same_split(s, peer) &&
	    json_equal(s->decided, json_object_get(peer, "decided")) &&
	    split_complete(s->decided, mine, json_object_get(peer, "volumes")))
		carry_out(a);
}

/* --- a person decides --- */

static int
decide_volume(json_t *set, const struct agent *a, const char *id, int keep,
    const json_t *mine)
{
	const json_t *theirs = json_object_get(peer_part(a), "volumes");

	if (!split_differs(id, mine, theirs))
		return 0;
	return json_object_set_new(set, id, json_string(node_name(keep))) < 0 ?
	    -ENOMEM : 1;
}

/* Volumes of a VM, or one volume, that need a choice; how many. */
static int
find_volumes(const struct agent *a, const char *object, int keep,
    const json_t *mine, json_t *set, struct av_err *err)
{
	char id_text[STORE_ID_MAX];
	struct store_vm vm;
	int64_t id;
	unsigned i;
	int n = 0;

	if (store_find(a->store, KIND_VOLUME, object, &id, NULL) == 0) {
		store_id_format(KIND_VOLUME, id, id_text, sizeof(id_text));
		return decide_volume(set, a, id_text, keep, mine);
	}
	if (store_find(a->store, KIND_VM, object, &id, NULL) < 0)
		return av_err_code(err, -ENOENT, "not-found", "there is no "
		    "volume or VM '%.120s' on this PM", object);
	store_id_format(KIND_VM, id, id_text, sizeof(id_text));
	if (store_get_vm(a->store, id_text, &vm) < 0)
		return av_err_code(err, -EIO, "internal", "can't read %s",
		    id_text);
	for (i = 0; i < vm.n_disks; i++)
		n += decide_volume(set, a, vm.disks[i].volume_id, keep,
		    mine) > 0;
	return n;
}

static int
may_decide(struct agent *a, struct av_err *err)
{
	if (!is_split(a))
		return av_err_code(err, -EPERM, "wrong-state", "the unit isn't "
		    "split: there is nothing to decide");
	if (!json_is_object(json_object_get(peer_part(a), "volumes")) ||
	    !of_this_split(a))
		return av_err_code(err, -EAGAIN, "waiting-for-peer", "the other "
		    "PM isn't heard: what it holds can't be compared");
	return 0;
}

int
split_decide(struct agent *a, const char *object, int keep, bool dry_run,
    json_t **ret_result, struct av_err *err)
{
	AUTO_JSON json_t *mine = volumes_split_facts(a->volumes);
	AUTO_JSON json_t *set = json_object();
	AUTO_JSON json_t *fresh = json_deep_copy(a->split->decided);
	json_t *old = a->split->decided;
	int rc = may_decide(a, err), n = 1;

	if (rc < 0)
		return rc;
	if (split_complete(old, mine, json_object_get(peer_part(a),
	    "volumes")))
		return av_err_code(err, -EPERM, "wrong-state", "all is decided "
		    "and is being carried out");
	if (strcmp(object, "unit") == 0)
		(void)json_object_set_new(set, "unit",
		    json_string(node_name(keep)));
	else
		n = find_volumes(a, object, keep, mine, set, err);
	if (n < 0)
		return n;
	if (n == 0)
		return av_err_code(err, -EPERM, "wrong-state", "'%.120s' is the "
		    "same on both PMs: there is nothing to decide", object);
	*ret_result = json_pack("{s:O,s:s,s:b}", "decided", set, "keep",
	    node_name(keep), "dry_run", dry_run);
	if (dry_run)
		return 0;
	(void)json_object_update(fresh, set);
	a->split->decided = fresh;
	rc = save(a->split, err);
	if (rc < 0) {
		a->split->decided = old;
		return rc;
	}
	fresh = old;		/* goes with the scope */
	agent_kick(a);
	return 0;
}
