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

# link_mode active: every packet goes over both links.  With passive, knet needs
# about 1.1 s to leave a cut link, longer than the token lives: the cut of one
# cable broke the membership each time.
#
# knet looks at its links every 200 ms and no more often, but takes half the token
# for its ping's time limit unless told otherwise: with a token of 300 ms whole links
# were "down" for an instant every few seconds, and the membership with them.
corosync_conf() {
	local n
	cat <<-END
	totem {
	    version: 2
	    cluster_name: avpair
	    transport: knet
	    link_mode: active
	    crypto_cipher: aes256
	    crypto_hash: sha256
	    keyfile: /etc/corosync/authkey
	    token: $(scaled 300)
	    consensus: $(scaled 360)
	    join: $(scaled 50)
	END
	for n in 0 1; do
		cat <<-END
		    interface {
		        linknumber: $n
		        knet_ping_interval: $(scaled 200)
		        knet_ping_timeout: $(scaled 1000)
		    }
		END
	done
	cat <<-END
	}
	nodelist {
	END
	for n in node0 node1; do
		cat <<-END
		    node {
		        nodeid: $((${n#node} + 1))
		        name: $n
		        ring0_addr: $(priv_address $n)
		        ring1_addr: $(lan_address $n)
		    }
		END
	done
	cat <<-END
	}
	logging {
	    to_stderr: no
	    to_syslog: no
	    to_logfile: yes
	    logfile: /var/log/avpair/corosync.log
	    timestamp: hires
	}
	system {
	    sched_rr: no
	    move_to_root_cgroup: no
	}
	END
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

# avnoded_conf NODE PEER
avnoded_conf() {
	cat <<-END
	# made by deploy/try; docs: avnoded.conf(5)
	node = ${1#node}
	unit_uuid = $(<"$TRY/secrets/unit.uuid")
	unit_name = try
	state_dir = /var/lib/avpair
	run_dir = /run/avpair
	log_dir = /var/log/avpair
	key_file = /etc/avpair/unit.key
	psk_file = /etc/avpair/mirror.psk
	heartbeat = $(priv_address "$1")=$(priv_address "$2") $(lan_address "$1")=$(lan_address "$2")
	heartbeat_port = 7701
	watchdog_port = 7703
	mtbf_policy = always
	watchdog = stand-in:/run/pmwatch
	mirror_listen = 0.0.0.0
	mirror_peers = $(priv_address "$2") $(lan_address "$2")
	mirror_port_base = 7800
	arbiter = $ARBITER
	arbiter_url = https://$QUORUM_ADDRESS:2379
	arbiter_cert_dir = /etc/avpair/etcd
	unit_address = $UNIT_ADDRESS/24
	unit_interface = net0
	networks = net0
	cpus = $(($(nproc) > 4 ? $(nproc) : 4))
	memory_bytes = $(pm_memory)
	storage_bytes = $(pm_storage)
	plugin = $PROG/nbdkit-avreplica-plugin.so
	nbdkit = /usr/bin/nbdkit
	qemu = /usr/bin/qemu-system-x86_64
	time_scale = $TIME_SCALE
	driver_vmm = qemu
	driver_mirror = replica
	initial_admin_file = /etc/avpair/initial-admin
	socket_gid = $CONSOLE_ID
	END
}

# avconsoled_conf NODE PEER
avconsoled_conf() {
	cat <<-END
	# made by deploy/try
	node = $1
	agent_socket = /run/avpair/agent.sock
	unix_socket = /run/avpair/console.sock
	listen = 0.0.0.0:443
	cert_file = /etc/avpair/console.crt
	key_file = /etc/avpair/console.key
	web_dir = $PROG/webui
	secret_file = /etc/avpair/unit.key
	relay_listen = 0.0.0.0:7702
	relay_peers = $(priv_address "$2") $(lan_address "$2")
	psk_file = /etc/avpair/mirror.psk
	user = $CONSOLE_ID:$CONSOLE_ID
	END
}

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

# config_node NODE PEER
config_node() {
	local s=$TRY/secrets e=$TRY/$1/etc f
	chmod 0711 "$e/avpair"
	install -d -m 0700 "$e/avpair/etcd"
	for f in unit.key mirror.psk initial-admin console.crt console.key; do
		install -m 0600 "$s/$f" "$e/avpair/$f"
	done
	install -m 0600 "$s/ca.crt" "$s/client.crt" "$s/client.key" "$e/avpair/etcd/"
	install -m 0600 "$s/authkey" "$e/corosync/authkey"
	corosync_conf >"$e/corosync/corosync.conf"
	avnoded_conf "$1" "$2" >"$e/avpair/avnoded.conf"
	avconsoled_conf "$1" "$2" >"$e/avpair/avconsoled.conf"
	: >"$TRY/$1/services"
	service_line "$1" corosync -15 /usr/sbin/corosync -f
	service_line "$1" av-watchdog -20 "$PROG/av-watchdog" -c /etc/avpair/avnoded.conf
	service_line "$1" avnoded -10 "$PROG/avnoded" -c /etc/avpair/avnoded.conf
	service_line "$1" avconsoled 0 "$PROG/avconsoled" -c /etc/avpair/avconsoled.conf
}
