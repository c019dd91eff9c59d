/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/console/console_tool.c - what tests of the console need beside curl
 *
 *   console-tool port                       a free TCP port of 127.0.0.1
 *   console-tool do SOCKET OP [ARGS]        one request of the agent's protocol
 *   console-tool echo SOCKET                a Unix socket that sends all back
 *   console-tool rfb SOCKET                 a small screen (RFB): a key changes its colour
 *   console-tool ws PORT PATH COOKIE BYTES  websocket over TLS: sends BYTES, expects
 *                                           them back; prints MB/s; exit 3 = refused
 *   console-tool flood PORT N               opens N connections at once; half send
 *                                           garbage; prints how many were taken
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/str.h"

static int
tcp_socket(const char *port, bool do_connect)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t n = 0;

	if (fd < 0 || (port != NULL && av_parse_u64(port, &n) < 0))
		return -1;
	sin.sin_port = htons((uint16_t)n);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((do_connect ? connect(fd, (struct sockaddr *)&sin, sizeof(sin)) :
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin))) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int
cmd_port(void)
{
	struct sockaddr_in sin;
	socklen_t n = sizeof(sin);
	int fd = tcp_socket(NULL, false);

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&sin, &n) < 0)
		return 1;
	printf("%u\n", ntohs(sin.sin_port));
	return 0;
}

static int
cmd_do(const char *path, const char *op, const char *args_text)
{
	AUTO_JSON json_t *args = json_loads(args_text, 0, NULL), *msg = NULL;
	AUTO_JSON json_t *reply = NULL;
	struct av_frame_reader fr = { 0 };
	int fd = av_unix_connect(path);

	if (fd < 0 || args == NULL) {
		fprintf(stderr, "console-tool: %s\n", args == NULL ?
		    "args aren't JSON" : strerror(-fd));
		return 1;
	}
	msg = json_pack("{s:i,s:s,s:O,s:{s:s,s:s,s:s,s:s}}", "id", 1, "op", op,
	    "args", args, "actor", "user", "root", "role", "administrator",
	    "origin", "local", "via", "unix");
	if (av_frame_send(fd, msg) < 0 ||
	    av_frame_recv(&fr, fd, 15000, &reply) < 0)
		return 1;
	(void)json_dumpf(reply, stdout, JSON_INDENT(1));
	puts("");
	av_frame_reader_dispose(&fr);
	return json_is_true(json_object_get(reply, "ok")) ? 0 : 1;
}

/* --- screens ------------------------------------------------------------------ */

static void *
echo_run(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint8_t buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		ssize_t at = 0;

		while (at < n) {
			ssize_t r = write(fd, buf + at, (size_t)(n - at));

			if (r <= 0)
				break;
			at += r;
		}
		if (at < n)
			break;
	}
	(void)close(fd);
	return NULL;
}

static bool
get(int fd, void *buf, size_t n)
{
	return recv(fd, buf, n, MSG_WAITALL) == (ssize_t)n;
}

