/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/vmspec.h - 'vm create' options become the API's vm.create object
 *
 * Pure.  Only what can't be read is refused here; whether the unit can make such
 * a VM is for the unit to say.
 */
#ifndef AVCLI_VMSPEC_H
#define AVCLI_VMSPEC_H

#include <stdint.h>

#include <jansson.h>

#include "avcli/args.h"

/* *ret_body is yours.  -EXIT_USAGE with a sentence. */
int vmspec_build(const struct args *a, json_t **ret_body, struct cli_err *err);
/* "SIZE[,GROUP[,NAME]][,image=FILE]", each also as size=, group=, name=. */
int vmspec_volume(const char *text, json_t **ret, struct cli_err *err);
/* "NETWORK[,mac=MAC]" */
int vmspec_network(const char *text, json_t **ret, struct cli_err *err);
/* A size with its unit: a bare small number is surely a mistake. */
int vmspec_size(const char *what, const char *text, uint64_t *ret_bytes,
    struct cli_err *err);

#endif
