#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_debian_guest.sh - a real Debian 12 guest: boots to multi-user,
# its PM is powered off, it comes back clean on the other one
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

DEBIAN_ADDRESS=10.77.0.110
sshd_answers() {
	local banner
	banner=$(in_net world timeout 3 bash -c "exec 5<>/dev/tcp/$DEBIAN_ADDRESS/22 && head -c 4 <&5" 2>/dev/null)
	[ "$banner" = SSH- ]
}

boots() {
	avcli vm create --name debian --cpu 1 --memory 700M --volumes 2G \
		--image debian.img --interfaces net0 --wait
	avcli vm poweron debian --wait
	wait_until 240 "sshd of the Debian guest" sshd_answers
}

survives() {
	VM=debian
	local from
	wait_until 120 "the volume to be in step" in_step
	from=$(vm_node)
	node_power_off "$from"
	wait_until 240 "sshd of the guest on the other PM" sshd_answers
	[ "$(vm_node)" != "$from" ] || fail "the guest is still said to be on $from"
	node_start "$from"
	wait_until 60 "both PMs to run together" unit_is running
	wait_until 240 "the legs to be in step" in_step
}

LIVE_IMAGES="debian" live_unit
case_run boots boots
case_run survives_power_off survives
live_end
