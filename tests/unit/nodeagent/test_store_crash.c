/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The process is killed at any moment: the database is whole, and holds what was
 * answered.  (Power loss is SQLite's promise: synchronous=FULL.)
 */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/nodeagent/store_fixture.h"

#define ROUNDS	15

/* Kills 'child' once it has written 'n' bytes to 'fd'; the last one read, or -1. */
static int
kill_after(pid_t child, int fd, int n)
{
	unsigned char c = 0;
	int status, last = -1;

	while (n-- > 0 && read(fd, &c, 1) == 1)
		last = c;
	(void)kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	while (read(fd, &c, 1) == 1)
		last = c;
	close(fd);
	return WIFSIGNALED(status) ? last : -1;
}

TEST(killed_while_it_applies)
{
	struct store_position pos;
	struct fx fx;
	int round, fds[2], last;
	pid_t child;

	CHECK_EQ(fx_open(&fx, "crash"), 0);
	for (round = 0; round < ROUNDS; round++) {
		fx.st = store_close(fx.st);
		CHECK_EQ(pipe(fds), 0);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			close(fds[0]);
			if (store_open(fx.path, &fx.st, &fx.err) < 0)
				_exit(1);
			for (;;) {
				unsigned char c;

				(void)fx_vm_do(&fx, "vm.start", "nobody");
				store_position(fx.st, &pos);
				c = (unsigned char)pos.seq;
				if (write(fds[1], &c, 1) != 1)
					_exit(1);
			}
		}
		close(fds[1]);
		last = kill_after(child, fds[0], 1 + round % 7);
		CHECK(last >= 0);
		CHECK_EQ(store_open(fx.path, &fx.st, &fx.err), 0);
		store_position(fx.st, &pos);
		/* all that was answered, and at most one more */
		CHECK((unsigned char)pos.seq == last ||
		    (unsigned char)(pos.seq - 1) == last);
	}
	fx_close(&fx);
	return 0;
}

TEST(killed_while_it_is_replaced)
{
	uint8_t *image[2], hash[2][32], now[32];
	struct fx a, b;
	size_t n[2];
	int round, fds[2];
	char vm[32];
	pid_t child;

	CHECK_EQ(fx_open(&a, "a"), 0);
	CHECK_EQ(fx_open(&b, "b"), 0);
	CHECK_EQ(store_serialize(a.st, &image[0], &n[0], NULL), 0);
	CHECK_EQ(store_dump_hash(a.st, hash[0], NULL), 0);
	for (round = 0; round < 5; round++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "m%d", round);
		CHECK_EQ(fx_vm(&a, name, 300, vm), 0);
	}
	CHECK_EQ(store_serialize(a.st, &image[1], &n[1], NULL), 0);
	CHECK_EQ(store_dump_hash(a.st, hash[1], NULL), 0);
	CHECK(memcmp(hash[0], hash[1], 32) != 0);
	for (round = 0; round < ROUNDS; round++) {
		b.st = store_close(b.st);
		CHECK_EQ(pipe(fds), 0);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			unsigned char c = 0;

			close(fds[0]);
			if (store_open(b.path, &b.st, &b.err) < 0)
				_exit(1);
			for (;; c ^= 1)
				if (store_replace(b.st, image[c], n[c],
				    &b.err) < 0 || write(fds[1], &c, 1) != 1)
					_exit(1);
		}
		close(fds[1]);
		CHECK(kill_after(child, fds[0], 1 + round % 5) >= 0);
		CHECK_EQ(store_open(b.path, &b.st, &b.err), 0);
		CHECK_EQ(store_dump_hash(b.st, now, NULL), 0);
		CHECK(memcmp(now, hash[0], 32) == 0 ||
		    memcmp(now, hash[1], 32) == 0);
	}
	free(image[0]);
	free(image[1]);
	fx_close(&a);
	fx_close(&b);
	return 0;
}

TESTS_MAIN(T(killed_while_it_applies), T(killed_while_it_is_replaced))
