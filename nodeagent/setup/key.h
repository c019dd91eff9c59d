/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/key.h - the key that the first PM shows and the other one is given
 *
 * 80 random bits and a checksum of 20, as five groups of four letters and digits:
 * "7g2k-x0fm-..." .  No letter looks like another one (Crockford's alphabet: no i, l,
 * o, u); case, blanks and dashes don't matter, o is 0, i and l are 1.  A typo fits its
 * checksum once in a million, so it is told from a wrong key before anything is sent.
 *
 * The key opens TLS with a shared key: an eavesdropper could only try 2^80 keys, each
 * of them KEY_ROUNDS rounds of PBKDF2, and what was sent stays secret even then.
 */
#ifndef AV_SETUP_KEY_H
#define AV_SETUP_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KEY_TEXT_BYTES	25	/* "xxxx-xxxx-xxxx-xxxx-xxxx" and NUL */
#define KEY_PSK_BYTES	32
#define KEY_ROUNDS	20000
#define KEY_USER	"avpair-join"	/* of TLS */
#define KEY_LIFE_S	3600
#define KEY_TRIES	5		/* wrong ones, then it is void */

/* -EIO when the kernel gives no random bytes. */
int key_make(char ret[KEY_TEXT_BYTES], struct av_err *err);
/* As typed; *ret is the form that key_make() gives.  -EINVAL: the code says whether
 * it is no key at all (bad-key) or a typo (key-typo). */
int key_parse(const char *typed, char ret[KEY_TEXT_BYTES], struct av_err *err);
/* The bytes for TLS, of a key that key_parse() or key_make() gave. */
int key_psk(const char *key, uint8_t ret[KEY_PSK_BYTES], struct av_err *err);

#endif
