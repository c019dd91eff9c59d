/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/test_quorum.c - two quorum servers, never both asked
 */
#include "tests/unit/nodeagent/store_fixture.h"

#include "nodeagent/quorum.h"

#define A1	"https://192.0.2.1:2379"
#define A2	"https://192.0.2.2:2379"
#define PEM	"-----BEGIN X-----\\nsecret\\n-----END X-----\\n"

static const char *
effective(struct fx *fx, bool is_new)
{
	const struct quorum_server *s;
	struct quorum_state q;
	static char text[80];
	const char *kind;

	if (quorum_db_read(fx->st, &q) < 0)
		return "unreadable";
	kind = quorum_db_effective(&q, is_new, &s);
	(void)snprintf(text, sizeof(text), "%s", s != NULL ? s->id_text :
	    kind);
	return text;
}

static int
open_imported(struct fx *fx, const char *name)
{
	if (fx_open(fx, name) < 0)
		return -1;
	return fx_system(fx, "quorum.import", "{'kind':'etcd','address':'" A1
	    "'}");
}

TEST(a_pm_without_its_database_asks_nobody)
{
	struct fx fx;

	CHECK_EQ(fx_open_empty(&fx, "quorum"), 0);
	CHECK_STR(effective(&fx, true), "conf");
	CHECK_STR(effective(&fx, false), "closed");
	CHECK_EQ(fx_system(&fx, "unit.create", FX_UNIT_CREATE), 0);
	CHECK_STR(effective(&fx, false), "conf");
	CHECK_EQ(fx_system(&fx, "quorum.import", "{'kind':'none'}"), 0);
	CHECK_STR(effective(&fx, false), "none");
	CHECK(fx_system(&fx, "quorum.import", "{'kind':'none'}") < 0);
	fx_close(&fx);
	return 0;
}

TEST(add_checks_its_shape)
{
	struct fx fx;

	CHECK_EQ(open_imported(&fx, "quorum"), 0);
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'host:1'}"),
	    "bad-argument");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A1 "'}"),
	    "name-exists");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "','cert':'"
	    PEM "'}"), "bad-argument");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'http://a','cert':'"
	    PEM "','key':'" PEM "'}"), "bad-argument");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "','ca':'x'}"),
	    "bad-argument");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "','kind':"
	    "'oracle'}"), "bad-argument");
	fx.role = "vm-manager";
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "'}"),
	    "forbidden");
	fx.role = "platform-manager";
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "','cert':'"
	    PEM "','key':'" PEM "'}"), "");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'https://x'}"),
	    "quorum-full");
	fx_close(&fx);
	return 0;
}

TEST(keys_are_kept_and_never_shown)
{
	AUTO_JSON json_t *list = NULL, *audit = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *log = NULL;
	AUTO_FREE char *ca = NULL;
	AUTO_FREE char *cert = NULL;
	AUTO_FREE char *key = NULL;
	const json_t *facts[2] = { NULL, NULL };
	struct fx fx;

	CHECK_EQ(open_imported(&fx, "quorum"), 0);
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "','cert':'"
	    PEM "','key':'" PEM "'}"), "");
	list = view_quorum(fx.st, facts, 0);
	audit = view_audit(fx.st, 100, 0);
	text = json_dumps(list, 0);
	log = json_dumps(audit, 0);
	CHECK_EQ(json_array_size(list), 2);
	CHECK(strstr(text, "secret") == NULL);
	CHECK(log != NULL && strstr(log, "secret") == NULL);
	CHECK_EQ(quorum_db_pem(fx.st, 7, &ca, &cert, &key), 0);
	CHECK(strstr(key, "secret") != NULL && ca[0] == '\0');
	fx_close(&fx);
	return 0;
}

TEST(a_change_needs_both_to_have_left_the_old_one)
{
	struct fx fx;

	CHECK_EQ(open_imported(&fx, "quorum"), 0);
	CHECK_STR(effective(&fx, false), "quorum:o6");
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "'}"), "");
	CHECK_STR(effective(&fx, false), "quorum:o6");
	CHECK_EQ(fx_system(&fx, "quorum.switch", "{'server':'quorum:o7',"
	    "'token':'t1','generation':3}"), 0);
	CHECK_STR(effective(&fx, false), "closed");
	/* one under way: no second one, and no removal */
	CHECK(fx_system(&fx, "quorum.switch", "{'server':'quorum:o7',"
	    "'token':'t2','generation':3}") < 0);
	CHECK_STR(fx_code(&fx, "quorum.remove", "{'server':'" A2 "'}"),
	    "wrong-state");
	CHECK_EQ(fx_system(&fx, "quorum.confirm", "{'node':'node0','token':"
	    "'t1'}"), 0);
	CHECK_EQ(fx_system(&fx, "quorum.confirm", "{'node':'node0','token':"
	    "'t1'}"), 0);
	CHECK_STR(effective(&fx, false), "closed");
	/* a confirmation of another change is none */
	CHECK(fx_system(&fx, "quorum.confirm", "{'node':'node1','token':"
	    "'t0'}") < 0);
	CHECK_STR(effective(&fx, false), "closed");
	CHECK_EQ(fx_system(&fx, "quorum.confirm", "{'node':'node1','token':"
	    "'t1'}"), 0);
	CHECK_STR(effective(&fx, false), "quorum:o7");
	/* too late to give up */
	CHECK(fx_system(&fx, "quorum.abort", "{'token':'t1'}") < 0);
	fx_close(&fx);
	return 0;
}

