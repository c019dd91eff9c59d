/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/volumes_split.c - volumes after both PMs ran alone: what each leg
 *			       holds, giving one up, copying the kept one over
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "nodeagent/split.h"
#include "nodeagent/volumes_impl.h"

int
volume_kept(const struct volume *v)
{
	return v->vs->ops->kept == NULL ? -1 :
	    v->vs->ops->kept(v->vs->ctx, v->row.id);
}

/* After a split, data of the PM that follows goes to the owner first: it is primary
 * there, without a guest, until both legs have it. */
bool
volume_split_steer(struct volume *v, const struct mirror_status *st)
{
	int keep = volume_kept(v);
	bool lead = keep == v->vs->conf->node &&
	    v->vs->right.kind == RIGHT_FOLLOW;

	if (keep < 0)
		return false;
	if (lead && st->role != MIRROR_PRIMARY)
		volume_order_primary(v, false);
	else if (!lead && st->role == MIRROR_PRIMARY &&
	    !volume_in_use(v))
		volume_order_secondary(v);
	return true;
}

static json_t *
split_fact(const struct volume *v, const struct mirror_status *st)
{
	char identity[17], base[17], path[400], utc[32] = "";
	struct stat sb;

	(void)snprintf(identity, sizeof(identity), "%016" PRIx64,
	    st->gi.current);
	(void)snprintf(base, sizeof(base), "%016" PRIx64, st->gi.bitmap);
	(void)snprintf(path, sizeof(path), "%s/vol-%s.data", v->vs->dir,
	    volume_short_id(v));
	if (stat(path, &sb) == 0)
		av_clock_format_utc((int64_t)sb.st_mtim.tv_sec * 1000, utc,
		    sizeof(utc));
	return json_pack("{s:s,s:s,s:s,s:I,s:s,s:s}", "uuid", v->row.uuid,
	    "identity", identity, "base", base, "changed_bytes",
	    (json_int_t)st->out_of_step_bytes, "written_utc", utc, "disk",
	    mirror_disk_name(st->disk));
}

json_t *
volumes_split_facts(const struct volumes *vs)
{
	json_t *all = json_object();
	const struct volume *v;

	for (v = vs->list; all != NULL && v != NULL; v = v->next)
		if (volume_live_status(v) != NULL)
			(void)json_object_set_new(all, v->row.id,
			    split_fact(v, volume_live_status(v)));
	return all;
}

bool
volumes_discard(struct volumes *vs, const char *volume_id, const char *base)
{
	struct volume *v = volume_find(vs, volume_id);
	uint8_t b[8] = { 0 };
	uint64_t value = 0;
	struct av_err err = { 0 };
	size_t i;

	if (v == NULL || volume_live_status(v) == NULL)
		return false;
	/* up to date again: that was another split */
	v->discarded = v->discarded &&
	    volume_live_status(v)->disk != MIRROR_DISK_UPTODATE;
	if (v->discarded)
		return true;
	if (v->op_busy || av_clock_ns() < v->retry_ns ||
	    volume_live_status(v)->role == MIRROR_PRIMARY)
		return false;
	if (base == NULL || av_hex_decode(base, b, sizeof(b)) < 0)
		memset(b, 0, sizeof(b));	/* then all is copied */
	for (i = 0; i < sizeof(b); i++)
		value = value << 8 | b[i];
	volume_order_end(v, mirror_discard(v->m,
	    volume_order_begin(v, "discard"), value, &err), &err);
	return false;
}

bool
volumes_split_copied(const struct volumes *vs, const char *volume_id,
    bool keeper, const json_t *peer_facts)
{
	const struct mirror_status *st = volume_live_status(volume_find(vs, volume_id));
	const json_t *peer = json_object_get(json_object_get(peer_facts,
	    "volumes"), volume_id);
	const char *role = json_string_value(json_object_get(peer, "role"));

	return st != NULL && split_is_copied(st, keeper, role != NULL ? role :
	    "");
}
