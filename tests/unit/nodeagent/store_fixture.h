/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/store_fixture.h - a database in a folder of its own, and
 * commands as JSON text
 *
 * Strings in commands are written with ' for ".
 */
#ifndef AV_TEST_STORE_FIXTURE_H
#define AV_TEST_STORE_FIXTURE_H

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeagent/command.h"
#include "nodeagent/store.h"
#include "nodeagent/view.h"
#include "tests/test.h"

#define MIB	(1024ll * 1024)
#define UNIT_UUID "0b9f7a4e-5c0d-4d57-9d5e-0123456789ab"

struct fx {
	char		 dir[200];
	char		 path[256];
	struct store	*st;
	json_t		*context;	/* stamped into every command */
	const char	*role, *user;
	int64_t		 at_ms;
	/* of the last command */
	json_t		*result;
	struct av_err	 err;
};

static inline json_t *
fx_json(const char *text)
{
	json_error_t je;
	char *copy = strdup(text), *p;
	json_t *j;

	for (p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	j = json_loads(copy, JSON_DECODE_ANY, &je);
	if (j == NULL)
		fprintf(stderr, "bad JSON in a test: %s: %s\n", je.text, text);
	free(copy);
	return j;
}

static inline void
fx_context(struct fx *fx, const char *text)
{
	json_decref(fx->context);
	fx->context = fx_json(text);
}

#define FX_BOTH "{'online':['node0','node1'],'alone':null,'activity':null," \
	"'images':{'small.img':100000000,'big.img':900000000}}"

static inline json_t *
fx_command(struct fx *fx, const char *op, json_t *args)
{
	return json_pack("{s:s, s:o, s:{s:s, s:s, s:s, s:s}, s:I, s:s, s:O}",
	    "op", op, "args", args, "actor", "user", fx->user, "role",
	    fx->role, "origin", "10.77.0.1", "via", "https", "at_utc_ms",
	    (json_int_t)++fx->at_ms, "cmd_id", "node0-b-1", "context",
	    fx->context);
}

/* 0 or the refusal; fx->result, fx->err tell. */
static inline int
fx_do(struct fx *fx, const char *op, const char *args)
{
	json_t *cmd = fx_command(fx, op, fx_json(args));
	int rc;

	json_decref(fx->result);
	fx->result = NULL;
	fx->err = (struct av_err){ 0 };
	rc = store_apply(fx->st, cmd, &fx->result, &fx->err);
	json_decref(cmd);
	return rc;
}

/* The agents' own. */
static inline int
fx_system(struct fx *fx, const char *op, const char *args)
{
	const char *role = fx->role, *user = fx->user;
	int rc;

	fx->role = fx->user = "system";
	rc = fx_do(fx, op, args);
	fx->role = role;
	fx->user = user;
	return rc;
}

/* The code of the refusal, "" = done. */
static inline const char *
fx_code(struct fx *fx, const char *op, const char *args)
{
	return fx_do(fx, op, args) == 0 ? "" : fx->err.code;
}

static inline int
fx_open_empty(struct fx *fx, const char *name)
{
	const char *tmp = getenv("TMPDIR");

	*fx = (struct fx){ .role = "administrator", .user = "admin",
		.at_ms = 1700000000000 };
	(void)snprintf(fx->dir, sizeof(fx->dir), "%s/%s.XXXXXX",
	    tmp != NULL ? tmp : "/tmp", name);
	if (mkdtemp(fx->dir) == NULL)
		return -1;
	(void)snprintf(fx->path, sizeof(fx->path), "%s/unit.db", fx->dir);
	fx_context(fx, FX_BOTH);
	return store_open(fx->path, &fx->st, &fx->err);
}

#define FX_UNIT_CREATE "{'uuid':'" UNIT_UUID "','name':'unit',"	\
	"'address':'10.77.0.10/24',"					\
	"'admin':{'name':'admin','hash':'$y$j9T$abc$def'},"		\
	"'nodes':[{'name':'node0','memory_bytes':17179869184,"		\
	"'storage_bytes':20000000000,"					\
	"'cpus':{'threads':24,'cores':12,'sockets':2}},"		\
	"{'name':'node1','memory_bytes':8589934592,"			\
	"'storage_bytes':10000000000,"					\
	"'cpus':{'threads':24,'cores':12,'sockets':2}}]}"

/* With a unit: o1; nodes o2, o3; network o4; storage group o5; so the first VM is
 * o6. */
static inline int
fx_open(struct fx *fx, const char *name)
{
	int rc = fx_open_empty(fx, name);

	return rc == 0 ? fx_system(fx, "unit.create", FX_UNIT_CREATE) : rc;
}

static inline void
fx_close(struct fx *fx)
{
	char path[300];
	const char *const suffixes[] = { "", "-wal", "-shm", ".damaged",
		".damaged-wal", ".damaged-shm" };
	size_t i;

	fx->st = store_close(fx->st);
	json_decref(fx->context);
	json_decref(fx->result);
	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", fx->path,
		    suffixes[i]);
		(void)unlink(path);
	}
	(void)rmdir(fx->dir);
}

static inline const char *
fx_text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "(none)";
}

/* A VM that is stopped and ready; its id is in 'ret'. */
static inline int
fx_vm(struct fx *fx, const char *name, long long memory_mib, char ret[32])
{
	char text[600];
	struct store_vm vm;
	unsigned i;

	(void)snprintf(text, sizeof(text), "{'name':'%s','vcpus':1,"
	    "'memory_bytes':%lld,'volumes':[{'size_bytes':16777216}],"
	    "'networks':['net0']}", name, memory_mib * MIB);
	if (fx_do(fx, "vm.create", text) < 0)
		return -1;
	(void)snprintf(ret, 32, "%s", fx_text(fx->result, "id"));
	if (store_get_vm(fx->st, ret, &vm) < 0)
		return -1;
	for (i = 0; i < vm.n_disks; i++) {
		(void)snprintf(text, sizeof(text), "{'volume':'%s',"
		    "'node':'node0','event':'created'}", vm.disks[i].volume_id);
		if (fx_system(fx, "volume.report", text) < 0)
			return -1;
		(void)snprintf(text, sizeof(text), "{'volume':'%s',"
		    "'node':'node1','event':'created'}", vm.disks[i].volume_id);
		if (fx_system(fx, "volume.report", text) < 0)
			return -1;
	}
	(void)snprintf(text, sizeof(text),
	    "{'vm':'%s','run_id':0,'event':'installed'}", ret);
	return fx_system(fx, "vm.report", text);
}

/* op {"vm": id} */
static inline const char *
fx_vm_do(struct fx *fx, const char *op, const char *vm)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "{'vm':'%s'}", vm);
	return fx_code(fx, op, text);
}

static inline int
fx_vm_report(struct fx *fx, const char *vm, long long run_id,
    const char *event)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "{'vm':'%s','run_id':%lld,"
	    "'event':'%s','reason':'because'}", vm, run_id, event);
	return fx_system(fx, "vm.report", text);
}

#endif
