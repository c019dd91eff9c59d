/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/replica/meta.h - a leg's two files: DIR/vol-ID.data and .meta
 *
 * .meta, little-endian, blocks of 4096 bytes:
 *   block 0 and 1	two copies of the superblock.  Every change is written
 *			to one, synced, then to the other, synced; so with one copy
 *			torn or rotten the other still says the truth.  The
 *			first is always the one that isn't needed: torn, older,
 *			or equal to the other.
 *   block 2 ...	bitmap: 32 bytes of header (magic, crc32c, page number)
 *			and 4064 bytes of bits, a bit per 64 KiB of volume, bit 0
 *			of byte 0 first.  A page that fails its check counts as all
 *			ones: more is copied, nothing is missed.
 * Bit set = this chunk may differ between the legs.
 *
 * Threads: the codecs are pure; leg_write_*() are called by one thread at a time
 * (the caller's business).
 */
#ifndef AV_MIRROR_META_H
#define AV_MIRROR_META_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mirror/mirror.h"
#include "mirror/replica/identity.h"

struct av_err;

#define META_BLOCK_BYTES	4096u
#define META_VERSION		1u
#define META_PAGE_HEADER_BYTES	32u
#ifndef META_PAGE_BIT_BYTES	/* the crash tests have small pages: many */
#define META_PAGE_BIT_BYTES	(META_BLOCK_BYTES - META_PAGE_HEADER_BYTES)
#endif
#define META_BITS_PER_PAGE	(META_PAGE_BIT_BYTES * 8u)

enum {				/* append only */
	META_CONSISTENT		= 1 << 0,	/* clear = unfinished target */
	META_UPTODATE		= 1 << 1,	/* clear = outdated */
	META_PRIMARY_IND	= 1 << 2,	/* is or was primary just now */
	META_CRASHED_PRIMARY	= 1 << 3,
	META_PEER_OUTDATED	= 1 << 4,	/* ran alone: peer lacks data */
	META_SPARSE		= 1 << 5,
	META_KNOWN_FLAGS	= (1 << 6) - 1,
};

struct meta_sb {
	uint64_t	seq;
	uint8_t		unit_uuid[16];
	uint8_t		volume_uuid[16];
	uint64_t	size_bytes;
	uint64_t	current, bitmap, h0, h1;
	uint64_t	gen;
	uint64_t	epoch;		/* checkpoints; 0 for now */
	uint32_t	flags;
};

struct leg_sync {		/* copies of a leg share it */
	pthread_mutex_t	mu;		/* held over I/O */
	bool		failed;
};

struct leg {
	int		data_fd;
	int		meta_fd;	/* holds the flock */
	struct meta_sb	sb;
	unsigned	sb_first;	/* the copy that may be written over */
	uint8_t		*bits;		/* n_pages * META_PAGE_BIT_BYTES */
	size_t		n_chunks;
	size_t		n_pages;
	size_t		n_bad_pages;	/* found at open, taken as all ones */
	struct leg_sync	*sync;		/* leg_meta_sync(); NULL = one user, once */
};

/* 'block' is META_BLOCK_BYTES long.  Decoding: 0, -EBADMSG (damaged), or
 * -EPROTONOSUPPORT (whole, but of a newer version). */
void meta_sb_encode(const struct meta_sb *sb, uint8_t *block);
int  meta_sb_decode(const uint8_t *block, size_t n, struct meta_sb *ret);
void meta_page_encode(uint64_t page, const uint8_t *bits, uint8_t *block);
int  meta_page_decode(const uint8_t *block, size_t n, uint64_t page,
    uint8_t *ret_bits);
/* The newer whole one of two superblock copies.  -EPROTONOSUPPORT if either is
 * of a newer version. */
int  meta_sb_choose(const uint8_t *two_blocks, size_t n, struct meta_sb *ret);

size_t meta_chunks(uint64_t size_bytes);
size_t meta_pages(size_t n_chunks);
/* With or without dashes. */
int  meta_uuid_parse(const char *s, uint8_t ret[16]);

int  leg_create(const struct mirror_leg_spec *spec, struct av_err *err);
int  leg_delete(const char *dir, const char *id, struct av_err *err);
int  leg_info(const char *dir, const char *id, struct mirror_leg_info *ret,
    struct av_err *err);
/* See mirror_leg_snapshot() (snapshot.c). */
int  leg_snapshot(const char *dir, const char *id, const char *name,
    uint64_t *ret_size_bytes, struct av_err *err);
int  leg_snapshot_delete(const char *dir, const char *id, const char *name,
    struct av_err *err);
/* Takes the flock.  uuids may be NULL (not checked). */
int  leg_open(const char *dir, const char *id, const uint8_t unit_uuid[16],
    const uint8_t volume_uuid[16], struct leg **ret, struct av_err *err);
struct leg *leg_close(struct leg *leg);
/* Durable when 0: writes leg->sb with the next seq into both copies. */
int  leg_write_sb(struct leg *leg);
/* Not synced: call fdatasync(meta_fd) after the last page. */
int  leg_write_page(struct leg *leg, size_t page, const uint8_t *bits);
/* What is written to the metadata is durable: 0 or -errno.  One at a time, and none
 * counts after one has failed; as srv_data_sync() (disk.c), which says why. */
int  leg_meta_sync(struct leg *leg);

/* Whole transfers at an offset: 0 or -errno. */
int  leg_pread_all(int fd, void *buf, size_t n, uint64_t offset);
int  leg_pwrite_all(int fd, const void *buf, size_t n, uint64_t offset);
int  leg_zero(int fd, uint64_t offset, uint64_t n);
/* Zeros, too; a sparse leg gives the space back, another keeps it. */
int  leg_trim(int fd, bool sparse, uint64_t offset, uint64_t n);

static inline bool
bit_test(const uint8_t *bits, size_t i)
{
	return bits[i / 8] & (1u << (i % 8));
}

static inline void
bit_set(uint8_t *bits, size_t i)
{
	bits[i / 8] = (uint8_t)(bits[i / 8] | (1u << (i % 8)));
}

static inline void
bit_clear(uint8_t *bits, size_t i)
{
	bits[i / 8] = (uint8_t)(bits[i / 8] & ~(1u << (i % 8)));
}

size_t bits_count(const uint8_t *bits, size_t n_bits);
/* Index of the first set bit at or after 'from', or n_bits. */
size_t bits_next(const uint8_t *bits, size_t n_bits, size_t from);

#endif
