/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/render.c - the text of every configuration file
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "nodeagent/setup/render.h"

/*
 * corosync.  link_mode active: every packet goes over all links.  With passive, knet
 * needs about 1.1 s to leave a cut link, longer than the token lives: the cut of one
 * cable broke the membership each time.
 *
 * knet looks at its links every 200 ms and no more often, but takes half the token
 * for its ping's time limit unless told otherwise: with a token of 300 ms whole links
 * were "down" for an instant every few seconds, and the membership with them.
 */
#define TOKEN_MS	300
#define CONSENSUS_MS	360
#define JOIN_MS		50
#define PING_MS		200
#define PING_LIMIT_MS	1000

/* The stream's text once it is closed; NULL if anything went wrong. */
static char *
stream_end(FILE *f, char **text)
{
	bool ok = f != NULL && !ferror(f);

	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok) {
		free(*text);
		*text = NULL;
	}
	return *text;
}

static void
corosync_totem(FILE *f, const struct setup_plan *p)
{
	size_t i;

	fprintf(f, "totem {\n"
	    "    version: 2\n"
	    "    cluster_name: avpair\n"
	    "    transport: knet\n"
	    "    link_mode: active\n"
	    "    crypto_cipher: aes256\n"
	    "    crypto_hash: sha256\n"
	    "    keyfile: /etc/corosync/authkey\n"
	    "    token: %u\n"
	    "    consensus: %u\n"
	    "    join: %u\n", plan_scaled_ms(p, TOKEN_MS),
	    plan_scaled_ms(p, CONSENSUS_MS), plan_scaled_ms(p, JOIN_MS));
	for (i = 0; i < p->n_links; i++)
		fprintf(f, "    interface {\n"
		    "        linknumber: %zu\n"
		    "        knet_ping_interval: %u\n"
		    "        knet_ping_timeout: %u\n"
		    "    }\n", i, plan_scaled_ms(p, PING_MS),
		    plan_scaled_ms(p, PING_LIMIT_MS));
	fprintf(f, "}\n");
}

char *
render_corosync(const struct setup_plan *p, const struct setup_local *l)
{
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);
	int node;

	if (f == NULL)
		return NULL;
	fprintf(f, "# written by av-setup for this unit\n");
	corosync_totem(f, p);
	fprintf(f, "nodelist {\n");
	for (node = 0; node < 2; node++) {
		fprintf(f, "    node {\n        nodeid: %d\n"
		    "        name: node%d\n", node + 1, node);
		for (i = 0; i < p->n_links; i++)
			fprintf(f, "        ring%zu_addr: %s\n", i,
			    p->links[i].address[node]);
		fprintf(f, "    }\n");
	}
	fprintf(f, "}\nlogging {\n    to_stderr: no\n");
	if (l->corosync_log[0] != '\0')
		fprintf(f, "    to_syslog: no\n    to_logfile: yes\n"
		    "    logfile: %s\n    timestamp: hires\n}\n",
		    l->corosync_log);
	else
		fprintf(f, "    to_syslog: yes\n    to_logfile: no\n}\n");
	if (l->no_realtime)
		fprintf(f, "system {\n    sched_rr: no\n"
		    "    move_to_root_cgroup: no\n}\n");
	return stream_end(f, &text);
}

static void
agent_links(FILE *f, const struct setup_plan *p, int node)
{
	size_t i;

	fprintf(f, "heartbeat =");
	for (i = 0; i < p->n_links; i++)
		fprintf(f, " %s=%s", p->links[i].address[node],
		    p->links[i].address[1 - node]);
	fprintf(f, "\nheartbeat_port = 7701\nwatchdog_port = 7703\n");
	/* DRBD needs an address of this PM's own, and has one connection */
	if (strcmp(p->mirror, "drbd") == 0)
		fprintf(f, "mirror_listen = %s\nmirror_peers = %s\n",
		    p->links[0].address[node], p->links[0].address[1 - node]);
	else {
		fprintf(f, "mirror_listen = %s\nmirror_peers =",
		    strchr(p->links[0].address[node], ':') != NULL ? "::" :
		    "0.0.0.0");
		for (i = 0; i < p->n_links; i++)
			fprintf(f, " %s", p->links[i].address[1 - node]);
		fprintf(f, "\n");
	}
	fprintf(f, "mirror_port_base = 7800\n");
}

