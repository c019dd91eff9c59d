/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/frame.h - framed JSON over a stream socket
 *
 * A frame is a 4-byte little-endian length and that many bytes of one JSON
 * object (UTF-8).  Used on every local control socket.  The reader keeps what
 * has come so far, so a frame may arrive in any pieces.
 *
 * Errors: -EBADMSG = not a frame (too long, not JSON, not an object, a
 * duplicate key): close the connection.  -EAGAIN = not yet.
 */
#ifndef AV_FRAME_H
#define AV_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define AV_FRAME_MAX_BYTES	(8u * 1024 * 1024)

struct av_frame_reader {
	uint8_t	*buf;		/* zeroed struct = empty reader */
	size_t	 n_have;
	size_t	 n_room;
	size_t	 max_bytes;	/* 0 = AV_FRAME_MAX_BYTES */
};

void av_frame_reader_dispose(struct av_frame_reader *fr);
/* Reads what 'fd' (non-blocking or blocking) has, once.  Returns > 0 bytes, 0 at
 * end of file, -EAGAIN or another -errno. */
int av_frame_fill(struct av_frame_reader *fr, int fd);
/* Appends bytes that came some other way (tests, fuzzing). */
int av_frame_feed(struct av_frame_reader *fr, const void *data, size_t n);
/* Takes the next whole frame.  0 and *ret_msg (yours), -EAGAIN, -EBADMSG,
 * -ENOMEM. */
int av_frame_next(struct av_frame_reader *fr, json_t **ret_msg);

/* Encodes 'msg' as one frame; *ret_buf is malloc'd and yours. */
int av_frame_encode(const json_t *msg, uint8_t **ret_buf, size_t *ret_n);

/* Blocking helpers for clients that may wait: connect to a Unix socket; send;
 * receive one frame before 'timeout_ms' (-ETIMEDOUT). */
int av_unix_connect(const char *path);		/* fd or -errno */
int av_frame_send(int fd, const json_t *msg);	/* 0 or -errno */
int av_frame_recv(struct av_frame_reader *fr, int fd, int timeout_ms,
    json_t **ret_msg);

#endif
