/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/crash_model.c - see crash_run.h
 *
 * Writes to one sector are ordered only if one was acknowledged before the
 * other was issued.  A value is lost data if a write that must survive was
 * issued after it was acknowledged.
 */
#include "tests/unit/mirror/crash_run.h"

#include <string.h>

#include "base/assert.h"

struct model model;

static uint64_t id_dead[RECS_MAX * 2];	/* by id: its last ack */
static uint64_t id_issue[RECS_MAX * 2];

uint32_t
model_value(uint32_t id, size_t sector)
{
	return id == 0 ? 0 : id * 2048u + (uint32_t)sector;
}

void
model_reset(void)
{
	memset(&model, 0, sizeof(model));
}

static struct rec *
rec_new(uint32_t id, size_t first, size_t n)
{
	struct rec *r = &model.rec[model.n];

	AV_ASSERT(model.n < RECS_MAX);
	model.n++;
	*r = (struct rec){ .id = id, .first = (uint16_t)first,
		.n = (uint16_t)n, .issue = sim.tick++, .ack = NEVER,
		.flush = NEVER, .step = NEVER, .lost = NEVER,
		.step_lost = NEVER };
	return r;
}

struct rec *
model_issue(size_t first, size_t n, bool zero)
{
	return rec_new(zero ? 0 : ++model.last_id, first, n);
}

void
model_flushed(uint64_t began)
{
	uint64_t now = sim.tick++;
	size_t i;

	for (i = 0; i < model.n; i++) {
		struct rec *r = &model.rec[i];

		if (r->ack < began && r->flush == NEVER && r->lost == NEVER)
			r->flush = now;
	}
}

void
model_in_step(void)
{
	uint64_t now = sim.tick++;
	size_t i;

	for (i = 0; i < model.n; i++) {
		struct rec *r = &model.rec[i];

		if (r->ack < now && r->step == NEVER && r->lost == NEVER)
			r->step = now;
	}
}

void
model_cut(bool both)
{
	uint64_t now = sim.tick++;
	size_t i;

	for (i = 0; i < model.n; i++) {
		struct rec *r = &model.rec[i];

		if (r->flush != NEVER)
			continue;
		if (both || r->step == NEVER)
			r->lost = r->lost < now ? r->lost : now;
		if (both)
			r->step_lost = r->step_lost < now ? r->step_lost : now;
	}
}

void
model_seen(const struct sim_image *im)
{
	uint64_t now = sim.tick++;
	size_t i, n = model.n, s;

	for (i = 0; i < n; i++)
		if (model.rec[i].ack == NEVER)
			model.rec[i].ack = now;
	for (s = 0; s < SIM_SECTORS; s++) {
		struct rec *r;

		/* only what is in doubt needs a word */
		for (i = 0; i < n; i++)
			if (model.rec[i].ack == now &&
			    s >= model.rec[i].first &&
			    s < (size_t)model.rec[i].first + model.rec[i].n)
				break;
		if (i == n && model.n > 0) {
			for (i = 0; i < n; i++)
				if (model.rec[i].lost != NEVER &&
				    s >= model.rec[i].first && s <
				    (size_t)model.rec[i].first +
				    model.rec[i].n)
					break;
		}
		if (i == n)
			continue;
		r = rec_new(im->data[s] / 2048u, s, 1);
		r->ack = sim.tick++;
	}
	/* never acknowledged: nothing demands it */
	for (i = 0; i < n; i++)
		if (model.rec[i].ack == now)
			model.rec[i].lost = model.rec[i].step_lost = 0;
}

static bool
demands(const struct rec *r, enum floor f, uint64_t tick)
{
	if (r->flush <= tick)
		return true;
	if (f == FLOOR_STEP)
		return r->step <= tick && tick < r->step_lost;
	return f == FLOOR_ACKED && r->ack <= tick && tick < r->lost;
}

void
model_view(uint64_t tick, struct model_view *v)
{
	size_t i, s;
	int f;

	memset(v, 0, sizeof(*v));
	memset(id_dead, 0, sizeof(id_dead[0]) * (model.last_id + 1));
	memset(id_issue, 0xff, sizeof(id_issue[0]) * (model.last_id + 1));
	v->tick = tick;
	for (i = 0; i < model.n; i++) {
		const struct rec *r = &model.rec[i];

		if (r->issue > tick)
			continue;
		if (r->id != 0 && id_issue[r->id] == NEVER)
			id_issue[r->id] = r->issue;
		for (s = r->first; s < (size_t)r->first + r->n; s++) {
			if (r->id == 0 && r->ack > v->zero_dead[s])
				v->zero_dead[s] = r->ack;
			for (f = 0; f < FLOORS; f++)
				if (demands(r, (enum floor)f, tick) &&
				    r->issue > v->floor[f][s])
					v->floor[f][s] = r->issue;
		}
		if (r->id != 0 && r->ack > id_dead[r->id])
			id_dead[r->id] = r->ack;
	}
}

int
model_check(const struct model_view *v, enum floor f,
    const struct sim_image *im)
{
	const uint64_t *floor = v->floor[f];
	size_t s;

	for (s = 0; s < SIM_SECTORS; s++) {
		uint32_t id = im->data[s] / 2048u;

		if (id == 0) {
			if (im->data[s] != 0 || v->zero_dead[s] < floor[s])
				return (int)s;
		} else if (id > model.last_id || id_issue[id] == NEVER ||
		    im->data[s] % 2048u != s || id_dead[id] < floor[s]) {
			return (int)s;
		}
	}
	return -1;
}
