/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/disk.c - making the data durable; how long the disk takes
 *
 * After a failed fdatasync() the kernel forgets that the pages were dirty: the
 * next one succeeds although they never reached the disk.  So a failure is
 * remembered: no later flush is acknowledged, and no bit taken away.  Of two at
 * once only one is told; so there is one at a time.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "mirror/replica/server.h"

int
srv_data_sync(struct srv *s)
{
	uint64_t want;
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	want = s->data_sync_begun + 1;	/* one under way may miss something */
	while (s->data_sync_done < want && s->data_syncing)
		pthread_cond_wait(&s->cv, &s->mu);
	if (s->data_sync_done < want) {
		s->data_syncing = true;
		s->data_sync_begun++;
		pthread_mutex_unlock(&s->mu);
		rc = fdatasync(s->leg->data_fd) < 0 ? -errno : 0;
		pthread_mutex_lock(&s->mu);
		if (rc < 0) {
			s->data_sync_failed = true;
			s->disk_failed = true;
			srv_why(s, "disk-error",
			    "this PM's disk failed to flush");
		}
		s->data_syncing = false;
		s->data_sync_done = s->data_sync_begun;
		pthread_cond_broadcast(&s->cv);
	}
	if (rc == 0 && s->data_sync_failed)
		rc = -EIO;
	pthread_mutex_unlock(&s->mu);
	return rc;
}

void
disk_begin(struct srv *s, struct disk_op *d)
{
	d->since_ns = av_clock_ns();
	d->prev = s->disk_ops.prev;
	d->next = &s->disk_ops;
	d->prev->next = d->next->prev = d;
}

void
disk_end(struct srv *s, struct disk_op *d)
{
	(void)s;
	d->prev->next = d->next;
	d->next->prev = d->prev;
}

uint64_t
disk_slow_ms(const struct srv *s)
{
	const struct disk_op *oldest = s->disk_ops.next;
	uint64_t ms;

	if (oldest == &s->disk_ops)
		return 0;
	ms = (av_clock_ns() - oldest->since_ns) / AV_NS_PER_MS;
	return ms > MIRROR_DISK_SLOW_MS ? ms : 0;
}
