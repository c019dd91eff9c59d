# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/lab_install.sh - avpair in the lab's PMs, by the documented steps
#
# Nothing here does what a user couldn't: packages by apt, 'avcli unit create' on one PM,
# 'avcli unit join' on the other.
# shellcheck shell=bash

LAB_UNIT_ADDRESS=$UNIT_ADDRESS
# An emulated processor stretches every interval.
lab_time_scale() {
	local scale=${AVPAIR_TIME_SCALE-}
	[ -n "$scale" ] || { scale=1; [ "$(<"$TRY/accel")" = kvm ] || scale=6; }
	echo "$scale"
}

# A list of the .deb files that a PM needs; of the drivers those of the stack.
lab_debs() {
	local f
	lab_stack
	for f in "$B"/deb/*.deb; do
		case ${f##*/} in
		*-dbgsym_* | avpair-doc_*) continue ;;
		avpair-xen_*) [ "$LAB_VMM" = xen ] || continue ;;
		avpair-drbd_*) [ "$LAB_MIRROR" = drbd ] || continue ;;
		esac
		[ -e "$f" ] || continue
		echo "$f"
	done
}

lab_install_one() {
	local n=$1
	shift
	pm "$n" 'rm -rf /root/deb && mkdir /root/deb' </dev/null &&
		pm_copy "$n" "$@" /root/deb &&
		pm "$n" 'dpkg --configure -a; DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
			--no-install-recommends --reinstall install /root/deb/*.deb' </dev/null
}

# lab_install NODE...: on all at once
lab_install() {
	local n i debs pids=()
	mapfile -t debs < <(lab_debs)
	[ "${#debs[@]}" -gt 0 ] || fail "no packages in '$B/deb'; 'make deb' builds them"
	step "installing ${#debs[@]} packages on $*"
	for n; do
		lab_install_one "$n" "${debs[@]}" >"$TRY/$n/log/install.log" 2>&1 &
		pids+=($!)
	done
	i=0
	for n; do
		wait "${pids[i++]}" ||
			{ tail -n 5 "$TRY/$n/log/install.log" >&2; fail "the packages can't be installed on $n"; }
		ok "$n has them"
	done
}

# What guests run on and what mirrors their disks: the two drivers of a unit.
lab_stack() {
	LAB_STACK=${AVPAIR_LAB_STACK:-qemu-replica}
	LAB_VMM=${LAB_STACK%-*}
	LAB_MIRROR=${LAB_STACK#*-}
	case $LAB_VMM-$LAB_MIRROR in
	qemu-replica | qemu-drbd | xen-replica | xen-drbd) ;;
	*) fail "AVPAIR_LAB_STACK is '$LAB_STACK'; stacks are (qemu|xen)-(replica|drbd)" ;;
	esac
}

# What the administrator of a PM has made before: with DRBD, a volume group; without Xen,
# KVM.  Under TCG, too: it emulates AMD-V.  A guest was up after 18 s by that, after 512 s
# by TCG in the emulated machine.
lab_prepare() {
	[ "$LAB_MIRROR" != drbd ] ||
		pm "$1" "vgs $LAB_GROUP >/dev/null 2>&1 || vgcreate -q $LAB_GROUP /dev/vdb" </dev/null ||
		fail "no volume group on $1"
	[ "$LAB_VMM" != qemu ] ||
		pm "$1" 'sed -i "/^blacklist kvm/d" /etc/modprobe.d/lab.conf
			modprobe -q kvm_amd || modprobe -q kvm_intel' </dev/null ||
		say "  $1 has no KVM"
}
LAB_GROUP=guests

# lab_unit_create ARGUMENT...: more ones of 'unit create'
lab_unit_create() {
	local s=$TRY/secrets answer address key n disks=()
	lab_stack
	[ "$LAB_MIRROR" != drbd ] || disks=(--volume-group "$LAB_GROUP")
	for n in node0 node1; do lab_prepare $n; done
	step "node0: avcli unit create ($LAB_STACK)"
	pm node0 'mkdir -p -m 700 /root/quorum' </dev/null
	pm_copy node0 "$s/ca.crt" "$s/client.crt" "$s/client.key" "$s/admin.password" /root/quorum
	answer=$(pm node0 avcli unit create lab --private priv0 --business net0 \
		--address "$UNIT_ADDRESS/24" --quorum "https://$QUORUM_ADDRESS:2379" \
		--quorum-ca /root/quorum/ca.crt --quorum-cert /root/quorum/client.crt \
		--quorum-key /root/quorum/client.key --password-file /root/quorum/admin.password \
		--hypervisor "$LAB_VMM" --mirror "$LAB_MIRROR" "${disks[@]}" \
		--time-scale "$(lab_time_scale)" --no-wait --yes --json "$@" </dev/null) ||
		fail "the unit isn't created: $answer"
	address=$(jq -r .address <<<"$answer")
	key=$(jq -r .key <<<"$answer")
	step "node1: avcli unit join $address"
	pm node1 avcli unit join "$address" "$key" --private priv0 "${disks[@]}" --yes \
		</dev/null >"$TRY/node1/log/join.log" 2>&1 ||
		{ tail -n 20 "$TRY/node1/log/join.log" >&2; fail "node1 doesn't join"; }
	ok "the unit has formed"
}

# As root on the PM that holds the unit address; any that answers otherwise.
lab_primary() {
	local n
	for n in node0 node1; do
		if pm_on "$n" && pm "$n" "ip -o addr show dev net0" </dev/null 2>/dev/null | grep -qF " $UNIT_ADDRESS/"; then
			echo "$n"
			return 0
		fi
	done
	return 1
}

# ssh gives the PM's shell one line: arguments are quoted for it.
lab_avcli() {
	local n
	n=$(lab_primary) || n=node0
	pm_on "$n" || n=node1
	pm "$n" "LC_ALL=C.UTF-8 avcli ${*@Q}" </dev/null
}
