/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/preflight_storage.c - the place of the volumes: kind, room, data
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"

#define DEFAULT_DIR	"/var/lib/avpair/storage"
#define GROUP_FOLDER	"default"	/* as of volumes.c */

/* Entries besides . and .., and lost+found; -1 = no such folder. */
static int
entries(const char *path, const char *but)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "lost+found") != 0 &&
		    strcmp(e->d_name, but) != 0;
	(void)closedir(d);
	return n;
}

static void
room(uint64_t bytes, const char *where, struct findings *fs)
{
	char text[32];

	if (bytes >= PREFLIGHT_STORAGE_GOOD)
		return;
	av_format_size(bytes, text, sizeof(text));
	findings_add(fs, FINDING_WARN, "little-storage",
	    tr("only %s are free for volumes in '%s'"), text, where);
}

static const char *
kind_refused(long type)
{
	switch (type) {
	case TMPFS_MAGIC: case RAMFS_MAGIC:
		return "tmpfs";
	case NFS_SUPER_MAGIC:
		return "NFS";
	case SMB_SUPER_MAGIC:
		return "SMB";
	default:
		return NULL;
	}
}

static void
folder(const char *root, struct setup_facts *f, struct findings *fs)
{
	const char *dir = f->storage_dir[0] != '\0' ? f->storage_dir :
	    DEFAULT_DIR;
	char path[PATH_MAX], group[PATH_MAX + 16];
	struct statfs sf;
	struct finding *x;

	(void)snprintf(path, sizeof(path), "%s%s", root, dir);
	(void)snprintf(group, sizeof(group), "%s/" GROUP_FOLDER, path);
	if (f->storage_dir[0] != '\0' && entries(path, "") < 0) {
		x = findings_add(fs, FINDING_BLOCK, "no-folder",
		    tr("the storage folder '%s' isn't there"), dir);
		finding_hint(x, tr("mount its disk, or make it: mkdir %s"), dir);
		return;
	}
	if (entries(group, "") > 0) {
		x = findings_add(fs, FINDING_BLOCK, "storage-has-data",
		    tr("'%s' holds volumes of another unit: they stay as they are"),
		    dir);
		finding_hint(x, "%s",
		    tr("give another folder with --storage, or move them away if nobody needs them"));
	} else if (f->storage_dir[0] != '\0' && entries(path, GROUP_FOLDER) > 0) {
		findings_add(fs, FINDING_WARN, "storage-not-empty",
		    tr("the storage folder '%s' holds other files too"), dir);
	}
	/* the default's folder is made later, on the disk of what is there now */
	while (statfs(path, &sf) < 0) {
		char *slash = strrchr(path, '/');

		if (slash == NULL || slash == path)
			return;
		*slash = '\0';
	}
	/* tests have their trees in memory */
	if (root[0] == '\0' && kind_refused(sf.f_type) != NULL) {
		x = findings_add(fs, FINDING_BLOCK, "storage-file-system",
		    tr("'%s' is on %s: volumes there wouldn't be on this machine's disks"),
		    dir, kind_refused(sf.f_type));
		finding_hint(x, "%s",
		    tr("give a folder on a local disk with --storage (XFS or Btrfs also give snapshots)"));
		return;
	}
	f->storage_bytes = (uint64_t)sf.f_bavail * (uint64_t)sf.f_bsize;
	room(f->storage_bytes, dir, fs);
}

static void
volume_group(struct setup_facts *f, struct findings *fs)
{
	const char *const argv[] = { "vgs", "--noheadings", "--nosuffix",
	    "--units", "b", "-o", "vg_free", "--", f->volume_group, NULL };
	const char *const lvs[] = { "lvs", "--noheadings", "-o", "lv_name",
	    "--", f->volume_group, NULL };
	char out[4096];
	struct finding *x;
	char *text, *end;

	if (services_output(argv, out, sizeof(out)) != 0) {
		x = findings_add(fs, FINDING_BLOCK, "no-volume-group",
		    tr("there is no volume group '%s'"), f->volume_group);
		finding_hint(x, tr("'vgs' lists them; vgcreate %s /dev/DISK makes one of an empty disk"),
		    f->volume_group);
		return;
	}
	text = out + strspn(out, " \t");
	end = text + strspn(text, "0123456789");
	*end = '\0';
	if (av_parse_u64(text, &f->storage_bytes) < 0)
		f->storage_bytes = 0;
	room(f->storage_bytes, f->volume_group, fs);
	if (services_output(lvs, out, sizeof(out)) == 0 &&
	    strstr(out, " av-") != NULL) {
		x = findings_add(fs, FINDING_BLOCK, "storage-has-data",
		    tr("'%s' holds volumes of another unit: they stay as they are"),
		    f->volume_group);
		finding_hint(x, tr("'lvs %s' lists them; give another group, or remove those that nobody needs"),
		    f->volume_group);
	}
}

void
preflight_storage(const char *root, struct setup_facts *f, struct findings *fs)
{
	if (f->volume_group[0] != '\0')
		volume_group(f, fs);
	else
		folder(root, f, fs);
}
