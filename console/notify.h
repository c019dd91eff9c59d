/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/notify.h - tell systemd how we are
 *
 * The console needs nothing else of systemd, so it isn't linked with its library.
 * Without systemd there is nobody to tell and nothing happens.  Threads: any.
 */
#ifndef AV_CONSOLE_NOTIFY_H
#define AV_CONSOLE_NOTIFY_H

/* "READY=1", "WATCHDOG=1"; see sd_notify(3).  A lost message shows as a start that
 * takes too long, or as one feeding less. */
void notify_send(const char *text);
/* How often "WATCHDOG=1" is to be sent (WATCHDOG_USEC / 3); -1: never. */
int notify_watchdog_ms(void);

#endif
