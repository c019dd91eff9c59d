/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_resize.c - QEMU learns that a disk has grown
 */
#include "vmm/qemu_resize.h"

#include <errno.h>
#include <string.h>

static void
silent(struct qemu_resize *q)
{
	struct av_err err = {0};

	(void)av_err_set(&err, -EAGAIN, "vm '%s': its monitor is silent",
	    q->dom->spec.name);
	vmm_op_finish(q->dom, -EAGAIN, &err);
}

/* --------------------------- look -> resize ------------------------------- */

static void resize_order(struct qemu_resize *q);

/* A read has made the NBD client connect anew and learn the size. */
static void
resize_nudged(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu_resize *q = ctx;

	(void)ret;
	if (vmm_op_kind(q->dom) != VMM_OP_RESIZE)
		return;
	if (rc < 0)
		vmm_op_finish(q->dom, rc, err);
	else
		resize_order(q);
}

/* QEMU's client connects again only with its next request; an idle guest makes
 * none.  A guest that reads meanwhile does the same. */
static void
resize_nudge(struct qemu_resize *q)
{
	char line[64];

	q->nudged = true;
	(void)snprintf(line, sizeof(line), "qemu-io disk%u \"read 0 512\"",
	    q->disk);
	if (qmp_call(*q->qmp, "human-monitor-command", json_pack("{s:s}",
	    "command-line", line), resize_nudged, q) < 0)
		silent(q);
}

static void
resize_replied(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu_resize *q = ctx;

	(void)ret;
	if (vmm_op_kind(q->dom) != VMM_OP_RESIZE)
		return;
	if (rc < 0 && !q->nudged && *q->qmp != NULL)
		resize_nudge(q);
	else
		vmm_op_finish(q->dom, rc, err);
}

static void
resize_order(struct qemu_resize *q)
{
	char node[16];

	(void)snprintf(node, sizeof(node), "disk%u", q->disk);
	if (*q->qmp == NULL || qmp_call(*q->qmp, "block_resize",
	    json_pack("{s:s, s:I}", "node-name", node, "size",
	    (json_int_t)q->bytes), resize_replied, q) < 0)
		silent(q);
}

/* A guest that has the size is left alone. */
static void
resize_look(void *ctx, int rc, const json_t *ret, const struct av_err *err)
{
	struct qemu_resize *q = ctx;
	const json_t *node;
	char name[16];
	size_t i;

	if (vmm_op_kind(q->dom) != VMM_OP_RESIZE)
		return;
	if (rc < 0) {
		vmm_op_finish(q->dom, rc, err);
		return;
	}
	(void)snprintf(name, sizeof(name), "disk%u", q->disk);
	json_array_foreach((json_t *)(uintptr_t)ret, i, node) {
		const char *is = json_string_value(json_object_get(node,
		    "node-name"));

		if (is != NULL && strcmp(is, name) == 0 &&
		    (uint64_t)json_integer_value(json_object_get(
		    json_object_get(node, "image"), "virtual-size")) ==
		    q->bytes) {
			vmm_op_finish(q->dom, 0, NULL);
			return;
		}
	}
	resize_order(q);
}

int
qemu_resize_begin(struct qemu_resize *q, struct av_err *err)
{
	int rc = qmp_call(*q->qmp, "query-named-block-nodes",
	    json_pack("{s:b}", "flat", 1), resize_look, q);

	return rc < 0 ? av_err_set(err, rc, "vm '%s': its monitor is silent",
	    q->dom->spec.name) : 0;
}
