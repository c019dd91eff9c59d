/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driver "xen" with av-xenrun-fake: what is true of it beyond the suite, and its
 * pure parts.  A test pulls strings by writing RUNTIME/fakedom.
 */
#include "base/cleanup.h"
#include "tests/unit/vmm/xen_rig.h"
#include "vmm/args.h"
#include "vmm/qmp.h"

/* av-xenrun's death isn't the guest's: the next one takes the domain over. */
static int
orphan(struct rig *r)
{
	struct vmm_status was, st;
	char state[16];
	unsigned domid;
	uint64_t end;

	CHECK_EQ(started(r), 0);
	domid = domain(r, state);
	vmm_status(r->dom, &was);
	CHECK_EQ(kill(was.pid, SIGKILL), 0);
	end = av_clock_ns() + 30 * AV_NS_PER_S;
	do {
		CHECK(sd_event_run(r->event, 100000) >= 0);
		vmm_status(r->dom, &st);
		CHECK_EQ(st.state, VMM_RUNNING);	/* all the time */
	} while ((st.pid == was.pid || !st.answers) && av_clock_ns() < end);
	CHECK(st.pid != was.pid && st.answers);
	CHECK_EQ(domain(r, state), domid);
	CHECK_EQ(calls(r, "make"), 1);
	CHECK_EQ(calls(r, "destroy"), 0);

	/* nobody looks meanwhile: a new agent finds it */
	vmm_status(r->dom, &was);
	r->dom = vmm_close(r->dom);
	CHECK_EQ(kill(was.pid, SIGKILL), 0);
	CHECK_EQ(open_dom(r), 0);
	CHECK_EQ(vmm_attach(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_RUNNING), VMM_REASON_NONE);
	CHECK_EQ(domain(r, state), domid);

	/* and its end is known after all that */
	CHECK_EQ(domain_set(r, domid, "shutdown", XR_WHY_CRASH), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_PANIC);
	CHECK_EQ(domain(r, state), 0);
	return 0;
}

