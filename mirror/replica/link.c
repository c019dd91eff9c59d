/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/link.c - the primary's connection to its peer
 *
 * Jobs stand in one list (mu), in the order in which they are sent.  Whoever
 * calls link_push() sends all that nobody sent yet, also of others; one at a time
 * does, so its work is theirs, too.  One thread receives: it finishes jobs and
 * runs their 'done_fn', or wakes who waits.  One sends for the link thread, which
 * never touches the network once connected: it judges when a peer is lost.
 *
 * A job is over when its reply is here and its sender has let go of it.
 *
 *   idle --primary, wants_connect--> tcp --> tls+nbd --> handshake --> up
 *    ^                                |          |           |         |
 *    '---- back-off ------------------'----------'-----------'--lost---'
 *
 * Lost: an error, or nothing heard for peer_timeout while something (at least a
 * ping) is outstanding.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mirror/replica/server.h"
#include "mirror/replica/window.h"
#include "mirror/replica/wire.h"

#define BACKOFF_MIN_NS	(5 * AV_NS_PER_MS)	/* doubled each time */
#define BACKOFF_MAX_NS	(200 * AV_NS_PER_MS)
#define BATCH_MAX	32u		/* jobs sent at once */
#define BATCH_BYTES	(256u << 10)

struct link {
	struct srv	*s;
	struct wire	*w;		/* NULL = not connected */
	struct link_job	 jobs;		/* list head; all not yet done */
	bool		 sending, receiving;	/* somebody is inside 'w' */
	bool		 closing;	/* nobody may go there any more */
	int		 rc;		/* what broke it */
	uint64_t	 next_cookie;
	uint64_t	 heard_ns;	/* last completion, or quiet before */
	size_t		 n_out;		/* sent, not done */
	size_t		 n_unsent;
	bool		 shaking;	/* cv tells of each job's end */
	pthread_cond_t	 send_cv;	/* there is something for the sender */
	struct link_job	 ping;
	uint8_t		 ping_msg[PROTO_BYTES];
	bool		 ping_out;
	uint64_t	 ping_due_ns;
	size_t		 addr;		/* last one that worked */
};

static uint64_t
timeout_ns(const struct srv *s)
{
	return s->p.peer_timeout_ms * AV_NS_PER_MS;
}

uint64_t
srv_mailbox_offset(const struct srv *s)
{
	return window_mailbox(s->layout_bytes);
}

void
link_wake(struct srv *s)
{
	pthread_mutex_lock(&s->mu);
	pthread_cond_broadcast(&s->cv);
	pthread_mutex_unlock(&s->mu);
}

/* --- jobs (mu held) --- */

static void
job_unlink(struct link_job *j)
{
	j->prev->next = j->next;
	j->next->prev = j->prev;
}

static void
job_link(struct link *l, struct link_job *j)
{
	j->l = l;
	j->done = j->submitted = j->sent = j->replied = false;
	j->cookie = l->next_cookie++;
	j->prev = l->jobs.prev;
	j->next = &l->jobs;
	l->jobs.prev->next = j;
	l->jobs.prev = j;
	l->n_unsent++;
}

/* 'ready' gets it if it has a 'done_fn': to be called without mu. */
static void
job_finish(struct link_job *j, struct link_job **ready)
{
	struct link *l = j->l;

	job_unlink(j);
	if (!j->submitted)
		l->n_unsent--;
	j->done = true;
	if (j == &l->ping)
		l->ping_out = false;
	if (l->shaking)
		pthread_cond_broadcast(&l->s->cv);
	if (j->done_fn == NULL) {
		pthread_cond_signal(&j->cv);
		return;
	}
	while (*ready != NULL)
		ready = &(*ready)->next;
	j->next = NULL;
	*ready = j;
}

/* mu not held. */
static void
run_ready(struct link_job *j)
{
	while (j != NULL) {
		struct link_job *next = j->next;	/* j goes */

		j->done_fn(j, next != NULL && next->group == j->group);
		j = next;
	}
}

