/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/drill/witness.c - sees every guest's heartbeat, from outside the unit
 *
 *	witness run SOCKET LOG		in the world's network namespace
 *	witness ask SOCKET WORD...	one request, its answer on stdout
 *
 * Requests: 'name MAC NAME', 'watch SIDE PID' (PID: the first process of the PM,
 * at each power-on), 'mark' (a new window), 'report' (JSON), 'heard MS': ends with
 * 0 when every named VM was heard within MS, 'stop'.
 *
 * A frame's PM is learned from the cable it came by (port lan-node0 or lan-node1
 * of the outside switch) or from the PM in whose namespace it left a tap; its time
 * is the kernel's.  LOG: one line an event, milliseconds of CLOCK_MONOTONIC first.
 * What is concluded from frames: tests/drill/watch.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "tests/drill/procs.h"
#include "tests/drill/watch.h"

#define BEAT_PORT	7009
#define LOOK_MS		25
#define N_PMS		2

struct eye {			/* one packet socket */
	int		fd;	/* -1 = none */
	int		side;	/* -1: by the name of the interface */
	uint64_t	net_ns;
};

struct started {		/* a guest's process, of this window */
	uint64_t	at_ns;
	int		side;
};

static struct watch watch;
static struct procs procs;
static struct eye eyes[1 + N_PMS];
static struct started started[WATCH_VMS];
static FILE *log_file;
static bool ended;

static void note(uint64_t at_ns, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
note(uint64_t at_ns, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(log_file, "%llu ", at_ns / AV_NS_PER_MS);
	va_start(ap, fmt);
	(void)vfprintf(log_file, fmt, ap);
	va_end(ap);
	(void)fputc('\n', log_file);
	(void)fflush(log_file);
}

/* --- frames --- */

static int
eye_open(struct eye *e, int side, uint64_t net_ns)
{
	const struct sockaddr_ll any = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL) };
	int one = 1, room = 4 << 20;

	e->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (e->fd < 0)
		return -errno;
	(void)setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (setsockopt(e->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) < 0 ||
	    bind(e->fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	e->side = side;
	e->net_ns = net_ns;
	return 0;
}

/* In a PM: a guest's tap, not what it forwards or hears from its cables. */
static bool
is_tap(const char *name)
{
	return strcmp(name, "lo") != 0 && strncmp(name, "lan", 3) != 0 &&
	    strncmp(name, "net", 3) != 0 && strncmp(name, "priv", 4) != 0;
}

/* The socket's own namespace tells its interfaces' names; one that has just
 * gone is remembered. */
static int
eye_side(const struct eye *e, int ifindex)
{
	static struct { int fd, index; char name[IFNAMSIZ]; } known[64];
	static unsigned at;
	struct ifreq r = { .ifr_ifindex = ifindex };
	unsigned i;

	if (ioctl(e->fd, SIOCGIFNAME, &r) == 0) {
		known[at % 64].fd = e->fd;
		known[at % 64].index = ifindex;
		memcpy(known[at % 64].name, r.ifr_name, IFNAMSIZ);
		at++;
	} else {
		for (i = 0; i < 64; i++)
			if (known[i].fd == e->fd && known[i].index == ifindex)
				memcpy(r.ifr_name, known[i].name, IFNAMSIZ);
	}
	if (e->side >= 0)
		return is_tap(r.ifr_name) ? e->side : -1;
	if (strcmp(r.ifr_name, "lan-node0") == 0)
		return 0;
	return strcmp(r.ifr_name, "lan-node1") == 0 ? 1 : -1;
}

/* The kernel's time of the frame, as CLOCK_MONOTONIC. */
static uint64_t
frame_ns(struct msghdr *m)
{
	struct timespec ts, real;
	uint64_t now = av_clock_ns();
	struct cmsghdr *c;
	int64_t age;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		(void)clock_gettime(CLOCK_REALTIME, &real);
		age = (real.tv_sec - ts.tv_sec) * (int64_t)AV_NS_PER_S +
		    real.tv_nsec - ts.tv_nsec;
		return age > 0 && (uint64_t)age < now ? now - (uint64_t)age : now;
	}
	return now;
}

