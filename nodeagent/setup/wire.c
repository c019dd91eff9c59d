/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/wire.c - what the two PMs say to each other while a unit is made
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/tls.h"
#include "nodeagent/setup/text.h"
#include "nodeagent/setup/wire.h"

static const char *const kinds[] = {
	[WIRE_HELLO] = "hello", [WIRE_OFFER] = "offer",
	[WIRE_REFUSED] = "refused", [WIRE_STORED] = "stored",
	[WIRE_COMMITTED] = "committed",
};

/* --- bytes --- */

void
wire_open(struct wire *w, gnutls_session_t tls, int fd, int stop_fd)
{
	*w = (struct wire){ .tls = tls, .fd = fd, .stop_fd = stop_fd,
	    .in = { .max_bytes = WIRE_MAX_BYTES } };
}

void
wire_close(struct wire *w)
{
	(void)gnutls_bye(w->tls, GNUTLS_SHUT_WR);
	gnutls_deinit(w->tls);
	(void)close(w->fd);
	if (w->in.buf != NULL)
		explicit_bzero(w->in.buf, w->in.n_room);
	av_frame_reader_dispose(&w->in);
}

int
wire_send(struct wire *w, json_t *msg)
{
	uint8_t *buf = NULL;
	size_t n = 0;
	int rc = msg == NULL ? -ENOMEM : av_frame_encode(msg, &buf, &n);

	if (rc == 0)
		rc = av_tls_write_all(w->tls, w->fd, w->stop_fd, WIRE_WAIT_MS,
		    buf, n);
	if (buf != NULL)
		explicit_bzero(buf, n);
	free(buf);
	json_decref(msg);
	return rc;
}

int
wire_receive(struct wire *w, unsigned ms, json_t **ret)
{
	uint64_t now = av_clock_ns(), end_ns = now + ms * AV_NS_PER_MS;
	char buf[4096];
	int rc;

	while ((rc = av_frame_next(&w->in, ret)) == -EAGAIN) {
		now = av_clock_ns();
		if (now >= end_ns)
			return -ETIMEDOUT;
		rc = av_tls_read(w->tls, w->fd, w->stop_fd,
		    (unsigned)((end_ns - now) / AV_NS_PER_MS) + 1, buf,
		    sizeof(buf));
		if (rc > 0)
			rc = av_frame_feed(&w->in, buf, (size_t)rc);
		if (rc < 0)
			break;
	}
	explicit_bzero(buf, sizeof(buf));
	return rc;
}

/* --- in --- */

static int
bad(struct av_err *err, const char *what)
{
	return av_err_code(err, -EBADMSG, "bad-request",
	    tr("the other PM said something that isn't understood (%s)"), what);
}

static int
hello_decode(const json_t *j, struct wire_msg *m, struct av_err *err)
{
	static const char *const known[] = { "msg", "protocol", "purpose",
	    "dry_run", "facts" };
	const char *purpose = json_string_value(json_object_get(j, "purpose"));
	json_int_t protocol = json_integer_value(json_object_get(j,
	    "protocol"));
	int rc;

	/* said before anything else is looked at: the rest may have changed */
	if (protocol != WIRE_PROTOCOL)
		return av_err_code(err, -EPROTONOSUPPORT, "other-version", "%s",
		    tr("the other PM's av-setup speaks another protocol: install the same packages on both"));
	if (purpose == NULL || strcmp(purpose, "join") != 0)
		return av_err_code(err, -EPROTONOSUPPORT, "other-purpose", "%s",
		    tr("the other PM asks for something that this version can't do: install the same packages on both"));
	rc = plan_known(j, known, ARRAY_SIZE(known), err);
	m->dry_run = json_is_true(json_object_get(j, "dry_run"));
	return rc < 0 ? rc : facts_decode(json_object_get(j, "facts"),
	    &m->facts, err);
}

static int
offer_decode(const json_t *j, struct wire_msg *m, struct av_err *err)
{
	static const char *const known[] = { "msg", "plan", "secrets",
	    "findings" };
	const json_t *secrets = json_object_get(j, "secrets");
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0)
		rc = plan_decode(json_object_get(j, "plan"), &m->plan, err);
	if (rc == 0 && !m->plan.whole)
		rc = bad(err, "plan");
	if (rc == 0)
		rc = findings_decode(json_object_get(j, "findings"),
		    &m->findings, err);
	if (rc == 0 && secrets != NULL) {
		rc = secrets_decode(secrets, &m->secrets, err);
		m->has_secrets = rc == 0;
	}
	return rc;
}

static int
refused_decode(const json_t *j, struct wire_msg *m, struct av_err *err)
{
	static const char *const known[] = { "msg", "code", "text", "hint",
	    "findings" };
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0)
		rc = plan_text(j, "code", true, m->code, sizeof(m->code), err);
	if (rc == 0)
		rc = plan_text(j, "text", true, m->text, sizeof(m->text), err);
	if (rc == 0)
		rc = plan_text(j, "hint", false, m->hint, sizeof(m->hint), err);
	return rc < 0 ? rc : findings_decode(json_object_get(j, "findings"),
	    &m->findings, err);
}

int
wire_decode(const json_t *j, struct wire_msg *ret, struct av_err *err)
{
	static const char *const word[] = { "msg" };
	const char *msg = json_string_value(json_object_get(j, "msg"));
	size_t i;
	int rc;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; msg != NULL && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i], msg) == 0)
			break;
	if (msg == NULL || i == ARRAY_SIZE(kinds))
		return bad(err, "msg");
	ret->kind = (enum wire_kind)i;
	switch (ret->kind) {
	case WIRE_HELLO:
		rc = hello_decode(j, ret, err);
		break;
	case WIRE_OFFER:
		rc = offer_decode(j, ret, err);
		break;
	case WIRE_REFUSED:
		rc = refused_decode(j, ret, err);
		break;
	default:
		rc = plan_known(j, word, 1, err);
		break;
	}
	if (rc < 0)
		wire_msg_free(ret);
	return rc;
}

void
wire_msg_free(struct wire_msg *m)
{
	secrets_free(&m->secrets);
}

/* --- out --- */

json_t *
wire_hello(const struct setup_facts *f, bool dry_run)
{
	return json_pack("{s:s, s:i, s:s, s:b, s:o}", "msg", "hello",
	    "protocol", WIRE_PROTOCOL, "purpose", "join", "dry_run",
	    (int)dry_run, "facts", facts_encode(f));
}

json_t *
wire_offer(const struct setup_plan *p, const struct setup_secrets *s,
    const struct findings *fs)
{
	return json_pack("{s:s, s:o, s:o*, s:o}", "msg", "offer", "plan",
	    plan_encode(p), "secrets", s != NULL ? secrets_encode(s, true) :
	    NULL, "findings", findings_encode(fs));
}

json_t *
wire_refused(const char *code, const char *text, const char *hint,
    const struct findings *fs)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o*}", "msg", "refused", "code",
	    code, "text", text, "hint", hint, "findings",
	    fs != NULL ? findings_encode(fs) : NULL);
}

json_t *
wire_word(enum wire_kind kind)
{
	return json_pack("{s:s}", "msg", kinds[kind]);
}
