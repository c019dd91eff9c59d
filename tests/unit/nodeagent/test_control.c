/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The agent's socket: real sockets, one thread; the test turns the loop by hand.
 */
#include <fcntl.h>
#include <sys/socket.h>

#include "base/frame.h"
#include "nodeagent/control.h"
#include "tests/unit/nodeagent/store_fixture.h"

#define CONSOLE_ACTOR "'actor':{'user':'admin','role':'administrator'," \
	"'origin':'10.77.0.1','via':'https'}"

struct world {
	struct fx	 fx;
	sd_event	*event;
	struct control	*control;
	char		 path[300];
	json_t		*facts[2];
	bool		 frozen;	/* submit() refuses */
	bool		 hold;		/* done() comes later */
	bool		 no_params;	/* done() of a refusal has no result */
	bool		 lose;		/* it is sent, but ordering gives it up */
	struct held { json_t *cmd; void (*done)(void *, int, json_t *,
	    const struct av_err *); void *arg; } held[CONTROL_PENDING_MAX + 1];
	unsigned	 n_held;
	unsigned	 n_submitted;
	unsigned	 n_takeovers;
};

static json_t *
w_facts(void *ctx, int node)
{
	return ((struct world *)ctx)->facts[node];
}

static int
w_self(void *ctx)
{
	(void)ctx;
	return 0;
}

static void
w_decide(struct world *w, json_t *cmd, void (*done)(void *, int, json_t *,
    const struct av_err *), void *arg)
{
	struct av_err err = { 0 };
	json_t *result = NULL;
	int rc;

	if (w->lose)
		rc = av_err_code(&err, -EAGAIN, "unavailable", "it was not sent");
	else
		rc = store_apply(w->fx.st, cmd, &result, &err);
	done(arg, rc, rc < 0 && w->no_params ? NULL : result, &err);
	json_decref(result);
}

static int
w_submit(void *ctx, json_t *cmd, void (*done)(void *, int, json_t *,
    const struct av_err *), void *arg, struct av_err *err)
{
	struct world *w = ctx;

	if (w->frozen)
		return av_err_code(err, -EAGAIN, "frozen",
		    "the other PM is lost: waiting for the right to run alone");
	w->n_submitted++;
	if (w->hold) {
		w->held[w->n_held++] = (struct held){ json_incref(cmd), done,
			arg };
		return 0;
	}
	w_decide(w, cmd, done, arg);
	return 0;
}

static void
w_release(struct world *w)
{
	unsigned i;

	for (i = 0; i < w->n_held; i++) {
		w_decide(w, w->held[i].cmd, w->held[i].done, w->held[i].arg);
		json_decref(w->held[i].cmd);
	}
	w->n_held = 0;
}

static int
w_vnc(void *ctx, const char *vm_id, char *ret, size_t n, struct av_err *err)
{
	(void)ctx;
	(void)err;
	(void)snprintf(ret, n, "/run/%s/vnc.sock", vm_id);
	return 0;
}

static int
w_takeover(void *ctx, const json_t *actor, struct av_err *err)
{
	(void)actor;
	(void)err;
	((struct world *)ctx)->n_takeovers++;
	return 0;
}

static int
world_open(struct world *w)
{
	struct control_ops ops = { w_facts, w_self, w_submit, w_vnc,
		w_takeover, NULL, w };
	struct av_err err = { 0 };

	*w = (struct world){ 0 };
	if (fx_open(&w->fx, "control") < 0 || sd_event_new(&w->event) < 0)
		return -1;
	w->facts[0] = fx_json("{'role':{'state':'together'},'vms':{},"
	    "'volumes':{},'images':[]}");
	w->facts[1] = fx_json("{'role':{'state':'together'}}");
	(void)snprintf(w->path, sizeof(w->path), "%s/s", w->fx.dir);
	return control_open(w->event, w->path, 0660, (gid_t)-1, w->fx.st, &ops,
	    "b", &w->control, &err);
}

static void
world_close(struct world *w)
{
	w->control = control_close(w->control);
	sd_event_unref(w->event);
	json_decref(w->facts[0]);
	json_decref(w->facts[1]);
	fx_close(&w->fx);
}

/* Turns the loop until it has nothing to do. */
static void
pump(struct world *w)
{
	while (sd_event_run(w->event, 0) > 0)
		;
}

static int
join(struct world *w)
{
	int fd = av_unix_connect(w->path);

	pump(w);
	return fd;
}

