/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/store_read.c - the typed readers
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "nodeagent/store_sql.h"

static int
column_node(sqlite3_stmt *stmt, int col)
{
	return sqlite3_column_type(stmt, col) == SQLITE_NULL ? -1 :
	    sqlite3_column_int(stmt, col);
}

static void
column_id(sqlite3_stmt *stmt, int col, enum store_kind kind,
    char ret[STORE_ID_MAX])
{
	if (sqlite3_column_type(stmt, col) == SQLITE_NULL)
		ret[0] = '\0';
	else
		store_id_format(kind, sqlite3_column_int64(stmt, col), ret,
		    STORE_ID_MAX);
}

static enum store_every
every_parse(const char *word)
{
	if (strcmp(word, "weekly") == 0)
		return STORE_EVERY_WEEK;
	return strcmp(word, "monthly") == 0 ? STORE_EVERY_MONTH :
	    STORE_EVERY_OFF;
}

int
store_get_unit(const struct store *st, struct store_unit *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL,
	    "SELECT id, name, uuid, address, primary_node, resync_rate_kib_s,"
	    " verify_every, verify_day, verify_hour, verify_repair, go_home"
	    " FROM unit",
	    "");

	*ret = (struct store_unit){ 0 };
	if (rc == 0)
		rc = sql_next(st, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	ret->exists = true;
	column_id(stmt, 0, KIND_UNIT, ret->id);
	sql_copy(stmt, 1, ret->name, sizeof(ret->name));
	sql_copy(stmt, 2, ret->uuid, sizeof(ret->uuid));
	sql_copy(stmt, 3, ret->address, sizeof(ret->address));
	ret->primary = sqlite3_column_int(stmt, 4);
	ret->resync_rate_kib_s = (uint64_t)sqlite3_column_int64(stmt, 5);
	ret->verify.every = every_parse(sql_text(stmt, 6));
	ret->verify.day = sqlite3_column_int(stmt, 7);
	ret->verify.hour = sqlite3_column_int(stmt, 8);
	ret->verify.repair = sqlite3_column_int(stmt, 9) != 0;
	ret->go_home = sqlite3_column_int(stmt, 10) != 0;
	return 0;
}

int
store_get_node(const struct store *st, int index, struct store_node *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL,
	    "SELECT id, name, memory_bytes, storage_bytes, threads, cores,"
	    " sockets FROM node WHERE idx = ?", "i", (int64_t)index);

	*ret = (struct store_node){ .index = index };
	if (rc == 0)
		rc = sql_next(st, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	column_id(stmt, 0, KIND_NODE, ret->id);
	sql_copy(stmt, 1, ret->name, sizeof(ret->name));
	ret->memory_bytes = (uint64_t)sqlite3_column_int64(stmt, 2);
	ret->storage_bytes = (uint64_t)sqlite3_column_int64(stmt, 3);
	ret->threads = (unsigned)sqlite3_column_int(stmt, 4);
	ret->cores = (unsigned)sqlite3_column_int(stmt, 5);
	ret->sockets = (unsigned)sqlite3_column_int(stmt, 6);
	return 0;
}

/* --- VMs --- */

static int
vm_read_disks(const struct store *st, int64_t id, struct store_vm *vm)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL, "SELECT volume, boot FROM vm_volume"
	    " WHERE vm = ? ORDER BY slot", "i", id);

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		AV_ASSERT(vm->n_disks < STORE_VM_DISKS_MAX);
		column_id(stmt, 0, KIND_VOLUME,
		    vm->disks[vm->n_disks].volume_id);
		vm->disks[vm->n_disks].boot = sqlite3_column_int(stmt, 1) != 0;
		vm->n_disks++;
		rc = 0;
	}
	return rc;
}

static int
vm_read_nics(const struct store *st, int64_t id, struct store_vm *vm)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(st, &stmt, NULL,
	    "SELECT v.slot, n.id, n.name, n.bridge, v.mac FROM vm_network v"
	    " JOIN network n ON n.id = v.network WHERE v.vm = ?"
	    " ORDER BY v.slot", "i", id);

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		struct store_vm_nic *nic = &vm->nics[vm->n_nics];

		AV_ASSERT(vm->n_nics < STORE_VM_NICS_MAX);
		column_id(stmt, 1, KIND_NETWORK, nic->network_id);
		sql_copy(stmt, 2, nic->network_name, sizeof(nic->network_name));
		sql_copy(stmt, 3, nic->bridge, sizeof(nic->bridge));
		sql_copy(stmt, 4, nic->mac, sizeof(nic->mac));
		(void)snprintf(nic->tap, sizeof(nic->tap), "tap%" PRId64 "n%d",
		    id, sqlite3_column_int(stmt, 0));
		vm->n_nics++;
		rc = 0;
	}
	return rc;
}

