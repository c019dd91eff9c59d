# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/config.sh - keys, certificates and configuration of a new unit
# shellcheck shell=bash

CONSOLE_ID=64201	# the console's user and group; no account is made for it

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Short enough to type, long enough that nobody guesses: 80 bits.
password() { LC_ALL=C tr -dc 'a-km-np-z2-9' </dev/urandom 2>/dev/null | head -c 16 || :; }

# Reads a password from stdin, prints its yescrypt hash (libcrypt, by perl-base).
yescrypt() {
	perl -e 'use strict;
		my @c = split //, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
		my $p = <STDIN>; chomp $p;
		open my $f, "<", "/dev/urandom" or die; read $f, my $r, 21 or die;
		my $salt = join("", map { $c[ord($_) & 63] } split //, $r) . ".";
		my $h = crypt($p, "\$y\$j9T\$$salt");
		die "no yescrypt\n" unless defined $h && $h =~ /^\$y\$/;
		print "$h\n"'
}

# private FILE: from stdin, readable by root alone from its first byte on
private() { (umask 077 && cat >"$1"); }

ca_make() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
		-subj "/CN=avpair try unit" -keyout "$1/ca.key" -out "$1/ca.crt" 2>/dev/null
}

# cert_make FOLDER NAME SUBJECT-ALT-NAMES USAGE
cert_make() {
	local d=$1
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-subj "/CN=$2" -keyout "$d/$2.key" -out "$d/$2.csr" 2>/dev/null
	openssl x509 -req -in "$d/$2.csr" -CA "$d/ca.crt" -CAkey "$d/ca.key" \
		-CAcreateserial -days 3650 -out "$d/$2.crt" -extfile <(printf '%s\n' \
		"basicConstraints=CA:FALSE" "subjectAltName=$3" "extendedKeyUsage=$4") 2>/dev/null
	rm -f "$d/$2.csr"
}

secrets_make() {
	local d=$TRY/secrets
	install -d -m 0700 "$d"
	(
		umask 077
		cat /proc/sys/kernel/random/uuid >"$d/unit.uuid"
		hex 32 >"$d/unit.key"
		printf 'avpair:%s\n' "$(hex 32)" >"$d/mirror.psk"
		head -c 256 /dev/urandom >"$d/authkey"
		password >"$d/admin.password"
		printf 'admin:%s\n' "$(yescrypt <"$d/admin.password")" >"$d/initial-admin"
		ca_make "$d"
		# the gateway (JSON) of etcd is a client of its own gRPC port, with this very
		# certificate
		cert_make "$d" etcd "IP:$QUORUM_ADDRESS" serverAuth,clientAuth
		cert_make "$d" client "DNS:avnoded" clientAuth
		cert_make "$d" console "IP:$UNIT_ADDRESS,IP:127.0.0.1,IP:$(lan_address node0),IP:$(lan_address node1),DNS:localhost" serverAuth
	)
}

# Milliseconds times AVPAIR_TIME_SCALE, the one knob for slow machines.
scaled() { awk -v v="$1" -v s="$TIME_SCALE" 'BEGIN { printf "%d", v * s }'; }

# Each PM claims half of the machine, within reason.
pm_memory() {
	awk '$1 == "MemTotal:" { m = int($2 / 2048); m = (m < 2048) ? 2048 : (m > 8192) ? 8192 : m
		printf "%dM", m }' /proc/meminfo
}

pm_storage() {
	df -Pm "$TRY" | awk 'NR == 2 { m = int($4 / 3); printf "%dM", (m > 20480) ? 20480 : m }'
}

# What the files say that isn't this machine's own: nodeagent/setup/plan.h.
plan_json() {
	cat <<-END
	{ "plan": 1, "whole": true, "uuid": "$(<"$TRY/secrets/unit.uuid")", "name": "try",
	  "links": [
	    { "first": "$(priv_address node0)", "second": "$(priv_address node1)", "prefix": 24, "private": true },
	    { "first": "$(lan_address node0)", "second": "$(lan_address node1)", "prefix": 24, "private": false } ],
	  "bridges": ["net0"], "unit_address": "$UNIT_ADDRESS/24", "unit_interface": "net0",
	  "mirror": "replica", "hypervisor": "qemu", "time_scale": "$TIME_SCALE",
	  "arbiter": "$ARBITER", "arbiter_url": "https://$QUORUM_ADDRESS:2379" }
	END
}