/* One answer; NULL = none is there. */
static json_t *
answer(struct world *w, struct av_frame_reader *fr, int fd)
{
	json_t *msg = NULL;
	char buf[65536];
	ssize_t r;

	pump(w);
	while (av_frame_next(fr, &msg) == -EAGAIN) {
		r = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (r <= 0 || av_frame_feed(fr, buf, (size_t)r) < 0)
			return NULL;
		pump(w);
	}
	return msg;
}

static int
say(int fd, const char *text)
{
	json_t *msg = fx_json(text);
	int rc = av_frame_send(fd, msg);

	json_decref(msg);
	return rc;
}

/* Asks and gives the answer's error code, "" = ok. */
static const char *
ask(struct world *w, int fd, const char *op, const char *args,
    const char *actor, json_t **ret)
{
	static struct av_frame_reader fr;
	static char code[64];
	char text[2000];
	json_t *msg;

	(void)snprintf(text, sizeof(text), "{'id':7,'op':'%s','args':%s,%s}",
	    op, args, actor);
	if (say(fd, text) < 0)
		return "not sent";
	msg = answer(w, &fr, fd);
	av_frame_reader_dispose(&fr);
	if (msg == NULL)
		return "no answer";
	if (json_integer_value(json_object_get(msg, "id")) != 7)
		return "another id";
	(void)snprintf(code, sizeof(code), "%s", json_is_true(
	    json_object_get(msg, "ok")) ? "" :
	    fx_text(json_object_get(msg, "error"), "code"));
	if (ret != NULL)
		*ret = json_incref(json_object_get(msg,
		    code[0] == '\0' ? "result" : "error"));
	json_decref(msg);
	return code;
}

TEST(reads_changes_and_refusals)
{
	struct world w;
	json_t *r;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	CHECK(fd >= 0);
	CHECK_STR(ask(&w, fd, "unit.info", "{}", CONSOLE_ACTOR, &r), "");
	CHECK_STR(fx_text(r, "name"), "unit");
	json_decref(r);
	CHECK_STR(ask(&w, fd, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800,'volumes':[{'size_bytes':1048576}]}",
	    CONSOLE_ACTOR, &r), "");
	CHECK_STR(fx_text(r, "id"), "vm:o6");
	json_decref(r);
	CHECK_STR(ask(&w, fd, "vm.list", "{}", CONSOLE_ACTOR, &r), "");
	CHECK_EQ(json_array_size(r), 1);
	json_decref(r);
	CHECK_STR(ask(&w, fd, "vm.start", "{'vm':'nobody'}", CONSOLE_ACTOR, &r),
	    "not-found");
	CHECK_STR(fx_text(r, "text"), "there is no VM 'nobody'");
	CHECK_STR(fx_text(r, "outcome"), "not-done");
	CHECK_STR(fx_text(json_object_get(r, "params"), "name"), "nobody");
	json_decref(r);
	CHECK_STR(ask(&w, fd, "vm.fly", "{}", CONSOLE_ACTOR, NULL),
	    "bad-request");
	CHECK_STR(ask(&w, fd, "unit.info", "[]", CONSOLE_ACTOR, NULL),
	    "bad-request");
	CHECK_STR(ask(&w, fd, "unit.info", "{}", "'x':1," CONSOLE_ACTOR, NULL),
	    "bad-request");
	CHECK_STR(ask(&w, fd, "unit.info", "{}", "'actor':{}", NULL),
	    "bad-request");
	CHECK_STR(ask(&w, fd, "unit.primary", "{'node':'node1'}",
	    "'actor':{'user':'x','role':'system'}", NULL), "forbidden");
	CHECK_STR(ask(&w, fd, "unit.primary", "{'node':'node1'}",
	    CONSOLE_ACTOR, NULL), "forbidden");
	close(fd);
	world_close(&w);
	return 0;
}

TEST(a_dry_run_is_not_ordered)
{
	struct world w;
	unsigned n;
	json_t *r;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	n = w.n_submitted;
	CHECK_STR(ask(&w, fd, "vm.create", "{'name':'web','vcpus':1,"
	    "'memory_bytes':314572800,'dry_run':true,"
	    "'volumes':[{'size_bytes':1048576}]}", CONSOLE_ACTOR, &r), "");
	CHECK_STR(fx_text(r, "name"), "web");
	json_decref(r);
	CHECK_STR(ask(&w, fd, "vm.start", "{'vm':'x','dry_run':true}",
	    CONSOLE_ACTOR, NULL), "not-found");
	CHECK_EQ(w.n_submitted, n);
	close(fd);
	world_close(&w);
	return 0;
}

