/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/join.c - 'unit join': the other PM
 *
 * It asks twice: first dry, so that the person sees what will be and nobody waits for
 * a yes while the first PM has bound its key; then for the secrets.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/tls.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/run.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"
#include "nodeagent/setup/wire.h"

#define CONNECT_MS	5000

static int
not_reached(struct run *r, int rc, struct av_err *err)
{
	(void)snprintf(r->hint, sizeof(r->hint), "%s",
	    tr("is 'avcli unit create' still waiting there? It stops when its key has run out, is void or was used; the same command there shows a new one. Is it the address that it printed, and the cable plugged in?"));
	return av_err_code(err, -EHOSTUNREACH, "not-reached",
	    tr("nobody answers at %s, port %u: %s"), r->wish->address,
	    PREFLIGHT_PORT, strerror(-rc));
}

static int
wrong_key(struct run *r, struct av_err *err)
{
	(void)snprintf(r->hint, sizeof(r->hint), "%s",
	    tr("it must be the one that 'avcli unit create' shows there now; after five wrong ones it is void"));
	return av_err_code(err, -EACCES, "wrong-key",
	    tr("%s refused the key; nothing was changed"), r->wish->address);
}

static int
connect_to(struct run *r, struct wire *w, struct av_err *err)
{
	uint8_t psk[KEY_PSK_BYTES];
	struct av_tls_cred *cred = NULL;
	gnutls_session_t tls;
	int fd, rc = key_psk(r->st.key, psk, err);

	if (rc == 0)
		rc = av_tls_cred_psk(KEY_USER, psk, sizeof(psk), &cred, err);
	explicit_bzero(psk, sizeof(psk));
	if (rc < 0)
		return rc;
	fd = services_connect(r->wish->address, PREFLIGHT_PORT, CONNECT_MS);
	rc = fd < 0 ? fd : av_tls_connect(cred, fd, r->stop_fd,
	    AV_TLS_HANDSHAKE_MS, &tls);
	av_tls_cred_free(cred);
	if (rc < 0) {
		if (fd >= 0)
			(void)close(fd);
		return rc == -EKEYREJECTED ? wrong_key(r, err) :
		    not_reached(r, rc, err);
	}
	wire_open(w, tls, fd, r->stop_fd);
	return 0;
}

static int
lost(struct run *r, int rc, struct av_err *err)
{
	if (rc == -ECANCELED)
		return av_err_code(err, rc, "interrupted", "%s",
		    tr("interrupted"));
	(void)snprintf(r->hint, sizeof(r->hint), "%s",
	    tr("the same command goes on from here"));
	return av_err_code(err, rc, "connection-lost",
	    tr("the connection to the first PM was lost: %s"), strerror(-rc));
}

/* The next message, which must be of that kind; a refusal becomes an error. */
static int
expect(struct run *r, struct wire *w, enum wire_kind kind, struct wire_msg *m,
    struct av_err *err)
{
	AUTO_JSON json_t *j = NULL;
	int rc = wire_receive(w, WIRE_OFFER_MS, &j);

	if (rc < 0)
		return lost(r, rc, err);
	rc = wire_decode(j, m, err);
	if (rc < 0)
		return rc;
	if (m->kind == WIRE_REFUSED) {
		if (!r->wish->json)
			findings_print(&m->findings, true, stderr);
		r->found = m->findings;
		r->shown = true;
		(void)snprintf(r->hint, sizeof(r->hint), "%s", m->hint);
		return av_err_code(err, -EPERM, m->code, "%.200s", m->text);
	}
	if (m->kind != kind) {
		wire_msg_free(m);
		return av_err_code(err, -EPROTO, "bad-request", "%s",
		    tr("the first PM answered something else than was asked"));
	}
	return 0;
}

static int
hello(struct run *r, struct wire *w, const struct setup_facts *f, bool dry,
    struct wire_msg *m, struct av_err *err)
{
	int rc = connect_to(r, w, err);

	if (rc < 0)
		return rc;
	rc = wire_send(w, wire_hello(f, dry));
	rc = rc < 0 ? lost(r, rc, err) : expect(r, w, WIRE_OFFER, m, err);
	if (rc < 0)
		wire_close(w);
	return rc;
}

