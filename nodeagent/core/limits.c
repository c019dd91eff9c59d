/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/core/limits.c - provisioning rules B1-B3: the numbers
 */
#include "nodeagent/core/limits.h"

void
limits_vcpus_of(const struct limits_cpus *cpus, struct limits_vcpus *ret)
{
	bool hyper_threading = cpus->threads > cpus->cores;

	*ret = (struct limits_vcpus){ 0 };
	if (cpus->threads == 0 || cpus->cores == 0)
		return;			/* not reported */
	ret->total = hyper_threading ? cpus->threads : cpus->cores;
	ret->limit = hyper_threading ? cpus->threads : 2 * cpus->cores;
	/* a PM of two cores is to run something without a warning too */
	ret->recommended = ret->total > LIMITS_SYSTEM_VCPUS ?
	    ret->total - LIMITS_SYSTEM_VCPUS : 1;
}

static unsigned
smaller(unsigned a, unsigned b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint64_t
smaller_bytes(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

void
limits_unit_of(const struct limits_pm pms[2], struct limits_unit *ret)
{
	struct limits_vcpus v[2];
	uint64_t memory = smaller_bytes(pms[0].memory_bytes,
	    pms[1].memory_bytes);

	limits_vcpus_of(&pms[0].cpus, &v[0]);
	limits_vcpus_of(&pms[1].cpus, &v[1]);
	ret->vcpus.total = smaller(v[0].total, v[1].total);
	ret->vcpus.recommended = smaller(v[0].recommended, v[1].recommended);
	ret->vcpus.limit = smaller(v[0].limit, v[1].limit);
	ret->memory_bytes = memory > LIMITS_SYSTEM_BYTES ?
	    memory - LIMITS_SYSTEM_BYTES : 0;
	ret->storage_bytes = smaller_bytes(pms[0].storage_bytes,
	    pms[1].storage_bytes);
}

uint64_t
limits_volume_round(uint64_t size_bytes)
{
	uint64_t rest = size_bytes % LIMITS_VOLUME_STEP;

	return rest == 0 ? size_bytes : size_bytes - rest + LIMITS_VOLUME_STEP;
}

uint64_t
limits_missing(uint64_t total, uint64_t used, uint64_t want)
{
	uint64_t free_bytes = total > used ? total - used : 0;

	return want > free_bytes ? want - free_bytes : 0;
}
