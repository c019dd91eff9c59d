/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/plan.c - what a unit will be: all that isn't secret
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/setup/plan.h"
#include "vif/vif.h"

/* --- checks of single values --- */

static int
address_bytes(const char *s, uint8_t *buf)
{
	if (inet_pton(AF_INET, s, buf) == 1)
		return 4;
	return inet_pton(AF_INET6, s, buf) == 1 ? 16 : 0;
}

bool
plan_address_ok(const char *s)
{
	uint8_t buf[16];

	return address_bytes(s, buf) != 0;
}

bool
plan_interface_ok(const char *s)
{
	return vif_name_ok(s);
}

bool
plan_path_ok(const char *s)
{
	const char *p;

	if (*s != '/' || strstr(s, "/../") != NULL || !av_utf8_ok(s))
		return false;
	for (p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return p - s < 3 || strcmp(p - 3, "/..") != 0;
}

int
plan_prefix_parse(const char *s, char *ret, size_t n, unsigned *ret_prefix)
{
	const char *slash = strchr(s, '/');
	uint8_t bytes[16];
	uint64_t bits;
	int size;

	if (slash == NULL || (size_t)(slash - s) >= n)
		return -EINVAL;
	memcpy(ret, s, (size_t)(slash - s));
	ret[slash - s] = '\0';
	size = address_bytes(ret, bytes);
	if (size == 0 || av_parse_u64(slash + 1, &bits) < 0 || bits == 0 ||
	    bits > (uint64_t)size * 8)
		return -EINVAL;
	*ret_prefix = (unsigned)bits;
	return 0;
}

bool
plan_same_network(const char *a, const char *b, unsigned prefix)
{
	uint8_t x[16], y[16];
	int n = address_bytes(a, x);
	unsigned i;

	if (n == 0 || address_bytes(b, y) != n || prefix > (unsigned)n * 8)
		return false;
	for (i = 0; i < prefix; i++)
		if (((x[i / 8] ^ y[i / 8]) & (0x80u >> (i % 8))) != 0)
			return false;
	return true;
}

/* --- JSON in --- */

int
plan_known(const json_t *j, const char *const *known, size_t n,
    struct av_err *err)
{
	const char *key;
	json_t *value;
	size_t i;

	if (!json_is_object(j))
		return av_err_code(err, -EBADMSG, "bad-request",
		    "an object was expected");
	json_object_foreach((json_t *)(uintptr_t)j, key, value) {
		for (i = 0; i < n; i++)
			if (strcmp(known[i], key) == 0)
				break;
		if (i == n)
			return av_err_code(err, -EBADMSG, "bad-request",
			    "unknown member '%.40s'", key);
	}
	return 0;
}

int
plan_text(const json_t *j, const char *key, bool needed, char *ret, size_t max,
    struct av_err *err)
{
	const json_t *v = json_object_get(j, key);
	const char *s = json_string_value(v);
	size_t i;

	*ret = '\0';
	if (v == NULL && !needed)
		return 0;
	if (s == NULL || json_string_length(v) != strlen(s) ||
	    strlen(s) >= max || (needed && *s == '\0'))
		return av_err_code(err, -EBADMSG, "bad-request",
		    "'%s' isn't a text of fitting length", key);
	for (i = 0; s[i] != '\0'; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return av_err_code(err, -EBADMSG, "bad-request",
			    "'%s' holds a control character", key);
	(void)snprintf(ret, max, "%s", s);
	return 0;
}

static int
bad(struct av_err *err, const char *key, const char *value)
{
	return av_err_code(err, -EBADMSG, "bad-request",
	    "'%s' can't be '%.60s'", key, value);
}

static int
pair_decode(const json_t *j, const char *key, size_t max, char *ret0, char *ret1,
    struct av_err *err)
{
	const json_t *a = json_object_get(j, key);
	AUTO_JSON json_t *o = NULL;
	int rc;

	if (a == NULL)
		return 0;
	if (!json_is_array(a) || json_array_size(a) != 2)
		return bad(err, key, "not two values");
	o = json_pack("{s:O, s:O}", "0", json_array_get(a, 0), "1",
	    json_array_get(a, 1));
	if (o == NULL)
		return -ENOMEM;
	rc = plan_text(o, "0", false, ret0, max, err);
	return rc < 0 ? rc : plan_text(o, "1", false, ret1, max, err);
}

static int
link_decode(const json_t *j, bool whole, struct plan_link *l, struct av_err *err)
{
	static const char *const known[] = { "first", "second", "prefix",
	    "private" };
	const json_t *prefix = json_object_get(j, "prefix");
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0)
		rc = plan_text(j, "first", true, l->address[0],
		    PLAN_ADDRESS_MAX, err);
	if (rc == 0)
		rc = plan_text(j, "second", whole, l->address[1],
		    PLAN_ADDRESS_MAX, err);
	if (rc < 0)
		return rc;
	if (!plan_address_ok(l->address[0]) ||
	    (l->address[1][0] != '\0' && !plan_address_ok(l->address[1])))
		return bad(err, "link", l->address[0]);
	if (!json_is_integer(prefix) || json_integer_value(prefix) < 1 ||
	    json_integer_value(prefix) > 128)
		return bad(err, "prefix", "out of range");
	l->prefix = (unsigned)json_integer_value(prefix);
	l->private = json_is_true(json_object_get(j, "private"));
	return 0;
}

static int
lists_decode(const json_t *j, struct setup_plan *p, struct av_err *err)
{
	const json_t *links = json_object_get(j, "links"), *v;
	const json_t *bridges = json_object_get(j, "bridges");
	size_t i;
	int rc;

	if (!json_is_array(links) || json_array_size(links) == 0 ||
	    json_array_size(links) > PLAN_LINKS_MAX)
		return bad(err, "links", "none or too many");
	json_array_foreach(links, i, v) {
		rc = link_decode(v, p->whole, &p->links[p->n_links++], err);
		if (rc < 0)
			return rc;
	}
	if (!p->links[0].private)
		return bad(err, "links", "no private one");
	if (json_array_size(bridges) > PLAN_BRIDGES_MAX)
		return bad(err, "bridges", "too many");
	json_array_foreach(bridges, i, v) {
		const char *name = json_string_value(v);

		if (name == NULL || !plan_interface_ok(name))
			return bad(err, "bridges", name != NULL ? name : "");
		(void)snprintf(p->bridges[p->n_bridges++], 16, "%s", name);
	}
	return 0;
}

static int
values_check(const struct setup_plan *p, struct av_err *err)
{
	AUTO_FREE char *nfc = NULL;
	char buf[64];
	unsigned bits;
	char *end;
	double scale;
	int i, rc = av_name_normalize(p->name, &nfc, err);

	if (rc < 0)
		return rc;
	if (strlen(p->uuid) != 36)
		return bad(err, "uuid", p->uuid);
	if (strcmp(p->mirror, "replica") != 0 && strcmp(p->mirror, "drbd") != 0)
		return bad(err, "mirror", p->mirror);
	if (strcmp(p->hypervisor, "qemu") != 0 &&
	    strcmp(p->hypervisor, "xen") != 0)
		return bad(err, "hypervisor", p->hypervisor);
	if (strcmp(p->arbiter, "none") != 0 &&
	    (strcmp(p->arbiter, "etcd") != 0 || p->arbiter_url[0] == '\0'))
		return bad(err, "arbiter", p->arbiter);
	if (p->unit_address[0] != '\0' &&
	    (plan_prefix_parse(p->unit_address, buf, sizeof(buf), &bits) < 0 ||
	    !plan_interface_ok(p->unit_interface)))
		return bad(err, "unit_address", p->unit_address);
	for (i = 0; i < 2; i++) {
		if (p->storage_dir[i][0] != '\0' &&
		    !plan_path_ok(p->storage_dir[i]))
			return bad(err, "storage_dir", p->storage_dir[i]);
		if (strspn(p->volume_group[i], "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-") !=
		    strlen(p->volume_group[i]) || p->volume_group[i][0] == '-')
			return bad(err, "volume_group", p->volume_group[i]);
	}
	scale = strtod(p->time_scale, &end);
	if (end == p->time_scale || *end != '\0' || !(scale >= 0.5) ||
	    !(scale <= 20))
		return bad(err, "time_scale", p->time_scale);
	return 0;
}

int
plan_decode(const json_t *j, struct setup_plan *ret, struct av_err *err)
{
	static const char *const known[] = { "plan", "uuid", "name", "links",
	    "bridges", "unit_address", "unit_interface", "mirror",
	    "hypervisor", "storage_dir", "volume_group", "host", "arbiter",
	    "arbiter_url", "time_scale", "whole" };
	struct setup_plan p = { 0 };
	const struct { const char *key; char *at; size_t n; bool needed; }
	texts[] = {
		{ "uuid", p.uuid, sizeof(p.uuid), true },
		{ "name", p.name, sizeof(p.name), true },
		{ "unit_address", p.unit_address, sizeof(p.unit_address), false },
		{ "unit_interface", p.unit_interface, sizeof(p.unit_interface),
		    false },
		{ "mirror", p.mirror, sizeof(p.mirror), true },
		{ "hypervisor", p.hypervisor, sizeof(p.hypervisor), true },
		{ "arbiter", p.arbiter, sizeof(p.arbiter), true },
		{ "arbiter_url", p.arbiter_url, sizeof(p.arbiter_url), false },
		{ "time_scale", p.time_scale, sizeof(p.time_scale), true },
	};
	size_t i;
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0 && json_integer_value(json_object_get(j, "plan")) !=
	    PLAN_VERSION)
		rc = av_err_code(err, -EBADMSG, "bad-request",
		    "the plan is of another version");
	for (i = 0; rc == 0 && i < ARRAY_SIZE(texts); i++)
		rc = plan_text(j, texts[i].key, texts[i].needed, texts[i].at,
		    texts[i].n, err);
	if (rc == 0)
		rc = pair_decode(j, "storage_dir", sizeof(p.storage_dir[0]),
		    p.storage_dir[0], p.storage_dir[1], err);
	if (rc == 0)
		rc = pair_decode(j, "volume_group", sizeof(p.volume_group[0]),
		    p.volume_group[0], p.volume_group[1], err);
	if (rc == 0)
		rc = pair_decode(j, "host", sizeof(p.host[0]), p.host[0],
		    p.host[1], err);
	p.whole = json_is_true(json_object_get(j, "whole"));
	if (rc == 0)
		rc = lists_decode(j, &p, err);
	if (rc == 0)
		rc = values_check(&p, err);
	if (rc == 0)
		*ret = p;
	return rc;
}