static int
audit_has(struct world *w, const char *action, const char *result,
    const char *detail)
{
	json_t *list = view_audit(w->fx.st, 100, 0), *line;
	int found = 0;
	size_t i;

	json_array_foreach(list, i, line)
		found += strcmp(fx_text(line, "action"), action) == 0 &&
		    strcmp(fx_text(line, "result"), result) == 0 &&
		    strstr(fx_text(line, "detail"), detail) != NULL &&
		    strcmp(fx_text(line, "user"), "admin") == 0 &&
		    strcmp(fx_text(line, "role"), "administrator") == 0;
	json_decref(list);
	return found;
}

TEST(what_could_not_be_ordered_is_recorded_later)
{
	struct world w;
	json_t *r;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	w.frozen = true;
	CHECK_STR(ask(&w, fd, "vm.start", "{'vm':'web'}", CONSOLE_ACTOR, &r),
	    "frozen");
	CHECK_STR(fx_text(r, "outcome"), "not-done");
	json_decref(r);
	CHECK_STR(ask(&w, fd, "vm.start", "{'bad':1}", CONSOLE_ACTOR, NULL),
	    "bad-argument");
	/* reading goes on */
	CHECK_STR(ask(&w, fd, "vm.list", "{}", CONSOLE_ACTOR, NULL), "");
	control_ordering_works(w.control);	/* it doesn't */
	CHECK_EQ(audit_has(&w, "vm.start", "refused", ""), 0);
	w.frozen = false;
	control_ordering_works(w.control);
	CHECK_EQ(audit_has(&w, "vm.start", "refused", "the right to run alone"),
	    1);
	CHECK_EQ(audit_has(&w, "vm.start", "refused", "'bad'"), 1);
	control_ordering_works(w.control);
	CHECK_EQ(audit_has(&w, "vm.start", "refused", ""), 2);
	/* bad arguments are recorded at once when that works */
	CHECK_STR(ask(&w, fd, "vm.delete", "{}", CONSOLE_ACTOR, NULL),
	    "bad-argument");
	CHECK_EQ(audit_has(&w, "vm.delete", "refused", "'vm' is missing"), 1);
	/* what the database refuses is recorded there, once */
	CHECK_STR(ask(&w, fd, "vm.rename", "{'vm':'x','name':'y'}",
	    CONSOLE_ACTOR, NULL), "not-found");
	CHECK_EQ(audit_has(&w, "vm.rename", "refused", ""), 1);
	close(fd);
	world_close(&w);
	return 0;
}

TEST(a_refusal_that_comes_without_params)
{
	struct world w;
	json_t *r;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	w.no_params = true;
	CHECK_STR(ask(&w, fd, "vm.rename", "{'vm':'x','name':'y'}",
	    CONSOLE_ACTOR, &r), "not-found");
	CHECK_STR(fx_text(json_object_get(r, "params"), "name"), "x");
	json_decref(r);
	control_ordering_works(w.control);
	CHECK_EQ(audit_has(&w, "vm.rename", "refused", ""), 1);
	/* given up by the ordering: recorded as soon as that works */
	w.lose = true;
	CHECK_STR(ask(&w, fd, "vm.create", "{'name':'y','vcpus':1,"
	    "'memory_bytes':314572800,'volumes':[{'size_bytes':1048576}]}",
	    CONSOLE_ACTOR, NULL), "unavailable");
	w.lose = false;
	CHECK_EQ(audit_has(&w, "vm.create", "refused", ""), 0);
	control_ordering_works(w.control);
	CHECK_EQ(audit_has(&w, "vm.create", "refused", "it was not sent"), 1);
	close(fd);
	world_close(&w);
	return 0;
}

TEST(takeover_needs_an_administrator_who_means_it)
{
	struct world w;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	CHECK_STR(ask(&w, fd, "unit.takeover", "{'confirm':true}",
	    "'actor':{'user':'x','role':'platform-manager'}", NULL),
	    "forbidden");
	CHECK_STR(ask(&w, fd, "unit.takeover", "{'confirm':false}",
	    CONSOLE_ACTOR, NULL), "bad-argument");
	CHECK_STR(ask(&w, fd, "unit.takeover", "{}", CONSOLE_ACTOR, NULL),
	    "bad-argument");
	CHECK_EQ(w.n_takeovers, 0);
	CHECK_STR(ask(&w, fd, "unit.takeover", "{'confirm':true}",
	    CONSOLE_ACTOR, NULL), "");
	CHECK_EQ(w.n_takeovers, 1);
	CHECK_EQ(audit_has(&w, "unit.takeover", "started", ""), 1);
	close(fd);
	world_close(&w);
	return 0;
}

