/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen_spec.c - a guest's description for av-xenrun, and how guests end
 */
#include "vmm/xen_spec.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vmm/priv.h"

static const struct {
	enum vmm_reason	 reason;
	const char	*detail;
} xr_exits[] = {
	[XR_EX_SHUTDOWN] = { VMM_REASON_GUEST_SHUTDOWN, "" },
	[XR_EX_PANIC] = { VMM_REASON_PANIC, "" },
	[XR_EX_WATCHDOG] = { VMM_REASON_PANIC, "the guest's watchdog ended it" },
	[XR_EX_KILLED] = { VMM_REASON_ASKED, "" },
	[XR_EX_VANISHED] = { VMM_REASON_VANISHED, "" },
	[XR_EX_NONE] = { VMM_REASON_NONE, "" },
	[XR_EX_START_FAILED] = { VMM_REASON_START_FAILED, "" },
	[XR_EX_BACKEND] = { VMM_REASON_EXIT_CODE,
	    "the process that serves its disks died" },
	[XR_EX_INCOMING_FAILED] = { VMM_REASON_INCOMING_FAILED, "" },
};

bool
xr_exit_reason(int code, enum vmm_reason *ret, const char **ret_detail)
{
	if (code < XR_EX_SHUTDOWN || code > XR_EX_LAST)
		return false;
	*ret = xr_exits[code].reason;
	*ret_detail = xr_exits[code].detail;
	return true;
}

int
xr_why_exit(unsigned why)
{
	switch (why) {
	case XR_WHY_POWEROFF:
		return XR_EX_SHUTDOWN;
	case XR_WHY_REBOOT:
	case XR_WHY_SOFT_RESET:
	case XR_WHY_SUSPEND:
		return 0;
	case XR_WHY_WATCHDOG:
		return XR_EX_WATCHDOG;
	case XR_WHY_CRASH:
	default:
		return XR_EX_PANIC;
	}
}

bool
xr_is_hvm(const struct vmm_spec *spec)
{
	return spec->os == VMM_OS_LEGACY;
}

int
xr_vif_name(const char *tap, bool emulated, char ret[16])
{
	const char *rest = strncmp(tap, "tap", 3) == 0 ? tap + 3 : tap;

	return snprintf(ret, 16, "v%s%s", rest, emulated ? "-emu" : "") < 16 ?
	    0 : -ENAMETOOLONG;
}

unsigned
xr_vdev(unsigned place)
{
	return (202u << 8) | (place << 4);
}

/* -------------------------------- encoding -------------------------------- */

