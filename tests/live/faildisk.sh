# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/faildisk.sh - a unit whose disks can be made to fail (faildisk.c)
#
# faildisk_install once, after unit_create and before a PM is started; then
# disk_fails NODE ['read BYTE'] and disk_mends NODE, at once, also while it's off.
# shellcheck shell=bash

faildisk_install() {
	local n
	${CC:-cc} -shared -fPIC -O1 -D_GNU_SOURCE \
		-o "$TRY/prog/faildisk.so" "$TREE/tests/live/faildisk.c" -ldl
	printf '#!/bin/sh\nexport LD_PRELOAD=%s/faildisk.so\nexec /usr/bin/nbdkit "$@"\n' \
		"$PROG" >"$TRY/prog/nbdkit-fails"
	chmod 0755 "$TRY/prog/nbdkit-fails" "$TRY/prog/faildisk.so"
	for n in node0 node1; do
		sed -i "s|^nbdkit = .*|nbdkit = $PROG/nbdkit-fails|" "$TRY/$n/etc/avpair/avnoded.conf"
	done
}
disk_fails() { printf '%s' "${2-}" >"$TRY/$1/lib/fail-disk"; }
disk_mends() { rm -f "$TRY/$1/lib/fail-disk"; }
disk_is_failing() { [ -e "$TRY/$1/lib/fail-disk" ]; }
