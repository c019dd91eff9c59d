/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen_config.c - a guest's description in libxl's words; pure
 *
 * The form is that of libxl_domain_config_from_json(): fields of libxl's
 * interface description by name, a keyed union as "type.pvh".
 */
#include "vmm/xen_spec.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/args.h"
#include "vmm/priv.h"

#define PVGRUB		"/usr/lib/grub-xen/grub-i386-xen_pvh.bin"
#define DISK_QEMU	"/usr/libexec/xen-qemu-system-i386"

static json_t *
config_create(const struct vmm_spec *s)
{
	return json_pack("{s:s, s:s+, s:s}", "type",
	    xr_is_hvm(s) ? "hvm" : "pvh", "name", "av-", s->id, "uuid",
	    s->uuid);
}

static json_t *
config_hvm(const struct vmm_spec *s)
{
	char vnc[VMM_PATH_MAX + 24];

	(void)snprintf(vnc, sizeof(vnc), "unix:%s/vnc.sock", s->runtime_dir);
	/* Without Xen's own PCI device a system of before its drivers keeps the IDE
	 * disks and the e1000: nothing unplugs them. */
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s}, s:{s:s, s:s, "
	    "s:s}}", "bios", "seabios", "serial", "pty", "boot", "c",
	    "xen_platform_pci", "False", "usbdevice", "tablet", "vga", "kind",
	    "std", "vnc", "enable", "True", "listen", vnc, "findunused",
	    "False");
}

/* libxl would have its QEMU keep what the guest wrote in this domain's memory, and
 * wait for no server: driver "qemu"'s words do both right. */
static json_t *
config_hvm_disks(const struct vmm_spec *s)
{
	json_t *words = json_array();
	struct vmm_args a = {0};
	unsigned i;
	int rc = 0;

	for (i = 0; i < s->n_disks; i++)
		vmm_args_disk(&a, s, i);
	for (i = 0; i < a.n; i++)
		rc |= json_array_append_new(words, json_string(a.v[i]));
	if (a.rc < 0 || rc != 0) {
		json_decref(words);
		words = NULL;
	}
	vmm_args_dispose(&a);
	return words;
}

