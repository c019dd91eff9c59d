/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/guest/recordd.c - the record service inside a guest
 *
 *	recordd FILE PORT
 *
 * Lines over TCP:
 *	PUT n	append record n, on disk (fdatasync) before the answer:
 *		"OK n", or "HAVE n" when it is there already
 *	COUNT	"COUNT c"
 *	LIST	one "n" a line in the order of the file, then "END c"
 *	other	"ERR why"
 *
 * FILE is slots of 26 bytes, "NNNNNNNNNNNNNNNN CCCCCCCC\n": n and its CRC-32C in
 * hex.  At start a tail that isn't whole slots with good sums was never
 * acknowledged: it is cut off.  A bad slot before a good one is damage: every PUT is
 * refused, COUNT and LIST say "ERR damaged", so a checker sees it.
 *
 * Stands alone (static, no base/): it goes into an image without libraries.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT_BYTES	26
#define RECORDS_MAX	(1u << 24)
#define CLIENTS_MAX	16
#define LINE_MAX_BYTES	128

struct client {
	int	fd;		/* -1 = free */
	size_t	n_in;
	char	in[LINE_MAX_BYTES];
};

struct store {
	int	 fd;
	uint64_t n_slots;
	bool	 damaged;
	uint8_t	 have[RECORDS_MAX / 8];
};

static struct store store;
static struct client clients[CLIENTS_MAX];

static uint32_t
crc32c(const char *s, size_t n)
{
	uint32_t crc = ~0u;
	int bit;

	while (n-- > 0) {
		crc ^= (uint8_t)*s++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void
slot_make(uint64_t n, char out[SLOT_BYTES + 1])
{
	(void)snprintf(out, SLOT_BYTES + 1, "%016llx", (unsigned long long)n);
	(void)snprintf(out + 16, SLOT_BYTES + 1 - 16, " %08x\n",
	    crc32c(out, 16));
}

static bool
slot_parse(const char *slot, uint64_t *ret_n)
{
	char text[17], again[SLOT_BYTES + 1];

	memcpy(text, slot, 16);
	text[16] = '\0';
	if (sscanf(text, "%" SCNx64, ret_n) != 1)
		return false;
	slot_make(*ret_n, again);	/* equal bytes: form and sum are right */
	return *ret_n < RECORDS_MAX && memcmp(slot, again, SLOT_BYTES) == 0;
}

static bool
have(uint64_t n)
{
	return (store.have[n / 8] >> (n % 8)) & 1;
}

static void
have_set(uint64_t n)
{
	store.have[n / 8] |= (uint8_t)(1u << (n % 8));
}

/* Reads FILE, cuts a torn tail. */
static int
store_load(const char *path)
{
	uint64_t n, at = 0, n_good = 0;
	char slot[SLOT_BYTES];
	struct stat st;

	store.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (store.fd < 0 || fstat(store.fd, &st) < 0)
		return -errno;
	while ((off_t)((at + 1) * SLOT_BYTES) <= st.st_size) {
		if (pread(store.fd, slot, SLOT_BYTES,
		    (off_t)(at * SLOT_BYTES)) != SLOT_BYTES)
			return -EIO;
		at++;
		if (!slot_parse(slot, &n))
			continue;
		if (n_good != at - 1)
			store.damaged = true;	/* a hole before it */
		have_set(n);
		n_good = at;
	}
	store.n_slots = n_good;
	if (store.damaged)
		return 0;
	if ((off_t)(n_good * SLOT_BYTES) != st.st_size &&
	    ftruncate(store.fd, (off_t)(n_good * SLOT_BYTES)) < 0)
		return -errno;
	return fsync(store.fd) < 0 ? -errno : 0;
}

static int
store_put(uint64_t n)
{
	off_t at = (off_t)(store.n_slots * SLOT_BYTES);
	char slot[SLOT_BYTES + 1];

	slot_make(n, slot);
	if (pwrite(store.fd, slot, SLOT_BYTES, at) != SLOT_BYTES ||
	    fdatasync(store.fd) < 0) {
		/* Unknown what is on disk: the next start decides. */
		store.damaged = true;
		return -EIO;
	}
	store.n_slots++;
	have_set(n);
	return 0;
}

/* Blocking with a time limit (SO_SNDTIMEO): the clients are few. */
static bool
reply(int fd, const char *text)
{
	size_t at = 0, n = strlen(text);

	while (at < n) {
		ssize_t r = send(fd, text + at, n - at, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

static bool
do_list(int fd)
{
	char slot[SLOT_BYTES], line[64];
	uint64_t i, n;

	for (i = 0; i < store.n_slots; i++) {
		if (pread(store.fd, slot, SLOT_BYTES,
		    (off_t)(i * SLOT_BYTES)) != SLOT_BYTES ||
		    !slot_parse(slot, &n))
			return reply(fd, "ERR damaged\n");
		(void)snprintf(line, sizeof(line), "%llu\n",
		    (unsigned long long)n);
		if (!reply(fd, line))
			return false;
	}
	(void)snprintf(line, sizeof(line), "END %llu\n",
	    (unsigned long long)store.n_slots);
	return reply(fd, line);
}

static bool
do_put(int fd, const char *word)
{
	char line[64], *end;
	uint64_t n;

	errno = 0;
	n = strtoull(word, &end, 10);
	if (errno != 0 || *word < '0' || *word > '9' || *end != '\0' ||
	    n >= RECORDS_MAX)
		return reply(fd, "ERR bad number\n");
	if (have(n)) {
		(void)snprintf(line, sizeof(line), "HAVE %llu\n",
		    (unsigned long long)n);
		return reply(fd, line);
	}
	if (store_put(n) < 0)
		return reply(fd, "ERR write failed\n");
	(void)snprintf(line, sizeof(line), "OK %llu\n", (unsigned long long)n);
	return reply(fd, line);
}

static bool
do_line(int fd, const char *line)
{
	char out[64];

	if (store.damaged)
		return reply(fd, "ERR damaged\n");
	if (strncmp(line, "PUT ", 4) == 0)
		return do_put(fd, line + 4);
	if (strcmp(line, "LIST") == 0)
		return do_list(fd);
	if (strcmp(line, "COUNT") != 0)
		return reply(fd, "ERR unknown command\n");
	(void)snprintf(out, sizeof(out), "COUNT %llu\n",
	    (unsigned long long)store.n_slots);
	return reply(fd, out);
}

static bool
client_read(struct client *c)
{
	ssize_t r = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in,
	    MSG_DONTWAIT);
	char *nl;

	if (r < 0)
		return errno == EAGAIN || errno == EINTR;
	if (r == 0)
		return false;
	c->n_in += (size_t)r;
	while ((nl = memchr(c->in, '\n', c->n_in)) != NULL) {
		size_t used = (size_t)(nl - c->in) + 1;

		*nl = '\0';
		if (nl > c->in && nl[-1] == '\r')
			nl[-1] = '\0';
		if (!do_line(c->fd, c->in))
			return false;
		c->n_in -= used;
		memmove(c->in, c->in + used, c->n_in);
	}
	return c->n_in < sizeof(c->in);		/* no line is so long */
}

static void
client_add(int fd)
{
	struct timeval limit = { .tv_sec = 10 };
	int i, one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].fd = fd;
		clients[i].n_in = 0;
		return;
	}
	/* Full: the oldest slot is most likely a peer that vanished. */
	(void)close(clients[0].fd);
	memmove(&clients[0], &clients[1],
	    (CLIENTS_MAX - 1) * sizeof(clients[0]));
	clients[CLIENTS_MAX - 1].fd = fd;
	clients[CLIENTS_MAX - 1].n_in = 0;
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 16) < 0)
		return -errno;
	return fd;
}

