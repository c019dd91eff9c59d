/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_leg.c - a leg: logical volume, DRBD's metadata, our record
 *
 * Both legs of a new volume are zeroed and get the same identity by set-gi, with
 * the flags 'consistent' and 'was up to date': so no first copy is needed.
 * drbdmeta is called straight, as drbdadm would: the resource file needs the
 * peer's address, which a leg doesn't know.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "mirror/drbd.h"

#define TOOL_TIMEOUT_S	60u
#define ZERO_TIMEOUT_S	(12u * 3600)	/* 16 TiB at 400 MB/s */
#define SECTOR		512u

/* DRBD User's Guide, "internal metadata": for Cs sectors of device,
 * ceil(Cs / 2^18) * 8 + 72 sectors; rounded up to 1 MiB. */
static uint64_t
lv_bytes(uint64_t size_bytes)
{
	uint64_t sectors = size_bytes / SECTOR;
	uint64_t md = ((sectors + (1u << 18) - 1) / (1u << 18)) * 8 + 72;
	uint64_t mib = 1u << 20;

	/* the device is larger than the data: its own share once more */
	md += (md + (1u << 18) - 1) / (1u << 18) * 8;
	return (size_bytes + md * SECTOR + mib - 1) / mib * mib;
}

static int
run(const struct drbd_record *rec, const struct drbd_argv *a, unsigned secs,
    struct av_err *err)
{
	return drbd_cmd_run(rec->tools_path, a, secs, NULL, err);
}

static void
meta_argv(struct drbd_argv *a, const struct drbd_record *rec, const char *id)
{
	char lv[MIRROR_PATH_MAX * 2];

	drbd_argv_init(a);
	if (drbd_lv_path(rec, id, lv, sizeof(lv)) < 0)
		a->bad = true;
	drbd_argv_add(a, "drbdmeta");
	drbd_argv_add(a, "--force");
	drbd_argv_add(a, "%u", rec->minor);
	drbd_argv_add(a, "v08");
	drbd_argv_add(a, "%s", lv);
	drbd_argv_add(a, "internal");
}

static int
make_volume(const struct drbd_record *rec, const char *id, struct av_err *err)
{
	struct drbd_argv a;
	char lv[MIRROR_PATH_MAX * 2];
	int rc;

	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvcreate");
	drbd_argv_add(&a, "--yes");
	drbd_argv_add(&a, "--wipesignatures");
	drbd_argv_add(&a, "y");
	drbd_argv_add(&a, "--size");
	drbd_argv_add(&a, "%" PRIu64 "b", lv_bytes(rec->size_bytes));
	drbd_argv_add(&a, "--name");
	drbd_argv_add(&a, "av-%s", id);
	drbd_argv_add(&a, "%s", rec->vg);
	rc = run(rec, &a, TOOL_TIMEOUT_S, err);
	if (rc < 0) {
		/* lvcreate exits with 5 for all refusals and says it in words */
		if (err != NULL && strstr(err->text, "insufficient") != NULL)
			(void)av_err_code(err, -ENOSPC, "no-space",
			    "no room in volume group '%s'", rec->vg);
		return err != NULL && err->rc == -ENOSPC ? -ENOSPC : rc;
	}
	if (drbd_lv_path(rec, id, lv, sizeof(lv)) < 0)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	drbd_argv_init(&a);
	drbd_argv_add(&a, "blkdiscard");
	drbd_argv_add(&a, "--zeroout");
	drbd_argv_add(&a, "%s", lv);
	return run(rec, &a, ZERO_TIMEOUT_S, err);
}

static int
make_metadata(const struct drbd_record *rec, const char *id,
    uint64_t initial_current, struct av_err *err)
{
	struct drbd_argv a;
	int rc;

	meta_argv(&a, rec, id);
	drbd_argv_add(&a, "create-md");
	rc = run(rec, &a, TOOL_TIMEOUT_S, err);
	if (rc < 0)
		return rc;
	meta_argv(&a, rec, id);
	drbd_argv_add(&a, "set-gi");
	/* bit 0 says 'was primary'; 4 is 'just created' */
	drbd_argv_add(&a, "%016" PRIX64 ":0:0:0:1:1:0:0:0:0:0",
	    initial_current & ~(uint64_t)1);
	return run(rec, &a, TOOL_TIMEOUT_S, err);
}

static int
remove_volume(const struct drbd_record *rec, const char *id,
    struct av_err *err)
{
	struct drbd_argv a;

	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvremove");
	drbd_argv_add(&a, "--yes");
	drbd_argv_add(&a, "%s/av-%s", rec->vg, id);
	return run(rec, &a, TOOL_TIMEOUT_S, err);
}

static void
remove_file(const char *dir, const char *id, const char *end)
{
	char path[MIRROR_PATH_MAX * 2];

	(void)snprintf(path, sizeof(path), "%s/av-%s.%s", dir, id, end);
	(void)unlink(path);	/* may be missing */
}

