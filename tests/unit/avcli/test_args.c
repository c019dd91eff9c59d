/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/avcli/test_args.c - command line and vm create's options
 */
#include <stdint.h>

#include <jansson.h>

#include "avcli/args.h"
#include "avcli/vmspec.h"
#include "base/str.h"
#include "tests/test.h"

static struct args a;
static struct cli_err err;

#define PARSE(...) ({ \
	char *argv_[] = { (char *)(uintptr_t)"avcli", __VA_ARGS__, NULL }; \
	static char *kept_[64]; \
	args_dispose(&a); \
	err = (struct cli_err){ 0 }; \
	memcpy(kept_, argv_, sizeof(argv_)); \
	args_parse(&a, (int)ARRAY_SIZE(argv_) - 1, kept_, &err); })

#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#pragma GCC diagnostic ignored "-Wwrite-strings"

TEST(both_spellings_are_one_command)
{
	CHECK_EQ(PARSE("vm", "info", "web"), 0);
	CHECK_STR(a.cmd->verb, "info");
	CHECK_EQ(a.n_operands, 1);
	CHECK_EQ(PARSE("vm-info", "web", "vm:o2"), 0);
	CHECK_STR(a.cmd->noun, "vm");
	CHECK_STR(a.operands[1], "vm:o2");
	CHECK_EQ(PARSE("local-user-info"), 0);
	CHECK_STR(a.cmd->noun, "user");
	return 0;
}

TEST(options_stand_anywhere)
{
	CHECK_EQ(PARSE("-H", "unit:8443", "-uadmin", "vm", "-xq", "info",
	    "--timeout=5", "web"), 0);
	CHECK_STR(args_value(&a, "host"), "unit:8443");
	CHECK_STR(args_value(&a, "user"), "admin");
	CHECK(args_flag(&a, "xml") && args_flag(&a, "quiet"));
	CHECK_STR(args_value(&a, "timeout"), "5");
	CHECK_STR(a.operands[0], "web");
	CHECK_EQ(PARSE("vm", "info", "--", "-x", "--json"), 0);
	CHECK_EQ(a.n_operands, 2);
	CHECK(!args_flag(&a, "xml"));
	return 0;
}

TEST(lists_end_at_the_next_option)
{
	CHECK_EQ(PARSE("vm", "create", "--name", "web", "--volumes", "1G",
	    "2G,,data", "--interfaces=net0", "--volumes=3G", "--start"), 0);
	CHECK_STR(args_nth(&a, "volumes", 1), "2G,,data");
	CHECK_STR(args_nth(&a, "volumes", 2), "3G");
	CHECK(args_nth(&a, "volumes", 3) == NULL);
	CHECK(args_flag(&a, "start"));
	return 0;
}

TEST(wrong_lines_are_refused_in_words)
{
	CHECK_EQ(PARSE("vm"), -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "crate"), -EXIT_USAGE);
	CHECK_STR(err.hint, "did you mean: vm create, vm migrate");
	CHECK_EQ(PARSE("vm-inof"), -EXIT_USAGE);
	CHECK(strstr(err.hint, "vm info") != NULL);
	CHECK_EQ(PARSE("vm", "info", "--jsno"), -EXIT_USAGE);
	CHECK_STR(err.text, "unknown option '--jsno'");
	CHECK_STR(err.hint, "did you mean: --json");
	CHECK_EQ(PARSE("vm", "info", "-Z"), -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "poweron"), -EXIT_USAGE);
	CHECK_EQ(PARSE("unit", "info", "web"), -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "info", "--timeout"), -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "info", "-H", "--json"), -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "info", "-x=1"), -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "create", "--name", "a", "--name", "b"),
	    -EXIT_USAGE);
	CHECK_EQ(PARSE("vm", "create", "--name", "a", "stray"), -EXIT_USAGE);
	return 0;
}

TEST(a_password_in_argv_is_refused)
{
	CHECK_EQ(PARSE("-p", "secret", "vm", "info"), -EXIT_USAGE);
	CHECK_STR(err.code, "password-in-argv");
	CHECK(strstr(err.hint, "--password-file") != NULL);
	CHECK(strstr(err.text, "secret") == NULL);
	CHECK_EQ(PARSE("vm", "info", "--password=secret"), -EXIT_USAGE);
	CHECK_STR(err.code, "password-in-argv");
	return 0;
}