/* What the first PM can't see: this machine, for that plan. */
static int
look(struct run *r, const struct setup_facts *f, struct av_err *err)
{
	struct wire_msg *m = calloc(1, sizeof(*m));
	struct wire w;
	size_t i;
	int rc = m == NULL ? -ENOMEM : hello(r, &w, f, true, m, err);

	if (rc == 0) {
		wire_close(&w);
		for (i = 0; i < m->findings.n &&
		    r->found.n < FINDINGS_MAX; i++)
			r->found.list[r->found.n++] = m->findings.list[i];
		r->st.plan = m->plan;
		if (r->st.phase == PHASE_NONE && r->facts == NULL)
			preflight_plan(&m->plan, 1, f, &r->found);
		wire_msg_free(m);
		rc = run_judge(r, err);
	}
	free(m);
	return rc;
}

static int
take_offer(struct run *r, const struct setup_facts *f, struct av_err *err)
{
	struct wire_msg *m = calloc(1, sizeof(*m));
	struct wire w;
	int rc = m == NULL ? -ENOMEM : hello(r, &w, f, false, m, err);

	if (rc < 0) {
		free(m);
		return rc;
	}
	secrets_free(&r->st.secrets);
	r->st.plan = m->plan;
	r->st.secrets = m->secrets;
	r->st.phase = PHASE_OFFERED;
	rc = m->has_secrets ? state_save(r->wish->root, &r->st, err) :
	    av_err_code(err, -EPROTO, "bad-request", "%s",
	    tr("the first PM answered something else than was asked"));
	if (rc == 0) {
		rc = wire_send(&w, wire_word(WIRE_STORED));
		if (rc < 0)
			rc = lost(r, rc, err);
	}
	if (rc == 0)
		rc = expect(r, &w, WIRE_COMMITTED, m, err);
	wire_close(&w);
	free(m);
	if (rc < 0)
		return rc;
	r->st.phase = PHASE_COMMITTED;
	return state_save(r->wish->root, &r->st, err);
}

static int
join(struct run *r, struct av_err *err)
{
	struct setup_facts *f = calloc(1, sizeof(*f));
	int rc = f == NULL ? -ENOMEM : run_facts(r, f, err);

	if (rc == 0) {
		if (r->st.phase == PHASE_NONE) {
			preflight_existing(r->wish->root, &r->found);
			if (r->facts == NULL)
				preflight_machine(f, &r->found);
		}
		preflight_storage(r->wish->root, f, &r->found);
		rc = findings_block(&r->found) ? run_judge(r, err) : 0;
	}
	if (rc == 0)
		rc = look(r, f, err);
	if (rc == 0) {
		r->st.node = 1;
		run_show_plan(r, 1);
		if (!r->wish->dry_run && !run_confirm(r))
			rc = av_err_code(err, -EINVAL, "not-confirmed", "%s",
			    tr("nothing was changed"));
	}
	if (rc == 0 && !r->wish->dry_run) {
		/* facts are sent anew: a person may have thought for long */
		rc = run_facts(r, f, err);
		if (rc == 0)
			preflight_storage(r->wish->root, f,
			    &(struct findings){ .n = 0 });
		if (rc == 0)
			rc = take_offer(r, f, err);
	}
	free(f);
	return rc;
}

static int
key_take(struct run *r, struct av_err *err)
{
	char key[KEY_TEXT_BYTES];
	int rc;

	if (r->wish->key == NULL || r->wish->address == NULL)
		return av_err_code(err, -EINVAL, "bad-argument", "%s",
		    tr("type the line that 'avcli unit create' shows: unit join ADDRESS KEY"));
	if (!plan_address_ok(r->wish->address))
		return av_err_code(err, -EINVAL, "bad-argument",
		    tr("'%s' isn't an IP address"), r->wish->address);
	rc = key_parse(r->wish->key, key, err);
	if (rc == 0)
		(void)snprintf(r->st.key, sizeof(r->st.key), "%s", key);
	explicit_bzero(key, sizeof(key));
	return rc;
}

int
run_join(struct run *r, struct av_err *err)
{
	AUTO_FD int lock = -1;
	int rc = run_lock(r, &lock, err);

	if (rc == 0)
		rc = state_load(r->wish->root, &r->st, err);
	if (rc < 0)
		return rc;
	if (r->st.phase != PHASE_NONE && r->st.node == 0) {
		(void)snprintf(r->hint, sizeof(r->hint), "%s",
		    tr("'avcli unit leave' forgets it; join on the other PM"));
		return av_err_code(err, -EEXIST, "configured",
		    tr("on this machine the unit '%s' is being created"),
		    r->st.plan.name);
	}
	r->st.node = 1;
	if (r->st.phase != PHASE_COMMITTED) {
		rc = key_take(r, err);
		if (rc == 0)
			rc = join(r, err);
		if (rc < 0 || r->wish->dry_run)
			return rc;
	}
	rc = run_install(r, err);
	return rc < 0 ? rc : run_wait_formed(r, err);
}
