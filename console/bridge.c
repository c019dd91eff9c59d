/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/bridge.c - bytes of a screen (RFB) inside a websocket
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "console/bridge.h"

#define GUID	"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct bridge {
	const struct bridge_conf *bc;
	wslay_event_context_ptr	  ws;
	size_t			  extra_at;
	uint8_t			  opcode;	/* of the frame being read */
	uint8_t			  buf[BRIDGE_BYTES];	/* browser -> guest */
	size_t			  n, at;
	bool			  ws_broken, closing;
	uint64_t		  seen_ns;	/* last sign of the browser */
	uint64_t		  ping_ns;	/* next ping */
	uint64_t		  close_ns;	/* end of the goodbye */
};

int
bridge_accept_key(const char *key, char *ret, size_t n)
{
	char text[24 + sizeof(GUID)];
	gnutls_datum_t digest, b64 = { NULL, 0 };
	uint8_t sha[20];
	int rc = -EINVAL;

	if (strlen(key) != 24 || n < 29)
		return -EINVAL;
	memcpy(text, key, 24);
	memcpy(text + 24, GUID, sizeof(GUID));
	/* SHA-1 is what the protocol says; it guards nothing here */
	if (gnutls_hash_fast(GNUTLS_DIG_SHA1, text, strlen(text), sha) < 0)
		return -EIO;
	digest = (gnutls_datum_t){ sha, sizeof(sha) };
	if (gnutls_base64_encode2(&digest, &b64) < 0)
		return -ENOMEM;
	if (b64.size < n) {
		memcpy(ret, b64.data, b64.size);
		ret[b64.size] = '\0';
		rc = 0;
	}
	gnutls_free(b64.data);
	return rc;
}

/* --- wslay's callbacks ------------------------------------------------------- */

