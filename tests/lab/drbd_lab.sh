# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/lab/drbd_lab.sh - what drbd-conformance and bench-mirror have in common
#
# A lab that is up is used and left up; else one is made and removed.  Stdout is
# kept as fd 3; what the parts say goes to stderr.
# shellcheck shell=bash
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export AVPAIR_LAB_NAME=${AVPAIR_LAB_NAME:-drbd}
LAB=$AVPAIR_LAB_NAME
AVPAIR_TRY_DIR=${AVPAIR_LAB_DIR:-/var/lib/avpair-$LAB}
for part in common checks packages machine net config forward unit \
	lab_net lab_pm lab_warm lab_unit lab_install; do
	# shellcheck disable=SC1090
	. "$TREE/deploy/lib/$part.sh"
done
MARK=.avpair-lab
[ "$(id -u)" = 0 ] || { echo "skip ${0##*/} until=2027-05-31 needs root"; exit 77; }
VG=avvg
THERE=/root/drbd
WORK=$(mktemp -d "${TMPDIR:-/tmp}/avdrbd.XXXXXX")
WAIT_S=${LAB_WAIT_S:-180}
made=

prepare_pm() {
	pm "$1" "mkdir -p $THERE /usr/lib/avpair; rm -rf $THERE/*; modprobe drbd
		printf %s /sbin/drbdadm >/sys/module/drbd/parameters/usermode_helper
		for p in \$(pidof mirror-pm test_conform); do kill \$p; done
		for r in av-o3 av-o4 av-x1; do
			drbdsetup down \$r 2>/dev/null
			lvremove -qq -y $VG/\$r 2>/dev/null
		done
		vgs $VG >/dev/null 2>&1 || { pvcreate -qq -y /dev/vdb && vgcreate -qq $VG /dev/vdb; }
		dmesg -C" </dev/null
	pm_copy "$1" "$B/tests/unit/mirror/test_conform" "$B/tests/lab/mirror-pm" \
		"$TREE/tests/lab/drbd_side" $THERE/
	pm "$1" "rm -f /usr/lib/avpair/av-fence-peer" </dev/null
	pm_copy "$1" "$B/av-fence-peer" /usr/lib/avpair/
}

end() {
	local rc=$? n
	trap - EXIT INT TERM
	for n in node0 node1; do
		! pm_on "$n" || pm "$n" "for p in \$(pidof mirror-pm); do kill \$p; done" </dev/null || :
	done
	[ -z "$made" ] || "$TREE/deploy/lab" down >&2 || :
	rm -rf "$WORK"
	exit "$rc"
}
trap end EXIT
trap 'exit 130' INT TERM

exec 3>&1 1>&2
if ! [ -e "$TRY/$MARK" ]; then
	made=1
	"$TREE/deploy/lab" up --plain
fi
IMAGE=$(<"$TRY/image")
