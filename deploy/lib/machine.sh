# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/machine.sh - start, enter and power off one machine of the unit
#
# A machine is a set of namespaces with a first process of its own
# (deploy/pminit.c) and a folder $TRY/NAME.
# shellcheck shell=bash

# Prints the host's pid of the machine's first process; fails when it's off.
machine_pid() { machine_process "$1" pm.pid; }

# machine_process NAME FILE: the pid in that file, if it's the machine's
machine_process() {
	local pid stat args dir=$TRY/$1
	read -r pid 2>/dev/null <"$dir/$2" || return 1
	# the pid may have been given to a stranger: its arguments name our folder
	mapfile -d '' -t args 2>/dev/null <"/proc/$pid/cmdline" || return 1
	[ "${args[1]-}" = "$dir" ] || return 1
	read -r stat 2>/dev/null <"/proc/$pid/stat" || return 1
	[[ ${stat##*) } != Z* ]] || return 1
	echo "$pid"
}

machine_on() { machine_pid "$1" >/dev/null || machine_process "$1" board.pid >/dev/null; }
machine_off() { ! machine_on "$1"; }

# in_machine NAME COMMAND...: in all of its namespaces.
in_machine() {
	local pid
	pid=$(machine_pid "$1") || fail "$1 is powered off"
	shift
	nsenter -t "$pid" -m -u -i -n -p -- "$@"
}

# in_net NAME COMMAND...: only its network; files and programs of the host.
in_net() {
	local pid
	pid=$(machine_pid "$1") || fail "$1 is powered off"
	shift
	nsenter -t "$pid" -n -- "$@"
}

machine_folder() {
	local dir=$TRY/$1
	mkdir -p "$dir"/{etc/avpair,etc/corosync,lib,corosync,log,hold,root}
	chmod 0700 "$dir/etc/avpair"
	[ -e "$dir/services" ] || : >"$dir/services"
}

# Its services wait until machine_release: first come the cables.
machine_boot() {
	local dir=$TRY/$1 name rest
	while IFS=$'\t' read -r name rest; do
		[ -z "$name" ] || : >"$dir/hold/$name"
	done <"$dir/services"
	"$B/av-pminit" "$dir" "$1"
}

machine_release() { rm -f "$TRY/$1/hold/"*; }

# service_line MACHINE NAME NICE PROGRAM ARGUMENT...
service_line() {
	local IFS=$'\t' machine=$1
	shift
	printf '%s\n' "$*" >>"$TRY/$machine/services"
}

# Every process of the machine ends at once, as by a pulled plug.
machine_kill() {
	local pid file
	# the board first: it would start the machine again
	for file in board.pid pm.pid; do
		! pid=$(machine_process "$1" $file) || kill -KILL "$pid" 2>/dev/null || :
	done
	wait_until 20 "the end of $1" machine_off "$1"
}
