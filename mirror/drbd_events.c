/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_events.c - lines of 'drbdsetup events2' and get-gi
 *
 * Form (drbd-utils 9.22 with an 8.4 module):
 *   [TIME] exists|create|change|destroy OBJECT name:RES [KEY:VALUE]...
 *   [TIME] call|response helper name:RES ... helper:NAME [status:N]
 *   [TIME] exists -             end of the first picture
 *   - skipped N                 N messages were lost
 * A 'change' names only what changed.  Sizes are KiB.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "mirror/drbd.h"

struct word {
	const char	*text;
	int		 value;
};

static const struct word roles[] = {
	{ "Primary", DRBD_ROLE_PRIMARY }, { "Secondary", DRBD_ROLE_SECONDARY },
	{ "Unknown", DRBD_ROLE_UNKNOWN },
};

static const struct word cstates[] = {
	{ "StandAlone", DRBD_C_STANDALONE },
	{ "Disconnecting", DRBD_C_DISCONNECTING },
	{ "Unconnected", DRBD_C_CONNECTING }, { "Timeout", DRBD_C_CONNECTING },
	{ "BrokenPipe", DRBD_C_CONNECTING },
	{ "NetworkFailure", DRBD_C_CONNECTING },
	{ "ProtocolError", DRBD_C_CONNECTING },
	{ "TearDown", DRBD_C_CONNECTING }, { "Connecting", DRBD_C_CONNECTING },
	{ "Connected", DRBD_C_CONNECTED },
};

static const struct word repls[] = {
	{ "Off", DRBD_R_OFF }, { "Established", DRBD_R_ESTABLISHED },
	{ "StartingSyncS", DRBD_R_BEFORE_SOURCE },
	{ "StartingSyncT", DRBD_R_BEFORE_TARGET },
	{ "WFBitMapS", DRBD_R_BEFORE_SOURCE },
	{ "WFBitMapT", DRBD_R_BEFORE_TARGET },
	{ "WFSyncUUID", DRBD_R_BEFORE_TARGET },
	{ "SyncSource", DRBD_R_SOURCE }, { "SyncTarget", DRBD_R_TARGET },
	{ "PausedSyncS", DRBD_R_SOURCE }, { "PausedSyncT", DRBD_R_TARGET },
	{ "VerifyS", DRBD_R_VERIFY }, { "VerifyT", DRBD_R_VERIFY },
};

static const struct word disks[] = {
	{ "Diskless", DRBD_D_DISKLESS }, { "Attaching", DRBD_D_ATTACHING },
	{ "Detaching", DRBD_D_FAILED }, { "Failed", DRBD_D_FAILED },
	{ "Negotiating", DRBD_D_ATTACHING },
	{ "Inconsistent", DRBD_D_INCONSISTENT },
	{ "Outdated", DRBD_D_OUTDATED }, { "DUnknown", DRBD_D_UNKNOWN },
	{ "Consistent", DRBD_D_CONSISTENT }, { "UpToDate", DRBD_D_UPTODATE },
};

/* A piece of the line; not NUL-terminated. */
struct span {
	const char	*at;
	size_t		 n;
};

static bool
span_is(struct span s, const char *word)
{
	return strlen(word) == s.n && memcmp(s.at, word, s.n) == 0;
}

#define WORD(list, s, other)	word_of(list, ARRAY_SIZE(list), s, other)

static int
word_of(const struct word *list, size_t n, struct span s, int other)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (span_is(s, list[i].text))
			return list[i].value;
	return other;
}

static bool
next_token(const char **at, const char *end, struct span *ret)
{
	while (*at < end && **at == ' ')
		(*at)++;
	ret->at = *at;
	while (*at < end && **at != ' ')
		(*at)++;
	ret->n = (size_t)(*at - ret->at);
	return ret->n > 0;
}

static bool
number(struct span s, uint64_t *ret)
{
	char buf[24];

	if (s.n >= sizeof(buf))
		return false;
	memcpy(buf, s.at, s.n);
	buf[s.n] = '\0';
	return av_parse_u64(buf, ret) == 0;
}

static unsigned
suspended(struct span s)
{
	unsigned bits = 0;
	const char *at = s.at, *end = s.at + s.n;

	if (span_is(s, "no"))
		return 0;
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct span w = { at,
			(size_t)((comma != NULL ? comma : end) - at) };

		bits |= span_is(w, "user") ? DRBD_SUSP_USER :
		    span_is(w, "no-data") ? DRBD_SUSP_NO_DATA :
		    span_is(w, "fencing") ? DRBD_SUSP_FENCING :
		    DRBD_SUSP_OTHER;
		at = comma != NULL ? comma + 1 : end;
	}
	return bits != 0 ? bits : DRBD_SUSP_OTHER;
}

/* --- one object's keys --- */

static void
key_resource(struct drbd_model *m, struct span k, struct span v)
{
	if (span_is(k, "role"))
		m->role = (enum drbd_role)WORD(roles, v, DRBD_ROLE_UNKNOWN);
	else if (span_is(k, "suspended"))
		m->suspended = suspended(v);
}

