# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/drill/lib/plan_moves.sh - which drill is number I of seed S, when a running VM
# goes to the other PM meanwhile; as plan.sh, a pure function
#
# 'move=VM way=migrate|workon at=MOMENT:MS FAULT ... hold=MS': VM (its number) is told
# to move, or its PM is taken out for maintenance; MS after MOMENT the fault strikes:
#	before	it strikes first, and MS later the move is ordered
#	order	the order is given
#	room	the PM that it goes to has made room for the move
#	copy	the source begins to send the guest
#	switch	the source is about to order the switch: the guest is on both, stopped
# A fault's PM is 'source' or 'target': where the VM is, and where it goes.
# shellcheck shell=bash

MOVE_KINDS="none 2
move-cancel 3
vm-off 2
process-kill 5
stream-kill 4
agent-kill 5
agent-stop 3
corosync-kill 3
corosync-stop 2
mirror-kill 3
console-kill 1
power-off 6
blackout 2
isolate 2
all-cut 2
private-cut 3
lan-cut 2
one-way 3
quorum-kill 1
quorum-stop 1
quorum-cut 1
clock-step 1
disk-error 2
pair 6"

# RND = a fault of that kind; the PM by its part in the move
move_plan_fault() {
	local side n
	rnd_of source target
	side=$RND
	case $1 in
	process-kill | stream-kill) RND=$1:$side ;;
	move-cancel | vm-off | none) RND=$1 ;;
	*)
		plan_fault "$1"
		n=${RND#*:}
		n=${n%%:*}
		[[ $n != node[01] ]] || RND=${RND/:$n/:$side}
		;;
	esac
}

move_plan_hold() {
	case $1 in
	vm-off) rnd_of 300 1500 3000 ;;
	*) plan_hold "$1" ;;
	esac
}

# RND = the moment
move_plan_at() {
	rnd_of before order order room copy copy copy copy switch switch switch switch
	case $RND in
	before) rnd_of 0 200 1000; RND=before:$RND ;;
	order) rnd_of 0 50 150 400; RND=order:$RND ;;
	room) rnd_of 0 100 300; RND=room:$RND ;;
	copy) rnd_of 0 50 100 200 300 500 800 1200; RND=copy:$RND ;;
	switch) rnd_of 0 0 5 20 50 100 200 400; RND=switch:$RND ;;
	esac
}

# Both agents' parts in the move are named, not the PM: the rules of pairs want PMs.
move_resolve() { RND=${1/:source/:node${2}}; RND=${RND/:target/:node$((1 - $2))}; }

move_plan_pair_ok() {	# FAULT FAULT
	local x y
	for x in "$1" "$2"; do
		case $x in none | pair) return 1 ;; esac
	done
	move_resolve "$1" 0
	x=$RND
	move_resolve "$2" 0
	y=$RND
	plan_pair_ok "$x" "$y"
}

# move_plan SEED INDEX: sets PLAN
move_plan() {
	local PLAN_KINDS=$MOVE_KINDS head kind a b
	rnd_seed "$1" "$2"
	rnd 3
	head=move=$RND
	rnd_of migrate migrate migrate migrate workon
	head+=" way=$RND"
	move_plan_at
	head+=" at=$RND"
	plan_kind
	kind=$RND
	if [ "$kind" != pair ]; then
		move_plan_fault "$kind"
		a=$RND
		move_plan_hold "$kind"
		PLAN="$head $a hold=$RND"
		return 0
	fi
	while :; do
		plan_kind
		move_plan_fault "$RND"
		a=$RND
		plan_kind
		move_plan_fault "$RND"
		b=$RND
		! move_plan_pair_ok "$a" "$b" || break
	done
	PLAN="$head $a $b"
	rnd_of 0 50 200 500 1200 3000
	PLAN+=" gap=$RND"
	move_plan_hold "${b%%:*}"
	PLAN+=" hold=$RND"
	rnd_of ab ba
	PLAN+=" heal=$RND"
}

# The kind that the report counts it under: who was hit, by the part in the move.
move_plan_name() {	# PLAN...
	local word kinds=()
	for word in "$@"; do
		[[ $word = *=* ]] || kinds+=("$word")
	done
	[ ${#kinds[@]} -lt 2 ] || { echo move+pair; return 0; }
	case ${kinds[0]} in
	one-way:*) echo "move+${kinds[0]//:/-}" ;;
	*:source* | *:target*)
		word=${kinds[0]#*:}
		echo "move+${kinds[0]%%:*}-${word%%:*}"
		;;
	*) echo "move+${kinds[0]%%:*}" ;;
	esac
}
