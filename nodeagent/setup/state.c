/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/state.c - how far an unfinished setup has come, durably
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/state.h"
#include "nodeagent/setup/text.h"

#define STATE_VERSION	1
#define LINES_MAX	4096u

static const char *const phases[] = {
	[PHASE_NONE] = "none", [PHASE_WAITING] = "waiting",
	[PHASE_AGREED] = "agreed", [PHASE_OFFERED] = "offered",
	[PHASE_COMMITTED] = "committed",
};

const char *
state_phase_name(enum setup_phase phase)
{
	return phases[phase];
}

void
state_free(struct setup_state *st)
{
	secrets_free(&st->secrets);
	explicit_bzero(st->key, sizeof(st->key));
	free(st->agent_lines);
	free(st->console_lines);
	memset(st, 0, sizeof(*st));
}

json_t *
state_encode(const struct setup_state *st)
{
	AUTO_JSON json_t *plan = plan_encode(&st->plan);
	AUTO_JSON json_t *secrets = secrets_encode(&st->secrets, false);

	if (plan == NULL || secrets == NULL)
		return NULL;
	return json_pack("{s:i, s:s, s:i, s:O, s:O, s:s, s:I, s:i, s:s, s:s, "
	    "s:s*, s:s*}", "setup", STATE_VERSION, "phase", phases[st->phase],
	    "node", st->node, "plan", plan, "secrets", secrets, "key", st->key,
	    "key_ends_utc_ms", (json_int_t)st->key_ends_utc_ms, "tries_left",
	    (int)st->tries_left, "peer", st->peer, "address", st->address,
	    "agent_lines", st->agent_lines, "console_lines",
	    st->console_lines);
}

static int
lines_decode(const json_t *j, const char *key, char **ret, struct av_err *err)
{
	const json_t *v = json_object_get(j, key);

	if (v == NULL)
		return 0;
	if (!json_is_string(v) || json_string_length(v) > LINES_MAX ||
	    json_string_length(v) != strlen(json_string_value(v)))
		return av_err_code(err, -EBADMSG, "bad-request",
		    "'%s' isn't a text of fitting length", key);
	*ret = strdup(json_string_value(v));
	return *ret != NULL ? 0 : av_err_set(err, -ENOMEM, "no memory");
}

static int
numbers_decode(const json_t *j, struct setup_state *st, struct av_err *err)
{
	const char *phase = json_string_value(json_object_get(j, "phase"));
	const json_t *node = json_object_get(j, "node");
	const json_t *tries = json_object_get(j, "tries_left");
	size_t i;

	for (i = 1; phase != NULL && i < ARRAY_SIZE(phases); i++)
		if (strcmp(phases[i], phase) == 0)
			st->phase = (enum setup_phase)i;
	st->node = (int)json_integer_value(node);
	st->tries_left = (unsigned)json_integer_value(tries);
	st->key_ends_utc_ms = json_integer_value(json_object_get(j,
	    "key_ends_utc_ms"));
	if (st->phase == PHASE_NONE || json_integer_value(json_object_get(j,
	    "setup")) != STATE_VERSION || !json_is_integer(node) ||
	    st->node < 0 || st->node > 1 || st->tries_left > KEY_TRIES)
		return av_err_code(err, -EBADMSG, "bad-request",
		    "version, phase or node isn't as it must be");
	return 0;
}

int
state_decode(const json_t *j, struct setup_state *ret, struct av_err *err)
{
	static const char *const known[] = { "setup", "phase", "node", "plan",
	    "secrets", "key", "key_ends_utc_ms", "tries_left", "peer",
	    "address", "agent_lines", "console_lines" };
	struct setup_state st = { .phase = PHASE_NONE };
	int rc = plan_known(j, known, ARRAY_SIZE(known), err);

	if (rc == 0)
		rc = numbers_decode(j, &st, err);
	if (rc == 0)
		rc = plan_decode(json_object_get(j, "plan"), &st.plan, err);
	if (rc == 0)
		rc = secrets_decode(json_object_get(j, "secrets"), &st.secrets,
		    err);
	if (rc == 0)
		rc = plan_text(j, "key", false, st.key, sizeof(st.key), err);
	if (rc == 0)
		rc = plan_text(j, "peer", false, st.peer, sizeof(st.peer), err);
	if (rc == 0)
		rc = plan_text(j, "address", false, st.address,
		    sizeof(st.address), err);
	if (rc == 0)
		rc = lines_decode(j, "agent_lines", &st.agent_lines, err);
	if (rc == 0)
		rc = lines_decode(j, "console_lines", &st.console_lines, err);
	if (rc == 0 && st.phase > PHASE_WAITING && !st.plan.whole)
		rc = av_err_code(err, -EBADMSG, "bad-request",
		    "the plan lacks the other PM");
	if (rc < 0) {
		state_free(&st);
		return rc;
	}
	*ret = st;
	return 0;
}

static int
path_of(char *buf, const char *root, const char *path)
{
	return snprintf(buf, PATH_MAX, "%s%s", root, path) >= PATH_MAX ?
	    -ENAMETOOLONG : 0;
}

int
state_load(const char *root, struct setup_state *ret, struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	AUTO_JSON json_t *j = NULL;
	char path[PATH_MAX];
	size_t n;
	int rc = path_of(path, root, STATE_FILE);

	memset(ret, 0, sizeof(*ret));
	if (rc == 0)
		rc = av_file_read(path, STATE_MAX_BYTES, &text, &n, err);
	if (rc == -ENOENT || rc == -ENOTDIR)
		return 0;
	if (rc < 0)
		return rc;
	j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	explicit_bzero(text, n);
	rc = j == NULL ? av_err_set(err, -EBADMSG, "not JSON") :
	    state_decode(j, ret, err);
	return rc < 0 ? av_err_prefix(err, STATE_FILE) : 0;
}

int
state_save(const char *root, const struct setup_state *st, struct av_err *err)
{
	AUTO_JSON json_t *j = state_encode(st);
	char *text = j == NULL ? NULL : json_dumps(j, JSON_INDENT(1));
	int rc = text == NULL ? av_err_set(err, -ENOMEM, "no memory") :
	    files_folder(root, "/etc/avpair", 0711, err);

	if (rc == 0)
		rc = files_folder(root, STATE_FOLDER, 0700, err);
	if (rc == 0)
		rc = files_write(root, STATE_FILE, text, strlen(text), 0600,
		    err);
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
	return rc;
}

int
state_remove(const char *root, struct av_err *err)
{
	AUTO_FD int fd = -1;
	char path[PATH_MAX], folder[PATH_MAX];
	int rc = path_of(path, root, STATE_FILE);

	if (rc == 0)
		rc = path_of(folder, root, STATE_FOLDER);
	if (rc == 0)
		rc = files_step("unlink " STATE_FILE, err);
	if (rc < 0)
		return rc;
	if (unlink(path) < 0 && errno != ENOENT)
		return av_err_set(err, -errno, "%s: %s", path, strerror(errno));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fsync(fd) < 0)
		return av_err_set(err, -errno, "%s: %s", folder,
		    strerror(errno));
	(void)rmdir(folder);	/* not empty: somebody else's business */
	return 0;
}

int
state_lock(const char *root, int *ret_fd, struct av_err *err)
{
	AUTO_FD int fd = -1;
	char path[PATH_MAX];
	int rc = path_of(path, root, STATE_LOCK);

	if (rc < 0)
		return rc;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return av_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return av_err_code(err, -EBUSY, "busy", "%s",
		    tr("another av-setup is at work on this machine"));
	*ret_fd = TAKE_FD(fd);
	return 0;
}
