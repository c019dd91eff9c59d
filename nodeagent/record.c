/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/record.c - the durable record of this PM's right
 */
#include "nodeagent/record.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "base/wire.h"

#define RECORD_MAX_BYTES	1024
#define UUID_MAX		64

static const char *const mode_names[] = { "new", "together", "alone",
	"outdated" };	/* by enum role_mode: append only */

static int
encode(const char *unit_uuid, int node, const struct role_record *rec,
    char *buf, size_t size)
{
	int n, m;

	n = snprintf(buf, size, "avpair-role 1\nunit %s\nnode %d\n"
	    "generation %llu\nmode %s\npending %d\n", unit_uuid, node,
	    (unsigned long long)rec->gen, mode_names[rec->mode],
	    rec->pending ? 1 : 0);
	if (n < 0 || (size_t)n >= size)
		return -EINVAL;
	m = snprintf(buf + n, size - (size_t)n, "crc32c %08x\n",
	    av_crc32c(0, buf, (size_t)n));
	if (m < 0 || (size_t)m >= size - (size_t)n)
		return -EINVAL;
	return n + m;
}

/* Reads 'key value\n' at *at; value is cut out in place. */
static char *
take_line(char **at, const char *key)
{
	size_t klen = strlen(key);
	char *value, *end;

	if (strncmp(*at, key, klen) != 0 || (*at)[klen] != ' ')
		return NULL;
	value = *at + klen + 1;
	end = strchr(value, '\n');
	if (end == NULL)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return value;
}

static int
damaged(struct av_err *err, const char *what)
{
	return av_err_code(err, -EBADMSG, "record-damaged",
	    "the record of who may run is damaged: %s", what);
}

static int
parse(char *at, const char *unit_uuid, int node, struct role_record *ret,
    struct av_err *err)
{
	struct role_record rec = { 0, ROLE_MODE_NEW, false };
	char *unit, *num, *gen, *mode, *pending;
	uint64_t v;
	size_t i;

	unit = take_line(&at, "unit");
	num = unit != NULL ? take_line(&at, "node") : NULL;
	gen = num != NULL ? take_line(&at, "generation") : NULL;
	mode = gen != NULL ? take_line(&at, "mode") : NULL;
	pending = mode != NULL ? take_line(&at, "pending") : NULL;
	if (pending == NULL || *at != '\0')
		return damaged(err, "a line is missing or unknown");
	if (av_parse_u64(num, &v) < 0 || v > 1 ||
	    av_parse_u64(gen, &rec.gen) < 0 || rec.gen > UINT64_MAX / 2)
		return damaged(err, "a number is out of range");
	for (i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (strcmp(mode, mode_names[i]) == 0)
			break;
	if (i == ARRAY_SIZE(mode_names))
		return damaged(err, "its mode is unknown");
	rec.mode = (enum role_mode)i;
	rec.pending = strcmp(pending, "1") == 0;
	if (!rec.pending && strcmp(pending, "0") != 0)
		return damaged(err, "'pending' isn't 0 or 1");
	if ((rec.pending && rec.mode != ROLE_MODE_ALONE) ||
	    (rec.gen == 0) != (rec.mode == ROLE_MODE_NEW))
		return damaged(err, "its values contradict each other");
	if (strcmp(unit, unit_uuid) != 0 || (int)v != node)
		return av_err_code(err, -EXDEV, "record-other-unit", "the "
		    "record belongs to node%d of unit %.64s, not to node%d of "
		    "unit %.64s", (int)v, unit, node, unit_uuid);
	*ret = rec;
	return 0;
}

int
record_decode(const char *text, size_t n, const char *unit_uuid, int node,
    struct role_record *ret, struct av_err *err)
{
	static const char magic[] = "avpair-role ";
	char buf[RECORD_MAX_BYTES + 1], want[32], *crc;
	uint64_t version;
	char *at, *v;

	if (n == 0 || n > RECORD_MAX_BYTES || memchr(text, '\0', n) != NULL)
		return damaged(err, "wrong length or a NUL byte");
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (strncmp(buf, magic, strlen(magic)) != 0)
		return damaged(err, "not such a file");
	at = buf;
	v = strchr(buf, '\n');
	if (v == NULL)
		return damaged(err, "cut off");
	/* the checksum first: no line is believed before it */
	crc = strstr(buf, "\ncrc32c ");
	if (crc == NULL)
		return damaged(err, "cut off before its checksum");
	crc++;
	(void)snprintf(want, sizeof(want), "crc32c %08x\n",
	    av_crc32c(0, buf, (size_t)(crc - buf)));
	if (strcmp(crc, want) != 0)
		return damaged(err, "its checksum is wrong");
	*crc = '\0';
	v = take_line(&at, "avpair-role");
	if (v == NULL || av_parse_u64(v, &version) < 0)
		return damaged(err, "its version isn't a number");
	if (version != 1)
		return av_err_code(err, -EPROTO, "record-newer", "the record "
		    "of who may run has version %s; this program knows 1", v);
	return parse(at, unit_uuid, node, ret, err);
}

int
record_read(const char *path, const char *unit_uuid, int node,
    struct role_record *ret, struct av_err *err)
{
	AUTO_FREE char *data = NULL;
	size_t n;
	int rc;

	rc = av_file_read(path, RECORD_MAX_BYTES, &data, &n, err);
	if (rc < 0)
		return rc;
	rc = record_decode(data, n, unit_uuid, node, ret, err);
	return rc < 0 ? av_err_prefix(err, path) : 0;
}

int
record_write(const char *path, const char *unit_uuid, int node,
    const struct role_record *rec, struct av_err *err)
{
	char buf[RECORD_MAX_BYTES];
	int n = encode(unit_uuid, node, rec, buf, sizeof(buf));

	if (n < 0)
		return av_err_set(err, n, "record: values too long");
	return av_file_write(path, buf, (size_t)n, 0600, err);
}
