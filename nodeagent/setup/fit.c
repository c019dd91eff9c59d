/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/fit.c - do these two machines make a unit?
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/setup/fit.h"
#include "nodeagent/setup/text.h"

static void
fit_identity(const struct setup_facts *a, const struct setup_facts *b,
    struct findings *fs)
{
	struct finding *f;

	if (strcmp(a->machine, b->machine) == 0)
		findings_add(fs, FINDING_BLOCK, "same-machine", "%s",
		    tr("a machine can't join itself: type the line on the other PM"));
	if (strcmp(a->version, b->version) != 0) {
		f = findings_add(fs, FINDING_BLOCK, "other-version",
		    tr("the other PM has avpair %s, this one %s"), b->version,
		    a->version);
		finding_hint(f, "%s",
		    tr("install the same packages on both: apt-get install of the same versions, then again"));
	}
}

static void
fit_clock(const struct setup_facts *a, const struct setup_facts *b,
    struct findings *fs)
{
	int64_t ms = a->utc_ms - b->utc_ms;
	enum finding_level level;
	struct finding *f;

	if (ms < 0)
		ms = -ms;
	if (ms <= FIT_CLOCK_WARN_MS)
		return;
	level = ms > FIT_CLOCK_MAX_MS ? FINDING_BLOCK : FINDING_WARN;
	f = findings_add(fs, level, "clocks-differ",
	    tr("the clocks of the two PMs differ by %lld s"),
	    (long long)(ms + 500) / 1000);
	finding_hint(f, "%s",
	    tr("let both follow a time server: systemctl enable --now systemd-timesyncd (or chrony)"));
}

static void
fit_power(const struct setup_plan *p, const struct setup_facts *a,
    const struct setup_facts *b, struct findings *fs)
{
	uint64_t small = a->memory_bytes < b->memory_bytes ? a->memory_bytes :
	    b->memory_bytes;
	uint64_t large = a->memory_bytes + b->memory_bytes - small;
	char x[32], y[32];

	if (large / FIT_MEMORY_RATIO > small) {
		av_format_size(small, x, sizeof(x));
		av_format_size(large, y, sizeof(y));
		findings_add(fs, FINDING_WARN, "memory-differs",
		    tr("one PM has %s of memory, the other one %s: the unit has as much as the smaller one"),
		    x, y);
	}
	if (strcmp(a->virtualization, b->virtualization) != 0)
		findings_add(fs, FINDING_WARN, "virtualization-differs",
		    tr("the processors' virtualization differs (%s and %s): VMs can't move between the PMs while they run"),
		    a->virtualization, b->virtualization);
	else if (strcmp(a->cpu_model, b->cpu_model) != 0)
		findings_add(fs, FINDING_WARN, "cpu-differs",
		    tr("the processors differ (%s and %s): moving a running VM may be refused"),
		    a->cpu_model, b->cpu_model);
	if (strcmp(p->hypervisor, "xen") == 0 && !b->xen)
		findings_add(fs, FINDING_BLOCK, "no-xen", "%s",
		    tr("the unit uses Xen, but the other PM isn't running on Xen: install xen-hypervisor and restart it"));
}

/* --- storage --- */

static void
fit_storage(struct setup_plan *p, const struct setup_facts *a,
    const struct setup_facts *b, struct findings *fs)
{
	bool drbd = strcmp(p->mirror, "drbd") == 0;
	char x[32], y[32];

	if (drbd && b->volume_group[0] == '\0')
		findings_add(fs, FINDING_BLOCK, "storage-kind", "%s",
		    tr("the unit's volumes are in LVM volume groups (DRBD): give the other PM's with --volume-group VG"));
	if (!drbd && b->volume_group[0] != '\0')
		findings_add(fs, FINDING_BLOCK, "storage-kind", "%s",
		    tr("the unit's volumes are files: leave --volume-group out on the other PM, or give --storage DIR"));
	(void)snprintf(p->storage_dir[1], sizeof(p->storage_dir[1]), "%s",
	    b->storage_dir);
	(void)snprintf(p->volume_group[1], sizeof(p->volume_group[1]), "%s",
	    b->volume_group);
	if (a->storage_bytes / 2 > b->storage_bytes ||
	    b->storage_bytes / 2 > a->storage_bytes) {
		av_format_size(a->storage_bytes, x, sizeof(x));
		av_format_size(b->storage_bytes, y, sizeof(y));
		findings_add(fs, FINDING_WARN, "storage-differs",
		    tr("%s of storage are free on this PM, %s on the other one: the unit has as much as the smaller one"),
		    x, y);
	}
}

/* --- network --- */

/* May b's 'cidr' on 'i' be used?  The user's --private names what may. */
static bool
wanted(const struct setup_facts *b, const struct facts_interface *i,
    const char *address)
{
	size_t k;

	for (k = 0; k < b->n_wanted; k++)
		if (strcmp(b->wanted[k], i->name) == 0 ||
		    strcmp(b->wanted[k], address) == 0)
			return true;
	return b->n_wanted == 0;
}