/* The one that stays may have asked the server that would be closed. */
TEST(no_change_while_a_pm_leaves)
{
	static const char sw[] = "{'server':'quorum:o7','token':'t1',"
	    "'generation':3}";
	struct fx fx;

	CHECK_EQ(open_imported(&fx, "quorum"), 0);
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "'}"), "");
	CHECK_STR(fx_code(&fx, "node.workon", "{'node':'node0'}"), "");
	CHECK_EQ(fx_system(&fx, "quorum.switch", sw), -EBUSY);
	CHECK_STR(effective(&fx, false), "quorum:o6");
	fx_context(&fx, "{'online':['node0','node1'],'alone':'node1'}");
	CHECK_EQ(fx_system(&fx, "quorum.switch", sw), 0);	/* it is out */
	fx_close(&fx);
	return 0;
}

/* All commands of a life with changes; 'who' confirms there, -1 = nobody. */
static const struct { const char *op, *args; int who, begins; } life[] = {
	{ "quorum.add", "{'address':'" A2 "'}", -1, 0 },
	{ "quorum.switch", "{'server':'quorum:o7','token':'a','generation':3}",
	    -1, 1 },
	{ "quorum.confirm", "{'node':'node1','token':'a'}", 1, 0 },
	{ "quorum.abort", "{'token':'a'}", -1, 0 },
	{ "quorum.switch", "{'server':'quorum:o7','token':'b','generation':3}",
	    -1, 1 },
	{ "quorum.confirm", "{'node':'node0','token':'b'}", 0, 0 },
	{ "quorum.confirm", "{'node':'node1','token':'b'}", 1, 0 },
	{ "quorum.switch", "{'server':'quorum:o6','token':'c','generation':3}",
	    -1, 1 },
	{ "quorum.confirm", "{'node':'node1','token':'c'}", 1, 0 },
	{ "quorum.confirm", "{'node':'node0','token':'c'}", 0, 0 },
	{ "quorum.remove", "{'server':'quorum:o6'}", -1, 0 },
	{ "quorum.switch", "{'server':'quorum:o7','token':'d','generation':5}",
	    -1, 1 },
	{ "quorum.confirm", "{'node':'node0','token':'d'}", 0, 0 },
	{ "quorum.confirm", "{'node':'node1','token':'d'}", 1, 0 },
	{ "quorum.remove", "{'server':'quorum:o7'}", -1, 0 },
};
#define LIFE	((int)(sizeof(life) / sizeof(life[0])))

/* The last switch among the first n commands that node 'who' must have applied
 * to have confirmed what it did. */
static int
least(int who, int n)
{
	int i, begun = 0, must = 0;

	for (i = 0; i < n; i++) {
		if (life[i].begins)
			begun = i + 1;
		if (life[i].who == who)
			must = begun;
	}
	return must;
}

static bool
is_server(const char *s)
{
	return strncmp(s, "quorum:", 7) == 0;
}

/* Each PM may have stopped after any of the commands, the other one went on; but
 * who confirmed had applied the switch.  Two servers are never asked. */
TEST(wherever_the_pms_stop_they_ask_one_server)
{
	char at[LIFE + 1][40];
	int i, k, n, n_pairs = 0;
	struct fx fx;

	CHECK_EQ(open_imported(&fx, "quorum"), 0);
	for (n = 0; n <= LIFE; n++) {
		(void)snprintf(at[n], sizeof(at[n]), "%s",
		    effective(&fx, false));
		if (n < LIFE)
			CHECK_EQ(strcmp(life[n].op, "quorum.add") == 0 ||
			    strcmp(life[n].op, "quorum.remove") == 0 ?
			    fx_do(&fx, life[n].op, life[n].args) :
			    fx_system(&fx, life[n].op, life[n].args), 0);
	}
	CHECK_STR(at[7], "quorum:o7");
	CHECK_STR(at[10], "quorum:o6");
	CHECK_STR(at[14], "quorum:o7");
	CHECK_STR(at[15], "none");
	for (i = 0; i <= LIFE; i++)
		for (k = 0; k <= LIFE; k++) {
			int far = i > k ? i : k;

			if (i < least(0, far) || k < least(1, far))
				continue;
			n_pairs++;
			CHECK(!is_server(at[i]) || !is_server(at[k]) ||
			    strcmp(at[i], at[k]) == 0);
		}
	CHECK(n_pairs > 60);
	fx_close(&fx);
	return 0;
}

