/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/nl.h - one rtnetlink request and its answer
 */
#ifndef AV_VIF_NL_H
#define AV_VIF_NL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct nl_req {
	struct nlmsghdr	 h;
	uint8_t		 body[512];
};

/* Begins a request whose fixed part is 'fixed' (n bytes). */
void nl_begin(struct nl_req *q, uint16_t type, uint16_t flags,
    const void *fixed, size_t n);
/* The request's size is the caller's to know; too much is -EMSGSIZE in nl_ask(). */
void nl_attr(struct nl_req *q, uint16_t type, const void *data, size_t n);

/* 'each' (may be NULL) gets every answer message. 0, or -errno as the kernel says. */
typedef void nl_each_fn(void *ctx, const struct nlmsghdr *h);
int nl_ask(struct nl_req *q, nl_each_fn *each, void *ctx);

#endif
