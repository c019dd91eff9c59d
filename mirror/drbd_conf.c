/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/drbd_conf.c - parameters, resource file, the leg's record
 *
 * The resource file is ours alone: DIR/av-ID.res, written anew at each open and
 * named to drbdadm by -c.  /etc/drbd.d isn't touched.  'floating' sections let
 * drbdadm find its own side by the address, so host names don't matter.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "base/wire.h"
#include "mirror/drbd.h"

#define RATE_MAX_KIB_S	4194304u	/* drbd.conf(5): c-max-rate, resync-rate */
#define RATE_MIN_KIB_S	250u
#define RECORD_MAX	8192
/* Resync data under way: DRBD's own 50 KiB lets a round trip of 1 ms make 50 MB/s. */
#define FILL_SECTORS	2048u

static bool
put(char *buf, size_t n, const char *s)
{
	if (s == NULL || strlen(s) >= n)
		return false;
	memmove(buf, s, strlen(s) + 1);
	return true;
}

#define PUT(dst, src)	put((dst), sizeof(dst), (src))

static bool
join(char *buf, size_t n, const char *a, const char *b, const char *c)
{
	int r = snprintf(buf, n, "%s%s%s", a, b, c);

	return r > 0 && (size_t)r < n;
}

/* What may stand in a resource file and in the handler's command line, which
 * drbdadm hands to a shell. */
static bool
is_plain_path(const char *s)
{
	if (s[0] != '/')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) &&
		    strchr("/._+-", *s) == NULL)
			return false;
	return true;
}

static bool
is_name(const char *s)
{
	if (s[0] == '\0' || s[0] == '-')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr("._+-", *s) == NULL)
			return false;
	return true;
}

/* --- record --- */

int
drbd_record_fill(struct drbd_record *rec, const struct mirror_drbd_conf *c,
    struct av_err *err)
{
	if (c == NULL || c->vg == NULL)
		return av_err_code(err, -EINVAL, "bad-request",
		    "the drbd driver needs a volume group");
	if (!is_name(c->vg) || !PUT(rec->vg, c->vg))
		return av_err_code(err, -EINVAL, "bad-request",
		    "'%s' isn't a volume group's name", c->vg);
	if (!PUT(rec->tools_path, c->tools_path != NULL ? c->tools_path :
	    DRBD_TOOLS) || !PUT(rec->dev_dir, c->dev_dir != NULL ?
	    c->dev_dir : "/dev") || !is_plain_path(rec->dev_dir))
		return av_err_code(err, -EINVAL, "bad-request",
		    "a path for the drbd driver is too long or odd");
	if (c->minor >= 1u << 20)
		return av_err_code(err, -EINVAL, "bad-request",
		    "minor %u is out of range", c->minor);
	rec->minor = c->minor;
	return 0;
}

static int
record_path(char *buf, size_t n, const char *dir, const char *id,
    struct av_err *err)
{
	int r = snprintf(buf, n, "%s/av-%s.leg", dir, id);

	return r > 0 && (size_t)r < n ? 0 : av_err_code(err, -ENAMETOOLONG,
	    "bad-request", "the path of leg '%s' is too long", id);
}

static json_t *
record_json(const struct drbd_record *r)
{
	return json_pack("{s:s,s:i,s:s,s:s,s:I,s:I,s:b,s:b,s:s,s:I,s:s,s:s,"
	    "s:I,s:I,s:b}",
	    "format", "avpair-drbd-leg", "version", DRBD_RECORD_VERSION,
	    "unit", r->unit_uuid, "volume", r->volume_uuid,
	    "size_bytes", (json_int_t)r->size_bytes,
	    "gen", (json_int_t)r->gen, "alone", (int)r->alone,
	    "peer_outdated", (int)r->peer_outdated, "vg", r->vg,
	    "minor", (json_int_t)r->minor, "tools_path", r->tools_path,
	    "dev_dir", r->dev_dir, "room_bytes", (json_int_t)r->room_bytes,
	    "grow_from", (json_int_t)r->grow_from, "disconnected",
	    (int)r->disconnected);
}

