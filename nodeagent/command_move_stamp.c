/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_move_stamp.c - what vm.migrate has to know of the facts
 *
 * {"token":N, "not_in_step":null|"volume's name", "acceleration":null|"kvm, tcg",
 *  "qemu":null|"7.2.1, 8.0.0", "cpu_missing":null|"avx2, bmi1"}
 * 'token' is the move's id, random: it must not come again, not even after a
 * database was replaced.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "nodeagent/command_move_stamp.h"
#include "nodeagent/store_sql.h"
#include "nodeagent/view_impl.h"

#define LISTED	6	/* features told by name */

static json_t *
not_in_step(const struct store *st, const json_t *const facts[2], int self,
    const struct store_vm *vm)
{
	struct store_volume vol;
	unsigned i;

	for (i = 0; i < vm->n_disks; i++) {
		if (store_get_volume(st, vm->disks[i].volume_id, &vol) < 0)
			return json_string(vm->disks[i].volume_id);
		if (!view_volume_may_leave(facts, self, &vol, vm->node))
			return json_string(vol.name);
	}
	return json_null();
}

/* Both texts when they differ; unknown is alike. */
static json_t *
differ(const char *a, const char *b)
{
	if (a[0] == '\0' || b[0] == '\0' || strcmp(a, b) == 0)
		return json_null();
	return json_sprintf("%.40s, %.40s", a, b);
}

static bool
has_word(const char *list, const char *word, size_t n)
{
	const char *p = list;

	while ((p = strstr(p, word)) != NULL) {
		if ((p == list || p[-1] == ' ') &&
		    (p[n] == ' ' || p[n] == '\0'))
			return true;
		p += n;
	}
	return false;
}

json_t *
command_move_missing(const char *from, const char *to)
{
	char word[64], text[256] = "";
	unsigned n = 0;
	size_t at = 0;

	while (*from != '\0') {
		size_t len = strcspn(from, " ");

		if (len > 0 && len < sizeof(word)) {
			memcpy(word, from, len);
			word[len] = '\0';
			if (!has_word(to, word, len) && n++ < LISTED)
				at += (size_t)snprintf(text + at,
				    sizeof(text) - at, "%s%.24s",
				    n > 1 ? ", " : "", word);
		}
		from += len + (from[len] == ' ');
	}
	if (n > LISTED)
		(void)snprintf(text + at, sizeof(text) - at, " and %u more",
		    n - LISTED);
	return n > 0 ? json_string(text) : json_null();
}

static json_t *
cpu_missing(const json_t *from, const json_t *to)
{
	const char *a = view_text(from, "cpu_flags", NULL);
	const char *b = view_text(to, "cpu_flags", NULL);

	/* emulated processors are QEMU's, alike in one version */
	if (strcmp(view_text(from, "acceleration", NULL), "tcg") == 0 ||
	    a[0] == '\0' || b[0] == '\0')
		return json_null();
	return command_move_missing(a, b);
}

json_t *
command_move_stamp(const json_t *cmd, const struct store *st,
    const json_t *const facts[2], int self)
{
	const char *ref = json_string_value(json_object_get(
	    json_object_get(cmd, "args"), "vm"));
	const json_t *from, *to;
	char id[STORE_ID_MAX];
	struct store_vm vm;
	uint64_t token;
	int64_t n;

	if (ref == NULL || store_find(st, KIND_VM, ref, &n, NULL) < 0)
		return json_null();
	store_id_format(KIND_VM, n, id, sizeof(id));
	if (store_get_vm(st, id, &vm) < 0)
		return json_null();
	if (getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token))
		return json_null();	/* refused then */
	token = (token & (uint64_t)INT64_MAX) | 1;
	from = facts[vm.node == 1];
	to = facts[vm.node != 1];
	return json_pack("{s:I, s:o, s:o, s:o, s:o}", "token",
	    (json_int_t)token, "not_in_step", not_in_step(st, facts, self, &vm),
	    "acceleration", differ(view_text(from, "acceleration", NULL),
	    view_text(to, "acceleration", NULL)), "qemu",
	    differ(view_text(from, "versions", "qemu"),
	    view_text(to, "versions", "qemu")), "cpu_missing",
	    cpu_missing(from, to));
}