bool
link_submit(struct srv *s, uint64_t count, struct link_job *j)
{
	if (count == 0 || s->link_count != count || s->link_drop) {
		j->done = true;
		j->rc = ENOTCONN;
		return false;
	}
	job_link(s->link, j);
	return true;
}

int
link_wait(struct srv *s, struct link_job *j)
{
	if (!j->done && !j->submitted) {
		pthread_mutex_unlock(&s->mu);
		link_push(s);
		pthread_mutex_lock(&s->mu);
	}
	while (!j->done)
		pthread_cond_wait(&j->cv, &s->mu);
	return j->rc;
}

void
link_drop(struct srv *s, const char *code, const char *text)
{
	if (s->link_count == 0)
		return;
	s->link_drop = true;
	if (s->io_mode == IO_BOTH || s->io_mode == IO_PEER) {
		s->io_mode = IO_HOLD;
		s->primary_conn = MIRROR_HELD;
	}
	if (code[0] != '\0')
		srv_why(s, code, text);
	srv_changed(s);
}

int
link_talk(struct srv *s, uint64_t count, const struct proto_msg *m,
    struct proto_msg *ret_reply, struct av_err *err)
{
	uint8_t out[PROTO_BYTES], in[PROTO_BYTES];
	struct link_job jw = { .kind = LINK_WRITE, .wbuf = out,
		.n = sizeof(out), .offset = srv_mailbox_offset(s) };
	struct link_job jr = { .kind = LINK_READ, .rbuf = in,
		.n = sizeof(in), .offset = srv_mailbox_offset(s) };
	int rc;

	proto_encode(m, out);
	pthread_mutex_lock(&s->mu);
	link_submit(s, count, &jw);
	rc = link_wait(s, &jw);
	if (rc == 0) {
		link_submit(s, count, &jr);
		rc = link_wait(s, &jr);
	}
	pthread_mutex_unlock(&s->mu);
	if (rc != 0)
		return av_err_maybe(err, -rc, "the peer didn't answer");
	rc = proto_decode(in, sizeof(in), ret_reply);
	if (rc < 0)
		return av_err_maybe(err, rc, "the peer's answer is damaged");
	if (ret_reply->rc != 0)
		return av_err_code(err, -(int)ret_reply->rc,
		    strcmp(ret_reply->code, "disk-error") == 0 ?
		    "peer-disk-error" : ret_reply->code,
		    "the peer refuses: %.150s", ret_reply->text);
	return 0;
}

/* The link thread and the receiver get to know of it. */
static void
broken(struct link *l, int rc)
{
	if (l->rc == 0)
		l->rc = rc;
	pthread_cond_broadcast(&l->s->cv);
}

/* --- sending --- */

static int
job_send(struct wire *w, const struct link_job *j, bool more)
{
	static const enum wire_type types[] = { [LINK_WRITE] = WIRE_WRITE,
		[LINK_ZERO] = WIRE_ZERO, [LINK_TRIM] = WIRE_TRIM,
		[LINK_FLUSH] = WIRE_FLUSH, [LINK_READ] = WIRE_READ };
	struct wire_req q = { .type = types[j->kind], .fua = j->fua,
		.n = j->kind == LINK_FLUSH ? 0 : j->n, .cookie = j->cookie,
		.offset = j->kind == LINK_FLUSH ? 0 : j->offset,
		.data = j->wbuf };

	if (j->kind == LINK_TRIM && !wire_can_trim(w))
		q.type = WIRE_ZERO;	/* a peer of an older version */
	return wire_send(w, &q, more);
}