/* Ethernet, IPv4 without options of note, UDP to BEAT_PORT. */
static bool
frame_parse(const uint8_t *f, size_t n, struct watch_beat *b)
{
	size_t ip;

	if (n < 14 + 20 + 8 || f[12] != 8 || f[13] != 0 || f[14] >> 4 != 4 ||
	    f[14 + 9] != IPPROTO_UDP)
		return false;
	ip = (size_t)(f[14] & 15) * 4;
	if (n < 14 + ip + 8 || (f[14 + ip + 2] << 8 | f[14 + ip + 3]) != BEAT_PORT)
		return false;
	memcpy(b->mac, f + 6, 6);
	return watch_parse((const char *)f + 14 + ip + 8, n - 14 - ip - 8, b);
}

static void
beat_seen(const struct watch_beat *b)
{
	const struct watch_vm *vm;
	const struct watch_run *other;
	uint64_t back, gap;

	switch (watch_beat(&watch, b, &vm, &other)) {
	case WATCH_NEW_RUN:
		note(b->at_ns, "run %s node%d %s", vm->name, b->side, b->boot);
		break;
	case WATCH_DOUBLE:
	case WATCH_CLONE:
		note(b->at_ns, "DOUBLE %s: node%d boot %s beat %" PRIu64
		    " beside node%d boot %s, which spoke from %llu to %llu",
		    vm->name, b->side, b->boot, b->counter, other->side,
		    other->boot, other->first_ns / AV_NS_PER_MS,
		    other->last_ns / AV_NS_PER_MS);
		break;
	case WATCH_GAP:
		gap = watch_gap(&watch, vm, b->at_ns, &back);
		note(b->at_ns, "back %s node%d, longest silence %llu ms",
		    vm->name, b->side, gap / AV_NS_PER_MS);
		break;
	case WATCH_STRANGE:
		note(b->at_ns, "strange frame");
		break;
	case WATCH_OLD:
		break;
	}
}

static void
eye_read(struct eye *e)
{
	uint8_t frame[256];
	char control[128];
	struct sockaddr_ll from;
	struct watch_beat b;
	ssize_t n;
	int side;

	for (;;) {
		struct iovec iov = { frame, sizeof(frame) };
		struct msghdr m = { .msg_name = &from,
			.msg_namelen = sizeof(from), .msg_iov = &iov,
			.msg_iovlen = 1, .msg_control = control,
			.msg_controllen = sizeof(control) };

		n = recvmsg(e->fd, &m, 0);
		if (n < 0 && errno == ENETDOWN)
			continue;
		if (n < 0)
			return;
		memset(&b, 0, sizeof(b));
		if (from.sll_pkttype == PACKET_OUTGOING ||
		    !frame_parse(frame, (size_t)n, &b))
			continue;
		side = eye_side(e, from.sll_ifindex);
		if (side < 0)
			continue;
		b.side = side;
		b.point = e->side < 0 ? WATCH_CABLE : WATCH_INSIDE;
		b.at_ns = frame_ns(&m);
		beat_seen(&b);
	}
}

/* --- processes --- */

static void
process_seen(void *ctx, pid_t pid, const uint8_t mac[6], uint64_t net_ns,
    uint64_t now_ns)
{
	struct watch_vm *vm;
	int side = -1, i;

	(void)ctx;
	for (i = 0; i < N_PMS; i++)
		if (eyes[1 + i].fd >= 0 && eyes[1 + i].net_ns == net_ns)
			side = i;
	if (side < 0)
		return;		/* not of this unit */
	vm = watch_vm_get(&watch, mac);
	if (vm == NULL)
		return;
	note(now_ns, "process %s node%d %d", vm->name, side, (int)pid);
	started[vm - watch.vms].at_ns = now_ns;
	started[vm - watch.vms].side = side;
}

/* --- requests --- */

