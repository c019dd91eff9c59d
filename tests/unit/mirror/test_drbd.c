/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_drbd.c - the drbd driver against the fake drbd-utils
 *
 * Exact commands: tests/golden/drbd/NAME.out.  AVPAIR_GOLDEN=write makes them
 * anew.  The real drbd-utils check the resource file and the metadata.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "mirror/drbd.h"
#include "tests/test.h"
#include "tests/unit/mirror/drbd_pair.h"
#include "tests/unit/mirror/pair.h"

#define UNIT	"00112233445566778899aabbccddeeff"
#define VOLUME	"0123456789abcdef0123456789abcdef"
#define SIZE	(4ull << 20)
#define REAL_ADM	"/lib/drbd/drbdadm-84"
#define REAL_META	"/usr/sbin/drbdmeta"

struct rig {
	char		dir[PAIR_DIR_MAX], node[2][96], run[2][112], psk[96];
	struct mirror_drbd_conf drbd[2];
	struct mirror_conf conf[2];
	struct mirror_leg_spec spec[2];
	struct mirror	*m[2];
	sd_event	*loop;
};

static struct rig *
rig_new(void)
{
	static const char psk[] = "other:00\navpair:00010203040506070809"
	    "0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
	struct rig *r = calloc(1, sizeof(*r));
	int i;

	if (r == NULL || sd_event_new(&r->loop) < 0)
		return NULL;
	if (pair_folder(r->dir, "avpair-drbd") < 0)
		return NULL;
	(void)snprintf(r->psk, sizeof(r->psk), "%s/psk", r->dir);
	if (av_file_write(r->psk, psk, strlen(psk), 0600, NULL) < 0)
		return NULL;
	for (i = 0; i < 2; i++) {
		(void)snprintf(r->node[i], sizeof(r->node[i]), "%s/node%d",
		    r->dir, i);
		(void)snprintf(r->run[i], sizeof(r->run[i]), "%s/run",
		    r->node[i]);
		if (mkdir(r->node[i], 0700) < 0 ||
		    drbd_pair_tools(r->dir, i, &r->drbd[i]) < 0)
			return NULL;
		r->conf[i] = (struct mirror_conf){ .id = "o3",
			.dir = r->node[i], .unit_uuid = UNIT,
			.volume_uuid = VOLUME, .node = (unsigned)i,
			.run_dir = r->run[i], .listen_addr =
			i ? "127.0.0.2" : "127.0.0.1", .port = 7789,
			.peer_addrs = { i ? "127.0.0.1" : "127.0.0.2" },
			.n_peer_addrs = 1, .peer_port = 7789,
			.psk_file = r->psk, .resync_rate_kib_s = 102400,
			.drbd = &r->drbd[i] };
		r->spec[i] = (struct mirror_leg_spec){ .dir = r->node[i],
			.id = "o3", .unit_uuid = UNIT, .volume_uuid = VOLUME,
			.size_bytes = SIZE, .initial_current = 0x1234560,
			.gen = 1, .drbd = &r->drbd[i] };
	}
	return r;
}

static void
rig_free(struct rig *r)
{
	char a0[] = "rm", a1[] = "-rf";
	char *argv[] = { a0, a1, r->dir, NULL };
	int i;

	for (i = 0; i < 2; i++)
		r->m[i] = mirror_close(r->m[i]);
	sd_event_unref(r->loop);
	drbd_pair_end(r->dir);
	/* a handler's end may still be writing there */
	for (i = 0; i < 5 && drbd_pair_run(argv) != 0; i++)
		;
	free(r);
}

static const struct mirror_status *
st(const struct rig *r, int i)
{
	return mirror_status_peek(r->m[i]);
}

#define WAIT(r, cond) do { \
	uint64_t due_ = av_clock_ns() + 15 * AV_NS_PER_S; \
	while (!(cond) && av_clock_ns() < due_) \
		(void)sd_event_run((r)->loop, 20000); \
	CHECK(cond); } while (0)

static int
rig_open(struct rig *r, int i)
{
	struct av_err err = { 0 };

	CHECK_EQ(mirror_open("drbd", &r->conf[i], r->loop, NULL, NULL,
	    &r->m[i], &err), 0);
	WAIT(r, st(r, i)->server != MIRROR_SERVER_STARTING);
	return 0;
}

static int n_done, done_rc;
static char done_code[32];

static void
done(struct mirror_op *op, int rc, const struct av_err *err)
{
	(void)op;
	n_done++;
	done_rc = rc;
	(void)snprintf(done_code, sizeof(done_code), "%s", err->code);
}

#define OVER(r, call) do { \
	n_done = 0; \
	CHECK_EQ(call, 0); \
	WAIT(r, n_done > 0); \
	CHECK_EQ(n_done, 1); } while (0)