#define VM_COLUMNS "id, name, uuid, os, want, phase, stop_how, node, preferred," \
	" vcpus, memory_bytes, run_id, moving, crash_held, crashes, home," \
	" moving_to, move_id, move_run, move_from, move_target, move_by," \
	" move_started_ms, move_ended_ms, move_result, move_code, move_text"

static void
vm_read_move(sqlite3_stmt *stmt, struct store_vm *vm)
{
	struct store_move *m = &vm->move;
	uint64_t run;

	vm->home = column_node(stmt, 15);
	m->to = column_node(stmt, 16);
	m->id = (uint64_t)sqlite3_column_int64(stmt, 17);
	run = (uint64_t)sqlite3_column_int64(stmt, 18);
	m->from = column_node(stmt, 19);
	m->target = column_node(stmt, 20);
	sql_copy(stmt, 21, m->by, sizeof(m->by));
	m->started_ms = sqlite3_column_int64(stmt, 22);
	m->ended_ms = sqlite3_column_int64(stmt, 23);
	sql_copy(stmt, 24, m->result, sizeof(m->result));
	sql_copy(stmt, 25, m->code, sizeof(m->code));
	sql_copy(stmt, 26, m->text, sizeof(m->text));
	/* vm.switch makes the next run; every other new run isn't of a move */
	if (strcmp(m->result, "done") == 0 && vm->run_id == run + 1)
		m->arrived = m->id;
}

static int
vm_read(const struct store *st, sqlite3_stmt *stmt, struct store_vm *vm)
{
	int64_t id = sqlite3_column_int64(stmt, 0);
	int rc;

	*vm = (struct store_vm){ 0 };
	store_id_format(KIND_VM, id, vm->id, sizeof(vm->id));
	sql_copy(stmt, 1, vm->name, sizeof(vm->name));
	sql_copy(stmt, 2, vm->uuid, sizeof(vm->uuid));
	sql_copy(stmt, 3, vm->os, sizeof(vm->os));
	vm->want = (enum store_want)sqlite3_column_int(stmt, 4);
	vm->phase = (enum store_phase)sqlite3_column_int(stmt, 5);
	vm->stop_how = (enum store_stop_how)sqlite3_column_int(stmt, 6);
	vm->node = column_node(stmt, 7);
	vm->preferred = column_node(stmt, 8);
	vm->vcpus = (unsigned)sqlite3_column_int(stmt, 9);
	vm->memory_bytes = (uint64_t)sqlite3_column_int64(stmt, 10);
	vm->run_id = (uint64_t)sqlite3_column_int64(stmt, 11);
	vm->moving = sqlite3_column_int(stmt, 12) != 0;
	vm->crash_held = sqlite3_column_int(stmt, 13) != 0;
	vm->crashes = (unsigned)sqlite3_column_int(stmt, 14);
	vm_read_move(stmt, vm);
	rc = vm_read_disks(st, id, vm);
	return rc == 0 ? vm_read_nics(st, id, vm) : rc;
}

int
store_each_vm(const struct store *st, store_vm_fn *cb, void *arg)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	struct store_vm vm;
	int rc = sql_query(st, &stmt, NULL, "SELECT " VM_COLUMNS
	    " FROM vm ORDER BY id", "");

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		rc = vm_read(st, stmt, &vm);
		if (rc == 0)
			rc = cb(arg, &vm);
	}
	return rc;
}

