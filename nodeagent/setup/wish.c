/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/wish.c - what the command line asks for, taken apart
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/setup/text.h"
#include "nodeagent/setup/wish.h"

int
wish_list(const char *list, char *rows, size_t size, size_t max, size_t *ret_n)
{
	*ret_n = 0;
	while (list != NULL) {
		size_t n = strcspn(list, ",");

		if (n == 0 || n >= size)
			return -EINVAL;
		if (*ret_n == max)
			return -E2BIG;
		memcpy(rows + *ret_n * size, list, n);
		rows[*ret_n * size + n] = '\0';
		(*ret_n)++;
		list = list[n] == ',' ? list + n + 1 : NULL;
	}
	return 0;
}

static int
bad(struct av_err *err, const char *option, const char *value)
{
	return av_err_code(err, -EINVAL, "bad-argument",
	    tr("--%s can't be '%s'"), option, value);
}

int
wish_facts(const struct setup_wish *w, struct setup_facts *f,
    struct av_err *err)
{
	if (wish_list(w->private_list, f->wanted[0], sizeof(f->wanted[0]),
	    PLAN_LINKS_MAX, &f->n_wanted) < 0)
		return bad(err, "private", w->private_list);
	if (wish_list(w->business_list, f->business[0],
	    sizeof(f->business[0]), PLAN_BRIDGES_MAX, &f->n_business) < 0)
		return bad(err, "business", w->business_list);
	if (w->storage_dir != NULL && w->volume_group != NULL)
		return av_err_code(err, -EINVAL, "bad-argument", "%s",
		    tr("--storage and --volume-group exclude each other"));
	if (w->storage_dir != NULL) {
		if (!plan_path_ok(w->storage_dir) ||
		    strlen(w->storage_dir) >= sizeof(f->storage_dir))
			return bad(err, "storage", w->storage_dir);
		(void)snprintf(f->storage_dir, sizeof(f->storage_dir), "%s",
		    w->storage_dir);
	}
	if (w->volume_group != NULL) {
		if (strlen(w->volume_group) >= sizeof(f->volume_group))
			return bad(err, "volume-group", w->volume_group);
		(void)snprintf(f->volume_group, sizeof(f->volume_group), "%s",
		    w->volume_group);
	}
	return 0;
}

/* --- the first PM's half of the plan --- */

static int
link_add(struct setup_plan *p, const char *cidr, bool private,
    struct av_err *err)
{
	struct plan_link *l = &p->links[p->n_links];
	size_t i;

	if (p->n_links == PLAN_LINKS_MAX)
		return av_err_code(err, -EINVAL, "bad-argument",
		    tr("a unit has at most %d links between its PMs"),
		    PLAN_LINKS_MAX);
	memset(l, 0, sizeof(*l));
	if (plan_prefix_parse(cidr, l->address[0], PLAN_ADDRESS_MAX,
	    &l->prefix) < 0)
		return -EINVAL;
	l->private = private;
	for (i = 0; i < p->n_links; i++)
		if (plan_same_network(p->links[i].address[0], l->address[0],
		    l->prefix))
			return av_err_code(err, -EINVAL, "same-network",
			    tr("%s and %s are in one network: they would be one link, not two"),
			    p->links[i].address[0], l->address[0]);
	p->n_links++;
	return 0;
}

/* IPv4 goes before IPv6 where an interface has both. */
static const char *
first_address(const struct facts_interface *i)
{
	size_t k;

	for (k = 0; k < i->n_addresses; k++)
		if (strchr(i->address[k], ':') == NULL)
			return i->address[k];
	return i->n_addresses > 0 ? i->address[0] : NULL;
}

/* 'word' is an interface or one of this machine's addresses. */
static int
private_add(struct setup_plan *p, const struct setup_facts *f, const char *word,
    struct av_err *err)
{
	const struct facts_interface *i = facts_interface(f, word);
	char cidr[80];
	unsigned prefix;

	if (i != NULL) {
		const char *a = first_address(i);

		return a != NULL ? link_add(p, a, true, err) :
		    av_err_code(err, -EINVAL, "no-address",
		    tr("the interface '%s' has no address: give it one, in a network that only the two PMs use"),
		    word);
	}
	if (facts_owner(f, word, &prefix) == NULL)
		return av_err_code(err, -EINVAL, "no-interface",
		    tr("this machine has no interface or address '%s'"), word);
	(void)snprintf(cidr, sizeof(cidr), "%s/%u", word, prefix);
	return link_add(p, cidr, true, err);
}

static int
business_add(struct setup_plan *p, const struct setup_facts *f,
    const char *name, struct av_err *err)
{
	const struct facts_interface *i = facts_interface(f, name);
	const char *a;

	if (i == NULL)
		return av_err_code(err, -EINVAL, "no-interface",
		    tr("this machine has no interface or address '%s'"), name);
	if (!i->bridge)
		return av_err_code(err, -EINVAL, "no-bridge",
		    tr("'%s' isn't a bridge: guests are plugged into bridges; make one that has '%s' as its port and this machine's address"),
		    name, name);
	(void)snprintf(p->bridges[p->n_bridges++], sizeof(p->bridges[0]), "%s",
	    name);
	a = first_address(i);
	/* a bridge without an address carries guests, no heartbeats */
	return a != NULL && p->n_links < PLAN_LINKS_MAX ?
	    link_add(p, a, false, err) : 0;
}

