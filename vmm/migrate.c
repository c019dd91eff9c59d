/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/migrate.c - live migration: what is the same for every driver
 */
#include "vmm/priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/str.h"

#define DOWNTIME_MS	300u
#define DOWNTIME_MAX_MS	60000u
#define TOTAL_MS	600000u

const char *
vmm_phase_name(enum vmm_phase p)
{
	static const char *const names[] = {
		[VMM_PHASE_NONE] = "none", [VMM_PHASE_WAITING] = "waiting",
		[VMM_PHASE_SETUP] = "setup", [VMM_PHASE_ACTIVE] = "active",
		[VMM_PHASE_SWITCHING] = "switching",
		[VMM_PHASE_COMPLETE] = "complete",
		[VMM_PHASE_FAILED] = "failed",
		[VMM_PHASE_CANCELLED] = "cancelled",
	};

	return (unsigned)p < ARRAY_SIZE(names) ? names[p] : "?";
}

bool
vmm_is_migrating_out(const struct vmm_status *st)
{
	const struct vmm_migration *m = &st->migration;

	return !m->incoming && (m->phase == VMM_PHASE_SETUP ||
	    m->phase == VMM_PHASE_ACTIVE || m->phase == VMM_PHASE_SWITCHING);
}

static bool
is_numeric(const char *address)
{
	struct in6_addr a;

	return inet_pton(AF_INET, address, &a) == 1 ||
	    inet_pton(AF_INET6, address, &a) == 1;
}

static int
check_link(const struct vmm_dom *dom, const struct vmm_link *l,
    struct av_err *err)
{
	static const char tag_chars[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";

	if (memchr(l->address, '\0', sizeof(l->address)) == NULL ||
	    !is_numeric(l->address))
		return av_err_set(err, -EINVAL, "vm '%s': a migration needs a "
		    "numeric address", dom->spec.name);
	if (memchr(l->tag, '\0', sizeof(l->tag)) == NULL ||
	    l->tag[strspn(l->tag, tag_chars)] != '\0')
		return av_err_set(err, -EINVAL, "vm '%s': bad name of a "
		    "migration", dom->spec.name);
	return 0;
}

/* Legacy disks say cylinders and heads: QEMU guesses them from the first sector,
 * which it can't read from a PM that only receives. */
static int
check_geometry(const struct vmm_dom *dom, struct av_err *err)
{
	unsigned i;

	for (i = 0; i < dom->spec.n_disks; i++)
		if (dom->spec.os == VMM_OS_LEGACY &&
		    dom->spec.disks[i].size_bytes == 0)
			return av_err_set(err, -EINVAL, "vm '%s': the size of "
			    "disk %u isn't known", dom->spec.name, i);
	return 0;
}

static int
check_can(const struct vmm_dom *dom, struct av_err *err)
{
	return dom->ops->caps & VMM_CAP_MIGRATE ? 0 : av_err_set(err,
	    -EOPNOTSUPP, "driver '%s' can't migrate", dom->ops->name);
}

int
vmm_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct vmm_op *op, struct av_err *err)
{
	int rc = check_can(dom, err);

	if (rc == 0 && vmm_has_process(dom))
		rc = av_err_set(err, -EEXIST, "vm '%s' is on already",
		    dom->spec.name);
	if (rc == 0)
		rc = check_link(dom, link, err);
	if (rc == 0)
		rc = check_geometry(dom, err);
	if (rc == 0)
		rc = vmm_op_begin(dom, op, VMM_OP_INCOMING, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->start_incoming(dom, link, err));
}

static struct vmm_migrate_limits
limits_of(const struct vmm_dom *dom, const struct vmm_migrate_limits *given)
{
	struct vmm_migrate_limits l = {0};

	if (given != NULL)
		l = *given;
	if (l.downtime_ms == 0)
		l.downtime_ms = DOWNTIME_MS;
	if (l.downtime_ms > DOWNTIME_MAX_MS)
		l.downtime_ms = DOWNTIME_MAX_MS;
	if (l.total_ms == 0)
		l.total_ms = (unsigned)(vmm_scaled(dom, TOTAL_MS *
		    AV_NS_PER_MS) / AV_NS_PER_MS);
	return l;
}

int
vmm_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct vmm_op *op,
    struct av_err *err)
{
	const struct vmm_migrate_limits l = limits_of(dom, limits);
	int rc = check_can(dom, err);

	if (rc == 0 && dom->st.state != VMM_RUNNING)
		rc = av_err_set(err, -EINVAL, "vm '%s' is %s: only one that "
		    "runs can be moved", dom->spec.name,
		    vmm_state_name(dom->st.state));
	if (rc == 0 && vmm_is_migrating_out(&dom->st))
		rc = av_err_set(err, -EALREADY, "vm '%s' is being moved "
		    "already", dom->spec.name);
	if (rc == 0)
		rc = check_link(dom, target, err);
	if (rc == 0 && target->port == 0)
		rc = av_err_set(err, -EINVAL, "vm '%s': no port to move to",
		    dom->spec.name);
	if (rc == 0)
		rc = check_geometry(dom, err);
	if (rc == 0)
		rc = vmm_op_begin(dom, op, VMM_OP_MIGRATE, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->migrate_out(dom, target, &l,
	    err));
}

int
vmm_migrate_cancel(struct vmm_dom *dom, struct vmm_op *op, struct av_err *err)
{
	int rc = check_can(dom, err);

	if (rc == 0 && !vmm_is_migrating_out(&dom->st))
		rc = av_err_set(err, -ESRCH, "vm '%s' isn't being moved",
		    dom->spec.name);
	if (rc == 0)
		rc = vmm_op_begin(dom, op, VMM_OP_MIGRATE_CANCEL, err);
	if (rc < 0)
		return rc;
	return vmm_op_ran(dom, op, dom->ops->migrate_cancel(dom, err));
}

int
vmm_migration_pause_check(const struct vmm_dom *dom, struct av_err *err)
{
	/* whatever it has got of the guest, none of it runs */
	return dom->st.state != VMM_INCOMING ? 0 : av_err_set(err, -EALREADY,
	    "vm '%s' waits for its migration", dom->spec.name);
}

int
vmm_migration_resume_check(const struct vmm_dom *dom, struct av_err *err)
{
	return dom->st.state != VMM_INCOMING ||
	    dom->st.migration.phase == VMM_PHASE_COMPLETE ? 0 :
	    av_err_set(err, -EAGAIN, "vm '%s' hasn't all arrived",
	    dom->spec.name);
}
