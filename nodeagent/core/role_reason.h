/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/role_reason.h - why a PM may run its guests, or may not
 *
 * One row a decision: word for programs, sentence for people.  The sentence's
 * {names} are filled from struct role_reason; the console fills its own
 * translation (messages.*.json, "reasons") from the same names, which the API
 * carries as 'params'.  A test compares this table with the messages.
 *
 * {me} {peer}		"node0", "node1"
 * {generation}		the one meant: held, asked for, or of this PM's data
 * {other_generation}	the peer's, or the quorum server's
 * {silent_ms}		since the peer's last sign of life
 * {seconds}
 * {owner}		"node0", "node1", "both": what the quorum server says
 */
#ifndef AV_ROLE_REASON_H
#define AV_ROLE_REASON_H

#include <stddef.h>
#include <stdint.h>

#define ROLE_REASONS(X) \
	X(STARTING, "starting", "{me}'s agent has just started and looks for " \
	    "{peer} (generation {generation}).") \
	X(TOGETHER, "together", "Both PMs are up and in step at generation " \
	    "{generation}.") \
	X(PEER_LOST, "peer-lost", "{me} paused its guests: {peer} is silent on " \
	    "every link for {silent_ms} ms and the quorum server has not " \
	    "answered yet (asked for generation {generation}).") \
	X(PEER_LOST_UNASKED, "peer-lost-unasked", "{me} paused its guests: " \
	    "{peer} is silent on every link for {silent_ms} ms and there is no " \
	    "quorum server to ask; they wait for {peer} or for a person.") \
	X(PEER_QUIET, "peer-quiet", "{me} paused its guests: {peer}'s agent and " \
	    "corosync are silent for {silent_ms} ms, only its mirror is heard; " \
	    "they go on when one of the two is back.") \
	X(PEER_BACK, "peer-back", "{peer} is heard again; {me}'s guests stay " \
	    "paused until both agents have compared what they know.") \
	X(REJOIN_BROKEN, "rejoin-broken", "{me} paused its guests: {peer} or a " \
	    "mirror was lost while the right was handed back to both; asking " \
	    "for generation {generation}.") \
	X(OWN_RECORD, "own-record", "{me}'s own record proves that it owns " \
	    "generation {generation}.") \
	X(PEER_NOT_JOINED, "peer-not-joined", "{peer} shows signs of life but " \
	    "its agent hasn't joined for {seconds} s.") \
	X(NO_PROOF, "no-proof", "{me} waits for {peer} or the quorum server: " \
	    "nothing shows yet that its data of generation {generation} is the " \
	    "newest.") \
	X(NO_PROOF_UNASKED, "no-proof-unasked", "{me} waits for {peer} or a " \
	    "person: without a quorum server nothing shows that its data of " \
	    "generation {generation} is the newest.") \
	X(NEW, "new", "{me} is new and waits for {peer}.") \
	X(OUTDATED, "outdated", "{peer} has newer data than generation " \
	    "{generation} on {me}; waiting for it.") \
	X(BOTH_OUTDATED, "both-outdated", "{me} and {peer} both gave up their " \
	    "right (generation {generation} on {me}); the quorum server or a " \
	    "person says which one goes on.") \
	X(FOLLOWING, "following", "{peer} runs the unit alone at generation " \
	    "{generation}; its data comes to {me}.") \
	X(PEER_OWNS, "peer-owns", "{peer} runs alone at generation " \
	    "{other_generation}; {me}'s generation {generation} is outdated.") \
	X(ADOPTED, "adopted", "{peer} recorded generation {generation} for " \
	    "both; so does {me}.") \
	X(OWNER, "owner", "{me} owns generation {generation}; {peer} follows.") \
	X(PEER_OUTDATED, "peer-outdated", "{peer} is outdated; {me} asks for " \
	    "generation {generation}.") \
	X(NEW_UNIT, "new-unit", "Both PMs are new; the unit is being made.") \
	X(UNIT_KNOWN, "unit-known", "Both PMs are new, but the quorum server " \
	    "knows this unit at generation {other_generation}.") \
	X(SPLIT, "split", "Both PMs ran alone: {me} at generation {generation}, " \
	    "{peer} at {other_generation}; guests are paused and nothing is " \
	    "overwritten until a person decides.") \
	X(SPLIT_GIVEN_UP, "split-given-up", "A person chose {peer}'s state; " \
	    "{me}'s generation {generation} is given up.") \
	X(SPLIT_RESOLVED, "split-resolved", "A person chose {me}'s state; it " \
	    "takes generation {generation}.") \
	X(GRANTED, "granted", "{me} got the right to run alone: generation " \
	    "{generation}.") \
	X(TAKEOVER, "takeover", "A person ordered {me} to run alone; the quorum " \
	    "server recorded it: generation {generation}.") \
	X(TAKEOVER_UNASKED, "takeover-unasked", "A person ordered {me} to run " \
	    "alone without the quorum server: generation {generation}.") \
	X(REFUSED, "refused", "{me} may not run its guests: the quorum server " \
	    "says generation {other_generation}, owner {owner}; {me} has " \
	    "generation {generation}.") \
	X(NO_ANSWER, "no-answer", "{me} paused its guests: {peer} is silent for " \
	    "{silent_ms} ms and the quorum server doesn't answer; after " \
	    "{seconds} s in all the guests are stopped.") \
	X(FROZEN_OVER, "frozen-over", "{me} stopped its guests: the quorum " \
	    "server didn't answer for {seconds} s; asking on for generation " \
	    "{generation}.") \
	X(QUIET_OVER, "quiet-over", "{me} stopped its guests: {peer}'s agent " \
	    "hasn't come back for {seconds} s.") \
	X(STAYING, "staying", "{peer} left for maintenance; {me} runs the unit " \
	    "alone: generation {generation}.") \
	X(STAY_REFUSED, "stay-refused", "{peer} can't leave for maintenance: the " \
	    "quorum server says generation {other_generation}, owner {owner}; " \
	    "both PMs have generation {generation}.") \
	X(STAY_NO_ANSWER, "stay-no-answer", "{peer} can't leave for maintenance " \
	    "yet: the quorum server doesn't answer; both PMs go on together at " \
	    "generation {generation}.") \
	X(REJOINING, "rejoining", "{me} and {peer} are in step; generation " \
	    "{generation} is for both.") \
	X(IN_STEP, "in-step", "{me} and {peer} are in step, but the quorum " \
	    "server doesn't record it (generation {generation}); asking again " \
	    "in {seconds} s.") \
	/* what the agent adds: order_facts.c */ \
	X(PEER_INCOMPATIBLE, "peer-incompatible", "{peer}'s agent has another " \
	    "version or other timings than {me}'s and isn't let in.") \
	X(DEGRADED, "agent-degraded", "{peer} is there but its agent or corosync " \
	    "isn't in the group; changes wait.")

enum role_why {
#define X(name, code, text) ROLE_WHY_##name,
	ROLE_REASONS(X)
#undef X
	ROLE_N_WHYS
};

struct role_reason {
	enum role_why	 why;
	const char	*code;		/* stable word; static */
	int		 node;		/* {me} */
	uint64_t	 gen, other_gen;
	uint64_t	 silent_ms, seconds;
	int		 owner;		/* -1 = both */
	char		 text[256];	/* one sentence, English */
};

/* From .why, .node and the numbers: fills .code and .text. */
void role_reason_render(struct role_reason *reason);

struct role_reason_param {
	const char	*name;		/* static */
	const char	*word;		/* static; NULL: a number */
	uint64_t	 number;
};
#define ROLE_REASON_PARAMS_MAX	7
/* The names that this reason's sentence has; returns how many. */
size_t role_reason_params(const struct role_reason *reason,
    struct role_reason_param ret[ROLE_REASON_PARAMS_MAX]);

const char *role_reason_code(enum role_why why);
const char *role_reason_template(enum role_why why);

#endif
