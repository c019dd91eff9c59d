/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/vifctl_main.c - av-vifctl CALL ARG...: each call of vif.h, for its live test
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vif/vif.h"

static int
show(const char *ifname, struct av_err *err)
{
	struct vif_addr a[32];
	struct vif_link l;
	int i, n, rc = vif_link_get(ifname, &l, err);

	if (rc < 0)
		return rc;
	(void)printf("up=%d carrier=%d kind=%s master=%s mac0=%02x rx=%llu\n",
	    l.up, l.carrier, l.kind, l.master, l.mac[0],
	    (unsigned long long)l.rx_packets);
	n = vif_addr_list(ifname, a, 32, err);
	for (i = 0; i < n && i < 32; i++)
		(void)printf("addr=%s\n", a[i].text);
	return n < 0 ? n : 0;
}

int
main(int argc, char **argv)
{
	const char *w = argc > 1 ? argv[1] : "", *a = argc > 2 ? argv[2] : "",
	    *b = argc > 3 ? argv[3] : "";
	struct av_err err = {0};
	uint8_t mac[6];
	int rc = -1;

	if (strcmp(w, "show") == 0)
		rc = show(a, &err);
	else if (strcmp(w, "bridge") == 0)
		rc = vif_bridge_ensure(a, &err);
	else if (strcmp(w, "bridge-delete") == 0)
		rc = vif_bridge_delete(a, &err);
	else if (strcmp(w, "port") == 0)
		rc = vif_port_add(a, b, &err);
	else if (strcmp(w, "port-remove") == 0)
		rc = vif_port_remove(a, &err);
	else if (strcmp(w, "tap") == 0)
		rc = vif_tap_ensure(a, b, (uid_t)-1, &err);
	else if (strcmp(w, "tap-delete") == 0)
		rc = vif_tap_delete(a, &err);
	else if (strcmp(w, "up") == 0)
		rc = vif_link_set_up(a, true, &err);
	else if (strcmp(w, "addr") == 0)
		rc = vif_addr_add(a, b, &err);
	else if (strcmp(w, "addr-remove") == 0)
		rc = vif_addr_remove(a, b, &err);
	else if (strcmp(w, "announce") == 0)
		rc = vif_announce(NULL, a, b, &err);
	else if (strcmp(w, "announce-mac") == 0 && vif_mac_parse(b, mac) == 0)
		rc = vif_announce_mac(a, mac, &err);
	if (rc < 0)
		(void)fprintf(stderr, "%d %s\n", -rc, err.text);
	return rc < 0;
}