int
store_get_vm(const struct store *st, const char *id, struct store_vm *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int64_t n;
	int rc;

	if (store_id_parse(KIND_VM, id, &n) < 0)
		return -ENOENT;
	rc = sql_query(st, &stmt, NULL, "SELECT " VM_COLUMNS
	    " FROM vm WHERE id = ?", "i", n);
	if (rc == 0)
		rc = sql_next(st, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	return vm_read(st, stmt, ret);
}

/* --- volumes --- */

#define VOLUME_QUERY "SELECT v.id, v.name, v.uuid, v.storage_group, x.vm," \
	" v.image, v.size_bytes, v.identity, v.phase, x.boot, v.installed," \
	" v.leg0, v.leg1, v.port, v.created_ms, v.resync_paused," \
	" v.leg_failed, v.leg_failed_ms, v.leg_failed_text, v.leg_replace," \
	" v.verify_active, v.verify_repair, v.verify_run, v.verify_by," \
	" v.verify_started_ms, v.verify_ended_ms, v.verify_result," \
	" v.verify_found, v.verify_repaired, v.verify_text FROM volume v" \
	" LEFT JOIN vm_volume x ON x.volume = v.id "

/* From column 20 on. */
static void
verify_read(sqlite3_stmt *stmt, struct store_verify *v)
{
	v->active = sqlite3_column_int(stmt, 20) != 0;
	v->repair = sqlite3_column_int(stmt, 21) != 0;
	v->run = (uint64_t)sqlite3_column_int64(stmt, 22);
	sql_copy(stmt, 23, v->by, sizeof(v->by));
	v->started_ms = sqlite3_column_int64(stmt, 24);
	v->ended_ms = sqlite3_column_int64(stmt, 25);
	sql_copy(stmt, 26, v->result, sizeof(v->result));
	v->found = (uint64_t)sqlite3_column_int64(stmt, 27);
	v->repaired = (uint64_t)sqlite3_column_int64(stmt, 28);
	sql_copy(stmt, 29, v->text, sizeof(v->text));
}

static void
volume_read(sqlite3_stmt *stmt, struct store_volume *vol)
{
	*vol = (struct store_volume){ 0 };
	column_id(stmt, 0, KIND_VOLUME, vol->id);
	sql_copy(stmt, 1, vol->name, sizeof(vol->name));
	sql_copy(stmt, 2, vol->uuid, sizeof(vol->uuid));
	column_id(stmt, 3, KIND_GROUP, vol->group_id);
	column_id(stmt, 4, KIND_VM, vol->vm_id);
	sql_copy(stmt, 5, vol->image, sizeof(vol->image));
	vol->size_bytes = (uint64_t)sqlite3_column_int64(stmt, 6);
	vol->initial_identity = (uint64_t)sqlite3_column_int64(stmt, 7);
	vol->phase = (enum store_phase)sqlite3_column_int(stmt, 8);
	vol->boot = sqlite3_column_int(stmt, 9) != 0;
	vol->installed = sqlite3_column_int(stmt, 10) != 0;
	vol->leg_exists[0] = sqlite3_column_int(stmt, 11) != 0;
	vol->leg_exists[1] = sqlite3_column_int(stmt, 12) != 0;
	vol->port_index = (unsigned)sqlite3_column_int(stmt, 13);
	vol->created_ms = sqlite3_column_int64(stmt, 14);
	vol->resync_paused = sqlite3_column_int(stmt, 15) != 0;
	vol->failed_leg = column_node(stmt, 16);
	vol->failed_ms = sqlite3_column_int64(stmt, 17);
	sql_copy(stmt, 18, vol->failed_text, sizeof(vol->failed_text));
	vol->replace = (enum store_replace)sqlite3_column_int(stmt, 19);
	verify_read(stmt, &vol->verify);
}

int
store_each_volume(const struct store *st, store_volume_fn *cb, void *arg)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	struct store_volume vol;
	int rc = sql_query(st, &stmt, NULL, VOLUME_QUERY "ORDER BY v.id", "");

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		volume_read(stmt, &vol);
		rc = cb(arg, &vol);
	}
	return rc;
}

int
store_get_volume(const struct store *st, const char *id,
    struct store_volume *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int64_t n;
	int rc;

	if (store_id_parse(KIND_VOLUME, id, &n) < 0)
		return -ENOENT;
	rc = sql_query(st, &stmt, NULL, VOLUME_QUERY "WHERE v.id = ?", "i", n);
	if (rc == 0)
		rc = sql_next(st, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	volume_read(stmt, ret);
	return 0;
}

/* --- networks, alerts --- */

int
store_each_network(const struct store *st, store_network_fn *cb, void *arg)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	struct store_network net;
	int rc = sql_query(st, &stmt, NULL,
	    "SELECT id, name, bridge, mtu FROM network ORDER BY id", "");

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		net = (struct store_network){ 0 };
		column_id(stmt, 0, KIND_NETWORK, net.id);
		sql_copy(stmt, 1, net.name, sizeof(net.name));
		sql_copy(stmt, 2, net.bridge, sizeof(net.bridge));
		net.mtu = (unsigned)sqlite3_column_int(stmt, 3);
		rc = cb(arg, &net);
	}
	return rc;
}

int
store_each_open_alert(const struct store *st, store_alert_fn *cb, void *arg)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	struct store_alert alert;
	int rc = sql_query(st, &stmt, NULL, "SELECT id, code, object, severity,"
	    " text FROM alert WHERE cleared_ms IS NULL ORDER BY id", "");

	while (rc == 0 && (rc = sql_next(st, stmt, NULL)) == 1) {
		alert = (struct store_alert){ 0 };
		(void)snprintf(alert.id, sizeof(alert.id), "alert:%lld",
		    (long long)sqlite3_column_int64(stmt, 0));
		sql_copy(stmt, 1, alert.code, sizeof(alert.code));
		sql_copy(stmt, 2, alert.object, sizeof(alert.object));
		sql_copy(stmt, 3, alert.severity, sizeof(alert.severity));
		sql_copy(stmt, 4, alert.text, sizeof(alert.text));
		rc = cb(arg, &alert);
	}
	return rc;
}
