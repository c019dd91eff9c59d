/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * People, alerts, the audit log; the unit itself; what is stamped; garbage.
 */
#include "nodeagent/store_sql.h"
#include "tests/unit/nodeagent/store_fixture.h"

static json_t *
newest_audit(struct fx *fx)
{
	json_t *list = view_audit(fx->st, 1, 0);
	json_t *line = json_incref(json_array_get(list, 0));

	json_decref(list);
	return line;
}

/* --- people --- */

TEST(passwords)
{
	json_t *user, *line, *params = NULL;
	const json_t *facts[2] = { NULL, NULL };
	json_t *actor = fx_json("{'user':'x','role':'console'}");
	json_t *args = fx_json("{'name':'admin'}");
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_STR(fx_code(&fx, "user.set-password",
	    "{'user':'admin','hash':'secret'}"), "bad-argument");
	CHECK_STR(fx_code(&fx, "user.set-password",
	    "{'user':'eve','hash':'$y$n'}"), "not-found");
	CHECK_STR(fx_code(&fx, "user.set-password",
	    "{'user':'admin','hash':'$y$new'}"), "");
	line = newest_audit(&fx);
	CHECK_STR(fx_text(line, "object"), "user:admin");
	CHECK(strstr(fx_text(line, "detail"), "new") == NULL);
	json_decref(line);
	CHECK_EQ(view_read(fx.st, facts, 0, "user.get", args, actor, &user,
	    &fx.err), 0);
	CHECK_STR(fx_text(user, "hash"), "$y$new");
	CHECK_STR(fx_text(user, "role"), "administrator");
	json_decref(user);
	(void)json_object_set_new(actor, "role", json_string("administrator"));
	CHECK(view_read(fx.st, facts, 0, "user.get", args, actor, &params,
	    &fx.err) < 0);
	CHECK_STR(fx.err.code, "forbidden");
	json_decref(params);
	json_decref(actor);
	json_decref(args);
	fx_close(&fx);
	return 0;
}

TEST(alerts_open_once_and_close)
{
	json_t *list, *a;
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	for (i = 0; i < 3; i++)
		CHECK_EQ(fx_system(&fx, "alert.raise", "{'code':'link-down',"
		    "'object':'unit:o1','severity':'serious','text':'t',"
		    "'cause':'c','repair':['r'],'params':{'link':'link0'}}"),
		    0);
	list = view_alerts(fx.st);
	CHECK_EQ(json_array_size(list), 1);
	a = json_array_get(list, 0);
	CHECK_EQ(json_integer_value(json_object_get(a, "count")), 3);
	CHECK(json_is_true(json_object_get(a, "open")));
	CHECK(json_is_null(json_object_get(a, "cleared_utc")));
	CHECK_STR(fx_text(json_object_get(a, "params"), "link"), "link0");
	json_decref(list);
	for (i = 0; i < 2; i++)
		CHECK_EQ(fx_system(&fx, "alert.clear",
		    "{'code':'link-down','object':'unit:o1'}"), 0);
	list = view_alerts(fx.st);
	a = json_array_get(list, 0);
	CHECK(json_is_false(json_object_get(a, "open")));
	CHECK(json_is_string(json_object_get(a, "cleared_utc")));
	json_decref(list);
	CHECK_STR((fx_system(&fx, "alert.raise", "{'code':'x','object':'y',"
	    "'severity':'loud','text':'t','cause':'c','repair':[]}"),
	    fx.err.code), "bad-argument");
	fx_close(&fx);
	return 0;
}

TEST(audit_is_newest_first_and_paged)
{
	json_t *list;
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	fx.role = "console";
	fx.user = "eve";
	for (i = 0; i < 5; i++)
		CHECK_STR(fx_code(&fx, "audit.add", "{'action':'login',"
		    "'object':'user:eve','result':'refused'}"), "");
	list = view_audit(fx.st, 3, 0);
	CHECK_EQ(json_array_size(list), 3);
	CHECK_STR(fx_text(json_array_get(list, 0), "id"), "audit:6");
	CHECK_STR(fx_text(json_array_get(list, 0), "action"), "login");
	CHECK_STR(fx_text(json_array_get(list, 0), "user"), "eve");
	json_decref(list);
	list = view_audit(fx.st, 100, 4);
	CHECK_EQ(json_array_size(list), 3);
	CHECK_STR(fx_text(json_array_get(list, 2), "action"), "unit.create");
	json_decref(list);
	fx_close(&fx);
	return 0;
}

TEST(a_unit_is_made_once)
{
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK(fx_system(&fx, "unit.create", FX_UNIT_CREATE) < 0);
	CHECK_STR(fx.err.code, "name-exists");
	CHECK_STR(fx_code(&fx, "no.such-op", "{}"), "bad-request");
	fx_close(&fx);
	return 0;
}

/* --- what the submitting agent adds --- */

