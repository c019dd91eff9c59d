/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations on the database: rules, refusals, a VM's life.
 */
#include "nodeagent/store_sql.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define VOLUME "'volumes':[{'size_bytes':16777216}]"

static int
vm_row(struct fx *fx, const char *id, struct store_vm *vm)
{
	return store_get_vm(fx->st, id, vm);
}

static json_t *
newest_audit(struct fx *fx)
{
	json_t *list = view_audit(fx->st, 1, 0);
	json_t *line = json_incref(json_array_get(list, 0));

	json_decref(list);
	return line;
}

TEST(arguments_are_strict)
{
	static const struct { const char *op, *args, *code, *names; } cases[] = {
		{ "vm.start", "{}", "bad-argument", "vm" },
		{ "vm.start", "{'vm':'a','x':1}", "bad-argument", "x" },
		{ "vm.start", "{'vm':1}", "bad-argument", "vm" },
		{ "vm.start", "{'vm':''}", "bad-argument", "vm" },
		{ "vm.start", "{'vm':'a','dry_run':'yes'}", "bad-argument",
			"dry_run" },
		{ "vm.start", "[]", "bad-argument", "args" },
		{ "vm.create", "{'name':'a','vcpus':'1','memory_bytes':1,"
			VOLUME "}", "bad-argument", "vcpus" },
		{ "vm.create", "{'name':'a','vcpus':-1,'memory_bytes':1,"
			VOLUME "}", "bad-argument", "vcpus" },
		{ "vm.create", "{'name':'a','vcpus':1.5,'memory_bytes':1,"
			VOLUME "}", "bad-argument", "vcpus" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':1}",
			"bad-argument", "volumes" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':314572800,"
			"'volumes':[]}", "bad-argument", "volumes" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':1,"
			"'volumes':[{'size':1}]}", "bad-argument", "size" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':1,"
			"'volumes':['x']}", "bad-argument", "volumes" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':1," VOLUME
			",'preferred':'node2'}", "bad-argument", "preferred" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':1," VOLUME
			",'networks':[1]}", "bad-argument", "networks" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':1," VOLUME
			",'networks':'net0'}", "bad-argument", "networks" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':314572800,"
			VOLUME ",'os':'beos'}", "bad-argument", "os" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':314572801,"
			VOLUME "}", "bad-argument", "memory_bytes" },
		{ "vm.create", "{'name':'a','vcpus':1,'memory_bytes':314572800,"
			VOLUME ",'description':'a\\u0007'}", "bad-argument",
			"description" },
	};
	int64_t n;
	struct fx fx;
	size_t i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_STR(fx_code(&fx, cases[i].op, cases[i].args),
		    cases[i].code);
		CHECK_STR(fx_text(fx.result, "argument"), cases[i].names);
		CHECK(strstr(fx.err.text, cases[i].names) != NULL);
		CHECK_EQ(fx.err.outcome, AV_NOT_DONE);
	}
	/* each was tried, so each is in the log; nothing else has changed */
	CHECK_EQ(sql_get_int(fx.st, &n, NULL, "SELECT count(*) FROM audit"
	    " WHERE result = 'refused'", ""), 0);
	CHECK_EQ(n, sizeof(cases) / sizeof(cases[0]));
	CHECK_EQ(sql_get_int(fx.st, &n, NULL, "SELECT (SELECT count(*) FROM vm)"
	    " + (SELECT count(*) FROM volume)", ""), 0);
	CHECK_EQ(n, 0);
	fx_close(&fx);
	return 0;
}

TEST(a_refusal_changes_nothing_but_the_log)
{
	struct store_position a, b;
	json_t *vms, *line;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	store_position(fx.st, &a);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':9,"
	    "'memory_bytes':314572800," VOLUME "}"), "vcpus-out-of-range");
	store_position(fx.st, &b);
	CHECK_EQ(b.seq, a.seq + 1);
	CHECK(memcmp(a.hash, b.hash, 32) != 0);
	vms = view_vms(fx.st, (const json_t *[2]){ NULL, NULL }, 0);
	CHECK_EQ(json_array_size(vms), 0);
	json_decref(vms);
	line = newest_audit(&fx);
	CHECK_STR(fx_text(line, "user"), "admin");
	CHECK_STR(fx_text(line, "role"), "administrator");
	CHECK_STR(fx_text(line, "origin"), "10.77.0.1");
	CHECK_STR(fx_text(line, "via"), "https");
	CHECK_STR(fx_text(line, "action"), "vm.create");
	CHECK_STR(fx_text(line, "object"), "web");
	CHECK_STR(fx_text(line, "result"), "refused");
	CHECK_STR(fx_text(line, "detail"),
	    "a VM has 1 to 8 vCPUs, not 9: choose a number between");
	json_decref(line);
	fx_close(&fx);
	return 0;
}

