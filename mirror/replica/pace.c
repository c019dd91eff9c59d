/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/pace.c - see pace.h
 */
#include "mirror/replica/pace.h"

static void
forget(struct pace *p)
{
	if (p->run_ns + p->rest_ns < PACE_WINDOW_NS)
		return;
	p->run_ns /= 2;
	p->run_n /= 2;
	p->rest_ns /= 2;
	p->rest_n /= 2;
}

void
pace_ran(struct pace *p, uint64_t ns, uint64_t answered)
{
	p->run_ns += ns;
	p->run_n += answered;
	forget(p);
}

void
pace_rested(struct pace *p, uint64_t ns, uint64_t answered)
{
	p->rest_ns += ns;
	p->rest_n += answered;
	forget(p);
}

static double
share(const struct pace *p)
{
	double resting, copying, lost, d;

	if (p->rest_n < PACE_SAMPLES_MIN || p->rest_ns == 0 ||
	    p->run_ns == 0)
		return PACE_SHARE_UNKNOWN;
	resting = (double)p->rest_n / (double)p->rest_ns;
	copying = (double)p->run_n / (double)p->run_ns;
	lost = 1.0 - copying / resting;
	if (lost <= 0.0)
		return PACE_SHARE_MAX;
	d = (1.0 - PACE_KEEP) / lost;
	return d < PACE_SHARE_MAX ? d : PACE_SHARE_MAX;
}

uint64_t
pace_rest_ns(const struct pace *p, uint64_t ns, bool busy)
{
	double rest;

	if (!busy)
		return 0;
	rest = (double)ns * (1.0 / share(p) - 1.0);
	return rest < (double)PACE_REST_MAX_NS ? (uint64_t)rest :
	    PACE_REST_MAX_NS;
}
