/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_status.c - what DRBD says -> struct mirror_status
 *
 *   role  connection              suspended   -> conn
 *   any   SyncTarget              any            resync-target
 *   pri   Connected               no             connected
 *   sec ordered to be primary, else              primary, connecting
 *   any   SyncSource              any            resync-source
 *   sec   Connected, peer pri     any            connected
 *   sec   Connected, peer sec     any            disconnected (nothing is in
 *                                                force without a primary)
 *   any   StandAlone or none, and DRBD called
 *         its split-brain handler                split
 *   pri   else                    yes            held
 *   pri   else                    no             disconnected, alone
 *   sec   else                                   disconnected
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mirror/drbd.h"

bool
drbd_is_sync(enum drbd_repl r)
{
	return r >= DRBD_R_BEFORE_SOURCE && r <= DRBD_R_TARGET;
}

bool
drbd_is_connected(const struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;

	return m->connection && m->cstate == DRBD_C_CONNECTED &&
	    m->repl != DRBD_R_OFF && m->repl != DRBD_R_UNKNOWN;
}

static enum mirror_disk
map_disk(enum drbd_disk disk)
{
	switch (disk) {
	case DRBD_D_DISKLESS:
	case DRBD_D_FAILED:
		return MIRROR_DISK_FAILED;
	case DRBD_D_INCONSISTENT:
		return MIRROR_DISK_INCONSISTENT;
	case DRBD_D_OUTDATED:
		return MIRROR_DISK_OUTDATED;
	case DRBD_D_CONSISTENT:	/* good, as far as this PM knows */
	case DRBD_D_UPTODATE:
		return MIRROR_DISK_UPTODATE;
	case DRBD_D_UNKNOWN:
	case DRBD_D_ATTACHING:
	default:
		return MIRROR_DISK_UNKNOWN;
	}
}

/* A peer's disk is known while connected; what DRBD keeps of it later ("DUnknown",
 * "Outdated") is the owner's business in peer_outdated.  A connected peer is
 * "Consistent" only until the copying to it begins. */
static enum mirror_disk
map_peer_disk(const struct drbd *d)
{
	if (!drbd_is_connected(d))
		return MIRROR_DISK_UNKNOWN;
	return d->ev.now.peer_disk == DRBD_D_CONSISTENT ?
	    MIRROR_DISK_OUTDATED : map_disk(d->ev.now.peer_disk);
}

static bool
is_split(const struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;

	/* the module drops the connection altogether when it breaks it off */
	return m->split_brain && d->st.wants_connect && d->jobs == NULL &&
	    (!m->connection || m->cstate == DRBD_C_STANDALONE);
}

static enum mirror_conn
map_conn(const struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;
	bool primary = m->role == DRBD_ROLE_PRIMARY;

	if (drbd_is_connected(d)) {
		/* nobody serves yet */
		if (d->want_primary && !primary &&
		    m->repl != DRBD_R_TARGET && m->repl != DRBD_R_BEFORE_TARGET)
			return MIRROR_CONNECTING;
		if (drbd_is_sync(m->repl))
			return m->repl == DRBD_R_SOURCE ||
			    m->repl == DRBD_R_BEFORE_SOURCE ?
			    MIRROR_RESYNC_SOURCE : MIRROR_RESYNC_TARGET;
		if (primary)
			return m->suspended != 0 ? MIRROR_HELD :
			    map_disk(m->disk) == MIRROR_DISK_FAILED ?
			    MIRROR_DISKLESS : MIRROR_CONNECTED;
		if (m->peer_role == DRBD_ROLE_PRIMARY)
			return map_disk(m->peer_disk) == MIRROR_DISK_FAILED ?
			    MIRROR_DISKLESS : MIRROR_CONNECTED;
		return MIRROR_DISCONNECTED;
	}
	if (is_split(d))
		return MIRROR_SPLIT;
	if (primary)
		return m->suspended != 0 ? MIRROR_HELD : MIRROR_DISCONNECTED;
	return d->want_primary ? MIRROR_CONNECTING : MIRROR_DISCONNECTED;
}

