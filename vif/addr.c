/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/addr.c - addresses of interfaces, and telling the wire about them
 *
 * Gratuitous ARP: RFC 5227 section 3 (an announcement is a request with equal
 * sender and target address).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vif/nl.h"
#include "vif/vif.h"

#define ANNOUNCE_TIMES	3

struct ip {
	int	family;
	uint8_t	bytes[16];
	size_t	n;
	uint8_t	prefix;
};

/* "10.0.0.5/24"; without "/..." the prefix is the whole address. */
static int
ip_parse(const char *text, struct ip *ret, struct av_err *err)
{
	struct ip ip = {0};
	char host[64], *slash;
	uint64_t prefix;

	(void)snprintf(host, sizeof(host), "%s", text);
	slash = strchr(host, '/');
	if (slash != NULL)
		*slash = '\0';
	if (inet_pton(AF_INET, host, ip.bytes) == 1) {
		ip.family = AF_INET;
		ip.n = 4;
	} else if (inet_pton(AF_INET6, host, ip.bytes) == 1) {
		ip.family = AF_INET6;
		ip.n = 16;
	} else {
		return av_err_set(err, -EINVAL, "not an IP address");
	}
	prefix = ip.n * 8;
	if (slash != NULL && (av_parse_u64(slash + 1, &prefix) < 0 ||
	    prefix > ip.n * 8))
		return av_err_set(err, -EINVAL, "not an IP address");
	ip.prefix = (uint8_t)prefix;
	*ret = ip;
	return 0;
}

static int
addr_change(const char *ifname, const char *addr, bool add, struct av_err *err)
{
	struct ifaddrmsg m = {0};
	struct vif_link l;
	struct nl_req q;
	struct ip ip;
	int rc = ip_parse(addr, &ip, err);

	if (rc == 0)
		rc = vif_link_get(ifname, &l, err);
	if (rc < 0)
		return rc;
	m.ifa_family = (uint8_t)ip.family;
	m.ifa_prefixlen = ip.prefix;
	m.ifa_index = (uint32_t)l.ifindex;
	if (ip.family == AF_INET6)
		m.ifa_flags = IFA_F_NODAD;	/* usable at once */
	nl_begin(&q, add ? RTM_NEWADDR : RTM_DELADDR, (uint16_t)(NLM_F_ACK |
	    (add ? NLM_F_CREATE | NLM_F_REPLACE : 0)), &m, sizeof(m));
	nl_attr(&q, IFA_LOCAL, ip.bytes, ip.n);
	nl_attr(&q, IFA_ADDRESS, ip.bytes, ip.n);
	rc = nl_ask(&q, NULL, NULL);
	if (rc == (add ? -EEXIST : -EADDRNOTAVAIL))
		return 0;			/* so it is already */
	return rc < 0 ? av_err_set(err, rc, "interface '%s': %s %s: %s", ifname,
	    add ? "add" : "remove", addr, strerror(-rc)) : 0;
}

int
vif_addr_add(const char *ifname, const char *addr, struct av_err *err)
{
	return addr_change(ifname, addr, true, err);
}

int
vif_addr_remove(const char *ifname, const char *addr, struct av_err *err)
{
	return addr_change(ifname, addr, false, err);
}

static unsigned
bits(const void *mask, size_t n)
{
	const uint8_t *m = mask;
	unsigned count = 0;

	while (n-- > 0)
		count += (unsigned)__builtin_popcount(*m++);
	return count;
}

