#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_setup.sh - two machines with nothing in /etc/avpair become a unit by
# 'avcli unit create' and 'avcli unit join'; what mustn't join doesn't; crashes are
# gone on from
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

PASSWORD=${WORK}/password
STARTER=$WORK/starter

# Services of a machine wait in hold/ until the starter is called for them.
fresh_machine() {
	local n=$1 s=$TRY/$1/services
	machine_folder "$n"
	rm -rf "$TRY/$n"/{etc/avpair,etc/corosync,lib,corosync,log,hold}
	machine_folder "$n"
	: >"$s"
	service_line "$n" corosync -15 /usr/sbin/corosync -f
	service_line "$n" av-watchdog -20 "$PROG/av-watchdog" -c /etc/avpair/avnoded.conf
	service_line "$n" avnoded -10 "$PROG/avnoded" -c /etc/avpair/avnoded.conf
	service_line "$n" avconsoled 0 "$PROG/avconsoled" -c /etc/avpair/avconsoled.conf
}
start_fresh() {
	fresh_machine "$1"
	machine_boot "$1"
	net_node "$1"
}
restart_fresh() {
	local n
	for n in node0 node1; do
		! machine_on "$n" || node_power_off "$n"
		start_fresh "$n"
	done
}

starter_make() {
	cat >"$STARTER" <<-END
	#!/bin/sh
	# 'start NAME...', 'stop NAME...' of the machine called by its host name
	verb=\$1; shift
	hold=$TRY/\$(hostname)/hold
	if [ -e $WORK/crash.\$(hostname) ]; then
		rm $WORK/crash.\$(hostname)
		kill -KILL \$PPID
		exit 1
	fi
	for s in "\$@"; do
		case \$verb in
		start) rm -f "\$hold/\$s" ;;
		stop) : >"\$hold/\$s" ; p=\$(pidof -s "\$s") && kill "\$p" ;;
		esac
	done
	exit 0
	END
	chmod 0755 "$STARTER"
	echo 'a good password' >"$PASSWORD"
}

# setup NODE ARGUMENT...: avcli there, as a person would type it
setup() {
	local n=$1
	shift
	in_machine "$n" env AVPAIR_SERVICES="$STARTER" "$PROG/avcli" "$@" </dev/null
}
CREATE=(unit create try --private priv0 --business net0 --address 10.77.0.12/24
	--password-file "$PASSWORD" --time-scale "$TIME_SCALE" --watchdog stand-in:/run/pmwatch)

CREATE_PID=
create_begin() {
	: >"$WORK/create.out"
	setup node0 "${CREATE[@]}" "$@" >"$WORK/create.out" 2>"$WORK/create.err" 9>&- &
	CREATE_PID=$!
	wait_until 30 "the key" key_shown
}
key_shown() {
	[ -n "$(key)" ] && return 0
	kill -0 "$CREATE_PID" 2>/dev/null || { cat "$WORK/create.err" >&2; fail "create ended"; }
	return 1
}
key() { sed -n 's/^ *avcli unit join [^ ]* //p' "$WORK/create.out"; }
# create_end STATUS
create_end() {
	local rc=0
	wait "$CREATE_PID" || rc=$?
	CREATE_PID=
	[ "$rc" = "$1" ] || { cat "$WORK/create.err" >&2; fail "create ended with $rc, not $1"; }
}
create_kill() {
	in_machine node0 pkill -"${1:-KILL}" -x av-setup || :
	wait "$CREATE_PID" 2>/dev/null || :
	CREATE_PID=
}

# refused STATUS WORDS COMMAND...
refused() {
	local want=$1 words=$2 rc=0
	shift 2
	"$@" >"$WORK/out" 2>"$WORK/err" || rc=$?
	[ "$rc" = "$want" ] && grep -qF -- "$words" "$WORK/err" ||
		{ cat "$WORK/err" >&2; fail "status $rc, not $want with '$words': $*"; }
}
untouched() { [ -z "$(ls -A "$TRY/$1/etc/avpair" "$TRY/$1/etc/corosync" | grep -v '^$\|:$\|setup')" ] || fail "$1 was changed"; }
configured() { [ -s "$TRY/$1/etc/avpair/avnoded.conf" ]; }
no_rest() {
	local n
	for n in node0 node1; do
		[ ! -e "$TRY/$n/etc/avpair/setup/state.json" ] || fail "$n still has its state file"
		[ -z "$(find "$TRY/$n/etc" -name '*.new')" ] || fail "$n has half a file"
	done
}