/* The other PM's addresses in the network of the link; *ret is the first. */
static unsigned
candidates(const struct plan_link *l, const struct setup_facts *b, char *ret,
    const struct facts_interface **ret_if)
{
	unsigned prefix, n = 0;
	char address[PLAN_ADDRESS_MAX];
	size_t i, k;

	for (i = 0; i < b->n_interfaces; i++)
		for (k = 0; k < b->interfaces[i].n_addresses; k++) {
			if (plan_prefix_parse(b->interfaces[i].address[k],
			    address, sizeof(address), &prefix) < 0 ||
			    !plan_same_network(l->address[0], address,
			    l->prefix) ||
			    (l->private && !wanted(b, &b->interfaces[i],
			    address)))
				continue;
			if (n++ == 0) {
				(void)snprintf(ret, PLAN_ADDRESS_MAX, "%s",
				    address);
				*ret_if = &b->interfaces[i];
			}
		}
	return n;
}

static void
fit_mtu(const struct plan_link *l, const struct setup_facts *a,
    const struct facts_interface *other, struct findings *fs)
{
	unsigned prefix;
	const struct facts_interface *own = facts_owner(a, l->address[0],
	    &prefix);
	struct finding *f;

	if (own == NULL || own->mtu == other->mtu)
		return;
	f = findings_add(fs, FINDING_BLOCK, "mtu-differs",
	    tr("the link %s to %s has an MTU of %u on this PM (%s) and %u on the other one (%s): large packets would be lost in one direction"),
	    l->address[0], l->address[1], own->mtu, own->name, other->mtu,
	    other->name);
	finding_hint(f, tr("give both the same: ip link set %s mtu %u, and in the network's configuration"),
	    other->name, own->mtu);
}

static void
fit_link(struct plan_link *l, const struct setup_facts *a,
    const struct setup_facts *b, struct findings *fs)
{
	const struct facts_interface *i = NULL;
	unsigned n = candidates(l, b, l->address[1], &i);
	struct finding *f;

	if (n == 0) {
		f = findings_add(fs, l->private ? FINDING_BLOCK : FINDING_WARN,
		    "no-common-network",
		    tr("the other PM has no address in the network of %s/%u"),
		    l->address[0], l->prefix);
		finding_hint(f, "%s", l->private ?
		    tr("give the interface at the other end of the cable an address of that network, or name it with --private") :
		    tr("without it that network isn't a second link between the PMs"));
		return;
	}
	if (n > 1) {
		f = findings_add(fs, FINDING_BLOCK, "many-addresses",
		    tr("the other PM has %u addresses in the network of %s/%u"),
		    n, l->address[0], l->prefix);
		finding_hint(f, "%s",
		    tr("say there with --private ADDRESS which one is meant"));
		return;
	}
	if (strcmp(l->address[0], l->address[1]) == 0) {
		findings_add(fs, FINDING_BLOCK, "same-address",
		    tr("both PMs have the address %s"), l->address[0]);
		return;
	}
	if (!i->up)
		findings_add(fs, l->private ? FINDING_BLOCK : FINDING_WARN,
		    "link-down",
		    tr("the other PM's interface '%s' is down or has no carrier"),
		    i->name);
	fit_mtu(l, a, i, fs);
}

static void
fit_bridges(const struct setup_plan *p, const struct setup_facts *b,
    struct findings *fs)
{
	const struct facts_interface *i;
	struct finding *f;
	size_t k;

	for (k = 0; k < p->n_bridges; k++) {
		i = facts_interface(b, p->bridges[k]);
		if (i != NULL && i->bridge)
			continue;
		f = findings_add(fs, FINDING_BLOCK, "no-bridge",
		    tr("the other PM has no bridge '%s': guests' networks have the same names on both"),
		    p->bridges[k]);
		finding_hint(f, "%s",
		    tr("make one of that name there, with the network's interface as its port"));
	}
	if (p->unit_interface[0] != '\0' &&
	    facts_interface(b, p->unit_interface) == NULL)
		findings_add(fs, FINDING_BLOCK, "no-unit-interface",
		    tr("the other PM has no interface '%s', on which the unit's address %s is to stand"),
		    p->unit_interface, p->unit_address);
}

static void
fit_unit_address(const struct setup_plan *p, const struct setup_facts *b,
    struct findings *fs)
{
	char address[64];
	unsigned bits;

	if (plan_prefix_parse(p->unit_address, address, sizeof(address),
	    &bits) == 0 && facts_owner(b, address, &bits) != NULL)
		findings_add(fs, FINDING_BLOCK, "address-taken",
		    tr("the unit's address %s is the other PM's own"), address);
}

/* Business links that the other PM can't have are left out. */
static void
drop_unusable(struct setup_plan *p)
{
	size_t i, n = 0;

	for (i = 0; i < p->n_links; i++)
		if (p->links[i].address[1][0] != '\0')
			p->links[n++] = p->links[i];
	p->n_links = n;
}

/* For certificates and names: anything else is left out. */
static void
host_set(char *dst, size_t n, const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	(void)snprintf(dst, n, "%s", strspn(host, allowed) == strlen(host) ?
	    host : "");
}

bool
fit_complete(struct setup_plan *p, const struct setup_facts *a,
    const struct setup_facts *b, struct findings *fs)
{
	size_t i;

	fit_identity(a, b, fs);
	fit_clock(a, b, fs);
	fit_power(p, a, b, fs);
	fit_storage(p, a, b, fs);
	for (i = 0; i < p->n_links; i++) {
		p->links[i].address[1][0] = '\0';
		fit_link(&p->links[i], a, b, fs);
	}
	fit_bridges(p, b, fs);
	fit_unit_address(p, b, fs);
	if (findings_block(fs))
		return false;
	drop_unusable(p);
	host_set(p->host[0], sizeof(p->host[0]), a->host);
	host_set(p->host[1], sizeof(p->host[1]), b->host);
	p->whole = true;
	return true;
}