static void
key_connection(struct drbd_model *m, struct span k, struct span v)
{
	if (span_is(k, "connection")) {
		m->cstate = (enum drbd_cstate)WORD(cstates, v,
		    DRBD_C_UNKNOWN);
		if (m->cstate == DRBD_C_CONNECTED)
			m->split_brain = false;
	} else if (span_is(k, "role")) {
		m->peer_role = (enum drbd_role)WORD(roles, v,
		    DRBD_ROLE_UNKNOWN);
	}
}

static void
key_device(struct drbd_model *m, struct span k, struct span v)
{
	uint64_t n;

	if (span_is(k, "disk")) {
		m->disk = (enum drbd_disk)WORD(disks, v, DRBD_D_UNKNOWN);
		return;
	}
	if (!number(v, &n))
		return;
	if (span_is(k, "size"))
		m->size_kib = n;
	else if (span_is(k, "read"))
		m->read_kib = n;
	else if (span_is(k, "written"))
		m->written_kib = n;
	else if (span_is(k, "upper-pending"))
		m->upper_pending = n;
}

static void
key_peer_device(struct drbd_model *m, struct span k, struct span v)
{
	uint64_t n;

	if (span_is(k, "replication"))
		m->repl = (enum drbd_repl)WORD(repls, v, DRBD_R_UNKNOWN);
	else if (span_is(k, "peer-disk"))
		m->peer_disk = (enum drbd_disk)WORD(disks, v,
		    DRBD_D_UNKNOWN);
	else if (span_is(k, "resync-suspended"))
		m->resync_suspended = !span_is(v, "no");
	else if (span_is(k, "out-of-sync") && number(v, &n))
		m->out_of_step_kib = n;
}

struct object {
	const char	*name;
	size_t		 exists;	/* offset of the flag */
	void		(*key)(struct drbd_model *m, struct span k,
			    struct span v);
	void		(*gone)(struct drbd_model *m);
};

static void
gone_peer_device(struct drbd_model *m)
{
	m->peer_device = false;
	m->repl = DRBD_R_OFF;
	m->peer_disk = DRBD_D_UNKNOWN;
	m->resync_suspended = false;
}

static void
gone_connection(struct drbd_model *m)
{
	m->connection = false;
	m->cstate = DRBD_C_NONE;
	m->peer_role = DRBD_ROLE_UNKNOWN;
	gone_peer_device(m);
}

static void
gone_device(struct drbd_model *m)
{
	m->device = false;
	m->disk = DRBD_D_UNKNOWN;
}

static void
gone_resource(struct drbd_model *m)
{
	memset(m, 0, sizeof(*m));	/* its parts go with it */
}

static const struct object objects[] = {
	{ "resource", offsetof(struct drbd_model, resource), key_resource,
	  gone_resource },
	{ "connection", offsetof(struct drbd_model, connection),
	  key_connection, gone_connection },
	{ "device", offsetof(struct drbd_model, device), key_device,
	  gone_device },
	{ "peer-device", offsetof(struct drbd_model, peer_device),
	  key_peer_device, gone_peer_device },
};

static enum drbd_line
apply_object(struct drbd_model *m, const struct object *o, struct span verb,
    const char *at, const char *end)
{
	struct drbd_model was = *m;
	bool *exists = (bool *)(void *)((char *)m + o->exists);
	struct span t;

	if (span_is(verb, "destroy")) {
		if (!*exists)
			return DRBD_LINE_NOTHING;
		o->gone(m);
		return DRBD_LINE_CHANGED;
	}
	if (o->key == key_connection && !*exists)
		m->n_connections++;
	/* A change of what was never made: lines were lost, or came in another
	 * order.  A partial object would be a guess. */
	if (span_is(verb, "change") && !*exists)
		return DRBD_LINE_LOST;
	*exists = true;
	while (next_token(&at, end, &t)) {
		const char *colon = memchr(t.at, ':', t.n);
		struct span k, v;

		if (colon == NULL) {	/* cut short: none of it counts */
			*m = was;
			return DRBD_LINE_LOST;
		}
		k = (struct span){ t.at, (size_t)(colon - t.at) };
		v = (struct span){ colon + 1, t.n - k.n - 1 };
		o->key(m, k, v);
	}
	return DRBD_LINE_CHANGED;
}

static enum drbd_line
apply_helper(struct drbd_model *m, const char *at, const char *end)
{
	struct span t;

	while (next_token(&at, end, &t)) {
		if (span_is(t, "helper:split-brain") ||
		    span_is(t, "helper:initial-split-brain")) {
			m->split_brain = true;
			return DRBD_LINE_CHANGED;
		}
	}
	return DRBD_LINE_NOTHING;
}

