/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/drbd_pair.c - see drbd_pair.h
 */
#include "tests/unit/mirror/drbd_pair.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

extern char **environ;

int
drbd_pair_run(char *const *argv)
{
	pid_t pid;
	int st, r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	if (r != 0)
		return -r;
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -EINTR;
}

int
drbd_pair_tools(const char *dir, int i, struct mirror_drbd_conf *ret)
{
	static const char *const names[] = { "drbdadm", "drbdsetup",
		"drbdmeta", "lvcreate", "lvremove", "lvextend", "lvchange",
		"lvs", "blkid" };
	static char text[2][3][4096];
	char (*t)[4096] = text[i];
	char path[256], fake[4096], handler[256];
	const char *b = getenv("B") != NULL ? getenv("B") : "build";
	size_t k;

	(void)snprintf(handler, sizeof(handler), "%s/av-fence-peer", b);
	if (realpath("tests/unit/mirror/fake-drbd/fake", fake) == NULL ||
	    realpath(handler, t[1]) == NULL)
		return -ENOENT;
	(void)snprintf(path, sizeof(path), "%s/node%d/bin", dir, i);
	(void)snprintf(t[0], sizeof(t[0]), "%s:/usr/bin:/bin", path);
	(void)snprintf(t[2], sizeof(t[2]), "%s/node%d/dev", dir, i);
	if (mkdir(path, 0700) < 0 || mkdir(t[2], 0700) < 0)
		return -errno;
	for (k = 0; k < ARRAY_SIZE(names); k++) {
		(void)snprintf(path, sizeof(path), "%s/node%d/bin/%s", dir, i,
		    names[k]);
		if (symlink(fake, path) < 0)
			return -errno;
	}
	(void)snprintf(path, sizeof(path), "%s/node%d/events", dir, i);
	if (av_file_write(path, "", 0, 0600, NULL) < 0)
		return -EIO;
	*ret = (struct mirror_drbd_conf){ .vg = "avvg", .minor = 100,
		.unencrypted_ok = true, .handler_path = t[1],
		.tools_path = t[0], .dev_dir = t[2] };
	return 0;
}

void
drbd_pair_end(const char *dir)
{
	char prog[160], word[] = "end";
	char *argv[] = { prog, word, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/node0/bin/drbdsetup", dir);
	(void)drbd_pair_run(argv);	/* what stays is seen by the runner */
}