TEST(screens)
{
	struct world w;
	char vm[32];
	json_t *r;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	CHECK_EQ(fx_vm(&w.fx, "web", 300, vm), 0);
	CHECK_STR(ask(&w, fd, "vm.vnc", "{'vm':'web'}", CONSOLE_ACTOR, NULL),
	    "wrong-state");
	CHECK_STR(ask(&w, fd, "vm.vnc", "{'vm':'web'}",
	    "'actor':{'user':'x','role':'read-only'}", NULL), "forbidden");
	CHECK_STR(fx_vm_do(&w.fx, "vm.start", "web"), "");	/* on node0 */
	CHECK_STR(ask(&w, fd, "vm.vnc", "{'vm':'web'}", CONSOLE_ACTOR, &r), "");
	CHECK_STR(fx_text(r, "path"), "/run/vm:o6/vnc.sock");
	CHECK_STR(fx_text(r, "node"), "node0");
	json_decref(r);
	CHECK_EQ(fx_system(&w.fx, "vm.takeover",
	    "{'from':'node0','to':'node1'}"), 0);
	(void)json_object_set_new(w.facts[1], "vms", fx_json("{'vm:o6':"
	    "{'activity':'running','run_id':2}}"));
	CHECK_STR(ask(&w, fd, "vm.vnc", "{'vm':'web'}", CONSOLE_ACTOR, &r), "");
	CHECK(json_is_null(json_object_get(r, "path")));
	CHECK_STR(fx_text(r, "node"), "node1");
	json_decref(r);
	close(fd);
	world_close(&w);
	return 0;
}

TEST(events_are_coalesced)
{
	struct av_frame_reader fr = { 0 };
	struct world w;
	json_t *msg, *ev;
	int fd, other;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	other = join(&w);
	CHECK_STR(ask(&w, fd, "event.subscribe", "{'x':1}", CONSOLE_ACTOR,
	    NULL), "bad-argument");
	CHECK_STR(ask(&w, fd, "event.subscribe", "{}", CONSOLE_ACTOR, NULL),
	    "");
	control_changed(w.control, "vm:o6");
	control_changed(w.control, "unit:o1");
	control_changed(w.control, "vm:o6");
	msg = answer(&w, &fr, fd);
	ev = json_object_get(msg, "event");
	CHECK_STR(fx_text(ev, "type"), "changed");
	CHECK_EQ(json_array_size(json_object_get(ev, "objects")), 2);
	json_decref(msg);
	CHECK(answer(&w, &fr, fd) == NULL);
	control_changed(w.control, NULL);
	msg = answer(&w, &fr, fd);
	CHECK_EQ(json_array_size(json_object_get(json_object_get(msg, "event"),
	    "objects")), 9);
	json_decref(msg);
	av_frame_reader_dispose(&fr);
	CHECK(answer(&w, &fr, other) == NULL);	/* it didn't ask for events */
	av_frame_reader_dispose(&fr);
	control_changed(NULL, "vm:o6");		/* before it is open */
	close(fd);
	close(other);
	world_close(&w);
	return 0;
}

TEST(a_frame_may_come_in_pieces)
{
	struct av_frame_reader fr = { 0 };
	json_t *msg = fx_json("{'id':1,'op':'unit.info'," CONSOLE_ACTOR "}");
	struct world w;
	uint8_t *buf;
	size_t n, i;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	CHECK_EQ(av_frame_encode(msg, &buf, &n), 0);
	json_decref(msg);
	for (i = 0; i < n; i++) {
		CHECK(answer(&w, &fr, fd) == NULL);
		CHECK_EQ(write(fd, buf + i, 1), 1);
	}
	msg = answer(&w, &fr, fd);
	CHECK(json_is_true(json_object_get(msg, "ok")));
	json_decref(msg);
	free(buf);
	av_frame_reader_dispose(&fr);
	close(fd);
	world_close(&w);
	return 0;
}

/* Is the connection ended by the other side? */
static int
dropped(struct world *w, int fd)
{
	char c;
	ssize_t r;

	pump(w);
	do
		r = recv(fd, &c, 1, MSG_DONTWAIT);
	while (r > 0);
	return r == 0 || errno == ECONNRESET;
}

