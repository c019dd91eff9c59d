/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/ against the kernel: run it in a network namespace of its own, as root
 * (tests/live/test_vif.sh does).
 */
#include <errno.h>
#include <sys/socket.h>

#include "tests/test.h"
#include "vif/vif.h"

TEST(bridges_and_taps_come_and_go)
{
	struct av_err err = { 0 };
	struct vif_link l;
	int i;

	for (i = 0; i < 2; i++) {	/* twice: asking again is success */
		CHECK_EQ(vif_bridge_ensure("br0", &err), 0);
		CHECK_EQ(vif_tap_ensure("tap0", "br0", (uid_t)-1, &err), 0);
	}
	CHECK_EQ(vif_link_get("br0", &l, &err), 0);
	CHECK(l.is_bridge && l.up);
	CHECK_EQ(vif_link_get("tap0", &l, &err), 0);
	CHECK_STR(l.master, "br0");
	CHECK_STR(l.kind, "tun");
	CHECK_EQ(l.mac[0], 0xfe);
	CHECK(l.up && !l.carrier);
	CHECK_EQ(vif_bridge_ensure("tap0", &err), -EEXIST);
	CHECK_EQ(vif_tap_ensure("br0", "br0", (uid_t)-1, &err), -EEXIST);
	CHECK_EQ(vif_port_remove("tap0", &err), 0);
	CHECK_EQ(vif_link_get("tap0", &l, &err), 0);
	CHECK_STR(l.master, "");
	for (i = 0; i < 2; i++) {
		CHECK_EQ(vif_tap_delete("tap0", &err), 0);
		CHECK_EQ(vif_bridge_delete("br0", &err), 0);
	}
	CHECK_EQ(vif_link_get("tap0", &l, &err), -ENODEV);
	return 0;
}

TEST(addresses_are_added_announced_and_removed)
{
	struct vif_addr a[4];
	struct av_err err = { 0 };
	int i;

	CHECK_EQ(vif_bridge_ensure("br1", &err), 0);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(vif_addr_add("br1", "10.9.8.7/24", &err), 0);
		CHECK_EQ(vif_addr_add("br1", "fd00::7/64", &err), 0);
	}
	CHECK(vif_addr_list("br1", a, 4, &err) >= 2);
	CHECK_STR(a[0].text, "10.9.8.7/24");
	CHECK_STR(a[0].ifname, "br1");
	CHECK_EQ(vif_announce(NULL, "br1", "10.9.8.7/24", &err), 0);
	CHECK_EQ(vif_announce(NULL, "br1", "fd00::7/64", &err), -EAFNOSUPPORT);
	for (i = 0; i < 2; i++)
		CHECK_EQ(vif_addr_remove("br1", "10.9.8.7/24", &err), 0);
	for (i = 0; i < vif_addr_list("br1", a, 4, &err); i++)
		CHECK(a[i].family == AF_INET6);
	CHECK_EQ(vif_addr_add("br1", "10.9.8.7", &err), -EINVAL);
	CHECK_EQ(vif_addr_add("br1", "10.9.8.7/33", &err), -EINVAL);
	CHECK_EQ(vif_addr_add("nosuch", "10.9.8.7/24", &err), -ENODEV);
	CHECK_EQ(vif_bridge_delete("br1", &err), 0);
	return 0;
}

TEST(announcements_repeat_and_end)
{
	sd_event *event = NULL;
	struct av_err err = { 0 };
	struct vif_link before, after;
	int i;

	CHECK(sd_event_new(&event) >= 0);
	CHECK_EQ(vif_bridge_ensure("br2", &err), 0);
	CHECK_EQ(vif_addr_add("br2", "10.9.7.7/24", &err), 0);
	CHECK_EQ(vif_link_get("br2", &before, &err), 0);
	CHECK_EQ(vif_announce(event, "br2", "10.9.7.7/24", &err), 0);
	for (i = 0; i < 4; i++)
		(void)sd_event_run(event, 600000);
	CHECK_EQ(vif_link_get("br2", &after, &err), 0);
	CHECK(after.tx_packets >= before.tx_packets);
	CHECK_EQ(vif_bridge_delete("br2", &err), 0);
	(void)sd_event_unref(event);
	return 0;
}

TESTS_MAIN(T(bridges_and_taps_come_and_go),
    T(addresses_are_added_announced_and_removed),
    T(announcements_repeat_and_end))
