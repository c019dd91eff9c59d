#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_split.sh - a person lets both PMs run alone, then chooses
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

split_get() { avcli_on "$1" --json split info 2>/dev/null | jq -r "$2" 2>/dev/null || :; }
role_is() { [ "$(avcli_on "$1" --json node info 2>/dev/null | jq -r --arg n "$1" '.[] | select(.name == $n) | .role')" = "$2" ]; }
knows() { [ "$(split_get "$1" '.volumes[0].keep')" = node1 ]; }
both_split() { role_is node0 split && role_is node1 split; }
differs() { [ "$(split_get node0 '[.volumes[] | select(.differs)] | length')" = 1 ]; }

# A choice needs both PMs to hear each other, and corosync forms its ring anew when the
# last link is mended: refused because of that (avcli's 6) it is ordered again.
choose() { wait_until 20 "$1 to hear the other PM" chosen "$@"; }
chosen() {
	local rc=0 n=$1
	shift
	avcli_on "$n" split resolve "$@" || rc=$?
	[ "$rc" = 0 ] || [ "$rc" = 6 ] || fail "split resolve $*: avcli ended with $rc"
	return "$rc"
}

# No arbiter, all links cut: a person says on each PM that the other is off.
both_are_taken_over() {
	local l
	for l in priv0 lan-node0 lan-node1; do link_cut "$l"; done
	wait_until 30 "node0 to freeze" role_is node0 frozen
	wait_until 30 "node1 to freeze" role_is node1 frozen
	avcli_on node0 unit takeover --yes
	avcli_on node1 unit takeover --yes
	wait_until 30 "node0 to run alone" role_is node0 alone
	wait_until 30 "node1 to run alone" role_is node1 alone
	wait_until 60 "the guest on node1, too" guest_there node1
	# records that node1's copy alone has: it is the one that will be kept
	link_mend lan-node1
	wait_until 180 "the service of node1's guest" guest_answers
	client_start
	wait_until 60 "20 more records" records_reach $(($(records_acked) + 20))
	story_stop_client
	for l in priv0 lan-node0 lan-node1; do link_mend "$l"; done
}
guest_there() { [ -n "$(guest_pid "$1")" ]; }

split_is_seen() {
	wait_until 60 "both PMs to be split" both_split
	wait_until 30 "the volume to differ" differs
	# else comparing them afterwards would show nothing
	! legs_equal || fail "the legs are equal, byte by byte"
	avcli_on node0 split info
	[ "$(split_get node1 .stage)" = deciding ] || fail "stage is $(split_get node1 .stage)"
	avcli_on node0 unit takeover --yes && fail "a takeover was let in while both are there"
	return 0
}

choice_on_one_pm_waits_for_the_rest() {
	choose node0 "$VM" --keep node1 --dry-run
	choose node0 "$VM" --keep node1 --yes
	wait_until 20 "node1 to know of it" knows node1
	both_split || fail "something went on before all was chosen"
}

resolved() {
	[ "$1" != node0 ] || choose node0 "$VM" --keep node0 --yes
	choose node0 unit --keep "$1" --yes
	wait_until 90 "both PMs to run together" unit_is running
	wait_until 120 "the volume to be in step" in_step
	wait_until 180 "the guest's service" guest_answers
	story_check_records
	[ -n "$(guest_pid node0)" ] && [ -n "$(guest_pid node1)" ] && fail "the guest runs twice"
	avcli --json audit info | jq -e 'any(.[]; .action == "split.resolve")' >/dev/null || fail "the choice isn't in the audit log"
}

ARBITER=none live_unit
story_vm
case_run both_are_taken_over both_are_taken_over
case_run split_is_seen split_is_seen
case_run choice_on_one_pm_waits_for_the_rest choice_on_one_pm_waits_for_the_rest
case_run resolved_volume_and_unit_of_node1 resolved node1
case_run legs_equal_after_it story_compare
case_run both_are_taken_over_again both_are_taken_over
case_run split_is_seen_again split_is_seen
# the volume of node1, the database of node0: copied from the one that follows
case_run choice_waits_again choice_on_one_pm_waits_for_the_rest
mixed() {
	choose node1 unit --keep node0 --yes
	wait_until 120 "both PMs to run together" unit_is running
	wait_until 120 "the volume to be in step" in_step
	wait_until 180 "the guest's service" guest_answers
	story_check_records
}
case_run resolved_volume_of_node1_unit_of_node0 mixed
case_run legs_equal_after_that_too story_compare
live_end
