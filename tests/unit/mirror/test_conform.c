/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_conform.c - one suite for replica, drbd and sim
 *
 * The cases use mirror.h alone; world_new() says how a pair of legs is made.
 * drbd runs against tests/unit/mirror/fake-drbd/fake; or, as tests/lab/drbd-conformance
 * calls it, on the real module of this machine, where both PMs are resources that
 * meet on loopback:
 *   AVPAIR_CONFORM_VG	its volume group
 *   AVPAIR_CONFORM_TOOLS	where side0/drbdadm and side1/drbdadm are
 *				(tests/lab/drbd_side)
 *   AVPAIR_CONFORM_WAIT_S	how long anything may take (15)
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "tests/test.h"
#include "tests/unit/mirror/drbd_pair.h"
#include "tests/unit/mirror/pair.h"

#define UNIT	"00112233445566778899aabbccddeeff"
#define VOLUME	"0123456789abcdef0123456789abcdef"
#define SIZE	(4ull << 20)

struct world {
	const char	*driver;
	char		dir[PAIR_DIR_MAX];
	char		names[2][6][128];
	sd_event	*loop;
	struct mirror	*m[2];
	struct mirror_conf conf[2];
	struct mirror_leg_spec spec[2];
	struct mirror_drbd_conf drbd[2];
	unsigned	n_changed;
	bool		in_call;
};

static const char *driver;	/* of the run */
static const char *real_vg;	/* not NULL: the module of this machine */
static uint64_t wait_s = 15;

/* --- a world of two PMs --- */

static void
changed(struct mirror *m, void *arg)
{
	struct world *w = arg;

	(void)m;
	if (w->in_call)
		abort();	/* 'never from inside a call' */
	w->n_changed++;
}

static void
name_it(struct world *w, int i, uint16_t port, uint16_t peer_port)
{
	char (*b)[128] = w->names[i];
	const char *build = getenv("B") != NULL ? getenv("B") : "build";

	(void)snprintf(b[0], 128, "%s/node%d", w->dir, i);
	(void)snprintf(b[1], 128, "%s/node%d/run", w->dir, i);
	(void)snprintf(b[2], 128, "%s/psk", w->dir);
	(void)snprintf(b[3], 128, "%s/node%d/log", w->dir, i);
	(void)snprintf(b[4], 128, "%s/nbdkit-avreplica-plugin.so", build);
	w->conf[i] = (struct mirror_conf){ .id = i && real_vg != NULL ? "o4" :
		"o3", .dir = b[0],
		.unit_uuid = UNIT, .volume_uuid = VOLUME,
		.node = (unsigned)i, .run_dir = b[1],
		.listen_addr = "127.0.0.1", .port = port,
		.peer_addrs = { "127.0.0.1" }, .n_peer_addrs = 1,
		.peer_port = peer_port, .psk_file = b[2], .log_path = b[3],
		.plugin_path = b[4] };
	w->spec[i] = (struct mirror_leg_spec){ .dir = b[0],
		.id = w->conf[i].id, .unit_uuid = UNIT, .volume_uuid = VOLUME, .size_bytes = SIZE,
		.initial_current = 0x1234560, .gen = 1 };
}

/* Two resources of one kernel; what a failed case left goes first. */
static void
real_side(struct world *w, int i)
{
	static const char *const ids[] = { "av-o3", "av-o4" };
	static const char *const addrs[] = { "127.0.0.1", "127.0.0.2" };
	char word[7][64], *down[] = { word[0], word[1], word[2], NULL };
	char *remove[] = { word[3], word[4], word[5], word[6], NULL };

	(void)snprintf(word[0], 64, "drbdsetup");
	(void)snprintf(word[1], 64, "down");
	(void)snprintf(word[2], 64, "%s", ids[i]);
	(void)snprintf(word[3], 64, "lvremove");
	(void)snprintf(word[4], 64, "-qq");
	(void)snprintf(word[5], 64, "-y");
	(void)snprintf(word[6], 64, "%.32s/%s", real_vg, ids[i]);
	(void)drbd_pair_run(down);
	(void)drbd_pair_run(remove);
	(void)snprintf(w->names[i][5], sizeof(w->names[i][5]),
	    "%.60s/side%d:/usr/sbin:/usr/bin:/sbin:/bin",
	    getenv("AVPAIR_CONFORM_TOOLS"), i);
	w->drbd[i] = (struct mirror_drbd_conf){ .vg = real_vg,
		.minor = 1000 + (unsigned)i, .unencrypted_ok = true,
		.tools_path = w->names[i][5] };
	w->conf[i].listen_addr = addrs[i];
	w->conf[i].peer_addrs[0] = addrs[1 - i];
	w->conf[i].port = w->conf[i].peer_port = 7810;
	w->conf[i].peer_timeout_ms = 6000;
}

static struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	static const char psk[] = "avpair:00010203040506070809"
	    "0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
	uint16_t port[2];
	int i;

	pair_preload_sanitizer();
	if (w == NULL || sd_event_new(&w->loop) < 0)
		return NULL;
	w->driver = driver;
	if (pair_folder(w->dir, "avpair-conform") < 0)
		return NULL;
	port[0] = pair_free_port();
	port[1] = pair_free_port();
	for (i = 0; i < 2; i++) {
		name_it(w, i, port[i], port[1 - i]);
		if (mkdir(w->names[i][0], 0700) < 0 ||
		    av_file_write(w->conf[i].psk_file, psk, strlen(psk),
		    0600, NULL) < 0)
			return NULL;
		if (strcmp(driver, "drbd") != 0)
			continue;
		if (real_vg != NULL)
			real_side(w, i);
		else if (drbd_pair_tools(w->dir, i, &w->drbd[i]) < 0)
			return NULL;
		w->conf[i].drbd = w->spec[i].drbd = &w->drbd[i];
	}
	return w;
}

static void
world_free(struct world *w)
{
	char cmd[2][16] = { "rm", "-rf" };
	char *argv[] = { cmd[0], cmd[1], w->dir, NULL };
	int i;

	for (i = 0; i < 2; i++) {
		w->m[i] = mirror_close(w->m[i]);
		if (real_vg != NULL)
			(void)mirror_leg_delete(driver, w->conf[i].dir,
			    w->conf[i].id, NULL);
	}
	mirror_sim_reset();
	sd_event_unref(w->loop);
	if (strcmp(driver, "drbd") == 0 && real_vg == NULL)
		drbd_pair_end(w->dir);
	/* a handler's end may still be writing there */
	for (i = 0; i < 5 && drbd_pair_run(argv) != 0; i++)
		;
	free(w);
}

/* --- waiting --- */

#define WAIT(w, cond) do { \
	uint64_t due_ = av_clock_ns() + wait_s * AV_NS_PER_S; \
	while (!(cond)) { \
		if (av_clock_ns() > due_) { \
			fprintf(stderr, "%s: waited in vain: ", driver); \
			say_state(w); \
			CHECK(cond); \
		} \
		(void)sd_event_run((w)->loop, 20000); \
	} } while (0)

static const struct mirror_status *
st(const struct world *w, int i)
{
	return mirror_status_peek(w->m[i]);
}

static void
say_state(const struct world *w)
{
	int i;

	for (i = 0; i < 2; i++)
		if (w->m[i] != NULL)
			fprintf(stderr, "[%d] %s %s %s disk %s: %s %s; ", i,
			    mirror_server_name(st(w, i)->server),
			    mirror_role_name(st(w, i)->role),
			    mirror_conn_name(st(w, i)->conn),
			    mirror_disk_name(st(w, i)->disk),
			    st(w, i)->error_code, st(w, i)->error_text);
	fprintf(stderr, "\n");
}

struct order {
	struct mirror_op op;
	struct world	*w;
	unsigned	n_done;
	int		rc;
	char		code[32], text[256];
	enum av_outcome	outcome;
	size_t		n;
};

static void
done(struct mirror_op *op, int rc, const struct av_err *err)
{
	struct order *o = (struct order *)(void *)op;

	if (o->w->in_call)
		abort();
	o->n_done++;
	o->rc = rc;
	o->n = op->n_digests;
	o->outcome = err->outcome;
	(void)snprintf(o->code, sizeof(o->code), "%s", err->code);
	(void)snprintf(o->text, sizeof(o->text), "%s", err->text);
}

enum verb { PRIMARY, PRIMARY_ALONE, ALONE, SECONDARY, OUTDATE, CONNECT,
	DISCONNECT, RATE, STOP, DIGEST, PAUSE, RESUME, GROW, HOLD, RELEASE,
	GIVE_UP, VERIFY, DISCARD, WINDOW_OPEN, WINDOW_CLOSE };

static int
call(struct world *w, int i, struct order *o, enum verb v, uint64_t gen,
    struct av_err *err)
{
	struct mirror_primary_req req = { .alone = v == PRIMARY_ALONE,
		.gen = gen };
	struct mirror_verify_req verify = { .repair = false };
	struct mirror *m = w->m[i];

	switch (v) {
	case PRIMARY:
	case PRIMARY_ALONE: return mirror_primary(m, &o->op, &req, err);
	case ALONE:	return mirror_alone(m, &o->op, gen, err);
	case SECONDARY:	return mirror_secondary(m, &o->op, err);
	case OUTDATE:	return mirror_outdate(m, &o->op, err);
	case CONNECT:	return mirror_connect(m, &o->op, err);
	case DISCONNECT: return mirror_disconnect(m, &o->op, err);
	case RATE:	return mirror_set_rate(m, &o->op, 1000, err);
	case STOP:	return mirror_stop(m, &o->op, err);
	case PAUSE:	return mirror_resync_pause(m, &o->op, err);
	case RESUME:	return mirror_resync_resume(m, &o->op, err);
	case GROW:	return mirror_grow(m, &o->op, gen, err);
	case HOLD:	return mirror_hold_writes(m, &o->op, (uint32_t)gen,
			    err);
	case RELEASE:	return mirror_release_writes(m, &o->op, err);
	case GIVE_UP:	return mirror_diskless(m, &o->op, gen, err);
	case VERIFY:	return mirror_verify(m, &o->op, &verify, err);
	case DISCARD:	return mirror_discard(m, &o->op, gen, err);
	case WINDOW_OPEN:
	case WINDOW_CLOSE: return mirror_window(m, &o->op, v == WINDOW_OPEN,
			    err);
	case DIGEST:
	default:	return mirror_digest(m, &o->op, 0, 0, err);
	}
}