/* mu held.  The next jobs to send, in their order: their number. */
static size_t
take_batch(struct link *l, struct link_job **batch)
{
	struct link_job *j;
	size_t n = 0, bytes = 0;
	uint64_t now;

	if (l->n_unsent == 0 || l->closing || l->rc < 0)
		return 0;
	now = av_clock_ns();
	/* those not yet sent are the last ones */
	for (j = l->jobs.prev; j->prev != &l->jobs && !j->prev->submitted; )
		j = j->prev;
	for (; j != &l->jobs && n < BATCH_MAX && bytes < BATCH_BYTES;
	    j = j->next) {
		j->submitted = true;
		j->since_ns = now;
		l->n_unsent--;
		if (l->n_out++ == 0)
			l->heard_ns = now;
		batch[n++] = j;
		bytes += j->n;
	}
	return n;
}

void
link_push(struct srv *s)
{
	struct link *l;
	struct link_job *batch[BATCH_MAX], *ready = NULL;
	size_t n, i;
	int rc;

	pthread_mutex_lock(&s->mu);
	l = s->link;
	if (l == NULL || l->sending || l->w == NULL) {
		pthread_mutex_unlock(&s->mu);
		return;		/* whoever sends now takes them along */
	}
	l->sending = true;
	while ((n = take_batch(l, batch)) > 0) {
		pthread_mutex_unlock(&s->mu);
		for (i = 0, rc = 0; i < n && rc == 0; i++)
			rc = job_send(l->w, batch[i], i + 1 < n);
		pthread_mutex_lock(&s->mu);
		for (i = 0; i < n; i++) {
			batch[i]->sent = true;
			if (batch[i]->replied)
				job_finish(batch[i], &ready);
		}
		if (rc < 0)
			broken(l, rc);
	}
	l->sending = false;
	if (l->closing)
		pthread_cond_broadcast(&s->cv);
	pthread_mutex_unlock(&s->mu);
	run_ready(ready);
}

/* Sends for the link thread. */
static void *
sender_thread(void *arg)
{
	struct link *l = arg;
	struct srv *s = l->s;

	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		if (l->n_unsent == 0 || l->sending || l->closing || l->rc < 0) {
			pthread_cond_wait(&l->send_cv, &s->mu);
			continue;
		}
		pthread_mutex_unlock(&s->mu);
		link_push(s);
		pthread_mutex_lock(&s->mu);
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}

/* --- receiving --- */

static struct link_job *
job_find(struct link *l, uint64_t cookie)
{
	struct link_job *j;

	for (j = l->jobs.next; j != &l->jobs; j = j->next)
		if (j->cookie == cookie)
			return j->submitted && !j->replied ? j : NULL;
	return NULL;
}

/* mu held; the reply is whole. */
static void
job_replied(struct link *l, struct link_job *j, struct link_job **ready)
{
	struct srv *s = l->s;

	l->n_out--;
	l->heard_ns = s->peer_seen_ns = av_clock_ns();
	/* A request that the peer couldn't do is a peer lost: whoever waits
	 * starts again once it is decided how to go on. */
	if (j->rc == ESHUTDOWN)
		link_drop(s, "session-ended", "the peer ended the session");
	else if (j->rc == EIO && j->kind == LINK_READ &&
	    j->offset < s->leg->sb.size_bytes)
		;	/* of data: neither leg has it; writes go on */
	else if (j->rc != 0)
		link_drop(s, "peer-disk-error",
		    "the peer couldn't do a request");
	j->replied = true;
	if (j->sent)
		job_finish(j, ready);
}

static int
receive_one(struct link *l, struct link_job **ready)
{
	struct srv *s = l->s;
	struct link_job *j;
	uint64_t cookie;
	uint32_t error;
	int rc = wire_recv(l->w, &cookie, &error);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	j = job_find(l, cookie);
	if (j != NULL && (j->kind != LINK_READ || error != 0)) {
		j->rc = (int)error;
		job_replied(l, j, ready);
		pthread_mutex_unlock(&s->mu);
		return 0;
	}
	pthread_mutex_unlock(&s->mu);
	if (j == NULL)
		return -EPROTO;
	/* It stays: nobody else finishes it while we are in here. */
	rc = wire_recv_data(l->w, j->rbuf, j->n);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->mu);
	j->rc = 0;
	job_replied(l, j, ready);
	pthread_mutex_unlock(&s->mu);
	return 0;
}

