/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/be_vif.c - a guest's interface goes into its bridge
 *
 * libxl runs this program as its script for adapters, once for each:
 *
 *	av-xenrun online|offline type_if=vif	XENBUS_PATH, vif (the kernel's name)
 *	av-xenrun add|remove type_if=tap	XENBUS_PATH, INTERFACE (QEMU's, made)
 *
 * Xen's own script is some dozens of processes; the guest waits for them when it is
 * started and, standing still, when it is moved.
 */
#include "vmm/xenrun/be.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <xenstore.h>

#include "base/cleanup.h"

static int
name_set(char dst[IFNAMSIZ], const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= IFNAMSIZ)
		return -ENAMETOOLONG;
	memcpy(dst, name, n + 1);
	return 0;
}

static int
up_down(int s, const char *name, bool up)
{
	struct ifreq r = {0};

	if (name_set(r.ifr_name, name) < 0 || ioctl(s, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP :
	    r.ifr_flags & ~IFF_UP);
	return ioctl(s, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

/* The kernel names it by domain and device; ours is what the agent looks for. */
static int
name_change(int s, const char *from, const char *to)
{
	struct ifreq r = {0};

	if (strcmp(from, to) == 0 || if_nametoindex(to) != 0)
		return 0;
	if (name_set(r.ifr_name, from) < 0 || name_set(r.ifr_newname, to) < 0)
		return -ENAMETOOLONG;
	return ioctl(s, SIOCSIFNAME, &r) < 0 ? -errno : 0;
}

/* A bridge's frames are as long as the shortest of its ports allows. */
static void
mtu_take(int s, const char *bridge, const char *name)
{
	struct ifreq r = {0};

	if (name_set(r.ifr_name, bridge) == 0 &&
	    ioctl(s, SIOCGIFMTU, &r) == 0 && name_set(r.ifr_name, name) == 0)
		(void)ioctl(s, SIOCSIFMTU, &r);	/* not before the guest is there */
}

static int
bridge_join(int s, const char *bridge, const char *name)
{
	struct ifreq r = {0};

	if (name_set(r.ifr_name, bridge) < 0)
		return -ENAMETOOLONG;
	r.ifr_ifindex = (int)if_nametoindex(name);
	if (r.ifr_ifindex == 0)
		return -errno;
	return ioctl(s, SIOCBRADDIF, &r) < 0 && errno != EBUSY ? -errno : 0;
}

static char *
store_get(struct xs_handle *xs, const char *base, const char *key)
{
	char path[160];
	unsigned n;

	(void)snprintf(path, sizeof(path), "%.120s/%s", base, key);
	return xs_read(xs, XBT_NULL, path, &n);	/* NUL-terminated */
}

static bool
connected_say(struct xs_handle *xs, const char *base)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%.120s/hotplug-status", base);
	return xs_write(xs, XBT_NULL, path, "connected", 9);
}

static int
interface_use(struct xs_handle *xs, int s, const char *base, bool tap)
{
	AUTO_FREE char *bridge = store_get(xs, base, "bridge");
	AUTO_FREE char *own = tap ? NULL : store_get(xs, base, "vifname");
	const char *name = getenv(tap ? "INTERFACE" : "vif");
	int rc = 0;

	if (bridge == NULL || name == NULL)
		return -EINVAL;
	if (own != NULL) {
		rc = if_nametoindex(name) != 0 ? up_down(s, name, false) : 0;
		if (rc == 0)
			rc = name_change(s, name, own);
		name = own;
	}
	if (rc < 0)
		return rc;
	mtu_take(s, bridge, name);
	rc = bridge_join(s, bridge, name);
	if (rc == 0)
		rc = up_down(s, name, true);
	/* the kernel's side waits for this word */
	return rc == 0 && !tap && !connected_say(xs, base) ? -EIO : rc;
}

int
xr_be_vif(const char *action, bool tap)
{
	const char *base = getenv("XENBUS_PATH");
	AUTO_FD int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct xs_handle *xs;
	int rc;

	/* it goes with its device */
	if (strcmp(action, "offline") == 0 || strcmp(action, "remove") == 0)
		return 0;
	if (base == NULL || s < 0)
		return -EINVAL;
	xs = xs_open(0);
	if (xs == NULL)
		return -EIO;
	rc = interface_use(xs, s, base, tap);
	xs_close(xs);
	return rc;
}
