# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/lab_warm.sh - PMs that go on from where another one had just started
#
# A start costs an emulated PM a minute or more of a real processor, always the same
# one.  So a PM of each kind is started once, under the name node9, and what it is
# right after its start, memory and disks, is kept in IMAGE/warm-KEY.  The PMs of new
# labs go on from there and are told on their consoles who they are
# (deploy/pm/files/lab-net).  KEY is of all that the QEMU machine and its command line are
# made of.  A PM that is powered on again later starts from its disks, as machines do.
# shellcheck shell=bash

# warm_dir NODE: of the kind that it is, with Xen or without
warm_dir() {
	local key
	key=$({
		qemu-system-x86_64 --version
		pm_arguments "$1"
		echo "$PM_DISK_GIB"
	} | sed "s|$TRY||g; s/$LAB-//g; s/node[019]/node/g; s/mac=.*/mac/" |
		sha256sum | cut -c1-16)
	echo "$IMAGE/warm-$key"
}

warm_have() { [ "${AVPAIR_LAB_COLD-}" != 1 ] && [ -e "$(warm_dir "$1")/state" ]; }

# Disks of a new PM that goes on.
warm_disks() {
	local d w disk
	d=$(pm_dir "$1")
	w=$(warm_dir "$1")
	for disk in root data; do
		qemu-img create -q -f qcow2 -b "$w/$disk.qcow2" -F qcow2 "$d/$disk.qcow2"
	done
}

warm_start() {
	pm_start "$1" -incoming "exec:zstd -dcq <$(warm_dir "$1")/state"
	wait_until 300 "the kept state in $1" warm_loaded "$1"
	pm_monitor "$1" cont
}

warm_loaded() { [ "$(pm_monitor "$1" "info status")" = "VM status: paused" ]; }

# A shell of root listens on the console.  What an emulated serial port hasn't taken
# yet is lost when we hang up.
warm_tell() {
	{
		printf '\025\rlab-net %s %s\r' "${1#node}" \
			"$(tr -d - </proc/sys/kernel/random/uuid)"
		warm_answers_within "$1" 20 >/dev/null || :
	} | socat -u - "UNIX-CONNECT:$(pm_dir "$1")/console"
}

# Who it is, and what time it is: its clock stood still.  The journal is named by the
# machine id, which journald has read at its start.
warm_identity() {
	local n
	for n in {1..60}; do
		warm_tell "$1" || :
		! pm_answers "$1" || break
	done
	pm "$1" "date -u -s @${EPOCHREALTIME/,/.}; systemctl --no-block restart systemd-journald" </dev/null >/dev/null
}

warm_answers_within() {
	local deadline=$(($(now_ms) + $2 * 1000))
	until pm_answers "$1"; do
		[ "$(now_ms)" -lt "$deadline" ] || return 1
		pause 0.5
	done
}

warm_saved() { [[ $(pm_monitor "$1" "info migrate") = *"status: completed"* ]]; }

# warm_make NODE: the state of a PM like NODE
warm_make() {
	local spare=node9 d w
	warm_have "$1" && return 0
	[ "${AVPAIR_LAB_COLD-}" != 1 ] || return 0
	w=$(warm_dir "$1")
	d=$(pm_dir $spare)
	rm -rf "$d"
	mkdir -p "$d" "$TRY/$spare/log"
	[ ! -e "$(pm_dir "$1")/plain" ] || : >"$d/plain"
	step "starting a PM once, to keep its state for this and later labs"
	pm_disks_make $spare
	pm_start $spare
	wait_until 3600 "the end of its start" pm_booted $spare
	pm $spare 'sync; echo 3 >/proc/sys/vm/drop_caches' </dev/null
	step "keeping the PM's state"
	pm_monitor $spare stop
	pm_monitor $spare "migrate_set_parameter max-bandwidth 100G"
	mkdir "$w.$$"
	pm_monitor $spare "migrate -d \"exec:zstd -q -2 >$w.$$/state\""
	wait_until 600 "the PM's state" warm_saved $spare
	pm_kill $spare
	cp --sparse=always "$d"/{root,data}.qcow2 "$w.$$/"
	[ -e "$w" ] || mv "$w.$$" "$w"
	rm -rf "$w.$$" "${TRY:?}/$spare"
}
