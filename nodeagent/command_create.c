/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_create.c - vm.create
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/str.h"
#include "nodeagent/command_impl.h"
#include "nodeagent/core/limits.h"

static const char *const node_names[STORE_NODES] = { "node0", "node1" };

int
command_make_uuid(struct command *c, const char *what, char ret[37],
    uint64_t *ret_number)
{
	struct store_unit unit;
	uint8_t sum[32];
	char text[128], hex[65];
	int i, r;

	(void)store_get_unit(c->st, &unit);	/* "" before unit.create: unused */
	(void)snprintf(text, sizeof(text), "%s %s", unit.uuid, what);
	r = gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), sum);
	if (r < 0)
		return av_err_set(c->err, -EIO, "SHA-256: %s",
		    gnutls_strerror(r));
	*ret_number = 0;
	for (i = 16; i < 24; i++)
		*ret_number = *ret_number << 8 | sum[i];
	if (*ret_number == 0)
		*ret_number = 1;
	sum[6] = (uint8_t)((sum[6] & 0x0f) | 0x80);	/* version 8: RFC 9562 */
	sum[8] = (uint8_t)((sum[8] & 0x3f) | 0x80);
	av_hex_encode(sum, sizeof(sum), hex);
	(void)snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
	    hex + 12, hex + 16, hex + 20);
	return 0;
}

/* --- volumes --- */

struct new_volume {
	char		*name;		/* NFC */
	uint64_t	 size_bytes;
	int64_t		 group;
	const char	*image;		/* "" = blank */
};

static int
volume_size(struct command *c, const json_t *arg, struct new_volume *vol)
{
	uint64_t want = (uint64_t)json_integer_value(
	    json_object_get(arg, "size_bytes"));

	if (want < LIMITS_VOLUME_MIN_BYTES || want > LIMITS_VOLUME_MAX_BYTES)
		return command_refuse(c, -EINVAL, "size-invalid",
		    json_pack("{s:I, s:I, s:I}", "size_bytes", (json_int_t)want,
		    "min_bytes", (json_int_t)LIMITS_VOLUME_MIN_BYTES,
		    "max_bytes", (json_int_t)LIMITS_VOLUME_MAX_BYTES),
		    "a volume has 1 MiB to 16 TiB, not %" PRIu64 " bytes: choose a size between",
		    want);
	vol->size_bytes = limits_volume_round(want);
	return 0;
}

static int
volume_image(struct command *c, const json_t *arg, struct new_volume *vol)
{
	const char *image = json_string_value(json_object_get(arg, "image"));
	const json_t *size;
	char is[32], has[32];
	uint64_t bytes;

	vol->image = image != NULL ? image : "";
	if (vol->image[0] == '\0')
		return 0;
	size = json_object_get(json_object_get(c->context, "images"), image);
	if (!json_is_integer(size))
		return command_refuse(c, -ENOENT, "image-not-found",
		    json_pack("{s:s}", "name", image),
		    "there is no image '%s' on a PM that is up: 'image info' lists them",
		    image);
	bytes = (uint64_t)json_integer_value(size);
	if (bytes <= vol->size_bytes)
		return 0;
	av_format_size(bytes, is, sizeof(is));
	av_format_size(vol->size_bytes, has, sizeof(has));
	return command_refuse(c, -ENOSPC, "image-too-big",
	    json_pack("{s:s, s:I, s:I}", "name", image, "image_bytes",
	    (json_int_t)bytes, "size_bytes", (json_int_t)vol->size_bytes),
	    "image '%.100s' has %s and doesn't fit a volume of %s: make the volume bigger",
	    image, is, has);
}

static int
volume_group(struct command *c, const json_t *arg, struct new_volume *vol)
{
	const char *ref = json_string_value(
	    json_object_get(arg, "storage_group"));
	int rc;

	if (ref == NULL)
		ref = "default";
	rc = store_find(c->st, KIND_GROUP, ref, &vol->group, c->err);
	if (rc == -ENOENT)
		return command_refuse(c, rc, "not-found",
		    json_pack("{s:s, s:s}", "kind", "storage group", "name",
		    ref), "there is no storage group '%s'", ref);
	return rc;
}

/* Given, or VMNAME-boot, VMNAME-data1 ...; a made-up one that is taken (of a kept
 * volume) gets the volume's number. */
