/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What this PM is, as programs and Xen say.
 */
#include <errno.h>

#include "nodeagent/core/limits.h"
#include "nodeagent/host_program.h"
#include "nodeagent/host_xen.h"
#include "tests/test.h"

#define MIB	(1ull << 20)

static const char *
line_of(const char *script)
{
	static char line[16];
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	host_program_line(argv, line, sizeof(line));
	return line;
}

TEST(a_program_says_one_line)
{
	const char *const nobody[] = { "/nonexistent/program", NULL };
	char line[8] = "old";

	CHECK_STR(line_of("echo one; echo two"), "one");
	CHECK_STR(line_of("printf o; sleep 0.1; echo ne"), "one");
	CHECK_STR(line_of("printf unended"), "unended");
	CHECK_STR(line_of("echo 0123456789abcdefgh"), "0123456789abcde");
	CHECK_STR(line_of("exit 1"), "");
	host_program_line(nobody, line, sizeof(line));
	CHECK_STR(line, "");
	return 0;
}

/* A machine with 64 GiB whose dom0 was given 4 GiB and one of its 24 threads. */
#define LARGE \
	"{\"hypervisor\":\"xen\",\"cpus\":24,\"cores_per_socket\":6," \
	"\"threads_per_core\":2,\"memory_bytes\":68719476736," \
	"\"free_bytes\":1073741824,\"system_bytes\":4294967296}"

TEST(xen_says_what_the_machine_is)
{
	struct host_xen x;

	CHECK_EQ(host_xen_parse(LARGE, &x), 0);
	CHECK_EQ(x.threads, 24);
	CHECK_EQ(x.cores, 12);
	CHECK_EQ(x.sockets, 2);
	CHECK_EQ(x.memory_bytes, 65536 * MIB);
	CHECK_EQ(x.system_bytes, 4096 * MIB);
	return 0;
}

TEST(what_xen_did_not_say_is_not_believed)
{
	struct host_xen x;

	CHECK_EQ(host_xen_parse("", &x), -EBADMSG);
	CHECK_EQ(host_xen_parse("{}", &x), -EBADMSG);
	CHECK_EQ(host_xen_parse("{\"cpus\":2,\"memory_bytes\":10}", &x),
	    -EBADMSG);
	CHECK_EQ(host_xen_parse("{\"cpus\":0,\"memory_bytes\":10,"
	    "\"system_bytes\":1}", &x), -EBADMSG);
	CHECK_EQ(host_xen_parse("{\"cpus\":2,\"memory_bytes\":10,"
	    "\"system_bytes\":11}", &x), -EBADMSG);
	/* no topology: cores of one socket */
	CHECK_EQ(host_xen_parse("{\"cpus\":3,\"memory_bytes\":10,"
	    "\"system_bytes\":1,\"threads_per_core\":8}", &x), 0);
	CHECK_EQ(x.cores, 3);
	CHECK_EQ(x.sockets, 1);
	return 0;
}

/* limits.h takes a GiB for the system; guests must not be promised what dom0 has. */
TEST(guests_are_promised_what_xen_has_left)
{
	/* the lab's PM: 2 GiB, 1200 MiB of them dom0's, 824 MiB free */
	struct host_xen x = { 1, 1, 1, 2047 * MIB, 1223 * MIB };
	uint64_t usable = host_xen_counted(&x) - LIMITS_SYSTEM_BYTES;

	CHECK(usable <= 824 * MIB);
	CHECK(usable > 750 * MIB);
	/* a small dom0 */
	x.memory_bytes = 65536 * MIB;
	x.system_bytes = 256 * MIB;
	CHECK(host_xen_counted(&x) <= 65536 * MIB);
	CHECK(host_xen_counted(&x) - LIMITS_SYSTEM_BYTES <= 65280 * MIB);
	x.memory_bytes = x.system_bytes = 512 * MIB;
	CHECK_EQ(host_xen_counted(&x) > LIMITS_SYSTEM_BYTES, 0);
	return 0;
}

TEST(without_av_xenrun_nothing_is_known)
{
	struct host_xen x;

	CHECK_EQ(host_xen_ask("/nonexistent/av-vmrun", &x), -EBADMSG);
	return 0;
}

TESTS_MAIN(T(a_program_says_one_line), T(xen_says_what_the_machine_is),
    T(what_xen_did_not_say_is_not_believed),
    T(guests_are_promised_what_xen_has_left),
    T(without_av_xenrun_nothing_is_known))
