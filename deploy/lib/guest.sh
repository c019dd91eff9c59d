# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/guest.sh - guest images: built once, kept in $CACHE by deploy/guest
# shellcheck shell=bash

# The builders fetch a kernel and packages with apt: let them use our lists.
guest_apt() {
	[ -z "$APT_DIR" ] || export APT_CONFIG=$APT_DIR/apt.conf
}

guest_small() {
	step "the small guest image"
	compgen -G "$CACHE/linux-image-*-cloud-amd64_*.deb" >/dev/null || apt_lists
	mkdir -p "$CACHE" "$TRY/images"
	(guest_apt; AVPAIR_CACHE=$CACHE RECORDD=$B/av-recordd \
		"$TREE/deploy/guest/build-small" "$TRY/images/small.img" >>"$LOG" 2>&1) ||
		{ tail -n 10 "$LOG" >&2; fail "the small guest image could not be built (log: $LOG)"; }
}

# DEBIAN_KEYS: a file of ssh keys that root of the guest accepts
guest_debian() {
	step "the Debian guest image"
	mkdir -p "$CACHE" "$TRY/images"
	AVPAIR_CACHE=$CACHE RECORDD=$B/av-recordd "$TREE/deploy/guest/build-debian" \
		"$TRY/images/debian.img" ${DEBIAN_KEYS:+"$DEBIAN_KEYS"} >>"$LOG" 2>&1 ||
		{ tail -n 10 "$LOG" >&2; fail "the Debian guest image could not be built (log: $LOG)"; }
}

# Both PMs may hold the unit address when a VM is created: each gets them.
guest_install_images() {
	local n image
	for n in node0 node1; do
		mkdir -p "$TRY/$n/lib/images"
		for image in "$TRY"/images/*.img; do
			cp --sparse=always --reflink=auto "$image" "$TRY/$n/lib/images/"
		done
	done
	rm -rf "$TRY/images"
}
