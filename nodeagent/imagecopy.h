/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/imagecopy.h - fill a new volume from an image file
 *
 * Runs nbdcopy as a child: FILE -> the volume's front socket, so that both legs
 * get it.  The volume must be new (all zeros) and primary here.
 *
 *   NULL --imagecopy_start--> running --done--> finished --imagecopy_free--> NULL
 *                               '----imagecopy_free (ends the child)----------'
 *
 * Threads: the loop's.  'done' and 'progress' run from the loop, never from
 * inside a call; 'done' exactly once unless freed earlier.
 */
#ifndef AV_NODEAGENT_IMAGECOPY_H
#define AV_NODEAGENT_IMAGECOPY_H

#include <systemd/sd-event.h>

#include "base/err.h"

struct imagecopy;

struct imagecopy_ops {
	void	(*progress)(void *ctx, int percent);
	/* rc 0, or -EIO with what nbdcopy said. */
	void	(*done)(void *ctx, int rc, const struct av_err *err);
};

int imagecopy_start(sd_event *event, const char *image_path,
    const char *front_socket, const struct imagecopy_ops *ops, void *ctx,
    struct imagecopy **ret, struct av_err *err);
struct imagecopy *imagecopy_free(struct imagecopy *ic);

#endif
