/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/disk.c - making the data durable
 *
 * After a failed fdatasync() the kernel forgets that the pages were dirty: the
 * next one succeeds although they never reached the disk.  So a failure is
 * remembered: no later flush is acknowledged, and no bit taken away.
 */
#include <errno.h>
#include <unistd.h>

#include "mirror/replica/server.h"

int
srv_data_sync(struct srv *s)
{
	int rc = fdatasync(s->leg->data_fd) < 0 ? -errno : 0;

	pthread_mutex_lock(&s->mu);
	if (rc < 0) {
		s->data_sync_failed = true;
		s->disk_failed = true;
		srv_why(s, "disk-error", "this PM's disk failed to flush");
	} else if (s->data_sync_failed) {
		rc = -EIO;
	}
	pthread_mutex_unlock(&s->mu);
	return rc;
}
