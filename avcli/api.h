/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/api.h - what the commands do with the API, and how they answer
 */
#ifndef AVCLI_API_H
#define AVCLI_API_H

#include <jansson.h>

#include "avcli/avcli.h"
#include "avcli/fields.h"

struct conn;

/* Opens the connection that the options ask for; later calls do nothing. */
int cli_connect(struct cli *cli, struct cli_err *err);

/* All objects of a kind; *ret_list is an array and yours.  'query' is "" or
 * "?limit=5". */
int api_list(struct cli *cli, const struct kind *kind, const char *query,
    json_t **ret_list, struct cli_err *err);
/* The objects of 'list' that the operands name, in their order; all of them
 * without operands.  Names are compared whole, in NFC.  -EXIT_NOT_FOUND,
 * -EXIT_CONFLICT when a name stands for several (the ids are in the sentence). */
int api_select(const struct kind *kind, const json_t *list,
    const char *const *operands, size_t n, json_t **ret_selected,
    struct cli_err *err);
/* "/vms/NAME" + suffix, escaped; *ret is yours. */
int api_path(const struct kind *kind, const char *name, const char *suffix,
    char **ret, struct cli_err *err);

/* --- answers: each command gives one document on stdout --- */

/* Objects of a kind; in JSON the array as it is. */
int answer_objects(struct cli *cli, const struct kind *kind,
    const json_t *list, struct cli_err *err);
int answer_object(struct cli *cli, const struct kind *kind, const json_t *obj,
    struct cli_err *err);
int answer_json(struct cli *cli, const json_t *j, struct cli_err *err);
/* Text or XML; frees 'root' (NULL = no memory). */
int answer_doc(struct cli *cli, struct doc *root, struct cli_err *err);
/* The structured error on stdout in XML and JSON modes, unless the command has
 * answered; text on stderr always. */
void answer_error(struct cli *cli, const struct cli_err *err);
/* Adds <error> to a tree.  0 or -1. */
int error_add(struct doc *parent, const struct cli_err *err);

/* --- waiting --- */

enum goal { GOAL_READY, GOAL_RUNNING, GOAL_STOPPED, GOAL_GONE,
	/* of a volume */ GOAL_VERIFIED, GOAL_RESIZED, GOAL_REPLACED,
	/* of a PM: out for maintenance, takes part again */ GOAL_OUT, GOAL_BACK,
	/* of one that is out: it has booted since the wait began, is off */
	GOAL_REBOOTED, GOAL_OFF,
	/* of a VM's live migration */ GOAL_MOVED };

/* Where an object stands towards its goal, waited_s after the change; pure.  'obj' NULL
 * = it is gone. */
enum goal_state { GOAL_NOT_YET, GOAL_ARRIVED, GOAL_FAILED };
enum goal_state goal_check(enum goal goal, const json_t *obj,
    unsigned waited_s);

/* Looks every 200 ms, later every second, until the object has arrived.
 * Broken connections are tried again: the unit may be failing over.
 * *ret_obj (may be NULL) is the object as last seen and yours.
 * -EXIT_FAILED, -EXIT_TIMEOUT. */
int api_wait(struct cli *cli, const struct kind *kind, const char *id,
    enum goal goal, json_t **ret_obj, struct cli_err *err);

#endif