# Whatever the case before has left.
begin_anew() {
	local n
	for n in node0 node1; do
		in_machine "$n" pkill -KILL -x av-setup || :
		rm -rf "$TRY/$n/etc/avpair"/* "$TRY/$n/etc/corosync"/*
	done
}

wrong_ones_are_refused() {
	local good typo
	setup node0 "${CREATE[@]}" --dry-run >/dev/null 2>"$WORK/err" || { cat "$WORK/err" >&2; fail "a dry run failed"; }
	untouched node0
	refused 2 "this machine has no interface" setup node0 unit create try --private nothere
	create_begin
	good=$(key)
	typo=$(echo "$good" | tr '0-8' '1-9')
	refused 2 "typing mistake" setup node1 unit join 10.78.0.1 "$typo"
	refused 4 "refused the key" setup node1 unit join 10.78.0.1 "$("$B/tests/unit/setup/test_key" --make)"
	refused 6 "nobody answers" setup node1 unit join 10.78.0.9 "$good"
	# a PM that can't be: other MTU
	in_net node1 ip link set priv0 mtu 1400
	refused 5 "MTU" setup node1 unit join 10.78.0.1 "$good"
	in_net node1 ip link set priv0 mtu 1500
	# somebody's volumes
	mkdir -p "$TRY/node1/lib/old/default"; : >"$TRY/node1/lib/old/default/o3.data"
	refused 5 "volumes of another unit" setup node1 unit join 10.78.0.1 "$good" --storage /var/lib/avpair/old
	rm -r "$TRY/node1/lib/old"
	setup node1 unit join 10.78.0.1 "$good" --dry-run 2>"$WORK/err" || { cat "$WORK/err" >&2; fail "a dry run failed"; }
	untouched node1
	create_kill INT
	grep -q "goes on from here" "$WORK/create.err" || fail "an interrupted create says nothing"
	setup node0 unit leave
	untouched node0
}

# The same programs, but av-setup is of another version.
newer_make() {
	cp -a "$B" "$WORK/other"
	rm "$WORK/other/nodeagent/setup/facts.o"
	make -s -C "$TREE" "B=$WORK/other" VERSION=9.9.9 "$WORK/other/av-setup"
	mkdir -p "$WORK/newer"
	cp "$TRY"/prog/{avcli,avnoded,av-watchdog,avconsoled,nbdkit-avreplica-plugin.so} "$WORK/newer/"
	cp "$WORK/other/av-setup" "$WORK/newer/"
	rm -r "$WORK/other"
}
other_version_is_refused() {
	begin_anew
	create_begin
	newer_make
	refused 5 "install the same packages" in_machine node1 env AVPAIR_SERVICES="$STARTER" \
		"$WORK/newer/avcli" unit join 10.78.0.1 "$(key)"
	create_kill
	setup node0 unit leave
}

five_wrong_keys() {
	local i
	begin_anew
	create_begin
	for i in 1 2 3 4 5; do
		refused 4 "refused the key" setup node1 unit join 10.78.0.1 "$("$B/tests/unit/setup/test_key" --make)"
	done
	create_end 4
	grep -q "too many wrong keys" "$WORK/create.err" || fail "create doesn't say why"
	untouched node1
	setup node0 unit leave
}

expired_key() {
	local old
	begin_anew
	create_begin
	old=$(key)
	create_kill
	sed -i 's/"key_ends_utc_ms": [0-9]*/"key_ends_utc_ms": 1000/' "$TRY/node0/etc/avpair/setup/state.json"
	create_begin
	[ "$(key)" != "$old" ] || fail "an expired key was shown again"
	refused 4 "refused the key" setup node1 unit join 10.78.0.1 "$old"
	create_kill
	setup node0 unit leave
}

crashes_are_gone_on_from() {
	local k
	begin_anew
	create_begin
	create_kill			# while it waits
	create_begin
	k=$(key)
	: >"$WORK/crash.node1"		# as it starts its services
	: >"$WORK/crash.node0"
	! setup node1 unit join 10.78.0.1 "$k" 2>"$WORK/err" || fail "the killed join succeeded"
	wait_until 30 "create to be killed" test ! -e "$WORK/crash.node0"
	create_kill
	configured node0 && configured node1 || fail "a PM isn't configured"
	setup node0 "${CREATE[@]}" >"$WORK/create.out" 2>"$WORK/create.err" 9>&- &
	CREATE_PID=$!
	setup node1 unit join 10.78.0.1 "$k" 2>"$WORK/err" || { cat "$WORK/err" "$WORK/create.err" >&2; fail "join doesn't go on"; }
	create_end 0
	formed
}

formed() {
	wait_until 30 "both corosyncs to see each other" corosync_formed
	wait_until 60 "both PMs to run together" unit_is running
	no_rest
}

plain() {
	restart_fresh
	create_begin
	setup node1 unit join 10.78.0.1 "$(key)" 2>"$WORK/err" || { cat "$WORK/err" "$WORK/create.err" >&2; fail "join failed"; }
	create_end 0
	formed
	refused 5 "part of a unit already" setup node1 unit join 10.78.0.1 "$(key)"
	refused 5 "part of a unit already" setup node0 "${CREATE[@]}"
	[ ! -e "$TRY/node1/etc/avpair/ca/ca.key" ] || fail "the other PM has the authority's key"
}

image_is_seen() { avcli --json image info | jq -e 'any(.[]; .name == "small.img")' >/dev/null; }
vm_is_created() {
	guest_install_images
	wait_until 20 "the image to be seen" image_is_seen
	avcli vm create --name "$VM" --cpu 1 --memory 300M --volumes 512M \
		--image small.img --interfaces net0 --wait
	wait_until 120 "the volume's legs to be in step" in_step
}

# AVPAIR_CASES="a b": just these
try_case() { [ -n "${AVPAIR_CASES-}" ] && [[ " $AVPAIR_CASES " != *" $1 "* ]] || case_run "$@"; }

LOG=$WORK/test.log
exec 3>&1 1>&2
live_need av-pminit avnoded avconsoled avcli av-setup
folder_make
programs_install
for m in world quorum; do machine_folder "$m"; done
unit_quorum_config() { secrets_make; config_world; config_quorum; }
unit_quorum_config
guest_small
packages_forget
world_start
starter_make
start_fresh node0
start_fresh node1
try_case wrong_ones_are_refused wrong_ones_are_refused
try_case other_version_is_refused other_version_is_refused
try_case five_wrong_keys five_wrong_keys
try_case expired_key expired_key
try_case crashes_are_gone_on_from crashes_are_gone_on_from
try_case create_and_join plain
try_case vm_is_created vm_is_created
live_end
