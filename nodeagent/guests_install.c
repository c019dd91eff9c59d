/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/guests_install.c - filling a new VM's volumes from their images
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nodeagent/guests_impl.h"

static void
copy_progress(void *ctx, int percent)
{
	struct guest *g = ctx;

	if (percent == g->copy_percent)
		return;
	g->copy_percent = percent;
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static void
copy_ended(void *ctx, int rc, const struct av_err *err)
{
	struct guest *g = ctx;

	g->copy_done = TAKE_PTR(g->copy);
	if (rc < 0) {
		log_err(g->row.id, "%s: %s", g->copy_volume, err->text);
		guest_report(g, "install-failed", err->text);
	} else {
		log_info(g->row.id, "%s has its image", g->copy_volume);
		(void)snprintf(g->copied[g->n_copied++],
		    sizeof(g->copied[0]), "%s", g->copy_volume);
	}
	g->gs->ops->changed(g->gs->ctx, g->row.id);
}

static bool
is_copied(const struct guest *g, const char *volume_id)
{
	unsigned i;

	for (i = 0; i < g->n_copied; i++)
		if (strcmp(g->copied[i], volume_id) == 0)
			return true;
	return false;
}

static void
copy_begin(struct guest *g, const struct store_volume *vol)
{
	static const struct imagecopy_ops ops = { .progress = copy_progress,
	    .done = copy_ended };
	struct av_err err = { 0 };
	char path[600];

	/* the command checked the name; a path must not grow out of a row */
	if (strchr(vol->image, '/') != NULL || vol->image[0] == '.') {
		guest_report(g, "install-failed",
		    "the image's name is not a file name");
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/images/%s",
	    g->gs->conf->state_dir, vol->image);
	(void)snprintf(g->copy_volume, sizeof(g->copy_volume), "%s", vol->id);
	g->copy_percent = 0;
	if (imagecopy_start(g->gs->event, path,
	    volumes_front(g->gs->volumes, vol->id), &ops, g, &g->copy,
	    &err) < 0) {
		log_err(g->row.id, "%s: %s", vol->id, err.text);
		guest_report(g, "install-failed", err.text);
	}
}

void
guest_install(struct guest *g)
{
	unsigned i;

	g->copy_done = imagecopy_free(g->copy_done);
	if (g->copy != NULL || g->reporting)
		return;
	for (i = 0; i < g->row.n_disks; i++) {
		struct store_volume vol;

		if (store_get_volume(g->gs->store, g->row.disks[i].volume_id,
		    &vol) < 0)
			return;
		if (vol.phase != STORE_READY && vol.phase != STORE_CREATING)
			return;
		if (!vol.leg_exists[g->gs->conf->node] ||
		    (g->gs->right.kind == RIGHT_TOGETHER &&
		    !(vol.leg_exists[0] && vol.leg_exists[1])))
			return;		/* the other PM is still making it */
		if (vol.installed || is_copied(g, vol.id))
			continue;
		if (!volumes_ready(g->gs->volumes, vol.id, NULL))
			return;
		copy_begin(g, &vol);
		return;
	}
	guest_report(g, "installed", NULL);
}

void
guest_install_stop(struct guest *g)
{
	if (g->copy != NULL)
		log_notice(g->row.id, "%s: no longer filled by this PM",
		    g->copy_volume);
	/* its writes may be held for ever, and keep the volume primary here */
	g->copy = imagecopy_free(g->copy);
	g->n_copied = 0;
}
