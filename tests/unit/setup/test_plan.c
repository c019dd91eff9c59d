/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/setup/test_plan.c - plans, what fits, the files' text, translations
 */
#include <dirent.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/setup/fit.h"
#include "nodeagent/setup/render.h"
#include "nodeagent/setup/secrets.h"
#include "nodeagent/setup/text.h"
#include "nodeagent/setup/wish.h"
#include "tests/test.h"
#include "tests/unit/setup/setup_world.h"

static struct setup_facts a, b;
static struct setup_plan p;
static struct findings fs;

static void
two_that_fit(void)
{
	world_facts(&a, 0, "10.78.0.");
	world_facts(&b, 1, "10.78.0.");
	world_plan(&p);
	fs.n = 0;
}

/* Not whole, and that finding blocks. */
static bool
refused(const char *code)
{
	bool whole = fit_complete(&p, &a, &b, &fs);
	const struct finding *f = findings_find(&fs, code);

	return !whole && !p.whole && f != NULL && f->level == FINDING_BLOCK;
}

static bool
warned(const char *code)
{
	bool whole = fit_complete(&p, &a, &b, &fs);
	const struct finding *f = findings_find(&fs, code);

	return whole && f != NULL && f->level == FINDING_WARN;
}

TEST(two_like_machines_fit)
{
	two_that_fit();
	CHECK(fit_complete(&p, &a, &b, &fs));
	CHECK_EQ(fs.n, 0);
	CHECK_STR(p.links[0].address[1], "10.78.0.2");
	CHECK_STR(p.links[1].address[1], "10.77.0.11");
	CHECK_STR(p.host[1], "pm1");
	return 0;
}

TEST(what_differs_is_refused)
{
	two_that_fit();
	(void)snprintf(b.version, sizeof(b.version), "9.9.9");
	CHECK(refused("other-version"));
	two_that_fit();
	memcpy(b.machine, a.machine, sizeof(a.machine));
	CHECK(refused("same-machine"));
	two_that_fit();
	b.utc_ms += FIT_CLOCK_MAX_MS + 1;
	CHECK(refused("clocks-differ"));
	two_that_fit();
	b.interfaces[0].mtu = 9000;
	CHECK(refused("mtu-differs"));
	two_that_fit();
	b.interfaces[0].up = false;
	CHECK(refused("link-down"));
	two_that_fit();
	b.interfaces[1].bridge = false;
	CHECK(refused("no-bridge"));
	two_that_fit();
	(void)snprintf(b.interfaces[0].address[0], 64, "10.79.0.2/24");
	CHECK(refused("no-common-network"));
	two_that_fit();
	(void)snprintf(b.interfaces[0].address[0], 64, "10.78.0.1/24");
	CHECK(refused("same-address"));
	two_that_fit();
	(void)snprintf(b.interfaces[1].address[0], 64, "10.77.0.12/24");
	CHECK(refused("address-taken"));
	two_that_fit();
	(void)snprintf(b.volume_group, sizeof(b.volume_group), "vg0");
	CHECK(refused("storage-kind"));
	two_that_fit();
	(void)snprintf(p.hypervisor, sizeof(p.hypervisor), "xen");
	CHECK(refused("no-xen"));
	return 0;
}

TEST(what_is_worse_is_warned_of)
{
	two_that_fit();
	b.utc_ms += FIT_CLOCK_WARN_MS + 1;
	CHECK(warned("clocks-differ"));
	two_that_fit();
	b.memory_bytes /= 4;
	CHECK(warned("memory-differs"));
	two_that_fit();
	b.storage_bytes /= 4;
	CHECK(warned("storage-differs"));
	two_that_fit();
	(void)snprintf(b.virtualization, sizeof(b.virtualization), "svm");
	CHECK(warned("virtualization-differs"));
	/* the second link may be missing */
	two_that_fit();
	(void)snprintf(b.interfaces[1].address[0], 64, "10.99.0.1/24");
	CHECK(warned("no-common-network"));
	CHECK_EQ(p.n_links, 1);
	return 0;
}

