/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/frame.c - framed JSON over a stream socket
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"

#define HEAD_BYTES	4u
#define FILL_BYTES	65536u

void
av_frame_reader_dispose(struct av_frame_reader *fr)
{
	free(fr->buf);
	*fr = (struct av_frame_reader){ .max_bytes = fr->max_bytes };
}

static int
reader_room(struct av_frame_reader *fr, size_t n)
{
	uint8_t *buf;

	if (fr->n_room - fr->n_have >= n)
		return 0;
	buf = realloc(fr->buf, fr->n_have + n);
	if (buf == NULL)
		return -ENOMEM;
	fr->buf = buf;
	fr->n_room = fr->n_have + n;
	return 0;
}

int
av_frame_feed(struct av_frame_reader *fr, const void *data, size_t n)
{
	int rc = reader_room(fr, n);

	if (rc < 0)
		return rc;
	if (n > 0)
		memcpy(fr->buf + fr->n_have, data, n);
	fr->n_have += n;
	return 0;
}

int
av_frame_fill(struct av_frame_reader *fr, int fd)
{
	ssize_t r;
	int rc = reader_room(fr, FILL_BYTES);

	if (rc < 0)
		return rc;
	do
		r = read(fd, fr->buf + fr->n_have, FILL_BYTES);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	fr->n_have += (size_t)r;
	return (int)r;
}

static size_t
get_le32(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 |
	    (size_t)p[3] << 24;
}

int
av_frame_next(struct av_frame_reader *fr, json_t **ret_msg)
{
	size_t max = fr->max_bytes > 0 ? fr->max_bytes : AV_FRAME_MAX_BYTES;
	size_t n;
	json_t *msg;

	if (fr->n_have < HEAD_BYTES)
		return -EAGAIN;
	n = get_le32(fr->buf);
	if (n > max)
		return -EBADMSG;
	if (fr->n_have < HEAD_BYTES + n)
		return -EAGAIN;
	msg = json_loadb((const char *)fr->buf + HEAD_BYTES, n,
	    JSON_REJECT_DUPLICATES, NULL);
	if (msg == NULL || !json_is_object(msg)) {
		json_decref(msg);
		return -EBADMSG;
	}
	fr->n_have -= HEAD_BYTES + n;
	memmove(fr->buf, fr->buf + HEAD_BYTES + n, fr->n_have);
	*ret_msg = msg;
	return 0;
}

int
av_frame_encode(const json_t *msg, uint8_t **ret_buf, size_t *ret_n)
{
	size_t n = json_dumpb(msg, NULL, 0, JSON_COMPACT);
	uint8_t *buf;

	if (n == 0 || n > AV_FRAME_MAX_BYTES)
		return -EMSGSIZE;
	buf = malloc(HEAD_BYTES + n);
	if (buf == NULL)
		return -ENOMEM;
	buf[0] = (uint8_t)n;
	buf[1] = (uint8_t)(n >> 8);
	buf[2] = (uint8_t)(n >> 16);
	buf[3] = (uint8_t)(n >> 24);
	if (json_dumpb(msg, (char *)buf + HEAD_BYTES, n, JSON_COMPACT) != n) {
		free(buf);
		return -EMSGSIZE;
	}
	*ret_buf = buf;
	*ret_n = HEAD_BYTES + n;
	return 0;
}

int
av_unix_connect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int rc = -errno;

		(void)close(fd);
		return rc;
	}
	return fd;
}

int
av_frame_send(int fd, const json_t *msg)
{
	uint8_t *buf;
	size_t n, done = 0;
	int rc = av_frame_encode(msg, &buf, &n);

	if (rc < 0)
		return rc;
	while (done < n && rc == 0) {
		ssize_t r = send(fd, buf + done, n - done, MSG_NOSIGNAL);

		if (r >= 0)
			done += (size_t)r;
		else if (errno != EINTR)
			rc = -errno;
	}
	free(buf);
	return rc;
}

int
av_frame_recv(struct av_frame_reader *fr, int fd, int timeout_ms,
    json_t **ret_msg)
{
	uint64_t end_ns = av_clock_ns() + (unsigned)timeout_ms * AV_NS_PER_MS;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now_ns;
		int r, rc = av_frame_next(fr, ret_msg);

		if (rc != -EAGAIN)
			return rc;
		now_ns = av_clock_ns();
		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)((end_ns - now_ns) / AV_NS_PER_MS) + 1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		rc = av_frame_fill(fr, fd);
		if (rc == 0)
			return -ECONNRESET;
		if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
}
