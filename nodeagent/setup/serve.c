/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/serve.c - the first PM answers the other one
 *
 * One connection at a time, on the address of the first private link alone.  A wrong
 * key costs a try and a second; the fifth makes the key void.  Whoever connects and
 * says nothing is dropped after SERVE_SHAKE_MS.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/tls.h"
#include "nodeagent/setup/fit.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/run.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"
#include "nodeagent/setup/wire.h"

#define SERVE_SHAKE_MS		5000
#define SERVE_TICK_MS		1000
#define SERVE_WRONG_MS		1000

struct serve {
	struct run		*r;
	struct av_tls_cred	*cred;
	int			 listen_fd;
	bool			 installed;
	uint64_t		 form_end_ns;
};

static int
refuse(struct wire *w, const char *code, const char *text, const char *hint,
    const struct findings *fs)
{
	return wire_send(w, wire_refused(code, text, hint, fs));
}

/* --- the offer --- */

static void
forget_second(struct setup_plan *p)
{
	p->whole = false;
	p->storage_dir[1][0] = p->volume_group[1][0] = p->host[1][0] = '\0';
}

/* May the one with this key and these facts be the other PM? */
static int
may_join(struct serve *s, struct wire *w, const struct setup_facts *f)
{
	const struct setup_state *st = &s->r->st;

	if (st->peer[0] != '\0' && strcmp(st->peer, f->machine) != 0)
		return refuse(w, "key-used",
		    tr("the key was used already, by another machine"),
		    tr("on the first PM: 'avcli unit leave', then 'avcli unit create' again; it shows a new key"),
		    NULL) < 0 ? -EPIPE : -EACCES;
	if (st->phase == PHASE_WAITING &&
	    av_clock_utc_ms() >= st->key_ends_utc_ms)
		return refuse(w, "key-expired", tr("the key has run out"),
		    tr("on the first PM: the same 'avcli unit create' again; it shows a new key"),
		    NULL) < 0 ? -EPIPE : -EACCES;
	return 0;
}

/* The plan completed by the other PM's facts; a refusal is sent. */
static int
agree(struct serve *s, struct wire *w, const struct wire_msg *m,
    struct setup_plan *ret, struct findings *fs)
{
	struct setup_facts own;
	struct findings scratch = { .n = 0 };
	struct av_err err = { 0 };
	AUTO_JSON json_t *j = NULL;

	*ret = s->r->st.plan;
	forget_second(ret);
	if (run_facts(s->r, &own, &err) < 0)
		return refuse(w, "refused", err.text, "", NULL) < 0 ? -EPIPE :
		    -EINVAL;
	preflight_storage(s->r->wish->root, &own, &scratch);
	if (!fit_complete(ret, &own, &m->facts, fs)) {
		s->r->found = *fs;
		return refuse(w, "refused",
		    tr("the two machines don't fit: see above"), "", fs) < 0 ?
		    -EPIPE : -EINVAL;
	}
	/* what the facts brought in must be as good as what we read ourselves */
	j = plan_encode(ret);
	if (plan_decode(j, ret, &err) < 0)
		return refuse(w, "bad-request", err.text, "", NULL) < 0 ?
		    -EPIPE : -EINVAL;
	return 0;
}

static int
bind_key(struct serve *s, const struct setup_plan *p, const char *machine,
    struct av_err *err)
{
	struct setup_state *st = &s->r->st;
	int rc = secrets_certify(&st->secrets, p, err);

	if (rc < 0)
		return rc;
	st->plan = *p;
	(void)snprintf(st->peer, sizeof(st->peer), "%s", machine);
	st->phase = PHASE_AGREED;
	return state_save(s->r->wish->root, st, err);
}

