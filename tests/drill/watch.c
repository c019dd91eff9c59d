/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/watch.c - what a witness makes of the guests' frames
 */
#include "tests/drill/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool
watch_parse(const char *text, size_t n, struct watch_beat *ret)
{
	char line[160], boot[WATCH_BOOT_LEN];
	uint64_t counter;

	if (n >= sizeof(line))
		return false;
	memcpy(line, text, n);
	line[n] = '\0';
	if (sscanf(line, "AVBEAT 1 %47s %" SCNu64 " ", boot, &counter) != 2)
		return false;
	memcpy(ret->boot, boot, sizeof(ret->boot));
	ret->counter = counter;
	return true;
}

struct watch_vm *
watch_vm_get(struct watch *w, const uint8_t mac[6])
{
	size_t i;

	for (i = 0; i < WATCH_VMS; i++) {
		struct watch_vm *vm = &w->vms[i];

		if (vm->used && memcmp(vm->mac, mac, 6) == 0)
			return vm;
		if (vm->used)
			continue;
		memset(vm, 0, sizeof(*vm));
		vm->used = true;
		memcpy(vm->mac, mac, 6);
		(void)snprintf(vm->name, sizeof(vm->name),
		    "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		    mac[3], mac[4], mac[5]);
		return vm;
	}
	return NULL;
}

static bool
is_boot(const struct watch_run *r, const struct watch_beat *b)
{
	return strcmp(r->boot, b->boot) == 0;
}

static uint64_t
last_counter(const struct watch_run *r)
{
	uint64_t last = 0;
	int i;

	for (i = 0; i < WATCH_N_POINTS; i++)
		if (r->counter[i] > last)
			last = r->counter[i];
	return last;
}

/* Of a boot's stays on this PM the one that the counter is of: frames of an earlier
 * one may be read late. */
static struct watch_run *
run_find(struct watch_vm *vm, const struct watch_beat *b)
{
	struct watch_run *found = NULL;
	unsigned i;

	for (i = 0; i < vm->n_runs; i++) {
		struct watch_run *r = &vm->runs[i];

		if (r->side != b->side || !is_boot(r, b))
			continue;
		if (found == NULL || r->first_counter <= b->counter)
			found = r;
	}
	return found;
}

/* It was elsewhere since 'r', and has gone on counting from there. */
static bool
has_returned(const struct watch_vm *vm, const struct watch_run *r,
    const struct watch_beat *b)
{
	unsigned i;

	if (b->at_ns < r->last_ns + WATCH_RETURN_NS)
		return false;
	for (i = 0; i < vm->n_runs; i++) {
		const struct watch_run *o = &vm->runs[i];

		if (o->side != b->side && is_boot(o, b) &&
		    o->first_counter > last_counter(r) &&
		    b->counter > last_counter(o))
			return true;
	}
	return false;
}

static struct watch_run *
run_add(struct watch_vm *vm, const struct watch_beat *b)
{
	struct watch_run *r;
	bool moved = false;
	unsigned i;

	for (i = 0; i < vm->n_runs; i++)
		moved = moved || is_boot(&vm->runs[i], b);
	if (vm->n_runs == WATCH_RUNS) {
		memmove(&vm->runs[0], &vm->runs[1],
		    (WATCH_RUNS - 1) * sizeof(vm->runs[0]));
		vm->n_runs--;
	}
	r = &vm->runs[vm->n_runs++];
	memset(r, 0, sizeof(*r));
	memcpy(r->boot, b->boot, sizeof(r->boot));
	r->side = b->side;
	r->first_ns = r->last_ns = b->at_ns;
	r->first_counter = b->counter;
	if (moved)
		vm->n_moves++;
	else
		vm->n_new_runs++;
	return r;
}

/* Another run of the VM whose time overlaps that of 'r'. */
static struct watch_run *
run_overlapping(struct watch_vm *vm, const struct watch_run *r)
{
	unsigned i;

	for (i = 0; i < vm->n_runs; i++) {
		struct watch_run *o = &vm->runs[i];

		if (o != r && o->first_ns <= r->last_ns &&
		    r->first_ns <= o->last_ns)
			return o;
	}
	return NULL;
}

/* True when the silence that this frame ends is worth a line. */
static bool
service_heard(struct watch *w, struct watch_vm *vm, uint64_t at_ns)
{
	uint64_t from = vm->heard_ns > w->mark_ns ? vm->heard_ns : w->mark_ns;
	bool first = vm->heard_ns == 0;
	uint64_t silent = 0;

	if (at_ns <= from) {
		if (at_ns > vm->heard_ns)
			vm->heard_ns = at_ns;
		return false;	/* read late */
	}
	/* a silence that began before the mark counts from its begin */
	if (!first) {
		silent = at_ns - vm->heard_ns;
		if (silent > vm->gap_to_ns - vm->gap_from_ns) {
			vm->gap_from_ns = vm->heard_ns;
			vm->gap_to_ns = at_ns;
		}
	}
	vm->heard_ns = at_ns;
	vm->n_beats++;
	return silent >= WATCH_GAP_NS;
}

enum watch_news
watch_beat(struct watch *w, const struct watch_beat *b,
    const struct watch_vm **ret_vm, const struct watch_run **ret_other)
{
	struct watch_vm *vm = watch_vm_get(w, b->mac);
	struct watch_run *r, *other;
	bool fresh = false, gap = false;

	*ret_vm = vm;
	*ret_other = NULL;
	if (vm == NULL) {
		w->n_strange++;
		return WATCH_STRANGE;
	}
	r = run_find(vm, b);
	if (r == NULL || has_returned(vm, r, b)) {
		r = run_add(vm, b);
		fresh = true;
	} else if (b->counter <= r->counter[b->point]) {
		*ret_other = r;
		w->n_double++;
		return WATCH_CLONE;
	}
	r->counter[b->point] = b->counter;
	if (b->counter < r->first_counter)
		r->first_counter = b->counter;
	if (b->at_ns < r->first_ns)
		r->first_ns = b->at_ns;
	if (b->at_ns > r->last_ns)
		r->last_ns = b->at_ns;
	if (b->point == WATCH_CABLE)
		gap = service_heard(w, vm, b->at_ns);
	other = run_overlapping(vm, r);
	if (other != NULL && !(r->told && other->told)) {
		r->told = other->told = true;
		*ret_other = other;
		w->n_double++;
		return WATCH_DOUBLE;
	}
	return fresh ? WATCH_NEW_RUN : gap ? WATCH_GAP : WATCH_OLD;
}

void
watch_mark(struct watch *w, uint64_t now_ns)
{
	size_t i;

	w->mark_ns = now_ns;
	for (i = 0; i < WATCH_VMS; i++) {
		w->vms[i].gap_from_ns = w->vms[i].gap_to_ns = 0;
		w->vms[i].n_beats = 0;
		w->vms[i].n_new_runs = w->vms[i].n_moves = 0;
	}
}

uint64_t
watch_gap(const struct watch *w, const struct watch_vm *vm, uint64_t now_ns,
    uint64_t *ret_back_ns)
{
	uint64_t longest = vm->gap_to_ns - vm->gap_from_ns;
	uint64_t heard = vm->heard_ns != 0 ? vm->heard_ns : w->mark_ns;
	uint64_t open = now_ns > heard ? now_ns - heard : 0;

	if (open > longest && open >= WATCH_GAP_NS) {
		*ret_back_ns = 0;
		return open;
	}
	*ret_back_ns = vm->gap_to_ns;
	return longest;
}
