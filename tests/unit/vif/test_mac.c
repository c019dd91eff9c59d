/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/test.h"
#include "vif/vif.h"

TEST(macs_are_parsed_strictly)
{
	static const char *const bad[] = { "", "52:54:00:12:34", "52:54:00:12:34:5g",
	    "52:54:00:12:34:56:78", "52:54-00:12:34:56", "525400123456",
	    "01:00:5e:00:00:01", "00:00:00:00:00:00", "52.54.00.12.34.56" };
	uint8_t mac[6];
	char text[18];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(vif_mac_parse(bad[i], mac), -EINVAL);
	CHECK_EQ(vif_mac_parse("52-54-00-AB-cd-01", mac), 0);
	vif_mac_format(mac, text);
	CHECK_STR(text, "52:54:00:ab:cd:01");
	return 0;
}

TEST(macs_of_a_unit_never_collide)
{
	uint8_t a[6], b[6];

	CHECK_EQ(vif_mac_make("unit", 1, a), 0);
	CHECK_EQ(vif_mac_make("unit", 2, b), 0);
	CHECK(memcmp(a, b, 6) != 0);
	CHECK_EQ(a[0] & 3, 2);		/* local, one receiver */
	CHECK_EQ(vif_mac_make("unit", 0x10000, a), -ERANGE);
	return 0;
}

TEST(interface_names_are_checked)
{
	CHECK(vif_name_ok("net0"));
	CHECK(!vif_name_ok(""));
	CHECK(!vif_name_ok("."));
	CHECK(!vif_name_ok("sixteen-bytes-ab"));
	CHECK(!vif_name_ok("a b"));
	CHECK(!vif_name_ok("a/b"));
	return 0;
}

TESTS_MAIN(T(macs_are_parsed_strictly), T(macs_of_a_unit_never_collide),
    T(interface_names_are_checked))
