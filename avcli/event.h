/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/event.h - reads server-sent events (WHATWG HTML, 9.2), one data line each
 */
#ifndef AVCLI_EVENT_H
#define AVCLI_EVENT_H

#include <jansson.h>

#include "avcli/avcli.h"

struct event_reader {
	enum out_mode	 mode;
	unsigned	 limit;		/* 0 = no end */
	unsigned	 n_seen;
	void		(*print)(struct event_reader *er, const json_t *data);
	/* private */
	char		 type[64];
	char		*data;
};

/* One line without its end; false when the limit is reached. */
bool event_line(void *arg, const char *text);

#endif
