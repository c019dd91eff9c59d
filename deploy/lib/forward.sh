# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/forward.sh - the console's port on the host's loopback
#
# host 127.0.0.1:PORT -> Unix socket in the world's folder -> unit address:443.
# A Unix socket with a path crosses network namespaces, so the host's network
# needs no address, route or rule.
# shellcheck shell=bash

FORWARD_SOCKET=$TRY/world/lib/console.sock

config_world() {
	: >"$TRY/world/services"
	service_line world forward 0 /usr/bin/socat \
		UNIX-LISTEN:/var/lib/avpair/console.sock,fork,unlink-early,mode=0600 \
		"TCP:$UNIT_ADDRESS:443,connect-timeout=3"
}

# The first free port from 8443 on; a user's own service keeps its port.
free_port() {
	local port
	for port in {8443..8543}; do
		[ -n "$(ss -Htln "sport = :$port")" ] || { echo "$port"; return 0; }
	done
	fail "no free port from 8443 to 8543"
}

forward_pid() {
	local pid args
	read -r pid 2>/dev/null <"$TRY/forward.pid" || return 1
	mapfile -d '' -t args 2>/dev/null <"/proc/$pid/cmdline" || return 1
	[ "${args[2]-}" = "UNIX-CONNECT:$FORWARD_SOCKET" ] || return 1
	echo "$pid"
}

forward_start() {
	local port
	forward_stop
	port=$(free_port)
	(
		# it outlives us: a caller's lock ('flock FILE deploy/try') isn't its own
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || exec {fd}>&-
		done
		exec setsid socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" \
			"UNIX-CONNECT:$FORWARD_SOCKET"
	) </dev/null >>"$TRY/world/log/host-forward.log" 2>&1 &
	echo $! >"$TRY/forward.pid"
	disown
	echo "$port" >"$TRY/forward.port"
}

forward_stop() {
	local pid
	if pid=$(forward_pid); then
		# its children serve one connection each and carry the same arguments
		pkill -KILL -P "$pid" 2>/dev/null || :
		kill -KILL "$pid" 2>/dev/null || :
	fi
	rm -f "$TRY/forward.pid" "$TRY/forward.port"
}

console_url() { echo "https://127.0.0.1:$(cat "$TRY/forward.port" 2>/dev/null || echo '?')/"; }