static json_t *
stamped(struct fx *fx, const char *op, const char *args, const char *f0,
    const char *f1)
{
	json_t *facts0 = fx_json(f0), *facts1 = fx_json(f1);
	const json_t *facts[2] = { facts0, facts1 };
	json_t *cmd = command_new_system(op, fx_json(args), 0), *context;

	if (json_is_null(facts1))
		facts[1] = NULL;
	if (command_stamp(cmd, fx->st, facts, 0, 5, "id-1") < 0)
		return NULL;
	context = json_incref(json_object_get(cmd, "context"));
	if (json_integer_value(json_object_get(cmd, "at_utc_ms")) != 5 ||
	    strcmp(fx_text(cmd, "cmd_id"), "id-1") != 0)
		json_object_clear(context);
	json_decref(cmd);
	json_decref(facts0);
	json_decref(facts1);
	return context;
}

static int
same_json(json_t *got, const char *want)
{
	json_t *w = fx_json(want);
	int same = json_equal(got, w);

	if (!same)
		json_dumpf(got, stderr, 0);
	json_decref(got);
	json_decref(w);
	return same;
}

TEST(facts_that_a_decision_needs_are_stamped)
{
	static const char *const create = "{'volumes':[{'image':'a'},{},"
	    "{'image':'nowhere'}]}";
	char vm[32];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK(same_json(stamped(&fx, "vm.create", create,
	    "{'role':{'state':'together'},'images':[{'name':'a',"
	    "'size_bytes':5},{'name':'b','size_bytes':6}]}",
	    "{'role':{'state':'together'},'images':[{'name':'a',"
	    "'size_bytes':9}]}"), "{'online':['node0','node1'],'alone':null,"
	    "'images':{'a':9},'activity':null,'volume':null}"));
	CHECK(same_json(stamped(&fx, "vm.create", create,
	    "{'role':{'state':'alone'}}", "null"), "{'online':['node0'],"
	    "'alone':'node0','images':{},'activity':null,"
	    "'volume':null}"));
	CHECK(same_json(stamped(&fx, "vm.create", create,
	    "{'role':{'state':'rejoining'}}", "{'role':{'state':'follower'}}"),
	    "{'online':['node0'],'alone':'node0','images':{},"
	    "'activity':null,'volume':null}"));
	CHECK(same_json(stamped(&fx, "vm.start", "{}", "{}", "null"),
	    "{'online':[],'alone':null,'images':{},'activity':null,"
	    "'volume':null}"));
	CHECK_EQ(fx_vm(&fx, "web", 300, vm), 0);
	CHECK(same_json(stamped(&fx, "vm.start", "{'vm':'web'}", "{}", "null"),
	    "{'online':[],'alone':null,'images':{},'activity':'stopped','volume':null}"));
	fx_close(&fx);
	return 0;
}

TEST(a_unit_without_an_administrator_yet)
{
	struct fx fx;

	CHECK_EQ(fx_open_empty(&fx, "command"), 0);
	CHECK_EQ(fx_system(&fx, "unit.create", "{'uuid':'" UNIT_UUID "',"
	    "'name':'u','networks':[{'name':'net0','bridge':'net0'}]}"), 0);
	CHECK_STR(fx_code(&fx, "user.set-password",
	    "{'user':'admin','hash':'$y$new'}"), "");
	CHECK(fx_system(&fx, "unit.create", FX_UNIT_CREATE) < 0);
	fx_close(&fx);
	CHECK_EQ(fx_open_empty(&fx, "command"), 0);
	CHECK(fx_system(&fx, "unit.create", "{'uuid':'" UNIT_UUID "',"
	    "'name':'u','admin':{'name':'a','hash':'secret'}}") < 0);
	CHECK(fx_system(&fx, "unit.create", "{'uuid':'x','name':'u'}") < 0);
	CHECK_STR(fx.err.code, "bad-argument");
	fx_close(&fx);
	return 0;
}

TEST(every_operation_refuses_garbage)
{
	static const char *const garbage[] = { "null", "7", "[]", "{}",
		"{'\\u3042':{}}", "{'vm':null}", "{'vm':{},'name':[]}",
		"{'volume':'\xe3\x81\x82','node':'node0','event':''}",
		"{'code':'','object':'','severity':'','text':'','cause':'',"
		"'repair':[]}", "{'action':'','result':''}" };
	const char *const *op;
	struct fx fx;
	size_t i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	for (op = command_ops(); *op != NULL; op++)
		for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
			int rc = fx_system(&fx, *op, garbage[i]);

			CHECK(rc == 0 || fx.err.outcome == AV_NOT_DONE);
			CHECK(rc == 0 || fx.err.code[0] != '\0');
			CHECK(rc < 0 || strcmp(*op, "alert.clear") == 0);
		}
	fx_close(&fx);
	return 0;
}

TEST(the_audit_log_is_bounded)
{
	int64_t n;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(sql_script(fx.st->db, "UPDATE meta SET value = 250000 WHERE"
	    " key = 'next_audit'; INSERT INTO audit SELECT 249000 - id, 1, '',"
	    " '', '', '', '', '', 'ok', '' FROM audit", NULL), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "x"), "not-found");
	CHECK_EQ(sql_get_int(fx.st, &n, NULL,
	    "SELECT min(id) FROM audit", ""), 0);
	CHECK_EQ(n, 248999);
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(passwords), T(alerts_open_once_and_close),
    T(audit_is_newest_first_and_paged), T(a_unit_is_made_once),
    T(facts_that_a_decision_needs_are_stamped),
    T(a_unit_without_an_administrator_yet), T(every_operation_refuses_garbage),
    T(the_audit_log_is_bounded))
