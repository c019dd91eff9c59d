/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_leg.c - a leg: logical volume, DRBD's metadata, our record
 *
 * Both legs of a new volume are zeroed and get the same identity, with the flags
 * 'consistent' and 'was up to date', the size and an empty bitmap: so no first
 * copy is needed.  (set-gi alone leaves the size 0; the module then takes all
 * bits as set, and copies everything at the first resync.)
 * drbdmeta is called straight, as drbdadm would: the resource file needs the
 * peer's address, which a leg doesn't know.
 *
 * A logical volume wears three tags: whose it is, by unit and volume, and 'making'
 * until it is whole.  One that is being made for this volume was left by a PM
 * that ended meanwhile, and is made anew; any other one is somebody's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "mirror/drbd.h"

#define TOOL_TIMEOUT_S	60u
#define TAG_MAKING	"avpair.making"
#define TAG_UNIT	"avpair.unit."
#define TAG_VOLUME	"avpair.volume."
#define SECTOR		512u

/* DRBD User's Guide, "internal metadata": for Cs sectors of device,
 * ceil(Cs / 2^18) * 8 + 72 sectors; rounded up to 1 MiB. */
uint64_t
drbd_lv_bytes(uint64_t size_bytes)
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

/* lvcreate and lvextend exit with 5 for all refusals and say it in words. */
int
drbd_lv_refusal(const struct drbd_record *rec, int rc, const char *text,
    struct av_err *err)
{
	if (strcasestr(text, "insufficient") != NULL)
		return av_err_code(err, -ENOSPC, "no-space",
		    "no room in volume group '%s' of this PM", rec->vg);
	if (strstr(text, "not found") != NULL)
		return av_err_code(err, -ENODEV, "no-group",
		    "this PM has no volume group '%s'", rec->vg);
	return rc;
}

static int
make_volume(const struct drbd_record *rec, const char *id, struct av_err *err)
{
	struct drbd_argv a;
	struct av_err why = { 0 };
	char lv[MIRROR_PATH_MAX * 2];
	int rc;

	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvcreate");
	drbd_argv_add(&a, "--yes");
	drbd_argv_add(&a, "--wipesignatures");
	drbd_argv_add(&a, "y");
	drbd_argv_add(&a, "--addtag");
	drbd_argv_add(&a, TAG_MAKING);
	drbd_argv_add(&a, "--addtag");
	drbd_argv_add(&a, TAG_UNIT "%s", rec->unit_uuid);
	drbd_argv_add(&a, "--addtag");
	drbd_argv_add(&a, TAG_VOLUME "%s", rec->volume_uuid);
	drbd_argv_add(&a, "--size");
	drbd_argv_add(&a, "%" PRIu64 "b", drbd_lv_bytes(rec->size_bytes));
	drbd_argv_add(&a, "--name");
	drbd_argv_add(&a, "av-%s", id);
	drbd_argv_add(&a, "%s", rec->vg);
	rc = run(rec, &a, TOOL_TIMEOUT_S, &why);
	if (rc < 0) {
		if (err != NULL)
			*err = why;
		return drbd_lv_refusal(rec, rc, why.text, err);
	}
	if (drbd_lv_path(rec, id, lv, sizeof(lv)) < 0)
		return av_err_set(err, -ENAMETOOLONG, "path too long");
	rc = drbd_zero_now(lv, 0, drbd_lv_bytes(rec->size_bytes));
	return rc < 0 ? av_err_code(err, rc, "disk-error",
	    "'%s' can't be zeroed: %s", lv, strerror(-rc)) : 0;
}

/* As 'drbdmeta dump-md' prints it; bits 1, 16 and 128 are 'consistent', 'was up to
 * date' and 'no activity log to apply'. */
static int
write_dump(const char *path, const struct drbd_record *rec,
    uint64_t initial_current, struct av_err *err)
{
	char text[640];
	/* bit 0 says 'was primary'; 4 is 'just created' */
	int n = snprintf(text, sizeof(text), "version \"v08\";\nuuid {\n"
	    "\t0x%016" PRIX64 "; 0x0000000000000000; 0x0000000000000000; "
	    "0x0000000000000000;\n\tflags 0x00000091;\n}\n"
	    "la-size-sect %" PRIu64 ";\nbm-byte-per-bit 4096;\n"
	    "device-uuid 0x0000000000000000;\nla-peer-max-bio-size 0;\n"
	    "al-stripes 1;\nal-stripe-size-4k 8;\nbm {\n}\n",
	    initial_current & ~(uint64_t)1, rec->size_bytes / SECTOR);

	return av_file_write(path, text, (size_t)n, 0600, err);
}