/* Refusals come by done(), except server-down and what no server would do
 * (bad-request). */
static int
start_order(struct world *w, int i, struct order *o, enum verb v,
    uint64_t gen)
{
	struct av_err err = { 0 };
	uint64_t deadline = o->op.deadline_ns == 1 ? 1 : 0;
	int rc;

	memset(o, 0, sizeof(*o));
	o->w = w;
	o->op.done = done;
	o->op.deadline_ns = deadline;
	if (deadline == 0 && real_vg != NULL)	/* emulated PMs take their time */
		o->op.deadline_ns = av_clock_ns() + wait_s * AV_NS_PER_S;
	w->in_call = true;
	rc = call(w, i, o, v, gen, &err);
	w->in_call = false;
	if (rc < 0)
		(void)snprintf(o->code, sizeof(o->code), "%s", err.code);
	return rc;
}

#define ORDER_RC(w, i, o, verb, gen, want) do { \
	CHECK_EQ(start_order(w, i, o, verb, gen), 0); \
	WAIT(w, (o)->n_done > 0); \
	CHECK_EQ((o)->n_done, 1); \
	if ((o)->rc != (want)) \
		fprintf(stderr, "%s: code '%s': %s\n", driver, (o)->code, \
		    (o)->text); \
	CHECK_EQ((o)->rc, want); \
	} while (0)
#define ORDER(w, i, o, verb, gen)	ORDER_RC(w, i, o, verb, gen, 0)

static int
open_one(struct world *w, int i)
{
	struct av_err err = { 0 };
	int rc;

	w->in_call = true;
	rc = mirror_open(driver, &w->conf[i], w->loop, changed, w, &w->m[i],
	    &err);
	w->in_call = false;
	if (rc < 0)
		fprintf(stderr, "%s: open: %s\n", driver, err.text);
	CHECK_EQ(rc, 0);
	WAIT(w, st(w, i)->server != MIRROR_SERVER_STARTING);
	return 0;
}

static int
legs(struct world *w)
{
	struct av_err err = { 0 };
	int i;

	for (i = 0; i < 2; i++) {
		if (mirror_leg_create(driver, &w->spec[i], &err) < 0)
			fprintf(stderr, "%s: leg: %s\n", driver, err.text);
		CHECK_EQ(err.rc, 0);
	}
	return 0;
}

/* Stops what runs, so that nothing is left behind. */
static int
end(struct world *w)
{
	struct order o = { 0 };
	int i;

	for (i = 1; i >= 0; i--)
		if (w->m[i] != NULL && st(w, i)->server == MIRROR_SERVER_UP) {
			ORDER(w, i, &o, STOP, 0);
			CHECK(st(w, i)->server == MIRROR_SERVER_DOWN);
		}
	world_free(w);
	return 0;
}

#define BEGIN(w) \
	struct world *w = world_new(); \
	CHECK(w != NULL); \
	CHECK_EQ(legs(w), 0)
#define BEGIN_UP(w) \
	BEGIN(w); \
	CHECK_EQ(open_one(w, 0), 0); \
	CHECK_EQ(open_one(w, 1), 0); \
	CHECK(st(w, 0)->server == MIRROR_SERVER_UP); \
	CHECK(st(w, 1)->server == MIRROR_SERVER_UP)
#define BEGIN_CONNECTED(w, o) \
	struct order o = { 0 }; \
	BEGIN_UP(w); \
	ORDER(w, 0, &o, PRIMARY, 0); \
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED && \
	    st(w, 1)->conn == MIRROR_CONNECTED)

/*
 * No case is left out for a driver.  What drbd can't it refuses, and why:
 *   hold	its end (resume-io) ends a freeze of fencing as well
 *   verify	DRBD's findings aren't mapped (docs/design-mirror.md)
 * A lease it hasn't: the kernel asks nobody.
 */
static bool
is_drbd(void)
{
	return strcmp(driver, "drbd") == 0;
}

/* --- cases --- */

