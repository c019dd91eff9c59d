/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/create.c - 'unit create' and 'unit leave'
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/setup/files.h"
#include "nodeagent/setup/password.h"
#include "nodeagent/setup/preflight.h"
#include "nodeagent/setup/run.h"
#include "nodeagent/setup/services.h"
#include "nodeagent/setup/text.h"

#define PEM_MAX_BYTES	16384u

/* --- the key --- */

static int
key_new(struct run *r, struct av_err *err)
{
	struct setup_state *st = &r->st;
	int rc = key_make(st->key, err);

	st->key_ends_utc_ms = av_clock_utc_ms() + KEY_LIFE_S * 1000ll;
	st->tries_left = KEY_TRIES;
	st->peer[0] = '\0';
	return rc;
}

static int
show_key(const struct run *r, struct av_err *err)
{
	const struct setup_state *st = &r->st;
	AUTO_JSON json_t *j = NULL;
	char ends[32];

	if (!r->wish->json) {
		run_say(r, tr("On the other PM, as root, within %lld minutes:"),
		    (long long)(st->key_ends_utc_ms - av_clock_utc_ms() +
		    59999) / 60000);
		printf("\n    avcli unit join %s %s\n\n", st->address, st->key);
	} else {
		av_clock_format_utc(st->key_ends_utc_ms, ends, sizeof(ends));
		j = json_pack("{s:s, s:s, s:s, s:s}", "unit", st->plan.name,
		    "address", st->address, "key", st->key, "expires_utc",
		    ends);
		if (j == NULL || json_dumpf(j, stdout, JSON_COMPACT) < 0)
			return av_err_set(err, -EIO, "stdout");
		(void)putchar('\n');
	}
	return fflush(stdout) == 0 ? 0 : av_err_set(err, -errno, "stdout");
}

/* --- secrets --- */

static int
quorum_file(struct run *r, const char *path, enum secret which,
    struct av_err *err)
{
	AUTO_FREE char *text = NULL;
	size_t n;
	int rc;

	if (path == NULL)
		return 0;
	rc = av_file_read(path, PEM_MAX_BYTES, &text, &n, err);
	if (rc < 0)
		return rc;
	if (strncmp(text, "-----BEGIN ", 11) != 0 || strlen(text) != n) {
		explicit_bzero(text, n);
		return av_err_code(err, -EINVAL, "bad-argument",
		    tr("'%s' isn't a PEM file"), path);
	}
	rc = secrets_set(&r->st.secrets, which, text);
	explicit_bzero(text, n);
	return rc < 0 ? av_err_set(err, rc, "no memory") : 0;
}

static int
secrets_new(struct run *r, struct av_err *err)
{
	char *password = NULL, *admin = NULL;
	int rc = password_get(r->wish->password_file, &password, err);

	if (rc == 0)
		rc = secrets_hash(password, &admin, err);
	password_free(password);
	if (rc == 0)
		rc = secrets_make(&r->st.secrets, err);
	if (rc == 0 && secrets_set(&r->st.secrets, SECRET_ADMIN, admin) < 0)
		rc = av_err_set(err, -ENOMEM, "no memory");
	free(admin);
	return rc;
}

/* --- a new one --- */

static int
look(struct run *r, struct av_err *err)
{
	struct setup_facts *f = calloc(1, sizeof(*f));
	int rc = f == NULL ? -ENOMEM : run_facts(r, f, err);

	if (rc == 0)
		rc = wish_plan(r->wish, f, &r->st.plan, err);
	if (rc == 0) {
		preflight_existing(r->wish->root, &r->found);
		if (r->facts == NULL) {
			preflight_machine(f, &r->found);
			preflight_plan(&r->st.plan, 0, f, &r->found);
		}
		preflight_storage(r->wish->root, f, &r->found);
		rc = run_judge(r, err);
	}
	free(f);
	return rc;
}