/* At least one reply, and those that came along. */
static int
receive(struct link *l)
{
	struct link_job *ready = NULL;
	int rc, n = 0;

	do {
		rc = receive_one(l, &ready);
	} while (rc == 0 && ++n < (int)BATCH_MAX && wire_pending(l->w));
	run_ready(ready);
	return rc;
}

static void *
receiver_thread(void *arg)
{
	struct link *l = arg;
	struct srv *s = l->s;
	int rc;

	pthread_mutex_lock(&s->mu);
	while (!s->stopping) {
		if (l->w == NULL || l->closing || l->rc < 0) {
			pthread_cond_wait(&s->cv, &s->mu);
			continue;
		}
		l->receiving = true;
		pthread_mutex_unlock(&s->mu);
		do {
			rc = receive(l);
		} while (rc == 0);
		pthread_mutex_lock(&s->mu);
		l->receiving = false;
		broken(l, rc);
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}

/* --- lost, or not --- */

/* mu held.  When the peer is lost unless something is heard before. */
static uint64_t
silent_at(const struct link *l)
{
	uint64_t limit = timeout_ns(l->s), at = UINT64_MAX;
	const struct link_job *first = l->jobs.next;

	if (l->n_out > 0)
		at = l->heard_ns + limit;
	if (first != &l->jobs && first->submitted &&
	    first->since_ns + limit * SRV_SILENCE_FACTOR < at)
		at = first->since_ns + limit * SRV_SILENCE_FACTOR;
	return at;
}

/* mu held.  Waits for a change, 'due_ns' or the peer's loss: -errno = lost. */
static int
watch(struct link *l, uint64_t due_ns)
{
	uint64_t at = silent_at(l);

	if (l->rc < 0)
		return l->rc;
	if (av_clock_ns() > at)
		return -ETIMEDOUT;
	(void)srv_wait_until(l->s, at < due_ns ? at + 1 : due_ns);
	return l->rc;
}

static int
tcp_connect(const struct srv *s, const char *addr)
{
	AUTO_FD int fd = -1;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(s->p.peer_port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_port = htons(s->p.peer_port) };
	bool is4 = inet_pton(AF_INET, addr, &a4.sin_addr) == 1;
	struct pollfd p = { .events = POLLOUT };
	socklen_t n = sizeof(int);
	int r, e = 0;

	if (!is4 && inet_pton(AF_INET6, addr, &a6.sin6_addr) != 1)
		return -EINVAL;
	fd = socket(is4 ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = is4 ? connect(fd, (struct sockaddr *)&a4, sizeof(a4)) :
	    connect(fd, (struct sockaddr *)&a6, sizeof(a6));
	if (r < 0 && errno != EINPROGRESS)
		return -errno;
	p.fd = fd;
	r = poll(&p, 1, (int)s->p.peer_timeout_ms);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0 || e != 0)
		return e != 0 ? -e : -errno;
	if (fcntl(fd, F_SETFL, 0) < 0)	/* from here on it blocks */
		return -errno;
	return TAKE_FD(fd);
}

/* The peer's volume may be of another size until both have grown. */
static int
find_layout(struct srv *s, uint64_t export_bytes)
{
	uint64_t own = s->leg->sb.size_bytes, found;
	bool digests = true;

	if (export_bytes == window_export_old(own))
		digests = false;
	else if (export_bytes != window_export(own)) {
		if (!window_find(export_bytes, &found))
			return -EPROTO;
		own = found;
	}
	pthread_mutex_lock(&s->mu);
	s->layout_bytes = own;
	s->peer_digests = digests;
	pthread_mutex_unlock(&s->mu);
	return 0;
}

/* Takes over 'tcp_fd'. */
static int
nbd_setup(struct link *l, int tcp_fd)
{
	struct srv *s = l->s;
	struct wire *w = NULL;
	uint64_t size = 0;
	int rc = wire_open(s->keys, tcp_fd, "peer", av_clock_ns() +
	    timeout_ns(s), &w, &size);

	if (rc == 0)
		rc = find_layout(s, size);
	if (rc < 0) {
		(void)wire_free(w);
		return rc;
	}
	pthread_mutex_lock(&s->mu);
	l->w = w;
	l->rc = 0;
	l->closing = false;
	l->shaking = true;
	pthread_cond_broadcast(&s->cv);		/* the receiver */
	pthread_mutex_unlock(&s->mu);
	return 0;
}

/* mu held.  After it nothing touches the jobs' buffers any more. */
static void
quiesce(struct link *l)
{
	l->closing = true;
	wire_shutdown(l->w);
	while (l->sending || l->receiving)
		pthread_cond_wait(&l->s->cv, &l->s->mu);
}

static void
teardown(struct link *l)
{
	struct srv *s = l->s;
	struct link_job *ready = NULL;

	pthread_mutex_lock(&s->mu);
	quiesce(l);
	l->w = wire_free(l->w);
	while (l->jobs.next != &l->jobs) {
		l->jobs.next->rc = ENOTCONN;
		job_finish(l->jobs.next, &ready);
	}
	l->n_out = 0;
	l->ping_out = false;
	s->link_count = 0;
	s->link_drop = false;
	s->resync_on = false;
	srv_changed(s);
	pthread_mutex_unlock(&s->mu);
	run_ready(ready);
}

/* --- connect -> handshake -> up --- */

static int
run_job(void *arg, struct link_job *j)
{
	struct link *l = arg;
	int rc = 0;

	pthread_mutex_lock(&l->s->mu);
	job_link(l, j);
	pthread_cond_signal(&l->send_cv);
	while (rc == 0 && !j->done)
		rc = watch(l, UINT64_MAX);
	if (!j->done) {
		quiesce(l);
		if (!j->done) {
			struct link_job *none = NULL;

			j->rc = ENOTCONN;
			job_finish(j, &none);
		}
	}
	rc = -j->rc;
	pthread_mutex_unlock(&l->s->mu);
	return rc;
}

static void
failed(struct srv *s, const char *what, int rc)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%s: %s", what, strerror(-rc));
	pthread_mutex_lock(&s->mu);
	if (rc == -EKEYREJECTED && s->role == MIRROR_PRIMARY)
		srv_why(s, "peer-key", "the peer refused this PM's key: the "
		    "key files of the two PMs differ");
	else if (s->role == MIRROR_PRIMARY &&
	    s->primary_conn != MIRROR_SPLIT)
		srv_why(s, "peer-unreachable", text);
	pthread_mutex_unlock(&s->mu);
}

