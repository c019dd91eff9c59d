/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/wire.c - bytes of wire and disk formats, field by field
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/wire.h"

uint64_t
av_rd_le(struct av_rd *r, unsigned n_bytes)
{
	uint64_t v = 0;
	unsigned i;

	if (r->rc < 0)
		return 0;
	if (r->left < n_bytes) {
		r->rc = -EBADMSG;
		return 0;
	}
	for (i = 0; i < n_bytes; i++)
		v |= (uint64_t)r->at[i] << (8 * i);
	r->at += n_bytes;
	r->left -= n_bytes;
	return v;
}

void
av_rd_bytes(struct av_rd *r, void *dst, size_t n)
{
	if (r->rc < 0 || r->left < n) {
		r->rc = -EBADMSG;
		memset(dst, 0, n);
		return;
	}
	memcpy(dst, r->at, n);
	r->at += n;
	r->left -= n;
}

int
av_rd_end(const struct av_rd *r)
{
	return r->rc < 0 || r->left != 0 ? -EBADMSG : 0;
}

void
av_wr_le(struct av_wr *w, uint64_t v, unsigned n_bytes)
{
	unsigned i;

	if (w->rc < 0 || w->left < n_bytes ||
	    (n_bytes < 8 && v >> (8 * n_bytes) != 0)) {
		w->rc = -EMSGSIZE;
		return;
	}
	for (i = 0; i < n_bytes; i++)
		w->at[i] = (uint8_t)(v >> (8 * i));
	w->at += n_bytes;
	w->left -= n_bytes;
}

void
av_wr_bytes(struct av_wr *w, const void *src, size_t n)
{
	if (w->rc < 0 || w->left < n) {
		w->rc = -EMSGSIZE;
		return;
	}
	memcpy(w->at, src, n);
	w->at += n;
	w->left -= n;
}

static uint32_t crc_table[256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void
crc_table_make(void)
{
	uint32_t i;

	for (i = 0; i < 256; i++) {
		uint32_t c = i;
		int k;

		for (k = 0; k < 8; k++)
			c = c & 1 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
		crc_table[i] = c;
	}
}

#ifdef __x86_64__
/* The processor's own instruction, some 20 times as fast. */
__attribute__((target("sse4.2")))
static uint32_t
crc_by_processor(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; n > 0; p++, n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return (uint32_t)c;
}

static bool
crc_is_built_in(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t
crc_by_processor(uint32_t crc, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	return crc;
}

static bool
crc_is_built_in(void)
{
	return false;
}
#endif

uint32_t
av_crc32c(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (crc_is_built_in())
		return ~crc_by_processor(~crc, p, n);
	(void)pthread_once(&crc_once, crc_table_make);
	crc = ~crc;
	while (n-- > 0)
		crc = crc_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}
