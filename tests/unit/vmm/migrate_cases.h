/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/migrate_cases.h - cases of live migration; 0 or 1
 */
#ifndef AV_MIGRATE_CASES_H
#define AV_MIGRATE_CASES_H

#include "tests/unit/vmm/ends.h"

extern const struct tiny_conf migrate_conf;
extern const struct tiny_conf migrate_few_pages;	/* of case_same_memory() */

/* A runs, long enough to have memory to send; B listens. */
int  migrate_both_ready(struct ends *e, struct vmm_link *l);
int  migrate_go(struct end *n, const struct vmm_link *l,
    const struct vmm_migrate_limits *limits);
bool migrate_gets_on(struct end *n);	/* the guest runs there, truly */

int  case_there_and_back(struct ends *e);
int  case_same_memory(struct ends *e);
int  case_cancelled(struct ends *e);
int  case_target_killed(struct ends *e);
int  case_source_killed(struct ends *e);
int  case_uncommitted(struct ends *e);
int  case_never_a_stream(struct ends *e);
int  case_wrong_key(struct ends *e);
int  case_other_machine(struct ends *e);
int  case_nobody_listens(struct ends *e);
int  case_new_agents(struct ends *e);
int  case_pinned(struct ends *e);
int  case_pause_at_once(struct ends *e);
int  case_pause_late_answer(struct ends *e);
int  case_never_done(struct ends *e);
int  case_hung_switch(struct ends *e);
int  case_hung_switch_pinned(struct ends *e);

#define MIGRATE_CASE(driver, name) \
	TEST(driver##_##name) { struct ends e; int rc; \
		CHECK_EQ(ends_init(&e, #driver, &migrate_conf), 0); \
		rc = case_##name(&e); ends_dispose(&e); return rc; }

#endif
