/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/spec.c - what a guest's description may hold
 *
 * Everything here goes into a command line and into paths, so each word is
 * checked against the letters that it may have.
 */
#include "vmm/priv.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

/* Terminated inside its array, and of these letters only. */
static bool
word_ok(const char *s, size_t room, const char *also)
{
	size_t i, n = strnlen(s, room);

	if (n == room)
		return false;
	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) &&
		    strchr(also, s[i]) == NULL)
			return false;
	return true;
}

static bool
path_ok(const char *s, size_t room)
{
	return word_ok(s, room, "/._-+@:") && s[0] == '/';
}

static bool
uuid_ok(const char *s)
{
	unsigned i;

	for (i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return s[36] == '\0';
}

static int
disks_check(const struct vmm_spec *s, struct av_err *err)
{
	unsigned i, max = s->os == VMM_OS_LEGACY ? 4 : VMM_DISKS_MAX;

	if (s->n_disks > max)
		return av_err_set(err, -EINVAL, "a VM of this kind has at "
		    "most %u disks", max);
	for (i = 0; i < s->n_disks; i++) {
		const struct vmm_disk *d = &s->disks[i];

		if (d->block_path[0] != '\0' ?
		    d->nbd_socket[0] != '\0' || !path_ok(d->block_path,
		    sizeof(d->block_path)) || strncmp(d->block_path, "/dev/",
		    5) != 0 :
		    !path_ok(d->nbd_socket, sizeof(d->nbd_socket)))
			return av_err_set(err, -EINVAL, "disk %u: bad %s", i,
			    d->block_path[0] != '\0' ? "device" :
			    "socket path");
		if (!word_ok(d->export_name, sizeof(d->export_name), "._-"))
			return av_err_set(err, -EINVAL,
			    "disk %u: bad export name", i);
		if (!uuid_ok(d->volume_uuid))
			return av_err_set(err, -EINVAL,
			    "disk %u: bad volume UUID", i);
		if (d->boot_order < 0)
			return av_err_set(err, -EINVAL,
			    "disk %u: bad boot order", i);
	}
	return 0;
}

static int
nics_check(const struct vmm_spec *s, struct av_err *err)
{
	static const uint8_t zero[6];
	unsigned i;

	if (s->n_nics > VMM_NICS_MAX)
		return av_err_set(err, -EINVAL,
		    "a VM has at most %d network adapters", VMM_NICS_MAX);
	for (i = 0; i < s->n_nics; i++) {
		const struct vmm_nic *n = &s->nics[i];

		if (!word_ok(n->tap, sizeof(n->tap), "._-") ||
		    n->tap[0] == '\0')
			return av_err_set(err, -EINVAL,
			    "network adapter %u: bad tap name", i);
		if ((n->mac[0] & 1) || memcmp(n->mac, zero, 6) == 0)
			return av_err_set(err, -EINVAL,
			    "network adapter %u: bad MAC address", i);
	}
	return 0;
}

int
vmm_spec_check(const struct vmm_spec *s, struct av_err *err)
{
	int rc;

	if (!word_ok(s->id, sizeof(s->id), "") ||
	    !isalpha((unsigned char)s->id[0]))
		return av_err_set(err, -EINVAL, "bad VM id");
	if (strnlen(s->name, sizeof(s->name)) == sizeof(s->name))
		return av_err_set(err, -EINVAL, "vm %s: name too long", s->id);
	if (!uuid_ok(s->uuid))
		return av_err_set(err, -EINVAL, "vm %s: bad UUID", s->id);
	if (s->vcpus < 1 || s->vcpus > VMM_VCPUS_MAX)
		return av_err_set(err, -EINVAL, "vm %s: %u vCPUs; 1 to %d are "
		    "possible", s->id, s->vcpus, VMM_VCPUS_MAX);
	if (s->memory_bytes < VMM_MEMORY_MIN_BYTES ||
	    s->memory_bytes % (1ull << 20) != 0)
		return av_err_set(err, -EINVAL, "vm %s: memory must be whole "
		    "MiB, at least 16", s->id);
	if (!path_ok(s->runtime_dir, sizeof(s->runtime_dir)) ||
	    (s->log_dir[0] != '\0' && !path_ok(s->log_dir,
	    sizeof(s->log_dir))))
		return av_err_set(err, -EINVAL, "vm %s: bad folder", s->id);
	rc = disks_check(s, err);
	return rc < 0 ? rc : nics_check(s, err);
}