static bool
addr_text(const struct ifaddrs *a, struct vif_addr *ret)
{
	struct sockaddr_in v4, m4;
	struct sockaddr_in6 v6, m6;
	char host[INET6_ADDRSTRLEN];
	unsigned prefix;

	if (a->ifa_addr == NULL || a->ifa_netmask == NULL)
		return false;
	ret->family = a->ifa_addr->sa_family;
	if (ret->family == AF_INET) {
		memcpy(&v4, a->ifa_addr, sizeof(v4));
		memcpy(&m4, a->ifa_netmask, sizeof(m4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
		prefix = bits(&m4.sin_addr, 4);
	} else if (ret->family == AF_INET6) {
		memcpy(&v6, a->ifa_addr, sizeof(v6));
		memcpy(&m6, a->ifa_netmask, sizeof(m6));
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
		prefix = bits(&m6.sin6_addr, 16);
	} else {
		return false;
	}
	(void)snprintf(ret->text, sizeof(ret->text), "%s/%u", host, prefix);
	(void)snprintf(ret->ifname, sizeof(ret->ifname), "%.15s", a->ifa_name);
	return true;
}

int
vif_addr_list(const char *ifname, struct vif_addr *ret, size_t max,
    struct av_err *err)
{
	struct ifaddrs *all, *a;
	struct vif_addr one;
	int n = 0;

	if (getifaddrs(&all) < 0)
		return av_err_set(err, -errno, "addresses: %s",
		    strerror(errno));
	for (a = all; a != NULL; a = a->ifa_next) {
		memset(&one, 0, sizeof(one));
		if ((ifname != NULL && strcmp(a->ifa_name, ifname) != 0) ||
		    !addr_text(a, &one))
			continue;
		if ((size_t)n < max)
			ret[n] = one;
		n++;
	}
	freeifaddrs(all);
	return n;
}

/* ------------------------------ announcing -------------------------------- */

static void
arp_frame(const uint8_t mac[6], const uint8_t ip[4], uint8_t f[42])
{
	static const uint8_t head[] = { 0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0,
		1 };	/* ARP; Ethernet, IPv4, sizes, request */

	memset(f, 0, 42);
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	memcpy(f + 12, head, sizeof(head));
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, ip, 4);
	memcpy(f + 38, ip, 4);
}

static int
frame_send(int ifindex, const uint8_t *frame, size_t n)
{
	AUTO_FD int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_ifindex = ifindex, .sll_halen = 6 };

	if (fd < 0)
		return -errno;
	memset(to.sll_addr, 0xff, 6);
	return sendto(fd, frame, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ?
	    -errno : 0;
}

struct announce {
	sd_event_source	*timer;
	unsigned	 left;
	int		 ifindex;
	uint8_t		 frame[42];
};

static void
announce_free(void *p)
{
	struct announce *a = p;

	/* runs when the loop drops the floating timer */
	free(a);
}

static int
announce_again(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct announce *a = ctx;

	(void)usec;
	/* a lost one is what the others are for */
	(void)frame_send(a->ifindex, a->frame, sizeof(a->frame));
	if (--a->left > 0) {
		(void)sd_event_source_set_time_relative(s, 500000);
		(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
		return 0;
	}
	(void)sd_event_source_set_floating(s, 0);	/* drops it: frees 'a' */
	return 0;
}

static int
announce_later(sd_event *event, int ifindex, const uint8_t frame[42])
{
	struct announce *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL)
		return -ENOMEM;
	a->left = ANNOUNCE_TIMES - 1;
	a->ifindex = ifindex;
	memcpy(a->frame, frame, sizeof(a->frame));
	r = sd_event_add_time_relative(event, &a->timer, CLOCK_MONOTONIC,
	    200000, 10000, announce_again, a);
	if (r < 0) {
		free(a);
		return r;
	}
	(void)sd_event_source_set_destroy_callback(a->timer, announce_free);
	(void)sd_event_source_set_floating(a->timer, 1);
	sd_event_source_unref(a->timer);	/* the loop holds it */
	return 0;
}

int
vif_announce(sd_event *event, const char *ifname, const char *addr,
    struct av_err *err)
{
	uint8_t frame[42];
	struct vif_link l;
	struct ip ip;
	int i, rc = ip_parse(addr, &ip, err);

	if (rc == 0)
		rc = vif_link_get(ifname, &l, err);
	if (rc < 0)
		return rc;
	if (ip.family != AF_INET)
		return av_err_set(err, -EAFNOSUPPORT,
		    "only IPv4 addresses are announced");
	arp_frame(l.mac, ip.bytes, frame);
	rc = frame_send(l.ifindex, frame, sizeof(frame));
	if (rc == 0 && event != NULL)
		rc = announce_later(event, l.ifindex, frame);
	for (i = 1; rc == 0 && event == NULL && i < ANNOUNCE_TIMES; i++)
		rc = frame_send(l.ifindex, frame, sizeof(frame));
	return rc < 0 ? av_err_set(err, rc, "interface '%s': announce: %s",
	    ifname, strerror(-rc)) : 0;
}

int
vif_announce_mac(const char *bridge, const uint8_t mac[6], struct av_err *err)
{
	uint8_t f[42] = {0};
	struct vif_link l;
	int rc = vif_link_get(bridge, &l, err);

	if (rc < 0)
		return rc;
	/* RARP "who am I" (RFC 903), as hypervisors send after a move */
	arp_frame(mac, (const uint8_t[4]){ 0 }, f);
	f[12] = 0x80;
	f[13] = 0x35;
	f[21] = 3;
	memcpy(f + 32, mac, 6);
	rc = frame_send(l.ifindex, f, sizeof(f));
	return rc < 0 ? av_err_set(err, rc, "interface '%s': announce: %s",
	    bridge, strerror(-rc)) : 0;
}
