# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/drill/lib/plan.sh - which drill is number I of seed S: a pure function
#
# A plan is words: 'FAULT hold=MS' or 'FAULT FAULT gap=MS hold=MS heal=ab|ba';
# hold=settled waits until the unit has done what it can.  A fault is
# KIND:ARGUMENT:... (faults.sh).  Equal seed and number, equal plan: one drill can
# be repeated without those before it.
# shellcheck shell=bash

# KIND WEIGHT: how often it is drawn
PLAN_KINDS="power-off 4
blackout 2
isolate 3
all-cut 2
private-cut 2
lan-cut 2
one-way 4
agent-kill 3
agent-stop 3
corosync-kill 2
corosync-stop 2
console-kill 1
mirror-kill 2
guest-kill 2
quorum-kill 1
quorum-stop 2
quorum-cut 1
clock-step 2
disk-error 2
pair 8"

# splitmix64; bash's numbers are 64 bits and wrap
RND_STATE=0 RND=0
rnd_seed() { RND_STATE=$(($1 * 1000003 + $2)); rnd 2; rnd 2; }
rnd() {		# rnd N: RND = 0 .. N-1
	local z
	RND_STATE=$((RND_STATE + 0x9e3779b97f4a7c15))
	z=$RND_STATE
	z=$(((z ^ ((z >> 30) & 0x3ffffffff)) * 0xbf58476d1ce4e5b9))
	z=$(((z ^ ((z >> 27) & 0x1fffffffff)) * 0x94d049bb133111eb))
	z=$(((z ^ ((z >> 31) & 0x1ffffffff)) & 0x7fffffffffffffff))
	RND=$((z % $1))
}
rnd_of() { rnd $#; shift "$RND"; RND=$1; }

plan_kind() {	# RND = a kind, by weight; of two: never 'pair' again
	local kind weight sum=0 at
	while read -r kind weight; do sum=$((sum + weight)); done <<<"$PLAN_KINDS"
	rnd $sum
	at=$RND
	while read -r kind weight; do
		at=$((at - weight))
		[ "$at" -ge 0 ] || break
	done <<<"$PLAN_KINDS"
	RND=$kind
}

plan_node() { rnd 2; RND=node$RND; }

# RND = a fault of that kind with its arguments
plan_fault() {
	local kind=$1 node
	plan_node
	node=$RND
	case $kind in
	power-off | isolate | lan-cut | agent-kill | corosync-kill | console-kill | disk-error)
		RND=$kind:$node ;;
	blackout) rnd_of 0 500 3000 settled; RND=$kind:$node:$RND ;;
	one-way)
		rnd_of deaf mute
		kind=$kind:$node:$RND
		rnd_of priv lan both both
		RND=$kind:$RND
		;;
	mirror-kill) rnd 3; RND=$kind:$node:$RND ;;
	guest-kill) rnd 3; RND=$kind:$RND ;;
	agent-stop | corosync-stop) RND=$kind:$node ;;
	clock-step) rnd_of 3600000 -3600000 90000000 -5000 700; RND=$kind:$node:$RND ;;
	*) RND=$kind ;;
	esac
}

# RND = how long a fault of that kind lasts
plan_hold() {
	case $1 in
	power-off | isolate) rnd_of 300 1200 settled settled settled ;;
	blackout) RND=200 ;;
	all-cut) rnd_of 300 1000 2500 5000 ;;
	one-way) rnd_of 500 1500 3000 settled settled ;;
	agent-stop) rnd_of 500 1000 2000 3000 5000 8000 20000 ;;
	corosync-stop) rnd_of 200 500 1000 2000 4000 ;;
	private-cut | lan-cut | quorum-* | clock-step | disk-error) rnd_of 300 1000 2000 4000 ;;
	*) RND=0 ;;
	esac
}

# Beyond what the product promises: the only good copy's disk and the other PM.
plan_pair_ok() {
	local x y
	[ "$1" != "$2" ] || return 1
	[ "${1%%:*}" != "${2%%:*}" ] || [ "${1%%:*}" = power-off ] || return 1
	for x in "$1 $2" "$2 $1"; do
		y=${x#* } x=${x% *}
		case $x/$y in disk-error:*/power-off:* | disk-error:*/isolate:* | disk-error:*/blackout:* | \
			disk-error:*/all-cut) return 1 ;; esac
	done
	return 0
}

# An agent that hangs or is dead while its PM is cut off: without a watchdog its
# guests run on (docs/DESIGN.md), so such a pair is for units that have one.
plan_needs_watchdog() {		# FAULT FAULT
	local x y
	for x in "$1 $2" "$2 $1"; do
		y=${x#* } x=${x% *}
		case $x in agent-stop:* | agent-kill:*)
			x=${x#*:}
			case $y in
			isolate:"$x" | all-cut | one-way:"$x":*:both) return 0 ;;
			esac
		esac
	done
	return 1
}

# Both PMs lose each other while a disk fails: the one with that disk may be granted
# the unit, and then it has no good copy.  Beyond what the product promises, too.
plan_loses_good_copy() {	# FAULT FAULT
	[[ "$*" = *disk-error:* && "$*" = *one-way:*:both* ]]
}

# plan SEED INDEX: sets PLAN
plan() {
	local kind a b gap
	rnd_seed "$1" "$2"
	plan_kind
	kind=$RND
	if [ "$kind" != pair ]; then
		plan_fault "$kind"
		a=$RND
		plan_hold "$kind"
		PLAN="$a hold=$RND"
		return 0
	fi
	while :; do
		plan_kind
		[ "$RND" != pair ] || continue
		plan_fault "$RND"
		a=$RND
		plan_kind
		[ "$RND" != pair ] || continue
		plan_fault "$RND"
		b=$RND
		! plan_pair_ok "$a" "$b" || break
	done
	rnd_of 0 100 400 800 1500 3000
	gap=$RND
	plan_hold "${b%%:*}"
	PLAN="$a $b gap=$gap hold=$RND"
	rnd_of ab ba
	PLAN="$PLAN heal=$RND"
}

# The kind that the report counts it under.
plan_name() {	# PLAN...
	[[ ${2-} != hold=* ]] && [ -n "${2-}" ] && { echo pair; return 0; }
	case $1 in
	one-way:*) echo "${1/node[01]:/}" | tr : - ;;
	*) echo "${1%%:*}" ;;
	esac
}
