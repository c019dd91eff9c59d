/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/args.h - QEMU's command line for a guest; pure
 */
#ifndef AV_VMM_ARGS_H
#define AV_VMM_ARGS_H

#include "vmm/vmm.h"

struct vmm_args {
	char	**v;		/* NULL-terminated */
	size_t	  n;
	size_t	  room;
	int	  rc;		/* bad once, bad for good */
};

/* Appends; check a->rc at the end. */
void vmm_args_add(struct vmm_args *a, const char *word);
void vmm_args_addf(struct vmm_args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void vmm_args_dispose(struct vmm_args *a);

/* The value of -blockdev for a disk that is an NBD socket, node "disk<i>": a server
 * that is away is waited for, for ever. */
void vmm_args_nbd(struct vmm_args *a, const struct vmm_disk *d, unsigned i);
/* Appends the words of the spec's disk 'i': its -blockdev and its -device. */
void vmm_args_disk(struct vmm_args *a, const struct vmm_spec *spec, unsigned i);
/* Appends the whole command line, program first.  0 or -ENOMEM. */
int vmm_qemu_args(struct vmm_args *a, const char *qemu_path,
    enum vmm_accel accel, const struct vmm_spec *spec);

#endif
