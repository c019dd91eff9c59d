/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/frame.h"
#include "base/wire.h"
#include "tests/test.h"

TEST(a_frame_may_come_in_any_pieces)
{
	AUTO_JSON json_t *msg = json_pack("{s:s,s:i}", "op", "vm.list", "id", 7);
	AUTO_FREE uint8_t *buf = NULL;
	size_t n, cut;

	CHECK_EQ(av_frame_encode(msg, &buf, &n), 0);
	for (cut = 0; cut <= n; cut++) {
		struct av_frame_reader fr = { 0 };
		json_t *got = NULL;

		CHECK_EQ(av_frame_feed(&fr, buf, cut), 0);
		if (cut < n)
			CHECK_EQ(av_frame_next(&fr, &got), -EAGAIN);
		CHECK_EQ(av_frame_feed(&fr, buf + cut, n - cut), 0);
		CHECK_EQ(av_frame_next(&fr, &got), 0);
		CHECK(json_equal(got, msg));
		json_decref(got);
		CHECK_EQ(av_frame_next(&fr, &got), -EAGAIN);
		av_frame_reader_dispose(&fr);
	}
	return 0;
}

TEST(what_is_not_a_frame_is_refused)
{
	static const struct { const char *bytes; size_t n; } bad[] = {
		{ "\xff\xff\xff\xff", 4 }, { "\2\0\0\0[]", 6 },
		{ "\1\0\0\0{", 5 }, { "\0\0\0\0", 4 },
		{ "\15\0\0\0{\"a\":1,\"a\":2}", 17 },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct av_frame_reader fr = { 0 };
		json_t *got = NULL;

		CHECK_EQ(av_frame_feed(&fr, bad[i].bytes, bad[i].n), 0);
		CHECK_EQ(av_frame_next(&fr, &got), -EBADMSG);
		CHECK(got == NULL);
		av_frame_reader_dispose(&fr);
	}
	return 0;
}

TEST(blocking_receive_times_out_and_sees_the_end)
{
	int sv[2];
	struct av_frame_reader fr = { 0 };
	json_t *got = NULL;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	CHECK_EQ(av_frame_recv(&fr, sv[0], 20, &got), -ETIMEDOUT);
	(void)close(sv[1]);
	CHECK_EQ(av_frame_recv(&fr, sv[0], 1000, &got), -ECONNRESET);
	(void)close(sv[0]);
	av_frame_reader_dispose(&fr);
	return 0;
}

TEST(cursors_go_bad_once_and_stay_bad)
{
	uint8_t b[12];
	struct av_wr w = { .at = b, .left = sizeof(b) };
	struct av_rd r;

	av_wr_le(&w, 0x1234, 2);
	av_wr_le(&w, 0x1122334455667788ull, 8);
	CHECK_EQ(w.rc, 0);
	av_wr_le(&w, 0x10000, 2);		/* does not fit its field */
	CHECK_EQ(w.rc, -EMSGSIZE);
	r = (struct av_rd){ .at = b, .left = 10 };
	CHECK_EQ(av_rd_le(&r, 2), 0x1234);
	CHECK(av_rd_le(&r, 8) == 0x1122334455667788ull);
	CHECK_EQ(av_rd_end(&r), 0);
	CHECK_EQ(av_rd_le(&r, 1), 0);
	CHECK_EQ(av_rd_end(&r), -EBADMSG);
	return 0;
}

/* Bit by bit, as the polynomial says. */
static uint32_t
crc_slowly(const uint8_t *p, size_t n)
{
	uint32_t c = ~0u;
	int k;

	while (n-- > 0) {
		c ^= *p++;
		for (k = 0; k < 8; k++)
			c = c & 1 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
	}
	return ~c;
}

TEST(crc32c_of_any_length_and_place)
{
	uint8_t b[80];
	size_t from, n;

	for (n = 0; n < sizeof(b); n++)
		b[n] = (uint8_t)(n * 37 + 11);
	for (from = 0; from < 9; from++)
		for (n = 0; n <= 64; n++) {
			CHECK(av_crc32c(0, b + from, n) ==
			    crc_slowly(b + from, n));
			CHECK(av_crc32c(av_crc32c(0, b + from, n / 3),
			    b + from + n / 3, n - n / 3) ==
			    crc_slowly(b + from, n));
		}
	return 0;
}

TEST(crc32c_matches_the_published_value)
{
	/* RFC 3720, B.4: 32 bytes of zeros -> aa 36 91 8a */
	uint8_t zeros[32] = { 0 };

	CHECK(av_crc32c(0, zeros, 32) == 0x8a9136aau);
	return 0;
}

TEST(a_file_is_replaced_whole)
{
	char path[256];
	AUTO_FREE char *data = NULL;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/f", getenv("TMPDIR") ?
	    getenv("TMPDIR") : "/tmp");
	CHECK_EQ(av_file_write(path, "one", 3, 0600, NULL), 0);
	CHECK_EQ(av_file_write(path, "twice", 5, 0600, NULL), 0);
	CHECK_EQ(av_file_read(path, 100, &data, &n, NULL), 0);
	CHECK_EQ(n, 5);
	CHECK_STR(data, "twice");
	CHECK_EQ(av_file_read(path, 4, &data, &n, NULL), -EFBIG);
	(void)unlink(path);
	return 0;
}

TESTS_MAIN(T(a_frame_may_come_in_any_pieces),
    T(what_is_not_a_frame_is_refused),
    T(blocking_receive_times_out_and_sees_the_end),
    T(cursors_go_bad_once_and_stay_bad),
    T(crc32c_of_any_length_and_place), T(crc32c_matches_the_published_value), T(a_file_is_replaced_whole))
