/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/secrets.c - keys and certificates of a unit
 */
#include <crypt.h>
#include <errno.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/setup/certs.h"
#include "nodeagent/setup/secrets.h"

static const struct {
	const char	*name;
	size_t		 hex;		/* exact digits, 0 = any text */
	bool		 pem;
	bool		 first_only;
	bool		 needed;	/* by both PMs, always */
} kinds[SECRET_N] = {
	[SECRET_UNIT_KEY] = { "unit_key", 64, false, false, true },
	[SECRET_MIRROR_PSK] = { "mirror_psk", 64, false, false, true },
	[SECRET_AUTHKEY] = { "authkey", 512, false, false, true },
	[SECRET_ADMIN] = { "admin", 0, false, false, true },
	[SECRET_CA_CERT] = { "ca_cert", 0, true, false, false },
	[SECRET_CA_KEY] = { "ca_key", 0, true, true, false },
	[SECRET_CONSOLE_CERT0] = { "console_cert0", 0, true, true, false },
	[SECRET_CONSOLE_KEY0] = { "console_key0", 0, true, true, false },
	[SECRET_CONSOLE_CERT1] = { "console_cert1", 0, true, false, false },
	[SECRET_CONSOLE_KEY1] = { "console_key1", 0, true, false, false },
	[SECRET_QUORUM_CA] = { "quorum_ca", 0, true, false, false },
	[SECRET_QUORUM_CERT] = { "quorum_cert", 0, true, false, false },
	[SECRET_QUORUM_KEY] = { "quorum_key", 0, true, false, false },
};

void
secrets_free(struct setup_secrets *s)
{
	size_t i;

	for (i = 0; i < SECRET_N; i++) {
		if (s->text[i] != NULL)
			explicit_bzero(s->text[i], strlen(s->text[i]));
		free(s->text[i]);
		s->text[i] = NULL;
	}
}

int
secrets_set(struct setup_secrets *s, enum secret which, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return -ENOMEM;
	if (s->text[which] != NULL)
		explicit_bzero(s->text[which], strlen(s->text[which]));
	free(s->text[which]);
	s->text[which] = copy;
	return 0;
}

static int
make_hex(struct setup_secrets *s, enum secret which, struct av_err *err)
{
	uint8_t bytes[256];
	char hex[2 * sizeof(bytes) + 1];
	size_t n = kinds[which].hex / 2;
	int rc;

	if (gnutls_rnd(GNUTLS_RND_KEY, bytes, n) < 0)
		return av_err_set(err, -EIO, "no random bytes");
	av_hex_encode(bytes, n, hex);
	rc = secrets_set(s, which, hex);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(hex, sizeof(hex));
	return rc < 0 ? av_err_set(err, rc, "no memory") : 0;
}

int
secrets_make(struct setup_secrets *s, struct av_err *err)
{
	int rc = make_hex(s, SECRET_UNIT_KEY, err);

	if (rc == 0)
		rc = make_hex(s, SECRET_MIRROR_PSK, err);
	if (rc == 0)
		rc = make_hex(s, SECRET_AUTHKEY, err);
	return rc;
}

int
secrets_certify(struct setup_secrets *s, const struct setup_plan *p,
    struct av_err *err)
{
	int node, rc = 0;

	if (s->text[SECRET_CA_KEY] == NULL)
		rc = certs_make_ca(p->name, &s->text[SECRET_CA_CERT],
		    &s->text[SECRET_CA_KEY], err);
	for (node = 0; rc == 0 && node < 2; node++) {
		char **cert = &s->text[SECRET_CONSOLE_CERT0 + 2 * node];
		char **key = &s->text[SECRET_CONSOLE_KEY0 + 2 * node];

		if (*key != NULL)
			explicit_bzero(*key, strlen(*key));
		free(*cert);
		free(*key);
		*cert = *key = NULL;
		rc = certs_make_console(p, node, s->text[SECRET_CA_CERT],
		    s->text[SECRET_CA_KEY], cert, key, err);
	}
	return rc;
}

json_t *
secrets_encode(const struct setup_secrets *s, bool for_second)
{
	AUTO_JSON json_t *j = json_object();
	size_t i;

	for (i = 0; i < SECRET_N; i++)
		if (s->text[i] != NULL && !(for_second && kinds[i].first_only) &&
		    json_object_set_new(j, kinds[i].name,
		    json_string(s->text[i])) < 0)
			return NULL;
	return TAKE_PTR(j);
}

static bool
text_fits(size_t kind, const char *s, size_t n)
{
	const char *p;

	if (n == 0 || n > SECRET_MAX_BYTES || strlen(s) != n)
		return false;
	if (kinds[kind].hex != 0)
		return n == kinds[kind].hex &&
		    strspn(s, "0123456789abcdef") == n;
	if (kinds[kind].pem)
		return strncmp(s, "-----BEGIN ", 11) == 0;
	for (p = s; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return strncmp(s, "admin:$", 7) == 0 && n < 512;
}

int
secrets_decode(const json_t *j, struct setup_secrets *ret, struct av_err *err)
{
	const char *known[SECRET_N];
	struct setup_secrets s = { { NULL } };
	size_t i;
	int rc;

	for (i = 0; i < SECRET_N; i++)
		known[i] = kinds[i].name;
	rc = plan_known(j, known, SECRET_N, err);
	for (i = 0; rc == 0 && i < SECRET_N; i++) {
		const json_t *v = json_object_get(j, kinds[i].name);
		const char *text = json_string_value(v);

		if (v == NULL && !kinds[i].needed)
			continue;
		if (text == NULL || !text_fits(i, text, json_string_length(v)))
			rc = av_err_code(err, -EBADMSG, "bad-request",
			    "secret '%s' isn't as it must be", kinds[i].name);
		else if (secrets_set(&s, (enum secret)i, text) < 0)
			rc = av_err_set(err, -ENOMEM, "no memory");
	}
	if (rc < 0) {
		secrets_free(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

int
secrets_hash(const char *password, char **ret, struct av_err *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	const char *hash = NULL;
	int rc = 0;

	if (cd == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting,
	    sizeof(setting)) != NULL)
		hash = crypt_r(password, setting, cd);
	if (hash == NULL || *hash == '*')
		rc = av_err_set(err, -EIO, "libcrypt can't hash the password");
	else if (asprintf(ret, "admin:%s", hash) < 0)
		rc = av_err_set(err, -ENOMEM, "no memory");
	explicit_bzero(cd, sizeof(*cd));
	free(cd);
	return rc;
}