static bool
put(int fd, const void *buf, size_t n)
{
	const uint8_t *p = buf;

	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

#define WIDE	320
#define HIGH	200

static bool
rfb_begin(int fd)
{
	static const uint8_t init[] = {
		WIDE >> 8, WIDE & 0xff, 0, HIGH,
		32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
		0, 0, 0, 4, 't', 'e', 's', 't',
	};
	uint8_t buf[16];

	return put(fd, "RFB 003.008\n", 12) && get(fd, buf, 12) &&
	    put(fd, "\1\1", 2) && get(fd, buf, 1) &&
	    put(fd, "\0\0\0\0", 4) && get(fd, buf, 1) &&
	    put(fd, init, sizeof(init));
}

static bool
rfb_update(int fd, unsigned colour)
{
	static const uint8_t head[] = { 0, 0, 0, 1, 0, 0, 0, 0, WIDE >> 8,
	    WIDE & 0xff, 0, HIGH, 0, 0, 0, 0 };
	uint8_t line[WIDE * 4];
	unsigned x, y;

	if (!put(fd, head, sizeof(head)))
		return false;
	for (y = 0; y < HIGH; y++) {
		for (x = 0; x < WIDE; x++) {
			line[4 * x] = (uint8_t)(40 + colour * 50);
			line[4 * x + 1] = (uint8_t)(y + colour * 90);
			line[4 * x + 2] = (uint8_t)(x / 2);
			line[4 * x + 3] = 0;
		}
		if (!put(fd, line, sizeof(line)))
			return false;
	}
	return true;
}

/* The rest of a client's message of 'type'; false = end. */
static bool
rfb_skip(int fd, uint8_t type, uint8_t *buf)
{
	static const uint8_t rest[] = { 19, 0, 3, 9, 7, 5, 7 };
	uint32_t n = 0;

	if (type >= sizeof(rest) || rest[type] == 0 ||
	    !get(fd, buf, rest[type]))
		return false;
	if (type == 2)
		n = 4u * ((unsigned)buf[1] << 8 | buf[2]);
	if (type == 6)
		n = (uint32_t)buf[5] << 8 | buf[6];
	for (; n > 0; n--)
		if (!get(fd, buf + 32, 1))
			return false;
	return true;
}

static void *
rfb_run(void *arg)
{
	int fd = (int)(intptr_t)arg;
	bool wanted = false, dirty = false;
	unsigned colour = 0;
	uint8_t type, buf[64];

	if (!rfb_begin(fd))
		goto out;
	while (get(fd, &type, 1) && rfb_skip(fd, type, buf)) {
		if (type == 4 && buf[0] != 0) {
			colour++;
			dirty = true;
		}
		if (type == 3) {
			wanted = true;
			dirty |= buf[0] == 0;
		}
		if (wanted && dirty) {
			if (!rfb_update(fd, colour))
				break;
			wanted = dirty = false;
		}
	}
out:
	(void)close(fd);
	return NULL;
}

static int
cmd_serve(const char *path, void *(*run)(void *))
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		return 1;
	memcpy(sun.sun_path, path, strlen(path));
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(fd, 16) < 0)
		return 1;
	for (;;) {
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pthread_t t;

		if (c >= 0 && pthread_create(&t, NULL, run,
		    (void *)(intptr_t)c) == 0)
			(void)pthread_detach(t);
	}
}

/* --- websocket ------------------------------------------------------------------ */

struct ws {
	gnutls_session_t s;
	uint64_t	 n_bytes;
	bool		 failed;
};

