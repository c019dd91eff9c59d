/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/vif.h - bridges, taps and addresses of this PM's network namespace
 *
 * What it is:	small, synchronous calls on the kernel (netlink and ioctl; each
 *		takes well under a millisecond), all idempotent: asking for what
 *		is so already is success.
 * What it isn't: it keeps no state and decides nothing.  It reads no sysfs, so
 *		it is right inside any network namespace.
 *
 * Threads:	any; no shared state (vif_announce(): the loop's thread).
 * Errors:	0 or -errno with a sentence.  -ENODEV: no such interface.
 *		-EEXIST: the name is taken by another kind of interface.
 *		-EINVAL: not a name or an address.
 */
#ifndef AV_VIF_H
#define AV_VIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/err.h"

#define VIF_NAME_MAX	15	/* bytes: [A-Za-z0-9._-], not "." or ".." */

struct vif_link {
	int		ifindex;
	bool		up;		/* switched on */
	bool		carrier;	/* a cable, or QEMU has the tap open */
	bool		is_bridge;
	uint8_t		mac[6];
	char		master[16];	/* bridge it is a port of, or "" */
	char		kind[16];	/* "bridge", "tun", "veth", "" = a NIC */
	uint64_t	rx_packets;	/* of a tap: frames that the guest sent */
	uint64_t	tx_packets;
};

/* 'family' is AF_INET or AF_INET6; 'text' is "10.0.0.1/24". */
struct vif_addr {
	char		ifname[16];
	char		text[64];
	int		family;
};

bool vif_name_ok(const char *ifname);

/* -ENODEV when there is none. */
int vif_link_get(const char *ifname, struct vif_link *ret, struct av_err *err);
/* Just the counter, in the form that vmm_env.rx_packets takes. */
int vif_rx_packets(const char *ifname, uint64_t *ret);
int vif_link_set_up(const char *ifname, bool up, struct av_err *err);

/* Makes the bridge if it isn't there (no STP) and switches it on. */
int vif_bridge_ensure(const char *bridge, struct av_err *err);
int vif_bridge_delete(const char *bridge, struct av_err *err);
/* Makes 'ifname' a port of 'bridge' (moves it when it is one of another). */
int vif_port_add(const char *bridge, const char *ifname, struct av_err *err);
int vif_port_remove(const char *ifname, struct av_err *err);

/* A persistent tap, up, in 'bridge'; QEMU opens it by name, as 'owner' ((uid_t)-1:
 * root only).  Its own MAC begins with fe so that a bridge never takes it on. */
int vif_tap_ensure(const char *ifname, const char *bridge, uid_t owner,
    struct av_err *err);
int vif_tap_delete(const char *ifname, struct av_err *err);

/* 'addr' is "10.0.0.5/24" or "fd00::5/64". */
int vif_addr_add(const char *ifname, const char *addr, struct av_err *err);
int vif_addr_remove(const char *ifname, const char *addr, struct av_err *err);
/* 'ifname' NULL = of all interfaces.  Writes at most 'max', returns how many there
 * are, or -errno. */
int vif_addr_list(const char *ifname, struct vif_addr *ret, size_t max,
    struct av_err *err);
/* Tells the wire that 'addr' (IPv4, with or without "/24") lives here now:
 * gratuitous ARP at once and twice more within a second, from 'event' (NULL: all
 * three at once).  The first one's error is returned; IPv6: -EAFNOSUPPORT. */
int vif_announce(sd_event *event, const char *ifname, const char *addr,
    struct av_err *err);
/* The same for a guest's port: one RARP-style frame from 'mac' out of 'bridge',
 * so that switches learn where the guest is now. */
int vif_announce_mac(const char *bridge, const uint8_t mac[6],
    struct av_err *err);

/* Deterministic and locally administered: the same on both PMs for the same unit
 * and counter; different counters of a unit never collide. */
int  vif_mac_make(const char *unit_uuid, uint32_t counter, uint8_t ret[6]);
/* "52:54:00:12:34:56", also with '-'; unicast and not zero, else -EINVAL. */
int  vif_mac_parse(const char *text, uint8_t ret[6]);
void vif_mac_format(const uint8_t mac[6], char ret[18]);

#endif