/* Is it ours, and volume 0? */
static bool
is_ours(const char *name, const char *at, const char *end)
{
	size_t len = strlen(name);
	struct span t;
	bool named = false;

	while (next_token(&at, end, &t)) {
		if (t.n == 5 + len && memcmp(t.at, "name:", 5) == 0 &&
		    memcmp(t.at + 5, name, len) == 0)
			named = true;
		else if (t.n > 7 && memcmp(t.at, "volume:", 7) == 0 &&
		    !span_is(t, "volume:0"))
			return false;
	}
	return named;
}

static bool
is_verb(struct span s)
{
	return span_is(s, "exists") || span_is(s, "create") ||
	    span_is(s, "change") || span_is(s, "destroy") ||
	    span_is(s, "call") || span_is(s, "response");
}

enum drbd_line
drbd_model_line(struct drbd_model *m, const char *name, const char *line,
    size_t n)
{
	const char *at = line, *end = line + n;
	struct span verb, what;
	size_t i;

	if (!next_token(&at, end, &verb))
		return DRBD_LINE_NOTHING;
	if (!is_verb(verb) && verb.at[0] >= '0' && verb.at[0] <= '9' &&
	    !next_token(&at, end, &verb))		/* a time stamp */
		return DRBD_LINE_LOST;
	if (!is_verb(verb))
		return DRBD_LINE_LOST;	/* '- skipped' or rubbish */
	if (!next_token(&at, end, &what))
		return DRBD_LINE_LOST;
	if (span_is(what, "-"))
		return span_is(verb, "exists") ? DRBD_LINE_END :
		    DRBD_LINE_LOST;
	if (!is_ours(name, at, end))
		return DRBD_LINE_NOTHING;
	if (span_is(what, "helper"))
		return apply_helper(m, at, end);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		if (span_is(what, objects[i].name))
			return apply_object(m, &objects[i], verb, at, end);
	return DRBD_LINE_NOTHING;
}

/* --- the stream --- */

void
drbd_stream_begin(struct drbd_stream *s, const char *name)
{
	size_t n = strlen(name);

	if (n >= sizeof(s->name))
		n = sizeof(s->name) - 1;
	memmove(s->name, name, n);
	s->name[n] = '\0';
	memset(&s->next, 0, sizeof(s->next));
	/* a split that was seen isn't in the first picture */
	s->next.split_brain = s->now.split_brain;
	s->next.n_connections = s->now.n_connections;
	s->whole = s->lost = s->overlong = false;
	s->n = 0;
}

static bool
stream_line(struct drbd_stream *s)
{
	struct drbd_model *m = s->whole ? &s->now : &s->next;

	switch (drbd_model_line(m, s->name, s->buf, s->n)) {
	case DRBD_LINE_END:
		if (s->whole)
			return false;	/* said twice */
		s->now = s->next;
		s->whole = true;
		return true;
	case DRBD_LINE_LOST:
		s->lost = true;
		return true;
	case DRBD_LINE_CHANGED:
		return s->whole;
	case DRBD_LINE_NOTHING:
	default:
		return false;
	}
}

bool
drbd_stream_feed(struct drbd_stream *s, const char *data, size_t n)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (data[i] != '\n') {
			if (s->n == sizeof(s->buf))
				s->overlong = true;
			else
				s->buf[s->n++] = data[i];
			continue;
		}
		if (s->overlong) {
			s->lost = true;
			changed = true;
		} else {
			changed |= stream_line(s);
		}
		s->overlong = false;
		s->n = 0;
	}
	return changed;
}

/* --- get-gi --- */

static int
hex_field(const char **at, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; **at != ':'; (*at)++, n++) {
		int c = **at;
		int d = c >= '0' && c <= '9' ? c - '0' :
		    c >= 'A' && c <= 'F' ? c - 'A' + 10 :
		    c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (d < 0 || n == 16)
			return -EBADMSG;
		v = v << 4 | (uint64_t)d;
	}
	if (n == 0)
		return -EBADMSG;
	(*at)++;
	*ret = v;
	return 0;
}

int
drbd_gi_parse(const char *out, struct drbd_gi *ret)
{
	struct drbd_gi g = { 0 };
	bool *flags[] = { &g.consistent, &g.uptodate, &g.primary, &g.connected,
		&g.full_sync, &g.peer_outdated, &g.crashed_primary };
	const char *at = out;
	size_t i;

	if (hex_field(&at, &g.gi.current) < 0 ||
	    hex_field(&at, &g.gi.bitmap) < 0 ||
	    hex_field(&at, &g.gi.h0) < 0 || hex_field(&at, &g.gi.h1) < 0)
		return -EBADMSG;
	/* DRBD's mark 'was primary', which isn't part of the name */
	g.gi.current &= ~(uint64_t)1;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (*at != '0' && *at != '1')
			return -EBADMSG;
		*flags[i] = *at++ == '1';
		/* later versions say more flags */
		if (*at == ':')
			at++;
		else if (i + 1 < ARRAY_SIZE(flags) ||
		    (*at != '\n' && *at != '\0'))
			return -EBADMSG;
	}
	*ret = g;
	return 0;
}