static int
commit(struct serve *s, struct wire *w)
{
	struct setup_state *st = &s->r->st;
	enum setup_phase before = st->phase;
	struct av_err err = { 0 };
	AUTO_JSON json_t *j = NULL;
	struct wire_msg *m = calloc(1, sizeof(*m));
	int rc = m == NULL ? -ENOMEM : wire_receive(w, WIRE_OFFER_MS, &j);

	if (rc == 0)
		rc = wire_decode(j, m, &err);
	if (rc == 0 && m->kind != WIRE_STORED)
		rc = -EPROTO;
	if (m != NULL && rc == 0)
		wire_msg_free(m);
	free(m);
	if (rc < 0)
		return rc;
	st->phase = PHASE_COMMITTED;
	rc = before == PHASE_COMMITTED ? 0 :
	    state_save(s->r->wish->root, st, &err);
	if (rc < 0) {
		st->phase = before;
		(void)refuse(w, "failed", err.text, "", NULL);
		return rc;
	}
	if (before != PHASE_COMMITTED)
		run_say(s->r, tr("%s has joined."), st->plan.host[1][0] != '\0' ?
		    st->plan.host[1] : st->plan.links[0].address[1]);
	/* if this word is lost, the other PM asks again */
	(void)wire_send(w, wire_word(WIRE_COMMITTED));
	return 0;
}

static int
offer(struct serve *s, struct wire *w, const struct wire_msg *m)
{
	struct setup_state *st = &s->r->st;
	struct findings fs = { .n = 0 };
	struct av_err err = { 0 };
	struct setup_plan p;
	int rc = may_join(s, w, &m->facts);

	if (rc < 0)
		return rc;
	if (st->phase != PHASE_COMMITTED) {
		rc = agree(s, w, m, &p, &fs);
		if (rc < 0)
			return rc;
		if (m->dry_run)
			return wire_send(w, wire_offer(&p, NULL, &fs));
		rc = bind_key(s, &p, m->facts.machine, &err);
		if (rc < 0) {
			(void)refuse(w, "failed", err.text, "", NULL);
			return rc;
		}
	}
	rc = wire_send(w, wire_offer(&st->plan, m->dry_run ? NULL :
	    &st->secrets, &fs));
	return rc < 0 || m->dry_run ? rc : commit(s, w);
}

/* --- one connection --- */

static void
talk(struct serve *s, struct wire *w)
{
	struct wire_msg *m = calloc(1, sizeof(*m));
	const char *before = NULL;
	struct av_err err = { 0 };
	AUTO_JSON json_t *j = NULL;

	if (m == NULL || wire_receive(w, WIRE_WAIT_MS, &j) < 0) {
		free(m);
		return;
	}
	if (wire_decode(j, m, &err) < 0) {
		(void)refuse(w, err.code[0] != '\0' ? err.code : "refused",
		    err.text, "", NULL);
	} else if (m->kind == WIRE_HELLO) {
		before = tr_language(m->facts.language);
		(void)offer(s, w, m);	/* it was told, and comes again */
		(void)tr_language(before);
	}
	wire_msg_free(m);
	free(m);
}

static int
wrong_key(struct serve *s, struct av_err *err)
{
	struct setup_state *st = &s->r->st;
	int rc;

	/* the unit is made: nothing to guess any more */
	if (st->phase == PHASE_COMMITTED || st->tries_left == 0)
		return run_pause(s->r, SERVE_WRONG_MS);
	st->tries_left--;
	rc = state_save(s->r->wish->root, st, err);
	if (rc < 0)
		return rc;
	run_say(s->r, tr("A wrong key was tried (%u more and the key is void)."),
	    st->tries_left);
	if (st->tries_left == 0) {
		(void)snprintf(s->r->hint, sizeof(s->r->hint), "%s",
		    tr("the same command again shows a new key"));
		return av_err_code(err, -EACCES, "key-void", "%s",
		    tr("too many wrong keys: this one is void"));
	}
	return run_pause(s->r, SERVE_WRONG_MS);
}

