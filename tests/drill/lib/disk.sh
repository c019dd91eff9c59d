# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/drill/lib/disk.sh - a PM's disks fail; a person gives it new ones
#
# While they fail, every write and flush of a leg on that PM does.  disk_mend puts
# working ones in and returns at once; the rest is what the manual tells an operator
# to do, a step each time that disk_care is called: a VM that still runs on the PM
# with the failed leg is switched off and on (it starts where its data is), then
# the leg is made anew.
# shellcheck shell=bash
# shellcheck source=tests/live/faildisk.sh
. "$TREE/tests/live/faildisk.sh"

disk_fail() { disk_fails "$1"; }
disk_mend() { disk_mends "$1"; }

# Lines 'VOLUME NODE VM' of legs that failed; '-' for no VM, or one elsewhere or off
disk_failed_legs() {
	jq -nr --argjson vols "$(unit_json volume | grep . || echo '[]')" \
		--argjson vms "$(unit_json vm | grep . || echo '[]')" '
		$vols[] | select(.failed_leg) | .vm.name as $name | .failed_leg as $node |
		"\(.id) \($node) \([$vms[] | select(.name == $name and .node == $node) | .name] | .[0] // "-")"' \
		2>/dev/null || :
}

# A refusal is no failure: the unit may not be ready for it; it's tried again.
disk_care() {
	local volume node vm
	while read -r volume node vm; do
		! disk_is_failing "$node" && machine_on "$node" || continue
		if [ "$vm" != - ]; then
			person vm poweroff "$vm" --wait --timeout 20 || continue
			say "  its leg on $node failed: $vm is switched off"
			: >"$WORK/switched-off-$vm"
		fi
		person volume replace-leg "$volume" || continue
		say "  the leg of $volume on $node is made anew"
		: >"$WORK/leg-made"
	done < <(disk_failed_legs)
	for vm in "$WORK"/switched-off-*; do
		! [ -e "$vm" ] || ! person vm poweron "${vm##*-off-}" || rm "$vm"
	done
}

person() {
	(timeout 30 nsenter -t "$(machine_pid "$(primary)")" -m -u -i -n -p -- "$PROG/avcli" "$@") 2>&1 >/dev/null </dev/null | sed "s/^/  '$*': /" >&2
	return "${PIPESTATUS[0]}"
}
