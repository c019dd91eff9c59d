#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_debian_guest.sh - a real Debian 12 guest: boots to multi-user,
# its PM is powered off, it comes back clean on the other one
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

VM=debian
KEY=$WORK/key

in_guest() {
	in_net world ssh -q -i "$KEY" -o BatchMode=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o ConnectTimeout=3 "root@$GUEST_ADDRESS" "$@"
}

# systemd's own word: every unit started, none failed.
multi_user() { [ "$(in_guest systemctl is-system-running 2>/dev/null)" = running ]; }

boots() {
	avcli vm create --name $VM --cpu 1 --memory 700M --volumes 2G \
		--image debian.img --interfaces net0 --wait
	avcli vm poweron $VM
	GUEST_ADDRESS=$(guest_address)
	wait_until 300 "multi-user in the guest at $GUEST_ADDRESS" multi_user
}

survives() {
	GUEST_ADDRESS=$(guest_address)
	wait_until 120 "the volume's legs to be in step" in_step
	story_power_off
	wait_until 300 "multi-user in the guest on the other PM" multi_user
	in_guest 'test -z "$(dmesg | grep -i "ext4-fs error")"' || fail "the guest's file system has errors"
	story_power_on
}

command -v ssh-keygen >/dev/null || live_skip "no ssh-keygen (package openssh-client)"
folder_make
ssh-keygen -q -t ed25519 -N '' -f "$KEY"
LIVE_IMAGES=debian DEBIAN_KEYS=$KEY.pub live_unit
case_run boots_to_multi_user boots
case_run survives_power_off survives
live_end
