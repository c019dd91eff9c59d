/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica.h - inside of the replica driver; others use mirror.h
 */
#ifndef AV_MIRROR_REPLICA_H
#define AV_MIRROR_REPLICA_H

#include <jansson.h>

#include "base/frame.h"
#include "mirror/mirror.h"

struct replica_conf {
	char		id[MIRROR_ID_MAX];
	char		dir[MIRROR_PATH_MAX], run_dir[MIRROR_PATH_MAX];
	char		unit_uuid[40], volume_uuid[40];
	unsigned	node;
	char		listen_addr[MIRROR_ADDR_MAX];
	uint16_t	port, peer_port;
	char		peer_addrs[MIRROR_PEER_ADDRS_MAX][MIRROR_ADDR_MAX];
	size_t		n_peer_addrs;
	char		psk_file[MIRROR_PATH_MAX], psk_user[64];
	char		nbdkit_path[MIRROR_PATH_MAX];
	char		plugin_path[MIRROR_PATH_MAX];
	char		log_path[MIRROR_PATH_MAX];
	uint32_t	peer_timeout_ms;
	double		time_scale;
	uint64_t	resync_rate_kib_s;
	char		front_path[108], control_path[108];
};

int replica_conf_copy(struct replica_conf *c, const struct mirror_conf *from,
    struct av_err *err);

/* Starts the server detached from this process.  *ret_ready_fd is yours: reads
 * end of file when it is ready, or "CODE\nTEXT\n" when it isn't.  -EADDRINUSE: a
 * server may be about to listen: look for it again. */
int replica_spawn(const struct replica_conf *c, int *ret_ready_fd,
    struct av_err *err);

/* Fills what the message has; the rest of 'st' stays. */
void replica_status_parse(const json_t *msg, struct mirror_status *st);

#endif