TEST(provisioning_rules)
{
	static const struct { const char *args, *code, *says; } cases[] = {
		{ "'vcpus':0,'memory_bytes':314572800," VOLUME,
		    "vcpus-out-of-range", "not 0" },
		{ "'vcpus':9,'memory_bytes':314572800," VOLUME,
		    "vcpus-out-of-range", "1 to 8 vCPUs" },
		{ "'vcpus':1,'memory_bytes':267386880," VOLUME,
		    "memory-too-small", "at least 256 MiB" },
		{ "'vcpus':1,'memory_bytes':314572800,'bits64':true," VOLUME,
		    "memory-too-small", "at least 600 MiB" },
		/* usable: 8 GiB - 1 GiB */
		{ "'vcpus':1,'memory_bytes':7517241344," VOLUME, "no-memory",
		    "can use 7 GiB" },
		{ "'vcpus':1,'memory_bytes':314572800,"
		    "'volumes':[{'size_bytes':0}]", "size-invalid", "1 MiB" },
		{ "'vcpus':1,'memory_bytes':314572800,"
		    "'volumes':[{'size_bytes':1000}]", "size-invalid", "1 MiB" },
		{ "'vcpus':1,'memory_bytes':314572800,"
		    "'volumes':[{'size_bytes':17592186044417}]",
		    "size-invalid", "16 TiB" },
		/* the smaller PM has 10 GB */
		{ "'vcpus':1,'memory_bytes':314572800,"
		    "'volumes':[{'size_bytes':10000000001}]", "no-space",
		    "make them smaller" },
		{ "'vcpus':1,'memory_bytes':314572800,"
		    "'volumes':[{'size_bytes':9000000,'image':'no.img'}]",
		    "image-not-found", "no.img" },
		{ "'vcpus':1,'memory_bytes':314572800,"
		    "'volumes':[{'size_bytes':9000000,'image':'small.img'}]",
		    "image-too-big", "bigger" },
		{ "'vcpus':1,'memory_bytes':314572800,'volumes':"
		    "[{'size_bytes':9000000,'storage_group':'gold'}]",
		    "not-found", "storage group 'gold'" },
		{ "'vcpus':1,'memory_bytes':314572800,'networks':['net9'],"
		    VOLUME, "not-found", "network 'net9'" },
		{ "'vcpus':1,'memory_bytes':314572800,'networks':"
		    "[{'network':'net0','mac':'01:00:00:00:00:01'}]," VOLUME,
		    "bad-argument", "mac" },
		{ "'vcpus':1,'memory_bytes':314572800,'networks':"
		    "[{'network':'net0','mac':'52:54:00:00:00:zz'}]," VOLUME,
		    "bad-argument", "mac" },
	};
	char text[700];
	struct fx fx;
	size_t i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "{'name':'web',%s}",
		    cases[i].args);
		CHECK_STR(fx_code(&fx, "vm.create", text), cases[i].code);
		if (strstr(fx.err.text, cases[i].says) == NULL)
			fprintf(stderr, "'%s' lacks '%s'\n", fx.err.text,
			    cases[i].says);
		CHECK(strstr(fx.err.text, cases[i].says) != NULL);
	}
	/* exactly at the borders */
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'min','vcpus':8,"
	    "'memory_bytes':268435456," VOLUME "}"), "");
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'max','vcpus':1,"
	    "'memory_bytes':7516192768,'volumes':[{'size_bytes':1048577}]}"),
	    "");
	fx_close(&fx);
	return 0;
}