static int
check_spec(const struct mirror_leg_spec *spec, struct av_err *err)
{
	if (spec->size_bytes < 1u << 20 ||
	    spec->size_bytes > MIRROR_SIZE_MAX_BYTES ||
	    spec->size_bytes % 4096 != 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "drbd volumes are 1 MiB to 16 TiB, in steps of 4 KiB");
	if ((spec->initial_current & ~(uint64_t)1) < 8)
		return av_err_code(err, -EINVAL, "bad-request",
		    "the first identity isn't random");
	return 0;
}

int
drbd_leg_create(const struct mirror_leg_spec *spec, struct av_err *err)
{
	struct drbd_record rec = { .size_bytes = spec->size_bytes,
		.gen = spec->gen }, old;
	char lv[MIRROR_PATH_MAX * 2];
	struct stat st;
	int rc = check_spec(spec, err);

	if (rc == 0)
		rc = drbd_record_fill(&rec, spec->drbd, err);
	if (rc < 0)
		return rc;
	if (drbd_lv_path(&rec, spec->id, lv, sizeof(lv)) < 0)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	if (drbd_record_read(spec->dir, spec->id, &old, NULL) != -ENOENT ||
	    lstat(lv, &st) == 0)
		return av_err_code(err, -EEXIST, "leg-exists",
		    "'%s' exists already", spec->id);
	(void)snprintf(rec.unit_uuid, sizeof(rec.unit_uuid), "%s",
	    spec->unit_uuid);
	(void)snprintf(rec.volume_uuid, sizeof(rec.volume_uuid), "%s",
	    spec->volume_uuid);
	rc = make_volume(&rec, spec->id, err);
	if (rc == 0)
		rc = make_metadata(&rec, spec->id, spec->initial_current,
		    err);
	if (rc == 0)
		rc = drbd_record_write(spec->dir, spec->id, &rec, err);
	if (rc < 0 && lstat(lv, &st) == 0)
		(void)remove_volume(&rec, spec->id, NULL);
	return rc;
}

static void
gi_argv(struct drbd_argv *a, const struct drbd_record *rec)
{
	drbd_argv_init(a);
	drbd_argv_add(a, "drbdsetup");
	drbd_argv_add(a, "get-gi");
	drbd_argv_add(a, "%u", rec->minor);
}

int
drbd_leg_delete(const char *dir, const char *id, struct av_err *err)
{
	struct drbd_record rec;
	struct drbd_argv a;
	char lv[MIRROR_PATH_MAX * 2];
	struct stat st;
	int rc = drbd_record_read(dir, id, &rec, err);

	if (rc < 0)
		return rc;
	gi_argv(&a, &rec);
	/* the module answers: so it has the leg */
	if (run(&rec, &a, TOOL_TIMEOUT_S, NULL) == 0)
		return av_err_code(err, -EBUSY, "volume-in-use",
		    "'%s' is in use", id);
	rc = drbd_lv_path(&rec, id, lv, sizeof(lv)) == 0 &&
	    lstat(lv, &st) == 0 ? remove_volume(&rec, id, err) : 0;
	if (rc < 0)
		return rc;
	remove_file(dir, id, "res");
	remove_file(dir, id, "leg");	/* last: until then it can be repeated */
	return 0;
}

static enum mirror_disk
disk_of(const struct drbd_gi *g)
{
	return !g->consistent ? MIRROR_DISK_INCONSISTENT :
	    !g->uptodate ? MIRROR_DISK_OUTDATED : MIRROR_DISK_UPTODATE;
}

int
drbd_leg_read(const char *dir, const char *id, struct mirror_leg_info *ret,
    struct av_err *err)
{
	AUTO_FREE char *out = NULL;
	struct drbd_record rec;
	struct drbd_gi g;
	struct drbd_argv a;
	int rc = drbd_record_read(dir, id, &rec, err);

	if (rc < 0)
		return rc;
	gi_argv(&a, &rec);
	if (drbd_cmd_run(rec.tools_path, &a, TOOL_TIMEOUT_S, &out,
	    NULL) < 0) {	/* not attached: from the disk */
		meta_argv(&a, &rec, id);
		drbd_argv_add(&a, "get-gi");
		rc = drbd_cmd_run(rec.tools_path, &a, TOOL_TIMEOUT_S, &out,
		    err);
		if (rc < 0)
			return rc;
	}
	if (drbd_gi_parse(out, &g) < 0)
		return av_err_code(err, -EBADMSG, "metadata-damaged",
		    "the identity of leg '%s' can't be read", id);
	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->unit_uuid, sizeof(ret->unit_uuid), "%.32s",
	    rec.unit_uuid);
	(void)snprintf(ret->volume_uuid, sizeof(ret->volume_uuid), "%.32s",
	    rec.volume_uuid);
	ret->size_bytes = rec.size_bytes;
	ret->gi = g.gi;
	ret->gen = rec.gen;
	ret->disk = disk_of(&g);
	/* 'primary' without a module that says so: it ended unclean */
	ret->crashed_primary = g.crashed_primary || g.primary;
	ret->peer_outdated = rec.peer_outdated || g.peer_outdated;
	return 0;
}