/* --- JSON out --- */

json_t *
plan_encode(const struct setup_plan *p)
{
	AUTO_JSON json_t *links = json_array();
	AUTO_JSON json_t *bridges = json_array();
	size_t i;

	for (i = 0; i < p->n_links; i++)
		if (json_array_append_new(links, json_pack(
		    "{s:s, s:s, s:i, s:b}", "first", p->links[i].address[0],
		    "second", p->links[i].address[1], "prefix",
		    (int)p->links[i].prefix, "private",
		    (int)p->links[i].private)) < 0)
			return NULL;
	for (i = 0; i < p->n_bridges; i++)
		if (json_array_append_new(bridges,
		    json_string(p->bridges[i])) < 0)
			return NULL;
	return json_pack("{s:i, s:s, s:s, s:O, s:O, s:s, s:s, s:s, s:s, "
	    "s:[ss], s:[ss], s:[ss], s:s, s:s, s:s, s:b}", "plan",
	    PLAN_VERSION, "uuid", p->uuid, "name", p->name, "links", links,
	    "bridges", bridges, "unit_address", p->unit_address,
	    "unit_interface", p->unit_interface, "mirror", p->mirror,
	    "hypervisor", p->hypervisor, "storage_dir", p->storage_dir[0],
	    p->storage_dir[1], "volume_group", p->volume_group[0],
	    p->volume_group[1], "host", p->host[0], p->host[1], "arbiter",
	    p->arbiter, "arbiter_url", p->arbiter_url, "time_scale",
	    p->time_scale, "whole", (int)p->whole);
}

unsigned
plan_scaled_ms(const struct setup_plan *p, unsigned ms)
{
	char *end;

	return (unsigned)(ms * strtod(p->time_scale, &end));
}
