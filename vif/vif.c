/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/vif.c - links: bridges, ports, taps
 */
#include "vif/vif.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "vif/nl.h"

static int
name_check(const char *ifname, struct av_err *err)
{
	return vif_name_ok(ifname) ? 0 : av_err_set(err, -EINVAL,
	    "not an interface's name");
}

static int
fail(struct av_err *err, int rc, const char *ifname, const char *what)
{
	return av_err_set(err, rc, "interface '%s': %s: %s", ifname, what,
	    strerror(-rc));
}

/* ------------------------------- looking ---------------------------------- */

static void
link_info(const struct rtattr *a, struct vif_link *l)
{
	const struct rtattr *b = RTA_DATA(a);
	size_t n = RTA_PAYLOAD(a);

	for (; RTA_OK(b, n); b = RTA_NEXT(b, n))
		if (b->rta_type == IFLA_INFO_KIND)
			(void)snprintf(l->kind, sizeof(l->kind), "%.*s",
			    (int)RTA_PAYLOAD(b), (const char *)RTA_DATA(b));
	l->is_bridge = strcmp(l->kind, "bridge") == 0;
}

static void
link_read(void *ctx, const struct nlmsghdr *h)
{
	struct vif_link *l = ctx;
	const struct ifinfomsg *m = NLMSG_DATA(h);
	const struct rtattr *a = IFLA_RTA(m);
	size_t n = IFLA_PAYLOAD(h);
	struct rtnl_link_stats64 st;
	uint32_t master;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	l->ifindex = m->ifi_index;
	l->up = m->ifi_flags & IFF_UP;
	for (; RTA_OK(a, n); a = RTA_NEXT(a, n)) {
		if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == 6)
			memcpy(l->mac, RTA_DATA(a), 6);
		if (a->rta_type == IFLA_MASTER && RTA_PAYLOAD(a) == 4) {
			memcpy(&master, RTA_DATA(a), 4);
			if (if_indextoname(master, l->master) == NULL)
				l->master[0] = '\0';
		}
		if (a->rta_type == IFLA_CARRIER && RTA_PAYLOAD(a) >= 1)
			l->carrier = *(const uint8_t *)RTA_DATA(a) != 0;
		if (a->rta_type == IFLA_LINKINFO)
			link_info(a, l);
		if (a->rta_type == IFLA_STATS64 &&
		    RTA_PAYLOAD(a) >= 2 * sizeof(uint64_t)) {
			memset(&st, 0, sizeof(st));
			memcpy(&st, RTA_DATA(a), RTA_PAYLOAD(a) < sizeof(st) ?
			    RTA_PAYLOAD(a) : sizeof(st));
			l->rx_packets = st.rx_packets;
			l->tx_packets = st.tx_packets;
		}
	}
}

int
vif_link_get(const char *ifname, struct vif_link *ret, struct av_err *err)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	struct vif_link l = {0};
	struct nl_req q;
	int rc = name_check(ifname, err);

	if (rc < 0)
		return rc;
	nl_begin(&q, RTM_GETLINK, 0, &m, sizeof(m));
	nl_attr(&q, IFLA_IFNAME, ifname, strlen(ifname) + 1);
	rc = nl_ask(&q, link_read, &l);
	if (rc < 0)
		return fail(err, rc, ifname, "look");
	*ret = l;
	return 0;
}

int
vif_rx_packets(const char *ifname, uint64_t *ret)
{
	struct vif_link l;
	int rc = vif_link_get(ifname, &l, NULL);

	if (rc == 0)
		*ret = l.rx_packets;
	return rc;
}

/* ------------------------------- changing --------------------------------- */

static int
link_change(const char *ifname, int ifindex, unsigned flags, unsigned mask,
    const uint32_t *master, struct av_err *err, const char *what)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC,
		.ifi_index = ifindex, .ifi_flags = flags, .ifi_change = mask };
	struct nl_req q;
	int rc;

	nl_begin(&q, RTM_NEWLINK, NLM_F_ACK, &m, sizeof(m));
	if (master != NULL)
		nl_attr(&q, IFLA_MASTER, master, sizeof(*master));
	rc = nl_ask(&q, NULL, NULL);
	return rc < 0 ? fail(err, rc, ifname, what) : 0;
}

static int
link_delete(const char *ifname, int ifindex, struct av_err *err)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	struct nl_req q;
	int rc;

	nl_begin(&q, RTM_DELLINK, NLM_F_ACK, &m, sizeof(m));
	rc = nl_ask(&q, NULL, NULL);
	return rc < 0 && rc != -ENODEV ? fail(err, rc, ifname, "delete") : 0;
}

int
vif_link_set_up(const char *ifname, bool up, struct av_err *err)
{
	struct vif_link l;
	int rc = vif_link_get(ifname, &l, err);

	if (rc < 0 || l.up == up)
		return rc;
	return link_change(ifname, l.ifindex, up ? IFF_UP : 0, IFF_UP, NULL,
	    err, up ? "switch on" : "switch off");
}

static int
bridge_make(const char *bridge, struct av_err *err)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	/* IFLA_LINKINFO { IFLA_INFO_KIND "bridge" }, written out */
	struct rtattr kind = { RTA_LENGTH(6), IFLA_INFO_KIND };
	uint8_t info[RTA_SPACE(6)] = {0};
	struct nl_req q;
	int rc;

	memcpy(info, &kind, sizeof(kind));
	memcpy(info + RTA_LENGTH(0), "bridge", 6);
	nl_begin(&q, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &m,
	    sizeof(m));
	nl_attr(&q, IFLA_IFNAME, bridge, strlen(bridge) + 1);
	nl_attr(&q, IFLA_LINKINFO, info, sizeof(info));
	rc = nl_ask(&q, NULL, NULL);
	return rc < 0 && rc != -EEXIST ? fail(err, rc, bridge, "make") : 0;
}

