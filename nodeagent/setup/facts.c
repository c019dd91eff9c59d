/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/facts.c - what a machine is, as far as a unit minds
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/host_xen.h"
#include "nodeagent/setup/facts.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/text.h"

/* --- collecting --- */

/* First line of a small file; "" when it can't be read. */
static void
line_of(const char *path, char *ret, size_t n)
{
	AUTO_FREE char *text = NULL;

	*ret = '\0';
	if (av_file_read(path, 4096, &text, NULL, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(ret, n, "%s", text);
}

static unsigned
prefix_of(const struct sockaddr *mask)
{
	const uint8_t *p;
	size_t n, i;
	unsigned bits = 0;

	if (mask == NULL)
		return 0;
	if (mask->sa_family == AF_INET) {
		p = (const uint8_t *)&((const struct sockaddr_in *)
		    (const void *)mask)->sin_addr;
		n = 4;
	} else {
		p = (const uint8_t *)&((const struct sockaddr_in6 *)
		    (const void *)mask)->sin6_addr;
		n = 16;
	}
	for (i = 0; i < n; i++)
		bits += (unsigned)__builtin_popcount(p[i]);
	return bits;
}

static struct facts_interface *
interface_add(struct setup_facts *f, const char *name, unsigned flags)
{
	char path[80], mtu[16];
	struct facts_interface *i;
	uint64_t v;
	size_t k;

	for (k = 0; k < f->n_interfaces; k++)
		if (strcmp(f->interfaces[k].name, name) == 0)
			return &f->interfaces[k];
	if (f->n_interfaces == FACTS_INTERFACES_MAX || strlen(name) > 15 ||
	    !plan_interface_ok(name))
		return NULL;
	i = &f->interfaces[f->n_interfaces++];
	(void)snprintf(i->name, sizeof(i->name), "%s", name);
	i->up = (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", name);
	line_of(path, mtu, sizeof(mtu));
	if (av_parse_u64(mtu, &v) == 0 && v < 1000000)
		i->mtu = (unsigned)v;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
	i->bridge = access(path, F_OK) == 0;
	return i;
}

static void
address_add(struct facts_interface *i, const struct ifaddrs *a)
{
	char text[INET6_ADDRSTRLEN];
	const void *at;

	if (a->ifa_addr->sa_family == AF_INET) {
		at = &((const struct sockaddr_in *)
		    (const void *)a->ifa_addr)->sin_addr;
	} else {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)
		    (const void *)a->ifa_addr)->sin6_addr;

		if (IN6_IS_ADDR_LINKLOCAL(v6))
			return;
		at = v6;
	}
	if (i->n_addresses == FACTS_ADDRESSES_MAX ||
	    inet_ntop(a->ifa_addr->sa_family, at, text, sizeof(text)) == NULL)
		return;
	(void)snprintf(i->address[i->n_addresses++], sizeof(i->address[0]),
	    "%s/%u", text, prefix_of(a->ifa_netmask));
}

static void
interfaces_collect(struct setup_facts *f)
{
	struct ifaddrs *list, *a;

	if (getifaddrs(&list) < 0)
		return;
	for (a = list; a != NULL; a = a->ifa_next) {
		struct facts_interface *i;

		if ((a->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		i = interface_add(f, a->ifa_name, a->ifa_flags);
		if (i != NULL && a->ifa_addr != NULL &&
		    (a->ifa_addr->sa_family == AF_INET ||
		    a->ifa_addr->sa_family == AF_INET6))
			address_add(i, a);
	}
	freeifaddrs(list);
}

/*
 * Who this machine is, so that it is known again when it comes a second time.  Clones
 * share /etc/machine-id, so a network card's address is in it: of real cards when
 * there are any, the first by name.
 */
static void
machine_collect(struct setup_facts *f)
{
	char id[64], mac[64] = "", best[16] = "", path[80], text[200];
	bool best_real = false;
	uint8_t hash[32];
	size_t i;

	for (i = 0; i < f->n_interfaces; i++) {
		const char *name = f->interfaces[i].name;
		bool real;

		if (f->interfaces[i].bridge)
			continue;
		(void)snprintf(path, sizeof(path), "/sys/class/net/%s/device",
		    name);
		real = access(path, F_OK) == 0;
		if (best[0] == '\0' || (real && !best_real) ||
		    (real == best_real && strcmp(name, best) < 0)) {
			(void)snprintf(best, sizeof(best), "%s", name);
			best_real = real;
		}
	}
	line_of("/etc/machine-id", id, sizeof(id));
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/address", best);
	if (best[0] != '\0')
		line_of(path, mac, sizeof(mac));
	(void)snprintf(text, sizeof(text), "avpair %s %s %s", id, mac,
	    best_real ? "" : f->host);
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), hash) == 0)
		av_hex_encode(hash, 16, f->machine);
}