static bool
tls_put(struct ws *w, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = gnutls_record_send(w->s, p, n);

		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

static bool
tls_get(struct ws *w, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = gnutls_record_recv(w->s, p, n);

		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

static uint8_t
pattern(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

/* Masked binary frames of up to 16000 bytes. */
static void *
ws_write(void *arg)
{
	static uint8_t buf[16000 + 8];
	struct ws *w = arg;
	uint64_t at = 0;

	while (at < w->n_bytes && !w->failed) {
		size_t n = w->n_bytes - at < 16000 ?
		    (size_t)(w->n_bytes - at) : 16000, i;
		static const uint8_t mask[4] = { 1, 2, 3, 4 };

		buf[0] = 0x82;
		buf[1] = 0x80 | 126;
		buf[2] = (uint8_t)(n >> 8);
		buf[3] = (uint8_t)n;
		memcpy(buf + 4, mask, 4);
		for (i = 0; i < n; i++)
			buf[8 + i] = (uint8_t)(pattern(at + i) ^ mask[i % 4]);
		if (!tls_put(w, buf, n + 8))
			w->failed = true;
		at += n;
	}
	return NULL;
}

/* One frame's head; the payload's length, or -1. */
static int64_t
ws_head(struct ws *w, uint8_t *opcode)
{
	uint8_t h[8];
	uint64_t n;
	int i;

	if (!tls_get(w, h, 2))
		return -1;
	*opcode = h[0] & 0x0f;
	n = h[1] & 0x7f;
	if (n == 126) {
		if (!tls_get(w, h, 2))
			return -1;
		n = (uint64_t)h[0] << 8 | h[1];
	} else if (n == 127) {
		if (!tls_get(w, h, 8))
			return -1;
		for (n = 0, i = 0; i < 8; i++)
			n = n << 8 | h[i];
	}
	return (int64_t)n;
}

static bool
ws_read(struct ws *w)
{
	static uint8_t buf[65536];
	uint64_t at = 0;

	while (at < w->n_bytes) {
		uint8_t opcode;
		int64_t n = ws_head(w, &opcode), i;

		if (n < 0 || n > (int64_t)sizeof(buf) ||
		    !tls_get(w, buf, (size_t)n) || opcode == 8)
			return false;
		if (opcode != 2 && opcode != 0)
			continue;
		for (i = 0; i < n; i++)
			if (buf[i] != pattern(at + (uint64_t)i))
				return false;
		at += (uint64_t)n;
	}
	return true;
}

static bool
ws_upgrade(struct ws *w, const char *port, const char *path,
    const char *cookie)
{
	char req[8192], c;
	size_t n = 0;
	int len = snprintf(req, sizeof(req), "GET %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1:%s\r\nOrigin: https://127.0.0.1:%s\r\n"
	    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Cookie: avpair_session=%s\r\n\r\n", path, port, port, cookie);

	if (len < 0 || (size_t)len >= sizeof(req) ||
	    !tls_put(w, (uint8_t *)req, (size_t)len))
		return false;
	while (n + 1 < sizeof(req) && tls_get(w, (uint8_t *)&c, 1)) {
		req[n++] = c;
		req[n] = '\0';
		if (n >= 4 && strcmp(req + n - 4, "\r\n\r\n") == 0)
			break;
	}
	req[n] = '\0';
	if (strncmp(req, "HTTP/1.1 101", 12) == 0 &&
	    strstr(req, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL)
		return true;
	fprintf(stderr, "%.*s\n", (int)strcspn(req, "\r\n"), req);
	return false;
}

static int
cmd_ws(const char *port, const char *path, const char *cookie,
    const char *bytes)
{
	static const uint8_t bye[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
	gnutls_certificate_credentials_t cred;
	struct ws w = { .failed = false };
	uint64_t begin_ns;
	uint8_t opcode = 0;
	pthread_t t;
	double s;
	int fd = tcp_socket(port, true);

	if (fd < 0 || av_parse_u64(bytes, &w.n_bytes) < 0)
		return 1;
	gnutls_certificate_allocate_credentials(&cred);
	gnutls_init(&w.s, GNUTLS_CLIENT);
	gnutls_set_default_priority(w.s);
	gnutls_credentials_set(w.s, GNUTLS_CRD_CERTIFICATE, cred);
	gnutls_transport_set_int(w.s, fd);
	if (gnutls_handshake(w.s) < 0)
		return 1;
	if (!ws_upgrade(&w, port, path, cookie)) {
		gnutls_deinit(w.s);
		gnutls_certificate_free_credentials(cred);
		return 3;
	}
	begin_ns = av_clock_ns();
	if (pthread_create(&t, NULL, ws_write, &w) != 0)
		return 1;
	if (!ws_read(&w)) {
		fprintf(stderr, "other bytes came back\n");
		w.failed = true;
		(void)shutdown(fd, SHUT_RDWR);
	}
	(void)pthread_join(t, NULL);
	s = (double)(av_clock_ns() - begin_ns) / 1e9;
	if (!w.failed) {
		printf("%.1f MB/s\n", (double)w.n_bytes / 1e6 / s);
		if (!tls_put(&w, bye, sizeof(bye)) ||
		    ws_head(&w, &opcode) < 0 || opcode != 8)
			w.failed = true;
	}
	gnutls_deinit(w.s);
	gnutls_certificate_free_credentials(cred);
	(void)close(fd);
	return w.failed ? 1 : 0;
}

static int
cmd_flood(const char *port, const char *count)
{
	static const char junk[] = "\x16\x03\x01garbage garbage garbage";
	uint64_t n, i;
	unsigned open_now = 0;
	int *fds;

	if (av_parse_u64(count, &n) < 0 || n > 100000)
		return 1;
	fds = malloc(n * sizeof(*fds));
	if (fds == NULL)
		return 1;
	for (i = 0; i < n; i++) {
		fds[i] = tcp_socket(port, true);
		if (fds[i] >= 0 && i % 2 == 0)
			(void)send(fds[i], junk, sizeof(junk), MSG_NOSIGNAL);
		/* only the last 200 stay open */
		if (i >= 200 && fds[i - 200] >= 0)
			(void)close(fds[i - 200]);
		open_now += fds[i] >= 0;
	}
	printf("%u\n", open_now);
	free(fds);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	(void)signal(SIGPIPE, SIG_IGN);
	if (strcmp(cmd, "port") == 0 && argc == 2)
		return cmd_port();
	if (strcmp(cmd, "do") == 0 && (argc == 4 || argc == 5))
		return cmd_do(argv[2], argv[3], argc == 5 ? argv[4] : "{}");
	if (strcmp(cmd, "echo") == 0 && argc == 3)
		return cmd_serve(argv[2], echo_run);
	if (strcmp(cmd, "rfb") == 0 && argc == 3)
		return cmd_serve(argv[2], rfb_run);
	if (strcmp(cmd, "ws") == 0 && argc == 6)
		return cmd_ws(argv[2], argv[3], argv[4], argv[5]);
	if (strcmp(cmd, "flood") == 0 && argc == 4)
		return cmd_flood(argv[2], argv[3]);
	fprintf(stderr, "usage: console-tool port | do | echo | rfb | ws | "
	    "flood ...\n");
	return 2;
}
