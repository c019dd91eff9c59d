/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qga.h - the agent inside the guest, as far as we need it
 *
 * Source: QEMU docs/interop/qemu-ga-ref (guest-sync-delimited, guest-shutdown).
 * The other end is the guest's: nothing that it sends is trusted, more than
 * 64 KiB without an answer ends the connection.
 */
#ifndef AV_VMM_QGA_H
#define AV_VMM_QGA_H

#include <systemd/sd-event.h>

struct qga;

struct qga_user {
	void	(*answered)(void *ctx);	/* to qga_sync(), once for each */
	void	(*down)(void *ctx);	/* may call qga_free(), so may 'answered' */
	void	*ctx;
};

int qga_connect(sd_event *event, const char *path, const struct qga_user *user,
    struct qga **ret_g);
struct qga *qga_free(struct qga *g);
/* Asks for a sign of life. */
int qga_sync(struct qga *g);
/* Has no answer when it works.  0: sent. */
int qga_shutdown(struct qga *g);

#endif