TEST(volumes_of_the_unit_are_counted)
{
	char text[1200], one[64];
	struct fx fx;
	int i, n;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	for (n = 0; n < 4; n++) {
		(void)snprintf(text, sizeof(text), "{'name':'m%d','vcpus':1,"
		    "'memory_bytes':314572800,'volumes':[", n);
		for (i = 0; i < 15; i++) {
			(void)snprintf(one, sizeof(one),
			    "%s{'size_bytes':1048576}", i > 0 ? "," : "");
			strncat(text, one, sizeof(text) - strlen(text) - 1);
		}
		strncat(text, "]}", sizeof(text) - strlen(text) - 1);
		CHECK_STR(fx_code(&fx, "vm.create", text), "");
	}
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'x','vcpus':1,"
	    "'memory_bytes':314572800,'volumes':[{'size_bytes':1048576},"
	    "{'size_bytes':1048576},{'size_bytes':1048576}]}"),
	    "too-many-volumes");
	CHECK(strstr(fx.err.text, "at most 62 volumes") != NULL);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'x','vcpus':1,"
	    "'memory_bytes':314572800,'volumes':[{'size_bytes':1048576},"
	    "{'size_bytes':1048576}]}"), "");
	fx_close(&fx);
	return 0;
}

TEST(warnings_above_recommended)
{
	json_t *list;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_system(&fx, "node.report", "{'node':'node1',"
	    "'cpus':{'threads':4,'cores':4,'sockets':1}}"), 0);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':3,"
	    "'memory_bytes':314572800," VOLUME "}"), "");
	list = json_object_get(fx.result, "warnings");
	CHECK_EQ(json_array_size(list), 1);
	CHECK_STR(fx_text(json_array_get(list, 0), "code"),
	    "vcpus-above-recommended");
	CHECK(strstr(fx_text(json_array_get(list, 0), "text"),
	    "the 2 recommended") != NULL);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'x','vcpus':1,"
	    "'memory_bytes':314572800,'volumes':[{'size_bytes':9000000000}]}"),
	    "");
	list = json_object_get(fx.result, "warnings");
	CHECK_STR(fx_text(json_array_get(list, 0), "code"),
	    "storage-nearly-full");
	fx_close(&fx);
	return 0;
}

TEST(names)
{
	char vm[32], other[32];
	struct store_vm row;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "\xe3\x82\xab\xe3\x82\x99", 300, vm), 0);
	CHECK_EQ(vm_row(&fx, vm, &row), 0);
	CHECK_STR(row.name, "\xe3\x82\xac");	/* composed */
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'\xe3\x82\xac','vcpus':1,"
	    "'memory_bytes':314572800," VOLUME "}"), "name-exists");
	CHECK_STR(fx_text(fx.result, "id"), vm);
	/* found by either form, and by id */
	CHECK_STR(fx_vm_do(&fx, "vm.start", "\xe3\x82\xab\xe3\x82\x99"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", vm), "wrong-state");
	CHECK_EQ(fx_vm(&fx, "web", 300, other), 0);
	CHECK_STR(fx_code(&fx, "vm.rename", "{'vm':'web','name':'\xe3\x82\xac'}"),
	    "name-exists");
	CHECK_STR(fx_code(&fx, "vm.rename", "{'vm':'web','name':' web'}"),
	    "name-invalid");
	CHECK_STR(fx_code(&fx, "vm.rename", "{'vm':'web','name':'a\\u0001'}"),
	    "name-invalid");
	CHECK_STR(fx_code(&fx, "vm.rename", "{'vm':'web','name':'vm:o3'}"),
	    "name-invalid");
	CHECK_STR(fx_code(&fx, "vm.rename", "{'vm':'web','name':'web'}"), "");
	CHECK_STR(fx_code(&fx, "vm.rename", "{'vm':'web','name':'www'}"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "not-found");
	CHECK_STR(fx.err.text, "there is no VM 'web'");
	CHECK_STR(fx_text(fx.result, "kind"), "VM");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "vm:o999"), "not-found");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "vm:o99999999999999999999"),
	    "not-found");
	fx_close(&fx);
	return 0;
}

TEST(a_megabyte_of_name)
{
	char *name = malloc(1 << 20);
	struct fx fx;
	json_t *cmd;

	memset(name, 'x', 1 << 20);
	name[(1 << 20) - 1] = '\0';
	CHECK_EQ(fx_open(&fx, "command"), 0);
	json_decref(fx.result);
	cmd = fx_command(&fx, "vm.start", json_pack("{s:s}", "vm", name));
	CHECK(store_apply(fx.st, cmd, &fx.result, &fx.err) < 0);
	CHECK_STR(fx.err.code, "bad-argument");
	json_decref(cmd);
	json_decref(fx.result);
	cmd = fx_command(&fx, "vm.start", json_pack("{s:i}", name, 1));
	CHECK(store_apply(fx.st, cmd, &fx.result, &fx.err) < 0);
	CHECK_STR(fx.err.code, "bad-argument");
	json_decref(cmd);
	free(name);
	fx_close(&fx);
	return 0;
}

