/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/test_drbd_events.c - recorded streams of 'events2'
 *
 * tests/golden/drbd/NAME.events is fed whole and in pieces of every size up to
 * 80 bytes; what the parser knows after each line must be NAME.out.  Lines that
 * begin with '#' are the file's own: '# restart' begins a new stream.
 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "mirror/drbd.h"
#include "tests/test.h"

#define RES	"av-o3"

static void
describe(const struct drbd_stream *s, FILE *f)
{
	const struct drbd_model *m = &s->now;

	fprintf(f, "whole=%d lost=%d", s->whole, s->lost);
	if (m->resource)
		fprintf(f, " role=%d susp=%u", m->role, m->suspended);
	if (m->connection)
		fprintf(f, " conn=%d peer=%d", m->cstate, m->peer_role);
	if (m->device)
		fprintf(f, " disk=%d size=%" PRIu64, m->disk, m->size_kib);
	if (m->peer_device)
		fprintf(f, " repl=%d pdisk=%d oos=%" PRIu64, m->repl,
		    m->peer_disk, m->out_of_step_kib);
	if (m->split_brain)
		fprintf(f, " split");
	fprintf(f, "\n");
}

static void
feed_line(struct drbd_stream *s, const char *line, size_t n, size_t piece)
{
	size_t at;

	if (n > 1 && line[0] == '#') {
		if (strncmp(line, "# restart", 9) == 0)
			drbd_stream_begin(s, RES);
		return;
	}
	for (at = 0; at < n; at += piece)
		(void)drbd_stream_feed(s, line + at,
		    n - at < piece ? n - at : piece);
}

static char *
replay(const char *data, size_t n, size_t piece)
{
	struct drbd_stream s = { 0 };
	char *text = NULL;
	size_t n_text, at = 0;
	FILE *f = open_memstream(&text, &n_text);

	drbd_stream_begin(&s, RES);
	while (at < n && f != NULL) {
		const char *nl = memchr(data + at, '\n', n - at);
		size_t len = nl != NULL ? (size_t)(nl - data) - at + 1 :
		    n - at;

		feed_line(&s, data + at, len, piece);
		describe(&s, f);
		at += len;
	}
	if (f != NULL)
		(void)fclose(f);
	return text;
}

/* AVPAIR_GOLDEN=write makes the .out anew: read the difference. */
static int
golden(const char *name)
{
	AUTO_FREE char *data = NULL;
	AUTO_FREE char *want = NULL;
	AUTO_FREE char *got = NULL;
	char path[128];
	size_t n, n_want, piece;

	(void)snprintf(path, sizeof(path), "tests/golden/drbd/%s.events",
	    name);
	CHECK_EQ(av_file_read(path, 1 << 20, &data, &n, NULL), 0);
	got = replay(data, n, 1 << 20);
	CHECK(got != NULL);
	(void)snprintf(path, sizeof(path), "tests/golden/drbd/%s.out", name);
	if (getenv("AVPAIR_GOLDEN") != NULL)
		CHECK_EQ(av_file_write(path, got, strlen(got), 0644, NULL),
		    0);
	CHECK_EQ(av_file_read(path, 1 << 20, &want, &n_want, NULL), 0);
	CHECK_STR(got, want);
	for (piece = 1; piece <= 80; piece++) {
		AUTO_FREE char *again = replay(data, n, piece);

		CHECK_STR(again, want);
	}
	return 0;
}

TEST(start)		{ return golden("start"); }
TEST(resync)		{ return golden("resync"); }
TEST(peer_lost)		{ return golden("peer-lost"); }
TEST(split)		{ return golden("split"); }
TEST(out_of_order)	{ return golden("out-of-order"); }
TEST(damaged)		{ return golden("damaged"); }
TEST(down)		{ return golden("down"); }

TEST(overlong_line)
{
	struct drbd_stream s = { 0 };
	size_t i;

	drbd_stream_begin(&s, RES);
	(void)drbd_stream_feed(&s, "exists -\n", 9);
	CHECK(s.whole && !s.lost);
	for (i = 0; i < 3 * DRBD_LINE_MAX; i++)
		(void)drbd_stream_feed(&s, "x", 1);
	CHECK(!s.lost);
	CHECK(drbd_stream_feed(&s, "\n", 1));
	CHECK(s.lost);
	return 0;
}

/* What was known stays until the new picture is whole. */
TEST(restart_keeps_the_old_picture)
{
	static const char first[] =
	    "exists resource name:av-o3 role:Primary suspended:no\n"
	    "exists -\n";
	static const char half[] =
	    "exists resource name:av-o3 role:Secondary suspended:no\n";
	struct drbd_stream s = { 0 };

	drbd_stream_begin(&s, RES);
	(void)drbd_stream_feed(&s, first, strlen(first));
	CHECK(s.now.role == DRBD_ROLE_PRIMARY);
	drbd_stream_begin(&s, RES);
	CHECK(!drbd_stream_feed(&s, half, strlen(half)));
	CHECK(!s.whole && s.now.role == DRBD_ROLE_PRIMARY);
	CHECK(drbd_stream_feed(&s, "exists -\n", 9));
	CHECK(s.now.role == DRBD_ROLE_SECONDARY);
	return 0;
}

TEST(identity)
{
	static const char good[] = "1122334455667788:00000000000000AB:"
	    "0000000000000000:0000000000000000:1:1:0:1:0:0:1\n";
	static const char *const bad[] = { "", "1:2:3\n", ":::::::\n",
		"11223344556677889:0:0:0:1:1:0:1:0:0:1\n",
		"1:2:3:4:1:1:0:1:0:0\n", "1:2:3:4:1:1:0:1:0:0:2\n",
		"x:2:3:4:1:1:0:1:0:0:1\n", "1:2:3:4:1:1:0:1:0:0:1x\n" };
	struct drbd_gi g;
	size_t i;

	CHECK_EQ(drbd_gi_parse(good, &g), 0);
	CHECK(g.gi.current == 0x1122334455667788 && g.gi.bitmap == 0xab);
	CHECK(g.consistent && g.uptodate && !g.primary && g.connected &&
	    !g.full_sync && !g.peer_outdated && g.crashed_primary);
	/* later versions have more flags */
	CHECK_EQ(drbd_gi_parse("1:2:3:4:1:1:0:1:0:0:1:0:1\n", &g), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(drbd_gi_parse(bad[i], &g), -EBADMSG);
	return 0;
}

TESTS_MAIN(
	T(start), T(resync), T(peer_lost), T(split), T(out_of_order),
	T(damaged), T(down), T(overlong_line),
	T(restart_keeps_the_old_picture), T(identity),
)
