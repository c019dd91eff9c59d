/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/screen.c - a guest's screen: ticket and websocket
 */
#include <errno.h>

#include "console/request.h"

int
screen_ticket(struct request *req, const struct route *r, json_t *args,
    struct av_err *err)
{
	(void)req; (void)r; (void)args;
	return av_err_code(err, -ENOSYS, "internal", "not yet");
}

int
screen_get(struct request *req, const char *ticket, struct av_err *err)
{
	(void)req; (void)ticket;
	return av_err_code(err, -ENOSYS, "internal", "not yet");
}