TEST(garbage_drops_its_sender_alone)
{
	static const struct { const char *bytes; size_t n; } garbage[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18 },	/* a length of 542 MB */
		{ "\xff\xff\xff\xff", 4 },
		{ "\x02\x00\x00\x00[]", 6 },
		{ "\x03\x00\x00\x00{\"}", 7 },
		{ "\x00\x00\x00\x00", 4 },
		{ "\x01\x00\x20\x00", 4 },		/* 2 MiB and a byte */
	};
	struct world w;
	size_t i;
	int good, bad;

	CHECK_EQ(world_open(&w), 0);
	good = join(&w);
	for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		bad = join(&w);
		CHECK_EQ(write(bad, garbage[i].bytes, garbage[i].n),
		    garbage[i].n);
		CHECK(dropped(&w, bad));
		close(bad);
		CHECK_STR(ask(&w, good, "unit.info", "{}", CONSOLE_ACTOR, NULL),
		    "");
	}
	close(good);
	world_close(&w);
	return 0;
}

TEST(a_request_cut_off_is_harmless)
{
	json_t *msg = fx_json("{'id':1,'op':'vm.start','args':{'vm':'web'},"
	    CONSOLE_ACTOR "}");
	struct world w;
	uint8_t *buf;
	unsigned before;
	size_t n, cut;
	char vm[32];
	int fd;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(fx_vm(&w.fx, "web", 300, vm), 0);
	CHECK_EQ(av_frame_encode(msg, &buf, &n), 0);
	json_decref(msg);
	before = w.n_submitted;
	for (cut = 0; cut < n; cut++) {
		fd = join(&w);
		CHECK_EQ(write(fd, buf, cut), cut);
		close(fd);
		pump(&w);
	}
	CHECK_EQ(w.n_submitted, before);
	free(buf);
	world_close(&w);
	return 0;
}

TEST(a_client_that_goes_away_does_not_stop_its_command)
{
	struct store_vm row;
	struct world w;
	char vm[32];
	int fd;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(fx_vm(&w.fx, "web", 300, vm), 0);
	fd = join(&w);
	w.hold = true;
	CHECK_EQ(say(fd, "{'id':1,'op':'vm.start','args':{'vm':'web'},"
	    CONSOLE_ACTOR "}"), 0);
	pump(&w);
	CHECK_EQ(w.n_held, 1);
	close(fd);
	pump(&w);
	w_release(&w);
	pump(&w);
	CHECK_EQ(store_get_vm(w.fx.st, vm, &row), 0);
	CHECK_EQ(row.want, STORE_WANT_RUNNING);
	world_close(&w);
	return 0;
}

TEST(an_answer_after_the_server_was_closed)
{
	struct world w;
	int fd;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	w.hold = true;
	CHECK_EQ(say(fd, "{'id':1,'op':'vm.start','args':{'vm':'web'},"
	    CONSOLE_ACTOR "}"), 0);
	pump(&w);
	CHECK_EQ(w.n_held, 1);
	w.control = control_close(w.control);
	w_release(&w);
	CHECK(access(w.path, F_OK) < 0);
	close(fd);
	world_close(&w);
	return 0;
}

TEST(unanswered_requests_have_a_limit)
{
	struct av_frame_reader fr = { 0 };
	struct world w;
	json_t *msg;
	char text[400];
	int fd, i, n_busy = 0, n_ok = 0;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	w.hold = true;
	for (i = 0; i < CONTROL_PENDING_MAX + 5; i++) {
		(void)snprintf(text, sizeof(text), "{'id':%d,'op':'vm.start',"
		    "'args':{'vm':'web'}," CONSOLE_ACTOR "}", i);
		CHECK_EQ(say(fd, text), 0);
		pump(&w);
	}
	CHECK_EQ(w.n_held, CONTROL_PENDING_MAX);
	w.hold = false;
	w_release(&w);
	while ((msg = answer(&w, &fr, fd)) != NULL) {
		const char *code = fx_text(json_object_get(msg, "error"),
		    "code");

		n_busy += strcmp(code, "busy") == 0;
		n_ok += strcmp(code, "not-found") == 0;
		json_decref(msg);
	}
	CHECK_EQ(n_busy, 5);
	CHECK_EQ(n_ok, CONTROL_PENDING_MAX);
	av_frame_reader_dispose(&fr);
	close(fd);
	world_close(&w);
	return 0;
}