static void
serve(int lfd)
{
	struct pollfd p[CLIENTS_MAX + 1];
	int i, fd;

	for (;;) {
		for (i = 0; i < CLIENTS_MAX; i++)
			p[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		p[i] = (struct pollfd){ lfd, POLLIN, 0 };
		if (poll(p, CLIENTS_MAX + 1, -1) < 0)
			continue;
		for (i = 0; i < CLIENTS_MAX; i++) {
			if (p[i].fd < 0 || p[i].revents == 0 ||
			    client_read(&clients[i]))
				continue;
			(void)close(clients[i].fd);
			clients[i].fd = -1;
		}
		if (p[CLIENTS_MAX].revents == 0)
			continue;
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			client_add(fd);
	}
}

int
main(int argc, char **argv)
{
	unsigned port = 0;
	int i, lfd, rc;

	if (argc != 3 || sscanf(argv[2], "%u", &port) != 1 || port == 0 ||
	    port > 65535) {
		(void)fprintf(stderr, "usage: recordd FILE PORT\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	rc = store_load(argv[1]);
	if (rc < 0) {
		(void)fprintf(stderr, "recordd: %s: %s\n", argv[1],
		    strerror(-rc));
		return 1;
	}
	lfd = listen_on((uint16_t)port);
	if (lfd < 0) {
		(void)fprintf(stderr, "recordd: port %u: %s\n", port,
		    strerror(-lfd));
		return 1;
	}
	(void)fprintf(stderr, "recordd: %llu records%s, port %u\n",
	    (unsigned long long)store.n_slots, store.damaged ? ", damaged" : "",
	    port);
	serve(lfd);
	return 0;
}
