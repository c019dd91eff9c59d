/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/args.c - QEMU's command line for a guest
 *
 * The spec has been checked (spec.c): no word holds a comma, so QEMU's
 * 'a=b,c=d' words are safe; disks are JSON all the same, because only that form
 * nests.  tests/unit/vmm/test_args.c holds the exact words.
 */
#include "vmm/args.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

/* While the mirror's server is away (its restart, a freeze) writes wait; they
 * never fail.  About 34 years: QEMU takes seconds in 32 bits. */
#define NBD_RECONNECT_S	1073741824
/* At start the server must be there soon: the start's deadline covers it. */
#define NBD_OPEN_S	20

/*
 * QEMU 7.2 loses writes of a guest on emulated processors while it is sent: it looks
 * through the pages that were written 64 at a time, where memory is a multiple of so
 * many, and then doesn't tell the processor to mark the next write again; mended in 9.0
 * ("physmem: Fix migration dirty bitmap coherency with TCG memory access").  Memory of
 * another size is gone through page by page, rightly.  Real processors have no such
 * trouble.  8 KiB is QEMU's own unit of memory.  Measured: qemu_same_memory of
 * tests/unit/vmm/test_migrate_qemu; on a busy machine a Debian kernel died of one of its
 * first two moves in 7 runs of 10, with this all of 20 moves went well.
 */
#define EMULATED_LESS_KIB 8u

/* ATA's for disks past 8 GB */
#define CYLS_MAX	16383u
#define HEADS		16u
#define SECTORS		63u

void
vmm_args_add(struct vmm_args *a, const char *word)
{
	char **v, *w;

	if (a->rc < 0)
		return;
	if (a->n + 2 > a->room) {
		size_t room = a->room == 0 ? 64 : a->room * 2;

		v = reallocarray(a->v, room, sizeof(*v));
		if (v == NULL) {
			a->rc = -ENOMEM;
			return;
		}
		a->v = v;
		a->room = room;
	}
	w = strdup(word);
	if (w == NULL) {
		a->rc = -ENOMEM;
		return;
	}
	a->v[a->n++] = w;
	a->v[a->n] = NULL;
}

void
vmm_args_addf(struct vmm_args *a, const char *fmt, ...)
{
	AUTO_FREE char *w = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&w, fmt, ap);
	va_end(ap);
	if (r < 0) {
		w = NULL;
		a->rc = -ENOMEM;
		return;
	}
	vmm_args_add(a, w);
}

void
vmm_args_dispose(struct vmm_args *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	memset(a, 0, sizeof(*a));
}

static void
opt(struct vmm_args *a, const char *name, const char *value)
{
	vmm_args_add(a, name);
	if (value != NULL)
		vmm_args_add(a, value);
}

static void
args_machine(struct vmm_args *a, enum vmm_accel accel,
    const struct vmm_spec *s)
{
	bool legacy = s->os == VMM_OS_LEGACY;

	vmm_args_add(a, "-name");
	vmm_args_addf(a, "guest=%s,debug-threads=on", s->id);
	opt(a, "-uuid", s->uuid);
	opt(a, "-nodefaults", NULL);
	opt(a, "-no-user-config", NULL);
	/* by version: a guest may come from a PM whose QEMU is newer or older */
	opt(a, "-machine", legacy ? "pc-i440fx-7.2,usb=off" :
	    "pc-q35-7.2,usb=off");
	opt(a, "-accel", accel == VMM_ACCEL_KVM ? "kvm" : "tcg,thread=multi");
	opt(a, "-cpu", accel == VMM_ACCEL_KVM ? "host" : "max,la57=off");
	vmm_args_add(a, "-smp");
	vmm_args_addf(a, "%u,sockets=1,cores=%u,threads=1", s->vcpus, s->vcpus);
	vmm_args_add(a, "-m");
	vmm_args_addf(a, "size=%lluK", (unsigned long long)
	    ((s->memory_bytes >> 10) - (accel == VMM_ACCEL_KVM ? 0 :
	    EMULATED_LESS_KIB)));
	opt(a, "-rtc", s->clock == VMM_CLOCK_LOCALTIME ?
	    "base=localtime,driftfix=slew" : "base=utc,driftfix=slew");
	opt(a, "-boot", "menu=off,strict=on");
	/* No instruction before the agent has seen that it is ours; a guest
	 * that powers off or crashes waits here for the agent to see it. */
	opt(a, "-S", NULL);
	opt(a, "-action", "reboot=reset,shutdown=pause,panic=pause");
	opt(a, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,"
	    "spawn=deny,resourcecontrol=deny");
}

