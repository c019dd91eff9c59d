/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/conf.c - what avconsoled is told
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "console/conf.h"

#define RELAY_PORT	7702
#define PACKAGE_USER	"avpair-console"

static int
text_set(char *dst, size_t n, const char *value, struct av_err *err)
{
	size_t len = strlen(value);

	if (len >= n)
		return av_err_set(err, -ENAMETOOLONG, "value too long");
	memcpy(dst, value, len + 1);
	return 0;
}

#define TEXT_KEY(key) \
static int \
set_##key(void *ctx, const char *value, struct av_err *err) \
{ \
	struct console_conf *c = ctx; \
 \
	return text_set(c->key, sizeof(c->key), value, err); \
}
TEXT_KEY(node)
TEXT_KEY(agent_socket)
TEXT_KEY(unix_socket)
TEXT_KEY(cert_file)
TEXT_KEY(key_file)
TEXT_KEY(web_dir)
TEXT_KEY(secret_file)
TEXT_KEY(psk_file)

static int
port_parse(const char *s, uint16_t *ret)
{
	uint64_t v;

	if (av_parse_u64(s, &v) < 0 || v > 65535)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

static int
addr_v6(const char *s, uint16_t port, struct console_addr *ret)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	const char *end = strchr(s, ']');
	char host[64];

	if (end == NULL || (size_t)(end - s) > sizeof(host))
		return -EINVAL;
	memcpy(host, s + 1, (size_t)(end - s) - 1);
	host[end - s - 1] = '\0';
	if (end[1] == ':' && port_parse(end + 2, &port) < 0)
		return -EINVAL;
	if ((end[1] != ':' && end[1] != '\0') || port == 0 ||
	    inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1)
		return -EINVAL;
	sin6.sin6_port = htons(port);
	memcpy(&ret->sa, &sin6, sizeof(sin6));
	ret->n = sizeof(sin6);
	return 0;
}