TEST(one_of_two_addresses_is_named)
{
	two_that_fit();
	world_interface(&b, "priv1", false, "10.78.0.7/24");
	CHECK(refused("many-addresses"));
	two_that_fit();
	world_interface(&b, "priv1", false, "10.78.0.7/24");
	(void)snprintf(b.wanted[b.n_wanted++], 64, "priv1");
	CHECK(fit_complete(&p, &a, &b, &fs));
	CHECK_STR(p.links[0].address[1], "10.78.0.7");
	return 0;
}

TEST(a_host_name_that_is_none_is_left_out)
{
	two_that_fit();
	(void)snprintf(b.host, sizeof(b.host), "a b\"c");
	CHECK(fit_complete(&p, &a, &b, &fs));
	CHECK_STR(p.host[1], "");
	return 0;
}

TEST(a_plan_comes_back_as_it_was)
{
	AUTO_JSON json_t *j = NULL;
	struct setup_plan again;

	two_that_fit();
	CHECK(fit_complete(&p, &a, &b, &fs));
	j = plan_encode(&p);
	CHECK(plan_decode(j, &again, NULL) == 0);
	CHECK(memcmp(&p, &again, sizeof(p)) == 0);
	return 0;
}

/* Each of these, put into a plan that is good, spoils it. */
TEST(bad_plans_are_refused)
{
	static const struct { const char *key, *value; } bad[] = {
		{ "plan", "2" }, { "uuid", "\"x\"" }, { "name", "\"a\\nb\"" },
		{ "name", "\"a\\u0000b\"" }, { "links", "[]" },
		{ "links", "[{\"first\":\"1.2.3\",\"second\":\"\",\"prefix\":24,\"private\":true}]" },
		{ "links", "[{\"first\":\"10.0.0.1\",\"second\":\"10.0.0.2\",\"prefix\":24,\"private\":false}]" },
		{ "bridges", "[\"net0\\nplugin = /tmp/evil\"]" },
		{ "bridges", "[\"../etc\"]" },
		{ "unit_address", "\"10.0.0.1\"" }, { "mirror", "\"sim\"" },
		{ "hypervisor", "\"none\"" },
		{ "storage_dir", "[\"/a\",\"/a/../etc\"]" },
		{ "storage_dir", "[\"a\",\"b\"]" },
		{ "volume_group", "[\"a\",\"b c\"]" },
		{ "volume_group", "[\"a\",\"-f\"]" },
		{ "arbiter", "\"etcd\"" }, { "time_scale", "\"0\"" },
		{ "time_scale", "\"1x\"" }, { "more", "1" },
	};
	struct setup_plan again;
	size_t i;

	two_that_fit();
	CHECK(fit_complete(&p, &a, &b, &fs));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO_JSON json_t *j = plan_encode(&p);
		json_t *v = json_loads(bad[i].value,
		    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		CHECK(v != NULL && json_object_set_new(j, bad[i].key, v) == 0);
		if (plan_decode(j, &again, NULL) == 0) {
			fprintf(stderr, "%s = %s\n", bad[i].key, bad[i].value);
			CHECK(0);
		}
	}
	return 0;
}

TEST(wishes_become_a_plan)
{
	struct setup_wish w = { .name = "try", .private_list = "priv0",
		.business_list = "net0", .unit_address = "10.77.0.12/24" };
	struct setup_plan plan;
	struct av_err err = { 0 };

	world_facts(&a, 0, "10.78.0.");
	CHECK(wish_facts(&w, &a, &err) == 0);
	CHECK(wish_plan(&w, &a, &plan, &err) == 0);
	CHECK_EQ(plan.n_links, 2);
	CHECK(plan.links[0].private && !plan.links[1].private);
	CHECK_STR(plan.unit_interface, "net0");
	CHECK_STR(plan.mirror, "replica");
	w.volume_group = "vg0";
	world_facts(&a, 0, "10.78.0.");
	CHECK(wish_facts(&w, &a, &err) == 0 &&
	    wish_plan(&w, &a, &plan, &err) == 0);
	CHECK_STR(plan.mirror, "drbd");
	return 0;
}