TEST(a_reader_that_never_reads)
{
	json_t *msg = fx_json("{'id':1,'op':'vm.list'," CONSOLE_ACTOR "}");
	struct world w;
	char vm[32];
	uint8_t *buf;
	size_t n;
	int fd, good, i, stuck = 0;

	CHECK_EQ(world_open(&w), 0);
	CHECK_EQ(fx_vm(&w.fx, "web", 300, vm), 0);
	fd = join(&w);
	good = join(&w);
	CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(av_frame_encode(msg, &buf, &n), 0);
	json_decref(msg);
	/* asks and asks: the server stops reading, memory stays bounded */
	for (i = 0; i < 60000 && !stuck; i++) {
		ssize_t r = write(fd, buf, n);

		stuck = r < 0 && errno == EAGAIN;
		if (i % 64 == 0 || stuck)
			pump(&w);
		if (stuck) {	/* really, or was the loop just behind? */
			r = write(fd, buf, n);
			stuck = r < 0 && errno == EAGAIN;
		}
	}
	CHECK(stuck);
	CHECK_STR(ask(&w, good, "unit.info", "{}", CONSOLE_ACTOR, NULL), "");
	free(buf);
	close(fd);
	close(good);
	world_close(&w);
	return 0;
}

TEST(a_subscriber_that_never_reads_is_dropped)
{
	char id[64];
	struct world w;
	int fd, good, i, j;

	CHECK_EQ(world_open(&w), 0);
	fd = join(&w);
	good = join(&w);
	CHECK_STR(ask(&w, fd, "event.subscribe", "{}", CONSOLE_ACTOR, NULL),
	    "");
	for (i = 0; i < 400; i++) {
		for (j = 0; j < 1000; j++) {
			(void)snprintf(id, sizeof(id), "volume:%050d", j);
			control_changed(w.control, id);
		}
		pump(&w);
	}
	CHECK(dropped(&w, fd));
	CHECK_STR(ask(&w, good, "unit.info", "{}", CONSOLE_ACTOR, NULL), "");
	close(fd);
	close(good);
	world_close(&w);
	return 0;
}

TEST(many_clients)
{
	int fds[CONTROL_CLIENTS_MAX + 1], i;
	struct world w;

	CHECK_EQ(world_open(&w), 0);
	for (i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fds[i] = join(&w);
		CHECK(fds[i] >= 0);
	}
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		CHECK_STR(ask(&w, fds[i], "unit.info", "{}", CONSOLE_ACTOR,
		    NULL), "");
	CHECK(dropped(&w, fds[CONTROL_CLIENTS_MAX]));
	close(fds[CONTROL_CLIENTS_MAX]);
	close(fds[3]);
	pump(&w);
	fds[3] = join(&w);
	CHECK_STR(ask(&w, fds[3], "unit.info", "{}", CONSOLE_ACTOR, NULL), "");
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	world_close(&w);
	return 0;
}

TEST(random_bytes)
{
	unsigned seed = 7;
	struct world w;
	uint8_t buf[200];
	int round, fd;
	size_t i, n;

	CHECK_EQ(world_open(&w), 0);
	for (round = 0; round < 300; round++) {
		fd = join(&w);
		n = sizeof(buf);
		for (i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			buf[i] = (uint8_t)(seed >> 16);
		}
		if (round & 1)		/* a length that could be */
			memcpy(buf, "\x20\x00\x00\x00{\"id\":1,\"op\":", 16);
		CHECK_EQ(write(fd, buf, n), n);
		pump(&w);
		close(fd);
		pump(&w);
	}
	fd = join(&w);
	CHECK_STR(ask(&w, fd, "unit.info", "{}", CONSOLE_ACTOR, NULL), "");
	close(fd);
	world_close(&w);
	return 0;
}

TESTS_MAIN(T(reads_changes_and_refusals), T(a_dry_run_is_not_ordered),
    T(what_could_not_be_ordered_is_recorded_later),
    T(a_refusal_that_comes_without_params),
    T(takeover_needs_an_administrator_who_means_it), T(screens),
    T(events_are_coalesced), T(a_frame_may_come_in_pieces),
    T(garbage_drops_its_sender_alone), T(a_request_cut_off_is_harmless),
    T(a_client_that_goes_away_does_not_stop_its_command),
    T(an_answer_after_the_server_was_closed),
    T(unanswered_requests_have_a_limit), T(a_reader_that_never_reads),
    T(a_subscriber_that_never_reads_is_dropped), T(many_clients),
    T(random_bytes))
