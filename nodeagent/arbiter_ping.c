/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/arbiter_ping.c - the weak arbiter: can this PM still reach somebody?
 *
 * "10.0.0.1,10.0.0.2:443": an address alone is asked by ICMP echo, one with a port
 * by a TCP connection; one that answers is enough.  It has no memory, so it can't
 * refuse, can't tell who ran last, and grants BOTH PMs when they lost each other
 * but each still reaches an address.  Therefore order.c asks it only while the
 * unit was together in this very run of the agent, and only after a longer
 * lease; a start after both were down is never granted by it.
 *
 * Runs in the worker's thread.
 */
#include "nodeagent/arbiter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define TARGETS_MAX	8

struct target {
	struct sockaddr_storage	addr;
	socklen_t		len;
	bool			tcp;
	char			text[64];
};

struct ping {
	struct target	targets[TARGETS_MAX];
	size_t		n;
	uint64_t	timeout_ns;
	int		node;
};

static int
target_parse(struct target *t, const char *word, struct av_err *err)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&t->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&t->addr;
	char host[64];
	const char *end = word, *port = NULL;
	uint64_t v = 0;

	if (word[0] == '[') {
		end = strchr(++word, ']');
		port = end != NULL && end[1] == ':' ? end + 2 : NULL;
	} else {
		end = strchr(word, ':');
		if (end != NULL && strchr(end + 1, ':') != NULL)
			end = NULL;	/* IPv6 without a port */
		port = end != NULL ? end + 1 : NULL;
		if (end == NULL)
			end = word + strlen(word);
	}
	if (end == NULL || (size_t)(end - word) >= sizeof(host))
		return av_err_set(err, -EINVAL, "'%.60s' isn't an address or "
		    "ADDRESS:PORT", word);
	(void)snprintf(host, sizeof(host), "%.*s", (int)(end - word), word);
	if (port != NULL && (av_parse_u64(port, &v) < 0 || v < 1 || v > 65535))
		return av_err_set(err, -EINVAL, "'%.60s' has no port from 1 "
		    "to 65535", word);
	memset(&t->addr, 0, sizeof(t->addr));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)v);
		t->len = sizeof(*in);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)v);
		t->len = sizeof(*in6);
	} else {
		return av_err_set(err, -EINVAL, "'%.60s' isn't an IP address "
		    "(names may need a network to be found)", host);
	}
	t->tcp = port != NULL;
	(void)snprintf(t->text, sizeof(t->text), "%s", host);
	return 0;
}

static void
ping_close(void *drv)
{
	free(drv);
}

static int
ping_open(const struct arbiter_conf *conf, void **ret, struct av_err *err)
{
	AUTO_FREE char *copy = strdup(conf->address == NULL ? "" :
	    conf->address);
	struct ping *p = calloc(1, sizeof(*p));
	char *save = NULL, *word;
	int rc = 0;

	if (p == NULL || copy == NULL) {
		free(p);
		return av_err_set(err, -ENOMEM, "arbiter: no memory");
	}
	p->timeout_ns = conf->timeout_ns;
	p->node = conf->node;
	for (word = strtok_r(copy, ", ", &save); rc == 0 && word != NULL;
	    word = strtok_r(NULL, ", ", &save)) {
		if (p->n == TARGETS_MAX)
			rc = av_err_set(err, -E2BIG, "more than %d addresses",
			    TARGETS_MAX);
		else
			rc = target_parse(&p->targets[p->n++], word, err);
	}
	if (rc == 0 && p->n == 0)
		rc = av_err_set(err, -EINVAL, "arbiter 'ping' needs an address");
	if (rc < 0) {
		ping_close(p);
		return rc;
	}
	*ret = p;
	return 0;
}

/* --- asking --- */

