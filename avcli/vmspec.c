/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/vmspec.c - 'vm create' options become the API's vm.create object
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "avcli/files.h"
#include "avcli/vmspec.h"
#include "base/cleanup.h"
#include "base/str.h"

#define NAME_FILE_MAX_BYTES	(4u * 1024 * 1024)
#define BARE_SIZE_MIN_BYTES	(1024u * 1024)

static int
no_memory(struct cli_err *err)
{
	return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
}

int
vmspec_size(const char *what, const char *text, uint64_t *ret_bytes,
    struct cli_err *err)
{
	uint64_t bytes;
	int rc = av_parse_size(text, &bytes);

	if (rc == -ERANGE || (rc == 0 && bytes > INT64_MAX))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s: '%.60s' is too large a size"), what, text);
	if (rc < 0) {
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s: '%.60s' is not a size"), what, text);
		cli_hint(err, tr("say it like 300M, 1.5G or \"1 GiB\""));
		return rc;
	}
	if (bytes < BARE_SIZE_MIN_BYTES && av_parse_u64(text, &bytes) == 0) {
		rc = cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s: say the unit of '%.60s'"), what, text);
		cli_hint(err, tr("say it like 300M, 1.5G or \"1 GiB\""));
		return rc;
	}
	*ret_bytes = bytes;
	return 0;
}

static int
set_text(json_t *obj, const char *key, const char *value)
{
	return json_object_set_new(obj, key, json_string(value));
}

/* One part of a volume: KEY=VALUE, or by position. */
static int
volume_part(json_t *v, const char *part, unsigned *position,
    struct cli_err *err)
{
	static const char *const keys[] = { "size", "group", "name", "image" };
	const char *key = NULL, *value = part, *eq = strchr(part, '=');
	uint64_t bytes;
	size_t i;
	int rc;

	for (i = 0; eq != NULL && i < ARRAY_SIZE(keys); i++) {
		if (strncmp(part, keys[i], (size_t)(eq - part)) != 0 ||
		    keys[i][eq - part] != '\0')
			continue;
		key = keys[i];
		value = eq + 1;
	}
	if (key == NULL && *position < 3)
		key = keys[(*position)++];
	if (key == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--volumes: don't know what '%.100s' is; say SIZE[,GROUP[,NAME]][,image=FILE]"),
		    part);
	if (*value == '\0')
		return 0;		/* 10G,,name: the default group */
	if (strcmp(key, "size") == 0) {
		rc = vmspec_size("--volumes", value, &bytes, err);
		if (rc < 0)
			return rc;
		return json_object_set_new(v, "size_bytes",
		    json_integer((json_int_t)bytes)) < 0 ? no_memory(err) : 0;
	}
	return set_text(v, strcmp(key, "group") == 0 ? "storage_group" : key,
	    value) < 0 ? no_memory(err) : 0;
}