static int
begin(struct run *r, struct av_err *err)
{
	const struct setup_wish *w = r->wish;
	int rc = look(r, err);

	if (rc < 0)
		return rc;
	run_show_plan(r, 0);
	if (w->dry_run)
		return 0;
	if (!run_confirm(r))
		return av_err_code(err, -EINVAL, "not-confirmed", "%s",
		    tr("nothing was changed"));
	(void)snprintf(r->st.address, sizeof(r->st.address), "%s",
	    r->st.plan.links[0].address[0]);
	rc = quorum_file(r, w->quorum_ca, SECRET_QUORUM_CA, err);
	if (rc == 0)
		rc = quorum_file(r, w->quorum_cert, SECRET_QUORUM_CERT, err);
	if (rc == 0)
		rc = quorum_file(r, w->quorum_key, SECRET_QUORUM_KEY, err);
	if (rc == 0)
		rc = secrets_new(r, err);
	if (rc == 0)
		rc = key_new(r, err);
	r->st.phase = PHASE_WAITING;
	return rc < 0 ? rc : state_save(w->root, &r->st, err);
}

/* --- one that was begun before --- */

static bool
same_first_half(const struct setup_plan *a, const struct setup_plan *b)
{
	size_t i, n = 0;

	for (i = 0; i < b->n_links && n < a->n_links; i++)
		n += strcmp(a->links[n].address[0], b->links[i].address[0]) == 0;
	return n == a->n_links && strcmp(a->name, b->name) == 0 &&
	    a->n_bridges == b->n_bridges &&
	    memcmp(a->bridges, b->bridges, sizeof(a->bridges)) == 0 &&
	    strcmp(a->unit_address, b->unit_address) == 0 &&
	    strcmp(a->mirror, b->mirror) == 0 &&
	    strcmp(a->hypervisor, b->hypervisor) == 0 &&
	    strcmp(a->storage_dir[0], b->storage_dir[0]) == 0 &&
	    strcmp(a->volume_group[0], b->volume_group[0]) == 0 &&
	    strcmp(a->arbiter_url, b->arbiter_url) == 0 &&
	    strcmp(a->time_scale, b->time_scale) == 0;
}

static int
is_the_same(struct run *r, struct av_err *err)
{
	struct setup_facts *f = calloc(1, sizeof(*f));
	struct setup_plan again;
	int rc;

	if (f == NULL)
		return -ENOMEM;
	if (r->facts != NULL)
		*f = *r->facts;
	else
		facts_collect(f);
	rc = wish_facts(r->wish, f, err);
	if (rc == 0)
		rc = wish_plan(r->wish, f, &again, err);
	free(f);
	if (rc < 0)
		return rc;
	if (same_first_half(&r->st.plan, &again))
		return 0;
	(void)snprintf(r->hint, sizeof(r->hint), "%s",
	    tr("the same command as before goes on; 'avcli unit leave' forgets it"));
	return av_err_code(err, -EEXIST, "configured",
	    tr("another creation isn't finished here: of the unit '%s', or with other options"),
	    r->st.plan.name);
}

/* A key that can't be used any more is replaced.  If a machine got secrets with the
 * old one they are made anew: that machine may not be the one that joins. */
static int
key_refresh(struct run *r, struct av_err *err)
{
	struct setup_state *st = &r->st;
	int rc = 0;

	if (st->tries_left > 0 && av_clock_utc_ms() < st->key_ends_utc_ms)
		return 0;
	if (st->phase == PHASE_AGREED) {
		rc = secrets_make(&st->secrets, err);
		st->phase = PHASE_WAITING;
	}
	if (rc == 0)
		rc = key_new(r, err);
	return rc < 0 ? rc : state_save(r->wish->root, st, err);
}

static int
go_on(struct run *r, struct av_err *err)
{
	int rc = r->st.node == 0 ? is_the_same(r, err) :
	    av_err_code(err, -EEXIST, "configured",
	    tr("this machine is joining the unit '%s'"), r->st.plan.name);

	if (rc < 0)
		return rc;
	run_say(r, tr("Going on with the unit '%s'."), r->st.plan.name);
	if (r->wish->dry_run) {
		run_show_plan(r, 0);
		return 0;
	}
	return r->st.phase == PHASE_COMMITTED ? 0 : key_refresh(r, err);
}