TEST(roles)
{
	static const struct { const char *role, *op, *args, *code; } cases[] = {
		{ "read-only", "vm.start", "{'vm':'web'}", "forbidden" },
		{ "vm-manager", "vm.start", "{'vm':'web'}", "not-found" },
		{ "platform-manager", "vm.start", "{'vm':'web'}", "not-found" },
		{ "administrator", "vm.start", "{'vm':'web'}", "not-found" },
		{ "console", "vm.start", "{'vm':'web'}", "forbidden" },
		{ "console", "audit.add", "{'action':'login','object':'bob',"
		    "'result':'refused','detail':'wrong password'}", "" },
		{ "administrator", "audit.add", "{'action':'a','result':'ok'}",
		    "forbidden" },
		{ "administrator", "vm.takeover",
		    "{'from':'node0','to':'node1'}", "forbidden" },
		{ "administrator", "unit.create", FX_UNIT_CREATE, "forbidden" },
		{ "read-only", "user.set-password",
		    "{'user':'admin','hash':'$y$n'}", "" },	/* own */
		{ "king", "vm.start", "{'vm':'web'}", "forbidden" },
	};
	json_t *line;
	struct fx fx;
	size_t i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fx.role = cases[i].role;
		CHECK_STR(fx_code(&fx, cases[i].op, cases[i].args),
		    cases[i].code);
	}
	fx.user = "bob";
	fx.role = "vm-manager";
	CHECK_STR(fx_code(&fx, "user.set-password",
	    "{'user':'admin','hash':'$y$n'}"), "forbidden");
	line = newest_audit(&fx);
	CHECK_STR(fx_text(line, "user"), "bob");
	CHECK_STR(fx_text(line, "result"), "refused");
	json_decref(line);
	fx_close(&fx);
	return 0;
}

TEST(running_vms_never_over_commit)
{
	char a[32], b[32], c[32];
	json_t *holders;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);	/* 7 GiB usable */
	CHECK_EQ(fx_vm(&fx, "a", 4096, a), 0);
	CHECK_EQ(fx_vm(&fx, "b", 2048, b), 0);
	CHECK_EQ(fx_vm(&fx, "c", 1536, c), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "a"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "b"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "c"), "no-memory");
	CHECK_STR(fx.err.text, "512 MiB of memory are missing: the VM needs "
	    "1.50 GiB of 7 GiB usable, held by 'a' 4 GiB, 'b' 2 GiB: stop one "
	    "of these or make one smaller");
	holders = json_object_get(fx.result, "holders");
	CHECK_EQ(json_array_size(holders), 2);
	CHECK_EQ(json_integer_value(json_object_get(fx.result,
	    "missing_bytes")), 512 * MIB);
	/* a VM that was told to stop holds its memory until it has */
	CHECK_STR(fx_vm_do(&fx, "vm.poweroff", "b"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "c"), "no-memory");
	CHECK_EQ(fx_vm_report(&fx, b, 1, "stopped-by-guest"), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "c"), "");
	fx_close(&fx);
	return 0;
}

TEST(vcpus_of_all_that_runs)
{
	char vm[32], text[200];
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_system(&fx, "node.report", "{'node':'node1',"
	    "'cpus':{'threads':2,'cores':2,'sockets':1}}"), 0);	/* limit 4 */
	for (i = 0; i < 5; i++) {
		(void)snprintf(text, sizeof(text), "m%d", i);
		CHECK_EQ(fx_vm(&fx, text, 256, vm), 0);
		CHECK_STR(fx_vm_do(&fx, "vm.start", vm),
		    i < 4 ? "" : "vcpus-out-of-range");
	}
	fx_close(&fx);
	return 0;
}

