/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/preflight.c - is this machine fit to become a PM?
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"

#define PLUGIN	"nbdkit-avreplica-plugin.so"

/* --- programs --- */

const char *
preflight_own_folder(void)
{
	static char folder[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	char *slash;

	folder[n > 0 ? n : 0] = '\0';
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return "/usr/lib/avpair";
	*slash = '\0';
	return folder;
}

const char *
preflight_program(const char *name)
{
	static const char *const folders[] = { "/usr/lib/avpair", "/usr/sbin",
	    "/usr/bin", "/sbin", "/bin" };
	static char path[PATH_MAX + 64];
	size_t i;

	(void)snprintf(path, sizeof(path), "%s/%s", preflight_own_folder(),
	    name);
	if (access(path, R_OK) == 0)
		return path;
	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

/* nbdkit's own folder, whose name has the machine's kind in it. */
static bool
plugin_exists(void)
{
	glob_t g;
	bool there = preflight_program(PLUGIN) != NULL;

	if (!there && glob("/usr/lib/*/nbdkit/plugins/" PLUGIN, 0, NULL,
	    &g) == 0) {
		there = g.gl_pathc > 0;
		globfree(&g);
	}
	return there;
}

static void
need(bool there, const char *name, const char *package, struct findings *fs)
{
	struct finding *f;

	if (there)
		return;
	f = findings_add(fs, FINDING_BLOCK, "no-program",
	    tr("the program '%s' isn't installed"), name);
	finding_hint(f, "apt-get install %s", package);
}

static void
need_program(const char *name, const char *package, struct findings *fs)
{
	need(preflight_program(name) != NULL, name, package, fs);
}

static void
programs(const struct setup_plan *p, struct findings *fs)
{
	need_program("corosync", "corosync", fs);
	need_program("avnoded", "avpair-node", fs);
	need_program("av-watchdog", "avpair-node", fs);
	need_program("avconsoled", "avpair-console", fs);
	if (strcmp(p->mirror, "drbd") == 0) {
		need_program("av-fence-peer", "avpair-drbd", fs);
		need_program("drbdadm", "drbd-utils", fs);
		need_program("lvs", "lvm2", fs);
	} else {
		need_program("nbdkit", "nbdkit", fs);
		need(plugin_exists(), PLUGIN, "nbdkit-plugin-avreplica", fs);
	}
	if (strcmp(p->hypervisor, "qemu") == 0)
		need_program("qemu-system-x86_64", "qemu-system-x86", fs);
	else
		need_program("av-xenrun", "avpair-xen", fs);
}

/* --- what is here already --- */

static bool
exists(const char *root, const char *path)
{
	char full[PATH_MAX];

	return snprintf(full, sizeof(full), "%s%s", root, path) < PATH_MAX &&
	    access(full, F_OK) == 0;
}

/* corosync.conf as the package brings it, which belongs to nobody. */
static bool
corosync_is_packaged(const char *root)
{
	AUTO_FREE char *text = NULL;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s%s", root, FILES_COROSYNC);
	return av_file_read(path, 1u << 20, &text, NULL, NULL) == 0 &&
	    (strstr(text, "cluster_name: debian") != NULL ||
	    strstr(text, "written by av-setup") != NULL) &&
	    !exists(root, "/etc/corosync/authkey");
}

void
preflight_existing(const char *root, struct findings *fs)
{
	static const char *const data[] = { "/var/lib/avpair/unit.db",
	    "/var/lib/avpair/role" };
	struct finding *f;
	size_t i;

	if (exists(root, FILES_CONF)) {
		f = findings_add(fs, FINDING_BLOCK, "configured",
		    tr("this machine is part of a unit already (%s is there)"),
		    FILES_CONF);
		finding_hint(f, "%s", tr("'avcli unit info' shows it"));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(data); i++)
		if (exists(root, data[i])) {
			f = findings_add(fs, FINDING_BLOCK, "has-data",
			    tr("%s is of a unit that this machine was part of: its data stays"),
			    data[i]);
			finding_hint(f, "%s",
			    tr("move /var/lib/avpair to another place if the data isn't needed here"));
			return;
		}
	if (exists(root, FILES_COROSYNC) && !corosync_is_packaged(root)) {
		f = findings_add(fs, FINDING_BLOCK, "other-cluster",
		    tr("%s is of another cluster"), FILES_COROSYNC);
		finding_hint(f, "%s",
		    tr("a PM can't be part of two clusters: remove that one and its /etc/corosync/authkey first"));
	}
}

/* --- the machine --- */

void
preflight_machine(const struct setup_facts *m, struct findings *fs)
{
	struct timex tx = { 0 };
	struct finding *f;
	char size[32], least[32];

	if (m->memory_bytes < PREFLIGHT_MEMORY_GOOD) {
		av_format_size(m->memory_bytes, size, sizeof(size));
		av_format_size(PREFLIGHT_MEMORY_MIN, least, sizeof(least));
		findings_add(fs, m->memory_bytes < PREFLIGHT_MEMORY_MIN ?
		    FINDING_BLOCK : FINDING_WARN, "little-memory",
		    tr("this machine has %s of memory (%s is the least)"),
		    size, least);
	}
	if (adjtimex(&tx) == TIME_ERROR || (tx.status & STA_UNSYNC) != 0) {
		f = findings_add(fs, FINDING_WARN, "no-time-sync", "%s",
		    tr("this machine's clock follows no time server"));
		finding_hint(f, "%s",
		    tr("systemctl enable --now systemd-timesyncd (or chrony)"));
	}
	if (!services_possible()) {
		f = findings_add(fs, FINDING_BLOCK, "no-systemd", "%s",
		    tr("systemd doesn't run here, so nothing could start the services"));
		finding_hint(f, "%s",
		    tr("AVPAIR_SERVICES=PROGRAM names another starter: avcli(1)"));
	}
}

/* --- interfaces and ports --- */

static void
interface_is_up(const char *address, bool private, const struct setup_facts *m,
    struct findings *fs)
{
	unsigned prefix;
	const struct facts_interface *i = facts_owner(m, address, &prefix);
	struct finding *f;

	if (i == NULL || i->up)
		return;
	f = findings_add(fs, private ? FINDING_BLOCK : FINDING_WARN,
	    "link-down", tr("the interface '%s' is down or has no carrier"),
	    i->name);
	finding_hint(f, tr("look at the cable; ip link set %s up"), i->name);
}

static bool
port_free(const char *address, uint16_t port, int type)
{
	AUTO_FD int fd = -1;

	fd = services_bind(address, port, type);
	return fd >= 0 || fd != -EADDRINUSE;
}

static void
ports(const struct setup_plan *p, int node, struct findings *fs)
{
	static const struct { uint16_t port; int type; const char *use; }
	list[] = {
		{ 5405, SOCK_DGRAM, "corosync" },
		{ 7701, SOCK_DGRAM, "avnoded" },
		{ 7703, SOCK_DGRAM, "av-watchdog" },
		{ 443, SOCK_STREAM, "avconsoled" },
		{ 7702, SOCK_STREAM, "avconsoled" },
		{ 7800, SOCK_STREAM, "avnoded" },
	};
	const char *at = p->links[0].address[node];
	struct finding *f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		bool tcp = list[i].type == SOCK_STREAM;

		if (port_free(at, list[i].port, list[i].type))
			continue;
		f = findings_add(fs, FINDING_BLOCK, "port-taken",
		    tr("port %u (%s), which %s needs, is used by another program"),
		    list[i].port, tcp ? "TCP" : "UDP", list[i].use);
		finding_hint(f, tr("ss -l%cnp 'sport = %u' shows which; stop it or give it another port"),
		    tcp ? 't' : 'u', list[i].port);
	}
}

static void
virtualization(const struct setup_plan *p, const struct setup_facts *m,
    struct findings *fs)
{
	struct finding *f;

	if (strcmp(p->hypervisor, "xen") == 0) {
		if (m->xen && m->hvm)
			return;
		if (m->xen) {
			f = findings_add(fs, FINDING_BLOCK, "no-hvm", "%s",
			    tr("Xen runs here, but without the processor's virtualization: guests couldn't run"));
			finding_hint(f, "%s",
			    tr("switch virtualization (VT-x, AMD-V) on in the firmware"));
			return;
		}
		f = findings_add(fs, FINDING_BLOCK, "no-xen", "%s",
		    tr("this machine isn't running on Xen"));
		finding_hint(f, "%s",
		    tr("apt-get install xen-system-amd64, then restart the machine; or --hypervisor qemu"));
	} else if (!m->kvm) {
		f = findings_add(fs, FINDING_WARN, "no-virtualization", "%s",
		    tr("there is no usable /dev/kvm: guests run, but many times slower"));
		finding_hint(f, "%s",
		    tr("switch virtualization (VT-x, AMD-V) on in the firmware"));
	}
}

void
preflight_plan(const struct setup_plan *p, int node, const struct setup_facts *m,
    struct findings *fs)
{
	struct finding *f;
	size_t i;

	programs(p, fs);
	virtualization(p, m, fs);
	for (i = 0; i < p->n_links; i++)
		interface_is_up(p->links[i].address[node],
		    p->links[i].private, m, fs);
	ports(p, node, fs);
	if (p->n_bridges == 0) {
		f = findings_add(fs, FINDING_WARN, "no-network", "%s",
		    tr("no --business bridge is given: guests will have no network"));
		finding_hint(f, "%s",
		    tr("networks can be added later in avnoded.conf of both PMs"));
	}
	if (p->n_links == 1)
		findings_add(fs, FINDING_WARN, "one-link", "%s",
		    tr("there is only one link between the PMs: when it is cut, they don't hear each other"));
	if (strcmp(p->arbiter, "none") == 0)
		findings_add(fs, FINDING_WARN, "no-quorum", "%s",
		    tr("there is no quorum server: when the PMs lose each other, guests pause until a person decides ('avcli quorum add' adds one later)"));
	if (strcmp(p->mirror, "drbd") == 0)
		findings_add(fs, FINDING_WARN, "clear-text", "%s",
		    tr("DRBD can't encrypt: guests' data crosses the private link in clear text"));
}
