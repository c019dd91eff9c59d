/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/nl.c - one rtnetlink request and its answer (rtnetlink(7))
 */
#include "vif/nl.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

void
nl_begin(struct nl_req *q, uint16_t type, uint16_t flags, const void *fixed,
    size_t n)
{
	memset(q, 0, sizeof(*q));
	q->h.nlmsg_type = type;
	q->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	q->h.nlmsg_seq = 1;
	memcpy(q->body, fixed, n);
	q->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(n);
}

void
nl_attr(struct nl_req *q, uint16_t type, const void *data, size_t n)
{
	size_t at = NLMSG_ALIGN(q->h.nlmsg_len);
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(n),
		.rta_type = type };

	if (at + RTA_LENGTH(n) > sizeof(*q)) {
		q->h.nlmsg_len = sizeof(*q) + 1;	/* nl_ask() refuses */
		return;
	}
	memcpy((uint8_t *)q + at, &a, sizeof(a));
	if (n > 0)
		memcpy((uint8_t *)q + at + RTA_LENGTH(0), data, n);
	q->h.nlmsg_len = (uint32_t)(at + RTA_LENGTH(n));
}

/* 1 = all has come, 0 = go on, or -errno. */
static int
nl_part(const uint8_t *buf, size_t n, bool dump, nl_each_fn *each, void *ctx)
{
	const struct nlmsghdr *h = (const void *)buf;

	for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			return e->error == 0 ? 1 : e->error;
		}
		if (each != NULL)
			each(ctx, h);
		if (!dump && !(h->nlmsg_flags & NLM_F_MULTI))
			return 1;
	}
	return 0;
}

int
nl_ask(struct nl_req *q, nl_each_fn *each, void *ctx)
{
	_Alignas(struct nlmsghdr) uint8_t buf[32768];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = 5 };
	bool dump = (q->h.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	AUTO_FD int fd = -1;
	int rc = 0;

	if (q->h.nlmsg_len > sizeof(*q))
		return -EMSGSIZE;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (sendto(fd, q, q->h.nlmsg_len, 0, (struct sockaddr *)&kernel,
	    sizeof(kernel)) < 0)
		return -errno;
	while (rc == 0) {
		ssize_t r = recv(fd, buf, sizeof(buf), 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		rc = nl_part(buf, (size_t)r, dump, each, ctx);
	}
	return rc < 0 ? rc : 0;
}