# What is different here: half of the host each, programs of this build.
local_json() {
	cat <<-END
	{ "plan": $(plan_json), "uid": $CONSOLE_ID, "gid": $CONSOLE_ID,
	  "corosync_log": "/var/log/avpair/corosync.log", "no_realtime": true,
	  "agent_lines": [
	    "mtbf_policy = always", "watchdog = stand-in:/run/pmwatch",
	    "power_program = $PROG/av-pminit",
	    "cpus = $(($(nproc) > 4 ? $(nproc) : 4))",
	    "memory_bytes = $(pm_memory)", "storage_bytes = $(pm_storage)",
	    "plugin = $PROG/nbdkit-avreplica-plugin.so",
	    "nbdkit = /usr/bin/nbdkit", "qemu = /usr/bin/qemu-system-x86_64" ],
	  "console_lines": ["web_dir = $PROG/webui"] }
	END
}

# The files' text is av-setup's (nodeagent/setup/render.c).  rendered NODE: into
# $TRY/NODE/rendered, from where tests change them on their way.
rendered() {
	mkdir -p "$TRY/$1/rendered"
	local_json | "$B/av-setup" render "${1#node}" "$TRY/$1/rendered"
}
corosync_conf() { cat "$TRY/$1/rendered/corosync.conf"; }
avnoded_conf() { cat "$TRY/$1/rendered/avnoded.conf"; }
avconsoled_conf() { cat "$TRY/$1/rendered/avconsoled.conf"; }

config_quorum() {
	local s=$TRY/secrets e=$TRY/quorum/etc/avpair url=https://$QUORUM_ADDRESS:2379
	install -m 0600 "$s/etcd.key" "$s/etcd.crt" "$s/ca.crt" "$e/"
	: >"$TRY/quorum/services"
	service_line quorum etcd 0 /usr/bin/etcd --name quorum \
		--data-dir /var/lib/avpair/etcd \
		--listen-client-urls "$url" --advertise-client-urls "$url" \
		--listen-peer-urls http://127.0.0.1:2380 \
		--initial-advertise-peer-urls http://127.0.0.1:2380 \
		--initial-cluster quorum=http://127.0.0.1:2380 \
		--client-cert-auth --trusted-ca-file /etc/avpair/ca.crt \
		--cert-file /etc/avpair/etcd.crt --key-file /etc/avpair/etcd.key
}

# config_node NODE
config_node() {
	local s=$TRY/secrets e=$TRY/$1/etc f
	chmod 0711 "$e/avpair"
	install -d -m 0700 "$e/avpair/etcd"
	for f in unit.key mirror.psk initial-admin console.crt console.key; do
		install -m 0600 "$s/$f" "$e/avpair/$f"
	done
	install -m 0600 "$s/ca.crt" "$s/client.crt" "$s/client.key" "$e/avpair/etcd/"
	install -m 0600 "$s/authkey" "$e/corosync/authkey"
	rendered "$1"
	corosync_conf "$1" >"$e/corosync/corosync.conf"
	avnoded_conf "$1" >"$e/avpair/avnoded.conf"
	avconsoled_conf "$1" >"$e/avpair/avconsoled.conf"
	: >"$TRY/$1/services"
	service_line "$1" corosync -15 /usr/sbin/corosync -f
	service_line "$1" av-watchdog -20 "$PROG/av-watchdog" -c /etc/avpair/avnoded.conf
	service_line "$1" avnoded -10 "$PROG/avnoded" -c /etc/avpair/avnoded.conf
	service_line "$1" avconsoled 0 "$PROG/avconsoled" -c /etc/avpair/avconsoled.conf
}
