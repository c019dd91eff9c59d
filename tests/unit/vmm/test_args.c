/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/clock.h"
#include "tests/test.h"
#include "vmm/args.h"
#include "vmm/priv.h"
#include "vmm/qemu.h"

#define UUID	"6f1c1f0e-3c1a-4a55-9d35-2f8d6f3f0001"

static void
spec_fill(struct vmm_spec *s)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->id, sizeof(s->id), "o12");
	snprintf(s->uuid, sizeof(s->uuid), UUID);
	snprintf(s->name, sizeof(s->name), "a,b=\"c\" $(x)");
	s->vcpus = 2;
	s->memory_bytes = 512ull << 20;
	snprintf(s->runtime_dir, sizeof(s->runtime_dir), "/run/avpair/vm/o12");
	snprintf(s->log_dir, sizeof(s->log_dir), "/var/log/avpair/o12");
	s->n_disks = s->n_nics = 1;
	snprintf(s->disks[0].nbd_socket, sizeof(s->disks[0].nbd_socket),
	    "/run/avpair/mirror/o3/front.sock");
	snprintf(s->disks[0].volume_uuid, 37,
	    "00112233-4455-6677-8899-aabbccddeeff");
	s->disks[0].boot_order = 1;
	snprintf(s->nics[0].tap, 16, "avt12n0");
	memcpy(s->nics[0].mac, "\x02\x12\x34\x00\x00\x05", 6);
}

static const char *const golden_virtio[] = {
	"/usr/bin/qemu-system-x86_64",
	"-name", "guest=o12,debug-threads=on", "-uuid", UUID, "-nodefaults",
	"-no-user-config", "-machine", "pc-q35-7.2,usb=off", "-accel",
	"tcg,thread=multi", "-cpu", "max,la57=off", "-smp",
	"2,sockets=1,cores=2,threads=1", "-m", "size=524280K", "-rtc",
	"base=utc,driftfix=slew", "-boot", "menu=off,strict=on", "-S",
	"-action", "reboot=reset,shutdown=pause,panic=pause", "-sandbox",
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
	"resourcecontrol=deny", "-chardev",
	"socket,id=qmp,path=/run/avpair/vm/o12/qmp.sock,server=on,wait=off",
	"-mon", "chardev=qmp,mode=control", "-chardev",
	"socket,id=serial,path=/run/avpair/vm/o12/serial.sock,server=on,"
	"wait=off,logfile=/var/log/avpair/o12/serial.log,logappend=on",
	"-serial", "chardev:serial", "-display", "none", "-vnc",
	"unix:/run/avpair/vm/o12/vnc.sock", "-device", "VGA,id=vga",
	"-device", "qemu-xhci,id=usb", "-device",
	"usb-tablet,id=tablet,bus=usb.0", "-device", "pvpanic", "-device",
	"virtio-serial-pci,id=vser", "-chardev",
	"socket,id=qga,path=/run/avpair/vm/o12/qga.sock,server=on,wait=off",
	"-device", "virtserialport,id=qgaport,bus=vser.0,chardev=qga,"
	"name=org.qemu.guest_agent.0", "-object",
	"rng-random,id=rng,filename=/dev/urandom", "-device",
	"virtio-rng-pci,id=rngdev,rng=rng", "-blockdev",
	"{\"driver\":\"raw\",\"node-name\":\"disk0\",\"cache\":{\"direct\":"
	"true,\"no-flush\":false},\"read-only\":false,\"discard\":\"unmap\","
	"\"file\":{\"driver\":\"nbd\",\"node-name\":\"nbd0\",\"export\":"
	"\"front\",\"server\":{\"type\":\"unix\",\"path\":"
	"\"/run/avpair/mirror/o3/front.sock\"},\"reconnect-delay\":1073741824,"
	"\"open-timeout\":20}}", "-device",
	"virtio-blk-pci,id=hd0,drive=disk0,serial=00112233445566778899,"
	"rerror=stop,werror=stop,cyls=16383,heads=16,secs=63,bootindex=1",
	"-netdev",
	"tap,id=net0,ifname=avt12n0,script=no,downscript=no,vhost=off",
	"-device", "virtio-net-pci,id=nic0,netdev=net0,mac=02:12:34:00:00:05,"
	"romfile=,guest_announce=off",
};

