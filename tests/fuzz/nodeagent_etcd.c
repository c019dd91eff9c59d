/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/nodeagent_etcd.c - what answers at the quorum server's address
 *
 * Two inputs in one: an answer's body, and the record inside an answer.  Nothing
 * but a sensible record of this very unit may come out.
 */
#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "nodeagent/arbiter_etcd.h"
#include "tests/fuzz/replay.h"
#include "tests/test.h"

#define UNIT	"0123456789abcdef0123456789abcdef"

static void
one_answer(const json_t *answer)
{
	struct arbiter_found found;
	char text[200] = "";
	int rc = arbiter_etcd_parse(answer, UNIT, &found, text, sizeof(text));

	if (rc < 0 && (rc != -EBADMSG || text[0] == '\0' || found.have))
		abort();
	if (rc == 0 && found.have && (found.rec.gen < 1 ||
	    found.rec.gen > ROLE_GEN_MAX || found.rec.owner < -1 ||
	    found.rec.owner > 1))
		abort();
}

static void
one_value(const uint8_t *data, size_t n)
{
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)data, (unsigned)n };
	gnutls_datum_t out = { NULL, 0 };
	AUTO_JSON json_t *answer = NULL;

	if (n == 0 || gnutls_base64_encode2(&in, &out) < 0)
		return;
	answer = json_pack("{s:{},s:[{s:s%,s:s}]}", "header", "kvs", "value",
	    (const char *)out.data, (size_t)out.size, "mod_revision", "7");
	gnutls_free(out.data);
	if (answer != NULL)
		one_answer(answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_JSON json_t *answer = json_loadb((const char *)data, n,
	    JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(answer))
		one_answer(answer);
	one_value(data, n);
	return 0;
}

#ifndef AV_FUZZ
TEST(answers)
{
	CHECK(replay_folder("tests/fuzz/etcd_answers", 2000) >= 6);
	return 0;
}

TEST(the_good_answer_is_taken)
{
	AUTO_JSON json_t *j = json_load_file(
	    "tests/fuzz/etcd_answers/record.json", 0, NULL);
	struct arbiter_found found;
	char text[200] = "";

	CHECK(arbiter_etcd_parse(j, UNIT, &found, text, sizeof(text)) == 0);
	CHECK(found.have && found.rec.gen == 6 && found.rec.owner == 1);
	CHECK_EQ(found.mod_revision, 17);
	return 0;
}

TESTS_MAIN(T(answers), T(the_good_answer_is_taken))
#endif
