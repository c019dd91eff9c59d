/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/probe.h - the probe itself, for its test
 */
#ifndef AV_VMM_PROBE_H
#define AV_VMM_PROBE_H

/* 0: the code ran under 'accel' ("kvm", "tcg") and worked.  -ETIMEDOUT, -EIO. */
int vmm_probe_run(const char *qemu_path, const char *accel,
    unsigned timeout_ms);

#endif
