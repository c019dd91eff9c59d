/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/mirror/fault_disk.h - a bad disk under a real mirror server
 *
 * fault_disk.so is loaded into the server before libc; what it does to requests
 * at the leg's two files is said in LEGDIR/fault, which test and server share.
 */
#ifndef AV_TEST_FAULT_DISK_H
#define AV_TEST_FAULT_DISK_H

#include <stdatomic.h>
#include <stdint.h>

enum {				/* what fails, with 'error' */
	FAULT_DATA_READ		= 1 << 0,	/* within [start, end) */
	FAULT_DATA_WRITE	= 1 << 1,	/* same; zeroing too */
	FAULT_DATA_SYNC		= 1 << 2,
	FAULT_META_WRITE	= 1 << 3,
	FAULT_META_SYNC		= 1 << 4,
	/* a write mends what can't be read */
	FAULT_HEALS		= 1 << 5,
	FAULT_NO_ZERO		= 1 << 6,	/* fallocate: EOPNOTSUPP */
};

struct fault_disk {
	_Atomic uint32_t what;
	_Atomic int32_t	error;
	_Atomic uint64_t start, end;
	_Atomic uint32_t reads_to_fail;	/* only so many; 0 = no limit */
	_Atomic uint32_t delay_us;	/* up to so much, each data request */
	_Atomic uint32_t stuck;		/* data writes wait while it is set */
	_Atomic uint32_t stuck_meta;	/* metadata writes */
	_Atomic uint64_t n_failed, n_stuck, n_reads, n_syncs;
	_Atomic uint64_t n_punched, n_zeroed;
	/* counts the ends of changes of the data and the begins of syncs;
	 * the last change; the last sync that succeeded */
	_Atomic uint64_t clock, wrote_at, synced_at;
};
#define FAULT_FILE_BYTES	4096

#endif
