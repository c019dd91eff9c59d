/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/command_move_stamp.h - context.move of vm.migrate; for
 *				    command_stamp.c and tests
 */
#ifndef AV_COMMAND_MOVE_STAMP_H
#define AV_COMMAND_MOVE_STAMP_H

#include <jansson.h>

struct store;

/* Yours; JSON null when there is no such VM. */
json_t *command_move_stamp(const json_t *cmd, const struct store *st,
    const json_t *const facts[2], int self);
/* Words of 'from' that aren't in 'to', as a text; null when there is none. */
json_t *command_move_missing(const char *from, const char *to);

#endif
