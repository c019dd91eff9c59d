/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/static.h - which file a page's address stands for
 */
#ifndef CONSOLE_STATIC_H
#define CONSOLE_STATIC_H

#include <stddef.h>

#include "console/uri.h"

/* "/" -> "index.html", "/a/b.js" -> "a/b.js".  -ENOENT for empty parts, for parts
 * that begin with a dot or hold an (encoded) slash. */
int  static_path(const struct uri *u, char *ret, size_t n);
/* The MIME type by the name's ending. */
const char *static_type(const char *path);

#endif