static int
body_is(const char *want)
{
	json_t *body = NULL, *wanted = json_loads(want, 0, NULL);
	int rc = vmspec_build(&a, &body, &err);
	int same = rc == 0 && json_equal(body, wanted);

	if (!same)
		fprintf(stderr, "%s %s\n", err.text,
		    body != NULL ? json_dumps(body, 0) : "");
	json_decref(body);
	json_decref(wanted);
	return same;
}

TEST(vm_create_builds_the_apis_object)
{
	CHECK_EQ(PARSE("vm", "create", "--name", "web", "--memory", "1 GiB"), 0);
	CHECK(body_is("{\"name\":\"web\",\"vcpus\":1,\"memory_bytes\":1073741824,"
	    "\"volumes\":[],\"networks\":[],\"description\":\"\",\"os\":\"linux\"}"));
	CHECK_EQ(PARSE("vm", "create", "--name", "\xe8\xa1\xa8", "--memory=300M",
	    "--cpu", "9", "--volumes", "512M,fast,boot", "1G,image=b.img",
	    "--image", "small.img", "--interfaces", "net0",
	    "net1,mac=52:54:00:00:00:01", "--description", "a b", "--os",
	    "windows", "--preferred", "node1", "--start", "--dry-run"), 0);
	CHECK(body_is("{\"name\":\"\xe8\xa1\xa8\",\"vcpus\":9,"
	    "\"memory_bytes\":314572800,\"volumes\":[{\"size_bytes\":536870912,"
	    "\"storage_group\":\"fast\",\"name\":\"boot\",\"image\":\"small.img\"},"
	    "{\"size_bytes\":1073741824,\"image\":\"b.img\"}],"
	    "\"networks\":[{\"network\":\"net0\"},{\"network\":\"net1\","
	    "\"mac\":\"52:54:00:00:00:01\"}],\"description\":\"a b\","
	    "\"os\":\"windows\",\"preferred\":\"node1\",\"start\":true,"
	    "\"dry_run\":true}"));
	/* an image alone: the size is looked up later */
	CHECK_EQ(PARSE("vm", "create", "--name", "q", "--memory", "300M",
	    "--image", "i"), 0);
	CHECK(body_is("{\"name\":\"q\",\"vcpus\":1,\"memory_bytes\":314572800,"
	    "\"volumes\":[{\"image\":\"i\"}],\"networks\":[],"
	    "\"description\":\"\",\"os\":\"linux\"}"));
	return 0;
}

static int
refused(void)
{
	json_t *body = NULL;
	int rc = vmspec_build(&a, &body, &err);

	json_decref(body);
	return rc == -EXIT_USAGE && err.text[0] != '\0';
}

#define REFUSED(...) \
	(PARSE("vm", "create", __VA_ARGS__) == 0 && refused())

TEST(vm_create_refuses_what_cannot_be_read)
{
	CHECK(REFUSED("--memory", "300M"));
	CHECK(REFUSED("--name", "a"));
	CHECK(REFUSED("--name", "a", "--memory", "300"));
	CHECK(REFUSED("--name", "a", "--memory", "3 parrots"));
	CHECK(REFUSED("--name", "a", "--memory", "99999999999T"));
	CHECK(REFUSED("--name", "a", "--memory", "-1G"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--cpu", "two"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--cpu", "1.5"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--volumes", ",g,n"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--volumes", "1G,g,n,x"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--interfaces", "n,x=1"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--interfaces", ",mac=1"));
	CHECK(REFUSED("--name", "a", "--name-file", "b", "--memory", "1G"));
	CHECK(REFUSED("--name-file", "/nonexistent/x", "--memory", "1G"));
	CHECK(REFUSED("--name", "a", "--memory", "1G", "--image", "i",
	    "--volumes", "1G,image=j"));
	return 0;
}

TEST(sentences_hold_whole_characters)
{
	char name[400];
	size_t i;

	for (i = 0; i + 3 < sizeof(name); i += 3)
		memcpy(name + i, "\xe8\xa1\xa8", 3);
	name[i] = '\0';
	CHECK_EQ(PARSE("unit", "info", name), -EXIT_USAGE);
	CHECK(av_utf8_ok(err.text));
	CHECK_EQ(PARSE(name), -EXIT_USAGE);
	CHECK(av_utf8_ok(err.text));
	return 0;
}

TESTS_MAIN(T(both_spellings_are_one_command), T(options_stand_anywhere),
    T(lists_end_at_the_next_option), T(wrong_lines_are_refused_in_words),
    T(a_password_in_argv_is_refused), T(vm_create_builds_the_apis_object),
    T(vm_create_refuses_what_cannot_be_read),
    T(sentences_hold_whole_characters))