static void
args_sockets(struct vmm_args *a, const struct vmm_spec *s)
{
	const char *logs = s->log_dir[0] != '\0' ? s->log_dir :
	    s->runtime_dir;

	vmm_args_add(a, "-chardev");
	vmm_args_addf(a, "socket,id=qmp,path=%s/qmp.sock,server=on,wait=off",
	    s->runtime_dir);
	opt(a, "-mon", "chardev=qmp,mode=control");
	vmm_args_add(a, "-chardev");
	vmm_args_addf(a, "socket,id=serial,path=%s/serial.sock,server=on,"
	    "wait=off,logfile=%s/serial.log,logappend=on", s->runtime_dir,
	    logs);
	opt(a, "-serial", "chardev:serial");
	opt(a, "-display", "none");
	vmm_args_add(a, "-vnc");
	vmm_args_addf(a, "unix:%s/vnc.sock", s->runtime_dir);
	opt(a, "-device", "VGA,id=vga");
	if (s->os == VMM_OS_LEGACY)
		opt(a, "-device", "piix3-usb-uhci,id=usb");
	else
		opt(a, "-device", "qemu-xhci,id=usb");
	/* absolute pointer: a browser's pointer can't be captured */
	opt(a, "-device", "usb-tablet,id=tablet,bus=usb.0");
	opt(a, "-device", "pvpanic");

	opt(a, "-device", "virtio-serial-pci,id=vser");
	vmm_args_add(a, "-chardev");
	vmm_args_addf(a, "socket,id=qga,path=%s/qga.sock,server=on,wait=off",
	    s->runtime_dir);
	opt(a, "-device", "virtserialport,id=qgaport,bus=vser.0,chardev=qga,"
	    "name=org.qemu.guest_agent.0");
	opt(a, "-object", "rng-random,id=rng,filename=/dev/urandom");
	opt(a, "-device", "virtio-rng-pci,id=rngdev,rng=rng");
}

/* 20 bytes is all that a virtio or IDE serial number holds. */
static void
disk_serial(const char *uuid, char ret[21])
{
	size_t n = 0;

	for (; *uuid != '\0' && n < 20; uuid++)
		if (*uuid != '-')
			ret[n++] = *uuid;
	ret[n] = '\0';
}

/* Past the page cache, so that what the guest saw complete is at the mirror. */
static void
args_device(struct vmm_args *a, const struct vmm_disk *d, unsigned i)
{
	vmm_args_addf(a, "{\"driver\":\"raw\",\"node-name\":\"disk%u\","
	    "\"cache\":{\"direct\":true,\"no-flush\":false},"
	    "\"read-only\":%s,\"discard\":\"unmap\",\"file\":{"
	    "\"driver\":\"host_device\",\"node-name\":\"dev%u\","
	    "\"aio\":\"native\",\"filename\":\"%s\","
	    "\"cache\":{\"direct\":true,\"no-flush\":false}}}", i,
	    d->read_only ? "true" : "false", i, d->block_path);
}

void
vmm_args_nbd(struct vmm_args *a, const struct vmm_disk *d, unsigned i)
{
	vmm_args_addf(a, "{\"driver\":\"raw\",\"node-name\":\"disk%u\","
	    "\"cache\":{\"direct\":true,\"no-flush\":false},"
	    "\"read-only\":%s,\"discard\":\"unmap\",\"file\":{"
	    "\"driver\":\"nbd\",\"node-name\":\"nbd%u\",\"export\":\"%s\","
	    "\"server\":{\"type\":\"unix\",\"path\":\"%s\"},"
	    "\"reconnect-delay\":%d,\"open-timeout\":%d}}", i,
	    d->read_only ? "true" : "false", i,
	    d->export_name[0] != '\0' ? d->export_name : "front",
	    d->nbd_socket, NBD_RECONNECT_S, NBD_OPEN_S);
}

