/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/str.c - text helpers: UTF-8, names, sizes, numbers
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/err.h"
#include "base/str.h"

/* 85 characters: 255 bytes of three-byte (Japanese) text, a file name's limit. */
#define NAME_MAX_CHARS	85
#define NAME_MAX_BYTES	255

int
av_errno_save(void)
{
	return errno;
}

void
av_errno_restore(int saved)
{
	errno = saved;
}

size_t
av_utf8_valid_prefix(const char *s, size_t n)
{
	size_t done = 0;

	while (done < n) {
		utf8proc_int32_t cp;
		utf8proc_ssize_t r;

		if (s[done] == '\0')
			break;
		r = utf8proc_iterate((const utf8proc_uint8_t *)s + done,
		    (utf8proc_ssize_t)(n - done), &cp);
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}

bool
av_utf8_ok(const char *s)
{
	size_t n = strlen(s);

	return av_utf8_valid_prefix(s, n) == n;
}

void
av_utf8_trim(char *s)
{
	size_t n = strlen(s);
	size_t ok = av_utf8_valid_prefix(s, n);

	/* only a cut-off end is mended; other bad bytes are the writer's bug
	 * and stay visible */
	if (n - ok < 4 && ok < n)
		s[ok] = '\0';
}

static bool
char_is_forbidden(utf8proc_int32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
		return true;
	/* marks, embeddings, overrides and isolates that reorder text:
	 * Unicode TR 36, section 2.3 */
	return cp == 0x200e || cp == 0x200f || cp == 0x061c ||
	    (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
	    cp == 0x2028 || cp == 0x2029 || cp == 0xfeff;
}

static int
name_check(const char *nfc, struct av_err *err)
{
	size_t n = strlen(nfc), done = 0, n_chars = 0;
	utf8proc_int32_t cp = 0, first = -1;

	while (done < n) {
		utf8proc_ssize_t r = utf8proc_iterate(
		    (const utf8proc_uint8_t *)nfc + done,
		    (utf8proc_ssize_t)(n - done), &cp);

		if (r <= 0)
			return av_err_code(err, -EINVAL, "name-invalid",
			    "the name is not valid UTF-8 text");
		if (char_is_forbidden(cp))
			return av_err_code(err, -EINVAL, "name-invalid",
			    "the name holds a control character (U+%04X)",
			    (unsigned)cp);
		if (first < 0)
			first = cp;
		done += (size_t)r;
		n_chars++;
	}
	if (n_chars == 0)
		return av_err_code(err, -EINVAL, "name-invalid",
		    "the name is empty");
	if (n_chars > NAME_MAX_CHARS || n > NAME_MAX_BYTES)
		return av_err_code(err, -EINVAL, "name-invalid",
		    "the name is too long: %zu characters (%zu bytes); at most %d characters and %d bytes",
		    n_chars, n, NAME_MAX_CHARS, NAME_MAX_BYTES);
	if (first == ' ' || first == 0x3000 || cp == ' ' || cp == 0x3000)
		return av_err_code(err, -EINVAL, "name-invalid",
		    "the name begins or ends with a space");
	return 0;
}

int
av_name_normalize(const char *name, char **ret_nfc, struct av_err *err)
{
	char *nfc;
	int rc;

	if (!av_utf8_ok(name))
		return av_err_code(err, -EINVAL, "name-invalid",
		    "the name is not valid UTF-8 text");
	if (strlen(name) > 4 * NAME_MAX_BYTES)	/* before work is done on it */
		return av_err_code(err, -EINVAL, "name-invalid",
		    "the name is too long: %zu bytes; at most %d", strlen(name),
		    NAME_MAX_BYTES);
	nfc = (char *)utf8proc_NFC((const utf8proc_uint8_t *)name);
	if (nfc == NULL)
		return av_err_set(err, -ENOMEM, "name: no memory");
	rc = name_check(nfc, err);
	if (rc < 0) {
		free(nfc);
		return rc;
	}
	*ret_nfc = nfc;
	return 0;
}

size_t
av_utf8_columns(const char *s)
{
	size_t n = strlen(s), done = 0, columns = 0;

	while (done < n) {
		utf8proc_int32_t cp;
		utf8proc_ssize_t r = utf8proc_iterate(
		    (const utf8proc_uint8_t *)s + done,
		    (utf8proc_ssize_t)(n - done), &cp);

		if (r <= 0) {
			done++;
			columns++;
			continue;
		}
		columns += (size_t)utf8proc_charwidth(cp);
		done += (size_t)r;
	}
	return columns;
}

int
av_parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

static int
size_unit_shift(const char *unit)
{
	static const char letters[] = "KMGTP";
	const char *p;

	if (*unit == '\0' || strcasecmp(unit, "b") == 0)
		return 0;
	p = strchr(letters, toupper((unsigned char)*unit));
	if (p == NULL)
		return -EINVAL;
	unit++;
	if (*unit != '\0' && strcasecmp(unit, "b") != 0 &&
	    strcasecmp(unit, "ib") != 0)
		return -EINVAL;
	return 10 * (int)(p - letters + 1);
}

int
av_parse_size(const char *s, uint64_t *ret_bytes)
{
	uint64_t whole = 0, frac = 0, frac_div = 1, bytes;
	bool digits = false;
	int shift;

	for (; *s >= '0' && *s <= '9'; s++, digits = true) {
		if (__builtin_mul_overflow(whole, (uint64_t)10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -ERANGE;
	}
	if (!digits)
		return -EINVAL;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++) {
			if (frac_div >= 1000000)
				return -EINVAL;
			frac = frac * 10 + (uint64_t)(*s - '0');
			frac_div *= 10;
		}
		if (frac_div == 1)
			return -EINVAL;
	}
	while (*s == ' ')
		s++;
	shift = size_unit_shift(s);
	if (shift < 0)
		return -EINVAL;
	if (shift == 0 && frac_div > 1)
		return -EINVAL;
	if (whole > (UINT64_MAX >> shift))
		return -ERANGE;
	bytes = whole << shift;
	if (frac_div > 1 &&
	    __builtin_add_overflow(bytes,
	    (uint64_t)((unsigned __int128)(frac << 0) *
	    ((uint64_t)1 << shift) / frac_div), &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

void
av_format_size(uint64_t bytes, char *buf, size_t n)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB",
	};
	unsigned u = 0;

	while (u + 1 < ARRAY_SIZE(units) && (bytes >> (10 * (u + 1))) > 0)
		u++;
	if ((bytes & (((uint64_t)1 << (10 * u)) - 1)) == 0)
		(void)snprintf(buf, n, "%" PRIu64 " %s", bytes >> (10 * u),
		    units[u]);
	else
		(void)snprintf(buf, n, "%.2f %s",
		    (double)bytes / (double)((uint64_t)1 << (10 * u)), units[u]);
}

int
av_hex_decode(const char *s, uint8_t *buf, size_t n)
{
	size_t i;

	if (strlen(s) != 2 * n)
		return -EINVAL;
	for (i = 0; i < 2 * n; i++) {
		unsigned char c = (unsigned char)s[i];
		unsigned v;

		if (!isxdigit(c))
			return -EINVAL;
		v = isdigit(c) ? (unsigned)c - '0' :
		    (unsigned)tolower(c) - 'a' + 10;
		if (i % 2 == 0)
			buf[i / 2] = (uint8_t)(v << 4);
		else
			buf[i / 2] = (uint8_t)(buf[i / 2] | v);
	}
	return 0;
}

void
av_hex_encode(const uint8_t *buf, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		ret[2 * i] = digits[buf[i] >> 4];
		ret[2 * i + 1] = digits[buf[i] & 15];
	}
	ret[2 * n] = '\0';
}
