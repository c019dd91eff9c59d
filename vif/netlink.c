/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/netlink.c - one question to the kernel's routing netlink, one answer
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "vif/netlink.h"

#define ANSWER_BYTES	32768

void
nl_begin(struct nl_request *rq, uint16_t type, uint16_t flags, size_t fixed)
{
	memset(rq, 0, sizeof(*rq));
	rq->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(fixed);
	rq->head.nlmsg_type = type;
	rq->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	rq->head.nlmsg_seq = 1;
}

static uint8_t *
end_of(struct nl_request *rq)
{
	return (uint8_t *)rq + NLMSG_ALIGN(rq->head.nlmsg_len);
}

void
nl_put(struct nl_request *rq, uint16_t type, const void *data, size_t n)
{
	struct rtattr attr = { .rta_type = type,
	    .rta_len = (uint16_t)RTA_LENGTH(n) };
	uint8_t *at = end_of(rq);

	/* names and addresses: fixed small sizes */
	AV_ASSERT((size_t)(at - (uint8_t *)rq) + RTA_SPACE(n) <= sizeof(*rq));
	memcpy(at, &attr, sizeof(attr));
	if (n > 0)
		memcpy(at + RTA_LENGTH(0), data, n);
	rq->head.nlmsg_len = (uint32_t)((size_t)(at - (uint8_t *)rq) +
	    RTA_SPACE(n));
}

size_t
nl_open(struct nl_request *rq, uint16_t type)
{
	size_t mark = NLMSG_ALIGN(rq->head.nlmsg_len);

	nl_put(rq, type, NULL, 0);
	return mark;
}

void
nl_close(struct nl_request *rq, size_t mark)
{
	uint16_t n = (uint16_t)(rq->head.nlmsg_len - mark);

	memcpy((uint8_t *)rq + mark + offsetof(struct rtattr, rta_len), &n,
	    sizeof(n));
}

/* One datagram of answers.  1 = more may come, 0 = the end, or -errno. */
static int
take_answers(const void *buf, size_t n, void (*each)(void *arg,
    const struct nlmsghdr *m), void *arg)
{
	const struct nlmsghdr *m = buf;

	for (; NLMSG_OK(m, n); m = NLMSG_NEXT(m, n)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
		if (each != NULL)
			each(arg, m);
	}
	return 1;
}

int
nl_talk(struct nl_request *rq, void (*each)(void *arg,
    const struct nlmsghdr *m), void *arg)
{
	AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
	    NETLINK_ROUTE);
	AUTO_FREE uint8_t *buf = malloc(ANSWER_BYTES);
	struct timeval limit = { .tv_sec = 2 };	/* it answers in microseconds */
	int rc = 1;

	if (fd < 0)
		return -errno;
	if (buf == NULL)
		return -ENOMEM;
	rq->head.nlmsg_flags |= NLM_F_ACK;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, rq, rq->head.nlmsg_len, 0) < 0)
		return -errno;
	while (rc == 1) {
		ssize_t r = recv(fd, buf, ANSWER_BYTES, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		rc = take_answers(buf, (size_t)r, each, arg);
	}
	return rc;
}

const void *
nl_find(const struct rtattr *first, size_t bytes, uint16_t type, size_t *ret_n)
{
	const struct rtattr *a = first;

	for (; RTA_OK(a, bytes); a = RTA_NEXT(a, bytes))
		if ((a->rta_type & NLA_TYPE_MASK) == type) {
			*ret_n = RTA_PAYLOAD(a);
			return RTA_DATA(a);
		}
	return NULL;
}