/* A socket whose becoming ready may be the answer, or -1. */
static int
send_icmp(const struct target *t)
{
	bool v6 = t->addr.ss_family == AF_INET6;
	AUTO_FD int fd = socket(t->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	uint8_t echo[16] = { v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO };

	if (fd < 0)	/* net.ipv4.ping_group_range leaves root out by default */
		fd = socket(t->addr.ss_family, SOCK_RAW | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&t->addr,
	    t->len) < 0)
		return -1;
	echo[5] = 0x41;		/* identifier 'A', and our checksum for IPv4 */
	echo[7] = 1;
	if (!v6) {
		unsigned sum = (unsigned)(ICMP_ECHO << 8) + 0x41 + 1;

		sum = ~((sum >> 16) + (sum & 0xffff)) & 0xffff;
		echo[2] = (uint8_t)(sum >> 8);
		echo[3] = (uint8_t)sum;
	}
	if (send(fd, echo, sizeof(echo), 0) < 0)
		return -1;
	return TAKE_FD(fd);
}

static int
start_target(const struct target *t)
{
	AUTO_FD int fd = -1;

	if (!t->tcp)
		return send_icmp(t);
	fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (fd < 0 || (connect(fd, (const struct sockaddr *)&t->addr,
	    t->len) < 0 && errno != EINPROGRESS))
		return -1;
	return TAKE_FD(fd);
}

/* 1 = reached, 0 = not this, ask on, -1 = it won't answer any more. */
static int
look(const struct target *t, int fd)
{
	uint8_t buf[256];
	size_t at = 0;
	ssize_t n;
	int e = 0;
	socklen_t len = sizeof(e);

	if (t->tcp) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
			return -1;
		return e == 0 ? 1 : -1;	/* a refusal may be a firewall's */
	}
	n = recv(fd, buf, sizeof(buf), 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	/* a raw IPv4 socket gives the IP header, too */
	if (t->addr.ss_family == AF_INET && (buf[0] >> 4) == 4)
		at = (size_t)(buf[0] & 15) * 4;
	if (at >= (size_t)n)
		return 0;
	return buf[at] == (t->addr.ss_family == AF_INET6 ?
	    ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ? 1 : 0;
}

static bool
reached(const struct ping *p)
{
	uint64_t end_ns = av_clock_ns() + p->timeout_ns, now_ns;
	struct pollfd fds[TARGETS_MAX];
	bool found = false;
	size_t i;

	for (i = 0; i < p->n; i++) {
		fds[i].fd = start_target(&p->targets[i]);
		fds[i].events = p->targets[i].tcp ? POLLOUT : POLLIN;
		fds[i].revents = 0;
	}
	while (!found && (now_ns = av_clock_ns()) < end_ns) {
		int n = poll(fds, p->n, (int)((end_ns - now_ns) /
		    AV_NS_PER_MS) + 1);

		for (i = 0; n > 0 && i < p->n; i++) {
			int v = fds[i].fd < 0 || fds[i].revents == 0 ? 0 :
			    look(&p->targets[i], fds[i].fd);

			found |= v > 0;
			if (v < 0) {
				(void)close(fds[i].fd);
				fds[i].fd = -1;
			}
		}
	}
	for (i = 0; i < p->n; i++)
		if (fds[i].fd >= 0)
			(void)close(fds[i].fd);
	return found;
}

/* A claim is what one PM wants for itself out of 'both'. */
static bool
is_claim(const struct role_move *m, int node)
{
	return m->to_gen != 0 && m->to_owner == node && m->from_both_gen != 0;
}

static void
ping_run(void *drv, const struct role_move *m, struct arbiter_answer *ret)
{
	struct ping *p = drv;
	bool ok = reached(p);

	ret->kind = ROLE_EV_NO_ANSWER;
	ret->state = ok ? ARBITER_OK : ARBITER_UNREACHABLE;
	if (!ok)
		(void)snprintf(ret->text, sizeof(ret->text), "None of the "
		    "addresses answers (first: %s).", p->targets[0].text);
	if (m == NULL)
		return;
	/* what both PMs agreed upon needs nobody's memory */
	if ((ok && is_claim(m, p->node)) ||
	    (m->to_gen != 0 && m->to_owner < 0)) {
		ret->kind = ROLE_EV_GRANTED;
		ret->have_record = true;
		ret->record = (struct arbiter_record){ m->to_gen,
		    m->to_owner };
	} else if (ok) {
		(void)snprintf(ret->text, sizeof(ret->text), "Addresses that "
		    "only answer remember nothing.");
	}
}

const struct arbiter_ops arbiter_ping_ops = {
	.name = "ping",
	.open = ping_open,
	.close = ping_close,
	.run = ping_run,
};