static json_t *
vm_json(const struct watch_vm *vm, uint64_t now_ns)
{
	const struct started *s = &started[vm - watch.vms];
	uint64_t back, gap = watch_gap(&watch, vm, now_ns, &back);
	int side = vm->n_runs > 0 ? vm->runs[vm->n_runs - 1].side : -1;

	return json_pack("{s:s, s:i, s:s, s:I, s:I, s:o, s:I, s:i, s:i, s:o}",
	    "name", vm->name, "side", side,
	    "boot", vm->n_runs > 0 ? vm->runs[vm->n_runs - 1].boot : "",
	    "age_ms", vm->heard_ns == 0 ? (json_int_t)-1 :
	    (json_int_t)((now_ns - vm->heard_ns) / AV_NS_PER_MS),
	    "gap_ms", (json_int_t)(gap / AV_NS_PER_MS),
	    "back_ms", back > watch.mark_ns ? json_integer(
	    (json_int_t)((back - watch.mark_ns) / AV_NS_PER_MS)) : json_null(),
	    "beats", (json_int_t)vm->n_beats, "new_runs", (int)vm->n_new_runs,
	    "moves", (int)vm->n_moves,
	    "process_ms", s->at_ns > watch.mark_ns ? json_integer(
	    (json_int_t)((s->at_ns - watch.mark_ns) / AV_NS_PER_MS)) :
	    json_null());
}

static char *
report(uint64_t now_ns)
{
	json_t *vms = json_array(), *all;
	char *text;
	size_t i;

	for (i = 0; i < WATCH_VMS; i++)
		if (watch.vms[i].used)
			(void)json_array_append_new(vms,
			    vm_json(&watch.vms[i], now_ns));
	all = json_pack("{s:I, s:i, s:i, s:o}", "since_mark_ms",
	    (json_int_t)((now_ns - watch.mark_ns) / AV_NS_PER_MS),
	    "double", (int)watch.n_double, "strange", (int)watch.n_strange,
	    "vms", vms);
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

static const char *
do_name(const char *mac_text, const char *name)
{
	unsigned v[6];
	uint8_t mac[6];
	struct watch_vm *vm;
	int i;

	if (sscanf(mac_text, "%2x:%2x:%2x:%2x:%2x:%2x", &v[0], &v[1], &v[2],
	    &v[3], &v[4], &v[5]) != 6)
		return "no MAC address";
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	vm = watch_vm_get(&watch, mac);
	if (vm == NULL)
		return "too many VMs";
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
	return "ok";
}

/* Into the PM's network for a moment: the socket stays there. */
static const char *
do_watch(const char *side_text, const char *pid_text)
{
	char path[64];
	int side, pid, home, there;
	const char *answer = "no such namespace";
	struct eye *e;

	if (sscanf(side_text, "%d", &side) != 1 || side < 0 || side >= N_PMS ||
	    sscanf(pid_text, "%d", &pid) != 1)
		return "SIDE is 0 or 1, PID a number";
	e = &eyes[1 + side];
	if (e->fd >= 0) {
		eye_read(e);
		(void)close(e->fd);	/* a socket */
		e->fd = -1;
	}
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (home >= 0 && there >= 0 && setns(there, CLONE_NEWNET) == 0) {
		answer = eye_open(e, side, procs_net_ns(pid)) == 0 ? "ok" :
		    "no packet socket there";
		if (setns(home, CLONE_NEWNET) < 0)
			abort();	/* the wrong cables from here on */
	}
	if (home >= 0)
		(void)close(home);	/* read-only */
	if (there >= 0)
		(void)close(there);	/* read-only */
	return answer;
}

static bool
all_heard(uint64_t now_ns, const char *ms_text)
{
	uint64_t ms;
	size_t i;

	if (sscanf(ms_text, "%" SCNu64, &ms) != 1)
		return false;
	for (i = 0; i < WATCH_VMS; i++) {
		const struct watch_vm *vm = &watch.vms[i];

		if (vm->used && (vm->heard_ns == 0 ||
		    now_ns - vm->heard_ns > ms * AV_NS_PER_MS))
			return false;
	}
	return true;
}

static void
request(int fd)
{
	char line[256] = "", word[16] = "", a[64] = "", b[64] = "";
	uint64_t now;
	const char *answer = "?";
	char *text = NULL;
	ssize_t n = read(fd, line, sizeof(line) - 1);

	if (n <= 0)
		return;
	eye_read(&eyes[0]);	/* what came before the question counts */
	now = av_clock_ns();
	(void)sscanf(line, "%15s %63s %63s", word, a, b);
	if (strcmp(word, "name") == 0) {
		answer = do_name(a, b);
	} else if (strcmp(word, "watch") == 0) {
		answer = do_watch(a, b);
	} else if (strcmp(word, "mark") == 0) {
		watch_mark(&watch, now);
		note(now, "mark %s", a);
		answer = "ok";
	} else if (strcmp(word, "report") == 0) {
		answer = text = report(now);
	} else if (strcmp(word, "heard") == 0) {
		answer = all_heard(now, a) ? "ok" : "no";
	} else if (strcmp(word, "stop") == 0) {
		ended = true;
		answer = "ok";
	}
	if (answer != NULL)
		(void)dprintf(fd, "%s\n", answer);
	free(text);
}

static int
socket_address(const char *path, struct sockaddr_un *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", path);
	return 0;
}

static int
listen_on(const char *path)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unlink(path);
	if (fd < 0 || socket_address(path, &sa) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 8) < 0)
		return -1;
	return fd;
}

