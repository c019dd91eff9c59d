/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/accelprobe_main.c - av-accelprobe: print "kvm" or "tcg", and why on stderr
 */
#include <stdio.h>

#include "vmm/vmm.h"

#define PROBE_MS	5000

int
main(void)
{
	char why[160];
	enum vmm_accel a = vmm_probe_accel(NULL, PROBE_MS, why, sizeof(why));

	(void)fprintf(stderr, "%s\n", why);
	return printf("%s\n", vmm_accel_name(a)) < 0;
}
