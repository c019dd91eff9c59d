/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_impl.h - what the files command*.c share
 *
 * A handler checks and applies one command inside store_apply()'s savepoint.  It
 * returns 0, or a refusal made by command_refuse(), or what sql_*() returned (the
 * database failed: everything stops).  Whatever it did before a refusal is undone.
 */
#ifndef AV_COMMAND_IMPL_H
#define AV_COMMAND_IMPL_H

#include "nodeagent/command.h"
#include "nodeagent/command_args.h"
#include "nodeagent/store_sql.h"

#define COMMAND_OBJECT_MAX	STORE_NAME_MAX
#define COMMAND_DETAIL_MAX	768

struct command {
	struct store	*st;
	const char	*op;
	const json_t	*args;
	const json_t	*actor;
	const json_t	*context;
	int64_t		 at_ms;
	/* made on the way */
	json_t		*result;	/* an object */
	json_t		*params;	/* of a refusal */
	bool		 quiet;		/* nothing worth an audit line */
	const char	*audit_action;	/* NULL = op */
	const char	*audit_result;	/* NULL = ok or refused */
	const char	*audit_role;	/* NULL = the actor's */
	char		 object[COMMAND_OBJECT_MAX];
	char		 detail[COMMAND_DETAIL_MAX];
	struct av_err	*err;		/* never NULL */
};

typedef int command_fn(struct command *c);

enum command_flag {
	COMMAND_QUIET = 1,	/* the agents' own: audited only when refused */
	COMMAND_DRY_RUN = 2,	/* takes dry_run */
	COMMAND_OWN = 4,	/* also for oneself, whatever one's role */
	COMMAND_CONSOLE = 8,	/* for role "console" */
};

struct command_op {
	const char		*name;
	enum role		 role;		/* least */
	unsigned		 flags;
	const struct arg_spec	*args;
	command_fn		*apply;
};

const struct command_op *command_find(const char *op);

/* Runs the handler of a command that has passed command_check(). */
int command_run(struct command *c);

/* Says no.  'params' is taken over (may be NULL).  Returns rc. */
int command_refuse(struct command *c, int rc, const char *code, json_t *params,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The audit line's sentence. */
void command_detail(struct command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds {code, text, params} to result.warnings; 'params' is taken over. */
int command_warn(struct command *c, const char *code, json_t *params,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int command_result(struct command *c, const char *key, json_t *value);
const char *command_arg_text(const struct command *c, const char *key);
/* "node0" -> 0 and so on; -1 = absent, null. */
int command_arg_node(const struct command *c, const char *key);
bool command_online(const struct command *c, int node);

/* Finds args[key]; refuses with not-found.  Sets c->object. */
int command_find_id(struct command *c, enum store_kind kind, const char *key,
    int64_t *ret_id);
int command_get_vm(struct command *c, int64_t *ret_id, struct store_vm *ret);
/* A new name: text rules, not like an id, free.  *ret_nfc is yours. */
int command_new_name(struct command *c, enum store_kind kind, const char *name,
    int64_t own_id, char **ret_nfc);
/* The row of A1 for the VM and the command's word; refuses with wrong-state. */
int command_vm_state_ok(struct command *c, const struct store_vm *vm,
    unsigned command_bit, const char *verb);
/* 36 characters made of the unit's uuid and 'what'. */
int command_make_uuid(struct command *c, const char *what, char ret[37],
    uint64_t *ret_number);

/* --- command_start.c --- */

/* Where would it run, may it run?  Refuses with the numbers. */
int command_place_vm(struct command *c, const struct store_vm *vm, int *ret_node);
int command_start_vm(struct command *c, int64_t id, const struct store_vm *vm);
/* The rules that one VM can break by itself (vm.create), with warnings. */
int command_check_size(struct command *c, uint64_t vcpus, uint64_t memory_bytes,
    bool bits64);

/* --- command_create.c --- */

/* 'want' more bytes on both PMs beside the 'before' of all volumes; with warning. */
int command_check_space(struct command *c, uint64_t before, uint64_t want);

/* --- command_mtbf.c --- */
struct store_mtbf;
/* Counts a failure of the VM; ret->held = it stays down. */
int command_mtbf_failed(struct command *c, int64_t object,
    struct store_mtbf *ret);
int command_vm_mtbf_clear(struct command *c, int64_t id);
/* args.node's number; sets c->object and the result's id. */
int command_get_node(struct command *c, int64_t *ret_id);
/* A PM was lost (counted once until it is back), is back. */
int command_node_lost(struct command *c, int node);
int command_node_back(struct command *c, int node);

/* --- command_move.c --- */
/* Moves whose VM got another run, or is to stop, are over: after every command. */
int command_move_settle(struct command *c);
/* All moves are over: the PMs lost each other. */
int command_move_peer_lost(struct command *c);

/* --- command_vm.c --- */
int command_vm_abort_install(struct command *c, int64_t vm_id, const char *why);

/* --- handlers, by file --- */
command_fn cmd_unit_create, cmd_unit_primary, cmd_node_report; /* _unit.c */
command_fn cmd_vm_create;				/* _create.c */
command_fn cmd_vm_rename, cmd_vm_start, cmd_vm_shutdown, cmd_vm_poweroff,
    cmd_vm_delete;					/* _vm.c */
command_fn cmd_vm_report, cmd_vm_takeover, cmd_volume_report; /* _report.c */
command_fn cmd_vm_migrate, cmd_vm_migrate_cancel, cmd_vm_prefer, cmd_vm_switch,
    cmd_vm_move_ended;					/* _move.c */
command_fn cmd_vm_set_mtbf, cmd_vm_reset, cmd_node_set_mtbf,
    cmd_node_clear_mtbf;				/* _mtbf.c */
command_fn cmd_node_workon, cmd_node_workoff,		/* _maintenance.c */
	cmd_node_power, cmd_node_power_begun;
command_fn cmd_node_report_fault, cmd_node_clear_fault;	/* _fault.c */
command_fn cmd_volume_delete;				/* _vm.c */
command_fn cmd_volume_grow, cmd_volume_verify, cmd_volume_verify_cancel,
    cmd_volume_resync_pause, cmd_volume_resync_resume, cmd_volume_replace_leg,
    cmd_unit_configure;					/* _volume.c */
/* volume.report's events about the legs, verify and growing. */
int command_volume_care(struct command *c, int64_t id,
    const struct store_volume *vol, int node);
command_fn cmd_user_set_password, cmd_alert_raise, cmd_alert_clear,
    cmd_audit_add;					/* _people.c */
command_fn cmd_quorum_add, cmd_quorum_remove, cmd_quorum_import,
    cmd_quorum_switch, cmd_quorum_confirm, cmd_quorum_abort;	/* _quorum.c */
int command_raise_alert(struct command *c, const char *code, const char *object,
    const char *severity, const char *text, const char *cause,
    const json_t *repair, const json_t *params);

#endif