static int
case_leg(void)
{
	struct world *w = world_new();
	struct mirror_leg_info info;
	struct av_err err = { 0 };

	CHECK(w != NULL);
	CHECK_EQ(mirror_leg_read(driver, w->conf[0].dir, w->conf[0].id, &info, &err),
	    -ENOENT);
	CHECK_STR(err.code, "leg-missing");
	CHECK_EQ(mirror_leg_delete(driver, w->conf[0].dir, w->conf[0].id, &err),
	    -ENOENT);
	CHECK_STR(err.code, "leg-missing");
	CHECK_EQ(legs(w), 0);
	CHECK_EQ(mirror_leg_create(driver, &w->spec[0], &err), -EEXIST);
	CHECK_STR(err.code, "leg-exists");
	CHECK_EQ(mirror_leg_read(driver, w->conf[0].dir, w->conf[0].id, &info, &err),
	    0);
	CHECK_EQ(info.size_bytes, SIZE);
	CHECK_EQ(info.gi.current, 0x1234560);
	CHECK_EQ(info.gi.bitmap, 0);
	CHECK_EQ(info.gen, 1);
	CHECK(info.disk == MIRROR_DISK_UPTODATE && !info.crashed_primary &&
	    !info.peer_outdated);
	CHECK_STR(info.volume_uuid, VOLUME);
	CHECK_EQ(open_one(w, 0), 0);
	CHECK_EQ(mirror_leg_delete(driver, w->conf[0].dir, w->conf[0].id, &err),
	    -EBUSY);
	CHECK_STR(err.code, "volume-in-use");
	CHECK_EQ(mirror_leg_delete(driver, w->conf[1].dir, w->conf[1].id, &err), 0);
	CHECK_EQ(mirror_leg_read(driver, w->conf[1].dir, w->conf[1].id, &info, &err),
	    -ENOENT);
	return end(w);
}

static int
case_open_without_leg(void)
{
	struct world *w = world_new();

	CHECK(w != NULL);
	CHECK_EQ(open_one(w, 0), 0);
	CHECK(st(w, 0)->server == MIRROR_SERVER_DOWN);
	CHECK_STR(st(w, 0)->error_code, "leg-missing");
	return end(w);
}

static int
case_fresh_and_reattach(void)
{
	struct order o = { 0 };

	BEGIN_UP(w);
	CHECK(!st(w, 0)->found);
	CHECK(st(w, 0)->role == MIRROR_SECONDARY);
	CHECK(st(w, 0)->conn == MIRROR_DISCONNECTED);
	CHECK(st(w, 0)->disk == MIRROR_DISK_UPTODATE);
	CHECK(!st(w, 0)->alone);
	CHECK(mirror_front_path(w->m[0])[0] == '/');
	CHECK_EQ(mirror_start(w->m[0], NULL), -EALREADY);
	ORDER(w, 0, &o, PRIMARY_ALONE, 5);
	w->m[0] = mirror_close(w->m[0]);
	CHECK_EQ(open_one(w, 0), 0);
	CHECK(st(w, 0)->server == MIRROR_SERVER_UP && st(w, 0)->found);
	CHECK(st(w, 0)->role == MIRROR_PRIMARY);
	CHECK_EQ(st(w, 0)->gen, 5);
	return end(w);
}

static int
case_connect(void)
{
	BEGIN_CONNECTED(w, o);

	CHECK(st(w, 0)->role == MIRROR_PRIMARY && !st(w, 0)->alone);
	CHECK(st(w, 1)->role == MIRROR_SECONDARY);
	CHECK(st(w, 0)->peer_disk == MIRROR_DISK_UPTODATE);
	CHECK_EQ(st(w, 0)->resync_count, 0);	/* in step from the start */
	CHECK(st(w, 0)->gi.current != 0);
	CHECK(w->n_changed > 0);
	ORDER_RC(w, 0, &o, PRIMARY, 0, -EALREADY);
	ORDER_RC(w, 0, &o, OUTDATE, 0, -EPERM);
	CHECK_STR(o.code, "wrong-role");
	ORDER_RC(w, 1, &o, ALONE, 9, -EPERM);
	CHECK_STR(o.code, "wrong-role");
	return end(w);
}

static int
case_waits_for_peer(void)
{
	struct order o = { 0 };

	BEGIN(w);
	CHECK_EQ(open_one(w, 0), 0);
	ORDER(w, 0, &o, PRIMARY, 0);
	CHECK(st(w, 0)->role == MIRROR_PRIMARY);
	CHECK(st(w, 0)->conn == MIRROR_CONNECTING);
	CHECK_EQ(open_one(w, 1), 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED);
	WAIT(w, st(w, 1)->conn == MIRROR_CONNECTED);
	return end(w);
}

