/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/facts.c - this PM's facts: what runs, what is in step, who is heard
 *
 * Facts are never ordered and never stored; the peer gets them as they are.
 * Their shape is described in docs/DESIGN.md, "Facts".
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "nodeagent/agent.h"
#include "nodeagent/host.h"
#include "nodeagent/power.h"

#define IMAGES_NS	(3 * AV_NS_PER_S)
#define IMAGES_MAX	200

static json_t *
images_read(const struct agent_conf *c)
{
	json_t *list = json_array();
	char dir[300], path[600];
	struct dirent *de;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%s/images", c->state_dir);
	d = opendir(dir);
	while (d != NULL && list != NULL && (de = readdir(d)) != NULL &&
	    json_array_size(list) < IMAGES_MAX) {
		struct stat sb;

		if (de->d_name[0] == '.' || !av_utf8_ok(de->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		if (stat(path, &sb) < 0 || !S_ISREG(sb.st_mode))
			continue;
		(void)json_array_append_new(list, json_pack("{s:s,s:I}", "name",
		    de->d_name, "size_bytes", (json_int_t)sb.st_size));
	}
	if (d != NULL)
		(void)closedir(d);
	return list;
}

static json_t *
ms_since(uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns == 0 || to_ns < from_ns)
		return json_null();
	return json_integer((json_int_t)((to_ns - from_ns) / AV_NS_PER_MS));
}

static json_t *
failover_fact(const struct agent *a)
{
	const struct agent_failover *f = &a->failover;
	char utc[32];

	if (f->lost_ns == 0 || f->claimed_ns == 0)
		return json_null();
	av_clock_format_utc(f->lost_utc_ms, utc, sizeof(utc));
	return json_pack("{s:s,s:o,s:o,s:o}", "at_utc", utc, "detected_ms",
	    ms_since(f->last_sign_ns, f->lost_ns), "claimed_ms",
	    ms_since(f->last_sign_ns, f->claimed_ns), "started_ms",
	    ms_since(f->last_sign_ns, f->started_ns));
}

/* Moves the members of 'from' into 'to'; both may be NULL (no memory). */
static void
merge(json_t *to, json_t *from)
{
	(void)json_object_update(to, from);
	json_decref(from);
}

json_t *
facts_make(struct agent *a)
{
	char node[16];
	uint64_t now_ns = av_clock_ns();
	json_t *facts;

	if (a->images == NULL || now_ns - a->images_read_ns > IMAGES_NS) {
		json_decref(a->images);
		a->images = images_read(&a->conf);
		a->images_read_ns = now_ns;
	}
	(void)snprintf(node, sizeof(node), "node%d", a->conf.node);
	facts = json_pack("{s:s,s:s,s:{s:i,s:I,s:I,s:I},s:I,s:o,s:o,s:o,s:o,s:O,s:o}",
	    "node", node, "acceleration", strcmp(a->conf.driver_vmm, "xen") ==
	    0 ? "xen" : vmm_accel_name(a->accel), "agent",
	    "pid", (int)getpid(), "rss_bytes",
	    (json_int_t)host_self_rss_bytes(), "uptime_s",
	    (json_int_t)((now_ns - a->started_ns) / AV_NS_PER_S),
	    "beats_ignored", (json_int_t)order_beats_ignored(a->order), "uptime_s",
	    (json_int_t)host_uptime_s(), "vms", guests_facts(a->guests),
	    "volumes", volumes_facts(a->volumes), "ports", ports_facts(&a->ports,
	    &a->conf, now_ns),
	    "last_failover", failover_fact(a), "images", a->images,
	    "versions", json_incref(json_object_get(a->host, "versions")));
	if (facts == NULL)
		return NULL;
	(void)json_object_set(facts, "addresses",
	    json_object_get(a->host, "addresses"));
	/* only a guest on the real processors has found out what they can */
	if (a->accel == VMM_ACCEL_KVM)
		(void)json_object_set(facts, "cpu_flags",
		    json_object_get(a->host, "cpu_flags"));
	(void)json_object_set_new(facts, "watchdog",
	    watchdog_line_facts(a->watchdog));
	(void)json_object_set_new(facts, "quorum", quorum_facts(a->quorum));
	(void)json_object_set_new(facts, "split", split_facts(a));
	(void)json_object_set_new(facts, "power", power_facts(a));
	merge(facts, order_facts(a->order));
	return facts;
}
