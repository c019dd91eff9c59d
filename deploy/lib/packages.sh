# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/packages.sh - installs what is missing, and nothing else happens
#
# No upgrade, no recommended package, no service started or enabled.  Package
# lists and downloads live in a private folder, so apt's own stay as they were.
# shellcheck shell=bash

POLICY=/usr/sbin/policy-rc.d
POLICY_SAVED=/usr/sbin/policy-rc.d.avpair-saved
POLICY_MARK='avpair: temporary, while packages are installed'

packages_of() {
	awk -v want=" $* " '
		/^\[/ { on = index(want, " " substr($0, 2, length($0) - 2) " "); next }
		on && NF && !/^#/' "$TREE/deploy/packages.txt"
}

packages_missing() {
	local p command
	packages_of "$@" | while read -r p command; do
		[ -z "$command" ] || ! command -v "$command" >/dev/null || continue
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] ||
			echo "$p"
	done
}

apt_private() { APT_CONFIG=$APT_DIR/apt.conf apt-get -q "$@"; }

# Fresh package lists in a folder of our own, once a run.  A source of the machine
# that is broken may be one that we don't need: what is missing decides.
APT_DIR=
apt_lists() {
	[ -z "$APT_DIR" ] || return 0
	APT_DIR=$(mktemp -d "${TMPDIR:-/tmp}/avpair-apt.XXXXXX")
	mkdir -p "$APT_DIR/lists/partial" "$APT_DIR/archives/partial"
	cat >"$APT_DIR/apt.conf" <<-END
		Dir::State::Lists "$APT_DIR/lists";
		Dir::Cache::Archives "$APT_DIR/archives";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Dpkg::Use-Pty "0";
	END
	apt_private update >"$APT_DIR/log" 2>&1 || :
}

check_packages() {
	local missing p
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	apt_lists
	# shellcheck disable=SC2086
	if ! apt_private -s --no-install-recommends install $missing >>"$APT_DIR/log" 2>&1; then
		p=$(sed -n 's/^E: Unable to locate package //p; s/^E: Package .\(.*\). has no installation.*/\1/p' "$APT_DIR/log" | head -n 3 | tr '\n' ' ')
		packages_forget
		fail "no package source of this machine offers: ${p:-$(echo "$missing" | head -n 3 | tr '\n' ' ')}(see /etc/apt/sources.list; does it answer?)"
	fi
}

packages_forget() {
	[ -z "$APT_DIR" ] || rm -rf "$APT_DIR"
	APT_DIR=
}

policy_restore() {
	if [ -e "$POLICY_SAVED" ]; then
		mv -f "$POLICY_SAVED" "$POLICY"
	elif grep -qs "$POLICY_MARK" "$POLICY"; then
		rm -f "$POLICY"
	fi
}

# policy-rc.d is Debian's way to say "start nothing" to maintainer scripts.
policy_set() {
	policy_restore		# of a run that was killed
	[ ! -e "$POLICY" ] || cp -a "$POLICY" "$POLICY_SAVED"
	printf '#!/bin/sh\n# %s\nexit 101\n' "$POLICY_MARK" >"$POLICY.new"
	chmod 0755 "$POLICY.new"
	mv -f "$POLICY.new" "$POLICY"
}

# Links by which systemd and init start something at boot or on demand.
boot_links() {
	find /etc/systemd/system /etc/systemd/user /etc/rc?.d -type l 2>/dev/null | sort
}

# What the packages enabled is disabled again, by Debian's own tools so that a
# later upgrade keeps it so; a link that they leave is taken away.
services_disable() {
	local before=$1 link unit
	comm -13 "$before" <(boot_links) | while read -r link; do
		[ -L "$link" ] || continue
		unit=${link##*/}
		case $link in
		/etc/systemd/*)
			systemctl disable "$unit" >/dev/null 2>&1 || :
			[ ! -L "$link" ] || rm -f "$link"
			;;
		/etc/rc?.d/S*)
			update-rc.d "${unit#S[0-9][0-9]}" disable >/dev/null 2>&1 || rm -f "$link"
			;;
		esac
	done
}

# packages_install LOG GROUP...
packages_install() {
	local log=$1 missing before
	shift
	missing=$(packages_missing "$@")
	policy_restore
	[ -n "$missing" ] || return 0
	[ -n "$APT_DIR" ] || check_packages "$@"
	step "installing $(echo "$missing" | wc -w) packages (log: $log)"
	before=$APT_DIR/boot-links
	boot_links >"$before"
	policy_set
	# shellcheck disable=SC2086
	if ! DEBIAN_FRONTEND=noninteractive apt_private -y --no-install-recommends \
		-o Dpkg::Options::=--force-confold install $missing >>"$log" 2>&1 </dev/null; then
		services_disable "$before"
		policy_restore
		tail -n 5 "$log" >&2
		fail "packages could not be installed (log: $log)"
	fi
	services_disable "$before"
	policy_restore
	ok "packages are there; no service was started or enabled"
}
