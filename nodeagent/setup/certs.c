/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/certs.c - the unit's own certificate authority
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <gnutls/crypto.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "nodeagent/setup/certs.h"

#define DAY_S	(24 * 3600)

/* One certificate that is being made; 'r' is GnuTLS's first error. */
struct making {
	gnutls_x509_crt_t	crt;
	gnutls_x509_privkey_t	key;
	int			r;
};

static void
making_free(struct making *m)
{
	if (m->crt != NULL)
		gnutls_x509_crt_deinit(m->crt);
	if (m->key != NULL)
		gnutls_x509_privkey_deinit(m->key);
}

static bool
step(struct making *m, int r)
{
	if (m->r >= 0 && r < 0)
		m->r = r;
	return m->r >= 0;
}

static int
failed(const struct making *m, struct av_err *err)
{
	return av_err_set(err, -EIO, "certificate: %s", gnutls_strerror(m->r));
}

static void
making_begin(struct making *m, const char *name)
{
	time_t now = (time_t)(av_clock_utc_ms() / 1000);
	uint8_t serial[16], id[64];
	size_t n = sizeof(id);

	if (!step(m, gnutls_x509_crt_init(&m->crt)) ||
	    !step(m, gnutls_x509_privkey_init(&m->key)) ||
	    !step(m, gnutls_x509_privkey_generate(m->key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) ||
	    !step(m, gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial))))
		return;
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x01);	/* positive */
	(void)(step(m, gnutls_x509_crt_set_version(m->crt, 3)) &&
	    step(m, gnutls_x509_crt_set_serial(m->crt, serial,
	    sizeof(serial))) &&
	    step(m, gnutls_x509_crt_set_activation_time(m->crt,
	    now - DAY_S)) &&
	    step(m, gnutls_x509_crt_set_expiration_time(m->crt,
	    now + (time_t)CERTS_LIFE_DAYS * DAY_S)) &&
	    step(m, gnutls_x509_crt_set_dn_by_oid(m->crt,
	    GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name))) &&
	    step(m, gnutls_x509_crt_set_key(m->crt, m->key)) &&
	    step(m, gnutls_x509_crt_get_key_id(m->crt, 0, id, &n)) &&
	    step(m, gnutls_x509_crt_set_subject_key_id(m->crt, id, n)));
}

static char *
text_of(gnutls_datum_t *d)
{
	char *s = d->data == NULL ? NULL :
	    strndup((const char *)d->data, d->size);

	if (d->data != NULL)
		gnutls_memset(d->data, 0, d->size);
	gnutls_free(d->data);
	return s;
}

static int
making_end(struct making *m, char **ret_cert, char **ret_key,
    struct av_err *err)
{
	gnutls_datum_t cert = { NULL, 0 }, key = { NULL, 0 };
	AUTO_FREE char *c = NULL;
	AUTO_FREE char *k = NULL;

	(void)(step(m, gnutls_x509_crt_export2(m->crt, GNUTLS_X509_FMT_PEM,
	    &cert)) &&
	    step(m, gnutls_x509_privkey_export2_pkcs8(m->key,
	    GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &key)));
	c = text_of(&cert);
	k = text_of(&key);
	if (m->r < 0)
		return failed(m, err);
	if (c == NULL || k == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	*ret_cert = TAKE_PTR(c);
	*ret_key = TAKE_PTR(k);
	return 0;
}

int
certs_make_ca(const char *unit, char **ret_cert, char **ret_key,
    struct av_err *err)
{
	struct making m = { NULL, NULL, 0 };
	char name[64];
	int rc;

	(void)snprintf(name, sizeof(name), "avpair unit %s", unit);
	av_utf8_trim(name);
	making_begin(&m, name);
	(void)(m.r >= 0 &&
	    step(&m, gnutls_x509_crt_set_basic_constraints(m.crt, 1, 0)) &&
	    step(&m, gnutls_x509_crt_set_key_usage(m.crt,
	    GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN)) &&
	    step(&m, gnutls_x509_crt_sign2(m.crt, m.crt, m.key,
	    GNUTLS_DIG_SHA256, 0)));
	rc = m.r < 0 ? failed(&m, err) :
	    making_end(&m, ret_cert, ret_key, err);
	making_free(&m);
	return rc;
}

static void
name_add(struct making *m, gnutls_x509_subject_alt_name_t type,
    const void *data, size_t n)
{
	if (m->r >= 0)
		(void)step(m, gnutls_x509_crt_set_subject_alt_name(m->crt, type,
		    data, (unsigned)n, GNUTLS_FSAN_APPEND));
}

static void
address_add(struct making *m, const char *address)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		name_add(m, GNUTLS_SAN_IPADDRESS, bytes, 4);
	else if (inet_pton(AF_INET6, address, bytes) == 1)
		name_add(m, GNUTLS_SAN_IPADDRESS, bytes, 16);
}