/* The value of the first 'key : value' line. */
static void
cpuinfo(struct setup_facts *ret)
{
	AUTO_FILE FILE *f = fopen("/proc/cpuinfo", "re");
	char line[8192];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *colon = strchr(line, ':');

		if (colon == NULL || colon[1] == '\0')
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (ret->cpu_model[0] == '\0' &&
		    strncmp(line, "model name", 10) == 0)
			(void)snprintf(ret->cpu_model, sizeof(ret->cpu_model),
			    "%s", colon + 2);
		if (strncmp(line, "flags", 5) == 0) {
			cpu_features(colon + 1, ret->cpu_features,
			    sizeof(ret->cpu_features));
			(void)snprintf(ret->virtualization,
			    sizeof(ret->virtualization), "%s", strstr(colon, " vmx ") != NULL ? "vmx" :
			    strstr(colon, " svm ") != NULL ? "svm" : "none");
			return;
		}
	}
}

static uint64_t
memory_of_host(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

/* Under Xen our kernel sees what it was given of the machine. */
static void
xen_collect(struct setup_facts *f)
{
	char vmrun[PATH_MAX + 16];
	struct host_xen x;

	(void)snprintf(vmrun, sizeof(vmrun), "%s/av-vmrun",
	    preflight_own_folder());
	if (!f->xen || host_xen_ask(vmrun, &x) < 0)
		return;		/* av-xenrun isn't there: preflight says so */
	f->cpus = x.threads;
	f->memory_bytes = x.memory_bytes;
}

void
facts_collect(struct setup_facts *f)
{
	char xen[64], hvm[400];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->version, sizeof(f->version), "%s", AV_VERSION);
	if (gethostname(f->host, sizeof(f->host) - 1) < 0)
		f->host[0] = '\0';
	(void)snprintf(f->language, sizeof(f->language), "%s", tr_now());
	f->utc_ms = av_clock_utc_ms();
	f->cpus = cpus > 0 ? (unsigned)cpus : 1;
	f->memory_bytes = memory_of_host();
	(void)snprintf(f->virtualization, sizeof(f->virtualization), "none");
	cpuinfo(f);
	f->kvm = access("/dev/kvm", R_OK | W_OK) == 0;
	line_of("/proc/xen/capabilities", xen, sizeof(xen));
	f->xen = strstr(xen, "control_d") != NULL;
	line_of("/sys/hypervisor/properties/capabilities", hvm, sizeof(hvm));
	f->hvm = f->xen && strstr(hvm, "hvm-") != NULL;
	xen_collect(f);
	interfaces_collect(f);
	machine_collect(f);
}

const struct facts_interface *
facts_interface(const struct setup_facts *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n_interfaces; i++)
		if (strcmp(f->interfaces[i].name, name) == 0)
			return &f->interfaces[i];
	return NULL;
}