static int
take(struct serve *s, struct av_err *err)
{
	gnutls_session_t tls;
	struct wire w;
	int fd = accept4(s->listen_fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	int rc;

	if (fd < 0)
		return 0;
	rc = av_tls_accept(s->cred, fd, s->r->stop_fd, SERVE_SHAKE_MS, &tls);
	if (rc < 0) {
		(void)close(fd);
		return rc == -EKEYREJECTED ? wrong_key(s, err) : 0;
	}
	wire_open(&w, tls, fd, s->r->stop_fd);
	talk(s, &w);
	wire_close(&w);
	return 0;
}

/* --- the loop --- */

/* What is due without anybody asking. */
static int
tick(struct serve *s, bool *ret_done, struct av_err *err)
{
	struct run *r = s->r;
	struct av_err why = { 0 };
	int rc;

	if (r->st.phase == PHASE_WAITING &&
	    av_clock_utc_ms() >= r->st.key_ends_utc_ms) {
		(void)snprintf(r->hint, sizeof(r->hint), "%s",
		    tr("the same command again shows a new key"));
		return av_err_code(err, -ETIME, "key-expired", "%s",
		    tr("no other PM came within the hour: the key has run out"));
	}
	if (r->st.phase != PHASE_COMMITTED)
		return 0;
	if (!s->installed) {
		rc = run_install(r, err);
		if (rc < 0)
			return rc;
		s->installed = true;
		s->form_end_ns = av_clock_ns() + AV_NS_PER_MS *
		    plan_scaled_ms(&r->st.plan, 1000) * (uint64_t)RUN_FORM_S;
		run_say(r, "%s", tr("Waiting for the unit to form ..."));
	}
	rc = run_look_formed(r, ret_done, &why);
	if (rc < 0) {
		*err = why;
		return rc;
	}
	if (*ret_done || av_clock_ns() < s->form_end_ns)
		return 0;
	(void)snprintf(r->hint, sizeof(r->hint), "%s",
	    tr("the same command goes on waiting; 'avcli unit info', 'corosync-cfgtool -s' and 'journalctl -u avnoded' show more"));
	return av_err_code(err, -ETIMEDOUT, "not-formed",
	    tr("the services run, but the unit hasn't formed yet: %s"),
	    why.text[0] != '\0' ? why.text :
	    tr("this PM's agent doesn't answer"));
}

static int
loop(struct serve *s, struct av_err *err)
{
	struct pollfd p[2] = {
		{ .fd = s->listen_fd, .events = POLLIN },
		{ .fd = s->r->stop_fd, .events = POLLIN },
	};
	unsigned ms = s->r->wish->tick_ms > 0 ? s->r->wish->tick_ms :
	    SERVE_TICK_MS;
	bool done = false;
	int rc = 0;

	while (rc == 0 && !done) {
		int n = poll(p, 2, (int)ms);

		if (n < 0 && errno != EINTR)
			return av_err_set(err, -errno, "poll: %s",
			    strerror(errno));
		if (n > 0 && p[1].revents != 0)
			rc = -ECANCELED;
		else if (n > 0 && p[0].revents != 0)
			rc = take(s, err);
		if (rc == 0)
			rc = tick(s, &done, err);
	}
	if (rc != -ECANCELED)
		return rc;
	(void)snprintf(s->r->hint, sizeof(s->r->hint), "%s",
	    tr("the same command goes on from here; 'avcli unit leave' forgets it"));
	return av_err_code(err, rc, "interrupted", "%s",
	    s->r->st.phase == PHASE_COMMITTED ?
	    tr("interrupted; the services run on, and the unit may form by itself") :
	    tr("interrupted: nobody can join until it goes on"));
}

int
serve_until_formed(struct run *r, struct av_err *err)
{
	struct serve s = { .r = r, .listen_fd = -1 };
	uint8_t psk[KEY_PSK_BYTES];
	int rc = key_psk(r->st.key, psk, err);

	if (rc == 0)
		rc = av_tls_cred_psk(KEY_USER, psk, sizeof(psk), &s.cred, err);
	explicit_bzero(psk, sizeof(psk));
	if (rc < 0)
		return rc;
	s.listen_fd = services_bind(r->st.address, PREFLIGHT_PORT,
	    SOCK_STREAM);
	if (s.listen_fd < 0 || listen(s.listen_fd, 4) < 0)
		rc = av_err_code(err, s.listen_fd < 0 ? s.listen_fd : -errno,
		    "port-taken", tr("can't listen on %s, port %u: %s"),
		    r->st.address, PREFLIGHT_PORT,
		    strerror(s.listen_fd < 0 ? -s.listen_fd : errno));
	if (rc == 0)
		rc = loop(&s, err);
	if (s.listen_fd >= 0)
		(void)close(s.listen_fd);
	av_tls_cred_free(s.cred);
	return rc;
}
