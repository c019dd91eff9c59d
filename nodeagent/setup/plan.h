/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/plan.h - what a unit will be: all that isn't secret
 *
 * The first PM makes it of its command line and, once the other PM has told its
 * facts, completes it (fit.h).  Both PMs make their files of the same plan with the
 * same code (render.h, files.h), so one text of each file exists.  It crosses the
 * wire and lies in state.json as JSON; plan_decode() believes nothing.
 *
 * Index 0 is the PM of 'unit create' (node0), 1 that of 'unit join' (node1).
 */
#ifndef AV_SETUP_PLAN_H
#define AV_SETUP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#define PLAN_VERSION		1
#define PLAN_LINKS_MAX		4	/* avnoded's and knet's links */
#define PLAN_BRIDGES_MAX	16
#define PLAN_ADDRESS_MAX	46

/* One network in which both PMs have an address. */
struct plan_link {
	char	 address[2][PLAN_ADDRESS_MAX];
	unsigned prefix;		/* of the first PM's address */
	bool	 private;		/* a cable of the PMs' own */
};

struct setup_plan {
	char	 uuid[37];
	char	 name[256];		/* NFC */
	struct plan_link links[PLAN_LINKS_MAX];	/* private ones first */
	size_t	 n_links;
	char	 bridges[PLAN_BRIDGES_MAX][16];	/* guests' networks */
	size_t	 n_bridges;
	char	 unit_address[64];	/* "10.0.0.5/24" or "" */
	char	 unit_interface[16];	/* "" without an address */
	char	 mirror[16];		/* "replica", "drbd" */
	char	 hypervisor[16];	/* "qemu", "xen" */
	char	 storage_dir[2][161];	/* "" = the default */
	char	 volume_group[2][64];	/* drbd alone */
	char	 host[2][65];		/* host names, for the certificates */
	char	 arbiter[8];		/* "etcd", "none" */
	char	 arbiter_url[256];
	char	 time_scale[8];		/* "1"; of avnoded.conf */
	bool	 whole;			/* the other PM's half is in it */
};

/* Both: 0 or -errno with a sentence.  Decoding refuses unknown members, bad
 * values and, when 'whole' isn't set, nothing that a first half lacks. */
json_t *plan_encode(const struct setup_plan *p);
int plan_decode(const json_t *j, struct setup_plan *ret, struct av_err *err);

/* An interval in ms as the plan's time scale makes it. */
unsigned plan_scaled_ms(const struct setup_plan *p, unsigned ms);

/* Helpers for all that is decoded here.  'max' counts the NUL; a member that is
 * missing is "" when it isn't needed. */
int plan_text(const json_t *j, const char *key, bool needed, char *ret,
    size_t max, struct av_err *err);
int plan_known(const json_t *j, const char *const *known, size_t n,
    struct av_err *err);
/* Numeric IPv4 or IPv6 address. */
bool plan_address_ok(const char *s);
/* "ADDRESS/PREFIX" taken apart. */
int plan_prefix_parse(const char *s, char *ret, size_t n, unsigned *ret_prefix);
/* Are both in one network of 'prefix' bits? */
bool plan_same_network(const char *a, const char *b, unsigned prefix);
/* Linux's rule for names of interfaces. */
bool plan_interface_ok(const char *s);
/* One line, no control characters; absolute, without "..". */
bool plan_path_ok(const char *s);

#endif