TEST(start_picks_the_pm)
{
	char a[32], b[32];
	struct store_vm vm;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "a", 300, a), 0);
	CHECK_EQ(fx_vm(&fx, "b", 300, b), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "a"), "");
	CHECK_STR(fx_text(fx.result, "node"), "node0");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "b"), "");	/* least loaded */
	CHECK_STR(fx_text(fx.result, "node"), "node1");
	CHECK_EQ(vm_row(&fx, b, &vm), 0);
	CHECK_EQ(vm.run_id, 1);
	CHECK_EQ(vm.node, 1);
	CHECK_EQ(vm.want, STORE_WANT_RUNNING);
	CHECK_STR(fx_vm_do(&fx, "vm.poweroff", "b"), "");
	CHECK_EQ(fx_vm_report(&fx, b, 1, "stopped-by-guest"), 0);
	fx_context(&fx, "{'online':['node0'],'alone':'node0'}");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "b"), "");
	CHECK_STR(fx_text(fx.result, "node"), "node0");
	CHECK_STR(fx_vm_do(&fx, "vm.poweroff", "b"), "");
	CHECK_EQ(fx_vm_report(&fx, b, 2, "stopped-by-guest"), 0);
	fx_context(&fx, "{'online':[],'alone':null}");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "b"), "unavailable");
	fx_context(&fx, FX_BOTH);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'p','vcpus':1,"
	    "'memory_bytes':314572800,'preferred':'node0'," VOLUME "}"), "");
	CHECK_STR(fx_text(fx.result, "node"), "node0");
	fx_close(&fx);
	return 0;
}

/* --- a VM's life --- */

static int64_t
started_ms(struct fx *fx)
{
	int64_t ms = -1;

	return sql_get_int(fx->st, &ms, NULL, "SELECT started_ms FROM vm"
	    " WHERE name = 'web'", "") < 0 ? -1 : ms;
}

TEST(install_then_run_then_remove)
{
	int64_t since;
	struct store_vm vm;
	struct store_volume vol;
	char id[32], data[32], text[64];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800,'start':true,'networks':['net0'],"
	    "'volumes':[{'size_bytes':200000000,'image':'small.img'},"
	    "{'size_bytes':1048577,'name':'data'}]}"), "");
	(void)snprintf(id, sizeof(id), "%s", fx_text(fx.result, "id"));
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.phase, STORE_CREATING);
	CHECK_EQ(vm.n_disks, 2);
	CHECK(vm.disks[0].boot && !vm.disks[1].boot);
	CHECK_EQ(vm.n_nics, 1);
	CHECK_STR(vm.nics[0].bridge, "br-net0");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "wrong-state");
	CHECK(strstr(fx.err.text, "installing") != NULL);
	CHECK_STR(fx_vm_do(&fx, "vm.delete", "web"), "wrong-state");
	CHECK_EQ(store_get_volume(fx.st, vm.disks[1].volume_id, &vol), 0);
	CHECK_STR(vol.name, "data");
	(void)snprintf(data, sizeof(data), "%s", vol.id);
	CHECK_EQ(vol.size_bytes, 2 * MIB);
	CHECK_EQ(vol.phase, STORE_CREATING);
	CHECK(vol.initial_identity != 0 && vol.installed);
	CHECK_EQ(store_get_volume(fx.st, vm.disks[0].volume_id, &vol), 0);
	CHECK_STR(vol.name, "web-boot");
	CHECK_STR(vol.image, "small.img");
	CHECK(!vol.installed);
	CHECK_EQ(fx_vm_report(&fx, id, 0, "installed"), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.phase, STORE_READY);
	CHECK_EQ(vm.want, STORE_WANT_RUNNING);	/* start: true */
	CHECK_EQ(vm.run_id, 1);
	CHECK_EQ(fx_vm_report(&fx, id, 1, "started"), 0);
	since = started_ms(&fx);
	CHECK(since > 0);
	fx.at_ms += 60000;	/* an agent that was started anew tells it again */
	CHECK_EQ(fx_vm_report(&fx, id, 1, "started"), 0);
	CHECK_EQ(started_ms(&fx), since);
	CHECK_STR(fx_vm_do(&fx, "vm.delete", "web"), "wrong-state");
	fx_context(&fx, "{'online':['node0','node1'],'activity':'running'}");
	CHECK_STR(fx_vm_do(&fx, "vm.shutdown", "web"), "");
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.stop_how, STORE_STOP_SHUTDOWN);
	CHECK_EQ(vm.want, STORE_WANT_STOPPED);
	CHECK(vm.node >= 0);
	CHECK_STR(fx_vm_do(&fx, "vm.shutdown", "web"), "wrong-state");
	CHECK_STR(fx.err.text, "VM 'web' is stopping, so 'shutdown' is not "
	    "allowed; allowed now: poweroff, delete");
	CHECK_STR(fx_vm_do(&fx, "vm.poweroff", "web"), "");
	CHECK_EQ(fx_vm_report(&fx, id, 1, "stopped-by-guest"), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.node, -1);
	CHECK_STR(fx_code(&fx, "volume.delete", "{'volume':'data'}"),
	    "volume-in-use");
	CHECK_STR(fx_code(&fx, "vm.delete",
	    "{'vm':'web','keep_volumes':['web-boot']}"), "bad-argument");
	CHECK_STR(fx_code(&fx, "vm.delete",
	    "{'vm':'web','keep_volumes':['other']}"), "not-found");
	CHECK_STR(fx_code(&fx, "vm.delete",
	    "{'vm':'web','keep_volumes':['data']}"), "");
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.phase, STORE_DELETING);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "not-found");
	CHECK_STR(fx_vm_do(&fx, "vm.start", id), "wrong-state");
	/* what was kept is nobody's now, and goes on its own */
	CHECK_EQ(store_get_volume(fx.st, data, &vol), 0);
	CHECK(vol.phase == STORE_READY && vol.vm_id[0] == '\0');
	(void)snprintf(text, sizeof(text), "{'volume':'%s'}", vol.id);
	CHECK_STR(fx_code(&fx, "volume.delete", "{'volume':'data'}"), "");
	CHECK_STR(fx_code(&fx, "volume.delete", text), "busy");
	CHECK_STR(fx_code(&fx, "volume.delete", "{'volume':'data'}"),
	    "not-found");
	fx_close(&fx);
	return 0;
}

