/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xen_migrate.c - driver "xen": live migration, which av-xenrun does
 *
 * libxl copies memory in at most five rounds and stops the guest for what is left:
 * it always ends, and takes no limit of the stop; limits.downtime_ms and
 * bandwidth_bytes_s have no effect.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vmm/xen_drv.h"

static json_t *
link_json(const struct vmm_link *l)
{
	json_t *o = json_pack("{s:s, s:i, s:s}", "address", l->address, "port",
	    (int)l->port, "tag", l->tag);

	if (o != NULL && l->psk_file != NULL &&
	    json_object_set_new(o, "psk", json_string(l->psk_file)) < 0) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

int
xen_start_incoming(struct vmm_dom *dom, const struct vmm_link *link,
    struct av_err *err)
{
	struct xen *q = dom->drv;
	AUTO_JSON json_t *o = link_json(link);
	AUTO_FREE char *text = o != NULL ? json_dumps(o, 0) : NULL;
	char path[VMM_PATH_MAX + 24];
	int rc;

	if (text == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	rc = vmm_mkdir(dom->spec.runtime_dir, 0750, err);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/incoming.json",
	    dom->spec.runtime_dir);
	rc = av_file_write(path, text, strlen(text), 0600, err);
	return rc < 0 ? rc : xen_begin(q, "incoming", err);
}

int
xen_migrate_out(struct vmm_dom *dom, const struct vmm_link *target,
    const struct vmm_migrate_limits *limits, struct av_err *err)
{
	json_t *o = link_json(target);

	if (o == NULL || json_object_set_new(o, "total_ms",
	    json_integer(limits->total_ms)) < 0) {
		json_decref(o);
		return av_err_set(err, -ENOMEM, "no memory");
	}
	return xen_order(dom->drv, "migrate", o, VMM_OP_MIGRATE, err);
}

static void
cancelled(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct xen *q = ctx;

	(void)ret;
	/* else a STATUS says when it has ended */
	if (rc < 0 && vmm_op_kind(q->dom) == VMM_OP_MIGRATE_CANCEL) {
		if (vmm_is_migrating_out(&q->dom->st))
			vmm_op_finish(q->dom, rc, err);
		else
			vmm_op_finish(q->dom, 0, NULL);
	}
}

int
xen_migrate_cancel(struct vmm_dom *dom, struct av_err *err)
{
	struct xen *q = dom->drv;
	int rc = -EAGAIN;

	if (q->verified)
		rc = qmp_call(q->qmp, "migrate_cancel", NULL, cancelled, q);
	return rc < 0 ? av_err_set(err, rc, "vm '%s': av-xenrun is silent",
	    dom->spec.name) : 0;
}

static enum vmm_phase
phase_of(const char *word)
{
	int p;

	for (p = VMM_PHASE_NONE; p <= VMM_PHASE_CANCELLED; p++)
		if (strcmp(vmm_phase_name((enum vmm_phase)p), word) == 0)
			return (enum vmm_phase)p;
	return VMM_PHASE_NONE;
}

static const char *
word(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

void
xen_migration_apply(struct xen *q, const json_t *o)
{
	struct vmm_migration *m = &q->dom->st.migration;
	json_int_t port = json_integer_value(json_object_get(o, "port"));

	if (!json_is_object(o)) {
		if (m->phase != VMM_PHASE_NONE) {
			memset(m, 0, sizeof(*m));
			vmm_dom_touch(q->dom);
		}
		return;
	}
	m->incoming = json_is_true(json_object_get(o, "incoming"));
	(void)snprintf(m->tag, sizeof(m->tag), "%.63s", word(o, "tag"));
	(void)snprintf(m->address, sizeof(m->address), "%.45s",
	    word(o, "address"));
	m->port = port > 0 && port <= 65535 ? (uint16_t)port : 0;
	m->total_bytes = q->dom->spec.memory_bytes;
	m->copied_bytes = (uint64_t)json_integer_value(json_object_get(o,
	    "copied_bytes"));
	m->remaining_bytes = m->total_bytes > m->copied_bytes ?
	    m->total_bytes - m->copied_bytes : 0;
	m->total_ms = (unsigned)json_integer_value(json_object_get(o,
	    "total_ms"));
	vmm_dom_phase(q->dom, phase_of(word(o, "phase")), word(o, "why"));
}