/*
 * Cylinders and heads are given, or QEMU reads the first sector before it does
 * anything else, which an incoming guest's disk doesn't answer.  Firmware makes LBA
 * translation of these; for virtio they are nothing but a formality, an IDE disk's
 * must fit its size.
 */
static void
disk_geometry(const struct vmm_spec *s, const struct vmm_disk *d, char ret[64])
{
	uint64_t cyls = d->size_bytes / 512 / (HEADS * SECTORS);

	ret[0] = '\0';
	if (s->os == VMM_OS_LEGACY && d->size_bytes == 0)
		return;
	if (s->os != VMM_OS_LEGACY || cyls > CYLS_MAX)
		cyls = CYLS_MAX;
	if (cyls < 2)
		cyls = 2;
	(void)snprintf(ret, 64, ",cyls=%u,heads=%u,secs=%u", (unsigned)cyls,
	    HEADS, SECTORS);
}

void
vmm_args_disk(struct vmm_args *a, const struct vmm_spec *s, unsigned i)
{
	const struct vmm_disk *d = &s->disks[i];
	char serial[21], boot[32] = "", chs[64];

	disk_serial(d->volume_uuid, serial);
	if (d->boot_order > 0)
		(void)snprintf(boot, sizeof(boot), ",bootindex=%d",
		    d->boot_order);
	vmm_args_add(a, "-blockdev");
	if (d->block_path[0] != '\0')
		args_device(a, d, i);
	else
		vmm_args_nbd(a, d, i);
	disk_geometry(s, d, chs);
	vmm_args_add(a, "-device");
	if (s->os == VMM_OS_LEGACY)
		vmm_args_addf(a, "ide-hd,id=hd%u,drive=disk%u,bus=ide.%u,"
		    "unit=%u,serial=%s,rerror=stop,werror=stop%s%s", i, i,
		    i / 2, i % 2, serial, chs, boot);
	else
		vmm_args_addf(a, "virtio-blk-pci,id=hd%u,drive=disk%u,"
		    "serial=%s,rerror=stop,werror=stop%s%s", i, i, serial,
		    chs, boot);
}

static void
args_nic(struct vmm_args *a, const struct vmm_spec *s, unsigned i)
{
	const struct vmm_nic *n = &s->nics[i];
	bool e1000 = n->model == VMM_NIC_E1000 ||
	    (n->model == VMM_NIC_AUTO && s->os == VMM_OS_LEGACY);

	vmm_args_add(a, "-netdev");
	vmm_args_addf(a, "tap,id=net%u,ifname=%s,script=no,downscript=no,"
	    "vhost=off", i, n->tap);
	vmm_args_add(a, "-device");
	/* no option ROM: we don't boot from the network */
	vmm_args_addf(a, "%s,id=nic%u,netdev=net%u,"
	    "mac=%02x:%02x:%02x:%02x:%02x:%02x,romfile=%s",
	    e1000 ? "e1000" : "virtio-net-pci", i, i, n->mac[0], n->mac[1],
	    n->mac[2], n->mac[3], n->mac[4], n->mac[5],
	    /* we announce it.  With the guest's own part in that, QEMU 7.2 dies when a
	     * guest that came with 'announce-rounds' 0 resets: virtio_net_reset(). */
	    e1000 ? "" : ",guest_announce=off");
}

int
vmm_qemu_args(struct vmm_args *a, const char *qemu_path, enum vmm_accel accel,
    const struct vmm_spec *s)
{
	unsigned i;

	vmm_args_add(a, qemu_path);
	args_machine(a, accel, s);
	args_sockets(a, s);
	for (i = 0; i < s->n_disks; i++)
		vmm_args_disk(a, s, i);
	for (i = 0; i < s->n_nics; i++)
		args_nic(a, s, i);
	return a->rc;
}
