/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/key.c - the key that the first PM shows and the other one is given
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>

#include "base/wire.h"
#include "nodeagent/setup/key.h"
#include "nodeagent/setup/text.h"

#define DIGITS		"0123456789abcdefghjkmnpqrstvwxyz"
#define DATA_DIGITS	16u	/* of 5 bits */
#define ALL_DIGITS	20u

/* The last four digits of 'digits'. */
static void
checksum(char *digits)
{
	uint32_t crc = av_crc32c(0, digits, DATA_DIGITS);
	unsigned i;

	for (i = 0; i < ALL_DIGITS - DATA_DIGITS; i++, crc >>= 5)
		digits[DATA_DIGITS + i] = DIGITS[crc & 31];
}

static void
write_groups(const char *digits, char *ret)
{
	unsigned i;

	for (i = 0; i < ALL_DIGITS; i++) {
		if (i > 0 && i % 4 == 0)
			*ret++ = '-';
		*ret++ = digits[i];
	}
	*ret = '\0';
}

int
key_make(char ret[KEY_TEXT_BYTES], struct av_err *err)
{
	uint8_t random[DATA_DIGITS];
	char digits[ALL_DIGITS];
	unsigned i;

	if (gnutls_rnd(GNUTLS_RND_KEY, random, sizeof(random)) < 0)
		return av_err_set(err, -EIO, "no random bytes");
	for (i = 0; i < DATA_DIGITS; i++)
		digits[i] = DIGITS[random[i] & 31];
	checksum(digits);
	write_groups(digits, ret);
	explicit_bzero(random, sizeof(random));
	explicit_bzero(digits, sizeof(digits));
	return 0;
}

static char
digit_of(char c)
{
	c = (char)tolower((unsigned char)c);
	if (c == 'o')
		return '0';
	if (c == 'i' || c == 'l')
		return '1';
	return c != '\0' && strchr(DIGITS, c) != NULL ? c : '\0';
}

int
key_parse(const char *typed, char ret[KEY_TEXT_BYTES], struct av_err *err)
{
	char digits[ALL_DIGITS], right[ALL_DIGITS];
	size_t n = 0;

	for (; *typed != '\0'; typed++) {
		char c = digit_of(*typed);

		if (*typed == '-' || *typed == ' ')
			continue;
		if (c == '\0' || n == ALL_DIGITS)
			return av_err_code(err, -EINVAL, "bad-key", "%s",
			    tr("that is no key: a key has 20 letters and digits in five groups"));
		digits[n++] = c;
	}
	if (n != ALL_DIGITS)
		return av_err_code(err, -EINVAL, "bad-key", "%s",
		    tr("that is no key: a key has 20 letters and digits in five groups"));
	memcpy(right, digits, DATA_DIGITS);
	checksum(right);
	if (memcmp(right, digits, ALL_DIGITS) != 0)
		return av_err_code(err, -EINVAL, "key-typo", "%s",
		    tr("there is a typing mistake in the key: its last group doesn't fit the others"));
	write_groups(digits, ret);
	explicit_bzero(digits, sizeof(digits));
	return 0;
}

int
key_psk(const char *key, uint8_t ret[KEY_PSK_BYTES], struct av_err *err)
{
	static const uint8_t salt_bytes[] = "avpair unit join 1";
	gnutls_datum_t secret = { (uint8_t *)(uintptr_t)key,
	    (unsigned)strlen(key) };
	gnutls_datum_t salt = { (uint8_t *)(uintptr_t)salt_bytes,
	    sizeof(salt_bytes) - 1 };
	int r = gnutls_pbkdf2(GNUTLS_MAC_SHA256, &secret, &salt, KEY_ROUNDS,
	    ret, KEY_PSK_BYTES);

	return r < 0 ? av_err_set(err, -EIO, "%s", gnutls_strerror(r)) : 0;
}
