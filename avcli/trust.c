/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/trust.c - whose certificate is it
 *
 * What is kept is the SHA-256 of the certificate's public key (RFC 7469's
 * pin-sha256), so a certificate renewed with the same key stays trusted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "avcli/codeset.h"
#include "avcli/conn_internal.h"
#include "base/cleanup.h"

void
trust_apply(struct conn *c)
{
	bool by_chain = c->trust == TRUST_SYSTEM || c->trust == TRUST_CACERT;

	/* each of these can only fail for want of memory or of an option that
	 * the build lacks; conn_open() has checked the handle */
	(void)curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, by_chain ? 1L : 0L);
	(void)curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, by_chain ? 2L : 0L);
	if (c->trust == TRUST_CACERT) {
		(void)curl_easy_setopt(c->curl, CURLOPT_CAINFO, c->conf.cacert);
		/* the system's authorities are trusted besides otherwise */
		(void)curl_easy_setopt(c->curl, CURLOPT_CAPATH, NULL);
	}
	(void)curl_easy_setopt(c->curl, CURLOPT_PINNEDPUBLICKEY,
	    c->trust == TRUST_PIN ? c->pin : NULL);
}

/* PEM -> "sha256//BASE64", malloc'd; NULL when it isn't a certificate. */
static char *
pin_of_pem(const char *pem)
{
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)pem,
		(unsigned)strlen(pem) };
	gnutls_datum_t hash, text = { NULL, 0 };
	unsigned char id[64];
	size_t n_id = sizeof(id);
	gnutls_x509_crt_t crt;
	char *pin = NULL;

	if (gnutls_x509_crt_init(&crt) < 0)
		return NULL;
	if (gnutls_x509_crt_import(crt, &in, GNUTLS_X509_FMT_PEM) >= 0 &&
	    gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, id,
	    &n_id) >= 0) {
		hash.data = id;
		hash.size = (unsigned)n_id;
		if (gnutls_base64_encode2(&hash, &text) >= 0 &&
		    asprintf(&pin, "sha256//%.*s", (int)text.size,
		    (const char *)text.data) < 0)
			pin = NULL;
		gnutls_free(text.data);
	}
	gnutls_x509_crt_deinit(crt);
	return pin;
}

static size_t
drop_body(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

/* The key that the unit shows now.  Nothing secret is sent. */
static char *
shown_pin(struct conn *c)
{
	struct curl_certinfo *info = NULL;
	struct curl_slist *line;
	char *pin = NULL;

	curl_easy_reset(c->curl);
	conn_aim(c, "/version");
	(void)curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(c->curl, CURLOPT_CERTINFO, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, drop_body);
	(void)curl_easy_setopt(c->curl, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 15000L);
	if (curl_easy_perform(c->curl) != CURLE_OK ||
	    curl_easy_getinfo(c->curl, CURLINFO_CERTINFO, &info) != CURLE_OK ||
	    info == NULL || info->num_of_certs < 1)
		return NULL;
	for (line = info->certinfo[0]; line != NULL; line = line->next)
		if (strncmp(line->data, "Cert:", 5) == 0)
			pin = pin_of_pem(line->data + 5);
	return pin;
}

int
trust_first_use(struct conn *c, struct cli_err *err)
{
	AUTO_FREE char *question = NULL;
	int rc;

	c->pin = shown_pin(c);
	if (c->pin == NULL)
		return cli_fail(err, EXIT_NO_CONNECTION, "certificate",
		    tr("'%s' shows no certificate that can be read"),
		    c->host_port);
	if (terminal_exists()) {
		if (asprintf(&question,
		    tr("The unit '%s' is not known yet. Its key's SHA-256 fingerprint is\n  %s\nIs that right? (yes/no) "),
		    c->host_port, c->pin + strlen("sha256//")) < 0) {
			question = NULL;
			return cli_fail(err, EXIT_FAILED, "no-memory",
			    tr("no memory"));
		}
		if (!terminal_confirm(question))
			return cli_fail(err, EXIT_NO_CONNECTION, "certificate",
			    tr("the certificate of '%s' was not accepted"),
			    c->host_port);
	} else {
		codeset_printf(stderr,
		    tr("avcli: '%s' is new here: from now on its key %s is expected\n"),
		    c->host_port, c->pin);
	}
	rc = known_unit_add(c->host_port, c->pin, err);
	if (rc < 0)
		return rc;
	c->trust = TRUST_PIN;
	return 0;
}

int
trust_changed(const struct conn *c, struct cli_err *err)
{
	int rc = cli_fail(err, EXIT_NO_CONNECTION, "certificate-changed",
	    tr("'%s' shows another key than the one known for it: it may be another machine; nothing was sent"),
	    c->host_port);

	cli_hint(err,
	    tr("if the unit really got a new key, remove its line from '%s'"),
	    known_units_path());
	return rc;
}
