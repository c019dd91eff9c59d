# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/checks.sh - can this machine do it?  Asked before any change
# shellcheck shell=bash

NEED_MEMORY_MIB=${AVPAIR_NEED_MEMORY_MIB:-4096}
NEED_DISK_MIB=${AVPAIR_NEED_DISK_MIB:-10240}

check_root() {
	[ "$(id -u)" = 0 ] || fail "this needs root: run it with sudo"
}

check_debian() {
	local ID='' VERSION_ID='' PRETTY_NAME='this system'
	# shellcheck disable=SC1091
	[ ! -r /etc/os-release ] || . /etc/os-release
	[ "$ID $VERSION_ID" = "debian 12" ] ||
		fail "this needs Debian 12; here is $PRETTY_NAME"
	[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] ||
		fail "this needs a PC with a 64-bit processor (amd64); here is $(uname -m)"
}

# The same steps as a machine of the unit takes, in namespaces that end at once.
check_namespaces() {
	unshare --net --mount --pid --fork --uts --ipc --mount-proc true 2>/dev/null ||
		fail "this system doesn't let root make network, mount and process namespaces (a container without privileges?)"
	unshare --mount sh -c 'mount -t tmpfs none /run' 2>/dev/null ||
		fail "this system doesn't let root mount a tmpfs in a private namespace"
	# iproute2 is part of any Debian but the smallest ones: then packages bring it
	command -v ip >/dev/null || return 0
	unshare --net sh -c 'ip link add name veth-a type veth peer name veth-b && ip link add name br-c type bridge' 2>/dev/null ||
		fail "the kernel offers no veth or bridge devices (modules veth and bridge)"
	unshare --net sh -c 'ip tuntap add dev tap-d mode tap' 2>/dev/null ||
		fail "the kernel offers no tap devices (module tun, /dev/net/tun)"
}

check_room() {
	local mib where=$TRY
	mib=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	[ "$mib" -ge "$NEED_MEMORY_MIB" ] ||
		fail "this needs $NEED_MEMORY_MIB MiB of free memory; here are $mib MiB"
	while [ ! -d "$where" ]; do where=$(dirname "$where"); done
	mib=$(df -Pm "$where" | awk 'NR == 2 { print $4 }')
	[ "$mib" -ge "$NEED_DISK_MIB" ] ||
		fail "this needs $NEED_DISK_MIB MiB of free disk at '$where'; here are $mib MiB"
}

# Unix sockets inside the folder must have names short enough.
check_folder() {
	[[ $TRY = /* && $TRY != *[[:space:]]* && ${#TRY} -le 70 ]] ||
		fail "AVPAIR_TRY_DIR must be an absolute path of at most 70 characters without blanks"
	folder_is_ours ||
		fail "'$TRY' holds files that aren't of a try unit; set AVPAIR_TRY_DIR to another folder"
	[[ $TREE != *[[:space:]]* ]] ||
		fail "the path of the source tree has a blank in it: '$TREE'"
}

# preflight GROUP...: groups of packages.txt that the run needs
preflight() {
	check_root
	check_debian
	check_folder
	check_namespaces
	check_room
	check_packages "$@"
}