int
run_create(struct run *r, struct av_err *err)
{
	AUTO_FD int lock = -1;
	int rc = run_lock(r, &lock, err);

	if (rc == 0)
		rc = state_load(r->wish->root, &r->st, err);
	if (rc < 0)
		return rc;
	rc = r->st.phase == PHASE_NONE ? begin(r, err) : go_on(r, err);
	if (rc < 0 || r->wish->dry_run)
		return rc;
	if (r->st.phase != PHASE_COMMITTED || r->wish->no_wait)
		rc = show_key(r, err);
	if (rc < 0)
		return rc;
	if (r->wish->no_wait) {
		(void)close(TAKE_FD(lock));	/* the service's now */
		return services_start_setup(err);
	}
	return serve_until_formed(r, err);
}

int
run_serve(struct run *r, struct av_err *err)
{
	AUTO_FD int lock = -1;
	int rc = state_lock(r->wish->root, &lock, err);

	if (rc == 0)
		rc = state_load(r->wish->root, &r->st, err);
	if (rc < 0 || r->st.phase == PHASE_NONE)
		return rc;
	if (r->st.node == 0)
		return serve_until_formed(r, err);
	if (r->st.phase != PHASE_COMMITTED)
		return 0;	/* only the person with the key can go on */
	rc = run_install(r, err);
	return rc < 0 ? rc : run_wait_formed(r, err);
}

/* --- leave --- */

/* A unit that has run may hold somebody's data. */
static int
may_leave(struct run *r, struct av_err *err)
{
	struct setup_facts f = { .cpus = 0 };
	struct findings fs = { .n = 0 };

	(void)snprintf(f.storage_dir, sizeof(f.storage_dir), "%s",
	    r->st.plan.storage_dir[r->st.node]);
	(void)snprintf(f.volume_group, sizeof(f.volume_group), "%s",
	    r->st.plan.volume_group[r->st.node]);
	preflight_storage(r->wish->root, &f, &fs);
	return findings_find(&fs, "storage-has-data") == NULL ? 0 :
	    av_err_code(err, -EEXIST, "has-data", "%s",
	    tr("there are volumes already: this unit isn't unfinished any more"));
}

static int
remove_state_of_agent(const char *root, struct av_err *err)
{
	static const char *const names[] = { "/var/lib/avpair/unit.db",
	    "/var/lib/avpair/unit.db-wal", "/var/lib/avpair/unit.db-shm",
	    "/var/lib/avpair/role" };
	char path[4200];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, names[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			return av_err_set(err, -errno, "%s: %s", path,
			    strerror(errno));
	}
	return 0;
}

int
run_leave(struct run *r, struct av_err *err)
{
	AUTO_FD int lock = -1;
	int rc = run_lock(r, &lock, err);

	if (rc == 0)
		rc = state_load(r->wish->root, &r->st, err);
	if (rc < 0)
		return rc;
	if (r->st.phase == PHASE_NONE) {
		(void)snprintf(r->hint, sizeof(r->hint), "%s",
		    tr("a unit that has formed isn't taken apart by this command"));
		return av_err_code(err, -ENOENT, "nothing-unfinished", "%s",
		    tr("no creation or joining is unfinished on this machine"));
	}
	if (r->st.phase == PHASE_COMMITTED) {
		rc = may_leave(r, err);
		if (rc == 0)
			run_say(r, tr("This takes the services and configuration of the unit '%s' off this machine."),
			    r->st.plan.name);
		if (rc == 0 && (r->wish->dry_run || !run_confirm(r)))
			return r->wish->dry_run ? 0 : av_err_code(err, -EINVAL,
			    "not-confirmed", "%s", tr("nothing was changed"));
		if (rc == 0 && r->wish->formed_file == NULL)
			rc = services_stop(err);
		if (rc == 0)
			rc = files_remove(r->wish->root, err);
		if (rc == 0)
			rc = remove_state_of_agent(r->wish->root, err);
	}
	if (rc == 0 && !r->wish->dry_run)
		rc = state_remove(r->wish->root, err);
	if (rc == 0)
		run_say(r, tr("The unfinished unit '%s' is forgotten here."),
		    r->st.plan.name);
	return rc;
}
