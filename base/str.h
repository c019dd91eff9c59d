/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/str.h - text helpers: UTF-8, names, sizes, numbers
 *
 * Numbers are parsed whole or not at all; nothing here guesses.
 */
#ifndef AV_STR_H
#define AV_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

int  av_errno_save(void);
void av_errno_restore(int saved);

/* Length in bytes of the valid UTF-8 prefix of s[0..n). */
size_t av_utf8_valid_prefix(const char *s, size_t n);
bool   av_utf8_ok(const char *s);
/* Cuts a half character off the end of 's'. */
void   av_utf8_trim(char *s);

/* A display name: valid UTF-8, 1..85 characters and at most 255 bytes after NFC, no control
 * or bidirectional-override characters, no space at either end.  *ret_nfc is the
 * NFC form, the caller's to free.  -EINVAL with a sentence, or -ENOMEM. */
struct av_err;
int av_name_normalize(const char *name, char **ret_nfc, struct av_err *err);

/* Columns that 's' (UTF-8) takes on a terminal. */
size_t av_utf8_columns(const char *s);

/* Decimal, no sign, no blanks; whole string.  -EINVAL or -ERANGE. */
int av_parse_u64(const char *s, uint64_t *ret);
/* "2G", "512M", "1.5G", "10 GiB", "4096": binary units; plain number = bytes. */
int av_parse_size(const char *s, uint64_t *ret_bytes);
/* "10 GiB", "512 MiB", "1.5 GiB", "17 B"; exact or two decimals. */
void av_format_size(uint64_t bytes, char *buf, size_t n);

/* Strict: whole string is 2*n hex digits.  Returns 0 or -EINVAL. */
int  av_hex_decode(const char *s, uint8_t *buf, size_t n);
void av_hex_encode(const uint8_t *buf, size_t n, char *ret /* 2n+1 */);

#endif