TEST(removing_the_active_one_waits_for_the_other)
{
	struct quorum_state q;
	struct fx fx;

	CHECK_EQ(open_imported(&fx, "quorum"), 0);
	CHECK_STR(fx_code(&fx, "quorum.add", "{'address':'" A2 "'}"), "");
	CHECK_STR(fx_code(&fx, "quorum.remove", "{'server':'" A1 "'}"), "");
	CHECK_EQ(quorum_db_read(fx.st, &q), 0);
	CHECK_EQ(q.n, 2);
	CHECK(q.servers[0].leaving);
	CHECK_STR(effective(&fx, false), "quorum:o6");
	CHECK_EQ(fx_system(&fx, "quorum.switch", "{'server':'quorum:o7',"
	    "'token':'t','generation':3}"), 0);
	CHECK_EQ(fx_system(&fx, "quorum.confirm", "{'node':'node0','token':"
	    "'t'}"), 0);
	CHECK_EQ(fx_system(&fx, "quorum.confirm", "{'node':'node1','token':"
	    "'t'}"), 0);
	CHECK_EQ(quorum_db_read(fx.st, &q), 0);
	CHECK_EQ(q.n, 1);
	CHECK(q.servers[0].id == 7 && q.servers[0].preferred);
	CHECK_STR(fx_code(&fx, "quorum.remove", "{'server':'" A2 "'}"), "");
	CHECK(json_array_size(json_object_get(fx.result, "warnings")) == 1);
	CHECK_STR(effective(&fx, false), "none");
	fx_close(&fx);
	return 0;
}

TEST(plan)
{
	struct quorum_state q = { .exists = true, .imported = true,
		.active = 6, .n = 2, .servers = { { .id = 6, .preferred =
		true }, { .id = 7 } } };
	bool all[2][2] = { { true, true }, { true, true } };
	bool first_half[2][2] = { { true, false }, { true, true } };
	bool second_half[2][2] = { { false, false }, { true, false } };

	CHECK_EQ(quorum_plan(&q, all, 0, 0), 0);
	CHECK_EQ(quorum_plan(&q, first_half, QUORUM_BAD_MS - 1, 0), 0);
	CHECK_EQ(quorum_plan(&q, first_half, QUORUM_BAD_MS, 0), 7);
	/* not to one that only one PM reaches */
	CHECK_EQ(quorum_plan(&q, second_half, QUORUM_BAD_MS, 0), 0);
	q.active = 7;		/* home again, after a while */
	CHECK_EQ(quorum_plan(&q, all, 0, QUORUM_GOOD_MS - 1), 0);
	CHECK_EQ(quorum_plan(&q, all, 0, QUORUM_GOOD_MS), 6);
	q.active = 0;
	CHECK_EQ(quorum_plan(&q, all, 0, 0), 6);
	q.active = 6;
	q.servers[0].leaving = true;
	CHECK_EQ(quorum_plan(&q, all, 0, 0), 7);
	q.next = 7;
	CHECK_EQ(quorum_plan(&q, all, 0, 0), 0);
	q.next = 0;
	q.imported = false;
	CHECK_EQ(quorum_plan(&q, all, 0, 0), 0);
	return 0;
}

TEST(who_may_confirm)
{
	struct role r = { .state = ROLE_TOGETHER,
		.rec = { 5, ROLE_MODE_TOGETHER, false } };

	CHECK(quorum_may_confirm(&r, 5));
	CHECK(!quorum_may_confirm(&r, 4));
	r.asking = true;	/* the old one may grant yet */
	CHECK(!quorum_may_confirm(&r, 5));
	r.asking = false;
	r.maybe = true;
	CHECK(!quorum_may_confirm(&r, 5));
	r.maybe = false;
	r.state = ROLE_FROZEN;
	CHECK(!quorum_may_confirm(&r, 5));
	r.state = ROLE_REJOINING;
	r.rec = (struct role_record){ 5, ROLE_MODE_ALONE, true };
	CHECK(!quorum_may_confirm(&r, 5));
	r.state = ROLE_ALONE;
	CHECK(!quorum_may_confirm(&r, 5));
	r.rec.pending = false;
	CHECK(quorum_may_confirm(&r, 5));
	r.state = ROLE_FOLLOWER;
	r.follow_gen = 5;
	CHECK(!quorum_may_confirm(&r, 5));
	r.rec = (struct role_record){ 4, ROLE_MODE_OUTDATED, false };
	CHECK(quorum_may_confirm(&r, 5));
	r.state = ROLE_WAITING;
	CHECK(!quorum_may_confirm(&r, 5));
	return 0;
}

TESTS_MAIN(T(a_pm_without_its_database_asks_nobody), T(add_checks_its_shape), T(keys_are_kept_and_never_shown), T(a_change_needs_both_to_have_left_the_old_one),
    T(no_change_while_a_pm_leaves), T(wherever_the_pms_stop_they_ask_one_server), T(removing_the_active_one_waits_for_the_other), T(plan), T(who_may_confirm))
