/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/qemu_carry.c - live migration: av-vmstream, which carries the stream over TLS
 *
 *   in:  QEMU listens at in.sock -> it listens at the link's address -> the op ends
 *   out: it listens at out.sock -> the steps are given, the last one of them 'migrate'
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vmm/proc.h"
#include "vmm/qemu.h"

#define KEY_MAX		1024
#define WORDS_MAX	4096

/* av-vmstream, beside av-vmrun. */
static int
program(const struct qemu *q, char **ret)
{
	AUTO_FREE char *own = NULL;
	const char *run = q->dom->env.helper_path, *slash;
	int rc = run == NULL ? vmm_helper_default(&own) : 0;

	if (rc < 0)
		return rc;
	if (run == NULL)
		run = own;
	slash = strrchr(run, '/');
	return asprintf(ret, "%.*sav-vmstream", slash != NULL ?
	    (int)(slash + 1 - run) : 0, run) < 0 ? -ENOMEM : 0;
}

int
qemu_carry_check(const struct qemu *q, struct av_err *err)
{
	AUTO_FREE char *key = NULL;
	size_t user, n;
	int rc;

	if (q->link.psk_file == NULL)
		return 0;
	rc = av_file_read(q->link.psk_file, KEY_MAX, &key, &n, err);
	if (rc < 0)
		return rc;
	user = strcspn(key, ":\n");
	if (user == 0 || key[user] != ':')
		rc = av_err_set(err, -EBADMSG, "vm '%s': the key file '%s' "
		    "isn't one line USER:HEX", q->dom->spec.name,
		    q->link.psk_file);
	explicit_bzero(key, n);
	return rc;
}

/* Where it listens. */
static int
port_read(const struct qemu *q, uint16_t *ret)
{
	AUTO_FREE char *text = NULL;
	char path[VMM_PATH_MAX + 16];
	unsigned port = 0;
	int rc;

	qemu_path(q, "stream.port", path);
	rc = av_file_read(path, WORDS_MAX, &text, NULL, NULL);
	if (rc < 0)
		return rc;
	if (sscanf(text, "%5u", &port) != 1 || port == 0 || port > UINT16_MAX)
		return -EBADMSG;
	*ret = (uint16_t)port;
	return 0;
}

static void
carries(void *ctx, int rc, const struct av_err *err)
{
	struct qemu *q = ctx;
	struct av_err bad = {0};
	bool in = vmm_op_kind(q->dom) == VMM_OP_INCOMING;

	q->mig.carrier = vmm_spawn_free(q->mig.carrier);
	if (rc == 0 && in)
		rc = port_read(q, &q->link.port);
	if (rc < 0 && err->text[0] == '\0') {
		(void)av_err_set(&bad, rc, "vm '%s': av-vmstream doesn't say "
		    "where it listens", q->dom->spec.name);
		err = &bad;
	}
	qemu_migrate_carried(q, rc, err);
}

int
qemu_carry_start(struct qemu *q, bool in, struct av_err *err)
{
	const struct vmm_link *l = &q->link;
	struct vmm_args a = {0};
	AUTO_FREE char *path = NULL;
	int rc = program(q, &path);

	if (rc < 0)
		return av_err_set(err, rc, "vm '%s': no memory",
		    q->dom->spec.name);
	vmm_args_add(&a, path);
	vmm_args_add(&a, in ? "in" : "out");
	vmm_args_add(&a, q->dom->spec.runtime_dir);
	vmm_args_addf(&a, "%s/stream.log", qemu_log_dir(q));
	vmm_args_addf(&a, "%d", (int)q->dom->st.pid);
	vmm_args_add(&a, l->address);
	vmm_args_addf(&a, "%u", in ? q->mig.port : l->port);
	vmm_args_add(&a, l->psk_file != NULL ? l->psk_file : "-");
	rc = a.rc < 0 ? av_err_set(err, a.rc, "no memory") :
	    vmm_spawn_new(q->dom->env.event, a.v, carries, q, &q->mig.carrier,
	    err);
	vmm_args_dispose(&a);
	return rc;
}

bool
qemu_carry_why(const struct qemu *q, char *ret, size_t n)
{
	AUTO_FREE char *text = NULL;
	char path[VMM_PATH_MAX + 16];

	qemu_path(q, "stream.why", path);
	if (av_file_read(path, WORDS_MAX, &text, NULL, NULL) < 0)
		return false;
	(void)snprintf(ret, n, "%.150s", text);
	return true;
}
