/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/spawn.h - run av-vmrun and hear when it has done its work
 */
#ifndef AV_VMM_SPAWN_H
#define AV_VMM_SPAWN_H

#include <systemd/sd-event.h>

#include "base/err.h"

struct vmm_spawn;

/* rc 0: the guest's process was executed; else a sentence.  Runs once, from the
 * loop; may call vmm_spawn_free(). */
typedef void vmm_spawned_fn(void *ctx, int rc, const struct av_err *err);

/* 'argv' is av-vmrun's, program first. */
int vmm_spawn_new(sd_event *event, char *const *argv, vmm_spawned_fn *done,
    void *ctx, struct vmm_spawn **ret_sp, struct av_err *err);
/* A helper that still runs is killed; what it started may live. */
struct vmm_spawn *vmm_spawn_free(struct vmm_spawn *sp);
/* mkdir -p; parents 0755, the last one 'mode'. */
int vmm_mkdir(const char *path, unsigned mode, struct av_err *err);
/* "av-vmrun" beside the running program, else the installed one; malloc'd. */
int vmm_helper_default(char **ret_path);

#endif
