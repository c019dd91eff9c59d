# SPDX-License-Identifier: GPL-2.0-or-later
#
# deploy/lib/lab_pm.sh - a PM of the lab: one QEMU machine
#
# $TRY/node0/pm/: root.qcow2 (overlay of the image), data.qcow2 (for a volume group),
# pid, monitor and console (Unix sockets), console.log, plain (present: it
# boots Debian's kernel without Xen).
#
# What QEMU acknowledges as written survives a power-off here, flushed or not
# (cache=unsafe keeps it in the host's page cache); what the PM's own kernel still had
# in memory is lost.
# shellcheck shell=bash

# Two PMs side by side on two processors; sizes that Xen and a small guest need.
PM_MEMORY_MIB=${AVPAIR_LAB_MEMORY_MIB:-2048}
PM_DOM0_MIB=${AVPAIR_LAB_DOM0_MIB:-1200}
PM_CPUS=${AVPAIR_LAB_CPUS:-1}
PM_NICE=${AVPAIR_LAB_NICE:-0}
PM_DISK_GIB=${AVPAIR_LAB_DISK_GIB:-16}

# Each flag taken away breaks something under TCG: SMAP, SMEP, PKU: a PV dom0 dies at
# its start; RDTSCP: a PVH guest dies early; AVX, XSAVE: memory copies are damaged when
# Xen changes domains.
PM_TCG_CPU=max,-smap,-smep,-pku,-la57,-rdtscp,-avx,-avx2,-xsave,-xsaveopt,-xsaves,-f16c,-fma

pm_dir() { echo "$TRY/$1/pm"; }

