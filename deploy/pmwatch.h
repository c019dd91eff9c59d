/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/pmwatch.h - a machine's watchdog in the try unit
 *
 * What /dev/watchdog is to a real machine, this datagram socket of the machine's
 * first process is to one of the try unit:
 *
 *	feed MS		armed: the machine ends unless fed again within MS
 *	off		not armed any more
 *	kill WHY	it ends now
 *
 * The end is that of a power-off, and it stays off: nobody presses the button.
 */
#ifndef AV_PMWATCH_H
#define AV_PMWATCH_H

#include <stdbool.h>
#include <stdint.h>

#define PMWATCH_PATH	"/run/pmwatch"

struct pmwatch {
	int		fd;
	uint64_t	due_ns;		/* 0 = not armed */
	char		why[300];
};

/* 0 or -errno. */
int pmwatch_open(struct pmwatch *w, const char *path);
/* Takes what has come; true = the machine has to end, and why says it. */
bool pmwatch_look(struct pmwatch *w, uint64_t now_ns);

#endif