TEST(volumes_go_when_both_legs_are_gone)
{
	struct store_volume vol;
	struct store_vm vm;
	char id[32], text[200];
	struct fx fx;
	int n;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(store_get_volume(fx.st, vm.disks[0].volume_id, &vol), 0);
	CHECK(vol.leg_exists[0] && vol.leg_exists[1]);
	CHECK_EQ(vol.phase, STORE_READY);
	CHECK_STR(fx_vm_do(&fx, "vm.delete", "web"), "");
	/* the name is free at once */
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800," VOLUME "}"), "");
	CHECK_EQ(fx_vm_report(&fx, id, 0, "deleted"), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), -ENOENT);
	CHECK_EQ(store_get_volume(fx.st, vol.id, &vol), 0);
	CHECK_EQ(vol.phase, STORE_DELETING);
	for (n = 0; n < 2; n++) {
		CHECK_EQ(store_get_volume(fx.st, vol.id, &vol), 0);
		(void)snprintf(text, sizeof(text), "{'volume':'%s',"
		    "'node':'node%d','event':'deleted'}", vol.id, n);
		CHECK_EQ(fx_system(&fx, "volume.report", text), 0);
	}
	CHECK_EQ(store_get_volume(fx.st, vol.id, &vol), -ENOENT);
	fx_close(&fx);
	return 0;
}

TEST(a_failed_install_is_undone_and_said)
{
	json_t *alerts, *line;
	struct store_vm vm;
	char id[32], text[300];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800," VOLUME "}"), "");
	(void)snprintf(id, sizeof(id), "%s", fx_text(fx.result, "id"));
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	(void)snprintf(text, sizeof(text), "{'volume':'%s','node':'node1',"
	    "'event':'create-failed','reason':'the disk is full'}",
	    vm.disks[0].volume_id);
	CHECK_EQ(fx_system(&fx, "volume.report", text), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.phase, STORE_DELETING);
	alerts = view_alerts(fx.st);
	CHECK_EQ(json_array_size(alerts), 1);
	CHECK_STR(fx_text(json_array_get(alerts, 0), "code"),
	    "vm-install-failed");
	CHECK(strstr(fx_text(json_array_get(alerts, 0), "cause"),
	    "the disk is full") != NULL);
	json_decref(alerts);
	/* the agents' own reports are quiet, but not this one's way out */
	CHECK_EQ(fx_vm_report(&fx, id, 0, "install-failed"), 0);
	CHECK(json_is_true(json_object_get(fx.result, "ignored")));
	CHECK_EQ(fx_vm_report(&fx, id, 0, "deleted"), 0);
	line = newest_audit(&fx);
	CHECK_STR(fx_text(line, "detail"), "VM 'web' is removed");
	json_decref(line);
	fx_close(&fx);
	return 0;
}

TEST(installed_but_no_memory_to_start)
{
	struct store_vm vm;
	char big[32], id[32];
	json_t *line;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "big", 7168, big), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "big"), "");
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800,'start':true," VOLUME "}"), "");
	(void)snprintf(id, sizeof(id), "%s", fx_text(fx.result, "id"));
	CHECK_EQ(fx_vm_report(&fx, id, 0, "installed"), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.phase, STORE_READY);
	CHECK_EQ(vm.want, STORE_WANT_STOPPED);
	line = newest_audit(&fx);
	CHECK(strstr(fx_text(line, "detail"), "can't start") != NULL);
	json_decref(line);
	fx_close(&fx);
	return 0;
}

