/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/netlink.h - one question to the kernel's routing netlink, one answer
 *
 * Internal to vif/.  Each call opens its own socket, so it always speaks with
 * the network namespace of the calling thread.
 */
#ifndef AV_VIF_NETLINK_H
#define AV_VIF_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct nl_request {
	struct nlmsghdr	 head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
	} u;
	uint8_t		 attrs[512];
};

/* 'fixed' = size of the member of 'u' that is used. */
void nl_begin(struct nl_request *rq, uint16_t type, uint16_t flags,
    size_t fixed);
void nl_put(struct nl_request *rq, uint16_t type, const void *data, size_t n);
/* Opens a nested attribute; nl_close() takes what this returned. */
size_t nl_open(struct nl_request *rq, uint16_t type);
void nl_close(struct nl_request *rq, size_t mark);

/* Sends it and reads answers until the end; 'each' (may be NULL) gets every
 * message that is not the end.  0 or the kernel's -errno. */
int nl_talk(struct nl_request *rq, void (*each)(void *arg,
    const struct nlmsghdr *m), void *arg);

/* Data of attribute 'type', or NULL; *ret_n its bytes. */
const void *nl_find(const struct rtattr *first, size_t bytes, uint16_t type,
    size_t *ret_n);

#endif
