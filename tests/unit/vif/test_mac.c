/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/test.h"
#include "vif/vif.h"

#define UNIT	"0f2b9a54-7d4f-4a39-8a1c-5c2b1e0a7d11"

TEST(made_macs)
{
	uint8_t a[6], b[6];

	CHECK_EQ(vif_mac_make(UNIT, 1, a), 0);
	CHECK_EQ(vif_mac_make(UNIT, 1, b), 0);
	CHECK(memcmp(a, b, 6) == 0);
	CHECK_EQ(vif_mac_make(UNIT, 2, b), 0);
	CHECK(memcmp(a, b, 6) != 0);
	CHECK_EQ(a[0] & 3, 2);		/* local, one station's */
	CHECK_EQ(vif_mac_make("another", 1, b), 0);
	CHECK(memcmp(a, b, 6) != 0);
	CHECK_EQ(vif_mac_make(UNIT, (1u << 24) - 1, b), 0);
	CHECK_EQ(vif_mac_make(UNIT, 1u << 24, b), -EINVAL);
	CHECK_EQ(vif_mac_make("", 1, b), -EINVAL);
	return 0;
}

TEST(parsed_macs)
{
	static const char *const bad[] = { "", "52:54:00:12:34", "5254.0012",
		"52:54:00:12:34:5", "52:54:00:12:34:567", "52:54:00:12:34:5g",
		"52-54:00:12:34:56", "52 54 00 12 34 56", "00:00:00:00:00:00",
		"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", " 2:54:00:12:34:56" };
	uint8_t mac[6];
	char text[18];
	size_t i;

	CHECK_EQ(vif_mac_parse("52:54:00:AB:34:56", mac), 0);
	vif_mac_format(mac, text);
	CHECK_STR(text, "52:54:00:ab:34:56");
	CHECK_EQ(vif_mac_parse("52-54-00-12-34-56", mac), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(vif_mac_parse(bad[i], mac), -EINVAL);
	return 0;
}

TEST(names)
{
	CHECK(vif_name_ok("vif0"));
	CHECK(vif_name_ok("a.b-c_d"));
	CHECK(vif_name_ok("fifteen-letters"));
	CHECK(!vif_name_ok("sixteen--letters"));
	CHECK(!vif_name_ok(""));
	CHECK(!vif_name_ok("."));
	CHECK(!vif_name_ok(".."));
	CHECK(!vif_name_ok("a/b"));
	CHECK(!vif_name_ok("a b"));
	CHECK(!vif_name_ok("a,b"));
	return 0;
}

TESTS_MAIN(T(made_macs), T(parsed_macs), T(names))