static void
mac_words(const uint8_t mac[6], char ret[18])
{
	(void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
	    mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int
spec_parts(const struct vmm_spec *s, json_t *disks, json_t *nics)
{
	char mac[18];
	unsigned i;

	for (i = 0; i < s->n_disks; i++) {
		const struct vmm_disk *d = &s->disks[i];

		if (json_array_append_new(disks, json_pack(
		    "{s:s, s:s, s:s, s:s, s:i, s:b, s:I}", "socket", d->nbd_socket,
		    "device", d->block_path, "export", d->export_name,
		    "volume", d->volume_uuid, "boot", d->boot_order,
		    "readonly", d->read_only, "size",
		    (json_int_t)d->size_bytes)) < 0)
			return -ENOMEM;
	}
	for (i = 0; i < s->n_nics; i++) {
		mac_words(s->nics[i].mac, mac);
		if (json_array_append_new(nics, json_pack("{s:s, s:s, s:i}",
		    "mac", mac, "tap", s->nics[i].tap, "model",
		    (int)s->nics[i].model)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
xr_spec_encode(const struct vmm_spec *s, json_t **ret_msg)
{
	AUTO_JSON json_t *disks = json_array();
	AUTO_JSON json_t *nics = json_array();
	json_t *msg;

	if (disks == NULL || nics == NULL || spec_parts(s, disks, nics) < 0)
		return -ENOMEM;
	msg = json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:O, s:O, s:s, "
	    "s:s, s:s, s:s, s:s}", "id", s->id, "uuid", s->uuid, "name",
	    s->name, "vcpus", (json_int_t)s->vcpus, "memory_bytes",
	    (json_int_t)s->memory_bytes, "os", (int)s->os, "clock",
	    (int)s->clock, "disks", disks, "nics", nics, "runtime_dir",
	    s->runtime_dir, "log_dir", s->log_dir, "kernel", s->kernel,
	    "initrd", s->initrd, "cmdline", s->cmdline);
	if (msg == NULL)
		return -ENOMEM;
	*ret_msg = msg;
	return 0;
}

/* -------------------------------- decoding -------------------------------- */

static bool
take_text(const json_t *o, const char *key, char *ret, size_t room)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (s == NULL || strlen(s) >= room)
		return false;
	memcpy(ret, s, strlen(s) + 1);
	return true;
}

static bool
take_int(const json_t *o, const char *key, json_int_t max, json_int_t *ret)
{
	const json_t *v = json_object_get(o, key);

	*ret = json_integer_value(v);
	return json_is_integer(v) && *ret >= 0 && *ret <= max;
}

static bool
take_mac(const json_t *o, uint8_t ret[6])
{
	char words[18], hex[13];
	size_t i, n = 0;

	if (!take_text(o, "mac", words, sizeof(words)) || strlen(words) != 17)
		return false;
	for (i = 0; i < 17; i++) {
		if (i % 3 != 2)
			hex[n++] = words[i];
		else if (words[i] != ':')
			return false;
	}
	hex[n] = '\0';
	return av_hex_decode(hex, ret, 6) == 0;
}

static bool
take_disks(const json_t *list, struct vmm_spec *s)
{
	size_t i, n = json_array_size(list);

	if (!json_is_array(list) || n > VMM_DISKS_MAX)
		return false;
	for (i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		struct vmm_disk *d = &s->disks[s->n_disks++];
		json_int_t boot, size;

		if (!take_text(o, "socket", d->nbd_socket,
		    sizeof(d->nbd_socket)) || !take_text(o, "device",
		    d->block_path, sizeof(d->block_path)) ||
		    !take_text(o, "export", d->export_name,
		    sizeof(d->export_name)) || !take_text(o, "volume",
		    d->volume_uuid, sizeof(d->volume_uuid)) ||
		    !take_int(o, "boot", VMM_DISKS_MAX, &boot) ||
		    !take_int(o, "size", INT64_MAX, &size))
			return false;
		d->size_bytes = (uint64_t)size;
		d->boot_order = (int)boot;
		d->read_only = json_is_true(json_object_get(o, "readonly"));
	}
	return true;
}

static bool
take_nics(const json_t *list, struct vmm_spec *s)
{
	size_t i, n = json_array_size(list);

	if (!json_is_array(list) || n > VMM_NICS_MAX)
		return false;
	for (i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		struct vmm_nic *c = &s->nics[s->n_nics++];
		json_int_t model;

		if (!take_mac(o, c->mac) || !take_text(o, "tap", c->tap,
		    sizeof(c->tap)) || !take_int(o, "model", VMM_NIC_E1000,
		    &model))
			return false;
		c->model = (enum vmm_nic_model)model;
	}
	return true;
}

int
xr_spec_decode(const json_t *o, struct vmm_spec *ret, struct av_err *err)
{
	struct vmm_spec s;
	json_int_t vcpus, memory, os, clock;

	memset(&s, 0, sizeof(s));
	if (!take_text(o, "id", s.id, sizeof(s.id)) ||
	    !take_text(o, "uuid", s.uuid, sizeof(s.uuid)) ||
	    !take_text(o, "name", s.name, sizeof(s.name)) ||
	    !take_text(o, "runtime_dir", s.runtime_dir,
	    sizeof(s.runtime_dir)) ||
	    !take_text(o, "log_dir", s.log_dir, sizeof(s.log_dir)) ||
	    !take_text(o, "kernel", s.kernel, sizeof(s.kernel)) ||
	    !take_text(o, "initrd", s.initrd, sizeof(s.initrd)) ||
	    !take_text(o, "cmdline", s.cmdline, sizeof(s.cmdline)) ||
	    !take_int(o, "vcpus", VMM_VCPUS_MAX, &vcpus) ||
	    !take_int(o, "memory_bytes", (json_int_t)1 << 50, &memory) ||
	    !take_int(o, "os", VMM_OS_LEGACY, &os) ||
	    !take_int(o, "clock", VMM_CLOCK_LOCALTIME, &clock) ||
	    !take_disks(json_object_get(o, "disks"), &s) ||
	    !take_nics(json_object_get(o, "nics"), &s))
		return av_err_set(err, -EBADMSG,
		    "the guest's description can't be read");
	s.vcpus = (unsigned)vcpus;
	s.memory_bytes = (uint64_t)memory;
	s.os = (enum vmm_os)os;
	s.clock = (enum vmm_clock)clock;
	*ret = s;
	return vmm_spec_check(ret, err);
}