TEST(crashes_by_mean_time)
{
	struct store_vm vm;
	char id[32];
	struct fx fx;
	int i;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "web", 300, id), 0);
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	for (i = 1; i <= 3; i++) {
		fx.at_ms += 60000;
		CHECK_EQ(fx_vm_report(&fx, id, i, "crashed"), 0);
		CHECK_EQ(vm_row(&fx, id, &vm), 0);
		CHECK_EQ(vm.want, STORE_WANT_RUNNING);
		CHECK_EQ(vm.run_id, i + 1);
	}
	/* an old report changes nothing */
	CHECK_EQ(fx_vm_report(&fx, id, 2, "crashed"), 0);
	CHECK(json_is_true(json_object_get(fx.result, "ignored")));
	CHECK_EQ(fx_vm_report(&fx, id, 4, "crashed"), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK(vm.crash_held);
	CHECK_EQ(vm.crashes, 4);
	CHECK_EQ(vm.node, -1);
	CHECK_STR(fx_vm_do(&fx, "vm.delete", "web"), "wrong-state");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "web"), "");
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK(!vm.crash_held);
	CHECK_EQ(vm.crashes, 0);
	/* far enough apart: it goes on for ever */
	for (i = 0; i < 8; i++) {
		fx.at_ms += 1300 * 1000;
		CHECK_EQ(fx_vm_report(&fx, id, (long long)vm.run_id,
		    "crashed"), 0);
		CHECK_EQ(vm_row(&fx, id, &vm), 0);
		CHECK(!vm.crash_held);
	}
	fx_close(&fx);
	return 0;
}

TEST(takeover_moves_what_is_wanted)
{
	char a[32], b[32], c[32];
	struct store_vm vm;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "a", 300, a), 0);
	CHECK_EQ(fx_vm(&fx, "b", 300, b), 0);
	CHECK_EQ(fx_vm(&fx, "c", 300, c), 0);
	fx_context(&fx, "{'online':['node0']}");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "a"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "b"), "");
	CHECK_STR(fx_vm_do(&fx, "vm.poweroff", "b"), "");
	fx_context(&fx, "{'online':['node1']}");
	CHECK_STR(fx_vm_do(&fx, "vm.start", "c"), "");
	CHECK_EQ(fx_system(&fx, "vm.takeover", "{'from':'node0','to':'node1'}"),
	    0);
	CHECK_EQ(json_integer_value(json_object_get(fx.result, "moved")), 1);
	CHECK_EQ(vm_row(&fx, a, &vm), 0);
	CHECK_EQ(vm.node, 1);
	CHECK_EQ(vm.run_id, 2);
	CHECK(vm.moving);
	CHECK_EQ(vm_row(&fx, b, &vm), 0);
	CHECK_EQ(vm.node, -1);
	CHECK_EQ(vm.want, STORE_WANT_STOPPED);
	CHECK_EQ(vm_row(&fx, c, &vm), 0);
	CHECK_EQ(vm.node, 1);
	CHECK_EQ(vm.run_id, 1);
	CHECK_EQ(fx_vm_report(&fx, a, 1, "stopped-by-guest"), 0); /* stale */
	CHECK_EQ(vm_row(&fx, a, &vm), 0);
	CHECK_EQ(vm.want, STORE_WANT_RUNNING);
	CHECK_EQ(fx_vm_report(&fx, a, 2, "started"), 0);
	CHECK_EQ(vm_row(&fx, a, &vm), 0);
	CHECK(!vm.moving);
	fx_close(&fx);
	return 0;
}

TEST(alone_one_leg_is_enough)
{
	struct store_volume vol;
	struct store_vm vm;
	char text[200];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	fx_context(&fx, "{'online':['node0'],'alone':'node0','images':{}}");
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800," VOLUME "}"), "");
	CHECK_EQ(vm_row(&fx, fx_text(fx.result, "id"), &vm), 0);
	CHECK_EQ(vm.node, 0);
	(void)snprintf(text, sizeof(text), "{'volume':'%s','node':'node0',"
	    "'event':'created'}", vm.disks[0].volume_id);
	CHECK_EQ(fx_system(&fx, "volume.report", text), 0);
	CHECK_EQ(store_get_volume(fx.st, vm.disks[0].volume_id, &vol), 0);
	CHECK_EQ(vol.phase, STORE_READY);
	CHECK(!vol.leg_exists[1]);
	fx_close(&fx);
	return 0;
}