static int
run(const char *path, const char *log_path)
{
	struct pollfd p[2 + N_PMS];
	uint64_t looked = 0, now;
	int i, fd, lfd;

	log_file = fopen(log_path, "ae");
	if (log_file == NULL)
		return 1;
	for (i = 0; i < 1 + N_PMS; i++)
		eyes[i].fd = -1;
	if (eye_open(&eyes[0], -1, 0) < 0 || (lfd = listen_on(path)) < 0) {
		(void)fprintf(stderr, "witness: %s\n", strerror(errno));
		return 1;
	}
	while (!ended) {
		for (i = 0; i < 1 + N_PMS; i++)
			p[i] = (struct pollfd){ eyes[i].fd, POLLIN, 0 };
		p[i] = (struct pollfd){ lfd, POLLIN, 0 };
		if (poll(p, 2 + N_PMS, LOOK_MS) < 0)
			continue;
		for (i = 0; i < 1 + N_PMS; i++)
			if (eyes[i].fd >= 0 && p[i].revents != 0)
				eye_read(&eyes[i]);
		now = av_clock_ns();
		if (now - looked >= LOOK_MS * AV_NS_PER_MS) {
			procs_look(&procs, now, process_seen, NULL);
			looked = now;
		}
		if (p[1 + N_PMS].revents == 0)
			continue;
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			request(fd);
			(void)close(fd);	/* a socket */
		}
	}
	return 0;
}

static int
ask(const char *path, int n, char **words)
{
	struct sockaddr_un sa;
	char line[256], answer[8192];
	size_t at = 0;
	ssize_t r = -1;
	int i, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (i = 0; i < n; i++)
		at += (size_t)snprintf(line + at, at < sizeof(line) ?
		    sizeof(line) - at : 0, "%s ", words[i]);
	if (at >= sizeof(line) || fd < 0 || socket_address(path, &sa) < 0 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    write(fd, line, at) != (ssize_t)at) {
		(void)fprintf(stderr, "witness: '%s' doesn't answer\n", path);
		return 2;
	}
	at = 0;
	while (at < sizeof(answer) - 1 &&
	    (r = read(fd, answer + at, sizeof(answer) - 1 - at)) > 0)
		at += (size_t)r;
	answer[at] = '\0';
	if (strcmp(answer, "ok\n") == 0)
		return 0;
	if (answer[0] == '{') {
		(void)fputs(answer, stdout);
		return 0;
	}
	if (strcmp(answer, "no\n") != 0)
		(void)fprintf(stderr, "witness: %s", answer);
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv[3]);
	if (argc >= 4 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], argc - 3, argv + 3);
	(void)fprintf(stderr, "usage: witness run SOCKET LOG\n"
	    "       witness ask SOCKET WORD...\n");
	return 2;
}
