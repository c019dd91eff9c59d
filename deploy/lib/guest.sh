# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/guest.sh - guest images: built once, kept in $CACHE
# shellcheck shell=bash

# What an image is made of: another tree, another image.
guest_stamp() { (cat "$TREE"/deploy/guest/* 2>/dev/null || :) | sha256sum | cut -c1-16; }

guest_small() {
	SMALL=$CACHE/small-$(guest_stamp).img
	[ ! -s "$SMALL" ] || return 0
	step "building the small guest image"
	mkdir -p "$CACHE"
	"$TREE/deploy/guest/build-small" "$SMALL.new" >>"$LOG" 2>&1 ||
		{ tail -n 10 "$LOG" >&2; fail "the small guest image could not be built (log: $LOG)"; }
	mv -f "$SMALL.new" "$SMALL"
}

guest_install_image() {
	local n
	for n in node0 node1; do
		mkdir -p "$TRY/$n/lib/images"
		cp --sparse=always --reflink=auto "$SMALL" "$TRY/$n/lib/images/small.img"
	done
}