const struct facts_interface *
facts_owner(const struct setup_facts *f, const char *address,
    unsigned *ret_prefix)
{
	size_t i, k;
	char buf[64];

	for (i = 0; i < f->n_interfaces; i++)
		for (k = 0; k < f->interfaces[i].n_addresses; k++)
			if (plan_prefix_parse(f->interfaces[i].address[k], buf,
			    sizeof(buf), ret_prefix) == 0 &&
			    strcmp(buf, address) == 0)
				return &f->interfaces[i];
	return NULL;
}

/* --- JSON --- */

static json_t *
interface_encode(const struct facts_interface *i)
{
	AUTO_JSON json_t *a = json_array();
	size_t k;

	for (k = 0; k < i->n_addresses; k++)
		if (json_array_append_new(a, json_string(i->address[k])) < 0)
			return NULL;
	return json_pack("{s:s, s:i, s:b, s:b, s:O}", "name", i->name, "mtu",
	    (int)i->mtu, "up", (int)i->up, "bridge", (int)i->bridge,
	    "addresses", a);
}

static json_t *
texts_encode(const char *base, size_t size, size_t n)
{
	AUTO_JSON json_t *a = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		if (json_array_append_new(a, json_string(base + i * size)) < 0)
			return NULL;
	return TAKE_PTR(a);
}

json_t *
facts_encode(const struct setup_facts *f)
{
	AUTO_JSON json_t *list = json_array();
	size_t i;

	for (i = 0; i < f->n_interfaces; i++)
		if (json_array_append_new(list,
		    interface_encode(&f->interfaces[i])) < 0)
			return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:s, s:s, s:s, s:b, "
	    "s:b, s:b, s:O, s:s, s:I, s:s, s:o, s:o}", "version", f->version,
	    "machine", f->machine, "host", f->host, "language", f->language,
	    "utc_ms", (json_int_t)f->utc_ms, "cpus", (int)f->cpus,
	    "memory_bytes", (json_int_t)f->memory_bytes, "cpu_model",
	    f->cpu_model, "cpu_features", f->cpu_features, "virtualization",
	    f->virtualization, "kvm", (int)f->kvm, "xen", (int)f->xen, "hvm",
	    (int)f->hvm, "interfaces", list, "storage_dir",
	    f->storage_dir, "storage_bytes", (json_int_t)f->storage_bytes,
	    "volume_group", f->volume_group, "wanted",
	    texts_encode(f->wanted[0], sizeof(f->wanted[0]), f->n_wanted),
	    "business", texts_encode(f->business[0], sizeof(f->business[0]),
	    f->n_business));
}

static int
bad(struct av_err *err, const char *what)
{
	return av_err_code(err, -EBADMSG, "bad-request", "bad facts: %s", what);
}

/* An array of texts, each checked as a member would be. */
static int
texts_decode(const json_t *a, char *base, size_t size, size_t max, size_t *ret_n,
    struct av_err *err)
{
	const json_t *v;
	size_t i;

	*ret_n = 0;
	if (!json_is_array(a) || json_array_size(a) > max)
		return bad(err, "a list is too long or none");
	json_array_foreach(a, i, v) {
		AUTO_JSON json_t *o = json_pack("{s:O}", "text", v);
		int rc = plan_text(o, "text", true, base + i * size, size, err);

		if (rc < 0)
			return rc;
	}
	*ret_n = json_array_size(a);
	return 0;
}

static int
interface_decode(const json_t *j, struct facts_interface *i, struct av_err *err)
{
	static const char *const known[] = { "name", "mtu", "up", "bridge",
	    "addresses" };
	json_int_t mtu = json_integer_value(json_object_get(j, "mtu"));
	char buf[64];
	unsigned bits;
	size_t k;
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0)
		rc = plan_text(j, "name", true, i->name, sizeof(i->name), err);
	if (rc == 0)
		rc = texts_decode(json_object_get(j, "addresses"),
		    i->address[0], sizeof(i->address[0]), FACTS_ADDRESSES_MAX,
		    &i->n_addresses, err);
	if (rc < 0)
		return rc;
	if (!plan_interface_ok(i->name) || mtu < 0 || mtu > 1000000)
		return bad(err, "interface");
	for (k = 0; k < i->n_addresses; k++)
		if (plan_prefix_parse(i->address[k], buf, sizeof(buf),
		    &bits) < 0)
			return bad(err, "address");
	i->mtu = (unsigned)mtu;
	i->up = json_is_true(json_object_get(j, "up"));
	i->bridge = json_is_true(json_object_get(j, "bridge"));
	return 0;
}