static int
case_held_alone_rejoin(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 1, &o, DISCONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_HELD);
	CHECK(!st(w, 0)->alone && st(w, 0)->role == MIRROR_PRIMARY);
	WAIT(w, st(w, 1)->conn == MIRROR_DISCONNECTED);
	ORDER(w, 0, &o, ALONE, 7);
	CHECK(st(w, 0)->alone && st(w, 0)->peer_outdated);
	CHECK(st(w, 0)->conn == MIRROR_DISCONNECTED);
	CHECK_EQ(st(w, 0)->gen, 7);
	CHECK(st(w, 0)->gi.bitmap != 0);
	ORDER_RC(w, 0, &o, ALONE, 7, -EALREADY);
	CHECK_STR(o.code, "wrong-state");
	ORDER(w, 1, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED &&
	    st(w, 1)->conn == MIRROR_CONNECTED);
	WAIT(w, !st(w, 0)->alone && !st(w, 0)->peer_outdated);
	WAIT(w, st(w, 0)->gi.bitmap == 0 && st(w, 1)->gi.current ==
	    st(w, 0)->gi.current);
	CHECK(st(w, 1)->disk == MIRROR_DISK_UPTODATE);
	return end(w);
}

static int
case_held_peer_back(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 1, &o, DISCONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_HELD);
	ORDER(w, 1, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED);
	CHECK(!st(w, 0)->alone && !st(w, 0)->peer_outdated);
	CHECK_EQ(st(w, 0)->gen, 1);
	return end(w);
}

static int
case_disconnect_holds(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 0, &o, DISCONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_HELD);
	CHECK(!st(w, 0)->wants_connect);
	ORDER(w, 0, &o, ALONE, 3);
	CHECK(st(w, 0)->alone && st(w, 0)->conn == MIRROR_DISCONNECTED);
	ORDER(w, 0, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED);
	return end(w);
}

static int
case_outdate(void)
{
	struct order o = { 0 };

	BEGIN_UP(w);
	/* DRBD's secondaries talk to each other: being in step again would
	 * take the mark away at once */
	ORDER(w, 1, &o, DISCONNECT, 0);
	ORDER(w, 1, &o, OUTDATE, 0);
	CHECK(st(w, 1)->disk == MIRROR_DISK_OUTDATED);
	ORDER_RC(w, 1, &o, PRIMARY, 0, -EPERM);
	CHECK_STR(o.code, "not-up-to-date");
	CHECK(st(w, 1)->role == MIRROR_SECONDARY);
	ORDER_RC(w, 1, &o, PRIMARY_ALONE, 4, -EPERM);
	CHECK_STR(o.code, "not-up-to-date");
	CHECK_EQ(st(w, 1)->gen, 1);	/* nothing was recorded */
	return end(w);
}

static int
case_change_of_sides(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 0, &o, SECONDARY, 0);
	CHECK(st(w, 0)->role == MIRROR_SECONDARY);
	ORDER(w, 1, &o, PRIMARY, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED &&
	    st(w, 1)->conn == MIRROR_CONNECTED);
	CHECK(st(w, 1)->role == MIRROR_PRIMARY);
	CHECK(st(w, 1)->gi.current == st(w, 0)->gi.current);
	return end(w);
}

/* This PM's leg is given up: the peer's goes on, and nothing makes this one the
 * source or a lone primary again. */
static int
case_without_disk(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER_RC(w, 1, &o, GIVE_UP, 5, -EPERM);
	CHECK_STR(o.code, "wrong-role");
	CHECK(!st(w, 0)->diskless && st(w, 0)->peer_connected);
	ORDER(w, 0, &o, GIVE_UP, 5);
	WAIT(w, st(w, 0)->conn == MIRROR_DISKLESS &&
	    st(w, 1)->conn == MIRROR_DISKLESS);
	CHECK(st(w, 0)->diskless && st(w, 0)->role == MIRROR_PRIMARY);
	CHECK(st(w, 0)->disk == MIRROR_DISK_FAILED);
	CHECK(st(w, 0)->peer_disk == MIRROR_DISK_UPTODATE);
	CHECK(st(w, 1)->disk == MIRROR_DISK_UPTODATE);
	CHECK(st(w, 1)->peer_disk == MIRROR_DISK_FAILED);
	ORDER_RC(w, 0, &o, GIVE_UP, 5, -EALREADY);
	CHECK_STR(o.code, "wrong-state");
	ORDER(w, 1, &o, DISCONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_HELD);
	ORDER_RC(w, 0, &o, ALONE, 6, -EPERM);
	CHECK_STR(o.code, "not-up-to-date");
	ORDER(w, 1, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_DISKLESS);
	/* sides change without this disk */
	ORDER(w, 0, &o, SECONDARY, 0);
	CHECK(st(w, 0)->role == MIRROR_SECONDARY);
	ORDER_RC(w, 0, &o, PRIMARY_ALONE, 7, -EPERM);
	CHECK_STR(o.code, "not-up-to-date");
	ORDER(w, 1, &o, PRIMARY_ALONE, 7);
	CHECK(st(w, 1)->role == MIRROR_PRIMARY);
	return end(w);
}

