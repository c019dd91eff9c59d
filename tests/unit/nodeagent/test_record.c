/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_record.c - the durable record, torn and newer ones
 */
#include "tests/test.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/wire.h"
#include "nodeagent/record.h"

#define UNIT	"0123456789abcdef0123456789abcdef"

TEST(round_trip_and_every_torn_byte)
{
	struct role_record rec = { 41, ROLE_MODE_ALONE, true }, got;
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	AUTO_FREE char *text = NULL;
	struct av_err err = { 0 };
	char path[256];
	size_t n, i;

	(void)snprintf(path, sizeof(path), "%s/rec.%d", tmp, (int)getpid());
	CHECK_EQ(record_read(path, UNIT, 1, &got, &err), -ENOENT);
	CHECK(record_write(path, UNIT, 1, &rec, &err) == 0);
	memset(&got, 0, sizeof(got));
	CHECK(record_read(path, UNIT, 1, &got, &err) == 0);
	CHECK(got.gen == 41 && got.mode == ROLE_MODE_ALONE && got.pending);
	CHECK_EQ(record_read(path, UNIT, 0, &got, &err), -EXDEV);
	CHECK_STR(err.code, "record-other-unit");
	CHECK_EQ(record_read(path, "f" UNIT, 1, &got, &err), -EXDEV);
	CHECK(av_file_read(path, 4096, &text, &n, &err) == 0);
	(void)unlink(path);
	for (i = 0; i < n; i++)
		CHECK_EQ(record_decode(text, i, UNIT, 1, &got, &err),
		    -EBADMSG);
	for (i = 0; i < n; i++) {
		text[i] ^= 1;
		CHECK(record_decode(text, n, UNIT, 1, &got, &err) < 0);
		text[i] ^= 1;
	}
	CHECK(record_decode(text, n, UNIT, 1, &got, &err) == 0);
	return 0;
}

TEST(newer_and_contradicting_records_are_refused)
{
	/* checksums made with crc32c of the text before them */
	static const char newer[] = "avpair-role 2\nfuture yes\n";
	static const char odd[] = "avpair-role 1\nunit " UNIT "\nnode 0\n"
	    "generation 3\nmode together\npending 1\n";
	struct role_record got;
	struct av_err err = { 0 };
	char buf[512];
	int n;

	n = snprintf(buf, sizeof(buf), "%scrc32c %08x\n", newer,
	    av_crc32c(0, newer, sizeof(newer) - 1));
	CHECK_EQ(record_decode(buf, (size_t)n, UNIT, 0, &got, &err), -EPROTO);
	CHECK_STR(err.code, "record-newer");
	n = snprintf(buf, sizeof(buf), "%scrc32c %08x\n", odd,
	    av_crc32c(0, odd, sizeof(odd) - 1));
	CHECK_EQ(record_decode(buf, (size_t)n, UNIT, 0, &got, &err), -EBADMSG);
	CHECK_STR(err.code, "record-damaged");
	return 0;
}

TESTS_MAIN(T(round_trip_and_every_torn_byte),
    T(newer_and_contradicting_records_are_refused))
