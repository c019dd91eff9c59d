/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/test_session.c - signed sessions
 */
#include <errno.h>

#include "console/session.h"
#include "tests/test.h"

static const uint8_t secret[CONF_SECRET_BYTES] = { 1, 2, 3 };
static const uint8_t other[CONF_SECRET_BYTES] = { 1, 2, 4 };
#define T0	1700000000000ll

static struct session
begun(void)
{
	struct session s = { .user = "管理者", .role = "administrator",
	    .language = "ja" };

	(void)session_print("$y$hash", s.print);
	(void)session_begin(&s, T0);
	return s;
}

TEST(token_round_trip_on_both_pms)
{
	struct session s = begun(), got;
	struct sessions *a, *b, *c;
	char csrf_a[65], csrf_b[65], *token;

	CHECK(sessions_new(secret, &a) == 0 && sessions_new(secret, &b) == 0);
	CHECK(sessions_new(other, &c) == 0);
	CHECK(session_token(a, &s, &token) == 0);
	CHECK_EQ(session_read(b, token, T0 + 1000, &got), 0);
	CHECK_STR(got.user, s.user);
	CHECK_STR(got.role, s.role);
	CHECK_STR(got.print, s.print);
	CHECK_STR(got.language, "ja");
	CHECK_EQ(got.issued_utc_ms, T0);
	CHECK(session_csrf(a, &s, csrf_a) == 0);
	CHECK(session_csrf(b, &got, csrf_b) == 0);
	CHECK_STR(csrf_a, csrf_b);
	CHECK_EQ(session_read(c, token, T0, &got), -EBADMSG);
	free(token);
	sessions_free(a);
	sessions_free(b);
	sessions_free(c);
	return 0;
}

TEST(every_changed_byte_is_refused)
{
	struct session s = begun(), got;
	struct sessions *ss;
	char *token;
	size_t i;

	CHECK(sessions_new(secret, &ss) == 0);
	CHECK(session_token(ss, &s, &token) == 0);
	for (i = 0; i < strlen(token); i++) {
		char was = token[i];

		token[i] = was == '0' ? '1' : '0';
		/* only upper case may stand for the same digit */
		CHECK(session_read(ss, token, T0, &got) == -EBADMSG);
		token[i] = was;
	}
	for (i = strlen(token); i-- > 0; ) {
		token[i] = '\0';
		CHECK(session_read(ss, token, T0, &got) == -EBADMSG);
	}
	CHECK_EQ(session_read(ss, "", T0, &got), -EBADMSG);
	CHECK_EQ(session_read(ss, "v1..", T0, &got), -EBADMSG);
	free(token);
	sessions_free(ss);
	return 0;
}

TEST(ends_when_idle_or_old)
{
	struct session s = begun(), got;
	struct sessions *ss;
	char *token;

	CHECK(sessions_new(secret, &ss) == 0);
	CHECK(session_token(ss, &s, &token) == 0);
	CHECK_EQ(session_read(ss, token, T0 + SESSION_IDLE_MS - 1, &got), 0);
	CHECK_EQ(session_read(ss, token, T0 + SESSION_IDLE_MS, &got), -ETIME);
	/* the other PM's clock is a little behind, or far off */
	CHECK_EQ(session_read(ss, token, T0 - SESSION_SKEW_MS, &got), 0);
	CHECK_EQ(session_read(ss, token, T0 - SESSION_SKEW_MS - 1, &got),
	    -ETIME);
	free(token);
	s.active_utc_ms = T0 + SESSION_MAX_MS - 1000;
	CHECK(session_token(ss, &s, &token) == 0);
	CHECK_EQ(session_read(ss, token, T0 + SESSION_MAX_MS - 1, &got), 0);
	CHECK_EQ(session_read(ss, token, T0 + SESSION_MAX_MS, &got), -ETIME);
	CHECK(session_ended(ss, &s, T0 + SESSION_MAX_MS));
	free(token);
	sessions_free(ss);
	return 0;
}

TEST(revoked_stays_revoked_among_many)
{
	struct session s = begun(), got;
	struct sessions *ss;
	char *token;
	int i;

	CHECK(sessions_new(secret, &ss) == 0);
	CHECK(session_token(ss, &s, &token) == 0);
	session_revoke(ss, &s, T0);
	CHECK_EQ(session_read(ss, token, T0, &got), -ETIME);
	CHECK(session_ended(ss, &s, T0));
	for (i = 0; i < 1000; i++) {
		struct session more = begun();

		session_revoke(ss, &more, T0);
	}
	CHECK_EQ(session_read(ss, token, T0, &got), -ETIME);
	free(token);
	sessions_free(ss);
	return 0;
}

TEST(use_is_remembered_for_streams)
{
	struct session s = begun();
	struct sessions *ss;
	int i;

	CHECK(sessions_new(secret, &ss) == 0);
	CHECK(!session_idle(ss, &s, T0 + SESSION_IDLE_MS - 1));
	CHECK(session_idle(ss, &s, T0 + SESSION_IDLE_MS));
	session_touch(ss, &s, T0 + 1000);
	CHECK(!session_idle(ss, &s, T0 + SESSION_IDLE_MS));
	CHECK(session_idle(ss, &s, T0 + SESSION_IDLE_MS + 1000));
	/* later ones don't push out what was used last */
	for (i = 0; i < 255; i++) {
		struct session more = begun();

		session_touch(ss, &more, T0 + 2000);
	}
	CHECK(!session_idle(ss, &s, T0 + SESSION_IDLE_MS));
	sessions_free(ss);
	return 0;
}

TEST(long_names_fit)
{
	struct session s = begun(), got;
	struct sessions *ss;
	char *token;

	memset(s.user, '"', 255);	/* doubles in JSON */
	s.user[255] = '\0';
	CHECK(sessions_new(secret, &ss) == 0);
	CHECK_EQ(session_token(ss, &s, &token), 0);
	CHECK_EQ(session_read(ss, token, T0, &got), 0);
	CHECK_STR(got.user, s.user);
	free(token);
	sessions_free(ss);
	return 0;
}

TESTS_MAIN(T(token_round_trip_on_both_pms), T(every_changed_byte_is_refused),
    T(ends_when_idle_or_old), T(revoked_stays_revoked_among_many),
    T(use_is_remembered_for_streams), T(long_names_fit))
