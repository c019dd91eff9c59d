/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/view_split.c - what each PM holds after a split
 */
#include <string.h>

#include "nodeagent/split.h"
#include "nodeagent/view_impl.h"

static const json_t *
part(const json_t *const facts[2], int self, int node)
{
	const json_t *p = json_object_get(view_heard(facts, self, node),
	    "split");

	return json_is_object(p) ? p : NULL;
}

static json_t *
side(const json_t *volumes, const char *id)
{
	json_t *v = json_object_get(volumes, id);

	return json_is_object(v) ? json_pack("{s:o,s:o,s:o}", "changed_bytes",
	    view_copy(v, "changed_bytes"), "written_utc",
	    view_copy(v, "written_utc"), "disk", view_copy(v, "disk")) :
	    json_null();
}

struct build {
	const struct store *st;
	const json_t	*volumes[2], *decided;
	int		 self;
	json_t		*list;
};

static int
add_volume(void *arg, const struct store_volume *vol)
{
	struct build *b = arg;
	struct store_vm vm = { 0 };
	json_t *o;
	bool differs = split_differs(vol->id, b->volumes[b->self],
	    b->volumes[1 - b->self]);

	if (vol->vm_id[0] != '\0')
		(void)store_get_vm(b->st, vol->vm_id, &vm);
	o = json_pack("{s:s,s:s,s:o,s:b,s:o,s:{s:o,s:o}}", "id", vol->id,
	    "name", vol->name, "vm", vm.name[0] != '\0' ? json_pack(
	    "{s:s,s:s}", "id", vm.id, "name", vm.name) : json_null(),
	    "differs", differs, "keep", view_copy(b->decided, vol->id),
	    "nodes", "node0", side(b->volumes[0], vol->id), "node1",
	    side(b->volumes[1], vol->id));
	return json_array_append_new(b->list, o);
}

static json_t *
database(const json_t *p)
{
	const json_t *d = json_object_get(p, "database");

	return d != NULL ? json_pack("{s:o,s:o,s:o}", "generation",
	    view_copy(d, "generation"), "sequence", view_copy(d, "sequence"),
	    "changed_utc", view_copy(d, "changed_utc")) : json_null();
}

static const char *
stage(const json_t *const p[2], const struct build *b)
{
	if (p[0] == NULL && p[1] == NULL)
		return "none";
	if (!json_is_true(json_object_get(p[0], "now")) &&
	    !json_is_true(json_object_get(p[1], "now")))
		return "copying";
	if (!split_complete(b->decided, b->volumes[b->self],
	    b->volumes[1 - b->self]))
		return "deciding";
	if (!json_equal(json_object_get(p[0], "decided"),
	    json_object_get(p[1], "decided")))
		return "agreeing";
	return "carrying-out";
}

json_t *
split_info(const struct store *st, const json_t *const facts[2], int self)
{
	const json_t *const p[2] = { part(facts, self, 0),
		part(facts, self, 1) };
	struct build b = { .st = st, .self = self, .volumes = {
		json_object_get(p[0], "volumes"),
		json_object_get(p[1], "volumes") },
		.decided = json_object_get(p[self], "decided"),
		.list = json_array() };
	bool now = strcmp(view_role(facts, self, self), "split") == 0;

	if (p[self] != NULL && store_each_volume(st, add_volume, &b) != 0) {
		json_decref(b.list);
		return NULL;
	}
	return json_pack("{s:b,s:s,s:o,s:{s:o,s:o,s:o},s:s}", "split", now,
	    "stage", stage(p, &b), "volumes", b.list, "unit", "keep",
	    view_copy(b.decided, "unit"), "node0", database(p[0]), "node1",
	    database(p[1]), "problem", view_text(p[self], "bad", NULL));
}
