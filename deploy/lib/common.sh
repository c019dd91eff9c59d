# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/common.sh - paths, progress and failure; every other part needs it
#
# TREE	the source tree		TRY	the unit's folder (AVPAIR_TRY_DIR)
# B	its build folder	CACHE	built guest images (AVPAIR_CACHE_DIR)
# PROG	the programs as a machine of the unit sees them
# shellcheck shell=bash
export LC_ALL=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

TRY=${AVPAIR_TRY_DIR:-/var/lib/avpair-try}
CACHE=${AVPAIR_CACHE_DIR:-/var/cache/avpair}
B=$TREE/${AVPAIR_BUILD:-build}
PROG=/avpair
TIME_SCALE=${AVPAIR_TIME_SCALE:-1}
MACHINES="world quorum node0 node1"
MARK=.avpair-try
START_US=${EPOCHREALTIME/./}

# Milliseconds of wall time: one clock for every machine of the unit.
now_ms() { local t=${EPOCHREALTIME/./}; echo $((t / 1000)); }

say() {
	local us=$((${EPOCHREALTIME/./} - START_US))
	printf '[%4d.%d s] %s\n' $((us / 1000000)) $((us / 100000 % 10)) "$*"
}

# What is being done now, so that a failure can name it.
STEP=
step() { STEP=$*; say "$*"; }

fail() {
	printf 'avpair: %s\n' "$*" >&2
	exit 1
}

# A step's check that held, or the end of the run.
ok() { say "  ok: $*"; }

# pause SECONDS: no process is started for it
exec {PAUSE_FD}<> <(:)
pause() { read -rt "$1" -u "$PAUSE_FD" || :; }

# wait_until SECONDS WHAT COMMAND...: asks every WAIT_PAUSE seconds, fails by name.
WAIT_PAUSE=0.1
wait_until() {
	local deadline=$(($(now_ms) + $1 * 1000)) what=$2
	shift 2
	until "$@"; do
		[ "$(now_ms)" -lt "$deadline" ] || fail "waited in vain for $what"
		pause "$WAIT_PAUSE"
	done
}

# Only a folder that we made, or an empty one, is ever written or removed.
folder_is_ours() { [ -e "$TRY/$MARK" ] || [ -z "$(ls -A "$TRY" 2>/dev/null)" ]; }

folder_make() {
	folder_is_ours || fail "'$TRY' holds files that aren't of a try unit; set AVPAIR_TRY_DIR to another folder"
	mkdir -p "$TRY"
	chmod 0755 "$TRY"
	: >"$TRY/$MARK"
}

# One command at a time changes a unit.  The lock file outlives unit_clear().
folder_lock_new() { folder_make; folder_lock; }
folder_lock() {
	exec 9>>"$TRY/lock"
	flock -n 9 || fail "another 'deploy/try' is at work in '$TRY'; wait for it or end it first"
}