static int
config_build(const struct vmm_spec *s, json_t **ret)
{
	AUTO_JSON json_t *cpus = json_array();
	AUTO_JSON json_t *b = NULL;
	unsigned i;
	int rc = 0;

	for (i = 0; i < s->vcpus; i++)
		rc |= json_array_append_new(cpus, json_integer(i));
	b = json_pack("{s:I, s:O, s:I, s:I, s:s, s:s, s:s}", "max_vcpus",
	    (json_int_t)s->vcpus, "avail_vcpus", cpus, "max_memkb",
	    (json_int_t)(s->memory_bytes >> 10), "target_memkb",
	    (json_int_t)(s->memory_bytes >> 10), "localtime",
	    s->clock == VMM_CLOCK_LOCALTIME ? "True" : "False",
	    /* all of its memory is there or it isn't made */
	    "claim_mode", "True", "acpi", "True");
	if (b == NULL || rc != 0)
		return -ENOMEM;
	if (xr_is_hvm(s)) {
		rc = json_object_set_new(b, "type.hvm", config_hvm(s));
		rc |= json_object_set_new(b, "extra_hvm",
		    config_hvm_disks(s));
	} else {
		rc = json_object_set_new(b, "type.pvh", json_object());
		rc |= json_object_set_new(b, "kernel", json_string(
		    s->kernel[0] != '\0' ? s->kernel : PVGRUB));
		if (s->initrd[0] != '\0')
			rc |= json_object_set_new(b, "ramdisk",
			    json_string(s->initrd));
		if (s->cmdline[0] != '\0')
			rc |= json_object_set_new(b, "cmdline",
			    json_string(s->cmdline));
	}
	if (rc != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(b);
	return 0;
}

/* The order in which disks are offered: the one to boot first.  A PVH guest's pvgrub
 * and a BIOS both try the first disk. */
static void
config_order(const struct vmm_spec *s, unsigned ret[VMM_DISKS_MAX])
{
	unsigned i, first = 0;

	for (i = 0; i < s->n_disks; i++) {
		ret[i] = i;
		if (s->disks[i].boot_order > 0 &&
		    (s->disks[first].boot_order == 0 ||
		    s->disks[i].boot_order < s->disks[first].boot_order))
			first = i;
	}
	if (s->n_disks > 0) {
		ret[first] = 0;
		ret[0] = first;
	}
}

unsigned
xr_place(const struct vmm_spec *s, unsigned disk)
{
	unsigned order[VMM_DISKS_MAX];

	config_order(s, order);
	return order[disk];	/* two change places: there and back is the same */
}

static int
config_disk(const struct vmm_spec *s, unsigned i, unsigned place,
    json_t *disks)
{
	const struct vmm_disk *d = &s->disks[i];
	char vdev[8];

	/* the others are QEMU's: xr_disk_args(), config_hvm_disks() */
	if (d->block_path[0] == '\0' || xr_is_hvm(s))
		return 0;
	(void)snprintf(vdev, sizeof(vdev), "xvd%c", 'a' + (char)place);
	return json_array_append_new(disks, json_pack(
	    "{s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "pdev_path",
	    d->block_path, "vdev", vdev, "backend", "phy", "format", "raw",
	    "readwrite", d->read_only ? 0 : 1, "direct_io_safe", 1,
	    "discard_enable", "True")) < 0 ? -ENOMEM : 0;
}

static int
config_nic(const struct vmm_spec *s, unsigned i, const char *bridge,
    json_t *nics, struct av_err *err)
{
	const struct vmm_nic *n = &s->nics[i];
	char mac[18], name[16];
	json_t *o;

	if (bridge == NULL || bridge[0] == '\0')
		return av_err_set(err, -ENODEV, "network adapter %u: '%s' is "
		    "in no bridge", i, n->tap);
	if (xr_vif_name(n->tap, false, name) < 0)
		return av_err_set(err, -EINVAL, "network adapter %u: the name "
		    "'%s' is too long for Xen", i, n->tap);
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
	    n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
	o = json_pack("{s:i, s:s, s:s, s:s, s:s}", "devid", (int)i, "mac", mac,
	    "bridge", bridge, "ifname", name, "nictype",
	    xr_is_hvm(s) ? "vif_ioemu" : "vif");
	if (o == NULL || (xr_is_hvm(s) && json_object_set_new(o, "model",
	    json_string(n->model == VMM_NIC_VIRTIO ? "virtio-net" :
	    "e1000")) < 0) || json_array_append_new(nics, o) < 0)
		return av_err_set(err, -ENOMEM, "no memory");
	return 0;
}

int
xr_config(const struct vmm_spec *s, const char *const *bridges,
    json_t **ret_msg, struct av_err *err)
{
	AUTO_JSON json_t *disks = json_array();
	AUTO_JSON json_t *nics = json_array();
	AUTO_JSON json_t *build = NULL;
	unsigned i, order[VMM_DISKS_MAX];
	int rc;

	rc = config_build(s, &build);
	config_order(s, order);
	for (i = 0; i < s->n_disks && rc == 0; i++)
		rc = config_disk(s, order[i], i, disks);
	if (rc < 0)
		return av_err_set(err, rc, "no memory");
	for (i = 0; i < s->n_nics; i++) {
		rc = config_nic(s, i, bridges[i], nics, err);
		if (rc < 0)
			return rc;
	}
	/* what becomes of a guest that ends is ours to say, not libxl's */
	*ret_msg = json_pack("{s:o, s:O, s:O, s:O, s:s, s:s, s:s, s:s, s:s}",
	    "c_info", config_create(s), "b_info", build, "disks", disks,
	    "nics", nics, "on_poweroff", "preserve", "on_reboot", "preserve",
	    "on_watchdog", "preserve", "on_crash", "preserve",
	    "on_soft_reset", "preserve");
	return *ret_msg != NULL ? 0 : av_err_set(err, -ENOMEM, "no memory");
}

bool
xr_disk_plug(const struct vmm_spec *s, unsigned disk, char ret[160])
{
	if (s->disks[disk].block_path[0] != '\0' || xr_is_hvm(s))
		return false;
	(void)snprintf(ret, 160, "{\"execute\":\"device_add\",\"arguments\":{"
	    "\"driver\":\"xen-disk\",\"id\":\"hd%u\",\"vdev\":\"xvd%c\","
	    "\"drive\":\"disk%u\"}}\n", disk,
	    'a' + (char)xr_place(s, disk), disk);
	return true;
}

bool
xr_disk_args(const struct vmm_spec *s, unsigned domid, bool plugged,
    struct vmm_args *a)
{
	unsigned i, order[VMM_DISKS_MAX];
	bool any = false;

	config_order(s, order);
	for (i = 0; i < s->n_disks; i++)
		any |= s->disks[i].block_path[0] == '\0';
	if (!any || xr_is_hvm(s))
		return false;
	vmm_args_add(a, DISK_QEMU);
	vmm_args_add(a, "-name");
	vmm_args_addf(a, "guest=%s", s->id);
	vmm_args_add(a, "-uuid");
	vmm_args_add(a, s->uuid);
	vmm_args_add(a, "-nodefaults");
	vmm_args_add(a, "-no-user-config");
	vmm_args_add(a, "-M");
	vmm_args_add(a, "xenpv");
	vmm_args_add(a, "-xen-attach");
	vmm_args_add(a, "-xen-domid");
	vmm_args_addf(a, "%u", domid);
	vmm_args_add(a, "-display");
	vmm_args_add(a, "none");
	vmm_args_add(a, "-m");		/* of no use, and not taken */
	vmm_args_add(a, "1M");
	vmm_args_add(a, "-chardev");
	vmm_args_addf(a, "socket,id=qmp,path=%s/disk/qmp.sock,server=on,"
	    "wait=off", s->runtime_dir);
	vmm_args_add(a, "-mon");
	vmm_args_add(a, "chardev=qmp,mode=control");
	for (i = 0; i < s->n_disks; i++) {
		const struct vmm_disk *d = &s->disks[order[i]];

		if (d->block_path[0] != '\0')
			continue;
		vmm_args_add(a, "-blockdev");
		vmm_args_nbd(a, d, order[i]);
		if (!plugged)
			continue;
		vmm_args_add(a, "-device");
		vmm_args_addf(a, "xen-disk,id=hd%u,vdev=xvd%c,drive=disk%u",
		    order[i], 'a' + (char)i, order[i]);
	}
	return true;
}