TEST(an_install_goes_on_without_the_pm_that_died)
{
	struct store_volume vol;
	struct store_vm vm;
	char id[32], text[200];
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800," VOLUME "}"), "");
	(void)snprintf(id, sizeof(id), "%s", fx_text(fx.result, "id"));
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.node, 0);
	(void)snprintf(text, sizeof(text), "{'volume':'%s','node':'node1',"
	    "'event':'created'}", vm.disks[0].volume_id);
	CHECK_EQ(fx_system(&fx, "volume.report", text), 0);
	CHECK_EQ(store_get_volume(fx.st, vm.disks[0].volume_id, &vol), 0);
	CHECK_EQ(vol.phase, STORE_CREATING);
	CHECK_EQ(fx_system(&fx, "vm.takeover", "{'from':'node0','to':'node1'}"),
	    0);
	CHECK_EQ(store_get_volume(fx.st, vm.disks[0].volume_id, &vol), 0);
	CHECK_EQ(vol.phase, STORE_READY);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.node, 1);
	CHECK_EQ(vm.run_id, 1);
	CHECK_EQ(vm.phase, STORE_CREATING);
	CHECK_EQ(fx_vm_report(&fx, id, 0, "installed"), 0);	/* stale */
	CHECK_EQ(fx_vm_report(&fx, id, 1, "installed"), 0);
	CHECK_EQ(vm_row(&fx, id, &vm), 0);
	CHECK_EQ(vm.phase, STORE_READY);
	CHECK_EQ(vm.node, -1);
	fx_close(&fx);
	return 0;
}

TEST(made_up_addresses_are_unique_and_stable)
{
	char a[32], b[32];
	struct store_vm va, vb;
	struct store_volume da, db;
	struct fx fx;

	CHECK_EQ(fx_open(&fx, "command"), 0);
	CHECK_EQ(fx_vm(&fx, "a", 300, a), 0);
	CHECK_EQ(fx_vm(&fx, "b", 300, b), 0);
	CHECK_EQ(vm_row(&fx, a, &va), 0);
	CHECK_EQ(vm_row(&fx, b, &vb), 0);
	CHECK(strcmp(va.uuid, vb.uuid) != 0);
	CHECK(strcmp(va.nics[0].mac, vb.nics[0].mac) != 0);
	CHECK(strcmp(va.nics[0].tap, vb.nics[0].tap) != 0);
	CHECK_EQ(store_get_volume(fx.st, va.disks[0].volume_id, &da), 0);
	CHECK_EQ(store_get_volume(fx.st, vb.disks[0].volume_id, &db), 0);
	CHECK(da.port_index == 0 && db.port_index == 1);
	CHECK(da.initial_identity != db.initial_identity);
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'c','vcpus':1,"
	    "'memory_bytes':314572800,'networks':[{'network':'net0',"
	    "'mac':'52-54-00-12-34-AB'}]," VOLUME "}"), "");
	CHECK_EQ(vm_row(&fx, fx_text(fx.result, "id"), &va), 0);
	CHECK_STR(va.nics[0].mac, "52:54:00:12:34:ab");
	CHECK_STR(fx_code(&fx, "vm.create", "{'name':'d','vcpus':1,"
	    "'memory_bytes':314572800,'networks':[{'network':'net0',"
	    "'mac':'52:54:00:12:34:ab'}]," VOLUME "}"), "name-exists");
	fx_close(&fx);
	return 0;
}

TESTS_MAIN(T(arguments_are_strict), T(a_refusal_changes_nothing_but_the_log),
    T(provisioning_rules), T(volumes_of_the_unit_are_counted),
    T(warnings_above_recommended), T(names), T(a_megabyte_of_name), T(roles),
    T(running_vms_never_over_commit), T(vcpus_of_all_that_runs),
    T(start_picks_the_pm), T(install_then_run_then_remove),
    T(volumes_go_when_both_legs_are_gone),
    T(a_failed_install_is_undone_and_said),
    T(installed_but_no_memory_to_start), T(crashes_by_mean_time),
    T(takeover_moves_what_is_wanted), T(alone_one_leg_is_enough),
    T(an_install_goes_on_without_the_pm_that_died),
    T(made_up_addresses_are_unique_and_stable))