static int
rig_up(struct rig *r)
{
	struct mirror_primary_req req = { 0 };
	struct mirror_op op = { .done = done };
	int i;

	for (i = 0; i < 2; i++)
		CHECK_EQ(mirror_leg_create("drbd", &r->spec[i], NULL), 0);
	for (i = 0; i < 2; i++)
		CHECK_EQ(rig_open(r, i), 0);
	OVER(r, mirror_primary(r->m[0], &op, &req, NULL));
	CHECK_EQ(done_rc, 0);
	WAIT(r, st(r, 0)->conn == MIRROR_CONNECTED);
	WAIT(r, st(r, 1)->conn == MIRROR_CONNECTED);
	return 0;
}

#define RIG(r) \
	struct rig *r = rig_new(); \
	struct mirror_op op = { .done = done }; \
	(void)op; \
	CHECK(r != NULL); \
	CHECK_EQ(rig_up(r), 0)

/* Something that happens to the module, not by our driver. */
static int
fake(struct rig *r, int i, const char *what)
{
	char prog[160], word[16];
	char *argv[] = { prog, word, NULL };

	(void)snprintf(prog, sizeof(prog), "%s/bin/drbdsetup", r->node[i]);
	(void)snprintf(word, sizeof(word), "%s", what);
	return drbd_pair_run(argv);
}

/* Makes a command be refused in DRBD's words. */
static int
fail_set(struct rig *r, const char *what, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/fail.text", r->dir);
	if (av_file_write(path, text, strlen(text), 0600, NULL) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/fail", r->dir);
	return av_file_write(path, what, strlen(what), 0600, NULL);
}

/* --- golden transcripts --- */

/* argv.log without the folder's name, queries and the tests' own commands. */
static char *
transcript(struct rig *r, int i)
{
	AUTO_FREE char *log = NULL;
	char path[160], *text = NULL, *line, *save = NULL, *at;
	size_t n, len = strlen(r->node[i]);
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/argv.log", r->node[i]);
	if (av_file_read(path, 1 << 20, &log, &n, NULL) < 0)
		return NULL;
	f = open_memstream(&text, &n);
	for (line = strtok_r(log, "\n", &save); line != NULL && f != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "drbdsetup get-gi", 16) == 0 ||
		    strncmp(line, "drbdsetup fenced", 16) == 0)
			continue;
		while ((at = strstr(line, r->node[i])) != NULL) {
			memcpy(at, "DIR", 3);
			memmove(at + 3, at + len, strlen(at + len) + 1);
		}
		fprintf(f, "%s\n", line);
	}
	if (f != NULL)
		(void)fclose(f);
	return text;
}

static int
golden(const char *name, const char *got)
{
	AUTO_FREE char *want = NULL;
	char path[128];
	size_t n;

	CHECK(got != NULL);
	(void)snprintf(path, sizeof(path), "tests/golden/drbd/%s.out", name);
	if (getenv("AVPAIR_GOLDEN") != NULL)
		CHECK_EQ(av_file_write(path, got, strlen(got), 0644, NULL),
		    0);
	CHECK_EQ(av_file_read(path, 1 << 20, &want, &n, NULL), 0);
	CHECK_STR(got, want);
	return 0;
}

TEST(commands_of_a_life)
{
	RIG(r);
	AUTO_FREE char *t = NULL;

	OVER(r, mirror_set_rate(r->m[0], &op, 51200, NULL));
	OVER(r, mirror_set_rate(r->m[0], &op, 0, NULL));
	OVER(r, mirror_disconnect(r->m[0], &op, NULL));
	OVER(r, mirror_connect(r->m[0], &op, NULL));
	WAIT(r, st(r, 0)->conn == MIRROR_CONNECTED);
	OVER(r, mirror_secondary(r->m[0], &op, NULL));
	OVER(r, mirror_outdate(r->m[0], &op, NULL));
	OVER(r, mirror_stop(r->m[0], &op, NULL));
	CHECK(st(r, 0)->server == MIRROR_SERVER_DOWN);
	CHECK_EQ(mirror_leg_delete("drbd", r->node[0], "o3", NULL), 0);
	t = transcript(r, 0);
	CHECK_EQ(golden("life", t), 0);
	rig_free(r);
	return 0;
}