/* A lease is taken and shown by who knows of one; it never has an answer. */
static int
case_alive(void)
{
	struct av_err err = { 0 };

	BEGIN_CONNECTED(w, o);
	CHECK_EQ(mirror_alive(w->m[0], 60000, 0, &err), 0);
	ORDER(w, 0, &o, RATE, 0);
	CHECK(st(w, 0)->lease_ms == (strcmp(driver, "drbd") == 0 ? 0 : 60000));
	CHECK(!st(w, 0)->lease_expired);
	CHECK(st(w, 0)->conn == MIRROR_CONNECTED);
	return end(w);
}

static int
case_takeover_then_split(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 1, &o, DISCONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_HELD);
	ORDER(w, 0, &o, ALONE, 2);
	/* the owner would never: both run alone */
	ORDER(w, 1, &o, PRIMARY_ALONE, 3);
	CHECK(st(w, 1)->alone && st(w, 1)->role == MIRROR_PRIMARY);
	ORDER(w, 1, &o, SECONDARY, 0);
	ORDER(w, 1, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_SPLIT);
	CHECK(st(w, 0)->error_code[0] != '\0');
	CHECK(st(w, 0)->role == MIRROR_PRIMARY);
	CHECK(st(w, 0)->gi.current != st(w, 1)->gi.current);
	return end(w);
}

static int
case_stop_and_start(void)
{
	BEGIN_CONNECTED(w, o);

	CHECK_EQ(start_order(w, 1, &o, STOP, 0), 0);
	WAIT(w, o.n_done > 0);
	CHECK_EQ(o.rc, 0);
	CHECK(st(w, 1)->server == MIRROR_SERVER_DOWN);
	CHECK_EQ(start_order(w, 1, &o, PRIMARY, 0), -ENOTCONN);
	CHECK_STR(o.code, "server-down");
	CHECK_EQ(o.n_done, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_HELD);
	CHECK_EQ(mirror_start(w->m[1], NULL), 0);
	WAIT(w, st(w, 1)->server == MIRROR_SERVER_UP);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED);
	return end(w);
}

static int
case_rate_and_digest(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 0, &o, RATE, 0);
	ORDER(w, 0, &o, DIGEST, 0);
	/* sim has no data */
	CHECK_EQ(o.n, strncmp(driver, "sim", 3) == 0 ? 0 : SIZE >> 20);
	ORDER(w, 1, &o, DIGEST, 0);
	return end(w);
}

static int
case_pause(void)
{
	BEGIN_CONNECTED(w, o);

	ORDER(w, 0, &o, PAUSE, 0);
	ORDER(w, 0, &o, PAUSE, 0);
	WAIT(w, st(w, 0)->resync_paused);
	CHECK(st(w, 0)->conn == MIRROR_CONNECTED);
	ORDER(w, 0, &o, DISCONNECT, 0);
	ORDER(w, 0, &o, ALONE, 5);
	if (!is_drbd() || real_vg != NULL) {	/* the fake one copies at once */
		ORDER(w, 0, &o, CONNECT, 0);
		WAIT(w, st(w, 0)->conn == MIRROR_RESYNC_SOURCE ||
		    st(w, 0)->conn == MIRROR_CONNECTED);
		CHECK_EQ(st(w, 0)->resync_eta_s, 0);
	}
	ORDER(w, 0, &o, RESUME, 0);
	ORDER(w, 0, &o, RESUME, 0);
	WAIT(w, !st(w, 0)->resync_paused);
	ORDER(w, 0, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED);
	return end(w);
}

static int
case_grow(void)
{
	struct mirror_leg_info info;
	struct av_err err = { 0 };
	int i;

	BEGIN_CONNECTED(w, o);
	CHECK(start_order(w, 0, &o, GROW, SIZE + 1) < 0);
	CHECK_STR(o.code, "bad-request");
	if (is_drbd()) {	/* its share of the order */
		ORDER(w, 1, &o, GROW, SIZE * 2);
		CHECK_EQ(st(w, 1)->size_bytes, SIZE);
	} else {
		ORDER_RC(w, 1, &o, GROW, SIZE * 2, -EPERM);
		CHECK_STR(o.code, "wrong-role");
	}
	ORDER_RC(w, 0, &o, GROW, SIZE - 512, -EINVAL);
	ORDER(w, 0, &o, GROW, SIZE);
	ORDER(w, 0, &o, GROW, SIZE * 2);
	CHECK_EQ(st(w, 0)->size_bytes, SIZE * 2);
	WAIT(w, st(w, 1)->size_bytes == SIZE * 2);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(mirror_leg_read(driver, w->conf[i].dir, w->conf[i].id, &info,
		    &err), 0);
		CHECK_EQ(info.size_bytes, SIZE * 2);
	}
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED);
	mirror_sim_space(SIZE * 3);
	ORDER_RC(w, 0, &o, GROW, MIRROR_SIZE_MAX_BYTES, -ENOSPC);
	CHECK_STR(o.code, "no-space");
	CHECK_EQ(st(w, 0)->size_bytes, SIZE * 2);
	return end(w);
}