static int
has(const struct vmm_args *a, const char *word)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (strcmp(a->v[i], word) == 0)
			return 1;
	return 0;
}

TEST(virtio_guest_exactly)
{
	size_t i, n = sizeof(golden_virtio) / sizeof(golden_virtio[0]);
	struct vmm_args a = {0};
	struct vmm_spec s;

	spec_fill(&s);
	CHECK_EQ(vmm_spec_check(&s, NULL), 0);
	CHECK_EQ(vmm_qemu_args(&a, golden_virtio[0], VMM_ACCEL_TCG, &s), 0);
	for (i = 0; i < n && i < a.n; i++)
		CHECK_STR(a.v[i], golden_virtio[i]);
	CHECK_EQ(a.n, n);
	CHECK(a.v[a.n] == NULL);
	vmm_args_dispose(&a);
	return 0;
}

TEST(old_guest)
{
	struct vmm_args a = {0};
	struct vmm_spec s;

	spec_fill(&s);
	s.os = VMM_OS_LEGACY;
	s.clock = VMM_CLOCK_LOCALTIME;
	CHECK_EQ(vmm_qemu_args(&a, "/q", VMM_ACCEL_KVM, &s), 0);
	CHECK(has(&a, "pc-i440fx-7.2,usb=off"));
	CHECK(has(&a, "kvm"));
	CHECK(has(&a, "size=524288K"));	/* nothing of it is needed */
	CHECK(has(&a, "host"));
	CHECK(has(&a, "base=localtime,driftfix=slew"));
	CHECK(has(&a, "ide-hd,id=hd0,drive=disk0,bus=ide.0,unit=0,"
	    "serial=00112233445566778899,rerror=stop,werror=stop,"
	    "bootindex=1"));
	CHECK(has(&a, "e1000,id=nic0,netdev=net0,mac=02:12:34:00:00:05,"
	    "romfile="));
	vmm_args_dispose(&a);
	/* a size is a geometry, so that QEMU needn't read the disk for it */
	s.disks[0].size_bytes = 1ull << 30;
	CHECK_EQ(vmm_qemu_args(&a, "/q", VMM_ACCEL_KVM, &s), 0);
	CHECK(has(&a, "ide-hd,id=hd0,drive=disk0,bus=ide.0,unit=0,"
	    "serial=00112233445566778899,rerror=stop,werror=stop,"
	    "cyls=2080,heads=16,secs=63,bootindex=1"));
	vmm_args_dispose(&a);
	return 0;
}

#define REFUSED(change) do { \
	struct vmm_spec s; \
	struct av_err err = {0}; \
	spec_fill(&s); \
	change; \
	CHECK_EQ(vmm_spec_check(&s, &err), -EINVAL); \
	CHECK(err.text[0] != '\0'); } while (0)

TEST(a_block_device_is_opened_past_the_cache)
{
	struct vmm_args a = { 0 };
	struct vmm_spec s;

	spec_fill(&s);
	s.disks[0].nbd_socket[0] = '\0';
	snprintf(s.disks[0].block_path, 32, "/dev/drbd3");
	CHECK_EQ(vmm_spec_check(&s, NULL), 0);
	CHECK_EQ(vmm_qemu_args(&a, "/usr/bin/qemu", VMM_ACCEL_TCG, &s), 0);
	CHECK(has(&a, "{\"driver\":\"raw\",\"node-name\":\"disk0\","
	    "\"cache\":{\"direct\":true,\"no-flush\":false},"
	    "\"read-only\":false,\"discard\":\"unmap\",\"file\":{"
	    "\"driver\":\"host_device\",\"node-name\":\"dev0\","
	    "\"aio\":\"native\",\"filename\":\"/dev/drbd3\","
	    "\"cache\":{\"direct\":true,\"no-flush\":false}}}"));
	vmm_args_dispose(&a);
	return 0;
}

