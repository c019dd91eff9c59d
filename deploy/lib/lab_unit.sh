# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/lab_unit.sh - the lab as a whole: its folder, the world, the end
# shellcheck shell=bash

# The folder of a new lab: disks, keys of the quorum server, two machines' logs.
lab_make() {
	local m
	lab_clear
	mkdir -p "$TRY/prog"
	for m in world quorum; do machine_folder "$m"; done
	for m in node0 node1; do
		mkdir -p "$TRY/$m/log" "$(pm_dir "$m")"
	done
	echo "$IMAGE" >"$TRY/image"
	lab_accel >"$TRY/accel"
	secrets_make
	config_world
	config_quorum
}

# What the product itself would use for its guests decides for the lab, too.
lab_accel() {
	echo "${AVPAIR_LAB_ACCEL:-$("$B/av-accelprobe" 2>/dev/null || echo tcg)}"
}

lab_world_start() {
	machine_boot world
	lab_net_world
	machine_boot quorum
	net_quorum
	machine_release world
	machine_release quorum
	wait_until 60 "the quorum server" quorum_healthy
}

# A PM's first start makes its disks; it goes on from a kept state where there is one.
lab_pm_start() {
	local d
	d=$(pm_dir "$1")
	rm -f "$d/warm"
	if [ -e "$d/root.qcow2" ]; then
		pm_start "$1"
	elif warm_have "$1"; then
		warm_disks "$1"
		: >"$d/warm"
		warm_start "$1"
	else
		pm_disks_make "$1"
		pm_start "$1"
	fi
}

lab_pm_started() {
	[ ! -e "$(pm_dir "$1")/warm" ] || warm_identity "$1"
	rm -f "$(pm_dir "$1")/warm"
	wait_until 3600 "ssh of $1" pm_answers "$1"
}

lab_halt() {
	local m
	forward_stop
	for m in node0 node1 node9; do pm_kill "$m"; done
	for m in quorum world; do
		[ ! -d "$TRY/$m" ] || machine_kill "$m"
	done
}

lab_clear() {
	lab_halt
	find "$TRY" -xdev -mindepth 1 -maxdepth 1 ! -name "$MARK" ! -name lock \
		! -name build.log -exec rm -rf --one-file-system {} +
}

lab_remove() {
	lab_clear
	rm -rf --one-file-system "$TRY"
}
