/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/conf.c - what /etc/avpair/avnoded.conf says
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/str.h"
#include "nodeagent/conf.h"
#include "nodeagent/core/mtbf.h"
#include "vif/vif.h"

static int
set_text(char **dst, const char *value, struct av_err *err)
{
	if (*value == '\0')
		return av_err_set(err, -EINVAL, "the value is empty");
	*dst = strdup(value);
	return *dst == NULL ? av_err_set(err, -ENOMEM, "no memory") : 0;
}

static int
set_number(uint64_t *dst, const char *value, uint64_t min, uint64_t max,
    struct av_err *err)
{
	if (av_parse_u64(value, dst) < 0 || *dst < min || *dst > max)
		return av_err_set(err, -EINVAL,
		    "'%s' is not a number from %llu to %llu", value,
		    (unsigned long long)min, (unsigned long long)max);
	return 0;
}

static int
set_port(uint16_t *dst, const char *value, struct av_err *err)
{
	uint64_t v;
	int rc = set_number(&v, value, 1, 65535, err);

	if (rc == 0)
		*dst = (uint16_t)v;
	return rc;
}

static int
set_size(uint64_t *dst, const char *value, struct av_err *err)
{
	if (av_parse_size(value, dst) < 0)
		return av_err_set(err, -EINVAL,
		    "'%s' is not a size such as 8G or 512M", value);
	return 0;
}

static int
set_address(char *dst, size_t n, const char *value, struct av_err *err)
{
	uint8_t addr[16];

	if (inet_pton(AF_INET, value, addr) != 1 &&
	    inet_pton(AF_INET6, value, addr) != 1)
		return av_err_set(err, -EINVAL, "'%s' is not an IP address",
		    value);
	(void)snprintf(dst, n, "%s", value);
	return 0;
}

/* Calls 'each' for every blank-separated word. */
static int
each_word(const char *value, int (*each)(struct agent_conf *, const char *,
    struct av_err *), struct agent_conf *c, struct av_err *err)
{
	AUTO_FREE char *copy = strdup(value);
	char *word, *rest = NULL;