static int
u64_decode(const json_t *j, const char *key, uint64_t *ret, struct av_err *err)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return bad(err, key);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int
lists_decode(const json_t *j, struct setup_facts *f, struct av_err *err)
{
	const json_t *list = json_object_get(j, "interfaces"), *v;
	size_t i;
	int rc = texts_decode(json_object_get(j, "wanted"), f->wanted[0],
	    sizeof(f->wanted[0]), PLAN_LINKS_MAX, &f->n_wanted, err);

	if (rc == 0)
		rc = texts_decode(json_object_get(j, "business"),
		    f->business[0], sizeof(f->business[0]), PLAN_BRIDGES_MAX,
		    &f->n_business, err);
	if (rc < 0)
		return rc;
	if (!json_is_array(list) ||
	    json_array_size(list) > FACTS_INTERFACES_MAX)
		return bad(err, "interfaces");
	json_array_foreach(list, i, v) {
		rc = interface_decode(v, &f->interfaces[f->n_interfaces++],
		    err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
facts_decode(const json_t *j, struct setup_facts *ret, struct av_err *err)
{
	static const char *const known[] = { "version", "machine", "host",
	    "language", "utc_ms", "cpus", "memory_bytes", "cpu_model",
	    "cpu_features", "virtualization", "kvm", "xen", "hvm", "interfaces", "storage_dir",
	    "storage_bytes", "volume_group", "wanted", "business" };
	struct setup_facts f = { .cpus = 0 };
	const struct { const char *key; char *at; size_t n; bool needed; }
	texts[] = {
		{ "version", f.version, sizeof(f.version), true },
		{ "machine", f.machine, sizeof(f.machine), true },
		{ "host", f.host, sizeof(f.host), false },
		{ "language", f.language, sizeof(f.language), false },
		{ "cpu_model", f.cpu_model, sizeof(f.cpu_model), false },
		{ "cpu_features", f.cpu_features, sizeof(f.cpu_features),
		    false },
		{ "virtualization", f.virtualization, sizeof(f.virtualization),
		    true },
		{ "storage_dir", f.storage_dir, sizeof(f.storage_dir), false },
		{ "volume_group", f.volume_group, sizeof(f.volume_group),
		    false },
	};
	uint64_t cpus = 0, utc = 0;
	uint8_t id[16];
	size_t i;
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	for (i = 0; rc == 0 && i < ARRAY_SIZE(texts); i++)
		rc = plan_text(j, texts[i].key, texts[i].needed, texts[i].at,
		    texts[i].n, err);
	if (rc == 0)
		rc = u64_decode(j, "utc_ms", &utc, err);
	if (rc == 0)
		rc = u64_decode(j, "cpus", &cpus, err);
	if (rc == 0)
		rc = u64_decode(j, "memory_bytes", &f.memory_bytes, err);
	if (rc == 0)
		rc = u64_decode(j, "storage_bytes", &f.storage_bytes, err);
	if (rc == 0)
		rc = lists_decode(j, &f, err);
	if (rc == 0 && (strlen(f.machine) != 32 ||
	    av_hex_decode(f.machine, id, 16) < 0 || cpus > 65536))
		rc = bad(err, "machine");
	f.utc_ms = (int64_t)utc;
	f.cpus = (unsigned)cpus;
	f.kvm = json_is_true(json_object_get(j, "kvm"));
	f.xen = json_is_true(json_object_get(j, "xen"));
	f.hvm = json_is_true(json_object_get(j, "hvm"));
	if (rc == 0)
		*ret = f;
	return rc;
}