static void
say(struct mirror_status *st, const char *code, const char *text)
{
	(void)snprintf(st->error_code, sizeof(st->error_code), "%s", code);
	(void)snprintf(st->error_text, sizeof(st->error_text), "%s", text);
}

static void
map_error(struct drbd *d)
{
	const struct drbd_model *m = &d->ev.now;

	if (d->st.conn == MIRROR_SPLIT)
		say(&d->st, "split",
		    "both legs hold data that the other hasn't");
	else if (d->st.disk == MIRROR_DISK_FAILED)
		say(&d->st, "disk-error", "this PM's leg has failed");
	else if (d->st.conn == MIRROR_HELD)
		say(&d->st, "peer-lost", (m->suspended & DRBD_SUSP_NO_DATA) ?
		    "no good copy can be reached" :
		    "the peer is lost; writes wait");
	else if (d->st.conn == MIRROR_CONNECTING && d->promote_text[0] != '\0')
		say(&d->st, "wrong-state", d->promote_text);
	else if (d->st.server == MIRROR_SERVER_UP)
		say(&d->st, "", "");
}

/* DRBD tells what is left; how much there was is seen at the beginning. */
static bool
map_resync(struct drbd *d)
{
	struct mirror_status *st = &d->st;
	const struct drbd_model *m = &d->ev.now;
	bool was = drbd_is_sync(d->last_repl), is = drbd_is_sync(m->repl);
	uint64_t now = av_clock_ns(), left = m->out_of_step_kib, gone, ms;

	d->last_repl = m->repl;
	st->out_of_step_bytes = left << 10;
	if (!is) {
		st->resync_speed_kib_s = 0;
		if (was && drbd_is_connected(d)) {
			st->resync_copied_bytes = st->resync_total_bytes;
			st->resync_percent = 100;
			st->resync_eta_s = 0;
			st->resync_count++;
		}
		return was;
	}
	if (!was || left > d->sync_from_kib) {
		d->sync_from_ns = now;
		d->sync_from_kib = left;
	}
	gone = d->sync_from_kib - left;
	st->resync_total_bytes = d->sync_from_kib << 10;
	st->resync_copied_bytes = gone << 10;
	st->resync_percent = d->sync_from_kib == 0 ? 0 :
	    (uint32_t)(gone * 100 / d->sync_from_kib);
	ms = (now - d->sync_from_ns) / AV_NS_PER_MS;
	st->resync_speed_kib_s = ms == 0 || m->resync_suspended ? 0 :
	    gone * 1000 / ms;
	st->resync_eta_s = gone == 0 || m->resync_suspended ? 0 :
	    (uint64_t)((double)left * (double)ms / (double)gone / 1000) + 1;
	return false;
}

bool
drbd_status_map(struct drbd *d)
{
	struct mirror_status *st = &d->st;
	const struct drbd_model *m = &d->ev.now;
	bool primary = m->role == DRBD_ROLE_PRIMARY;
	bool ended;

	st->role = primary || d->want_primary ? MIRROR_PRIMARY :
	    MIRROR_SECONDARY;
	st->conn = map_conn(d);
	st->disk = map_disk(m->disk);
	st->peer_disk = map_peer_disk(d);
	st->alone = primary && !drbd_is_connected(d) && m->suspended == 0;
	st->peer_connected = primary && drbd_is_connected(d);
	st->peer_primary = drbd_is_connected(d) &&
	    m->peer_role == DRBD_ROLE_PRIMARY;
	st->diskless = primary && st->disk == MIRROR_DISK_FAILED;
	st->peer_outdated = d->rec.peer_outdated || d->gi.peer_outdated;
	st->crashed_primary = d->gi.crashed_primary;
	st->gi = d->gi.gi;
	st->gen = d->rec.gen;
	st->size_bytes = d->rec.size_bytes;
	st->room_bytes = d->rec.room_bytes != 0 ? d->rec.room_bytes :
	    d->rec.size_bytes;
	st->read_bytes = m->read_kib << 10;
	st->written_bytes = m->written_kib << 10;
	st->held_requests = m->suspended != 0 ? m->upper_pending : 0;
	st->peer_seen_ms = drbd_is_connected(d) ? 0 : UINT64_MAX;
	ended = map_resync(d);
	map_error(d);
	return ended;
}