static int
connect_any(struct link *l)
{
	struct srv *s = l->s;
	size_t i;
	int rc = -ENOTCONN;

	for (i = 0; i < s->p.n_peer_addrs; i++) {
		size_t at = (l->addr + i) % s->p.n_peer_addrs;
		int fd = tcp_connect(s, s->p.peer_addrs[at]);

		rc = fd < 0 ? fd : nbd_setup(l, fd);
		if (rc == 0) {
			l->addr = at;
			return 0;
		}
	}
	failed(s, "no connection to the peer", rc);
	return rc;
}

static bool
wanted(const struct srv *s)
{
	return s->role == MIRROR_PRIMARY && s->io_mode != IO_REFUSE &&
	    s->wants_connect && !s->stopping;
}

static int
shake_hands(struct link *l)
{
	struct srv *s = l->s;
	struct av_err err = { 0 };
	bool go;
	int rc;

	/* An order comes first; the next try sees its outcome. */
	if (pthread_mutex_trylock(&s->order_mu) != 0)
		return -EAGAIN;
	pthread_mutex_lock(&s->mu);
	go = wanted(s);
	pthread_mutex_unlock(&s->mu);
	rc = go ? handshake(s, run_job, l, &err) : -ECANCELED;
	if (rc == 0)
		l->ping_due_ns = av_clock_ns();
	pthread_mutex_unlock(&s->order_mu);
	if (rc < 0 && go) {
		pthread_mutex_lock(&s->mu);
		srv_why(s, err.code[0] != '\0' ? err.code :
		    "peer-unreachable", err.text);
		pthread_mutex_unlock(&s->mu);
	}
	return rc;
}