static int
case_hold(void)
{
	BEGIN_CONNECTED(w, o);
	CHECK(start_order(w, 0, &o, HOLD, MIRROR_HOLD_MAX_MS + 1) < 0);
	CHECK_STR(o.code, "bad-request");
	if (is_drbd()) {
		ORDER_RC(w, 0, &o, HOLD, 0, -EOPNOTSUPP);
		CHECK_STR(o.code, "not-supported");
		ORDER_RC(w, 0, &o, RELEASE, 0, -EOPNOTSUPP);
		CHECK_STR(o.code, "not-supported");
		return end(w);
	}
	ORDER_RC(w, 0, &o, RELEASE, 0, -EALREADY);
	ORDER_RC(w, 1, &o, HOLD, 0, -EPERM);
	ORDER(w, 0, &o, HOLD, 0);
	WAIT(w, st(w, 0)->hold == MIRROR_HOLD_HELD);
	ORDER_RC(w, 0, &o, HOLD, 0, -EALREADY);
	ORDER(w, 0, &o, RELEASE, 0);
	WAIT(w, st(w, 0)->hold == MIRROR_HOLD_NONE);
	ORDER(w, 0, &o, HOLD, 5000);
	ORDER(w, 0, &o, SECONDARY, 0);
	ORDER_RC(w, 0, &o, RELEASE, 0, -ETIME);
	CHECK_STR(o.code, "hold-expired");
	return end(w);
}

static int
case_verify(void)
{
	BEGIN_CONNECTED(w, o);
	if (is_drbd()) {
		ORDER_RC(w, 0, &o, VERIFY, 0, -EOPNOTSUPP);
		CHECK_STR(o.code, "not-supported");
		return end(w);
	}
	ORDER_RC(w, 1, &o, VERIFY, 0, -EPERM);
	CHECK_STR(o.code, "wrong-role");
	ORDER(w, 0, &o, VERIFY, 0);
	WAIT(w, st(w, 0)->verify.state == MIRROR_VERIFY_DONE);
	CHECK_EQ(st(w, 0)->verify.n_found, 0);
	CHECK_EQ(st(w, 0)->verify.total_bytes, SIZE);
	return end(w);
}

static int
case_discard(void)
{
	BEGIN_CONNECTED(w, o);
	ORDER_RC(w, 0, &o, DISCARD, 0, -EPERM);
	CHECK_STR(o.code, "wrong-role");
	ORDER(w, 0, &o, SECONDARY, 0);
	ORDER(w, 1, &o, DISCONNECT, 0);		/* as in 'outdate' */
	ORDER(w, 1, &o, DISCARD, 0);
	ORDER(w, 1, &o, DISCARD, 0);		/* again: nothing more */
	CHECK(st(w, 1)->disk == MIRROR_DISK_INCONSISTENT);
	ORDER_RC(w, 1, &o, PRIMARY_ALONE, 2, -EPERM);
	CHECK_STR(o.code, "not-up-to-date");
	ORDER(w, 0, &o, PRIMARY, 0);
	ORDER(w, 1, &o, CONNECT, 0);
	WAIT(w, st(w, 0)->conn == MIRROR_CONNECTED &&
	    st(w, 1)->disk == MIRROR_DISK_UPTODATE);
	return end(w);
}

/* Two primaries for as long as the owner wants them, and no longer. */
static int
case_window(void)
{
	BEGIN_CONNECTED(w, o);
	if (!mirror_needs_window(w->m[0])) {
		CHECK_EQ(start_order(w, 0, &o, WINDOW_OPEN, 0), -EOPNOTSUPP);
		CHECK_STR(o.code, "not-supported");
		return end(w);
	}
	ORDER_RC(w, 1, &o, PRIMARY, 0, -EPERM);
	CHECK_STR(o.code, "wrong-state");
	ORDER(w, 0, &o, WINDOW_OPEN, 0);
	ORDER_RC(w, 1, &o, PRIMARY, 0, -EPERM);		/* one side's word */
	ORDER(w, 1, &o, WINDOW_OPEN, 0);
	ORDER(w, 1, &o, PRIMARY, 0);
	WAIT(w, st(w, 1)->role == MIRROR_PRIMARY &&
	    st(w, 1)->conn == MIRROR_CONNECTED &&
	    st(w, 0)->conn == MIRROR_CONNECTED &&
	    st(w, 0)->peer_primary && st(w, 1)->peer_primary);
	ORDER_RC(w, 0, &o, WINDOW_CLOSE, 0, -EPERM);
	CHECK_STR(o.code, "wrong-state");
	ORDER(w, 0, &o, SECONDARY, 0);
	WAIT(w, !st(w, 1)->peer_primary);	/* it has let go */
	CHECK(st(w, 1)->conn == MIRROR_CONNECTED);
	ORDER(w, 0, &o, WINDOW_CLOSE, 0);
	ORDER(w, 1, &o, WINDOW_CLOSE, 0);
	ORDER(w, 1, &o, WINDOW_CLOSE, 0);
	CHECK(st(w, 1)->role == MIRROR_PRIMARY);
	ORDER_RC(w, 0, &o, PRIMARY, 0, -EPERM);
	/* not while a leg is missing */
	ORDER(w, 0, &o, DISCONNECT, 0);
	WAIT(w, st(w, 1)->conn == MIRROR_HELD);
	ORDER_RC(w, 1, &o, WINDOW_OPEN, 0, -EPERM);
	CHECK_STR(o.code, "wrong-state");
	return end(w);
}