int
vif_bridge_ensure(const char *bridge, struct av_err *err)
{
	struct vif_link l;
	int rc = name_check(bridge, err);

	if (rc < 0)
		return rc;
	rc = vif_link_get(bridge, &l, NULL);
	if (rc == -ENODEV) {
		rc = bridge_make(bridge, err);
		if (rc == 0)
			rc = vif_link_get(bridge, &l, err);
	}
	if (rc < 0)
		return rc;
	if (!l.is_bridge)
		return av_err_set(err, -EEXIST, "interface '%s' is no bridge",
		    bridge);
	return vif_link_set_up(bridge, true, err);
}

int
vif_bridge_delete(const char *bridge, struct av_err *err)
{
	struct vif_link l;
	int rc = name_check(bridge, err);

	if (rc < 0)
		return rc;
	rc = vif_link_get(bridge, &l, NULL);
	if (rc == -ENODEV)
		return 0;
	if (rc < 0)
		return fail(err, rc, bridge, "look");
	if (!l.is_bridge)
		return av_err_set(err, -EEXIST, "interface '%s' is no bridge",
		    bridge);
	return link_delete(bridge, l.ifindex, err);
}

int
vif_port_add(const char *bridge, const char *ifname, struct av_err *err)
{
	struct vif_link b, l;
	uint32_t master;
	int rc = vif_link_get(bridge, &b, err);

	if (rc == 0)
		rc = vif_link_get(ifname, &l, err);
	if (rc < 0)
		return rc;
	if (!b.is_bridge)
		return av_err_set(err, -EEXIST, "interface '%s' is no bridge",
		    bridge);
	if (strcmp(l.master, bridge) == 0)
		return 0;
	master = (uint32_t)b.ifindex;
	return link_change(ifname, l.ifindex, 0, 0, &master, err,
	    "join the bridge");
}

int
vif_port_remove(const char *ifname, struct av_err *err)
{
	const uint32_t none = 0;
	struct vif_link l;
	int rc = vif_link_get(ifname, &l, err);

	if (rc < 0 || l.master[0] == '\0')
		return rc;
	return link_change(ifname, l.ifindex, 0, 0, &none, err,
	    "leave the bridge");
}

/* ---------------------------------- taps ---------------------------------- */

/* Attaches, makes it persistent, lets go: it stays for QEMU to open. */
static int
tap_make(const char *ifname, uid_t owner, struct av_err *err)
{
	AUTO_FD int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq r = {0};

	if (fd < 0)
		return fail(err, -errno, ifname, "/dev/net/tun");
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", ifname);
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		return fail(err, -errno, ifname, "make the tap");
	if (owner != (uid_t)-1 &&
	    ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0)
		return fail(err, -errno, ifname, "set the owner");
	if (ioctl(fd, TUNSETPERSIST, 1ul) < 0)
		return fail(err, -errno, ifname, "make it stay");
	return 0;
}

/* A bridge takes the lowest MAC of its ports: fe is never the lowest, so the
 * bridge's own address doesn't change with its guests. */
static int
tap_high_mac(const struct vif_link *l, const char *ifname, struct av_err *err)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC,
		.ifi_index = l->ifindex };
	struct nl_req q;
	uint8_t mac[6];
	int rc;

	if (l->mac[0] == 0xfe)
		return 0;
	memcpy(mac, l->mac, 6);
	mac[0] = 0xfe;
	nl_begin(&q, RTM_NEWLINK, NLM_F_ACK, &m, sizeof(m));
	nl_attr(&q, IFLA_ADDRESS, mac, 6);
	rc = nl_ask(&q, NULL, NULL);
	return rc < 0 ? fail(err, rc, ifname, "set its MAC address") : 0;
}

int
vif_tap_ensure(const char *ifname, const char *bridge, uid_t owner,
    struct av_err *err)
{
	struct vif_link l;
	int rc = name_check(ifname, err);

	if (rc < 0)
		return rc;
	rc = vif_link_get(ifname, &l, NULL);
	if (rc == -ENODEV) {
		rc = tap_make(ifname, owner, err);
		if (rc == 0)
			rc = vif_link_get(ifname, &l, err);
	}
	if (rc < 0)
		return rc;
	if (strcmp(l.kind, "tun") != 0)
		return av_err_set(err, -EEXIST, "interface '%s' is no tap",
		    ifname);
	rc = tap_high_mac(&l, ifname, err);
	if (rc == 0)
		rc = vif_port_add(bridge, ifname, err);
	return rc < 0 ? rc : vif_link_set_up(ifname, true, err);
}

int
vif_tap_delete(const char *ifname, struct av_err *err)
{
	struct vif_link l;
	int rc = name_check(ifname, err);

	if (rc < 0)
		return rc;
	rc = vif_link_get(ifname, &l, NULL);
	if (rc == -ENODEV)
		return 0;
	if (rc < 0)
		return fail(err, rc, ifname, "look");
	if (strcmp(l.kind, "tun") != 0)
		return av_err_set(err, -EEXIST, "interface '%s' is no tap",
		    ifname);
	return link_delete(ifname, l.ifindex, err);
}