static int
make_metadata(const struct drbd_record *rec, const char *dir, const char *id,
    uint64_t initial_current, struct av_err *err)
{
	char path[MIRROR_PATH_MAX * 2];
	struct drbd_argv a;
	int rc;

	meta_argv(&a, rec, id);
	drbd_argv_add(&a, "create-md");
	rc = run(rec, &a, TOOL_TIMEOUT_S, err);
	/* It replaces a lost one: 'just created' and unfinished, as it is now. */
	if (rc < 0 || initial_current == 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/av-%s.md", dir, id);
	rc = write_dump(path, rec, initial_current, err);
	if (rc < 0)
		return rc;
	meta_argv(&a, rec, id);
	drbd_argv_add(&a, "restore-md");
	drbd_argv_add(&a, "%s", path);
	rc = run(rec, &a, TOOL_TIMEOUT_S, err);
	(void)unlink(path);
	return rc;
}

static int
unmark(const struct drbd_record *rec, const char *id, struct av_err *err)
{
	struct drbd_argv a;

	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvchange");
	drbd_argv_add(&a, "--deltag");
	drbd_argv_add(&a, TAG_MAKING);
	drbd_argv_add(&a, "%s/av-%s", rec->vg, id);
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

/* What is in the way of a new leg, in words; 0 = it was ours, half made, and is
 * gone. */
static int
clear_way(const struct drbd_record *rec, const char *id, const char *lv,
    struct av_err *err)
{
	AUTO_FREE char *tags = NULL, *holds = NULL;
	struct drbd_argv a;
	char mine[80];
	const char *unit;

	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvs");
	drbd_argv_add(&a, "--noheadings");
	drbd_argv_add(&a, "--options");
	drbd_argv_add(&a, "lv_tags");
	drbd_argv_add(&a, "%s/av-%s", rec->vg, id);
	if (drbd_cmd_run(rec->tools_path, &a, TOOL_TIMEOUT_S, &tags, err) < 0)
		return err != NULL && err->rc < 0 ? err->rc : -EIO;
	(void)snprintf(mine, sizeof(mine), TAG_VOLUME "%s", rec->volume_uuid);
	if (strstr(tags, TAG_MAKING) != NULL && strstr(tags, mine) != NULL)
		return remove_volume(rec, id, err);
	unit = strstr(tags, TAG_UNIT);
	if (unit != NULL && strncmp(unit + strlen(TAG_UNIT), rec->unit_uuid,
	    strlen(rec->unit_uuid)) != 0)
		return av_err_code(err, -EEXIST, "leg-exists", "'%s/av-%s' is "
		    "a leg of another unit (%.36s); nothing was changed",
		    rec->vg, id, unit + strlen(TAG_UNIT));
	if (unit != NULL)
		return av_err_code(err, -EEXIST, "leg-exists", "'%s/av-%s' is "
		    "a leg of this unit; nothing was changed", rec->vg, id);
	drbd_argv_init(&a);
	drbd_argv_add(&a, "blkid");
	drbd_argv_add(&a, "--probe");
	drbd_argv_add(&a, "--match-tag");
	drbd_argv_add(&a, "TYPE");
	drbd_argv_add(&a, "--output");
	drbd_argv_add(&a, "value");
	drbd_argv_add(&a, "%s", lv);
	(void)drbd_cmd_run(rec->tools_path, &a, TOOL_TIMEOUT_S, &holds, NULL);
	if (holds != NULL)
		holds[strcspn(holds, "\n")] = '\0';
	return av_err_code(err, -EEXIST, "leg-exists", "logical volume "
	    "'%s/av-%s' exists already%s%s and isn't ours; nothing was "
	    "changed", rec->vg, id, holds != NULL && *holds != '\0' ?
	    ", holds " : "", holds != NULL ? holds : "");
}

static int
check_spec(const struct mirror_leg_spec *spec, struct av_err *err)
{
	if (spec->size_bytes < 1u << 20 ||
	    spec->size_bytes > MIRROR_SIZE_MAX_BYTES ||
	    spec->size_bytes % 4096 != 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "drbd volumes are 1 MiB to 16 TiB, in steps of 4 KiB");
	if (spec->initial_current != 0 &&
	    (spec->initial_current & ~(uint64_t)1) < 8)
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
	if (drbd_record_read(spec->dir, spec->id, &old, NULL) != -ENOENT)
		return av_err_code(err, -EEXIST, "leg-exists",
		    "'%s' exists already", spec->id);
	(void)snprintf(rec.unit_uuid, sizeof(rec.unit_uuid), "%s",
	    spec->unit_uuid);
	(void)snprintf(rec.volume_uuid, sizeof(rec.volume_uuid), "%s",
	    spec->volume_uuid);
	if (lstat(lv, &st) == 0) {
		rc = clear_way(&rec, spec->id, lv, err);
		if (rc < 0)
			return rc;
	}
	rc = make_volume(&rec, spec->id, err);
	if (rc == 0)
		rc = make_metadata(&rec, spec->dir, spec->id,
		    spec->initial_current, err);
	if (rc == 0)
		rc = unmark(&rec, spec->id, err);
	if (rc == 0)
		rc = drbd_record_write(spec->dir, spec->id, &rec, err);
	if (rc < 0 && rc != -EEXIST && lstat(lv, &st) == 0)
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

/* --- snapshots: VG/av-ID.NAME --- */

static int
snap_name(char *buf, size_t n, const char *id, const char *name,
    struct av_err *err)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (len == 0 || len > 40 || name[len] != '\0')
		return av_err_code(err, -EINVAL, "bad-request",
		    "'%s' can't be a snapshot's name", name);
	(void)snprintf(buf, n, "av-%s.snap-%s", id, name);
	return 0;
}

/* Room for all of it to be written anew: a snapshot that fills up is lost. */
int
drbd_leg_snapshot(const char *dir, const char *id, const char *name,
    uint64_t *ret_size_bytes, struct av_err *err)
{
	struct drbd_record rec;
	struct drbd_argv a;
	struct av_err why = { 0 };
	char snap[MIRROR_ID_MAX + 64], path[MIRROR_PATH_MAX * 2];
	struct stat st;
	int rc = drbd_record_read(dir, id, &rec, err);

	if (rc == 0)
		rc = snap_name(snap, sizeof(snap), id, name, err);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/%s/%s", rec.dev_dir, rec.vg,
	    snap);
	if (lstat(path, &st) == 0)
		return av_err_code(err, -EEXIST, "snapshot-exists",
		    "'%s/%s' exists already", rec.vg, snap);
	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvcreate");
	drbd_argv_add(&a, "--yes");
	drbd_argv_add(&a, "--snapshot");
	drbd_argv_add(&a, "--permission");
	drbd_argv_add(&a, "r");
	drbd_argv_add(&a, "--extents");
	drbd_argv_add(&a, "100%%ORIGIN");
	drbd_argv_add(&a, "--name");
	drbd_argv_add(&a, "%s", snap);
	drbd_argv_add(&a, "%s/av-%s", rec.vg, id);
	rc = run(&rec, &a, TOOL_TIMEOUT_S, &why);
	if (rc < 0) {
		if (err != NULL)
			*err = why;
		return drbd_lv_refusal(&rec, rc, why.text, err);
	}
	*ret_size_bytes = rec.size_bytes;
	return 0;
}

int
drbd_leg_snapshot_delete(const char *dir, const char *id, const char *name,
    struct av_err *err)
{
	struct drbd_record rec;
	struct drbd_argv a;
	char snap[MIRROR_ID_MAX + 64], path[MIRROR_PATH_MAX * 2];
	struct stat st;
	int rc = drbd_record_read(dir, id, &rec, err);

	if (rc == 0)
		rc = snap_name(snap, sizeof(snap), id, name, err);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/%s/%s", rec.dev_dir, rec.vg,
	    snap);
	if (lstat(path, &st) < 0)
		return 0;
	drbd_argv_init(&a);
	drbd_argv_add(&a, "lvremove");
	drbd_argv_add(&a, "--yes");
	drbd_argv_add(&a, "%s/%s", rec.vg, snap);
	return run(&rec, &a, TOOL_TIMEOUT_S, err);
}