TEST(wishes_that_cant_be)
{
	static const struct { struct setup_wish w; const char *code; } bad[] = {
		{ { .name = "u" }, "bad-argument" },
		{ { .name = "u", .private_list = "nope" }, "no-interface" },
		{ { .name = "u", .private_list = "priv0,priv0" },
		    "same-network" },
		{ { .name = "u", .private_list = "priv0",
		    .business_list = "priv0" }, "no-bridge" },
		{ { .name = "u", .private_list = "priv0",
		    .unit_address = "10.78.0.1/24" }, "address-taken" },
		{ { .name = "u", .private_list = "priv0",
		    .unit_address = "9.9.9.9/24" }, "address-elsewhere" },
		{ { .name = "u", .private_list = "priv0", .mirror = "drbd" },
		    "bad-argument" },
		{ { .name = "u", .private_list = "priv0",
		    .quorum = "https://x:2379" }, "bad-argument" },
		{ { .name = "u", .private_list = "priv0",
		    .quorum = "http://x:2379", .quorum_ca = "a",
		    .quorum_cert = "b", .quorum_key = "c" }, "bad-argument" },
		{ { .name = "u", .private_list = "priv0",
		    .time_scale = "nan" }, "bad-argument" },
		{ { .name = "u", .private_list = "priv0",
		    .storage_dir = "rel" }, "bad-argument" },
		{ { .name = "u", .private_list = "," }, "bad-argument" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct setup_plan plan;
		struct av_err err = { 0 };
		int rc;

		world_facts(&a, 0, "10.78.0.");
		rc = wish_facts(&bad[i].w, &a, &err);
		if (rc == 0)
			rc = wish_plan(&bad[i].w, &a, &plan, &err);
		CHECK(rc < 0);
		CHECK_STR(err.code, bad[i].code);
	}
	return 0;
}

/* --- files' text --- */

TEST(corosync_waits_for_pings_longer_than_for_tokens)
{
	struct setup_local l = { .uid = 1, .gid = 2 };
	AUTO_FREE char *text = NULL;

	two_that_fit();
	(void)snprintf(p.time_scale, sizeof(p.time_scale), "2");
	CHECK(fit_complete(&p, &a, &b, &fs));
	text = render_corosync(&p, &l);
	CHECK(strstr(text, "    token: 600\n") != NULL);
	CHECK(strstr(text, "    consensus: 720\n") != NULL);
	CHECK(strstr(text, "        linknumber: 1\n"
	    "        knet_ping_interval: 400\n"
	    "        knet_ping_timeout: 2000\n") != NULL);
	CHECK(strstr(text, "        nodeid: 2\n        name: node1\n"
	    "        ring0_addr: 10.78.0.2\n"
	    "        ring1_addr: 10.77.0.11\n") != NULL);
	return 0;
}

TEST(each_pm_sees_the_other_one)
{
	struct setup_local l = { .uid = 1, .gid = 2, .agent_lines = "x = y\n" };
	AUTO_FREE char *first = NULL, *second = NULL, *console = NULL;

	two_that_fit();
	CHECK(fit_complete(&p, &a, &b, &fs));
	first = render_avnoded(&p, &l, 0);
	second = render_avnoded(&p, &l, 1);
	console = render_avconsoled(&p, &l, 1);
	CHECK(strstr(first, "heartbeat = 10.78.0.1=10.78.0.2 "
	    "10.77.0.10=10.77.0.11\n") != NULL);
	CHECK(strstr(second, "heartbeat = 10.78.0.2=10.78.0.1 "
	    "10.77.0.11=10.77.0.10\n") != NULL);
	CHECK(strstr(second, "node = 1\n") != NULL);
	CHECK(strstr(second, "mirror_peers = 10.78.0.1 10.77.0.10\n") != NULL);
	CHECK(strstr(second, "socket_gid = 2\nx = y\n") != NULL);
	CHECK(strstr(console, "relay_peers = 10.78.0.1 10.77.0.10\n") != NULL);
	CHECK(strstr(console, "user = 1:2\n") != NULL);
	return 0;
}

TEST(the_authoritys_key_is_never_sent)
{
	struct setup_secrets s = { { NULL } };
	AUTO_JSON json_t *sent = NULL;
	AUTO_JSON json_t *kept = NULL;

	two_that_fit();
	CHECK(fit_complete(&p, &a, &b, &fs));
	CHECK(secrets_make(&s, NULL) == 0 && secrets_certify(&s, &p, NULL) == 0);
	kept = secrets_encode(&s, false);
	sent = secrets_encode(&s, true);
	CHECK(json_object_get(kept, "ca_key") != NULL);
	CHECK(json_object_get(kept, "console_key0") != NULL);
	CHECK(json_object_get(sent, "ca_key") == NULL);
	CHECK(json_object_get(sent, "console_key0") == NULL);
	CHECK(json_object_get(sent, "console_key1") != NULL);
	secrets_free(&s);
	return 0;
}

/* --- translations --- */

static void
places(const char *fmt, char *ret, size_t n)
{
	size_t at = 0;

	while ((fmt = strchr(fmt, '%')) != NULL && at + 1 < n) {
		fmt++;
		fmt += strspn(fmt, ".0123456789lz");
		ret[at++] = *fmt++;
	}
	ret[at] = '\0';
}

/* A C text from just behind its '"', with the parts that follow joined. */
static bool
literal(const char *s, char *ret, size_t n)
{
	size_t at = 0;

	for (;; s++) {
		if (*s == '"') {
			s += 1 + strspn(s + 1, " \t\n");
			if (*s != '"')
				break;
			continue;
		}
		if (*s == '\\')
			s++;
		if (*s == '\0' || at + 1 == n)
			return false;
		ret[at++] = s[-1] == '\\' && *s == 'n' ? '\n' : *s;
	}
	ret[at] = '\0';
	return true;
}

static int
each_sentence(const char *source, int *ret_n)
{
	const char *at = source;
	char text[600];

	while ((at = strstr(at, "tr(")) != NULL) {
		bool word = at > source && (at[-1] == '_' ||
		    (at[-1] >= 'a' && at[-1] <= 'z'));

		at += 3;
		if (word || at[strspn(at, " \t\n")] != '"')
			continue;
		CHECK(literal(at + strspn(at, " \t\n") + 1, text,
		    sizeof(text)));
		if (strcmp(tr(text), text) == 0 && strstr(text, "systemctl") !=
		    text) {
			fprintf(stderr, "not in Japanese: '%s'\n", text);
			return 1;
		}
		(*ret_n)++;
	}
	return 0;
}

TEST(all_is_said_in_japanese)
{
	DIR *dir = opendir("nodeagent/setup");
	struct dirent *e;
	int n = 0;

	CHECK(dir != NULL);
	(void)tr_language("ja");
	while ((e = readdir(dir)) != NULL) {
		AUTO_FREE char *text = NULL;
		char path[300];

		if (strstr(e->d_name, ".c") == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "nodeagent/setup/%s",
		    e->d_name);
		CHECK(av_file_read(path, 1u << 20, &text, NULL, NULL) == 0);
		CHECK(each_sentence(text, &n) == 0);
	}
	(void)closedir(dir);
	(void)tr_language("en");
	CHECK(n > 120);
	return 0;
}

TEST(japanese_keeps_the_places)
{
	const struct text_pair *t;
	char en[16], ja[16];

	for (t = text_ja; t->en != NULL; t++) {
		places(t->en, en, sizeof(en));
		places(t->ja, ja, sizeof(ja));
		CHECK_STR(ja, en);
		CHECK(av_utf8_ok(t->ja));
	}
	return 0;
}

TESTS_MAIN(T(two_like_machines_fit), T(what_differs_is_refused),
    T(what_is_worse_is_warned_of), T(one_of_two_addresses_is_named),
    T(a_host_name_that_is_none_is_left_out), T(a_plan_comes_back_as_it_was),
    T(bad_plans_are_refused), T(wishes_become_a_plan), T(wishes_that_cant_be),
    T(corosync_waits_for_pings_longer_than_for_tokens),
    T(each_pm_sees_the_other_one), T(the_authoritys_key_is_never_sent), T(all_is_said_in_japanese),
    T(japanese_keeps_the_places))
