/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/limits.h - provisioning rules B1-B3: the numbers
 *
 * Pure.  Sizes are bytes.  A PM that hasn't reported yet (all zero) is left out of
 * "the smaller PM"; when neither has, everything is zero.
 */
#ifndef AV_CORE_LIMITS_H
#define AV_CORE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#define LIMITS_VM_VCPUS_MAX	8u	/* of one VM */
#define LIMITS_SYSTEM_VCPUS	2u	/* are the system's */
#define LIMITS_SYSTEM_BYTES	(1024ull << 20)
#define LIMITS_VM_MIN_BYTES	(256ull << 20)
#define LIMITS_VM64_MIN_BYTES	(600ull << 20)	/* a 64-bit OS */
#define LIMITS_MEMORY_STEP	(1ull << 20)
#define LIMITS_VOLUMES_MAX	62u	/* of the unit */
#define LIMITS_VOLUME_MIN_BYTES	(1ull << 20)
#define LIMITS_VOLUME_STEP	(1ull << 20)	/* sizes are rounded up to it */
#define LIMITS_VOLUME_MAX_BYTES	(16ull << 40)	/* of the mirror */
#define LIMITS_STORAGE_LOW_BYTES (5000000000ull)	/* warn below: B3 */

struct limits_cpus {
	unsigned	threads, cores, sockets;	/* of one PM, in all */
};

struct limits_pm {
	struct limits_cpus cpus;
	uint64_t	memory_bytes;
	uint64_t	storage_bytes;
};

struct limits_vcpus {
	unsigned	total;		/* threads with hyper-threading, else cores */
	unsigned	recommended;	/* above: a warning.  At least 1 */
	unsigned	limit;		/* above: refused */
};

void limits_vcpus_of(const struct limits_cpus *cpus, struct limits_vcpus *ret);

struct limits_unit {
	struct limits_vcpus vcpus;	/* of the weaker PM, item by item */
	uint64_t	memory_bytes;	/* usable: the smaller PM's - 1 GiB */
	uint64_t	storage_bytes;	/* the smaller PM's */
};

void limits_unit_of(const struct limits_pm pms[2], struct limits_unit *ret);

static inline uint64_t
limits_memory_min(bool bits64)
{
	return bits64 ? LIMITS_VM64_MIN_BYTES : LIMITS_VM_MIN_BYTES;
}

/* Rounds a volume's size up to the step. */
uint64_t limits_volume_round(uint64_t size_bytes);

/* 'want' of 'total', of which 'used' is taken: what is missing, 0 = it fits. */
uint64_t limits_missing(uint64_t total, uint64_t used, uint64_t want);

#endif