TEST(bad_specs)
{
	REFUSED(s.vcpus = 0);
	REFUSED(s.vcpus = VMM_VCPUS_MAX + 1);
	REFUSED(s.memory_bytes = 1 << 20);
	REFUSED(s.memory_bytes += 512);
	REFUSED(s.id[0] = '\0');
	REFUSED(s.id[1] = '/');
	REFUSED(s.uuid[8] = 'x');
	REFUSED(s.uuid[35] = '\0');
	REFUSED(s.runtime_dir[3] = ',');
	REFUSED(s.runtime_dir[0] = 'r');
	REFUSED(s.disks[0].nbd_socket[4] = '"');
	REFUSED(s.disks[0].nbd_socket[4] = ',');
	REFUSED(snprintf(s.disks[0].export_name, 32, "a,b"));
	REFUSED(s.disks[0].boot_order = -1);
	/* a socket and a device at once; a file; what isn't a path */
	REFUSED(snprintf(s.disks[0].block_path, 32, "/dev/drbd3"));
	REFUSED((s.disks[0].nbd_socket[0] = '\0',
	    snprintf(s.disks[0].block_path, 32, "/etc/drbd3")));
	REFUSED((s.disks[0].nbd_socket[0] = '\0',
	    snprintf(s.disks[0].block_path, 32, "/dev/drbd3,x")));
	REFUSED(s.disks[0].nbd_socket[0] = '\0');
	REFUSED(s.nics[0].tap[2] = ',');
	REFUSED(s.nics[0].tap[0] = '\0');
	REFUSED(s.nics[0].mac[0] |= 1);
	REFUSED(memset(s.nics[0].mac, 0, 6));
	REFUSED(s.n_disks = VMM_DISKS_MAX + 1);
	REFUSED(s.n_nics = VMM_NICS_MAX + 1);
	REFUSED(memset(s.name, 'x', sizeof(s.name)));
	return 0;
}

/* A guest's start takes an emulated PM longer; a quick test machine gets no less. */
TEST(limits_are_stretched_and_never_cut)
{
	struct vmm_dom dom = { .env.time_scale = 6 };
	uint64_t was_ns;

	CHECK_EQ(vmm_scaled(&dom, 30000000000), 180000000000);
	was_ns = av_clock_ns();
	CHECK(vmm_due_ns(&dom, 2000) >= was_ns + 12 * AV_NS_PER_S);
	dom.env.time_scale = 0.5;
	CHECK_EQ(vmm_scaled(&dom, 30000000000), 30000000000);
	dom.env.time_scale = 0;
	CHECK_EQ(vmm_scaled(&dom, 30000000000), 30000000000);
	return 0;
}

/* What people are told of a start that failed. */
TEST(a_refused_argument_isnt_repeated)
{
	CHECK_STR(qemu_words_without_argument("qemu-system-x86_64: -blockdev "
	    "{\"driver\":\"raw\",\"file\":{\"filename\":\"/dev/drbd1000\"}}: "
	    "Could not open '/dev/drbd1000': Read-only file system"),
	    "Could not open '/dev/drbd1000': Read-only file system");
	CHECK_STR(qemu_words_without_argument("qemu-system-x86_64: cannot set "
	    "up guest memory 'ram0': Cannot allocate memory"),
	    "qemu-system-x86_64: cannot set up guest memory 'ram0': "
	    "Cannot allocate memory");
	CHECK_STR(qemu_words_without_argument("x: -device {}: "),
	    "x: -device {}: ");
	CHECK_STR(qemu_words_without_argument(""), "");
	return 0;
}

TESTS_MAIN(T(virtio_guest_exactly), T(old_guest),
	T(a_block_device_is_opened_past_the_cache), T(bad_specs),
	T(limits_are_stretched_and_never_cut),
	T(a_refused_argument_isnt_repeated))
