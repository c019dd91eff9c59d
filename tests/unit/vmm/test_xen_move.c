/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Live migration of driver "xen", with av-xenrun-fake at both ends: at every moment
 * at most one of the two domains may execute, and at the end one does.
 */
#include <sys/stat.h>

#include "tests/unit/vmm/xen_rig.h"

struct pair {
	struct rig	s, t;
	char		key[96], other[96];
};

/* Both PMs' fakes together: how many domains execute just now. */
static unsigned
n_running(struct pair *p)
{
	char a[16] = "", b[16] = "";
	unsigned n = 0;

	n += domain(&p->s, a) != 0 && strcmp(a, "running") == 0;
	n += domain(&p->t, b) != 0 && strcmp(b, "running") == 0;
	return n;
}

static int
key_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fchmod(fileno(f), 0600) < 0)
		return -1;
	fputs(text, f);
	return fclose(f);
}

/* The stream stays where the guest still runs, or where it stands; "" = goes on. */
#define WHERE_RUNS	"1"
#define WHERE_STANDS	"7"
static int
hold(struct pair *p, const char *where)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/fakehold", p->s.spec.runtime_dir);
	return key_write(path, where);
}

static int
pair_init(struct pair *p)
{
	CHECK_EQ(rig_init(&p->s), 0);
	CHECK_EQ(rig_init_at(&p->t, p->s.event), 0);
	snprintf(p->key, sizeof(p->key), "%s/key", p->s.dir);
	snprintf(p->other, sizeof(p->other), "%s/other", p->s.dir);
	CHECK_EQ(key_write(p->key, "av:00112233445566778899aabbccddeeff\n"),
	    0);
	CHECK_EQ(key_write(p->other, "av:ff112233445566778899aabbccddeeff\n"),
	    0);
	return 0;
}

static int
pair_dispose(struct pair *p, int rc)
{
	(void)rig_dispose(&p->t, rc);
	return rig_dispose(&p->s, rc);
}

static enum vmm_phase
phase(struct rig *r)
{
	struct vmm_status st;

	vmm_status(r->dom, &st);
	return st.migration.phase;
}

static int
wait_phase(struct pair *p, struct rig *r, enum vmm_phase want)
{
	uint64_t end = av_clock_ns() + 40 * AV_NS_PER_S;

	while (phase(r) != want && av_clock_ns() < end) {
		CHECK(sd_event_run(r->event, 50000) >= 0);
		CHECK(n_running(p) <= 1);
	}
	CHECK_EQ(phase(r), want);
	return 0;
}

static int
both_ready(struct pair *p, struct vmm_link *link)
{
	struct vmm_status st;

	CHECK_EQ(started(&p->s), 0);
	*link = (struct vmm_link){ .address = "127.0.0.1", .tag = "m1",
		.psk_file = p->key };
	CHECK_EQ(vmm_start_incoming(p->t.dom, link, op(&p->t), NULL), 0);
	CHECK_EQ(wait_done(&p->t), 0);
	CHECK_EQ(wait_state(&p->t, VMM_INCOMING), VMM_REASON_NONE);
	vmm_status(p->t.dom, &st);
	CHECK_EQ(st.migration.phase, VMM_PHASE_WAITING);
	CHECK(st.migration.port != 0 && st.migration.incoming);
	CHECK_STR(st.migration.tag, "m1");
	CHECK_EQ(vmm_resume(p->t.dom, op(&p->t), NULL), -EAGAIN);
	link->port = st.migration.port;
	return 0;
}

static int
complete(struct pair *p)
{
	struct vmm_link link;
	struct vmm_status st;

	CHECK_EQ(both_ready(p, &link), 0);
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_COMPLETE), 0);
	CHECK_EQ(wait_phase(p, &p->t, VMM_PHASE_COMPLETE), 0);
	CHECK_EQ(n_running(p), 0);
	CHECK_EQ(calls(&p->s, "quiet"), 1);
	vmm_status(p->s.dom, &st);
	CHECK_EQ(st.state, VMM_PAUSED);
	CHECK_EQ(st.reason, VMM_REASON_MIGRATION);
	vmm_status(p->t.dom, &st);
	CHECK_EQ(st.state, VMM_INCOMING);
	return 0;
}

