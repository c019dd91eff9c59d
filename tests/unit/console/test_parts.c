/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/test_parts.c - throttle, tickets, events, configuration
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "console/conf.h"
#include "console/events.h"
#include "console/notify.h"
#include "console/throttle.h"
#include "console/ticket.h"
#include "tests/test.h"

#define S	AV_NS_PER_S

TEST(throttle_grows_and_forgets)
{
	struct throttle *t;
	uint64_t now = 1000 * S;
	unsigned i;

	CHECK(throttle_new(&t) == 0);
	for (i = 0; i < THROTTLE_FREE; i++) {
		CHECK_EQ(throttle_wait_s(t, "u", "1.2.3.4", now), 0);
		throttle_failed(t, "u", "1.2.3.4", now);
	}
	CHECK_EQ(throttle_wait_s(t, "u", "1.2.3.4", now), 1);
	CHECK_EQ(throttle_wait_s(t, "u", "1.2.3.4", now + S), 0);
	throttle_failed(t, "u", "1.2.3.4", now + S);
	CHECK_EQ(throttle_wait_s(t, "u", "1.2.3.4", now + S), 2);
	for (i = 0; i < 10; i++)
		throttle_failed(t, "u", "1.2.3.4", now + S);
	CHECK_EQ(throttle_wait_s(t, "u", "1.2.3.4", now + S),
	    THROTTLE_MAX_WAIT_S);
	/* another user, another origin: free */
	CHECK_EQ(throttle_wait_s(t, "v", "5.6.7.8", now + S), 0);
	CHECK_EQ(throttle_wait_s(t, "u", "5.6.7.8", now + S), 0);
	CHECK_EQ(throttle_wait_s(t, "u", "1.2.3.4", now + 2 * S +
	    THROTTLE_FORGET_S * S), 0);
	throttle_free(t);
	return 0;
}

TEST(throttle_of_an_origin_that_tries_many_users)
{
	struct throttle *t;
	char user[16];
	unsigned i;

	CHECK(throttle_new(&t) == 0);
	for (i = 0; i < THROTTLE_FREE_ORIGIN; i++) {
		(void)snprintf(user, sizeof(user), "u%u", i);
		CHECK_EQ(throttle_wait_s(t, user, "o", S), 0);
		throttle_failed(t, user, "o", S);
	}
	CHECK(throttle_wait_s(t, "new", "o", S) > 0);
	throttle_passed(t, "new", "o");
	CHECK(throttle_wait_s(t, "new", "o", S) > 0);
	throttle_free(t);
	return 0;
}

TEST(throttle_table_is_bounded)
{
	struct throttle *t;
	char user[16];
	unsigned i;

	CHECK(throttle_new(&t) == 0);
	for (i = 0; i < 3 * THROTTLE_PLACES; i++) {
		(void)snprintf(user, sizeof(user), "u%u", i);
		throttle_failed(t, user, user, (i + 1) * S);
	}
	for (i = 0; i < THROTTLE_FREE; i++)
		throttle_failed(t, "last", "x", 5000 * S);
	CHECK(throttle_wait_s(t, "last", "x", 5000 * S) > 0);
	throttle_passed(t, "last", "x");
	CHECK_EQ(throttle_wait_s(t, "last", "x", 5000 * S), 0);
	throttle_free(t);
	return 0;
}

TEST(ticket_is_good_once_for_its_session)
{
	struct tickets *t;
	char a[TICKET_CHARS + 1], vm[64];
	unsigned i;

	CHECK(tickets_new(&t) == 0);
	CHECK(ticket_make(t, "vm:o1", "s1", S, a) == 0);
	CHECK_EQ(ticket_take(t, "x", "s1", S, vm, sizeof(vm)), -ENOENT);
	CHECK_EQ(ticket_take(t, a, "s1", S, vm, sizeof(vm)), 0);
	CHECK_STR(vm, "vm:o1");
	CHECK_EQ(ticket_take(t, a, "s1", S, vm, sizeof(vm)), -ENOENT);
	CHECK(ticket_make(t, "vm:o1", "s1", S, a) == 0);
	CHECK_EQ(ticket_take(t, a, "s2", S, vm, sizeof(vm)), -ENOENT);
	CHECK_EQ(ticket_take(t, a, "s1", S, vm, sizeof(vm)), -ENOENT);
	CHECK(ticket_make(t, "vm:o1", "s1", S, a) == 0);
	CHECK_EQ(ticket_take(t, a, "s1", S + TICKET_S * S, vm, sizeof(vm)),
	    -ENOENT);
	for (i = 0; i < TICKETS_MAX; i++)
		CHECK(ticket_make(t, "vm:o1", "s", 100 * S, a) == 0);
	CHECK_EQ(ticket_make(t, "vm:o1", "s", 100 * S, a), -EBUSY);
	CHECK_EQ(ticket_make(t, "vm:o1", "s", 131 * S, a), 0);
	tickets_free(t);
	return 0;
}

