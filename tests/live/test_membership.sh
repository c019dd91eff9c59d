#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_membership.sh - the agent's corosync driver against a real
# corosync, alone in its own network and mount namespaces
set -u
B=${B:-build}
[ "$(id -u)" = 0 ] || { echo "skip ${0##*/} until=2027-05-31 needs root"; exit 77; }
command -v corosync >/dev/null || { echo "skip ${0##*/} until=2027-05-31 needs corosync"; exit 77; }
prog=$(readlink -f "$B/tests/unit/nodeagent/test_membership") || exit 99
[ -x "$prog" ] || { echo "$prog isn't built" >&2; exit 99; }
if [ "${1-}" != --inside ]; then
	exec unshare --net --mount --ipc "$0" --inside
fi
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
ip link set lo up
for d in /run /var/lib/corosync /dev/shm; do
	mkdir -p "$d"
	mount -t tmpfs tmpfs "$d" || exit 99
done
cat >"$work/corosync.conf" <<CONF
totem {
  version: 2
  cluster_name: probe
  transport: knet
  token: 300
  consensus: 360
}
nodelist {
  node {
    nodeid: 1
    name: node0
    ring0_addr: 127.0.0.1
  }
}
logging {
  to_syslog: no
  to_stderr: yes
}
CONF
corosync -f -c "$work/corosync.conf" >"$work/log" 2>&1 &
pid=$!
COROSYNC_PID=$pid "$prog"
rc=$?
kill -9 "$pid" 2>/dev/null
[ "$rc" = 0 ] || tail -5 "$work/log" >&2
exit "$rc"