static int
unit_address_set(struct setup_plan *p, const struct setup_facts *f,
    const char *text, struct av_err *err)
{
	char address[64], own[64];
	unsigned prefix, own_prefix;
	size_t i, k;

	if (text == NULL)
		return 0;
	if (plan_prefix_parse(text, address, sizeof(address), &prefix) < 0)
		return bad(err, "address", text);
	(void)snprintf(p->unit_address, sizeof(p->unit_address), "%s", text);
	for (i = 0; i < f->n_interfaces; i++)
		for (k = 0; k < f->interfaces[i].n_addresses; k++) {
			if (plan_prefix_parse(f->interfaces[i].address[k], own,
			    sizeof(own), &own_prefix) < 0 ||
			    !plan_same_network(own, address, own_prefix))
				continue;
			if (strcmp(own, address) == 0)
				return av_err_code(err, -EINVAL, "address-taken",
				    tr("%s is this machine's own address; the unit needs one of its own, which follows the primary PM"),
				    address);
			(void)snprintf(p->unit_interface,
			    sizeof(p->unit_interface), "%s",
			    f->interfaces[i].name);
			return 0;
		}
	return av_err_code(err, -EINVAL, "address-elsewhere",
	    tr("no interface of this machine is in the network of the unit's address %s"),
	    text);
}

static void
uuid_make(char *ret)
{
	uint8_t b[16];
	char hex[33];

	/* no random bytes is found by all that follows as well */
	if (gnutls_rnd(GNUTLS_RND_RANDOM, b, sizeof(b)) < 0)
		memset(b, 0, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	av_hex_encode(b, 16, hex);
	(void)snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
	    hex + 12, hex + 16, hex + 20);
}

static int
drivers_set(const struct setup_wish *w, struct setup_plan *p,
    struct av_err *err)
{
	const char *mirror = w->mirror != NULL ? w->mirror :
	    w->volume_group != NULL ? "drbd" : "replica";
	const char *hypervisor = w->hypervisor != NULL ? w->hypervisor : "qemu";

	if (strcmp(mirror, "replica") != 0 && strcmp(mirror, "drbd") != 0)
		return bad(err, "mirror", mirror);
	if (strcmp(hypervisor, "qemu") != 0 && strcmp(hypervisor, "xen") != 0)
		return bad(err, "hypervisor", hypervisor);
	if ((strcmp(mirror, "drbd") == 0) != (w->volume_group != NULL))
		return av_err_code(err, -EINVAL, "bad-argument", "%s",
		    tr("--mirror drbd and --volume-group go together; the mirror 'replica' uses files (--storage)"));
	(void)snprintf(p->mirror, sizeof(p->mirror), "%s", mirror);
	(void)snprintf(p->hypervisor, sizeof(p->hypervisor), "%s", hypervisor);
	if (w->quorum == NULL || strcmp(w->quorum, "none") == 0) {
		(void)snprintf(p->arbiter, sizeof(p->arbiter), "none");
		if (w->quorum_ca != NULL || w->quorum_cert != NULL ||
		    w->quorum_key != NULL)
			return av_err_code(err, -EINVAL, "bad-argument", "%s",
			    tr("--quorum-ca, --quorum-cert and --quorum-key need --quorum URL"));
		return 0;
	}
	if (strncmp(w->quorum, "https://", 8) != 0 ||
	    strlen(w->quorum) >= sizeof(p->arbiter_url) ||
	    strpbrk(w->quorum, " \t\r\n\"") != NULL)
		return bad(err, "quorum", w->quorum);
	if (w->quorum_ca == NULL || w->quorum_cert == NULL ||
	    w->quorum_key == NULL)
		return av_err_code(err, -EINVAL, "bad-argument", "%s",
		    tr("--quorum URL needs --quorum-ca, --quorum-cert and --quorum-key"));
	(void)snprintf(p->arbiter, sizeof(p->arbiter), "etcd");
	(void)snprintf(p->arbiter_url, sizeof(p->arbiter_url), "%s", w->quorum);
	return 0;
}

static int
scale_set(const struct setup_wish *w, struct setup_plan *p, struct av_err *err)
{
	const char *text = w->time_scale != NULL ? w->time_scale : "1";
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0.5) || !(v <= 20) ||
	    strlen(text) >= sizeof(p->time_scale))
		return bad(err, "time-scale", text);
	(void)snprintf(p->time_scale, sizeof(p->time_scale), "%s", text);
	return 0;
}

static int
links_set(const struct setup_facts *f, struct setup_plan *p, struct av_err *err)
{
	size_t i;
	int rc = 0;

	if (f->n_wanted == 0)
		return av_err_code(err, -EINVAL, "bad-argument", "%s",
		    tr("say with --private which interface goes to the other PM alone"));
	for (i = 0; rc == 0 && i < f->n_wanted; i++)
		rc = private_add(p, f, f->wanted[i], err);
	for (i = 0; rc == 0 && i < f->n_business; i++)
		rc = business_add(p, f, f->business[i], err);
	return rc;
}

int
wish_plan(const struct setup_wish *w, const struct setup_facts *f,
    struct setup_plan *ret, struct av_err *err)
{
	struct setup_plan p = { .whole = false };
	AUTO_FREE char *nfc = NULL;
	int rc = av_name_normalize(w->name, &nfc, err);

	if (rc < 0)
		return rc;
	(void)snprintf(p.name, sizeof(p.name), "%s", nfc);
	uuid_make(p.uuid);
	rc = drivers_set(w, &p, err);
	if (rc == 0)
		rc = scale_set(w, &p, err);
	if (rc == 0)
		rc = links_set(f, &p, err);
	if (rc == 0)
		rc = unit_address_set(&p, f, w->unit_address, err);
	if (rc < 0)
		return rc;
	(void)snprintf(p.storage_dir[0], sizeof(p.storage_dir[0]), "%s",
	    f->storage_dir);
	(void)snprintf(p.volume_group[0], sizeof(p.volume_group[0]), "%s",
	    f->volume_group);
	(void)snprintf(p.host[0], sizeof(p.host[0]), "%s", f->host);
	*ret = p;
	return 0;
}