static void
host_add(struct making *m, const char *host)
{
	if (*host != '\0')
		name_add(m, GNUTLS_SAN_DNSNAME, host, strlen(host));
}

static int
sign(struct making *m, const char *ca_cert, const char *ca_key, bool client,
    bool server, char **ret_cert, char **ret_key, struct av_err *err)
{
	gnutls_datum_t c = { (uint8_t *)(uintptr_t)ca_cert,
	    (unsigned)strlen(ca_cert) };
	gnutls_datum_t k = { (uint8_t *)(uintptr_t)ca_key,
	    (unsigned)strlen(ca_key) };
	struct making ca = { NULL, NULL, 0 };
	uint8_t id[64];
	size_t n = sizeof(id);
	int rc;

	(void)(m->r >= 0 && step(m, gnutls_x509_crt_init(&ca.crt)) &&
	    step(m, gnutls_x509_privkey_init(&ca.key)) &&
	    step(m, gnutls_x509_crt_import(ca.crt, &c, GNUTLS_X509_FMT_PEM)) &&
	    step(m, gnutls_x509_privkey_import(ca.key, &k,
	    GNUTLS_X509_FMT_PEM)) &&
	    step(m, gnutls_x509_crt_get_key_id(ca.crt, 0, id, &n)) &&
	    step(m, gnutls_x509_crt_set_authority_key_id(m->crt, id, n)) &&
	    step(m, gnutls_x509_crt_set_basic_constraints(m->crt, 0, -1)) &&
	    step(m, gnutls_x509_crt_set_key_usage(m->crt,
	    GNUTLS_KEY_DIGITAL_SIGNATURE)) &&
	    (!server || step(m, gnutls_x509_crt_set_key_purpose_oid(m->crt,
	    GNUTLS_KP_TLS_WWW_SERVER, 0))) &&
	    (!client || step(m, gnutls_x509_crt_set_key_purpose_oid(m->crt,
	    GNUTLS_KP_TLS_WWW_CLIENT, 0))) &&
	    step(m, gnutls_x509_crt_sign2(m->crt, ca.crt, ca.key,
	    GNUTLS_DIG_SHA256, 0)));
	rc = m->r < 0 ? failed(m, err) :
	    making_end(m, ret_cert, ret_key, err);
	making_free(&ca);
	making_free(m);
	return rc;
}

int
certs_make_console(const struct setup_plan *p, int node, const char *ca_cert,
    const char *ca_key, char **ret_cert, char **ret_key, struct av_err *err)
{
	struct making m = { NULL, NULL, 0 };
	char buf[64];
	unsigned bits;
	size_t i;

	making_begin(&m, p->host[node][0] != '\0' ? p->host[node] : "console");
	if (plan_prefix_parse(p->unit_address, buf, sizeof(buf), &bits) == 0)
		address_add(&m, buf);
	address_add(&m, "127.0.0.1");
	for (i = 0; i < p->n_links; i++) {
		address_add(&m, p->links[i].address[0]);
		address_add(&m, p->links[i].address[1]);
	}
	host_add(&m, "localhost");
	host_add(&m, p->host[0]);
	host_add(&m, p->host[1]);
	return sign(&m, ca_cert, ca_key, false, true, ret_cert, ret_key, err);
}

int
certs_make_other(const char *name, const char *address, bool server,
    const char *ca_cert, const char *ca_key, char **ret_cert, char **ret_key,
    struct av_err *err)
{
	struct making m = { NULL, NULL, 0 };

	making_begin(&m, name);
	if (address != NULL)
		address_add(&m, address);
	else
		host_add(&m, name);
	return sign(&m, ca_cert, ca_key, true, server, ret_cert, ret_key, err);
}