static int
case_snapshot(void)
{
	struct av_err err = { 0 };
	uint64_t n = 0;
	int rc;

	BEGIN(w);
	rc = mirror_leg_snapshot(driver, w->conf[0].dir, w->conf[0].id, "s1", &n,
	    &err);
	CHECK(rc == 0 || rc == -EOPNOTSUPP);
	if (rc < 0)
		CHECK(strcmp(err.code, strcmp(driver, "replica") == 0 ?
		    "no-reflink" : "not-supported") == 0);
	else
		CHECK_EQ(n, SIZE);
	CHECK_EQ(mirror_leg_snapshot_delete(driver, w->conf[0].dir, w->conf[0].id,
	    "s1", &err), 0);
	CHECK_EQ(mirror_leg_snapshot_delete(driver, w->conf[0].dir, w->conf[0].id,
	    "none", &err), 0);
	return end(w);
}

static int
case_close_ends_orders(void)
{
	struct order o = { 0 }, o2 = { 0 };

	BEGIN_UP(w);
	CHECK_EQ(start_order(w, 0, &o, PRIMARY, 0), 0);
	CHECK_EQ(start_order(w, 0, &o2, SECONDARY, 0), 0);
	w->m[0] = mirror_close(w->m[0]);
	CHECK_EQ(o.n_done, 1);
	CHECK_EQ(o2.n_done, 1);
	CHECK_EQ(o.rc, -ECANCELED);
	CHECK(o.outcome == AV_MAYBE);
	CHECK_EQ(open_one(w, 0), 0);
	return end(w);
}

static int
case_deadline(void)
{
	struct order o = { 0 };

	BEGIN_UP(w);
	o.op.deadline_ns = 1;		/* long past */
	CHECK_EQ(start_order(w, 0, &o, SECONDARY, 0), 0);
	WAIT(w, o.n_done > 0);
	/* done in time or not: told once, and a late one is 'maybe' */
	CHECK(o.rc == 0 || (o.rc == -ETIMEDOUT && o.outcome == AV_MAYBE));
	o.op.deadline_ns = 0;
	ORDER(w, 0, &o, SECONDARY, 0);
	return end(w);
}

/* --- every case with every driver --- */

static const struct {
	const char	*name;
	int		(*run)(void);
} cases[] = {
	{ "leg", case_leg },
	{ "open_without_leg", case_open_without_leg },
	{ "fresh_and_reattach", case_fresh_and_reattach },
	{ "connect", case_connect },
	{ "waits_for_peer", case_waits_for_peer },
	{ "held_alone_rejoin", case_held_alone_rejoin },
	{ "held_peer_back", case_held_peer_back },
	{ "disconnect_holds", case_disconnect_holds },
	{ "outdate", case_outdate },
	{ "change_of_sides", case_change_of_sides },
	{ "without_disk", case_without_disk },
	{ "alive", case_alive },
	{ "takeover_then_split", case_takeover_then_split },
	{ "stop_and_start", case_stop_and_start },
	{ "rate_and_digest", case_rate_and_digest },
	{ "pause", case_pause },
	{ "grow", case_grow },
	{ "hold", case_hold },
	{ "verify", case_verify },
	{ "discard", case_discard },
	{ "window", case_window },
	{ "snapshot", case_snapshot },
	{ "close_ends_orders", case_close_ends_orders },
	{ "deadline", case_deadline },
};

int
main(int argc, char **argv)
{
	static const char *const drivers[] = { "sim", "sim-window", "drbd",
	    "replica" };
	char name[80];
	size_t i, k;
	int failed = 0;

	real_vg = getenv("AVPAIR_CONFORM_VG");
	if (getenv("AVPAIR_CONFORM_WAIT_S") != NULL)
		(void)av_parse_u64(getenv("AVPAIR_CONFORM_WAIT_S"), &wait_s);
	for (k = 0; k < ARRAY_SIZE(drivers); k++) {
		driver = drivers[k];
		if (real_vg != NULL && !is_drbd())
			continue;
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			int ok;

			(void)snprintf(name, sizeof(name), "%s_%s", driver,
			    cases[i].name);
			if (argc > 1 && strcmp(argv[1], driver) != 0 &&
			    strcmp(argv[1], name) != 0)
				continue;
			ok = cases[i].run() == 0;
			failed += !ok;
			printf("%s %s\n", ok ? "ok" : "not ok", name);
			(void)fflush(stdout);
		}
	}
	return failed == 0 ? 0 : 1;
}
