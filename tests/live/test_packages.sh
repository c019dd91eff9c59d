#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_packages.sh - the Debian packages: built, looked into, installed
# on a machine that systemd runs, upgraded with guests running, shut down, removed
#
# The machine is a container (systemd-nspawn, own network) on an overlay of this
# machine's own system, where everything the packages depend on is installed
# already; nothing of it stays.  tests/live/packages/inside is what runs in it.
# What the packages hold is compared with tests/golden/packages.list
# (PACKAGES_WRITE=1 writes that file).  Needs root, 'make deb' and systemd-container.
set -uo pipefail
tree=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
cd "$tree" || exit 99
list=tests/golden/packages.list
deb=build/deb
work=$(mktemp -d "${TMPDIR:-/tmp}/avdeb.XXXXXX") || exit 99
root=$work/root
failed=0

# Mounts are in a namespace of our own: they end with it.
if [ "${AVPAIR_OWN_MOUNTS-}" != 1 ]; then
	rmdir "$work"
	AVPAIR_OWN_MOUNTS=1 exec unshare -m --propagation private "$0"
fi
trap 'umount -R "$work" 2>/dev/null; rm -rf --one-file-system "$work"' EXIT

said() {	# said NAME RC
	if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1" && failed=1; fi
}
case_of() {	# case_of NAME COMMAND...
	local name=$1
	shift
	"$@" >"$work/out" 2>&1
	local rc=$?
	[ $rc = 0 ] || cat "$work/out" >&2
	said "$name" $rc
}

# --- what is in them ---

