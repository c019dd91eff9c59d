/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/setup_wire.c - what one PM tells the other while a unit is made, and the
 * state file: frames, then each message; what was taken is written and taken again
 */
#include "base/cleanup.h"
#include "base/frame.h"
#include "nodeagent/setup/fit.h"
#include "nodeagent/setup/key.h"
#include "nodeagent/setup/render.h"
#include "nodeagent/setup/state.h"
#include "nodeagent/setup/wire.h"
#include "tests/fuzz/replay.h"
#include "tests/test.h"
#include "tests/unit/setup/setup_world.h"

static void
offer_used(const struct wire_msg *m)
{
	struct setup_local l = { .uid = 1 };
	AUTO_FREE char *text = render_avnoded(&m->plan, &l, 1);
	AUTO_FREE char *corosync = render_corosync(&m->plan, &l);
	AUTO_JSON json_t *j = plan_encode(&m->plan);
	struct setup_plan again;

	if (text == NULL || corosync == NULL ||
	    plan_decode(j, &again, NULL) < 0 ||
	    memcmp(&again, &m->plan, sizeof(again)) != 0)
		abort();
}

static void
hello_used(const struct wire_msg *m)
{
	static struct setup_facts own;
	static struct findings fs;
	struct setup_plan p, again;
	AUTO_JSON json_t *j = NULL;

	world_facts(&own, 0, "10.78.0.");
	world_plan(&p);
	fs.n = 0;
	if (!fit_complete(&p, &own, &m->facts, &fs))
		return;
	/* a group's name isn't looked at before the plan is read again */
	j = plan_encode(&p);
	if (plan_decode(j, &again, NULL) == 0 && !again.whole)
		abort();
}

static void
message(const json_t *j)
{
	static struct wire_msg m;
	struct setup_state st;
	struct av_err err = { 0 };

	if (wire_decode(j, &m, &err) == 0) {
		if (m.kind == WIRE_OFFER)
			offer_used(&m);
		else if (m.kind == WIRE_HELLO)
			hello_used(&m);
		wire_msg_free(&m);
	} else if (err.rc == 0) {
		abort();
	}
	if (state_decode(j, &st, NULL) == 0)
		state_free(&st);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct av_frame_reader fr = { .max_bytes = WIRE_MAX_BYTES };
	char text[64], key[KEY_TEXT_BYTES];
	json_t *j = NULL;
	size_t len = n < sizeof(text) - 1 ? n : sizeof(text) - 1;

	if (av_frame_feed(&fr, data, n) == 0)
		while (av_frame_next(&fr, &j) == 0) {
			message(j);
			json_decref(j);
		}
	av_frame_reader_dispose(&fr);
	/* without the length, so that mutations of the text get deep */
	j = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
	if (j != NULL)
		message(j);
	json_decref(j);
	memcpy(text, data, len);
	text[len] = '\0';
	(void)key_parse(text, key, NULL);
	return 0;
}

#ifndef AV_FUZZ
static void
seed(json_t *j, unsigned times)
{
	char *text = json_dumps(j, JSON_COMPACT);
	uint8_t *frame = NULL;
	size_t n;

	if (text == NULL || av_frame_encode(j, &frame, &n) < 0)
		abort();
	replay((const uint8_t *)text, strlen(text), times);
	replay(frame, n, times / 4);
	free(frame);
	free(text);
	json_decref(j);
}

TEST(messages_and_mutants)
{
	static struct setup_facts own, other;
	static struct findings fs;
	struct setup_state st = { .phase = PHASE_AGREED, .tries_left = 5 };

	world_facts(&own, 0, "10.78.0.");
	world_facts(&other, 1, "10.78.0.");
	world_plan(&st.plan);
	CHECK(fit_complete(&st.plan, &own, &other, &fs));
	CHECK(secrets_make(&st.secrets, NULL) == 0);
	CHECK(secrets_set(&st.secrets, SECRET_ADMIN, "admin:$y$j9T$x") == 0);
	CHECK(key_make(st.key, NULL) == 0);
	(void)findings_add(&fs, FINDING_WARN, "x", "y");
	seed(wire_hello(&other, true), 6000);
	seed(wire_offer(&st.plan, &st.secrets, &fs), 6000);
	seed(wire_refused("key-used", "no", "try again", &fs), 2000);
	seed(wire_word(WIRE_STORED), 500);
	seed(state_encode(&st), 4000);
	state_free(&st);
	return 0;
}

TESTS_MAIN(T(messages_and_mutants))
#endif
