/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mirror/names.c - the stable words of mirror.h's enums
 */
#include "mirror/mirror.h"

#include "base/str.h"

#define NAME_OF(list, v) \
	((size_t)(v) < ARRAY_SIZE(list) ? (list)[v] : "?")

const char *
mirror_role_name(enum mirror_role role)
{
	static const char *const names[] = {
		[MIRROR_SECONDARY] = "secondary",
		[MIRROR_PRIMARY] = "primary",
	};

	return NAME_OF(names, role);
}

const char *
mirror_conn_name(enum mirror_conn conn)
{
	static const char *const names[] = {
		[MIRROR_DISCONNECTED] = "disconnected",
		[MIRROR_CONNECTING] = "connecting",
		[MIRROR_CONNECTED] = "connected",
		[MIRROR_RESYNC_SOURCE] = "resync-source",
		[MIRROR_RESYNC_TARGET] = "resync-target",
		[MIRROR_HELD] = "held",
		[MIRROR_SPLIT] = "split",
		[MIRROR_DISKLESS] = "diskless",
	};

	return NAME_OF(names, conn);
}

const char *
mirror_disk_name(enum mirror_disk disk)
{
	static const char *const names[] = {
		[MIRROR_DISK_UNKNOWN] = "unknown",
		[MIRROR_DISK_INCONSISTENT] = "inconsistent",
		[MIRROR_DISK_OUTDATED] = "outdated",
		[MIRROR_DISK_UPTODATE] = "uptodate",
		[MIRROR_DISK_FAILED] = "failed",
	};

	return NAME_OF(names, disk);
}

const char *
mirror_server_name(enum mirror_server server)
{
	static const char *const names[] = {
		[MIRROR_SERVER_STARTING] = "starting",
		[MIRROR_SERVER_UP] = "up",
		[MIRROR_SERVER_DOWN] = "down",
	};

	return NAME_OF(names, server);
}

const char *
mirror_verify_name(enum mirror_verify_state state)
{
	static const char *const names[] = {
		[MIRROR_VERIFY_NONE] = "none",
		[MIRROR_VERIFY_RUNNING] = "running",
		[MIRROR_VERIFY_WAITING] = "waiting",
		[MIRROR_VERIFY_DONE] = "done",
		[MIRROR_VERIFY_FAILED] = "failed",
		[MIRROR_VERIFY_CANCELLED] = "cancelled",
	};

	return NAME_OF(names, state);
}

const char *
mirror_hold_name(enum mirror_hold hold)
{
	static const char *const names[] = {
		[MIRROR_HOLD_NONE] = "none",
		[MIRROR_HOLD_BEGINNING] = "beginning",
		[MIRROR_HOLD_HELD] = "held",
		[MIRROR_HOLD_EXPIRED] = "expired",
	};

	return NAME_OF(names, hold);
}