/* There: as after the commit. */
static int
there(struct pair *p)
{
	char state[16];

	CHECK_EQ(complete(p), 0);
	CHECK_EQ(vmm_kill(p->s.dom, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(domain(&p->s, state), 0);
	CHECK_EQ(vmm_resume(p->t.dom, op(&p->t), NULL), 0);
	CHECK_EQ(wait_done(&p->t), 0);
	CHECK_EQ(wait_state(&p->t, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(n_running(p), 1);
	CHECK_EQ(phase(&p->t), VMM_PHASE_NONE);
	return 0;
}

/* Both agents, then both av-xenrun, are new at the worst moment: nothing runs by
 * itself, and both still know what they are. */
static int
restarts(struct pair *p)
{
	struct rig *r[2] = { &p->s, &p->t };
	struct vmm_status st;
	unsigned i;

	CHECK_EQ(complete(p), 0);
	for (i = 0; i < 2; i++) {
		vmm_status(r[i]->dom, &st);
		r[i]->dom = vmm_close(r[i]->dom);
		CHECK_EQ(kill(st.pid, SIGKILL), 0);
		CHECK_EQ(open_dom(r[i]), 0);
		CHECK_EQ(vmm_attach(r[i]->dom, op(r[i]), NULL), 0);
		CHECK_EQ(wait_done(r[i]), 0);
		CHECK_EQ(n_running(p), 0);
		vmm_status(r[i]->dom, &st);
		CHECK_EQ(st.migration.phase, VMM_PHASE_COMPLETE);
		CHECK_STR(st.migration.tag, "m1");
		CHECK_EQ(st.state, i == 0 ? VMM_PAUSED : VMM_INCOMING);
	}
	CHECK_EQ(vmm_kill(p->t.dom, op(&p->t), NULL), 0);
	CHECK_EQ(wait_done(&p->t), 0);
	CHECK_EQ(vmm_resume(p->s.dom, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_state(&p->s, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(n_running(p), 1);
	return 0;
}

static int
wrong_key(struct pair *p)
{
	struct vmm_link link;
	struct vmm_status st;

	CHECK_EQ(both_ready(p, &link), 0);
	link.psk_file = p->other;
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_FAILED), 0);
	CHECK_EQ(wait_state(&p->s, VMM_RUNNING), VMM_REASON_NONE);
	vmm_status(p->s.dom, &st);
	CHECK(st.migration.why[0] != '\0');
	CHECK_EQ(phase(&p->t), VMM_PHASE_WAITING);	/* and waits on */
	link.psk_file = p->key;
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->t, VMM_PHASE_COMPLETE), 0);
	return 0;
}

/* The target dies in the middle: S owns the guest, which goes on. */
static int
target_dies(struct pair *p)
{
	struct vmm_link link;
	char state[16];

	CHECK_EQ(both_ready(p, &link), 0);
	CHECK_EQ(hold(p, WHERE_STANDS), 0);
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_SWITCHING), 0);
	CHECK_EQ(vmm_kill(p->t.dom, op(&p->t), NULL), 0);
	CHECK_EQ(wait_done(&p->t), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_FAILED), 0);
	CHECK_EQ(wait_state(&p->s, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(n_running(p), 1);
	CHECK_EQ(domain(&p->t, state), 0);
	return 0;
}

static int
source_dies(struct pair *p)
{
	struct vmm_link link;
	struct vmm_status st;
	char state[16];

	CHECK_EQ(both_ready(p, &link), 0);
	CHECK_EQ(hold(p, WHERE_STANDS), 0);
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_SWITCHING), 0);
	vmm_status(p->s.dom, &st);
	CHECK_EQ(kill(st.pid, SIGKILL), 0);	/* its domain stays, stopped */
	CHECK_EQ(wait_state(&p->t, VMM_EXITED), VMM_REASON_INCOMING_FAILED);
	CHECK_EQ(domain(&p->t, state), 0);
	CHECK_EQ(wait_state(&p->s, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(n_running(p), 1);
	return 0;
}

static int
cancel(struct pair *p)
{
	struct vmm_link link;

	CHECK_EQ(both_ready(p, &link), 0);
	CHECK_EQ(hold(p, WHERE_STANDS), 0);
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_SWITCHING), 0);
	CHECK_EQ(vmm_migrate_cancel(p->s.dom, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_CANCELLED), 0);
	CHECK_EQ(wait_state(&p->s, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(wait_state(&p->t, VMM_EXITED), VMM_REASON_INCOMING_FAILED);
	CHECK_EQ(n_running(p), 1);
	return 0;
}

/* A pause in the middle holds, whatever the stream does; a resume takes it back. */
static int
freeze(struct pair *p)
{
	struct vmm_link link;
	struct vmm_status st;
	uint64_t end;

	CHECK_EQ(both_ready(p, &link), 0);
	CHECK_EQ(hold(p, WHERE_RUNS), 0);
	CHECK_EQ(vmm_migrate_out(p->s.dom, &link, NULL, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_phase(p, &p->s, VMM_PHASE_ACTIVE), 0);
	CHECK_EQ(wait_phase(p, &p->t, VMM_PHASE_ACTIVE), 0);
	CHECK_EQ(vmm_pause(p->s.dom, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	vmm_status(p->s.dom, &st);
	CHECK_EQ(st.state, VMM_PAUSED);
	CHECK_EQ(st.reason, VMM_REASON_ASKED);
	end = av_clock_ns() + AV_NS_PER_S;
	while (av_clock_ns() < end) {
		CHECK(sd_event_run(p->s.event, 20000) >= 0);
		CHECK_EQ(n_running(p), 0);
	}
	CHECK_EQ(vmm_resume(p->s.dom, op(&p->s), NULL), 0);
	CHECK_EQ(wait_done(&p->s), 0);
	CHECK_EQ(wait_state(&p->s, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(n_running(p), 1);
	CHECK_EQ(wait_state(&p->t, VMM_EXITED), VMM_REASON_INCOMING_FAILED);
	return 0;
}

#define PAIR_TEST(name) \
	TEST(move_ ## name) { struct pair p; CHECK_EQ(pair_init(&p), 0); \
		return pair_dispose(&p, name(&p)); }
PAIR_TEST(there)
PAIR_TEST(restarts)
PAIR_TEST(wrong_key)
PAIR_TEST(target_dies)
PAIR_TEST(source_dies)
PAIR_TEST(cancel)
PAIR_TEST(freeze)

TESTS_MAIN(T(move_there), T(move_restarts), T(move_wrong_key),
    T(move_target_dies), T(move_source_dies), T(move_cancel), T(move_freeze))