debs() { find "$deb" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' | sort; }

# PACKAGE MODE OWNER PATH of each file, without the pages and the documents
contents() {
	local d p
	for d in $(debs); do
		p=${d##*/}
		dpkg -c "$d" | awk -v p="${p%%_*}" '$1 !~ /^d/ { print p, $1, $2, $6 }' |
			grep -vE ' \./usr/share/(avpair/webui|doc/avpair)/'
	done | LC_ALL=C sort
}
as_listed() {
	local have=$work/have
	contents >"$have"
	[ "${PACKAGES_WRITE-}" != 1 ] || cp "$have" "$list"
	# a package that this machine can't build (avpair-xen) isn't missed
	diff <(awk 'NR == FNR { built[$1] = 1; next } $1 in built' "$have" "$list") "$have"
}
pages_are_there() {
	diff <(git ls-files webui/app | sed 's|^webui/app/||' |
			grep -vE '^vendor/(README|SHA256SUMS)$|/LICENSE[^/]*$|/AUTHORS$' | LC_ALL=C sort) \
		<(dpkg -c "$deb"/avpair-console_*.deb | awk '$1 ~ /^-rw-r--r--/ && $2 == "root/root" { print $6 }' |
			sed -n 's|^\./usr/share/avpair/webui/||p' | LC_ALL=C sort)
}
lintian_is_quiet() {
	command -v lintian >/dev/null || return 1
	lintian --fail-on error,warning --allow-root "$deb"/avpair_*.changes
}

# --- on a machine ---

machine_make() {
	mkdir -p "$work/fs" && mount -t tmpfs tmpfs "$work/fs" &&
		mkdir -p "$work/fs/up" "$work/fs/work" "$root" &&
		mount -t overlay overlay -o "lowerdir=/,upperdir=$work/fs/up,workdir=$work/fs/work" "$root" &&
		mount -t tmpfs tmpfs "$root/run" && mount -t tmpfs tmpfs "$root/tmp" &&
		mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
		rm -rf "$root/etc/avpair" "$root/var/lib/avpair" "$root/var/log/avpair" &&
		rm -f "$root/usr/sbin/policy-rc.d" &&	# a container's own: no service starts
		mkdir -p "$root/debs" && cp $(debs) "$root/debs/"
}
in_root() { chroot "$root" env LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
main_debs() {
	(cd "$root/debs" && ls) | grep -vE '^avpair-(xen|doc)_' | sed 's|^|/debs/|'
}
machine_installs() { in_root dpkg -i $(main_debs); }

programs_say_their_version() {
	local p v
	v=$(<VERSION)
	for p in avnoded av-watchdog avconsoled; do
		in_root "/usr/sbin/$p" -V | grep -qx "$p $v" || { echo "$p"; return 1; }
	done
	in_root avcli --version | grep -qF "$v"
}
owned_as_promised() {
	diff <(cat <<-END
		755 root root /etc/avpair
		755 root root /run/avpair
		700 root root /var/lib/avpair
		750 root adm /var/log/avpair
	END
	) <(in_root stat -c '%a %U %G %n' /etc/avpair /run/avpair /var/lib/avpair /var/log/avpair) &&
		in_root getent passwd avpair-console | grep -q ':/nonexistent:/usr/sbin/nologin$'
}
completion_loads() {
	in_root bash -c '. /usr/share/bash-completion/completions/avcli && complete -p avcli' &&
		in_root avcli complete-words 1 avcli "" | grep -qx vm
}
pages_are_shown() {
	local p
	for p in man5/avnoded.conf.5 man5/avconsoled.conf.5 man8/avnoded.8 man8/av-watchdog.8 man8/avconsoled.8 man1/avcli.1; do
		gzip -dc "$root/usr/share/man/$p.gz" | groff -man -Tutf8 -ww >"$work/page" 2>"$work/groff" && grep -q avpair "$work/page" || return 1
		[ ! -s "$work/groff" ] || { cat "$work/groff"; return 1; }
	done
}
units_verify() {
	local u out
	for u in avnoded av-watchdog avconsoled avpair-guests; do
		out=$(in_root systemd-analyze verify "/lib/systemd/system/$u.service" 2>&1 | grep -E '/(av|corosync.service.d/avpair)[^/]*:' )
		[ -z "$out" ] || { echo "$out"; return 1; }
	done
}

# A configuration for a PM without a peer; the guest is a script.
machine_configure() {
	local e=$root/etc/avpair
	install -m 0755 tests/live/packages/inside tests/live/packages/guest "$root/" &&
		(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$e/unit.key" &&
			printf 'avpair:%s\n' "$(<"$e/unit.key")" >"$e/mirror.psk") &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=node0 \
			-keyout "$e/console.key" -out "$e/console.crt" 2>/dev/null &&
		chmod 0600 "$e/console.key" &&
		cat >"$e/avnoded.conf" <<-END &&
		node = 0
		unit_uuid = 01234567-89ab-cdef-0123-456789abcdef
		unit_name = packages
		heartbeat = 127.0.0.1=127.0.0.2
		mirror_peers = 127.0.0.2
		arbiter = none
		watchdog = none
		END
		cat >"$e/avconsoled.conf" <<-END &&
		node = node0
		listen = 127.0.0.1:443
		cert_file = /etc/avpair/console.crt
		key_file = /etc/avpair/console.key
		END
		mkdir -p "$root/etc/systemd/system" &&
		cat >"$root/etc/systemd/system/inside.target" <<-END &&
		[Unit]
		Requires=basic.target
		Wants=inside.service
		After=basic.target
		END
		cat >"$root/etc/systemd/system/inside.service" <<-END &&
		[Service]
		ExecStart=/inside
		ExecStopPost=/bin/systemctl --no-block poweroff
		KillMode=process
		END
		# what isn't about us stays off, and who ends when is written down
		for u in network-online.target corosync.service; do
			ln -sf /dev/null "$root/etc/systemd/system/$u" || return 1
		done
	for u in avnoded av-watchdog avpair-guests; do
		mkdir -p "$root/etc/systemd/system/$u.service.d" &&
			printf '[Service]\nExecStopPost=+/bin/sh -c "echo %s >>/order"\n' "$u" \
				>"$root/etc/systemd/system/$u.service.d/test.conf" || return 1
	done
}
machine_runs() {
	umount -R "$root/dev" "$root/proc" "$root/run" "$root/tmp" &&
		timeout "${PACKAGES_BOOT_S:-300}" systemd-nspawn -q --register=no --keep-unit --private-network \
			-D "$root" -b systemd.unit=inside.target </dev/null >"$work/console" 2>&1
	local rc=$?
	[ $rc = 0 ] || tail -n 30 "$work/console"
	return $rc
}
ends_in_order() {
	# the daemons' earlier ends (upgrades) stand before the mark
	diff <(printf '%s\n' avpair-guests avnoded guest) \
		<(sed '1,/^shutdown$/d' "$root/order" | grep -vx -e mirror -e av-watchdog) &&
		[ "$(sed '1,/^shutdown$/d' "$root/order" | grep -nx guest | cut -d: -f1)" -lt \
			"$(sed '1,/^shutdown$/d' "$root/order" | grep -nx av-watchdog | cut -d: -f1)" ] &&
		[ "$(sed '1,/^shutdown$/d' "$root/order" | grep -nx guest | cut -d: -f1)" -lt \
			"$(sed '1,/^shutdown$/d' "$root/order" | grep -nx mirror | cut -d: -f1)" ]
}

purge_keeps_the_guests_disks() {
	mount -t tmpfs tmpfs "$root/run" && mount -t proc proc "$root/proc" &&
		mkdir -p "$root/var/lib/avpair/storage/default" && echo data >"$root/var/lib/avpair/storage/default/leg" &&
		in_root dpkg --purge avpair avpair-node avpair-console avpair-cli avpair-drbd nbdkit-plugin-avreplica &&
		[ -e "$root/var/lib/avpair/storage/default/leg" ] && [ ! -e "$root/var/lib/avpair/unit.db" ] &&
		[ ! -e "$root/etc/avpair" ] && [ ! -e "$root/var/log/avpair" ] && [ ! -e "$root/usr/lib/avpair" ] &&
		! find "$root/etc/systemd" -name 'av[np-]*.service' ! -path '*.d/*' | grep .
}

# for who works on the rest of this test: the packages as they were built last
if [ "${PACKAGES_BUILT-}" != 1 ]; then
	make -s deb >"$work/deb.log" 2>&1
	rc=$?
	[ $rc = 0 ] || tail -n 20 "$work/deb.log" >&2
	said make_deb $rc
	[ $rc = 0 ] || exit 1
	case_of lintian_is_quiet lintian_is_quiet
fi
case_of files_owners_and_modes_as_listed as_listed
case_of the_pages_are_there pages_are_there
case_of a_machine machine_make
case_of they_install machine_installs
case_of programs_say_their_version programs_say_their_version
case_of folders_and_user_as_promised owned_as_promised
case_of completion_loads completion_loads
case_of man_pages_are_shown pages_are_shown
case_of units_verify units_verify
case_of a_configuration machine_configure
if command -v systemd-nspawn >/dev/null; then
	case_of systemd_boots_and_ends machine_runs
	grep -E '^(ok|not ok) ' "$root/inside.out" || said inside_said_something 1
	grep -q '^not ok' "$root/inside.out" && failed=1 && cat "$root/inside.log" >&2
	grep -q '^ok all_said' "$root/inside.out" || { said inside_came_to_its_end 1; cat "$root/inside.log" >&2; }
	case_of the_machine_ends_in_order ends_in_order
else
	said systemd_nspawn_is_there 1
fi
case_of purge_keeps_the_guests_disks purge_keeps_the_guests_disks
exit $failed
