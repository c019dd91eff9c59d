# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/lab_warm.sh - PMs that go on from where an earlier one had just started
#
# A start costs an emulated PM minutes of the real processor's work, always the same
# ones.  So the first PM of a kind is kept right after its start, memory and disks, in
# IMAGE/warm-KEY/NODE, and a new lab's PM goes on from there.  KEY is of all that its
# QEMU machine and its command line are made of.  A PM that is powered on again later
# starts from its disks, as machines do.
# shellcheck shell=bash

warm_dir() {
	local key
	key=$({
		qemu-system-x86_64 --version
		pm_arguments "$1"
		echo "$PM_DISK_GIB"
	} | sed "s|$TRY||g; s/machine_id=[0-9a-f]*//; s/$LAB-node/node/" | sha256sum | cut -c1-16)
	echo "$IMAGE/warm-$key/$1"
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
	cp "$w/machine-id" "$d/machine-id"
}

warm_start() {
	pm_start "$1" -incoming "exec:zstd -dcq <$(warm_dir "$1")/state"
}

# Its clock stood still since.
warm_clock() {
	pm "$1" "date -u -s @${EPOCHREALTIME/,/.}" </dev/null >/dev/null
}

warm_saved() { [[ $(pm_monitor "$1" "info migrate") = *"status: completed"* ]]; }

# After its start, before anything was done to it.
warm_save() {
	local d w
	d=$(pm_dir "$1")
	w=$(warm_dir "$1")
	mkdir -p "${w%/*}"
	mkdir "$w.$$" 2>/dev/null || return 0
	step "keeping the state of $1 for the next lab"
	pm "$1" sync </dev/null
	pm_monitor "$1" stop
	pm_monitor "$1" "migrate_set_parameter max-bandwidth 100G"
	pm_monitor "$1" "migrate -d \"exec:zstd -q -2 >$w.$$/state\""
	wait_until 300 "the state of $1" warm_saved "$1"
	cp --sparse=always "$d"/{root,data}.qcow2 "$d/machine-id" "$w.$$/"
	pm_monitor "$1" cont
	[ -e "$w" ] || mv "$w.$$" "$w"
	rm -rf "$w.$$"
}
