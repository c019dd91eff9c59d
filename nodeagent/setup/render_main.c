/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/render_main.c - 'av-setup render': the files of a given plan
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/render.h"
#include "nodeagent/setup/render_main.h"

/* The members of an array of texts, a line each; NULL = none. */
static char *
lines_of(const json_t *list)
{
	char *text = NULL;
	size_t size, i;
	const json_t *v;
	FILE *f = list == NULL ? NULL : open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	json_array_foreach(list, i, v)
		fprintf(f, "%s\n", json_string_value(v) != NULL ?
		    json_string_value(v) : "");
	return fclose(f) == 0 ? text : NULL;
}

static int
write_all(const struct setup_plan *p, const struct setup_local *l, int node,
    const char *folder, struct av_err *err)
{
	const struct { const char *path; char *text; } list[] = {
		{ "/corosync.conf", render_corosync(p, l) },
		{ "/avconsoled.conf", render_avconsoled(p, l, node) },
		{ "/avnoded.conf", render_avnoded(p, l, node) },
	};
	size_t i;
	int rc = 0;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		if (rc == 0)
			rc = list[i].text == NULL ? -ENOMEM :
			    files_write(folder, list[i].path, list[i].text,
			    strlen(list[i].text), 0644, err);
		free(list[i].text);
	}
	return rc;
}

int
render_main(const char *node, const char *folder)
{
	AUTO_JSON json_t *j = json_loadf(stdin, JSON_REJECT_DUPLICATES, NULL);
	AUTO_FREE char *agent = lines_of(json_object_get(j, "agent_lines"));
	AUTO_FREE char *console = lines_of(json_object_get(j,
	    "console_lines"));
	struct setup_local local = {
		.uid = (unsigned)json_integer_value(json_object_get(j, "uid")),
		.gid = (unsigned)json_integer_value(json_object_get(j, "gid")),
		.no_realtime = json_is_true(json_object_get(j, "no_realtime")),
		.agent_lines = agent, .console_lines = console,
	};
	struct setup_plan plan;
	struct av_err err = { 0 };
	int rc = plan_decode(json_object_get(j, "plan"), &plan, &err);

	if (rc == 0)
		rc = plan_text(j, "corosync_log", false, local.corosync_log,
		    sizeof(local.corosync_log), &err);
	if (rc == 0 && (!plan.whole || (strcmp(node, "0") != 0 &&
	    strcmp(node, "1") != 0)))
		rc = av_err_set(&err, -EINVAL, "a whole plan and 0 or 1");
	if (rc == 0)
		rc = write_all(&plan, &local, *node - '0', folder, &err);
	if (rc < 0)
		fprintf(stderr, "av-setup: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}
