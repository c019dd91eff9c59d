/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whom a quorum server's certificate may come from: the unit's authority alone.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/file.h"
#include "tests/test.h"
#include "tests/unit/nodeagent/arbiter_fixture.h"

static atomic_uint n_system;	/* looks into the system's authorities */

/* In place of libc's, for the TLS library. */
DIR *
opendir(const char *path)
{
	DIR *(*real)(const char *);
	void *sym = dlsym(RTLD_NEXT, "opendir");

	memcpy(&real, &sym, sizeof(real));
	if (strcmp(path, "/etc/ssl/certs") == 0)
		atomic_fetch_add(&n_system, 1);
	return real(path);
}

/* A certificate that is its own authority. */
static int
authority_write(const char *path)
{
	gnutls_datum_t pem = { NULL, 0 };
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	int rc = -EIO;

	if (gnutls_x509_privkey_init(&key) < 0 ||
	    gnutls_x509_crt_init(&crt) < 0)
		return -ENOMEM;
	if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) >= 0 &&
	    gnutls_x509_crt_set_version(crt, 3) >= 0 &&
	    gnutls_x509_crt_set_serial(crt, "\1", 1) >= 0 &&
	    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 60) >= 0 &&
	    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600) >= 0 &&
	    gnutls_x509_crt_set_dn(crt, "CN=test", NULL) >= 0 &&
	    gnutls_x509_crt_set_ca_status(crt, 1) >= 0 &&
	    gnutls_x509_crt_set_key(crt, key) >= 0 &&
	    gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) >= 0 &&
	    gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) >= 0)
		rc = av_file_write(path, (const char *)pem.data, pem.size,
		    0600, NULL);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return rc;
}

static int
looks(const char *dir, const char *url)
{
	struct arbiter_conf c = { .kind = "etcd", .address = url,
		.unit_uuid = FX_UNIT, .node = 0, .tls_dir = dir,
		.timeout_ns = 1500 * AV_NS_PER_MS };
	struct arbiter *a = NULL;
	struct av_err err = { 0 };

	atomic_store(&n_system, 0);
	CHECK_EQ(arbiter_open(fx_loop, &c, fx_on_answer, NULL, &a, &err), 0);
	CHECK(fx_ask(a, NULL));
	CHECK_EQ(fx_got.state, ARBITER_UNREACHABLE);
	(void)arbiter_close(a);
	return 0;
}

/* Someone listens and says nothing: TLS begins and that is all. */
TEST(own_authority_alone)
{
	char dir[] = "/tmp/avtls.XXXXXX", path[64], url[64];
	int fd = -1;

	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", fx_port(&fd));
	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/ca.crt", dir);
	/* without one the system's count, which shows that we would see it */
	CHECK_EQ(looks(dir, url), 0);
	CHECK(atomic_load(&n_system) > 0);
	CHECK_EQ(authority_write(path), 0);
	CHECK_EQ(looks(dir, url), 0);
	CHECK_EQ(atomic_load(&n_system), 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(dir), 0);
	CHECK_EQ(close(fd), 0);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { T(own_authority_alone) };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&fx_loop) < 0)
		return 99;
	rc = tests_run(cases, 1, argc, argv);
	fx_loop = sd_event_unref(fx_loop);
	return rc;
}
