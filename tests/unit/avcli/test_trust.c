/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/avcli/test_trust.c - whom a console's certificate may come from
 *
 * A console on this machine shows a certificate that "a public authority" signed: the
 * one and only authority of the system, as the TLS library sees it here.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "avcli/conn.h"
#include "avcli/files.h"
#include "base/file.h"
#include "base/tls.h"
#include "tests/test.h"

static char dir[] = "/tmp/avtrust.XXXXXX";
static struct { char unit[64], public[64], crt[64], key[64], home[64]; } path;
static char host[32];
static int listen_fd = -1, stop_fds[2] = { -1, -1 };
static atomic_uint n_met, n_requests;

/* --- in place of libc's, for the TLS library: what the system trusts --- */

static DIR *system_dir;
static bool system_told;
static struct dirent system_entry;

DIR *
opendir(const char *name)
{
	DIR *(*real)(const char *);
	void *sym = dlsym(RTLD_NEXT, "opendir");
	DIR *d;

	memcpy(&real, &sym, sizeof(real));
	d = real(name);
	if (strcmp(name, "/etc/ssl/certs") == 0) {
		system_dir = d;
		system_told = false;
	}
	return d;
}

struct dirent *
readdir(DIR *d)
{
	struct dirent *(*real)(DIR *);
	void *sym = dlsym(RTLD_NEXT, "readdir");

	memcpy(&real, &sym, sizeof(real));
	if (d != system_dir)
		return real(d);
	if (system_told) {
		system_dir = NULL;
		return NULL;
	}
	system_told = true;
	system_entry.d_type = DT_REG;
	(void)snprintf(system_entry.d_name, sizeof(system_entry.d_name),
	    "../../..%s", path.public);
	return &system_entry;
}

/* --- certificates --- */

struct signer {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

/* Signed by 'by', or by itself: an authority then. */
static int
certificate(const char *name, const struct signer *by, struct signer *ret,
    const char *file)
{
	static const unsigned char loopback[4] = { 127, 0, 0, 1 };
	gnutls_datum_t pem = { NULL, 0 };

	CHECK(gnutls_x509_privkey_init(&ret->key) >= 0);
	CHECK(gnutls_x509_crt_init(&ret->crt) >= 0);
	CHECK(gnutls_x509_privkey_generate(ret->key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) >= 0);
	CHECK(gnutls_x509_crt_set_version(ret->crt, 3) >= 0);
	CHECK(gnutls_x509_crt_set_serial(ret->crt, name, 1) >= 0);
	CHECK(gnutls_x509_crt_set_activation_time(ret->crt,
	    time(NULL) - 60) >= 0);
	CHECK(gnutls_x509_crt_set_expiration_time(ret->crt,
	    time(NULL) + 3600) >= 0);
	CHECK(gnutls_x509_crt_set_dn_by_oid(ret->crt,
	    GNUTLS_OID_X520_COMMON_NAME, 0, name,
	    (unsigned)strlen(name)) >= 0);
	CHECK(gnutls_x509_crt_set_ca_status(ret->crt, by == NULL) >= 0);
	CHECK(gnutls_x509_crt_set_subject_alt_name(ret->crt,
	    GNUTLS_SAN_IPADDRESS, loopback, sizeof(loopback), 0) >= 0);
	CHECK(gnutls_x509_crt_set_key(ret->crt, ret->key) >= 0);
	CHECK(gnutls_x509_crt_sign2(ret->crt, by ? by->crt : ret->crt,
	    by ? by->key : ret->key, GNUTLS_DIG_SHA256, 0) >= 0);
	CHECK(gnutls_x509_crt_export2(ret->crt, GNUTLS_X509_FMT_PEM,
	    &pem) >= 0);
	CHECK_EQ(av_file_write(file, (const char *)pem.data, pem.size, 0600,
	    NULL), 0);
	gnutls_free(pem.data);
	return 0;
}

static void
signer_dispose(struct signer *s)
{
	gnutls_x509_crt_deinit(s->crt);
	gnutls_x509_privkey_deinit(s->key);
}

/* unit.pem is the unit's authority, public.pem signs the certificate that is shown. */
static int
certificates_make(void)
{
	struct signer unit, public, shown;
	gnutls_datum_t pem = { NULL, 0 };

	CHECK_EQ(certificate("unit", NULL, &unit, path.unit), 0);
	CHECK_EQ(certificate("public", NULL, &public, path.public), 0);
	CHECK_EQ(certificate("shown", &public, &shown, path.crt), 0);
	CHECK(gnutls_x509_privkey_export2(shown.key, GNUTLS_X509_FMT_PEM,
	    &pem) >= 0);
	CHECK_EQ(av_file_write(path.key, (const char *)pem.data, pem.size, 0600,
	    NULL), 0);
	gnutls_free(pem.data);
	signer_dispose(&unit);
	signer_dispose(&public);
	signer_dispose(&shown);
	return 0;
}

/* --- the console --- */

static void
answer(struct av_tls_cred *cred, int fd)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
	    "Connection: close\r\n\r\n{}";
	gnutls_session_t s;
	char line[200];

