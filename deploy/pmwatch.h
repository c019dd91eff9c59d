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
 *	poweroff	its services are ended, then it ends
 *	reboot		the same, and it starts again
 *
 * The end is that of a power-off, and but for 'reboot' it stays off: nobody presses the
 * button.
 */
#ifndef AV_PMWATCH_H
#define AV_PMWATCH_H

#include <stdbool.h>
#include <stdint.h>

#define PMWATCH_PATH	"/run/pmwatch"

enum pmwatch_end { PMWATCH_CUT = 0, PMWATCH_POWEROFF, PMWATCH_REBOOT };

struct pmwatch {
	int		fd;
	uint64_t	due_ns;		/* 0 = not armed */
	enum pmwatch_end how;		/* it has to end */
	char		why[300];
};

/* 0 or -errno. */
int pmwatch_open(struct pmwatch *w, const char *path);
/* Takes what has come; true = the machine has to end; how and why say it. */
bool pmwatch_look(struct pmwatch *w, uint64_t now_ns);
/* Says 'what' to the machine that this process is in.  0 or -errno. */
int pmwatch_tell(const char *path, const char *what);

#endif