static int
volume_name(struct command *c, const json_t *arg, const char *vm_name,
    size_t slot, int64_t id, struct new_volume *vol)
{
	const char *given = json_string_value(json_object_get(arg, "name"));
	char made[STORE_NAME_MAX];
	char suffix[32];
	int64_t other;
	int rc;

	if (given != NULL)
		return command_new_name(c, KIND_VOLUME, given, -1, &vol->name);
	if (slot == 0)
		(void)snprintf(suffix, sizeof(suffix), "-boot");
	else
		(void)snprintf(suffix, sizeof(suffix), "-data%zu", slot);
	(void)snprintf(made, sizeof(made), "%.60s", vm_name);
	av_utf8_trim(made);
	(void)snprintf(made + strlen(made), sizeof(made) - strlen(made), "%s",
	    suffix);
	rc = store_find(c->st, KIND_VOLUME, made, &other, NULL);
	if (rc == 0)
		(void)snprintf(made + strlen(made),
		    sizeof(made) - strlen(made), "-%" PRId64, id);
	return command_new_name(c, KIND_VOLUME, made, -1, &vol->name);
}

static int
free_port(struct command *c, int64_t *ret)
{
	AUTO_STMT sqlite3_stmt *stmt = NULL;
	int rc = sql_query(c->st, &stmt, c->err,
	    "SELECT port FROM volume ORDER BY port", "");

	*ret = 0;
	while (rc == 0 && (rc = sql_next(c->st, stmt, c->err)) == 1) {
		rc = 0;
		if (sqlite3_column_int64(stmt, 0) > *ret)
			break;
		*ret = sqlite3_column_int64(stmt, 0) + 1;
	}
	return rc;
}

static int
volume_insert(struct command *c, int64_t vm_id, int64_t id, size_t slot,
    const struct new_volume *vol)
{
	char uuid[STORE_UUID_MAX], text[STORE_ID_MAX];
	uint64_t identity;
	int64_t port;
	int rc;

	store_id_format(KIND_VOLUME, id, text, sizeof(text));
	rc = command_make_uuid(c, text, uuid, &identity);
	if (rc == 0)
		rc = free_port(c, &port);
	if (rc == 0)
		rc = sql_run(c->st, c->err, "INSERT INTO volume (id, name, uuid,"
		    " size_bytes, storage_group, phase, image, installed, leg0,"
		    " leg1, port, identity, created_ms) VALUES"
		    " (?, ?, ?, ?, ?, 0, ?, ?, 0, 0, ?, ?, ?)", "issuisiiui",
		    id, vol->name, uuid, vol->size_bytes, vol->group,
		    vol->image, (int64_t)(vol->image[0] == '\0'), port,
		    identity, c->at_ms);
	if (rc == 0)
		rc = sql_run(c->st, c->err,
		    "INSERT INTO vm_volume VALUES (?, ?, ?, ?)", "iiii", vm_id,
		    (int64_t)slot, id, (int64_t)(slot == 0));
	return rc;
}

static int
add_volume(struct command *c, const json_t *arg, int64_t vm_id,
    const char *vm_name, size_t slot, uint64_t *total)
{
	struct new_volume vol = { 0 };
	int64_t id;
	int rc = store_counter(c->st, "next_id", &id, c->err);

	if (rc == 0)
		rc = volume_size(c, arg, &vol);
	if (rc == 0)
		rc = volume_group(c, arg, &vol);
	if (rc == 0)
		rc = volume_image(c, arg, &vol);
	if (rc == 0)
		rc = volume_name(c, arg, vm_name, slot, id, &vol);
	if (rc == 0)
		rc = volume_insert(c, vm_id, id, slot, &vol);
	free(vol.name);
	*total += vol.size_bytes;
	return rc;
}

int
command_check_space(struct command *c, uint64_t before, uint64_t want)
{
	struct limits_unit lim;
	struct limits_pm pms[STORE_NODES] = { 0 };
	struct store_node node;
	char need[32], left[32];
	uint64_t missing, left_bytes;
	int i;

	for (i = 0; i < STORE_NODES; i++)
		if (store_get_node(c->st, i, &node) == 0)
			pms[i].storage_bytes = node.storage_bytes;
	limits_unit_of(pms, &lim);
	missing = limits_missing(lim.storage_bytes, before, want);
	left_bytes = lim.storage_bytes > before ? lim.storage_bytes - before : 0;
	av_format_size(want, need, sizeof(need));
	av_format_size(left_bytes, left, sizeof(left));
	if (missing > 0)
		return command_refuse(c, -ENOSPC, "no-space",
		    json_pack("{s:I, s:I, s:I}", "needed_bytes",
		    (json_int_t)want, "free_bytes", (json_int_t)left_bytes,
		    "missing_bytes", (json_int_t)missing),
		    "the volumes need %s, the storage group has %s free: make them smaller or remove volumes",
		    need, left);
	if (left_bytes - want >= LIMITS_STORAGE_LOW_BYTES)
		return 0;
	av_format_size(left_bytes - want, left, sizeof(left));
	return command_warn(c, "storage-nearly-full",
	    json_pack("{s:I}", "free_bytes", (json_int_t)(left_bytes - want)),
	    "only %s stay free in the storage group", left);
}