/* A kill is not done before the domain is gone, whoever is (not) there. */
static int
kill_orphan(struct rig *r)
{
	struct vmm_status st;
	char state[16];

	CHECK_EQ(started(r), 0);
	vmm_status(r->dom, &st);
	r->dom = vmm_close(r->dom);
	CHECK_EQ(kill(st.pid, SIGKILL), 0);
	CHECK_EQ(open_dom(r), 0);
	CHECK(domain(r, state) != 0);
	CHECK_EQ(vmm_kill(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(domain(r, state), 0);

	CHECK_EQ(started(r), 0);
	vmm_status(r->dom, &st);
	CHECK_EQ(kill(st.pid, SIGSTOP), 0);	/* one that hangs */
	CHECK_EQ(vmm_kill(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(domain(r, state), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_ASKED);
	return 0;
}

/* A guest's reset is no event; a pause in the middle of it holds. */
static int
reset(struct rig *r)
{
	char state[16];
	unsigned domid, now;
	uint64_t end = av_clock_ns() + 30 * AV_NS_PER_S;
	struct vmm_status st;

	CHECK_EQ(started(r), 0);
	domid = domain(r, state);
	CHECK_EQ(domain_set(r, domid, "shutdown", XR_WHY_REBOOT), 0);
	do {
		CHECK(sd_event_run(r->event, 10000) >= 0);
		vmm_status(r->dom, &st);
		CHECK_EQ(st.state, VMM_RUNNING);
		now = domain(r, state);
	} while ((now == domid || now == 0 || strcmp(state, "running") != 0) &&
	    av_clock_ns() < end);
	CHECK(now != domid && now != 0);
	CHECK_EQ(calls(r, "make"), 2);
	CHECK_EQ(calls(r, "destroy"), 1);

	CHECK_EQ(domain_set(r, now, "shutdown", XR_WHY_REBOOT), 0);
	CHECK_EQ(vmm_pause(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	end = av_clock_ns() + 2 * AV_NS_PER_S;
	while (av_clock_ns() < end) {
		CHECK(sd_event_run(r->event, 10000) >= 0);
		if (domain(r, state) != now)
			CHECK(strcmp(state, "running") != 0);
	}
	CHECK_EQ(wait_state(r, VMM_PAUSED), VMM_REASON_ASKED);
	return 0;
}

static int
ends(struct rig *r)
{
	struct vmm_status st;
	char path[160], state[16];

	CHECK_EQ(started(r), 0);
	snprintf(path, sizeof(path), "%s/fakedom", r->spec.runtime_dir);
	CHECK_EQ(unlink(path), 0);	/* somebody's "xl destroy" */
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_VANISHED);

	CHECK_EQ(started(r), 0);
	CHECK_EQ(domain_set(r, domain(r, state), "shutdown",
	    XR_WHY_WATCHDOG), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_PANIC);
	vmm_status(r->dom, &st);
	CHECK(strstr(st.detail, "watchdog") != NULL);

	/* a reset that can't make the domain again: the guest has ended */
	CHECK_EQ(started(r), 0);
	CHECK_EQ(vmm_disk_resize(r->dom, 0, 1 << 20, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	return 0;
}

/* The machine's end: a domain that ran on would be nobody's. */
static int
terminated(struct rig *r)
{
	struct vmm_status st;
	char state[16];

	CHECK_EQ(started(r), 0);
	vmm_status(r->dom, &st);
	CHECK_EQ(kill(st.pid, SIGTERM), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_ASKED);
	CHECK_EQ(domain(r, state), 0);
	CHECK_EQ(calls(r, "destroy"), 1);
	return 0;
}

/* As a client that doesn't wait for the answer. */
static int
dump_order(struct rig *r, const char *core)
{
	static int fd = -1;
	char path[160], line[300];
	int n;

	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), "%s/xen.sock", r->spec.runtime_dir);
	fd = vmm_unix_connect(path);
	CHECK(fd >= 0);
	n = snprintf(line, sizeof(line), "{\"execute\":\"dump\",\"id\":1,"
	    "\"arguments\":{\"path\":\"%s\"}}\n", core);
	CHECK_EQ(write(fd, line, (size_t)n), n);
	return 0;
}

static int
calls_reach(struct rig *r, const char *word, unsigned n)
{
	uint64_t end = av_clock_ns() + 30 * AV_NS_PER_S;

	while (calls(r, word) < n)
		CHECK(av_clock_ns() < end &&
		    sd_event_run(r->event, 10000) >= 0);
	return 0;
}

static int
state_comes(struct rig *r, const char *want)
{
	uint64_t end = av_clock_ns() + 30 * AV_NS_PER_S;
	char state[16] = "";

	while (domain(r, state) == 0 || strcmp(state, want) != 0)
		CHECK(av_clock_ns() < end &&
		    sd_event_run(r->event, 10000) >= 0);
	return 0;
}

/* What the domain was while it was written. */
static int
core_word(const char *path, char ret[16])
{
	AUTO_FILE FILE *f = fopen(path, "re");
	unsigned domid;

	CHECK(f != NULL && fscanf(f, "core %u %15s", &domid, ret) == 2);
	return 0;
}

/* A core is of one moment; a pause meanwhile holds, an end meanwhile is one. */
static int
dumped(struct rig *r)
{
	char core[160], hold[160], word[16], state[16];
	uint64_t end;
	unsigned n;
	FILE *f;

	snprintf(core, sizeof(core), "%s/core", r->dir);
	snprintf(hold, sizeof(hold), "%s/fakehold", r->spec.runtime_dir);
	CHECK_EQ(started(r), 0);
	CHECK_EQ(dump_order(r, core), 0);
	CHECK_EQ(calls_reach(r, "dump", 1), 0);
	CHECK_EQ(state_comes(r, "running"), 0);
	CHECK_EQ(core_word(core, word), 0);
	CHECK_STR(word, "paused");

	f = fopen(hold, "we");
	CHECK(f != NULL && fprintf(f, "99\n") > 0 && fclose(f) == 0);
	CHECK_EQ(dump_order(r, core), 0);
	CHECK_EQ(calls_reach(r, "dump", 2), 0);
	CHECK_EQ(vmm_pause(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	n = calls(r, "unpause");
	CHECK_EQ(unlink(hold), 0);
	end = av_clock_ns() + AV_NS_PER_S;
	while (av_clock_ns() < end)
		CHECK(sd_event_run(r->event, 10000) >= 0);
	CHECK_EQ(core_word(core, word), 0);
	CHECK_STR(word, "paused");
	CHECK(domain(r, state) != 0);
	CHECK_STR(state, "paused");
	CHECK_EQ(calls(r, "unpause"), n);	/* not for a moment */
	CHECK_EQ(vmm_resume(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(state_comes(r, "running"), 0);

	f = fopen(hold, "we");
	CHECK(f != NULL && fprintf(f, "99\n") > 0 && fclose(f) == 0);
	CHECK_EQ(dump_order(r, core), 0);
	CHECK_EQ(calls_reach(r, "dump", 3), 0);
	CHECK_EQ(vmm_kill(r->dom, op(r), NULL), 0);
	CHECK_EQ(calls_reach(r, "destroy", 1), 0);
	CHECK_EQ(unlink(hold), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_ASKED);
	CHECK_EQ(calls(r, "destroy"), 1);	/* by the one that dumped */
	return 0;
}

static int
resized_at_last(struct rig *r)
{
	uint64_t end = av_clock_ns() + 30 * AV_NS_PER_S;

	for (r->rc = -EAGAIN; r->rc < 0;) {
		CHECK(av_clock_ns() < end);
		if (vmm_disk_resize(r->dom, 0, 1 << 20, op(r), NULL) == 0)
			(void)wait_done(r);
		else
			CHECK(sd_event_run(r->event, 10000) >= 0);
	}
	return 0;
}

/* A disk whose new size isn't taken: neither a pause nor the end waits for that. */
static int
grown_slowly(struct rig *r)
{
	struct vmm_op grow = { .done = done, .ctx = r };
	char hold[160], state[16];
	FILE *f;

	snprintf(hold, sizeof(hold), "%s/fakehold", r->spec.runtime_dir);
	CHECK_EQ(started(r), 0);
	f = fopen(hold, "we");
	CHECK(f != NULL && fprintf(f, "98\n") > 0 && fclose(f) == 0);
	/* as an agent does that has waited long enough */
	CHECK_EQ(vmm_disk_resize(r->dom, 0, 1 << 20, op(r), NULL), 0);
	CHECK_EQ(calls_reach(r, "grow", 1), 0);
	CHECK_EQ(wait_done(r), -ETIMEDOUT);
	CHECK_EQ(vmm_disk_resize(r->dom, 0, 1 << 20, op(r), NULL), -EAGAIN);
	CHECK_EQ(vmm_pause(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK(domain(r, state) != 0);
	CHECK_STR(state, "paused");
	/* nor does it take the answer to another agent's order for its own */
	CHECK_EQ(open_dom(r), 0);
	CHECK_EQ(vmm_attach(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(vmm_disk_resize(r->dom, 0, 1 << 20, op(r), NULL), 0);
	CHECK(wait_done(r) < 0 && r->rc != -ETIMEDOUT);
	/* whenever the machine gets to it */
	CHECK_EQ(unlink(hold), 0);
	CHECK_EQ(resized_at_last(r), 0);

	f = fopen(hold, "we");
	CHECK(f != NULL && fprintf(f, "98\n") > 0 && fclose(f) == 0);
	CHECK_EQ(vmm_disk_resize(r->dom, 0, 1 << 20, &grow, NULL), 0);
	CHECK_EQ(calls_reach(r, "grow", 3), 0);
	CHECK_EQ(vmm_kill(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), -ECANCELED);	/* that of 'grow' */
	r->n_done = 0;
	CHECK_EQ(wait_done(r), 0);
	CHECK_EQ(wait_state(r, VMM_EXITED), VMM_REASON_ASKED);
	CHECK_EQ(calls(r, "destroy"), 1);
	return 0;
}

/* What has our UUID and isn't ours stays as it is. */
static int
strangers(struct rig *r)
{
	char state[16], path[160];
	struct vmm_status st;

	CHECK_EQ(started(r), 0);
	vmm_status(r->dom, &st);
	r->dom = vmm_close(r->dom);
	CHECK_EQ(kill(st.pid, SIGKILL), 0);
	CHECK_EQ(domain_set(r, 666, "running", 0), 0);	/* a PV guest */
	CHECK_EQ(open_dom(r), 0);
	CHECK_EQ(vmm_attach(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), -ETIMEDOUT);	/* may be: never "none" */
	CHECK_EQ(domain(r, state), 666);
	CHECK_STR(state, "running");

	/* left behind half made: taken away */
	r->dom = vmm_close(r->dom);
	CHECK_EQ(domain_set(r, 77, "paused", 0), 0);
	CHECK_EQ(open_dom(r), 0);
	CHECK_EQ(vmm_attach(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), -ENOENT);
	CHECK_EQ(domain(r, state), 0);

	/* who looked for it wasn't it; nothing is known of an earlier one */
	r->dom = vmm_close(r->dom);
	snprintf(path, sizeof(path), "%s/exit", r->spec.runtime_dir);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(open_dom(r), 0);
	CHECK_EQ(vmm_attach(r->dom, op(r), NULL), 0);
	CHECK_EQ(wait_done(r), -ENOENT);
	vmm_status(r->dom, &st);
	CHECK_EQ(st.state, VMM_ABSENT);
	CHECK_EQ(st.pid, 0);
	return 0;
}

#define RIG_TEST(name) \
	TEST(xen_ ## name) { struct rig r; CHECK_EQ(rig_init(&r), 0); \
		return rig_dispose(&r, name(&r)); }
RIG_TEST(orphan)
RIG_TEST(kill_orphan)
RIG_TEST(reset)
RIG_TEST(ends)
RIG_TEST(terminated)
RIG_TEST(dumped)
RIG_TEST(grown_slowly)
RIG_TEST(strangers)

/* ------------------------------- pure parts ------------------------------- */

static void
spec_fill(struct vmm_spec *s)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->id, sizeof(s->id), "%s", "o7");
	snprintf(s->uuid, sizeof(s->uuid), "%s", UUID);
	s->vcpus = 2;
	s->memory_bytes = 512u << 20;
	snprintf(s->runtime_dir, sizeof(s->runtime_dir), "%s", "/run/x/o7");
	snprintf(s->disks[0].block_path, sizeof(s->disks[0].block_path), "%s",
	    "/dev/drbd3");
	snprintf(s->disks[1].nbd_socket, sizeof(s->disks[1].nbd_socket), "%s",
	    "/run/x/front.sock");
	snprintf(s->disks[0].volume_uuid, 37, "%s", UUID);
	snprintf(s->disks[1].volume_uuid, 37, "%s", UUID);
	s->disks[1].boot_order = 1;
	s->disks[1].size_bytes = 64u << 20;
	s->n_disks = 2;
	memcpy(s->nics[0].mac, "\x52\x54\0\1\2\3", 6);
	snprintf(s->nics[0].tap, sizeof(s->nics[0].tap), "%s", "tap7n0");
	s->n_nics = 1;
}

static int
text_is(json_t *msg, const char *want)
{
	AUTO_FREE char *text = json_dumps(msg, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(msg);
	CHECK_STR(text, want);
	return 0;
}

TEST(config_pvh)
{
	const char *bridges[] = { "br0" };
	struct vmm_spec s;
	struct av_err err = {0};
	json_t *msg = NULL;

	spec_fill(&s);
	CHECK_EQ(xr_config(&s, bridges, &msg, &err), 0);
	/* the first disk is the one to boot; the NBD one is not libxl's */
	CHECK_EQ(text_is(msg, "{\"b_info\":{\"acpi\":\"True\",\"avail_vcpus\":"
	    "[0,1],\"claim_mode\":\"True\",\"kernel\":"
	    "\"/usr/lib/grub-xen/grub-i386-xen_pvh.bin\",\"localtime\":"
	    "\"False\",\"max_memkb\":524288,\"max_vcpus\":2,"
	    "\"target_memkb\":524288,\"type.pvh\":{}},\"c_info\":{\"name\":"
	    "\"av-o7\",\"type\":\"pvh\",\"uuid\":\"" UUID "\"},\"disks\":[{"
	    "\"backend\":\"phy\",\"direct_io_safe\":true,\"discard_enable\":"
	    "\"True\",\"format\":\"raw\",\"pdev_path\":\"/dev/drbd3\","
	    "\"readwrite\":1,\"vdev\":\"xvdb\"}],\"nics\":[{\"bridge\":"
	    "\"br0\",\"devid\":0,\"ifname\":\"v7n0\",\"mac\":"
	    "\"52:54:00:01:02:03\",\"nictype\":\"vif\"}],\"on_crash\":"
	    "\"preserve\",\"on_poweroff\":\"preserve\",\"on_reboot\":"
	    "\"preserve\",\"on_soft_reset\":\"preserve\",\"on_watchdog\":"
	    "\"preserve\"}"), 0);

	bridges[0] = "";
	CHECK_EQ(xr_config(&s, bridges, &msg, &err), -ENODEV);
	CHECK(strstr(err.text, "tap7n0") != NULL);
	bridges[0] = "br0";
	snprintf(s.nics[0].tap, sizeof(s.nics[0].tap), "%s", "net123456789012");
	CHECK_EQ(xr_config(&s, bridges, &msg, &err), -EINVAL);
	return 0;
}

TEST(config_hvm)
{
	const char *bridges[] = { "br0" };
	struct vmm_spec s;
	struct av_err err = {0};
	json_t *msg = NULL, *b;

	spec_fill(&s);
	s.os = VMM_OS_LEGACY;
	CHECK_EQ(xr_config(&s, bridges, &msg, &err), 0);
	b = json_object_get(msg, "b_info");
	CHECK(json_object_get(b, "kernel") == NULL);
	CHECK_STR(json_string_value(json_object_get(json_object_get(
	    json_object_get(b, "type.hvm"), "vnc"), "listen")),
	    "unix:/run/x/o7/vnc.sock");
	/* past the page cache, and the server is waited for */
	CHECK_EQ(json_array_size(json_object_get(msg, "disks")), 0);
	b = json_object_get(b, "extra_hvm");
	CHECK_EQ(json_array_size(b), 8);
	CHECK(strstr(json_string_value(json_array_get(b, 1)),
	    "\"filename\":\"/dev/drbd3\",\"cache\":{\"direct\":true") != NULL);
	CHECK(strstr(json_string_value(json_array_get(b, 5)),
	    "\"reconnect-delay\"") != NULL);
	CHECK(strstr(json_string_value(json_array_get(b, 7)),
	    "ide-hd,id=hd1,drive=disk1,bus=ide.0,unit=1") != NULL);
	b = json_array_get(json_object_get(msg, "nics"), 0);
	CHECK_STR(json_string_value(json_object_get(b, "model")), "e1000");
	json_decref(msg);
	return 0;
}

TEST(disk_words)
{
	struct vmm_args a = {0};
	struct vmm_spec s;
	char line[160];
	size_t n;
	unsigned i;

	spec_fill(&s);
	CHECK(xr_disk_args(&s, 5, true, &a));
	for (i = 0; i < a.n && strncmp(a.v[i], "xen-disk", 8) != 0; i++)
		;
	CHECK_STR(a.v[i], "xen-disk,id=hd1,vdev=xvda,drive=disk1");
	CHECK(strstr(a.v[i - 2], "\"reconnect-delay\"") != NULL);
	CHECK_EQ(a.n, i + 1);		/* not the block device */
	n = a.n;
	vmm_args_dispose(&a);

	/* for a guest that comes: connected, nothing of it read yet */
	CHECK(xr_disk_args(&s, 5, false, &a));
	CHECK_EQ(a.n, n - 2);
	CHECK(strstr(a.v[a.n - 1], "\"reconnect-delay\"") != NULL);
	vmm_args_dispose(&a);
	CHECK(xr_disk_plug(&s, 1, line));
	CHECK_STR(line, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":"
	    "\"xen-disk\",\"id\":\"hd1\",\"vdev\":\"xvda\",\"drive\":"
	    "\"disk1\"}}\n");
	CHECK(!xr_disk_plug(&s, 0, line));	/* the block device */
	s.n_disks = 1;
	CHECK(!xr_disk_args(&s, 5, true, &a));
	CHECK_EQ(xr_vdev(0), 51712);
	CHECK_EQ(xr_vdev(1), 51728);
	s.n_disks = 2;
	CHECK_EQ(xr_place(&s, 1), 0);
	CHECK_EQ(xr_place(&s, 0), 1);
	return 0;
}

TEST(spec_there_and_back)
{
	struct vmm_spec s, back;
	struct av_err err = {0};
	json_t *msg = NULL, *list;

	spec_fill(&s);
	snprintf(s.name, sizeof(s.name), "%s", "web");
	CHECK_EQ(xr_spec_encode(&s, &msg), 0);
	CHECK_EQ(xr_spec_decode(msg, &back, &err), 0);
	CHECK(memcmp(&s, &back, sizeof(s)) == 0);

	CHECK_EQ(json_object_set_new(msg, "vcpus", json_integer(65)), 0);
	CHECK_EQ(xr_spec_decode(msg, &back, &err), -EBADMSG);
	CHECK_EQ(json_object_set_new(msg, "vcpus", json_integer(0)), 0);
	CHECK_EQ(xr_spec_decode(msg, &back, &err), -EINVAL);
	CHECK_EQ(json_object_set_new(msg, "vcpus", json_integer(2)), 0);
	list = json_object_get(msg, "disks");
	while (json_array_size(list) <= VMM_DISKS_MAX)
		CHECK_EQ(json_array_append(list, json_array_get(list, 0)), 0);
	CHECK_EQ(xr_spec_decode(msg, &back, &err), -EBADMSG);
	CHECK_EQ(xr_spec_decode(NULL, &back, &err), -EBADMSG);
	json_decref(msg);
	return 0;
}

/* Only what says that nothing is left may end a guest. */
TEST(exit_words)
{
	enum vmm_reason reason;
	const char *detail;
	int code;

	for (code = 0; code < 256; code++)
		CHECK_EQ(xr_exit_reason(code, &reason, &detail),
		    code >= XR_EX_SHUTDOWN && code <= XR_EX_LAST);
	CHECK(!xr_exit_reason(XR_EX_FAILED, &reason, &detail));
	CHECK(xr_exit_reason(XR_EX_SHUTDOWN, &reason, &detail));
	CHECK_EQ(reason, VMM_REASON_GUEST_SHUTDOWN);
	CHECK_EQ(xr_why_exit(XR_WHY_POWEROFF), XR_EX_SHUTDOWN);
	CHECK_EQ(xr_why_exit(XR_WHY_REBOOT), 0);
	CHECK_EQ(xr_why_exit(XR_WHY_SUSPEND), 0);
	CHECK_EQ(xr_why_exit(XR_WHY_CRASH), XR_EX_PANIC);
	CHECK_EQ(xr_why_exit(XR_WHY_WATCHDOG), XR_EX_WATCHDOG);
	CHECK_EQ(xr_why_exit(99), XR_EX_PANIC);
	return 0;
}

TEST(no_program)
{
	struct rig r;
	struct vmm_env env;
	struct av_err err = {0};
	struct vmm_dom *dom = NULL;

	CHECK_EQ(rig_init(&r), 0);
	env = (struct vmm_env){ .event = r.event, .helper_path = r.vmrun,
		.xenrun_path = "/nonexistent/av-xenrun" };
	CHECK_EQ(vmm_open("xen", &env, &r.spec, &dom, &err), -ENOENT);
	CHECK(strstr(err.text, "avpair-xen") != NULL);
	return rig_dispose(&r, 0);
}

TESTS_MAIN(T(config_pvh), T(config_hvm), T(disk_words),
    T(spec_there_and_back), T(exit_words), T(no_program), T(xen_orphan),
    T(xen_kill_orphan), T(xen_reset), T(xen_ends), T(xen_strangers),
    T(xen_terminated), T(xen_dumped), T(xen_grown_slowly))