	if (copy == NULL)
		return av_err_set(err, -ENOMEM, "no memory");
	for (word = strtok_r(copy, " \t", &rest); word != NULL;
	    word = strtok_r(NULL, " \t", &rest)) {
		int rc = each(c, word, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
add_link(struct agent_conf *c, const char *word, struct av_err *err)
{
	AUTO_FREE char *copy = strdup(word);
	char *eq = copy == NULL ? NULL : strchr(copy, '=');
	struct conf_link *l = &c->links[c->n_links];
	int rc;

	if (eq == NULL)
		return av_err_set(err, -EINVAL, "'%s' is not LOCAL=PEER", word);
	if (c->n_links == CONF_LINKS_MAX)
		return av_err_set(err, -E2BIG, "more than %d links",
		    CONF_LINKS_MAX);
	*eq = '\0';
	rc = set_address(l->local, sizeof(l->local), copy, err);
	if (rc == 0)
		rc = set_address(l->peer, sizeof(l->peer), eq + 1, err);
	if (rc == 0)
		c->n_links++;
	return rc;
}

static int
add_peer(struct agent_conf *c, const char *word, struct av_err *err)
{
	if (c->n_mirror_peers == CONF_PEERS_MAX)
		return av_err_set(err, -E2BIG, "more than %d peer addresses",
		    CONF_PEERS_MAX);
	return set_address(c->mirror_peers[c->n_mirror_peers++],
	    sizeof(c->mirror_peers[0]), word, err);
}

static int
add_network(struct agent_conf *c, const char *word, struct av_err *err)
{
	if (!vif_name_ok(word))
		return av_err_set(err, -EINVAL, "'%s' is not an interface name",
		    word);
	if (c->n_networks == CONF_NETWORKS_MAX)
		return av_err_set(err, -E2BIG, "more than %d networks",
		    CONF_NETWORKS_MAX);
	(void)snprintf(c->networks[c->n_networks++], sizeof(c->networks[0]),
	    "%s", word);
	return 0;
}

#define SETTER(name)	static int \
	set_##name(void *ctx, const char *value, struct av_err *err)
#define CONF		((struct agent_conf *)ctx)
#define TEXT_SETTER(name)	SETTER(name) { \
	return set_text(&CONF->name, value, err); }

TEXT_SETTER(state_dir)
TEXT_SETTER(run_dir)
TEXT_SETTER(log_dir)
TEXT_SETTER(key_file)
TEXT_SETTER(psk_file)
TEXT_SETTER(mirror_listen)
TEXT_SETTER(arbiter_url)
TEXT_SETTER(arbiter_cert_dir)
TEXT_SETTER(unit_address)
TEXT_SETTER(plugin)
TEXT_SETTER(nbdkit)
TEXT_SETTER(qemu)
TEXT_SETTER(vmrun)
TEXT_SETTER(initial_admin_file)
SETTER(heartbeat_port) { return set_port(&CONF->heartbeat_port, value, err); }
SETTER(watchdog_port) { return set_port(&CONF->watchdog_port, value, err); }
SETTER(mirror_port_base) { return set_port(&CONF->mirror_port_base, value, err); }
SETTER(heartbeat) { return each_word(value, add_link, CONF, err); }
SETTER(mirror_peers) { return each_word(value, add_peer, CONF, err); }
SETTER(networks) { return each_word(value, add_network, CONF, err); }
SETTER(memory_bytes) { return set_size(&CONF->memory_bytes, value, err); }
SETTER(storage_bytes) { return set_size(&CONF->storage_bytes, value, err); }

SETTER(watchdog)
{
	if (strcmp(value, "auto") != 0 && strcmp(value, "none") != 0 &&
	    strncmp(value, "/dev/", 5) != 0 &&
	    strncmp(value, "stand-in:/", 10) != 0)
		return av_err_set(err, -EINVAL, "'%s' is no watchdog; there are "
		    "'auto', 'none', '/dev/NAME' and 'stand-in:/PATH'", value);
	return set_text(&CONF->watchdog, value, err);
}

SETTER(mtbf_policy)
{
	enum mtbf_policy p;

	if (mtbf_policy_parse(value, &p) < 0)
		return av_err_set(err, -EINVAL, "'%s' is no policy; there are "
		    "'threshold', 'always' and 'never'", value);
	return set_text(&CONF->mtbf_policy, value, err);
}

SETTER(node)
{
	uint64_t v;
	int rc = set_number(&v, value, 0, 1, err);

	CONF->node = (int)v;
	return rc;
}

SETTER(cpus)
{
	uint64_t v;
	int rc = set_number(&v, value, 1, 4096, err);

	CONF->cpus = (unsigned)v;
	return rc;
}

SETTER(socket_gid)
{
	uint64_t v;
	int rc = set_number(&v, value, 0, 0x7fffffff, err);

	CONF->socket_gid = (int)v;
	return rc;
}

SETTER(time_scale)
{
	char *end;

	CONF->time_scale = strtod(value, &end);
	if (*end != '\0' || end == value || !(CONF->time_scale >= 0.5) ||
	    !(CONF->time_scale <= 20))
		return av_err_set(err, -EINVAL,
		    "'%s' is not a number from 0.5 to 20", value);
	return 0;
}

SETTER(unit_uuid)
{
	uint8_t bytes[16];
	char hex[33];
	size_t i, n = 0;

	for (i = 0; value[i] != '\0' && n < 32; i++)
		if (value[i] != '-')
			hex[n++] = value[i];
	hex[n] = '\0';
	if (strlen(value) != 36 || av_hex_decode(hex, bytes, 16) < 0)
		return av_err_set(err, -EINVAL, "'%s' is not a UUID", value);
	(void)snprintf(CONF->unit_uuid, sizeof(CONF->unit_uuid), "%s", value);
	return 0;
}

SETTER(unit_name)
{
	AUTO_FREE char *nfc = NULL;
	int rc = av_name_normalize(value, &nfc, err);

	if (rc == 0)
		(void)snprintf(CONF->unit_name, sizeof(CONF->unit_name), "%s",
		    nfc);
	return rc;
}

SETTER(arbiter)
{
	if (strcmp(value, "none") != 0 && strcmp(value, "etcd") != 0 &&
	    strcmp(value, "ping") != 0)
		return av_err_set(err, -EINVAL, "'%s' is not an arbiter; "
		    "there are 'etcd', 'ping' (weak) and 'none'", value);
	return set_text(&CONF->arbiter, value, err);
}

static int
set_driver(char **dst, const char *value, const char *real, struct av_err *err)
{
	if (strcmp(value, real) != 0 && strcmp(value, "sim") != 0)
		return av_err_set(err, -EINVAL, "'%s' is not a driver", value);
	return set_text(dst, value, err);
}

SETTER(storage_dir)
{
	if (*value != '/' || strlen(value) > CONF_STORAGE_MAX)
		return av_err_set(err, -EINVAL, "'%s' isn't an absolute path "
		    "of at most %d bytes", value, CONF_STORAGE_MAX);
	return set_text(&CONF->storage_dir, value, err);
}

SETTER(driver_vmm)
{
	return set_driver(&CONF->driver_vmm, value,
	    strcmp(value, "xen") == 0 ? "xen" : "qemu", err);
}

SETTER(driver_mirror)
{
	if (strcmp(value, "drbd") == 0)
		return set_text(&CONF->driver_mirror, value, err);
	return set_driver(&CONF->driver_mirror, value, "replica", err);
}

TEXT_SETTER(drbd_vg)

SETTER(drbd_handler)
{
	if (*value != '/')
		return av_err_set(err, -EINVAL, "'%s' is not a path", value);
	return set_text(&CONF->drbd_handler, value, err);
}

SETTER(power_program)
{
	if (*value != '/')
		return av_err_set(err, -EINVAL, "'%s' is not a path", value);
	return set_text(&CONF->power_program, value, err);
}

SETTER(drbd_unencrypted_ok)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return av_err_set(err, -EINVAL, "'%s' is neither 'yes' nor "
		    "'no'", value);
	CONF->drbd_unencrypted_ok = *value == 'y';
	return 0;
}

SETTER(unit_interface)
{
	if (!vif_name_ok(value))
		return av_err_set(err, -EINVAL, "'%s' is not an interface name",
		    value);
	return set_text(&CONF->unit_interface, value, err);
}

#define KEY(name, must)	{ #name, set_##name, must }
static const struct av_conf_key conf_keys[] = {
	KEY(node, true), KEY(unit_uuid, true), KEY(unit_name, true),
	KEY(state_dir, false), KEY(storage_dir, false), KEY(run_dir, false), KEY(log_dir, false),
	KEY(key_file, false), KEY(psk_file, false), KEY(heartbeat, true),
	KEY(heartbeat_port, false), KEY(watchdog_port, false),
	KEY(watchdog, false), KEY(mirror_listen, false),
	KEY(mirror_peers, true), KEY(mirror_port_base, false),
	KEY(arbiter, true), KEY(arbiter_url, false),
	KEY(arbiter_cert_dir, false), KEY(unit_address, false),
	KEY(unit_interface, false), KEY(networks, false), KEY(cpus, false),
	KEY(memory_bytes, false), KEY(storage_bytes, false),
	KEY(plugin, false), KEY(nbdkit, false), KEY(qemu, false),
	KEY(vmrun, false), KEY(driver_vmm, false), KEY(driver_mirror, false),
	KEY(drbd_vg, false), KEY(drbd_handler, false),
	KEY(drbd_unencrypted_ok, false), KEY(power_program, false),
	KEY(initial_admin_file, false), KEY(time_scale, false),
	KEY(socket_gid, false), KEY(mtbf_policy, false),
};

static int
default_text(char **dst, const char *value)
{
	if (*dst != NULL)
		return 0;
	*dst = strdup(value);
	return *dst == NULL ? -ENOMEM : 0;
}

static int
set_defaults(struct agent_conf *c)
{
	int rc = 0;

	rc |= default_text(&c->state_dir, "/var/lib/avpair");
	rc |= default_text(&c->run_dir, "/run/avpair");
	rc |= default_text(&c->log_dir, "/var/log/avpair");
	rc |= default_text(&c->key_file, "/etc/avpair/unit.key");
	rc |= default_text(&c->psk_file, "/etc/avpair/mirror.psk");
	rc |= default_text(&c->watchdog, "auto");
	rc |= default_text(&c->mirror_listen, "0.0.0.0");
	rc |= default_text(&c->plugin,
	    AV_PLUGIN_DIR "/nbdkit-avreplica-plugin.so");
	rc |= default_text(&c->nbdkit, "/usr/bin/nbdkit");
	rc |= default_text(&c->qemu, "/usr/bin/qemu-system-x86_64");
	rc |= default_text(&c->power_program, "/usr/bin/systemctl");
	rc |= default_text(&c->driver_vmm, "qemu");
	rc |= default_text(&c->driver_mirror, "replica");
	return rc == 0 ? 0 : -ENOMEM;
}

/* What volumes would all be refused for is said at the start. */
static int
check_drbd(const struct agent_conf *c, const char *path, struct av_err *err)
{
	uint8_t zero[16] = { 0 }, addr[16];

	if (c->drbd_vg == NULL)
		return av_err_set(err, -EINVAL, "%s: driver_mirror drbd needs "
		    "drbd_vg, the volume group of the legs", path);
	if (!c->drbd_unencrypted_ok)
		return av_err_set(err, -EINVAL, "%s: DRBD 8.4 can't encrypt: "
		    "guests' data would cross the private cable in clear text; "
		    "'drbd_unencrypted_ok = yes' allows that, 'driver_mirror ="
		    " replica' avoids it", path);
	if ((inet_pton(AF_INET, c->mirror_listen, addr) == 1 &&
	    memcmp(addr, zero, 4) == 0) ||
	    (inet_pton(AF_INET6, c->mirror_listen, addr) == 1 &&
	    memcmp(addr, zero, 16) == 0))
		return av_err_set(err, -EINVAL, "%s: driver_mirror drbd needs "
		    "this PM's own address as mirror_listen", path);
	return 0;
}

static int
check_together(const struct agent_conf *c, const char *path, struct av_err *err)
{
	if (strcmp(c->driver_mirror, "drbd") == 0) {
		int rc = check_drbd(c, path, err);

		if (rc < 0)
			return rc;
	}
	if (strcmp(c->arbiter, "none") != 0 && c->arbiter_url == NULL)
		return av_err_set(err, -EINVAL,
		    "%s: arbiter %s needs arbiter_url", path, c->arbiter);
	if (c->unit_address != NULL && c->unit_interface == NULL)
		return av_err_set(err, -EINVAL,
		    "%s: unit_address needs unit_interface", path);
	if (c->n_links == 0)
		return av_err_set(err, -EINVAL, "%s: heartbeat names no link",
		    path);
	return 0;
}

/* The console's group is the packages'; without it agent.sock is root's alone. */
static int
console_gid(void)
{
	char buf[1024];
	struct group g, *found = NULL;

	if (getgrnam_r("avpair-console", &g, buf, sizeof(buf), &found) != 0 ||
	    found == NULL || found->gr_gid > 0x7fffffff)
		return -1;
	return (int)found->gr_gid;
}

int
conf_load(const char *path, struct agent_conf *ret, struct av_err *err)
{
	int rc;

	ret->heartbeat_port = 7701;
	ret->watchdog_port = 7703;
	ret->mirror_port_base = 7800;
	ret->time_scale = 1;
	ret->socket_gid = console_gid();
	rc = av_conf_load(path, conf_keys, ARRAY_SIZE(conf_keys), ret, err);
	if (rc == 0 && set_defaults(ret) < 0)
		rc = av_err_set(err, -ENOMEM, "%s: no memory", path);
	if (rc == 0)
		rc = check_together(ret, path, err);
	return rc;
}

void
conf_dispose(struct agent_conf *c)
{
	char **texts[] = { &c->state_dir, &c->storage_dir, &c->run_dir, &c->log_dir,
	    &c->key_file, &c->psk_file, &c->mirror_listen, &c->arbiter,
	    &c->arbiter_url, &c->arbiter_cert_dir, &c->unit_address,
	    &c->unit_interface, &c->plugin, &c->nbdkit, &c->qemu, &c->vmrun,
	    &c->driver_vmm, &c->driver_mirror, &c->drbd_vg,
	    &c->drbd_handler, &c->power_program, &c->watchdog,
	    &c->mtbf_policy, &c->initial_admin_file };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
}