static int
add_volumes(struct command *c, int64_t vm_id, const char *vm_name)
{
	const json_t *list = json_object_get(c->args, "volumes"), *arg;
	int64_t n_before, bytes_before;
	uint64_t total = 0;
	size_t i;
	int rc;

	if (json_array_size(list) == 0)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "volumes"),
		    "argument 'volumes' is empty: a VM needs a boot volume");
	rc = sql_get_int(c->st, &n_before, c->err,
	    "SELECT count(*) FROM volume", "");
	if (rc == 0)
		rc = sql_get_int(c->st, &bytes_before, c->err,
		    "SELECT coalesce(sum(size_bytes), 0) FROM volume", "");
	if (rc < 0)
		return rc;
	if ((uint64_t)n_before + json_array_size(list) > LIMITS_VOLUMES_MAX)
		return command_refuse(c, -ENOSPC, "too-many-volumes",
		    json_pack("{s:I, s:i, s:i}", "have", (json_int_t)n_before,
		    "want", (int)json_array_size(list), "max",
		    (int)LIMITS_VOLUMES_MAX),
		    "a unit has at most %u volumes; there are %" PRId64 " and the VM needs %zu more: remove some first",
		    LIMITS_VOLUMES_MAX, n_before, json_array_size(list));
	json_array_foreach((json_t *)(uintptr_t)list, i, arg)
		if (rc == 0)
			rc = add_volume(c, arg, vm_id, vm_name, i, &total);
	return rc == 0 ? command_check_space(c, (uint64_t)bytes_before, total) : rc;
}

/* --- networks --- */

static int
parse_mac(struct command *c, const char *text, char ret[18])
{
	uint8_t mac[6];
	char hex[13];
	size_t i;
	bool ok = strlen(text) == 17;

	for (i = 0; ok && i < 6; i++) {
		memcpy(hex + 2 * i, text + 3 * i, 2);
		ok = i == 5 || text[3 * i + 2] == ':' || text[3 * i + 2] == '-';
	}
	hex[12] = '\0';
	ok = ok && av_hex_decode(hex, mac, 6) == 0 && !(mac[0] & 1) &&
	    (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
	if (!ok)
		return command_refuse(c, -EINVAL, "bad-argument",
		    json_pack("{s:s}", "argument", "mac"),
		    "argument 'mac' must be like 52:54:00:12:34:56, for one station");
	(void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
	    mac[1], mac[2], mac[3], mac[4], mac[5]);
	return 0;
}

/* Locally administered, of this unit; 'n' makes it unique in the unit. */
static int
make_mac(struct command *c, int64_t n, char ret[18])
{
	char uuid[STORE_UUID_MAX];
	uint64_t unit;
	int rc = command_make_uuid(c, "mac", uuid, &unit);

	(void)snprintf(ret, 18, "52:%02x:%02x:%02x:%02x:%02x",
	    (unsigned)(unit & 0xff), (unsigned)(unit >> 8 & 0xff),
	    (unsigned)(n >> 16 & 0xff), (unsigned)(n >> 8 & 0xff),
	    (unsigned)(n & 0xff));
	return rc;
}

static int
add_network(struct command *c, const json_t *arg, int64_t vm_id, size_t slot)
{
	const char *ref = json_is_string(arg) ? json_string_value(arg) :
	    json_string_value(json_object_get(arg, "network"));
	const char *given = json_string_value(json_object_get(arg, "mac"));
	int64_t net, n, other;
	char mac[18];
	int rc = store_find(c->st, KIND_NETWORK, ref, &net, c->err);

	if (rc == -ENOENT)
		return command_refuse(c, rc, "not-found",
		    json_pack("{s:s, s:s}", "kind", "network", "name", ref),
		    "there is no network '%s'", ref);
	if (rc == 0 && given != NULL) {
		rc = parse_mac(c, given, mac);
	} else if (rc == 0) {
		rc = store_counter(c->st, "next_id", &n, c->err);
		if (rc == 0)
			rc = make_mac(c, n, mac);
	}
	if (rc < 0)
		return rc;
	rc = sql_get_int(c->st, &other, c->err,
	    "SELECT vm FROM vm_network WHERE mac = ?", "s", mac);
	if (rc == 0)
		return command_refuse(c, -EEXIST, "name-exists",
		    json_pack("{s:s, s:s}", "kind", "MAC", "name", mac),
		    "the MAC address %s is used by vm:o%" PRId64 " already: leave it out to get a free one",
		    mac, other);
	if (rc != -ENOENT)
		return rc;
	return sql_run(c->st, c->err,
	    "INSERT INTO vm_network VALUES (?, ?, ?, ?)", "iiis", vm_id,
	    (int64_t)slot, net, mac);
}

/* --- the VM --- */

static int
check_os(struct command *c, const char **ret)
{
	static const char *const known[] = { "linux", "windows", "other" };
	const char *os = command_arg_text(c, "os");
	size_t i;

	*ret = os[0] != '\0' ? os : "other";
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(*ret, known[i]) == 0)
			return 0;
	return command_refuse(c, -EINVAL, "bad-argument",
	    json_pack("{s:s}", "argument", "os"),
	    "argument 'os' must be linux, windows or other");
}