int
conf_addr_parse(const char *s, uint16_t default_port, struct console_addr *ret)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const char *colon = strrchr(s, ':');
	uint16_t port = default_port;
	char host[64];
	size_t n = colon != NULL ? (size_t)(colon - s) : strlen(s);

	if (s[0] == '[')
		return addr_v6(s, port, ret);
	if (n == 0 || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = '\0';
	if (colon != NULL && port_parse(colon + 1, &port) < 0)
		return -EINVAL;
	if (port == 0 || inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		return -EINVAL;
	sin.sin_port = htons(port);
	memcpy(&ret->sa, &sin, sizeof(sin));
	ret->n = sizeof(sin);
	return 0;
}

static int
addr_set(struct console_addr *a, const char *value, struct av_err *err)
{
	if (*value == '\0')
		return 0;
	if (conf_addr_parse(value, 0, a) < 0)
		return av_err_set(err, -EINVAL,
		    "'%s' is not 'address:port'", value);
	return 0;
}

static int
set_listen(void *ctx, const char *value, struct av_err *err)
{
	return addr_set(&((struct console_conf *)ctx)->listen, value, err);
}

static int
set_relay_listen(void *ctx, const char *value, struct av_err *err)
{
	return addr_set(&((struct console_conf *)ctx)->relay_listen, value,
	    err);
}

static int
set_relay_peers(void *ctx, const char *value, struct av_err *err)
{
	struct console_conf *c = ctx;
	char buf[512], *save = NULL, *word;

	if (text_set(buf, sizeof(buf), value, err) < 0)
		return -ENAMETOOLONG;
	for (word = strtok_r(buf, " \t", &save); word != NULL;
	    word = strtok_r(NULL, " \t", &save)) {
		if (c->n_peers == CONF_PEERS_MAX)
			return av_err_set(err, -E2BIG, "more than %d peers",
			    CONF_PEERS_MAX);
		if (conf_addr_parse(word, RELAY_PORT,
		    &c->peers[c->n_peers]) < 0)
			return av_err_set(err, -EINVAL,
			    "'%s' is not an address", word);
		c->n_peers++;
	}
	return 0;
}

/* false: there is no such user. */
static bool
user_find(const char *name, struct console_conf *c)
{
	char buf[4096];
	struct passwd p, *found = NULL;

	if (getpwnam_r(name, &p, buf, sizeof(buf), &found) != 0 ||
	    found == NULL)
		return false;
	c->drop = true;
	c->uid = found->pw_uid;
	c->gid = found->pw_gid;
	return true;
}

static int
set_user(void *ctx, const char *value, struct av_err *err)
{
	struct console_conf *c = ctx;
	char buf[64], *colon;
	uint64_t uid, gid;

	if (text_set(buf, sizeof(buf), value, err) < 0)
		return -ENAMETOOLONG;
	colon = strchr(buf, ':');
	if (colon == NULL)
		return user_find(value, c) ? 0 : av_err_set(err, -EINVAL,
		    "there is no user '%s'", value);
	*colon++ = '\0';
	if (av_parse_u64(buf, &uid) < 0 ||
	    av_parse_u64(colon, &gid) < 0 || uid > UINT32_MAX - 1 ||
	    gid > UINT32_MAX - 1)
		return av_err_set(err, -EINVAL, "'%s' is not 'uid:gid'", value);
	c->drop = true;
	c->uid = (uid_t)uid;
	c->gid = (gid_t)gid;
	return 0;
}

static int
secret_load(struct console_conf *c, struct av_err *err)
{
	AUTO_FREE char *data = NULL;
	size_t n;
	int rc = av_file_read(c->secret_file, 4096, &data, &n, err);

	if (rc < 0)
		return rc;
	while (n > 0 && (data[n - 1] == '\n' || data[n - 1] == '\r'))
		data[--n] = '\0';
	if (strlen(data) != 2 * CONF_SECRET_BYTES ||
	    av_hex_decode(data, c->secret, CONF_SECRET_BYTES) < 0)
		return av_err_set(err, -EINVAL, "%s: not 64 hex digits",
		    c->secret_file);
	return 0;
}

static int
psk_load(struct console_conf *c, struct av_err *err)
{
	AUTO_FREE char *data = NULL;
	char *hex;
	size_t n;
	int rc = av_file_read(c->psk_file, 4096, &data, &n, err);

	if (rc < 0)
		return rc;
	data[strcspn(data, "\r\n")] = '\0';
	hex = strchr(data, ':');
	if (hex != NULL)
		*hex++ = '\0';
	n = hex != NULL ? strlen(hex) / 2 : 0;
	if (n < 16 || n > CONF_PSK_MAX_BYTES || data[0] == '\0' ||
	    av_hex_decode(hex, c->psk, n) < 0)
		return av_err_set(err, -EINVAL,
		    "%s: not 'user:hex' with 16 to %d bytes", c->psk_file,
		    CONF_PSK_MAX_BYTES);
	c->n_psk = (unsigned)n;
	return text_set(c->psk_user, sizeof(c->psk_user), data, err);
}

int
conf_load(const char *path, struct console_conf *ret, struct av_err *err)
{
	static const struct av_conf_key keys[] = {
		{ "node", set_node, true },
		{ "agent_socket", set_agent_socket, false },
		{ "unix_socket", set_unix_socket, false },
		{ "listen", set_listen, false },
		{ "cert_file", set_cert_file, false },
		{ "key_file", set_key_file, false },
		{ "web_dir", set_web_dir, false },
		{ "secret_file", set_secret_file, false },
		{ "psk_file", set_psk_file, false },
		{ "relay_listen", set_relay_listen, false },
		{ "relay_peers", set_relay_peers, false },
		{ "user", set_user, false },
	};
	struct console_conf c = {
		.agent_socket = "/run/avpair/agent.sock",
		.unix_socket = "/run/avpair/console.sock",
		.cert_file = "/etc/avpair/console-cert.pem",
		.key_file = "/etc/avpair/console-key.pem",
		.web_dir = "/usr/share/avpair/webui",
		.secret_file = "/etc/avpair/unit.key",
	};
	int rc = av_conf_load(path, keys, ARRAY_SIZE(keys), &c, err);

	if (rc == 0)
		rc = secret_load(&c, err);
	if (rc == 0 && c.psk_file[0] != '\0')
		rc = psk_load(&c, err);
	if (rc == 0 && c.relay_listen.n > 0 && c.n_psk == 0)
		rc = av_err_set(err, -EINVAL,
		    "%s: relay_listen needs psk_file", path);
	if (rc == 0 && !c.drop && geteuid() == 0)
		(void)user_find(PACKAGE_USER, &c);	/* or stays root */
	if (rc == 0)
		*ret = c;
	return rc;
}