/* mu held */
static void
ping(struct link *l)
{
	struct srv *s = l->s;
	struct proto_msg m = { .type = PROTO_PING, .node = s->p.node };
	uint64_t now = av_clock_ns();

	if (l->ping_out || now < l->ping_due_ns)
		return;
	m.dirty_chunks = s->resync_on ?
	    s->resync_total - s->resync_copied : 0;
	m.size_bytes = s->resync_total;
	proto_encode(&m, l->ping_msg);
	l->ping = (struct link_job){ .kind = LINK_WRITE, .wbuf = l->ping_msg,
		.n = PROTO_BYTES, .offset = srv_mailbox_offset(s) };
	job_link(l, &l->ping);
	l->ping_out = true;
	l->ping_due_ns = now + timeout_ns(s) / 3;
	pthread_cond_signal(&l->send_cv);
}

static void
run_up(struct link *l)
{
	struct srv *s = l->s;
	int rc = 0;

	pthread_mutex_lock(&s->mu);
	l->shaking = false;
	while (rc == 0 && !s->link_drop) {
		uint64_t third = timeout_ns(s) / 3, now;

		ping(l);
		now = av_clock_ns();
		rc = watch(l, l->ping_due_ns > now ? l->ping_due_ns :
		    now + third);
	}
	if (rc < 0 && !s->link_drop)
		link_drop(s, "peer-lost", rc == -ETIMEDOUT ?
		    "the peer is silent" :
		    "the connection to the peer broke");
	pthread_mutex_unlock(&s->mu);
}

static void
helper_start(struct link *l, void *(*fn)(void *))
{
	pthread_t t;
	int r = pthread_create(&t, NULL, fn, l);

	AV_ASSERT(r == 0);
	(void)pthread_detach(t);
}

void *
link_thread(void *arg)
{
	struct srv *s = arg;
	struct link *l = calloc(1, sizeof(*l));	/* as long as the process */
	uint64_t backoff_ns = BACKOFF_MIN_NS, due, role = 0, up_ns;

	AV_ASSERT(l != NULL);
	l->s = s;
	l->jobs.next = l->jobs.prev = &l->jobs;
	l->next_cookie = 1;
	helper_start(l, receiver_thread);
	helper_start(l, sender_thread);
	pthread_mutex_lock(&s->mu);
	s->link = l;
	while (!s->stopping) {
		if (!wanted(s)) {
			pthread_cond_wait(&s->cv, &s->mu);
			continue;
		}
		if (s->role_count != role)
			backoff_ns = BACKOFF_MIN_NS;	/* a guest waits */
		role = s->role_count;
		pthread_mutex_unlock(&s->mu);
		if (connect_any(l) == 0) {
			up_ns = av_clock_ns();
			if (shake_hands(l) == 0)
				run_up(l);
			if (av_clock_ns() - up_ns > AV_NS_PER_S)
				backoff_ns = BACKOFF_MIN_NS;
			teardown(l);
		}
		pthread_mutex_lock(&s->mu);
		due = av_clock_ns() + backoff_ns;
		backoff_ns = 2 * backoff_ns < BACKOFF_MAX_NS ?
		    2 * backoff_ns : BACKOFF_MAX_NS;
		while (wanted(s) && srv_wait_until(s, due))
			;
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}