static void
add(struct events *e, int seq)
{
	json_t *j = json_pack("{s:s,s:i,s:[s]}", "type", "changed", "seq", seq,
	    "objects", "vm:o1");

	events_add(e, j);
	json_decref(j);
}

TEST(events_reach_readers_in_order)
{
	struct events *e;
	char *text = NULL, id[64];
	bool resync;
	uint64_t pos;
	int i;

	CHECK(events_new(&e) == 0);
	pos = events_place(e, NULL, &resync);
	CHECK(!resync);
	CHECK_EQ(events_next(e, &pos, 1, &text), -ETIMEDOUT);
	add(e, 1);
	add(e, 2);
	CHECK_EQ(events_next(e, &pos, 1, &text), 0);
	CHECK(strstr(text, "event: changed\ndata: {\"type\":\"changed\","
	    "\"seq\":1,\"objects\":[\"vm:o1\"]}\n\n") != NULL);
	/* come back with this id: the second follows */
	(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(text + 4, "\n"),
	    text + 4);
	free(text);
	pos = events_place(e, id, &resync);
	CHECK(!resync);
	CHECK_EQ(events_next(e, &pos, 1, &text), 0);
	CHECK(strstr(text, "\"seq\":2") != NULL);
	free(text);
	/* another console's id, nonsense, the future */
	(void)events_place(e, "0123456789abcdef-1", &resync);
	CHECK(resync);
	(void)events_place(e, "x", &resync);
	CHECK(resync);
	id[17] = '9';
	id[18] = '\0';
	(void)events_place(e, id, &resync);
	CHECK(resync);
	/* overtaken */
	for (i = 0; i < EVENTS_KEEP + 1; i++)
		add(e, i);
	CHECK_EQ(events_next(e, &pos, 1, &text), 0);
	CHECK(strstr(text, "event: resync") != NULL);
	free(text);
	CHECK_EQ(events_next(e, &pos, 1, &text), -ETIMEDOUT);
	events_add_resync(e);
	CHECK_EQ(events_next(e, &pos, 1, &text), 0);
	CHECK(strstr(text, "event: resync") != NULL);
	free(text);
	events_stop(e);
	CHECK_EQ(events_next(e, &pos, 10000, &text), -ECANCELED);
	events_free(e);
	return 0;
}

TEST(addresses)
{
	struct console_addr a = { .n = 0 };
	const struct sockaddr_in *sin = (const struct sockaddr_in *)
	    (const void *)&a.sa;

	CHECK_EQ(conf_addr_parse("10.0.0.1:443", 0, &a), 0);
	CHECK_EQ(ntohs(sin->sin_port), 443);
	CHECK_EQ(conf_addr_parse("10.0.0.1", 7702, &a), 0);
	CHECK_EQ(ntohs(sin->sin_port), 7702);
	CHECK_EQ(conf_addr_parse("[::1]:8443", 0, &a), 0);
	CHECK(conf_addr_parse("10.0.0.1", 0, &a) < 0);
	CHECK(conf_addr_parse("10.0.0.1:70000", 0, &a) < 0);
	CHECK(conf_addr_parse("host:1", 0, &a) < 0);
	CHECK(conf_addr_parse("[::1", 5, &a) < 0);
	CHECK(conf_addr_parse("[]:1", 0, &a) < 0);
	CHECK(conf_addr_parse(":1", 0, &a) < 0);
	return 0;
}