int
vmspec_volume(const char *text, json_t **ret, struct cli_err *err)
{
	AUTO_JSON json_t *v = json_object();
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy, *part;
	unsigned position = 0;
	int rc;

	if (v == NULL || copy == NULL)
		return no_memory(err);
	while ((part = strsep(&rest, ",")) != NULL) {
		rc = volume_part(v, part, &position, err);
		if (rc < 0)
			return rc;
	}
	if (json_object_get(v, "size_bytes") == NULL &&
	    json_object_get(v, "image") == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--volumes: '%.100s' has no size"), text);
	*ret = TAKE_PTR(v);
	return 0;
}

int
vmspec_network(const char *text, json_t **ret, struct cli_err *err)
{
	AUTO_JSON json_t *n = json_object();
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy, *part;

	if (n == NULL || copy == NULL)
		return no_memory(err);
	part = strsep(&rest, ",");
	if (*part == '\0')
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--interfaces: '%.100s' names no network"), text);
	if (set_text(n, "network", part) < 0)
		return no_memory(err);
	while ((part = strsep(&rest, ",")) != NULL) {
		if (strncmp(part, "mac=", 4) != 0)
			return cli_fail(err, EXIT_USAGE, "bad-argument",
			    tr("--interfaces: don't know what '%.100s' is; say NETWORK[,mac=MAC]"),
			    part);
		if (set_text(n, "mac", part + 4) < 0)
			return no_memory(err);
	}
	*ret = TAKE_PTR(n);
	return 0;
}

/* All values of a list option through 'read' into body[key]. */
static int
build_list(const struct args *a, const char *option, json_t *body,
    const char *key, int (*read)(const char *, json_t **, struct cli_err *),
    struct cli_err *err)
{
	json_t *list = json_array(), *one;
	const char *text;
	size_t i;
	int rc;

	if (list == NULL || json_object_set_new(body, key, list) < 0)
		return no_memory(err);
	for (i = 0; (text = args_nth(a, option, i)) != NULL; i++) {
		rc = read(text, &one, err);
		if (rc < 0)
			return rc;
		if (json_array_append_new(list, one) < 0)
			return no_memory(err);
	}
	return 0;
}

/* --image is the first volume's; without --volumes it makes that volume. */
static int
build_image(const struct args *a, json_t *body, struct cli_err *err)
{
	const char *image = args_value(a, "image");
	json_t *volumes = json_object_get(body, "volumes"), *first;

	if (image == NULL)
		return 0;
	first = json_array_get(volumes, 0);
	if (first == NULL) {
		first = json_object();
		if (json_array_append_new(volumes, first) < 0)
			return no_memory(err);
	}
	if (json_object_get(first, "image") != NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--image: the first volume has an image already"));
	return set_text(first, "image", image) < 0 ? no_memory(err) : 0;
}

static int
build_name(const struct args *a, json_t *body, struct cli_err *err)
{
	const char *name = args_value(a, "name");
	const char *file = args_value(a, "name-file");
	AUTO_FREE char *line = NULL;
	int rc;

	if ((name == NULL) == (file == NULL)) {
		(void)cli_fail(err, EXIT_USAGE, "bad-argument",
		    name == NULL ? tr("--name is missing") :
		    tr("--name and --name-file exclude each other"));
		cli_hint(err, tr("'avcli help %s' explains it"), "vm create");
		return -EXIT_USAGE;
	}
	if (file != NULL) {
		rc = first_line(file, NAME_FILE_MAX_BYTES, &line, err);
		if (rc < 0)
			return rc;
		name = line;
	}
	return set_text(body, "name", name) < 0 ? no_memory(err) : 0;
}

static int
build_numbers(const struct args *a, json_t *body, struct cli_err *err)
{
	const char *cpu = args_value(a, "cpu"), *memory = args_value(a, "memory");
	uint64_t vcpus = 1, bytes;
	int rc;

	/* 0 and 9 are numbers: the unit refuses them and writes it down */
	if (cpu != NULL && (av_parse_u64(cpu, &vcpus) < 0 || vcpus > INT64_MAX))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--cpu: '%.60s' is not a whole number"), cpu);
	if (memory == NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--memory is missing"));
	rc = vmspec_size("--memory", memory, &bytes, err);
	if (rc < 0)
		return rc;
	if (json_object_set_new(body, "vcpus",
	    json_integer((json_int_t)vcpus)) < 0 ||
	    json_object_set_new(body, "memory_bytes",
	    json_integer((json_int_t)bytes)) < 0)
		return no_memory(err);
	return 0;
}

static int
build_texts(const struct args *a, json_t *body, struct cli_err *err)
{
	static const struct { const char *key, *fallback; } texts[] = {
		{ "description", "" }, { "os", "linux" }, { "preferred", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *value = args_value(a, texts[i].key);

		if (value == NULL)
			value = texts[i].fallback;
		if (value != NULL && set_text(body, texts[i].key, value) < 0)
			return no_memory(err);
	}
	if (args_flag(a, "start") &&
	    json_object_set_new(body, "start", json_true()) < 0)
		return no_memory(err);
	if (args_flag(a, "dry-run") &&
	    json_object_set_new(body, "dry_run", json_true()) < 0)
		return no_memory(err);
	return 0;
}

int
vmspec_build(const struct args *a, json_t **ret_body, struct cli_err *err)
{
	AUTO_JSON json_t *body = json_object();
	int rc;

	if (body == NULL)
		return no_memory(err);
	rc = build_name(a, body, err);
	if (rc == 0)
		rc = build_numbers(a, body, err);
	if (rc == 0)
		rc = build_list(a, "volumes", body, "volumes", vmspec_volume, err);
	if (rc == 0)
		rc = build_image(a, body, err);
	if (rc == 0)
		rc = build_list(a, "interfaces", body, "networks",
		    vmspec_network, err);
	if (rc == 0)
		rc = build_texts(a, body, err);
	if (rc < 0)
		return rc;
	*ret_body = TAKE_PTR(body);
	return 0;
}
