/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/api.c - lists, selections, connection
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "avcli/api.h"
#include "avcli/args.h"
#include "avcli/conn.h"
#include "base/cleanup.h"
#include "base/str.h"

#define DEFAULT_SOCKET	"/run/avpair/console.sock"

static const char *
either(const char *a, const char *b)
{
	return a != NULL ? a : b;
}

int
cli_connect(struct cli *cli, struct cli_err *err)
{
	const struct args *a = cli->args;
	struct conn_conf conf = { .lang = cli->lang };

	if (cli->conn != NULL)
		return 0;
	conf.host = either(args_value(a, "host"), args_value(a, "hostname"));
	conf.user = either(either(args_value(a, "user"),
	    args_value(a, "username")), getenv("AVPAIR_USER"));
	conf.password_file = args_value(a, "password-file");
	conf.cacert = args_value(a, "cacert");
	conf.insecure = args_flag(a, "insecure");
	conf.socket = either(either(args_value(a, "socket"),
	    getenv("AVPAIR_CONSOLE_SOCKET")), DEFAULT_SOCKET);
	if (conf.host != NULL && args_value(a, "socket") != NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("-H and --socket exclude each other"));
	if (conf.host == NULL && (args_value(a, "user") != NULL ||
	    args_value(a, "username") != NULL)) {
		(void)cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("-u needs -H: the local socket has no login"));
		return -EXIT_USAGE;
	}
	if (conf.insecure && conf.cacert != NULL)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("--insecure and --cacert exclude each other"));
	return conn_open(&conf, &cli->conn, err);
}

int
api_list(struct cli *cli, const struct kind *kind, const char *query,
    json_t **ret_list, struct cli_err *err)
{
	AUTO_JSON json_t *list = NULL;
	char path[256];
	int rc = cli_connect(cli, err);

	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s%s", kind->path, query);
	rc = conn_request(cli->conn, "GET", path, NULL, 1000 * cli->timeout_s,
	    &list, err);
	if (rc < 0)
		return rc;
	if (!json_is_array(list))
		return cli_fail(err, EXIT_NO_CONNECTION, "bad-answer",
		    tr("the answer isn't one of an avpair console"));
	*ret_list = TAKE_PTR(list);
	return 0;
}

static bool
same_name(const char *a, const char *b)
{
	AUTO_FREE char *x = NULL;
	AUTO_FREE char *y = NULL;

	if (a == NULL || b == NULL)
		return false;
	if (strcmp(a, b) == 0)
		return true;
	x = (char *)utf8proc_NFC((const utf8proc_uint8_t *)a);
	y = (char *)utf8proc_NFC((const utf8proc_uint8_t *)b);
	return x != NULL && y != NULL && strcmp(x, y) == 0;
}

static const char *
text_of(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

static int
not_found(const struct kind *kind, const char *name, struct cli_err *err)
{
	(void)cli_fail(err, EXIT_NOT_FOUND, "not-found",
	    tr("there is no %s '%.300s'"), tr(kind->human), name);
	cli_hint(err, tr("'avcli %s info' lists what there is"), kind->word);
	return -EXIT_NOT_FOUND;
}

static int
ambiguous(const char *name, const json_t *list, struct cli_err *err)
{
	char ids[300] = "";
	const json_t *item;
	size_t i, at = 0;

	json_array_foreach(list, i, item) {
		const char *id = text_of(item, "id");

		if (same_name(text_of(item, "name"), name) && id != NULL &&
		    at < sizeof(ids))
			at += (size_t)snprintf(ids + at, sizeof(ids) - at,
			    "%s%s", at > 0 ? ", " : "", id);
	}
	(void)cli_fail(err, EXIT_CONFLICT, "ambiguous-name",
	    tr("the name '%.300s' stands for several"), name);
	cli_hint(err, tr("use an id: %s"), ids);
	return -EXIT_CONFLICT;
}

/* *ret is borrowed from the list. */
static int
find_one(const struct kind *kind, const json_t *list, const char *name,
    json_t **ret, struct cli_err *err)
{
	json_t *item, *found = NULL;
	unsigned n_found = 0;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *id = text_of(item, "id");

		if (id != NULL && strcmp(id, name) == 0) {
			*ret = item;
			return 0;
		}
		if (same_name(text_of(item, "name"), name)) {
			found = item;
			n_found++;
		}
	}
	/* the same image on both PMs is two lines of the list, not two images */
	if (n_found > 1 && strcmp(kind->word, "image") != 0)
		return ambiguous(name, list, err);
	if (found == NULL)
		return not_found(kind, name, err);
	*ret = found;
	return 0;
}

int
api_select(const struct kind *kind, const json_t *list,
    const char *const *operands, size_t n, json_t **ret_selected,
    struct cli_err *err)
{
	AUTO_JSON json_t *selected = json_array();
	json_t *one = NULL;
	size_t i;
	int rc;

	if (selected == NULL || (n == 0 && json_array_extend(selected,
	    (json_t *)(uintptr_t)list) < 0))
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	for (i = 0; i < n; i++) {
		rc = find_one(kind, list, operands[i], &one, err);
		if (rc < 0)
			return rc;
		if (json_array_append(selected, one) < 0)
			return cli_fail(err, EXIT_FAILED, "no-memory",
			    tr("no memory"));
	}
	*ret_selected = TAKE_PTR(selected);
	return 0;
}

int
api_path(const struct kind *kind, const char *name, const char *suffix,
    char **ret, struct cli_err *err)
{
	AUTO_FREE char *part = conn_escape(name);

	if (*name == '\0')
		return cli_fail(err, EXIT_USAGE, "name-invalid",
		    tr("the name is empty"));
	if (part == NULL || asprintf(ret, "%s/%s%s", kind->path, part,
	    suffix) < 0) {
		*ret = NULL;
		return cli_fail(err, EXIT_FAILED, "no-memory", tr("no memory"));
	}
	return 0;
}
