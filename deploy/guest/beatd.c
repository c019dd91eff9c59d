/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/guest/beatd.c - the guest's heartbeat on its network
 *
 *	beatd INTERFACE PORT PERIOD-MS
 *
 * A UDP broadcast every PERIOD-MS, seen by whoever watches the cable:
 *	"AVBEAT 1 BOOT COUNTER UPTIME-MS\n"
 * BOOT is the kernel's boot id (a new one each boot, nothing on a disk), COUNTER
 * rises by one a beat.  Who the guest is, its frame's MAC address says.
 * tests/drill/witness reads them.
 *
 * Stands alone (static, no base/): it goes into an image without libraries.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int
boot_read(char *buf, size_t n)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	int rc = -EIO;

	if (f == NULL)
		return -errno;
	if (fgets(buf, (int)n, f) != NULL) {
		buf[strcspn(buf, "\n")] = '\0';
		rc = 0;
	}
	(void)fclose(f);	/* was only read */
	return rc;
}

static int
socket_open(const char *interface)
{
	int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
	    (socklen_t)strlen(interface)) < 0)
		return -errno;
	return fd;
}

static int
timer_open(unsigned period_ms)
{
	struct timespec t = { .tv_sec = period_ms / 1000,
		.tv_nsec = (long)(period_ms % 1000) * 1000000 };
	struct itimerspec its = { .it_interval = t, .it_value = t };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &its, NULL) < 0)
		return -errno;
	return fd;
}

static void
beat(int fd, const struct sockaddr_in *to, const char *boot)
{
	static unsigned long long counter;
	struct timespec up;
	char text[128];
	int n;

	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	n = snprintf(text, sizeof(text), "AVBEAT 1 %s %llu %llu\n", boot,
	    ++counter, (unsigned long long)up.tv_sec * 1000 +
	    (unsigned long long)up.tv_nsec / 1000000);
	/* lost ones are what the watcher measures */
	(void)sendto(fd, text, (size_t)n, MSG_DONTWAIT,
	    (const struct sockaddr *)to, sizeof(*to));
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_BROADCAST) };
	unsigned port = 0, period_ms = 0;
	char boot[64];
	uint64_t n;
	int fd, timer;

	if (argc != 4 || sscanf(argv[2], "%u", &port) != 1 ||
	    sscanf(argv[3], "%u", &period_ms) != 1 || port == 0 ||
	    port > 65535 || period_ms == 0) {
		(void)fprintf(stderr, "usage: beatd INTERFACE PORT PERIOD-MS\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)port);
	fd = socket_open(argv[1]);
	timer = timer_open(period_ms);
	if (fd < 0 || timer < 0 || boot_read(boot, sizeof(boot)) < 0) {
		(void)fprintf(stderr, "beatd: can't start on '%s'\n", argv[1]);
		return 1;
	}
	for (;;) {
		beat(fd, &to, boot);
		/* missed ticks are one beat: never a burst */
		(void)read(timer, &n, sizeof(n));
	}
}