int
drbd_record_write(const char *dir, const char *id,
    const struct drbd_record *rec, struct av_err *err)
{
	AUTO_JSON json_t *j = record_json(rec);
	AUTO_FREE char *line = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
	AUTO_FREE char *whole = NULL;
	char path[MIRROR_PATH_MAX * 2];
	int rc, n;

	if (line == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	n = asprintf(&whole, "%s\n%08" PRIx32 "\n", line,
	    av_crc32c(0, line, strlen(line)));
	if (n < 0) {
		whole = NULL;
		return av_err_set(err, -ENOMEM, "no memory");
	}
	rc = record_path(path, sizeof(path), dir, id, err);
	if (rc < 0)
		return rc;
	rc = av_file_write(path, whole, (size_t)n, 0600, err);
	if (rc < 0 && err != NULL)
		(void)snprintf(err->code, sizeof(err->code), "disk-error");
	return rc;
}

static bool
take_text(const json_t *j, const char *key, char *buf, size_t n)
{
	return put(buf, n, json_string_value(json_object_get(j, key)));
}

static bool
take_u64(const json_t *j, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static int
record_parse(const json_t *j, struct drbd_record *ret)
{
	struct drbd_record r = { 0 };
	uint64_t version, minor;
	char format[32];
	bool ok;

	if (!take_text(j, "format", format, sizeof(format)) ||
	    strcmp(format, "avpair-drbd-leg") != 0 ||
	    !take_u64(j, "version", INT32_MAX, &version) || version == 0)
		return -EBADMSG;
	if (version > DRBD_RECORD_VERSION)
		return -ENOTSUP;
	ok = take_text(j, "unit", r.unit_uuid, sizeof(r.unit_uuid)) &&
	    take_text(j, "volume", r.volume_uuid, sizeof(r.volume_uuid)) &&
	    take_u64(j, "size_bytes", MIRROR_SIZE_MAX_BYTES,
	    &r.size_bytes) &&
	    take_u64(j, "gen", INT64_MAX, &r.gen) &&
	    json_is_boolean(json_object_get(j, "alone")) &&
	    json_is_boolean(json_object_get(j, "peer_outdated")) &&
	    json_is_boolean(json_object_get(j, "disconnected")) &&
	    take_text(j, "vg", r.vg, sizeof(r.vg)) &&
	    take_u64(j, "minor", (1u << 20) - 1, &minor) &&
	    take_text(j, "tools_path", r.tools_path, sizeof(r.tools_path)) &&
	    take_text(j, "dev_dir", r.dev_dir, sizeof(r.dev_dir)) &&
	    take_u64(j, "room_bytes", INT64_MAX, &r.room_bytes) &&
	    take_u64(j, "grow_from", INT64_MAX, &r.grow_from) &&
	    is_name(r.vg) && is_plain_path(r.dev_dir);
	if (!ok)
		return -EBADMSG;
	r.minor = (unsigned)minor;
	r.alone = json_is_true(json_object_get(j, "alone"));
	r.peer_outdated = json_is_true(json_object_get(j, "peer_outdated"));
	r.disconnected = json_is_true(json_object_get(j, "disconnected"));
	*ret = r;
	return 0;
}

/* Whole line, newline, eight digits, newline, no more. */
static json_t *
record_check(const char *data, size_t n)
{
	const char *nl = memchr(data, '\n', n);
	char want[10];
	size_t len;

	if (nl == NULL)
		return NULL;
	len = (size_t)(nl - data);
	(void)snprintf(want, sizeof(want), "%08" PRIx32 "\n",
	    av_crc32c(0, data, len));
	if (n != len + 1 + 9 || memcmp(nl + 1, want, 9) != 0)
		return NULL;
	return json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
}

int
drbd_record_read(const char *dir, const char *id, struct drbd_record *ret,
    struct av_err *err)
{
	AUTO_FREE char *data = NULL;
	AUTO_JSON json_t *j = NULL;
	char path[MIRROR_PATH_MAX * 2];
	size_t n;
	int rc = record_path(path, sizeof(path), dir, id, err);

	if (rc < 0)
		return rc;
	rc = av_file_read(path, RECORD_MAX, &data, &n, err);
	if (rc == -ENOENT)
		return av_err_code(err, rc, "leg-missing",
		    "'%s' doesn't exist", path);
	if (rc < 0 && rc != -EFBIG)
		return rc;
	if (rc == 0)
		j = record_check(data, n);
	rc = j == NULL ? -EBADMSG : record_parse(j, ret);
	if (rc == -ENOTSUP)
		return av_err_code(err, rc, "metadata-newer",
		    "'%s' is of a newer version", path);
	return rc < 0 ? av_err_code(err, rc, "metadata-damaged",
	    "'%s' is damaged", path) : 0;
}

int
drbd_lv_path(const struct drbd_record *rec, const char *id, char *buf,
    size_t n)
{
	int r = snprintf(buf, n, "%s/%s/av-%s", rec->dev_dir, rec->vg, id);

	return r > 0 && (size_t)r < n ? 0 : -ENAMETOOLONG;
}

/* --- parameters --- */

/* DRBD's shared secret: the first 63 digits of the PSK of 'user'. */
static int
read_secret(struct drbd_conf *c, const char *path, const char *user,
    struct av_err *err)
{
	AUTO_FREE char *data = NULL;
	size_t n, i, len = strlen(user);
	char *line, *save = NULL;
	int rc = av_file_read(path, 65536, &data, &n, err);

	if (rc < 0)
		return rc;
	for (line = strtok_r(data, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, user, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		for (i = 0; i < sizeof(c->secret) - 1 &&
		    isxdigit((unsigned char)line[i]); i++)
			c->secret[i] = line[i];
		c->secret[i] = '\0';
		if (i >= 32)
			return 0;
	}
	return av_err_code(err, -EINVAL, "bad-request",
	    "'%s' has no key of 32 digits or more for '%s'", path, user);
}

static bool
is_address(const char *s)
{
	uint8_t buf[16];

	return (inet_pton(AF_INET, s, buf) == 1 &&
	    strcmp(s, "0.0.0.0") != 0) ||
	    (inet_pton(AF_INET6, s, buf) == 1 && strcmp(s, "::") != 0);
}

static int
check_conf(const struct drbd_conf *c, struct av_err *err)
{
	if (!is_name(c->id) || !is_plain_path(c->dir) ||
	    !is_plain_path(c->run_dir) || !is_plain_path(c->handler_path))
		return av_err_code(err, -EINVAL, "bad-request",
		    "a name or path of volume '%s' can't be used with drbd",
		    c->id);
	if (!is_address(c->listen_addr) || !is_address(c->peer_addr))
		return av_err_code(err, -EINVAL, "bad-request",
		    "drbd needs one numeric address of each PM, not '%s' "
		    "and '%s'", c->listen_addr, c->peer_addr);
	if (!c->unencrypted_ok)
		return av_err_code(err, -EPERM, "no-encryption",
		    "DRBD 8.4 has no TLS: the volume's data would cross the "
		    "cable in clear text; allow it or use 'replica'");
	return 0;
}

int
drbd_conf_copy(struct drbd_conf *c, const struct mirror_conf *f,
    struct av_err *err)
{
	const struct mirror_drbd_conf *x = f->drbd;
	bool ok;
	int rc;

	memset(c, 0, sizeof(*c));
	ok = PUT(c->id, f->id) && PUT(c->dir, f->dir) &&
	    PUT(c->run_dir, f->run_dir) && PUT(c->unit_uuid, f->unit_uuid) &&
	    PUT(c->volume_uuid, f->volume_uuid) &&
	    PUT(c->listen_addr, f->listen_addr) &&
	    /* 8.4 has one path: more cables are the bond's business */
	    f->n_peer_addrs >= 1 && PUT(c->peer_addr, f->peer_addrs[0]) &&
	    PUT(c->handler_path, x != NULL && x->handler_path != NULL ?
	    x->handler_path : DRBD_HANDLER) &&
	    join(c->res, sizeof(c->res), "av-", f->id, "") &&
	    join(c->res_path, sizeof(c->res_path), c->dir, "/", c->res) &&
	    join(c->fence_path, sizeof(c->fence_path), c->run_dir, "/",
	    "fence.sock") && strlen(c->res_path) + 5 < sizeof(c->res_path) &&
	    f->psk_file != NULL && f->port != 0 && f->peer_port != 0;
	if (!ok)
		return av_err_code(err, -EINVAL, "bad-request",
		    "a mirror parameter is missing or too long");
	memcpy(c->res_path + strlen(c->res_path), ".res", 5);
	c->unencrypted_ok = x == NULL || x->unencrypted_ok;
	c->port = f->port;
	c->peer_port = f->peer_port;
	c->peer_timeout_ms = f->peer_timeout_ms != 0 ? f->peer_timeout_ms :
	    1500;
	c->time_scale = f->time_scale;
	c->resync_rate_kib_s = f->resync_rate_kib_s;
	rc = check_conf(c, err);
	return rc < 0 ? rc : read_secret(c, f->psk_file,
	    f->psk_user != NULL ? f->psk_user : "avpair", err);
}

uint64_t
drbd_rate_kib_s(uint64_t rate)
{
	return rate == 0 || rate > RATE_MAX_KIB_S ? RATE_MAX_KIB_S :
	    rate < RATE_MIN_KIB_S ? RATE_MIN_KIB_S : rate;
}

/* --- resource file --- */

static void
print_side(FILE *f, const char *addr, uint16_t port,
    const struct drbd_conf *c, const struct drbd_record *rec)
{
	bool is6 = strchr(addr, ':') != NULL;

	fprintf(f, "\tfloating %s%s%s:%u {\n", is6 ? "ipv6 [" : "ipv4 ", addr,
	    is6 ? "]" : "", port);
	fprintf(f, "\t\tdevice /dev/drbd%u minor %u;\n", rec->minor,
	    rec->minor);
	fprintf(f, "\t\tdisk %s/%s/%s;\n", rec->dev_dir, rec->vg, c->res);
	fprintf(f, "\t\tmeta-disk internal;\n\t}\n");
}

static void
print_disk(FILE *f, const struct drbd_conf *c, const struct drbd_record *rec)
{
	uint64_t rate = drbd_rate_kib_s(c->resync_rate_kib_s);
	/* Growing may have been cut short after DRBD did it: it would shrink. */
	uint64_t size = c->agreed_bytes > rec->size_bytes ? c->agreed_bytes :
	    rec->size_bytes;

	fprintf(f, "\tdisk {\n"
	    "\t\tsize %" PRIu64 "s;\n"
	    "\t\ton-io-error detach;\n"
	    "\t\tfencing resource-and-stonith;\n"
	    "\t\tdisk-barrier no;\n\t\tdisk-flushes yes;\n"
	    "\t\tmd-flushes yes;\n\t\tal-extents 1237;\n"
	    "\t\tc-plan-ahead 20;\n\t\tc-fill-target %u;\n"
	    "\t\tc-max-rate %" PRIu64 "k;\n"
	    "\t\tresync-rate %" PRIu64 "k;\n\t}\n",
	    size / 512, FILL_SECTORS, rate, rate);
}

static void
print_net(FILE *f, const struct drbd_conf *c)
{
	/* drbd.conf(5): timeout (0.1 s) below connect-int and ping-int (s) */
	unsigned tenths = (c->peer_timeout_ms + 99) / 100;
	unsigned secs;

	if (tenths > 600)
		tenths = 600;
	secs = tenths / 10 + 1;
	fprintf(f, "\tnet {\n\t\tprotocol C;\n\t\ttimeout %u;\n"
	    "\t\tconnect-int %u;\n\t\tping-int %u;\n\t\tping-timeout %u;\n"
	    "\t\tallow-two-primaries no;\n"
	    "\t\tafter-sb-0pri disconnect;\n\t\tafter-sb-1pri disconnect;\n"
	    "\t\tafter-sb-2pri disconnect;\n\t\trr-conflict disconnect;\n"
	    "\t\talways-asbp no;\n\t\tverify-alg crc32c;\n"
	    "\t\tcram-hmac-alg sha256;\n\t\tshared-secret \"%s\";\n\t}\n",
	    tenths, secs, secs, tenths < 5 ? 5 : tenths > 300 ? 300 : tenths,
	    c->secret);
}

char *
drbd_conf_text(const struct drbd_conf *c, const struct drbd_record *rec)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	bool bad;

	if (f == NULL)
		return NULL;
	fprintf(f, "# Written by avpair at each start; changes are lost.\n"
	    "# The link isn't encrypted: DRBD 8.4 has no TLS.\n"
	    "global {\n\tusage-count no;\n}\n\n"
	    "resource %s {\n"
	    "\thandlers {\n\t\tfence-peer \"%s %s\";\n\t}\n"
	    "\toptions {\n\t\ton-no-data-accessible suspend-io;\n\t}\n",
	    c->res, c->handler_path, c->fence_path);
	print_disk(f, c, rec);
	print_net(f, c);
	print_side(f, c->listen_addr, c->port, c, rec);
	print_side(f, c->peer_addr, c->peer_port, c, rec);
	fprintf(f, "}\n");
	bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad) {
		free(text);
		return NULL;
	}
	return text;
}

int
drbd_conf_write(const struct drbd_conf *c, const struct drbd_record *rec,
    struct av_err *err)
{
	AUTO_FREE char *text = drbd_conf_text(c, rec);

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	/* it holds the secret */
	return av_file_write(c->res_path, text, strlen(text), 0600, err);
}