	atomic_fetch_add(&n_met, 1);
	if (av_tls_accept(cred, fd, stop_fds[0], 5000, &s) < 0)
		return;
	if (av_tls_read_line(s, fd, stop_fds[0], 5000, line,
	    sizeof(line)) >= 0) {
		atomic_fetch_add(&n_requests, 1);
		(void)av_tls_write(s, fd, stop_fds[0], 5000, text);
		(void)gnutls_bye(s, GNUTLS_SHUT_WR);
	}
	gnutls_deinit(s);
}

static void *
serve(void *arg)
{
	struct pollfd p[2] = { { listen_fd, POLLIN, 0 },
		{ stop_fds[0], POLLIN, 0 } };

	while (poll(p, 2, -1) > 0 && p[1].revents == 0) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		answer(arg, fd);
		(void)close(fd);
	}
	return NULL;
}

static int
console_listen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_EQ(getsockname(listen_fd, (struct sockaddr *)&a, &n), 0);
	CHECK_EQ(listen(listen_fd, 8), 0);
	CHECK_EQ(pipe(stop_fds), 0);
	(void)snprintf(host, sizeof(host), "127.0.0.1:%u", ntohs(a.sin_port));
	return 0;
}

/* --- avcli --- */

/* 0 or -exit code; err has its code. */
static int
ask(const char *cacert, struct cli_err *err)
{
	struct conn_conf conf = { .host = host, .lang = "en",
		.cacert = cacert };
	struct conn *c = NULL;
	json_t *got = NULL;
	int rc;

	*err = (struct cli_err){ 0 };
	atomic_store(&n_met, 0);
	atomic_store(&n_requests, 0);
	rc = conn_open(&conf, &c, err);
	if (rc == 0)
		rc = conn_request(c, "GET", "/version", NULL, 10000, &got, err);
	json_decref(got);
	(void)conn_close(c);
	return rc;
}

static int
asks(void)
{
	struct cli_err err;

	/* without --cacert the system's count, which shows that ours is one of them */
	CHECK_EQ(ask(NULL, &err), 0);
	CHECK_EQ(atomic_load(&n_requests), 1);
	CHECK(access(known_units_path(), F_OK) < 0);	/* no key was taken */
	CHECK_EQ(ask(path.public, &err), 0);
	CHECK_EQ(atomic_load(&n_requests), 1);
	/* with it, the unit's authority alone; and nothing is sent */
	CHECK_EQ(ask(path.unit, &err), -EXIT_NO_CONNECTION);
	CHECK_STR(err.code, "certificate");
	CHECK_EQ(atomic_load(&n_met), 1);
	CHECK_EQ(atomic_load(&n_requests), 0);
	return 0;
}

TEST(given_authority_alone)
{
	struct av_tls_cred *cred = NULL;
	pthread_t thread;
	int rc;

	CHECK_EQ(certificates_make(), 0);
	CHECK_EQ(console_listen(), 0);
	CHECK_EQ(av_tls_cred_cert(path.crt, path.key, &cred, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, serve, cred), 0);
	rc = asks();
	CHECK_EQ(write(stop_fds[1], "x", 1), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	(void)av_tls_cred_free(cred);
	(void)close(stop_fds[0]);
	(void)close(stop_fds[1]);
	(void)close(listen_fd);
	return rc;
}

#define IN_DIR(what) \
	(void)snprintf(path.what, sizeof(path.what), "%s/" #what, dir)

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { T(given_authority_alone) };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL)
		return 99;
	IN_DIR(unit), IN_DIR(public), IN_DIR(crt), IN_DIR(key), IN_DIR(home);
	(void)setenv("HOME", path.home, 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)unsetenv("XDG_CACHE_HOME");
	rc = tests_run(cases, 1, argc, argv);
	(void)unlink(path.unit);
	(void)unlink(path.public);
	(void)unlink(path.crt);
	(void)unlink(path.key);
	if (rmdir(dir) < 0) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		rc = 1;
	}
	return rc;
}
