/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/conf.h - what avconsoled is told: /etc/avpair/avconsoled.conf
 *
 *   node         = node0                       this PM's name
 *   agent_socket = /run/avpair/agent.sock
 *   unix_socket  = /run/avpair/console.sock    root on this PM, no login
 *   listen       = 0.0.0.0:443                 HTTPS; '' = none
 *   cert_file    = /etc/avpair/console-cert.pem
 *   key_file     = /etc/avpair/console-key.pem
 *   web_dir      = /usr/share/avpair/webui
 *   secret_file  = /etc/avpair/unit.key        64 hex digits, same on both PMs
 *   psk_file     = /etc/avpair/relay.psk       'user:hex', same on both PMs
 *   relay_listen = 0.0.0.0:7702                screens of guests for the peer
 *   relay_peers  = 10.78.0.2 10.77.0.11        where the peer listens; tried in order
 *   user         = 990:990                     uid:gid to become; unset = stay
 *
 * Addresses are numeric, 'a.b.c.d:port' or '[v6]:port'.
 */
#ifndef CONSOLE_CONF_H
#define CONSOLE_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>

struct av_err;

#define CONF_PEERS_MAX	8
#define CONF_SECRET_BYTES	32
#define CONF_PSK_MAX_BYTES	64

struct console_addr {
	struct sockaddr_storage	sa;
	socklen_t		n;	/* 0 = unset */
};

struct console_conf {
	char	node[64];
	char	agent_socket[108];
	char	unix_socket[108];
	char	cert_file[256], key_file[256], web_dir[256];
	char	secret_file[256], psk_file[256];
	struct console_addr	listen, relay_listen;
	struct console_addr	peers[CONF_PEERS_MAX];
	unsigned		n_peers;
	bool	drop;		/* become uid:gid */
	uid_t	uid;
	gid_t	gid;
	/* from secret_file and psk_file */
	uint8_t	secret[CONF_SECRET_BYTES];
	char	psk_user[64];
	uint8_t	psk[CONF_PSK_MAX_BYTES];
	unsigned n_psk;		/* 0 = no relay */
};

/* Reads the file and the keys that it names. */
int  conf_load(const char *path, struct console_conf *ret, struct av_err *err);
/* "10.0.0.1:443", "[::1]:443"; with 'default_port' > 0 the port may be left out. */
int  conf_addr_parse(const char *s, uint16_t default_port,
    struct console_addr *ret);

#endif
