/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/tiny.h - a guest of one boot sector, and who listens to it
 *
 * It counts ticks of 1 ms and says each on its serial line: a byte, tick & 0x7f.  It
 * writes so many pages of its memory a tick, one after the other, and one sector of its
 * first disk every so many ticks: sector 1 + n % 64 holds n; when the disk has said
 * yes, the line says 0x80 | (n & 0x7f).  A tick that is due while the guest is stopped,
 * or while a listener's line takes no byte, is no tick and isn't made up for: so a
 * listener that was there all the time misses none, however late it reads.
 */
#ifndef AV_TINY_H
#define AV_TINY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TINY_SLOTS	64u

struct tiny_conf {
	unsigned	pages_a_tick;	/* until each is written once */
	unsigned	more_pages;	/* a tick, from then on */
	uint32_t	from_bytes, to_bytes;	/* of memory, multiples of 4096 */
	unsigned	disk_ticks;		/* 0 = no disk */
};

void tiny_sector(const struct tiny_conf *c, uint8_t ret[512]);

/* Bytes that a serial port holds while its line takes none. */
#define TINY_LOST_A_MOVE 2u

/* One listener for a guest, wherever it is: what it hears must go on. */
struct tiny_ear {
	uint64_t	n_ticks;	/* heard */
	/* Jumps of a count; back by one is 127.  A move takes two bytes at most, those
	 * that a line that nobody read had not sent. */
	uint64_t	n_lost;
	uint64_t	last_ns;	/* of the last byte; CLOCK_MONOTONIC */
	uint64_t	gap_ns;		/* the longest between two, since 0 was set */
	uint64_t	gap_end_ns;
	uint32_t	acked;		/* disk writes; the n of the last one */
	bool		heard;
	uint8_t		tick;
};

/* A serial line's socket, non-blocking; -errno. */
int  tiny_connect(const char *path);
/* What is there to be heard.  Bytes, 0, or -errno (-ECONNRESET: the line is gone). */
int  tiny_hear(struct tiny_ear *e, int fd);

#endif