# Prints the pid of the PM's QEMU; fails when it is off.
pm_pid() {
	local pid stat d
	d=$(pm_dir "$1")
	read -r pid 2>/dev/null <"$d/pid" || return 1
	# the pid may have been given to a stranger: its arguments name our folder
	grep -qzF "$d/" "/proc/$pid/cmdline" 2>/dev/null || return 1
	read -r stat 2>/dev/null <"/proc/$pid/stat" || return 1
	[[ ${stat##*) } != Z* ]] || return 1
	echo "$pid"
}

pm_on() { pm_pid "$1" >/dev/null; }
pm_off() { ! pm_on "$1"; }

# pm_monitor NODE COMMAND: an order to QEMU itself; prints its answer, if any
pm_monitor() {
	local line='' pid rc=1
	# shellcheck disable=SC2034
	coproc QMP { exec socat - "UNIX-CONNECT:$(pm_dir "$1")/monitor" 2>/dev/null; }
	pid=$QMP_PID
	jq -nc --arg c "$2" '{execute: "qmp_capabilities"}, {id: 1, execute:
		"human-monitor-command", arguments: {"command-line": $c}}' >&"${QMP[1]}"
	while read -rt 300 line <&"${QMP[0]}"; do
		[[ $line == *'"id": 1'* ]] || continue
		jq -r '.return // .error.desc' <<<"$line" | tr -d '\r' | sed '/^$/d'
		[[ $line == *'"error"'* ]] || rc=0
		break
	done
	kill "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
	return $rc
}

pm_disks_make() {
	local d
	d=$(pm_dir "$1")
	qemu-img create -q -f qcow2 -b "$IMAGE/root.img" -F raw "$d/root.qcow2"
	qemu-img create -q -f qcow2 "$d/data.qcow2" "${PM_DISK_GIB}G"
}

pm_command_line() {
	printf 'root=/dev/vda rw quiet net.ifnames=0 mitigations=off systemd.hostname=%s %s' \
		"$1" "${AVPAIR_LAB_APPEND-}"
}

# pm_kernel NODE: QEMU's arguments for what is booted, one a line
pm_kernel() {
	local line
	line=$(pm_command_line "$1")
	if [ -e "$(pm_dir "$1")/plain" ]; then
		printf '%s\n' -kernel "$IMAGE/vmlinuz" -initrd "$IMAGE/initrd" \
			-append "$line console=ttyS0,115200"
	else
		printf '%s\n' -kernel "$IMAGE/xen" \
			-append "console=com1 com1=115200,8n1 dom0_mem=${PM_DOM0_MIB}M,max:${PM_DOM0_MIB}M" \
			-initrd "$IMAGE/vmlinuz $line console=hvc0,$IMAGE/initrd"
	fi
}

# pm_nic CABLE NODE BYTE
pm_nic() {
	printf '%s\n' -netdev "tap,id=$1,ifname=$1-$2,script=no,downscript=no" \
		-device "virtio-net-pci,netdev=$1,mac=02:a7:01:00:$3:0${2#node},romfile="
}

pm_arguments() {
	local n=$1 d accel cpu
	d=$(pm_dir "$n")
	accel=$(<"$TRY/accel")
	cpu=$PM_TCG_CPU
	[ "$accel" = tcg ] || cpu=host
	[ "$accel" != tcg ] || accel=tcg,thread=multi
	printf '%s\n' -name "$LAB-$n" -nodefaults -no-user-config -display none \
		-machine pc -accel "$accel" -cpu "$cpu" \
		-m "$PM_MEMORY_MIB" -smp "$PM_CPUS" -rtc base=utc,clock=host \
		-drive "file=$d/root.qcow2,if=none,id=root,cache=unsafe,discard=unmap" \
		-device virtio-blk-pci,drive=root \
		-drive "file=$d/data.qcow2,if=none,id=data,cache=unsafe,discard=unmap" \
		-device virtio-blk-pci,drive=data,serial=avdata \
		-device virtio-rng-pci -device i6300esb -action watchdog=reset \
		-chardev "socket,id=con,path=$d/console,server=on,wait=off,logfile=$d/console.log,logappend=on" \
		-serial chardev:con -qmp "unix:$d/monitor,server=on,wait=off" \
		-pidfile "$d/pid" -daemonize
	pm_kernel "$n"
	pm_nic lan "$n" 00
	pm_nic priv "$n" 01
	pm_nic desk "$n" 02
}

# pm_start NODE [ARGUMENT...]: of QEMU, besides
pm_start() {
	local n=$1 args
	shift
	lab_net_node "$n"
	mapfile -t args < <(pm_arguments "$n")
	in_net world nice -n "$PM_NICE" qemu-system-x86_64 "${args[@]}" "$@" \
		</dev/null >>"$TRY/$n/log/qemu.log" 2>&1 9>&- ||
		{ tail -n 3 "$TRY/$n/log/qemu.log" >&2; fail "QEMU doesn't start $n"; }
	# a session's processes share one weight, whatever their own niceness
	echo "$PM_NICE" 2>/dev/null >"/proc/$(pm_pid "$n")/autogroup" || :
}

# No process of it may say goodbye: QEMU is killed, as a plug is pulled.
pm_kill() {
	local pid
	pid=$(pm_pid "$1") || return 0
	kill -KILL "$pid" 2>/dev/null || :
	wait_until 20 "the end of $1" pm_off "$1"
	rm -f "$(pm_dir "$1")/pid"
}

# --- inside of it ---

pm_ssh_options() {
	printf '%s\n' -i "$IMAGE/id" -o "UserKnownHostsFile=$IMAGE/known_hosts" \
		-o HostKeyAlias=lab-pm -o IdentitiesOnly=yes -o LogLevel=ERROR \
		-o ConnectTimeout=120 -o ServerAliveInterval=15 -o ServerAliveCountMax=40 \
		-o BatchMode=yes -F none
}

# pm NODE [COMMAND...]: by a shell of the PM, as ssh does; without: a session
pm() {
	local n=$1 options
	shift
	mapfile -t options < <(pm_ssh_options)
	in_net world ssh "${options[@]}" "root@$(desk_address "$n")" "$@"
}

# pm_copy NODE FILE... FOLDER-THERE
pm_copy() {
	local n=$1 options
	shift
	mapfile -t options < <(pm_ssh_options)
	in_net world scp -q -r "${options[@]}" "${@:1:$#-1}" "root@$(desk_address "$n"):${*: -1}"
}

pm_answers() { pm "$1" true </dev/null 2>/dev/null; }

# It has ended its start: everything that is enabled was tried.
pm_booted() {
	local state
	state=$(pm "$1" systemctl is-system-running </dev/null 2>/dev/null) || :
	[[ $state = running || $state = degraded ]]
}