/* Loads a configuration; the error's text, or "". */
static const char *
conf_try(const char *text, const char *key, const char *psk)
{
	static struct av_err err;
	char dir[] = "/tmp/avpair-conf.XXXXXX", path[64], all[1024];
	struct console_conf c;

	if (mkdtemp(dir) == NULL)
		return "no folder";
	(void)snprintf(path, sizeof(path), "%s/k", dir);
	(void)av_file_write(path, key, strlen(key), 0600, &err);
	(void)snprintf(all, sizeof(all), "secret_file = %s/k\n"
	    "psk_file = %s/p\n%s", dir, dir, text);
	(void)snprintf(path, sizeof(path), "%s/p", dir);
	(void)av_file_write(path, psk, strlen(psk), 0600, &err);
	(void)snprintf(path, sizeof(path), "%s/c", dir);
	(void)av_file_write(path, all, strlen(all), 0600, &err);
	err = (struct av_err){ 0 };
	(void)conf_load(path, &c, &err);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/p", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/k", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	return err.text;
}

#define KEY	"0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789abcdef\n"
#define PSK	"avpair:000102030405060708090a0b0c0d0e0f\n"

TEST(configurations)
{
	CHECK_STR(conf_try("node = node0\nuser = 990:991\n"
	    "relay_peers = 10.0.0.1 10.0.0.2:99\n", KEY, PSK), "");
	CHECK(strstr(conf_try("", KEY, PSK), "'node' is missing") != NULL);
	CHECK(strstr(conf_try("node = a\nnonsense = 1\n", KEY, PSK),
	    "line 4") != NULL);
	CHECK_STR(conf_try("node = a\nuser = daemon\n", KEY, PSK), "");
	CHECK(strstr(conf_try("node = a\nuser = nobody-at-all\n", KEY, PSK),
	    "no user 'nobody-at-all'") != NULL);
	CHECK(strstr(conf_try("node = a\nuser = 990:x\n", KEY, PSK),
	    "uid:gid") != NULL);
	CHECK(strstr(conf_try("node = a\nlisten = everywhere\n", KEY, PSK),
	    "address:port") != NULL);
	CHECK(strstr(conf_try("node = a\n", "1234\n", PSK),
	    "64 hex digits") != NULL);
	CHECK(strstr(conf_try("node = a\n", KEY, "avpair:00\n"),
	    "user:hex") != NULL);
	return 0;
}

TEST(systemd_is_told)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/avpair-notify.XXXXXX", got[32], pid[16];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	notify_send("READY=1");		/* nobody is there: nothing happens */
	CHECK_EQ(notify_watchdog_ms(), -1);
	CHECK(fd >= 0 && mkdtemp(dir) != NULL);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", dir);
	CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	CHECK(setenv("NOTIFY_SOCKET", at.sun_path, 1) == 0);
	notify_send("WATCHDOG=1");
	CHECK_EQ(recv(fd, got, sizeof(got), MSG_DONTWAIT), 10);
	CHECK(memcmp(got, "WATCHDOG=1", 10) == 0);
	CHECK(setenv("WATCHDOG_USEC", "30000000", 1) == 0);
	CHECK_EQ(notify_watchdog_ms(), 10000);
	CHECK(setenv("WATCHDOG_PID", "1", 1) == 0);	/* another's */
	CHECK_EQ(notify_watchdog_ms(), -1);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK(setenv("WATCHDOG_PID", pid, 1) == 0);
	CHECK_EQ(notify_watchdog_ms(), 10000);
	CHECK(setenv("WATCHDOG_USEC", "soon", 1) == 0);
	CHECK_EQ(notify_watchdog_ms(), -1);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	(void)close(fd);
	(void)unlink(at.sun_path);
	(void)rmdir(dir);
	return 0;
}

TESTS_MAIN(T(systemd_is_told), T(throttle_grows_and_forgets),
    T(throttle_of_an_origin_that_tries_many_users),
    T(throttle_table_is_bounded), T(ticket_is_good_once_for_its_session),
    T(events_reach_readers_in_order), T(addresses), T(configurations))
