/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/split_plan.c - a person's choice after a split: the pure part
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "nodeagent/split.h"

static bool
is_node(const json_t *v)
{
	const char *s = json_string_value(v);

	return s != NULL && (strcmp(s, "node0") == 0 ||
	    strcmp(s, "node1") == 0);
}

bool
split_merge(json_t *own, const json_t *peers, int self)
{
	const char *key;
	json_t *theirs;
	bool changed = false;

	json_object_foreach((json_t *)(uintptr_t)peers, key, theirs) {
		const json_t *mine = json_object_get(own, key);

		if (!is_node(theirs) || (mine != NULL &&
		    (self == 0 || json_equal(mine, theirs))))
			continue;
		(void)json_object_set(own, key, theirs);
		changed = true;
	}
	return changed;
}

static const char *
text(const json_t *volumes, const char *id, const char *key)
{
	const char *s = json_string_value(json_object_get(json_object_get(
	    volumes, id), key));

	return s != NULL ? s : "";
}

bool
split_differs(const char *id, const json_t *mine, const json_t *theirs)
{
	const char *uuid = text(mine, id, "uuid");

	return uuid[0] != '\0' && strcmp(uuid, text(theirs, id, "uuid")) == 0 &&
	    strcmp(text(mine, id, "identity"),
	    text(theirs, id, "identity")) != 0;
}

bool
split_complete(const json_t *decided, const json_t *mine, const json_t *theirs)
{
	const char *id;
	json_t *v;

	if (!is_node(json_object_get(decided, "unit")) ||
	    !json_is_object(mine) || !json_is_object(theirs))
		return false;
	json_object_foreach((json_t *)(uintptr_t)mine, id, v)
		if (split_differs(id, mine, theirs) &&
		    !is_node(json_object_get(decided, id)))
			return false;
	return true;
}

bool
split_is_copied(const struct mirror_status *st, bool keeper,
    const char *peer_role)
{
	if (st->disk != MIRROR_DISK_UPTODATE)
		return false;
	return keeper ? st->conn == MIRROR_CONNECTED &&
	    st->peer_disk == MIRROR_DISK_UPTODATE :
	    st->role == MIRROR_SECONDARY &&
	    strcmp(peer_role, "secondary") == 0;
}

int
split_parse(const char *s, const char *unit_uuid, json_t **ret,
    struct av_err *err)
{
	AUTO_JSON json_t *j = json_loads(s, JSON_REJECT_DUPLICATES, NULL);
	const char *unit = json_string_value(json_object_get(j, "unit"));
	const char *key;
	json_t *v;

	if (json_integer_value(json_object_get(j, "version")) != 1 ||
	    !json_is_object(json_object_get(j, "decided")) ||
	    !json_is_object(json_object_get(j, "done")))
		return av_err_set(err, -EBADMSG, "it is damaged or of another "
		    "version");
	if (unit == NULL || strcmp(unit, unit_uuid) != 0)
		return av_err_set(err, -EBADMSG, "it is another unit's");
	json_object_foreach(json_object_get(j, "decided"), key, v)
		if (!is_node(v))
			return av_err_set(err, -EBADMSG, "it is damaged");
	*ret = TAKE_PTR(j);
	return 0;
}