static ssize_t
ws_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
    void *arg)
{
	struct bridge *b = arg;
	size_t left = b->bc->n_extra - b->extra_at;
	ssize_t r;

	(void)flags;
	/* wslay hands on all it reads: it may only read what has room */
	if (BRIDGE_BYTES - b->n < len) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (left > 0) {
		size_t n = left < len ? left : len;

		memcpy(buf, (const uint8_t *)b->bc->extra + b->extra_at, n);
		b->extra_at += n;
		return (ssize_t)n;
	}
	r = recv(b->bc->ws, buf, len, MSG_DONTWAIT);
	if (r > 0) {
		b->seen_ns = av_clock_ns();
		return r;
	}
	if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	b->ws_broken = true;
	wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t
ws_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len,
    int flags, void *arg)
{
	struct bridge *b = arg;
	ssize_t r = send(b->bc->ws, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)flags;
	if (r >= 0)
		return r;
	if (errno == EAGAIN || errno == EINTR) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	b->ws_broken = true;
	wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static void
bridge_goodbye(struct bridge *b, uint16_t code)
{
	if (b->closing)
		return;
	b->closing = true;
	b->close_ns = av_clock_ns() + BRIDGE_CLOSE_MS * AV_NS_PER_MS;
	if (wslay_event_queue_close(b->ws, code, NULL, 0) != 0)
		b->ws_broken = true;
}

static void
ws_frame(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	struct bridge *b = arg;

	(void)ctx;
	b->opcode = f->opcode;
	if (f->opcode == WSLAY_TEXT_FRAME)
		bridge_goodbye(b, WSLAY_CODE_UNSUPPORTED_DATA);
}

static void
ws_chunk(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_chunk_arg *c, void *arg)
{
	struct bridge *b = arg;

	(void)ctx;
	if ((b->opcode != WSLAY_BINARY_FRAME &&
	    b->opcode != WSLAY_CONTINUATION_FRAME) || b->closing)
		return;
	if (c->data_length > BRIDGE_BYTES - b->n) {	/* can't be: ws_recv */
		b->ws_broken = true;
		return;
	}
	memcpy(b->buf + b->n, c->data, c->data_length);
	b->n += c->data_length;
}

/* --- the loop ------------------------------------------------------------------ */

static void
rfb_write(struct bridge *b)
{
	while (b->at < b->n) {
		ssize_t r = send(b->bc->rfb, b->buf + b->at, b->n - b->at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r < 0) {
			if (errno == EAGAIN || errno == EINTR)
				return;
			bridge_goodbye(b, WSLAY_CODE_GOING_AWAY);
			break;
		}
		b->at += (size_t)r;
	}
	b->n = b->at = 0;
}

static void
rfb_read(struct bridge *b)
{
	uint8_t buf[BRIDGE_BYTES];
	struct wslay_event_msg msg = { WSLAY_BINARY_FRAME, buf, 0 };
	ssize_t r = recv(b->bc->rfb, buf, sizeof(buf), MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		bridge_goodbye(b, WSLAY_CODE_NORMAL_CLOSURE);
		return;
	}
	msg.msg_length = (size_t)r;
	if (wslay_event_queue_msg(b->ws, &msg) != 0)
		b->ws_broken = true;
}

/* Pings, and ends what gives no sign any more. */
static void
bridge_tick(struct bridge *b, uint64_t now_ns)
{
	struct wslay_event_msg ping = { WSLAY_PING, NULL, 0 };

	if (now_ns < b->ping_ns || b->closing)
		return;
	b->ping_ns = now_ns + BRIDGE_PING_MS * AV_NS_PER_MS;
	if (b->bc->ended != NULL && b->bc->ended(b->bc->ctx))
		bridge_goodbye(b, WSLAY_CODE_POLICY_VIOLATION);
	else if (now_ns - b->seen_ns > BRIDGE_DEAD_MS * AV_NS_PER_MS)
		b->ws_broken = true;
	else
		(void)wslay_event_queue_msg(b->ws, &ping);
}

static bool
bridge_over(const struct bridge *b)
{
	if (b->ws_broken)
		return true;
	/* goodbye received, or a breach of the protocol: our answer still goes */
	if (!wslay_event_get_read_enabled(b->ws) &&
	    !wslay_event_want_write(b->ws))
		return true;
	return b->closing && av_clock_ns() >= b->close_ns;
}

static void
bridge_wait(struct bridge *b)
{
	struct pollfd p[3] = {
		{ .fd = b->bc->ws }, { .fd = b->bc->rfb },
		{ .fd = b->closing ? -1 : b->bc->stop_fd, .events = POLLIN },
	};
	uint64_t due_ns = b->closing ? b->close_ns : b->ping_ns;
	uint64_t now_ns = av_clock_ns();
	bool writing = wslay_event_want_write(b->ws);
	int ms = due_ns > now_ns ?
	    (int)((due_ns - now_ns) / AV_NS_PER_MS) + 1 : 0;

	if (b->n == 0 && wslay_event_want_read(b->ws))
		p[0].events |= POLLIN;
	if (writing)
		p[0].events |= POLLOUT;
	if (b->n > 0 && !b->closing)
		p[1].events |= POLLOUT;
	if (!writing && !b->closing)
		p[1].events |= POLLIN;
	if (p[0].events == 0)
		p[0].fd = -1;
	if (p[1].events == 0)
		p[1].fd = -1;
	if (poll(p, 3, ms) < 0)
		return;
	if (p[2].revents != 0)
		bridge_goodbye(b, WSLAY_CODE_GOING_AWAY);
	/* a hang-up that read and write don't show must not spin */
	if ((p[0].revents & (POLLERR | POLLNVAL)) != 0)
		b->ws_broken = true;
	if ((p[1].revents & POLLIN) == 0 &&
	    (p[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		bridge_goodbye(b, WSLAY_CODE_NORMAL_CLOSURE);
	else if ((p[1].revents & POLLIN) != 0)
		rfb_read(b);
}

void
bridge_run(const struct bridge_conf *bc)
{
	static const struct wslay_event_callbacks cbs = {
		.recv_callback = ws_recv, .send_callback = ws_send,
		.on_frame_recv_start_callback = ws_frame,
		.on_frame_recv_chunk_callback = ws_chunk,
	};
	struct bridge *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return;
	b->bc = bc;
	b->seen_ns = av_clock_ns();
	b->ping_ns = b->seen_ns + BRIDGE_PING_MS * AV_NS_PER_MS;
	if (wslay_event_context_server_init(&b->ws, &cbs, b) != 0) {
		free(b);
		return;
	}
	wslay_event_config_set_no_buffering(b->ws, 1);
	while (!bridge_over(b)) {
		/* reading may end by the protocol; what is queued still goes */
		if (b->n == 0 && wslay_event_want_read(b->ws) &&
		    wslay_event_recv(b->ws) != 0)
			b->ws_broken = true;
		if (!wslay_event_get_read_enabled(b->ws) && !b->closing) {
			b->closing = true;	/* wslay has queued the answer */
			b->close_ns = av_clock_ns() +
			    BRIDGE_CLOSE_MS * AV_NS_PER_MS;
		}
		if (b->n > 0 && !b->closing)
			rfb_write(b);
		else if (b->closing)
			b->n = b->at = 0;
		bridge_tick(b, av_clock_ns());
		if (!b->ws_broken && wslay_event_send(b->ws) != 0)
			b->ws_broken = true;
		if (!bridge_over(b))
			bridge_wait(b);
	}
	wslay_event_context_free(b->ws);
	free(b);
}
