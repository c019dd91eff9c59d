/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif/mac.c - MAC addresses and interface names
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/wire.h"
#include "vif/vif.h"

bool
vif_name_ok(const char *s)
{
	size_t i, n = strnlen(s, VIF_NAME_MAX + 1);

	if (n == 0 || n > VIF_NAME_MAX || strcmp(s, ".") == 0 ||
	    strcmp(s, "..") == 0)
		return false;
	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && strchr("._-", s[i]) == NULL)
			return false;
	return true;
}

/* 02, then 16 bits of the unit and 24 bits of the counter: no two alike within a
 * unit, and another unit on the same wire has one chance in 65536 to be equal. */
int
vif_mac_make(const char *unit_uuid, uint32_t counter, uint8_t ret[6])
{
	uint32_t h;

	if (unit_uuid[0] == '\0' || counter >= 1u << 24)
		return -EINVAL;
	h = av_crc32c(0, unit_uuid, strlen(unit_uuid));
	ret[0] = 0x02;
	ret[1] = (uint8_t)(h >> 8);
	ret[2] = (uint8_t)h;
	ret[3] = (uint8_t)(counter >> 16);
	ret[4] = (uint8_t)(counter >> 8);
	ret[5] = (uint8_t)counter;
	return 0;
}

int
vif_mac_parse(const char *text, uint8_t ret[6])
{
	uint8_t mac[6], any = 0;
	char two[3] = "";
	size_t i;

	if (strlen(text) != 17)
		return -EINVAL;
	for (i = 0; i < 6; i++) {
		two[0] = text[3 * i];
		two[1] = text[3 * i + 1];
		if (av_hex_decode(two, &mac[i], 1) < 0)
			return -EINVAL;
		if (i < 5 && text[3 * i + 2] != text[2])
			return -EINVAL;
		any |= mac[i];
	}
	if ((text[2] != ':' && text[2] != '-') || any == 0 || (mac[0] & 1))
		return -EINVAL;
	memcpy(ret, mac, 6);
	return 0;
}

void
vif_mac_format(const uint8_t mac[6], char ret[18])
{
	(void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
	    mac[1], mac[2], mac[3], mac[4], mac[5]);
}
