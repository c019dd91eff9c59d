/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/test_proc.c - a guest's process is found, and nobody else's
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "vmm/proc.h"

TEST(words_of_a_command_line)
{
	static const char line[] = "/usr/bin/qemu\0-uuid\0abc\0-name\0x";

	CHECK(vmm_cmdline_has(line, sizeof(line), "abc"));
	CHECK(vmm_cmdline_has(line, sizeof(line), "x"));
	CHECK(!vmm_cmdline_has(line, sizeof(line), "ab"));
	CHECK(!vmm_cmdline_has(line, sizeof(line), "bc"));
	CHECK(!vmm_cmdline_has(line, sizeof(line), "-uuid abc"));
	CHECK(!vmm_cmdline_has("", 1, "abc"));
	return 0;
}

/* Taken for dead, it would live on with nobody to end it. */
TEST(exec_under_way_is_no_dead_guest)
{
	CHECK(vmm_cmdline_has("", 0, "abc"));
	return 0;
}

static int
find(const char *dir, pid_t pid, uint64_t start, const char *word)
{
	char path[100];
	pid_t got = 0;
	int fd = -1, rc;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/pid", dir);
	f = fopen(path, "w");
	if (f == NULL)
		return -errno;
	(void)fprintf(f, "%d %llu\n", (int)pid, (unsigned long long)start);
	(void)fclose(f);
	rc = vmm_proc_find(dir, word, &got, &fd);
	if (rc == 0 && (got != pid || fd < 0))
		rc = -EINVAL;
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(path);
	return rc;
}

TEST(only_the_process_that_was_started_is_found)
{
	char dir[] = "/tmp/avproc.XXXXXX";
	uint64_t start = 0;
	int status, go[2];
	pid_t pid;
	char c;

	CHECK(mkdtemp(dir) != NULL && pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(go[1]);
		_exit(read(go[0], &c, 1) == 0 ? 0 : 1);
	}
	CHECK(vmm_proc_start_time(pid, &start) == 0);
	/* its arguments are this program's own */
	CHECK_EQ(find(dir, pid, start, "no-such-word"), -ESRCH);
	CHECK_EQ(find(dir, pid, start + 1, "only_the_process"), -ESRCH);
	(void)close(go[1]);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_EQ(find(dir, pid, start, "no-such-word"), -ESRCH);
	(void)close(go[0]);
	CHECK(rmdir(dir) == 0);
	return 0;
}

TESTS_MAIN(T(words_of_a_command_line), T(exec_under_way_is_no_dead_guest),
    T(only_the_process_that_was_started_is_found))
