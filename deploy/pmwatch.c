/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/pmwatch.c - a machine's watchdog in the try unit
 */
#include "deploy/pmwatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define LONGEST_MS	600000u

int
pmwatch_open(struct pmwatch *w, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	*w = (struct pmwatch){ .fd = -1 };
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(path, 0600) < 0)
		return -errno;
	return 0;
}

static bool
take(struct pmwatch *w, const char *text, uint64_t now_ns)
{
	unsigned ms;

	if (sscanf(text, "feed %u", &ms) == 1 && ms > 0 && ms <= LONGEST_MS)
		w->due_ns = now_ns + ms * AV_NS_PER_MS;
	else if (strcmp(text, "off") == 0)
		w->due_ns = 0;
	else if (strncmp(text, "kill ", 5) == 0) {
		(void)snprintf(w->why, sizeof(w->why), "%s", text + 5);
		return true;
	} else if (strcmp(text, "poweroff") == 0 ||
	    strcmp(text, "reboot") == 0) {
		w->how = text[0] == 'r' ? PMWATCH_REBOOT : PMWATCH_POWEROFF;
		(void)snprintf(w->why, sizeof(w->why), "%s, as ordered", text);
		return true;
	}
	return false;
}

int
pmwatch_tell(const char *path, const char *what)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || sendto(fd, what, strlen(what), 0,
	    (struct sockaddr *)&at, sizeof(at)) < 0)
		rc = -errno;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

bool
pmwatch_look(struct pmwatch *w, uint64_t now_ns)
{
	char text[256];
	ssize_t n;

	while (w->fd >= 0 && (n = recv(w->fd, text, sizeof(text) - 1,
	    MSG_DONTWAIT)) >= 0) {
		text[n] = '\0';
		if (take(w, text, now_ns))
			return true;
	}
	if (w->due_ns == 0 || now_ns < w->due_ns)
		return false;
	(void)snprintf(w->why, sizeof(w->why), "the watchdog was not fed");
	return true;
}