TEST(commands_of_a_lost_peer)
{
	RIG(r);
	AUTO_FREE char *t = NULL;

	CHECK_EQ(fake(r, 1, "crash"), 0);
	WAIT(r, st(r, 0)->conn == MIRROR_HELD);
	CHECK_STR(st(r, 0)->error_code, "peer-lost");
	WAIT(r, drbd_fence_waiting(container_of(r->m[0], struct drbd,
	    m)->fence) == 1);
	OVER(r, mirror_alone(r->m[0], &op, 6, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK(st(r, 0)->alone && st(r, 0)->gen == 6);
	t = transcript(r, 0);
	CHECK_EQ(golden("lost-peer", t), 0);
	rig_free(r);
	return 0;
}

/* A handler that is missing or died: the writes stay held, the order works. */
TEST(commands_without_handler)
{
	struct rig *r = rig_new();
	struct mirror_op op = { .done = done };
	AUTO_FREE char *t = NULL;

	CHECK(r != NULL);
	r->drbd[0].handler_path = "/bin/false";
	CHECK_EQ(rig_up(r), 0);
	CHECK_EQ(fake(r, 1, "crash"), 0);
	WAIT(r, st(r, 0)->conn == MIRROR_HELD);
	OVER(r, mirror_alone(r->m[0], &op, 6, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK(st(r, 0)->alone);
	t = transcript(r, 0);
	CHECK_EQ(golden("lost-peer-no-handler", t), 0);
	rig_free(r);
	return 0;
}

TEST(commands_of_a_takeover)
{
	RIG(r);
	AUTO_FREE char *t = NULL;
	struct mirror_primary_req req = { .alone = true, .gen = 8 };
	struct mirror_leg_info info;

	CHECK_EQ(fake(r, 0, "crash"), 0);
	WAIT(r, st(r, 0)->server == MIRROR_SERVER_DOWN);
	CHECK_STR(st(r, 0)->error_code, "server-down");
	WAIT(r, st(r, 1)->conn == MIRROR_DISCONNECTED);
	OVER(r, mirror_primary(r->m[1], &op, &req, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK(st(r, 1)->role == MIRROR_PRIMARY && st(r, 1)->alone);
	t = transcript(r, 1);
	CHECK_EQ(golden("takeover", t), 0);
	/* the crashed side: no module has it now, drbdmeta answers */
	CHECK_EQ(mirror_leg_read("drbd", r->node[0], "o3", &info, NULL), 0);
	CHECK(info.crashed_primary && info.gen == 1);
	CHECK_EQ(mirror_leg_read("drbd", r->node[1], "o3", &info, NULL), 0);
	CHECK(info.peer_outdated && info.gen == 8);
	/* and back: it becomes the target */
	CHECK_EQ(mirror_start(r->m[0], NULL), 0);
	WAIT(r, st(r, 1)->conn == MIRROR_CONNECTED && !st(r, 1)->alone);
	WAIT(r, st(r, 1)->resync_count == 1);
	WAIT(r, !st(r, 1)->peer_outdated);
	rig_free(r);
	return 0;
}

TEST(commands_of_failing_held_writes)
{
	RIG(r);
	AUTO_FREE char *t = NULL;

	CHECK_EQ(fake(r, 1, "crash"), 0);
	WAIT(r, st(r, 0)->conn == MIRROR_HELD);
	OVER(r, mirror_secondary(r->m[0], &op, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK(st(r, 0)->role == MIRROR_SECONDARY);
	CHECK(st(r, 0)->gi.bitmap == 0);	/* no history of its own */
	t = transcript(r, 0);
	CHECK_EQ(golden("fail-held", t), 0);
	rig_free(r);
	return 0;
}

/* The module has just met a peer that missed writes: it isn't good yet. */
TEST(peer_is_good_when_in_step)
{
	struct drbd *d;

	RIG(r);
	d = container_of(r->m[0], struct drbd, m);
	CHECK(st(r, 0)->peer_disk == MIRROR_DISK_UPTODATE);
	d->ev.now.repl = DRBD_R_BEFORE_SOURCE;
	d->ev.now.peer_disk = DRBD_D_CONSISTENT;
	(void)drbd_status_map(d);
	CHECK(st(r, 0)->conn == MIRROR_RESYNC_SOURCE);
	CHECK(st(r, 0)->peer_disk == MIRROR_DISK_OUTDATED);
	rig_free(r);
	return 0;
}

/* The primary has no right to go on alone because its peer was stopped by order. */
TEST(stopped_peer_leaves_it_held)
{
	RIG(r);
	struct mirror_leg_info info;

	OVER(r, mirror_stop(r->m[1], &op, NULL));
	CHECK_EQ(done_rc, 0);
	WAIT(r, st(r, 0)->conn != MIRROR_CONNECTED);
	CHECK(st(r, 0)->conn == MIRROR_HELD && !st(r, 0)->alone);
	CHECK(!st(r, 0)->peer_outdated);
	CHECK_EQ(mirror_leg_read("drbd", r->node[1], "o3", &info, NULL), 0);
	CHECK(info.disk == MIRROR_DISK_UPTODATE);
	CHECK_EQ(mirror_start(r->m[1], NULL), 0);
	WAIT(r, st(r, 0)->conn == MIRROR_CONNECTED);
	WAIT(r, st(r, 0)->resync_count == 1);
	CHECK(!st(r, 0)->alone);
	rig_free(r);
	return 0;
}

/* Ordered without the peer; DRBD refuses the first time when it comes. */
TEST(refused_promotion_is_tried_again)
{
	struct rig *r = rig_new();
	struct mirror_primary_req req = { 0 };
	struct mirror_op op = { .done = done };
	char path[128];
	int i;

	CHECK(r != NULL);
	for (i = 0; i < 2; i++)
		CHECK_EQ(mirror_leg_create("drbd", &r->spec[i], NULL), 0);
	CHECK_EQ(rig_open(r, 0), 0);
	OVER(r, mirror_primary(r->m[0], &op, &req, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK(st(r, 0)->conn == MIRROR_CONNECTING);
	CHECK_EQ(fail_set(r, "drbdadm primary\n", "100: State change failed: "
	    "(-19) Concurrent state changes detected and aborted"), 0);
	CHECK_EQ(rig_open(r, 1), 0);
	WAIT(r, strstr(st(r, 0)->error_text, "Concurrent") != NULL);
	CHECK(st(r, 0)->role == MIRROR_PRIMARY);
	CHECK(st(r, 0)->conn == MIRROR_CONNECTING);	/* nobody serves */
	(void)snprintf(path, sizeof(path), "%s/fail", r->dir);
	CHECK_EQ(unlink(path), 0);
	WAIT(r, st(r, 0)->conn == MIRROR_CONNECTED);
	rig_free(r);
	return 0;
}

/* --- the handler --- */

TEST(agent_restarts_while_held)
{
	RIG(r);

	CHECK_EQ(fake(r, 1, "crash"), 0);
	WAIT(r, st(r, 0)->conn == MIRROR_HELD);
	r->m[0] = mirror_close(r->m[0]);
	CHECK_EQ(rig_open(r, 0), 0);
	CHECK(st(r, 0)->found && st(r, 0)->conn == MIRROR_HELD);
	CHECK(st(r, 0)->role == MIRROR_PRIMARY && !st(r, 0)->alone);
	OVER(r, mirror_alone(r->m[0], &op, 4, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK(st(r, 0)->alone);
	rig_free(r);
	return 0;
}

static int n_asked;

static void
asked(void *arg)
{
	(void)arg;
	n_asked++;
}

struct answer {
	int	code;
	bool	over;
};

static void
handler_over(struct drbd_cmd *cmd, const struct drbd_result *res, void *arg)
{
	struct answer *a = arg;

	(void)cmd;
	a->code = res->exit_code;
	a->over = true;
}

static int
ask(struct rig *r, const char *res, const char *seconds, struct answer *a)
{
	char sock[128], tools[300], prog[] = "env";
	struct drbd_argv v;
	struct drbd_cmd *cmd;

	(void)snprintf(sock, sizeof(sock), "%s/f.sock", r->dir);
	(void)snprintf(tools, sizeof(tools), "/usr/bin:/bin");
	drbd_argv_init(&v);
	drbd_argv_add(&v, "%s", prog);
	drbd_argv_add(&v, "DRBD_RESOURCE=%s", res);
	drbd_argv_add(&v, "%s", r->drbd[0].handler_path);
	drbd_argv_add(&v, "%s", sock);
	drbd_argv_add(&v, "%s", seconds);
	*a = (struct answer){ .code = -1 };
	return drbd_cmd_start(r->loop, tools, &v, 0, NULL, handler_over, a,
	    &cmd, NULL);
}

TEST(handler_exit_codes)
{
	static const struct {
		const char	*result;
		int		code;
	} table[] = { { "outdated", 4 }, { "stonithed", 7 },
		{ "refused", 1 }, { "unreachable", 1 } };
	struct rig *r = rig_new();
	struct drbd_fence *f = NULL;
	struct answer a;
	char sock[128];
	size_t i;

	CHECK(r != NULL);
	(void)snprintf(sock, sizeof(sock), "%s/f.sock", r->dir);
	/* nobody listens: held, never 'unreachable' */
	CHECK_EQ(ask(r, "av-o3", "0", &a), 0);
	WAIT(r, a.over);
	CHECK_EQ(a.code, 1);
	CHECK_EQ(drbd_fence_open(r->loop, sock, "av-o3", asked, NULL, &f,
	    NULL), 0);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		CHECK_EQ(ask(r, "av-o3", "20", &a), 0);
		WAIT(r, drbd_fence_waiting(f) == 1);
		CHECK(!a.over);
		CHECK_EQ(drbd_fence_answer(f, table[i].result), 1);
		WAIT(r, a.over);
		CHECK_EQ(a.code, table[i].code);
	}
	CHECK_EQ(n_asked, 4);
	CHECK_EQ(ask(r, "av-other", "20", &a), 0);	/* not our volume */
	WAIT(r, a.over);
	CHECK_EQ(a.code, 1);
	/* asked before the agent is back */
	f = drbd_fence_close(f);
	CHECK_EQ(ask(r, "av-o3", "20", &a), 0);
	CHECK_EQ(drbd_fence_open(r->loop, sock, "av-o3", asked, NULL, &f,
	    NULL), 0);
	WAIT(r, drbd_fence_waiting(f) == 1);
	CHECK_EQ(drbd_fence_answer(f, "stonithed"), 1);
	WAIT(r, a.over);
	CHECK_EQ(a.code, 7);
	f = drbd_fence_close(f);
	rig_free(r);
	return 0;
}

/* --- refusals, losses --- */

TEST(refusals_in_drbd_words)
{
	RIG(r);

	CHECK_EQ(fail_set(r, "drbdadm secondary\n", "100: State change "
	    "failed: (-12) Device is held open by someone"), 0);
	OVER(r, mirror_secondary(r->m[0], &op, NULL));
	CHECK_EQ(done_rc, -EBUSY);
	CHECK_STR(done_code, "volume-in-use");
	CHECK(st(r, 0)->role == MIRROR_PRIMARY);
	CHECK_EQ(fail_set(r, "drbdsetup disk-options\n", "no such"), 0);
	OVER(r, mirror_set_rate(r->m[0], &op, 1, NULL));
	CHECK_EQ(done_rc, -EIO);
	CHECK_STR(done_code, "tool-failed");
	rig_free(r);
	return 0;
}

/* A refused way to run alone leaves nobody told yes. */
TEST(failed_alone_is_taken_back)
{
	struct mirror_primary_req req = { .alone = true, .gen = 9 };
	struct drbd_record rec;

	RIG(r);
	CHECK_EQ(fail_set(r, "drbdadm primary\n", "100: State change "
	    "failed: (-2) Need access to UpToDate data"), 0);
	OVER(r, mirror_primary(r->m[1], &op, &req, NULL));
	CHECK_EQ(done_rc, -EPERM);
	CHECK_STR(done_code, "not-up-to-date");
	CHECK(st(r, 1)->role == MIRROR_SECONDARY && !st(r, 1)->alone);
	CHECK_EQ(drbd_record_read(r->node[1], "o3", &rec, NULL), 0);
	CHECK(!rec.alone && rec.gen == 9);
	rig_free(r);
	return 0;
}

TEST(events_stream_is_started_again)
{
	struct drbd *d;

	RIG(r);
	d = container_of(r->m[0], struct drbd, m);
	d->events = drbd_cmd_free(d->events, true);	/* it was killed */
	CHECK_EQ(fake(r, 1, "crash"), 0);		/* nobody heard it */
	(void)sd_event_source_set_enabled(d->wake, SD_EVENT_ONESHOT);
	WAIT(r, st(r, 0)->conn == MIRROR_HELD);
	rig_free(r);
	return 0;
}

/* --- a logical volume of the leg's name is there already --- */

static int
put_lv(struct rig *r, const char *data, const char *tags)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/dev/avvg", r->node[0]);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/dev/avvg/av-o3", r->node[0]);
	if (av_file_write(path, data, strlen(data), 0600, NULL) < 0)
		return -EIO;
	(void)snprintf(path, sizeof(path), "%s/dev/avvg.av-o3.tags",
	    r->node[0]);
	return av_file_write(path, tags, strlen(tags), 0600, NULL);
}

static int
lv_is(struct rig *r, const char *data)
{
	AUTO_FREE char *now = NULL;
	char path[160];
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/dev/avvg/av-o3", r->node[0]);
	CHECK_EQ(av_file_read(path, 1 << 23, &now, &n, NULL), 0);
	CHECK_EQ(n, strlen(data));
	CHECK_EQ(memcmp(now, data, n), 0);
	return 0;
}

TEST(whoever_has_the_volume_keeps_it)
{
	static const struct {
		const char *data, *tags, *words;
	} table[] = {
		{ "ext4 and what is in it", "", "holds ext4" },
		{ "unknown", "", "isn't ours" },
		{ "a leg", "avpair.unit.ffffffffffffffffffffffffffffffff,"
		    "avpair.volume." VOLUME, "another unit" },
		{ "half a leg", "avpair.making,avpair.unit." UNIT
		    ",avpair.volume.ffffffffffffffffffffffffffffffff",
		    "this unit" },
		{ "a leg", "avpair.unit." UNIT ",avpair.volume." VOLUME,
		    "this unit" },
	};
	struct rig *r = rig_new();
	size_t i;

	CHECK(r != NULL);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct av_err err = { 0 };

		CHECK_EQ(put_lv(r, table[i].data, table[i].tags), 0);
		CHECK_EQ(mirror_leg_create("drbd", &r->spec[0], &err),
		    -EEXIST);
		CHECK_STR(err.code, "leg-exists");
		if (strstr(err.text, table[i].words) == NULL)
			fprintf(stderr, "%s\n", err.text);
		CHECK(strstr(err.text, table[i].words) != NULL);
		CHECK_EQ(lv_is(r, table[i].data), 0);
	}
	/* ours, of a PM that ended in the middle */
	CHECK_EQ(put_lv(r, "half a leg", "avpair.making,avpair.unit." UNIT
	    ",avpair.volume." VOLUME), 0);
	CHECK_EQ(mirror_leg_create("drbd", &r->spec[0], NULL), 0);
	rig_free(r);
	return 0;
}

/* --- growing: the fake's new extents hold somebody's old data --- */

static int
file_has(const char *dir, const char *name, const char *words)
{
	AUTO_FREE char *text = NULL;
	char path[160];
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK_EQ(av_file_read(path, 1 << 16, &text, &n, NULL), 0);
	CHECK(strstr(text, words) != NULL);
	return 0;
}

/* DRBD's size changes between two orders' ends, and a PM may end there. */
TEST(cut_short_growing_shrinks_nothing)
{
	struct drbd_record rec;

	RIG(r);
	OVER(r, mirror_grow(r->m[1], &op, SIZE * 2, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK_EQ(file_has(r->node[1], "av-o3.res", "size 8192s;"), 0);
	OVER(r, mirror_grow(r->m[0], &op, SIZE * 2, NULL));
	CHECK_EQ(done_rc, 0);
	/* as if it had ended before the record */
	CHECK_EQ(fake(r, 0, "crash"), 0);
	WAIT(r, st(r, 0)->server == MIRROR_SERVER_DOWN);
	CHECK_EQ(drbd_record_read(r->node[0], "o3", &rec, NULL), 0);
	CHECK_EQ(rec.size_bytes, SIZE * 2);
	rec.size_bytes = SIZE;
	rec.grow_from = SIZE + (1 << 20);
	CHECK_EQ(drbd_record_write(r->node[0], "o3", &rec, NULL), 0);
	CHECK_EQ(mirror_start(r->m[0], NULL), 0);
	WAIT(r, st(r, 0)->server == MIRROR_SERVER_UP);
	CHECK_EQ(file_has(r->node[0], "av-o3.res", "size 16384s;"), 0);
	CHECK_EQ(st(r, 0)->size_bytes, SIZE);
	rig_free(r);
	return 0;
}

/* Begun here as primary and refused; the peer does it later, as primary. */
TEST(peer_ends_what_was_begun_here)
{
	struct mirror_primary_req req = { 0 };
	struct drbd_record rec;

	RIG(r);
	OVER(r, mirror_grow(r->m[0], &op, 2ull << 30, NULL));
	CHECK_EQ(done_rc, -ENOSPC);
	CHECK_EQ(st(r, 0)->size_bytes, SIZE);
	OVER(r, mirror_secondary(r->m[0], &op, NULL));
	CHECK_EQ(done_rc, 0);
	OVER(r, mirror_primary(r->m[1], &op, &req, NULL));
	CHECK_EQ(done_rc, 0);
	OVER(r, mirror_grow(r->m[0], &op, SIZE * 2, NULL));
	CHECK_EQ(done_rc, 0);
	OVER(r, mirror_grow(r->m[1], &op, SIZE * 2, NULL));
	CHECK_EQ(done_rc, 0);
	WAIT(r, st(r, 0)->size_bytes == SIZE * 2);
	CHECK_EQ(drbd_record_read(r->node[0], "o3", &rec, NULL), 0);
	CHECK(rec.size_bytes == SIZE * 2 && rec.grow_from == 0);
	rig_free(r);
	return 0;
}

TEST(what_is_new_is_zero)
{
	RIG(r);
	AUTO_FREE char *lv = NULL;
	char path[160];
	size_t n, i, k;

	OVER(r, mirror_grow(r->m[1], &op, SIZE * 2, NULL));
	CHECK_EQ(done_rc, 0);
	OVER(r, mirror_grow(r->m[0], &op, SIZE * 2, NULL));
	CHECK_EQ(done_rc, 0);
	CHECK_EQ(st(r, 0)->size_bytes, SIZE * 2);
	for (k = 0; k < 2; k++) {	/* to the end, where metadata will be */
		(void)snprintf(path, sizeof(path), "%s/dev/avvg/av-o3",
		    r->node[k]);
		free(TAKE_PTR(lv));
		CHECK_EQ(av_file_read(path, SIZE * 4, &lv, &n, NULL), 0);
		CHECK(n > SIZE * 2);
		for (i = SIZE; i < n; i++)
			CHECK(lv[i] == 0);
	}
	rig_free(r);
	return 0;
}

TEST(bad_parameters)
{
	struct rig *r = rig_new();
	struct av_err err = { 0 };
	struct mirror *m;

	CHECK(r != NULL);
	r->drbd[0].unencrypted_ok = false;
	CHECK_EQ(mirror_open("drbd", &r->conf[0], r->loop, NULL, NULL, &m,
	    &err), -EPERM);
	CHECK_STR(err.code, "no-encryption");
	r->drbd[0].unencrypted_ok = true;
	r->conf[0].listen_addr = "0.0.0.0";
	CHECK_EQ(mirror_open("drbd", &r->conf[0], r->loop, NULL, NULL, &m,
	    &err), -EINVAL);
	r->conf[0].listen_addr = "127.0.0.1";
	r->drbd[0].handler_path = "/bin/sh -c reboot;";
	CHECK_EQ(mirror_open("drbd", &r->conf[0], r->loop, NULL, NULL, &m,
	    &err), -EINVAL);
	r->drbd[0].vg = "full";
	CHECK_EQ(mirror_leg_create("drbd", &r->spec[0], &err), -ENOSPC);
	CHECK_STR(err.code, "no-space");
	r->drbd[0].vg = "../x";
	CHECK_EQ(mirror_leg_create("drbd", &r->spec[0], &err), -EINVAL);
	r->drbd[0].vg = "avvg";
	r->spec[0].size_bytes = SIZE + 512;
	CHECK_EQ(mirror_leg_create("drbd", &r->spec[0], &err), -EINVAL);
	r->spec[0].size_bytes = SIZE;
	r->drbd[0].tools_path = "/nonexistent";
	CHECK_EQ(mirror_leg_create("drbd", &r->spec[0], &err), -ENOENT);
	CHECK_STR(err.code, "tool-missing");
	rig_free(r);
	return 0;
}

TEST(record_is_checked)
{
	struct rig *r = rig_new();
	struct drbd_record rec = { .gen = 7, .size_bytes = SIZE, .vg = "avvg",
		.dev_dir = "/dev", .tools_path = "/bin" }, back;
	struct av_err err = { 0 };
	AUTO_FREE char *data = NULL;
	char path[160];
	size_t n, i;

	CHECK(r != NULL);
	CHECK_EQ(drbd_record_write(r->node[0], "o3", &rec, &err), 0);
	CHECK_EQ(drbd_record_read(r->node[0], "o3", &back, &err), 0);
	CHECK(back.gen == 7 && strcmp(back.vg, "avvg") == 0);
	(void)snprintf(path, sizeof(path), "%s/av-o3.leg", r->node[0]);
	CHECK_EQ(av_file_read(path, 8192, &data, &n, &err), 0);
	for (i = 0; i < n; i += 5) {	/* any byte, any length */
		data[i] ^= 1;
		CHECK_EQ(av_file_write(path, data, n, 0600, &err), 0);
		CHECK(drbd_record_read(r->node[0], "o3", &back, &err) < 0);
		CHECK_STR(err.code, "metadata-damaged");
		data[i] ^= 1;
		CHECK_EQ(av_file_write(path, data, i, 0600, &err), 0);
		CHECK(drbd_record_read(r->node[0], "o3", &back, &err) < 0);
	}
	rig_free(r);
	return 0;
}

/* --- the real drbd-utils --- */

static int
conf_files(struct rig *r, struct drbd_conf *c, struct drbd_record *rec)
{
	struct av_err err = { 0 };

	r->drbd[0].handler_path = "/usr/lib/avpair/av-fence-peer";
	r->drbd[0].dev_dir = "/dev";
	*rec = (struct drbd_record){ .size_bytes = SIZE };
	CHECK_EQ(drbd_record_fill(rec, &r->drbd[0], &err), 0);
	CHECK_EQ(drbd_conf_copy(c, &r->conf[0], &err), 0);
	CHECK_EQ(drbd_conf_write(c, rec, &err), 0);
	return 0;
}

static char *
without_dir(char *text, const char *dir)
{
	char *at;

	while (text != NULL && (at = strstr(text, dir)) != NULL) {
		memcpy(at, "DIR", 3);
		memmove(at + 3, at + strlen(dir), strlen(at + strlen(dir)) +
		    1);
	}
	return text;
}

TEST(resource_file)
{
	struct rig *r = rig_new();
	AUTO_FREE char *text = NULL;
	struct drbd_conf c;
	struct drbd_record rec;

	CHECK(r != NULL);
	CHECK_EQ(conf_files(r, &c, &rec), 0);
	text = without_dir(drbd_conf_text(&c, &rec), r->dir);
	CHECK_EQ(golden("resource-file", text), 0);
	rig_free(r);
	return 0;
}

/* 'drbdadm -d' of 8.4 prints the commands that it would run. */
TEST(real_drbdadm_takes_the_resource_file)
{
	static const char *const verbs[] = { "up", "primary", "secondary",
		"connect", "disconnect --force", "outdate", "attach", "down",
		"fence-peer" };
	struct rig *r = rig_new();
	AUTO_FREE char *all = NULL;
	struct drbd_conf c;
	struct drbd_record rec;
	size_t i, n;
	FILE *f = open_memstream(&all, &n);

	CHECK(r != NULL && f != NULL);
	CHECK_EQ(conf_files(r, &c, &rec), 0);
	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		AUTO_FREE char *out = NULL;
		struct av_err err = { 0 };
		struct drbd_argv a;

		drbd_argv_init(&a);
		drbd_argv_add(&a, "drbdadm-84");
		drbd_argv_add(&a, "-c");
		drbd_argv_add(&a, "%s", c.res_path);
		drbd_argv_add(&a, "-d");
		drbd_argv_add(&a, "%.*s", (int)strcspn(verbs[i], " "),
		    verbs[i]);
		if (strchr(verbs[i], ' ') != NULL)
			drbd_argv_add(&a, "%s", strchr(verbs[i], ' ') + 1);
		drbd_argv_add(&a, "av-o3");
		if (drbd_cmd_run("/lib/drbd:/usr/sbin:/usr/bin:/sbin:/bin",
		    &a, 10, &out, &err) < 0)
			fprintf(stderr, "%s: %s\n", verbs[i], err.text);
		CHECK(out != NULL);
		fprintf(f, "# %s\n%s", verbs[i], out);
	}
	(void)fclose(f);
	CHECK_EQ(golden("drbdadm-dry-run", without_dir(all, r->dir)), 0);
	rig_free(r);
	return 0;
}

TEST(real_drbdmeta_makes_the_identity)
{
	struct rig *r = rig_new();
	AUTO_FREE char *out = NULL;
	struct av_err err = { 0 };
	struct drbd_argv a;
	struct drbd_gi g;
	char path[160];
	int i;
	static const char *const words[] = { "create-md",
		"set-gi 0000000001234560:0:0:0:1:1:0:0:0:0:0", "get-gi" };

	CHECK(r != NULL);
	(void)snprintf(path, sizeof(path), "%s/img", r->dir);
	CHECK_EQ(av_file_write(path, "", 0, 0600, &err), 0);
	CHECK_EQ(truncate(path, 8 << 20), 0);
	for (i = 0; i < 3; i++) {
		drbd_argv_init(&a);
		drbd_argv_add(&a, "drbdmeta");
		drbd_argv_add(&a, "--force");
		drbd_argv_add(&a, "1000100");
		drbd_argv_add(&a, "v08");
		drbd_argv_add(&a, "%s", path);
		drbd_argv_add(&a, "internal");
		drbd_argv_add(&a, "%.*s", (int)strcspn(words[i], " "),
		    words[i]);
		if (strchr(words[i], ' ') != NULL)
			drbd_argv_add(&a, "%s", strchr(words[i], ' ') + 1);
		free(TAKE_PTR(out));
		if (drbd_cmd_run(DRBD_TOOLS, &a, 10, &out, &err) < 0)
			fprintf(stderr, "%s: %s\n", words[i], err.text);
		CHECK(out != NULL);
	}
	CHECK_EQ(drbd_gi_parse(out, &g), 0);
	CHECK(g.gi.current == 0x1234560 && g.gi.bitmap == 0);
	CHECK(g.consistent && g.uptodate && !g.primary && !g.peer_outdated);
	rig_free(r);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		T(commands_of_a_life), T(commands_of_a_lost_peer),
		T(commands_without_handler),
		T(commands_of_a_takeover), T(commands_of_failing_held_writes),
		T(stopped_peer_leaves_it_held), T(peer_is_good_when_in_step),
		T(refused_promotion_is_tried_again),
		T(agent_restarts_while_held), T(handler_exit_codes),
		T(refusals_in_drbd_words), T(failed_alone_is_taken_back),
		T(events_stream_is_started_again), T(bad_parameters),
		T(whoever_has_the_volume_keeps_it), T(what_is_new_is_zero),
		T(cut_short_growing_shrinks_nothing),
		T(peer_ends_what_was_begun_here),
		T(record_is_checked), T(resource_file),
	};
	static const struct test_case real[] = {
		T(real_drbdadm_takes_the_resource_file),
		T(real_drbdmeta_makes_the_identity),
	};
	int rc = tests_run(cases, ARRAY_SIZE(cases), argc, argv);

	if (access(REAL_ADM, X_OK) == 0 && access(REAL_META, X_OK) == 0)
		rc |= tests_run(real, ARRAY_SIZE(real), argc, argv);
	else
		printf("skip real_drbd_utils until=2027-05-31 drbd-utils isn't installed\n");
	return rc;
}
