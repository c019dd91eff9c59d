/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/discard.c - a person gives this leg's history up
 *
 * After a split, or when the side with fewer changes is to win: this leg becomes
 * 'unfinished', so it is never promoted and never the source until it has been
 * copied over from the other one.  Only an explicit order of the agent, which has
 * recorded who decided it, leads here; no handshake does.
 */
#include <errno.h>

#include "base/log.h"
#include "mirror/replica/server.h"

int
srv_order_discard(struct srv *s, uint64_t winner_base, struct av_err *err)
{
	struct identity id;
	struct meta_sb sb;
	bool primary, by_bits;
	int rc;

	pthread_mutex_lock(&s->order_mu);
	pthread_mutex_lock(&s->mu);
	primary = s->role == MIRROR_PRIMARY;
	if (!primary)
		peer_revoke(s);
	pthread_mutex_unlock(&s->mu);
	if (primary) {
		rc = av_err_code(err, -EPERM, "wrong-role",
		    "a primary's copy can't be discarded");
	} else {
		srv_sb(s, &sb);
		srv_sb_identity(s, &sb, &id);
		by_bits = identity_discard(&id, winner_base);
		srv_sb_set_identity(&sb, &id);
		/* with the identity in one record: a crash leaves neither or both */
		sb.flags &= ~(uint32_t)(META_CONSISTENT | META_UPTODATE |
		    META_PRIMARY_IND | META_CRASHED_PRIMARY |
		    META_PEER_OUTDATED);
		rc = srv_record(s, &sb, err);
		if (rc == 0)
			log_notice(s->p.id, "this copy is discarded by order; "
			    "it is made anew %s", by_bits ?
			    "where the two differ" : "as a whole");
	}
	pthread_mutex_unlock(&s->order_mu);
	return rc;
}