static int
insert_vm(struct command *c, int64_t id, const char *name, const char *os,
    uint64_t vcpus, uint64_t memory, bool bits64)
{
	struct store_vm asked = { .node = -1,
		.preferred = command_arg_node(c, "preferred") };
	char uuid[STORE_UUID_MAX], text[STORE_ID_MAX];
	uint64_t unused;
	int node, rc;

	store_id_format(KIND_VM, id, text, sizeof(text));
	rc = command_make_uuid(c, text, uuid, &unused);
	if (rc == 0)
		rc = command_place_vm(c, &asked, &node);
	if (rc < 0)
		return rc;
	rc = sql_run(c->st, c->err, "INSERT INTO vm (id, name,"
	    " description, os, uuid, vcpus, memory_bytes, bits64, phase, want,"
	    " stop_how, start_after, node, preferred, run_id, moving, crash_held,"
	    " crashes, crash_first_ms, started_ms, created_ms, reason_code,"
	    " reason_text) VALUES"
	    " (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, 0, 0, 0, 0, 0, NULL,"
	    " ?, '', '')", "issssuuiinni", id, name,
	    command_arg_text(c, "description"), os, uuid, vcpus, memory,
	    (int64_t)bits64,
	    (int64_t)json_is_true(json_object_get(c->args, "start")),
	    (int64_t)node, (int64_t)asked.preferred, c->at_ms);
	if (rc == 0)
		rc = command_result(c, "node", json_string(node_names[node]));
	return rc;
}

/* description: like a name, but longer, and lines are allowed */
static int
check_description(struct command *c)
{
	const char *s = command_arg_text(c, "description");

	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t') ||
		    *s == 0x7f)
			return command_refuse(c, -EINVAL, "bad-argument",
			    json_pack("{s:s}", "argument", "description"),
			    "argument 'description' holds a control character");
	return 0;
}

int
cmd_vm_create(struct command *c)
{
	const json_t *nets = json_object_get(c->args, "networks"), *arg;
	uint64_t vcpus = (uint64_t)json_integer_value(
	    json_object_get(c->args, "vcpus"));
	uint64_t memory = (uint64_t)json_integer_value(
	    json_object_get(c->args, "memory_bytes"));
	bool bits64 = json_is_true(json_object_get(c->args, "bits64"));
	AUTO_FREE char *name = NULL;
	char text[STORE_ID_MAX], size[32];
	const char *os;
	int64_t id;
	size_t i;
	int rc;

	(void)snprintf(c->object, sizeof(c->object), "%s",
	    command_arg_text(c, "name"));
	av_utf8_trim(c->object);
	rc = command_new_name(c, KIND_VM, command_arg_text(c, "name"), -1,
	    &name);
	if (rc == 0)
		rc = check_os(c, &os);
	if (rc == 0)
		rc = check_description(c);
	if (rc == 0)
		rc = command_result(c, "warnings", json_array());
	if (rc == 0)
		rc = command_check_size(c, vcpus, memory, bits64);
	if (rc == 0)
		rc = store_counter(c->st, "next_id", &id, c->err);
	if (rc == 0)
		rc = insert_vm(c, id, name, os, vcpus, memory, bits64);
	if (rc == 0)
		rc = add_volumes(c, id, name);
	json_array_foreach((json_t *)(uintptr_t)nets, i, arg)
		if (rc == 0)
			rc = add_network(c, arg, id, i);
	if (rc < 0)
		return rc;
	store_id_format(KIND_VM, id, text, sizeof(text));
	(void)snprintf(c->object, sizeof(c->object), "%s", text);
	av_format_size(memory, size, sizeof(size));
	command_detail(c, "create VM '%s': %" PRIu64 " vCPUs, %s, %zu volumes",
	    name, vcpus, size,
	    json_array_size(json_object_get(c->args, "volumes")));
	rc = command_result(c, "id", json_string(text));
	return rc == 0 ? command_result(c, "name", json_string(name)) : rc;
}