static void
agent_rest(FILE *f, const struct setup_plan *p, int node)
{
	size_t i;

	fprintf(f, "arbiter = %s\n", p->arbiter);
	if (strcmp(p->arbiter, "none") != 0)
		fprintf(f, "arbiter_url = %s\n"
		    "arbiter_cert_dir = /etc/avpair/etcd\n", p->arbiter_url);
	if (p->unit_address[0] != '\0')
		fprintf(f, "unit_address = %s\nunit_interface = %s\n",
		    p->unit_address, p->unit_interface);
	if (p->n_bridges > 0) {
		fprintf(f, "networks =");
		for (i = 0; i < p->n_bridges; i++)
			fprintf(f, " %s", p->bridges[i]);
		fprintf(f, "\n");
	}
	if (p->storage_dir[node][0] != '\0')
		fprintf(f, "storage_dir = %s\n", p->storage_dir[node]);
	fprintf(f, "driver_vmm = %s\ndriver_mirror = %s\n", p->hypervisor,
	    p->mirror);
	if (strcmp(p->mirror, "drbd") == 0)
		fprintf(f, "drbd_vg = %s\ndrbd_unencrypted_ok = yes\n",
		    p->volume_group[node]);
}

char *
render_avnoded(const struct setup_plan *p, const struct setup_local *l, int node)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	fprintf(f, "# written by av-setup for this unit; docs: avnoded.conf(5)\n"
	    "node = %d\n"
	    "unit_uuid = %s\n"
	    "unit_name = %s\n"
	    "state_dir = /var/lib/avpair\n"
	    "run_dir = /run/avpair\n"
	    "log_dir = /var/log/avpair\n"
	    "key_file = /etc/avpair/unit.key\n"
	    "psk_file = /etc/avpair/mirror.psk\n", node, p->uuid, p->name);
	agent_links(f, p, node);
	agent_rest(f, p, node);
	fprintf(f, "time_scale = %s\n"
	    "initial_admin_file = /etc/avpair/initial-admin\n"
	    "socket_gid = %u\n%s", p->time_scale, l->gid,
	    l->agent_lines != NULL ? l->agent_lines : "");
	return stream_end(f, &text);
}

char *
render_avconsoled(const struct setup_plan *p, const struct setup_local *l,
    int node)
{
	bool v6 = strchr(p->links[0].address[node], ':') != NULL;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	fprintf(f, "# written by av-setup for this unit\n"
	    "node = node%d\n"
	    "agent_socket = /run/avpair/agent.sock\n"
	    "unix_socket = /run/avpair/console.sock\n"
	    "listen = %s:443\n"
	    "cert_file = /etc/avpair/console.crt\n"
	    "key_file = /etc/avpair/console.key\n"
	    "secret_file = /etc/avpair/unit.key\n"
	    "relay_listen = %s:7702\n"
	    "relay_peers =", node, v6 ? "[::]" : "0.0.0.0",
	    v6 ? "[::]" : "0.0.0.0");
	for (i = 0; i < p->n_links; i++)
		fprintf(f, strchr(p->links[i].address[1 - node], ':') != NULL ?
		    " [%s]" : " %s", p->links[i].address[1 - node]);
	fprintf(f, "\npsk_file = /etc/avpair/mirror.psk\n"
	    "user = %u:%u\n%s", l->uid, l->gid,
	    l->console_lines != NULL ? l->console_lines : "");
	return stream_end(f, &text);
}
