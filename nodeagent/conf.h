/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/conf.h - what /etc/avpair/avnoded.conf says
 *
 * Read once at start; everything is checked there, so the rest of the agent
 * may rely on it.  Strings live as long as the struct.
 */
#ifndef AV_NODEAGENT_CONF_H
#define AV_NODEAGENT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CONF_LINKS_MAX		4
#define CONF_NETWORKS_MAX	16
#define CONF_PEERS_MAX		4
#define CONF_STORAGE_MAX	160	/* bytes of storage_dir */

struct conf_link {
	char	local[64];
	char	peer[64];
};

struct agent_conf {
	int	 node;			/* 0 or 1: this PM */
	char	 unit_uuid[37];
	char	 unit_name[256];
	char	*state_dir;		/* /var/lib/avpair */
	char	*storage_dir;		/* volumes as files; NULL = STATE/storage */
	char	*run_dir;		/* /run/avpair */
	char	*log_dir;
	char	*key_file;		/* 64 hex digits, 0600 */
	char	*psk_file;		/* avpair:HEX, for the mirror's TLS */
	struct conf_link links[CONF_LINKS_MAX];
	size_t	 n_links;
	uint16_t heartbeat_port;
	uint16_t watchdog_port;		/* UDP, the guards' beats */
	char	*watchdog;		/* see guard_device.h; "auto" */
	char	*mirror_listen;
	char	 mirror_peers[CONF_PEERS_MAX][64];
	size_t	 n_mirror_peers;
	uint16_t mirror_port_base;	/* volume n listens on base + n */
	/* The quorum server of a unit that is being made; later the database has
	 * them (quorum.h). */
	char	*arbiter;		/* "none", "etcd" or "ping" */
	char	*arbiter_url;		/* NULL with none */
	char	*arbiter_cert_dir;	/* ca.crt client.crt client.key */
	char	*unit_address;		/* "10.77.0.12/24" or NULL */
	char	*unit_interface;
	char	 networks[CONF_NETWORKS_MAX][16];	/* bridges */
	size_t	 n_networks;
	unsigned cpus;			/* 0 = ask the kernel */
	uint64_t memory_bytes;		/* 0 = ask the kernel */
	uint64_t storage_bytes;		/* 0 = ask the file system */
	char	*plugin;
	char	*nbdkit;
	char	*qemu;
	char	*vmrun;			/* NULL = beside this program */
	char	*power_program;		/* of 'reboot' and 'poweroff': power.h */
	char	*driver_vmm;
	char	*driver_mirror;		/* "replica", "drbd", "sim" */
	char	*drbd_vg;		/* volume group of the legs; drbd alone */
	char	*drbd_handler;		/* NULL = /usr/lib/avpair/av-fence-peer */
	bool	 drbd_unencrypted_ok;	/* DRBD 8.4 has no TLS */
	char	*initial_admin_file;	/* "NAME:HASH" or NULL */
	char	*mtbf_policy;		/* of a new unit's PMs; NULL = threshold */
	double	 time_scale;		/* 1 = as in timing.h */
	int	 socket_gid;		/* group that may use agent.sock; -1 = root.
				 * Default: avpair-console's, if any */
};

/* Zeroed struct in.  0, or -errno with a sentence naming file, line and key. */
int conf_load(const char *path, struct agent_conf *ret, struct av_err *err);
void conf_dispose(struct agent_conf *conf);

#endif
