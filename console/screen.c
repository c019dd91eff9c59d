/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/screen.c - a guest's screen: ticket and websocket
 *
 *   POST /vms/{id}/console   the agent allows it  -> a ticket
 *   GET  /console/TICKET     the agent is asked again (the guest may have moved),
 *                            the screen is opened, then the protocol changes
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/frame.h"
#include "base/log.h"
#include "console/bridge.h"
#include "console/relay.h"
#include "console/request.h"
#include "console/thread.h"

/* One open screen. */
struct screen {
	struct server			*srv;
	struct session			 session;
	bool				 local;
	int				 rfb, ws;
	struct MHD_UpgradeResponseHandle *urh;
	void				*extra;
	size_t				 n_extra;
};

int
screen_ticket(struct request *req, const struct route *r, json_t *args,
    struct av_err *err)
{
	AUTO_JSON json_t *result = NULL, *answer = NULL;
	const char *vm = json_string_value(json_object_get(args, "vm"));
	char ticket[TICKET_CHARS + 1];
	int rc;

	rc = agent_call(req->srv->agent, r->op, args, &req->actor, false,
	    &result, &req->params, err);
	if (rc < 0)
		return rc;
	rc = ticket_make(req->srv->tickets, vm, req->session.nonce,
	    av_clock_ns(), ticket);
	if (rc < 0)
		return av_err_code(err, rc, "busy",
		    "too many screens are being opened");
	answer = json_pack("{s:s, s:s+, s:i}", "ticket", ticket, "path",
	    ROUTE_PREFIX "/console/", ticket, "expires_s", TICKET_S);
	return answer != NULL ? reply_json(req, 200, answer) : -ENOMEM;
}

/* --- the websocket ------------------------------------------------------------- */

/* Is 'word' in the header's comma-separated list? */
static bool
header_lists(const struct request *req, const char *name, const char *word)
{
	const char *s = request_header(req, name);

	while (s != NULL && *s != '\0') {
		size_t n;

		s += strspn(s, ", \t");
		n = strcspn(s, ", \t");
		if (n == strlen(word) && strncasecmp(s, word, n) == 0)
			return true;
		s += n;
	}
	return false;
}

static int
upgrade_check(struct request *req, char *accept, size_t n,
    struct av_err *err)
{
	const char *key = request_header(req, "Sec-WebSocket-Key");
	const char *version = request_header(req, "Sec-WebSocket-Version");

	if (!header_lists(req, "Upgrade", "websocket") ||
	    !header_lists(req, "Connection", "upgrade") ||
	    version == NULL || strcmp(version, "13") != 0 || key == NULL ||
	    bridge_accept_key(key, accept, n) < 0)
		return av_err_code(err, -EINVAL, "bad-request",
		    "this address is a websocket");
	if (!header_lists(req, "Sec-WebSocket-Protocol", "binary"))
		return av_err_code(err, -EINVAL, "bad-request",
		    "the websocket's protocol must be 'binary'");
	if (req->by_cookie && request_header(req, "Origin") == NULL)
		return av_err_code(err, -EPERM, "forbidden",
		    "the header Origin is missing");
	return 0;
}

/* A socket with the screen's bytes, here or at the peer. */
static int
screen_connect(struct request *req, const char *vm, int *ret_fd,
    struct av_err *err)
{
	AUTO_JSON json_t *args = json_pack("{s:s}", "vm", vm);
	AUTO_JSON json_t *result = NULL;
	const char *path;
	int rc;

	if (args == NULL)
		return -ENOMEM;
	rc = agent_call(req->srv->agent, "vm.vnc", args, &req->actor, false,
	    &result, &req->params, err);
	if (rc < 0)
		return rc;
	path = json_string_value(json_object_get(result, "path"));
	if (path == NULL)		/* it runs on the other PM */
		return relay_connect(req->srv, vm, ret_fd, err);
	rc = av_unix_connect(path);
	if (rc < 0)
		return av_err_code(err, rc, "unavailable",
		    "the VM's screen: %s", strerror(-rc));
	*ret_fd = rc;
	return 0;
}

static bool
screen_session_ended(void *ctx)
{
	const struct screen *sc = ctx;

	return !sc->local && session_ended(sc->srv->sessions, &sc->session,
	    av_clock_utc_ms());
}

static void *
screen_run(void *arg)
{
	struct screen *sc = arg;
	struct bridge_conf bc = {
		.ws = sc->ws, .rfb = sc->rfb, .stop_fd = sc->srv->stop_fd,
		.extra = sc->extra, .n_extra = sc->n_extra,
		.ended = screen_session_ended, .ctx = sc,
	};

	bridge_run(&bc);
	(void)MHD_upgrade_action(sc->urh, MHD_UPGRADE_ACTION_CLOSE);
	(void)close(sc->rfb);
	sc->srv->n_screens--;
	free(sc->extra);
	free(sc);
	return NULL;
}

/* The answer is out; MHD's thread hands us the socket. */
static void
screen_upgraded(void *cls, struct MHD_Connection *con, void *con_cls,
    const char *extra, size_t n_extra, MHD_socket sock,
    struct MHD_UpgradeResponseHandle *urh)
{
	struct request *req = con_cls;
	struct screen *sc = calloc(1, sizeof(*sc));

	(void)cls;
	(void)con;
	if (sc != NULL) {
		*sc = (struct screen){ .srv = req->srv, .session =
		    req->session, .local = req->local, .rfb = req->screen_fd,
		    .ws = sock, .urh = urh, .n_extra = n_extra };
		if (n_extra > 0)
			sc->extra = malloc(n_extra);
		if ((n_extra == 0 || sc->extra != NULL)) {
			if (n_extra > 0)
				memcpy(sc->extra, extra, n_extra);
			req->srv->n_screens++;
			if (thread_start(screen_run, sc) == 0) {
				req->screen_fd = -1;
				return;
			}
			req->srv->n_screens--;
		}
		free(sc->extra);
		free(sc);
	}
	(void)MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
}

int
screen_get(struct request *req, const char *ticket, struct av_err *err)
{
	struct MHD_Response *r;
	char vm[300], accept[32];
	int rc = upgrade_check(req, accept, sizeof(accept), err);

	if (rc < 0)
		return rc;
	if (req->srv->n_screens >= SERVER_SCREENS_MAX)
		return av_err_code(err, -EBUSY, "unavailable",
		    "too many screens are open");
	rc = ticket_take(req->srv->tickets, ticket, req->session.nonce,
	    av_clock_ns(), vm, sizeof(vm));
	if (rc < 0)
		return av_err_code(err, rc, "forbidden",
		    "the ticket is used, too old or not yours");
	rc = screen_connect(req, vm, &req->screen_fd, err);
	if (rc < 0)
		return rc;
	log_info(vm, "screen opened by '%s' from %s", req->actor.user,
	    req->origin);
	r = MHD_create_response_for_upgrade(screen_upgraded, NULL);
	if (r == NULL)
		return -ENOMEM;
	(void)MHD_add_response_header(r, "Upgrade", "websocket");
	(void)MHD_add_response_header(r, "Sec-WebSocket-Accept", accept);
	(void)MHD_add_response_header(r, "Sec-WebSocket-Protocol", "binary");
	return reply_queue(req, MHD_HTTP_SWITCHING_PROTOCOLS, r);
}
