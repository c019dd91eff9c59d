/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/cpu.h - what two processors have in common
 *
 * Names are those of /proc/cpuinfo, in one line with blanks between them.  Only what a
 * guest's programs can come to depend on counts, not what the kernel adds to the line.
 */
#ifndef AV_SETUP_CPU_H
#define AV_SETUP_CPU_H

#include <stddef.h>

#define CPU_FEATURES_MAX	640	/* bytes: all that count, and more */
#define CPU_LACKS_NAMED		6	/* names in a sentence */

/* Those of 'flags' that count, in a fixed order. */
void cpu_features(const char *flags, char *ret, size_t n);

/* What 'has' has and 'lacks' hasn't, for a sentence: "avx2, fma", "a, b, ... (12)".
 * How many; 0 = nothing is missing. */
size_t cpu_missing(const char *has, const char *lacks, char *ret, size_t n);

#endif
