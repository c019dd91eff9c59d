/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/cpu.c - what two processors have in common
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "nodeagent/setup/cpu.h"

static const char *const counts[] = {
	"nx", "lm", "cx16", "lahf_lm", "pni", "ssse3", "sse4_1", "sse4_2",
	"sse4a", "popcnt", "abm", "movbe", "aes", "pclmulqdq", "sha_ni",
	"gfni", "vaes", "vpclmulqdq", "rdrand", "rdseed", "xsave", "xsaveopt",
	"xsavec", "xsaves", "avx", "f16c", "fma", "fma4", "xop", "avx2",
	"bmi1", "bmi2", "adx", "avx512f", "avx512dq", "avx512cd", "avx512bw",
	"avx512vl", "avx512ifma", "avx512vbmi", "avx512_vbmi2",
	"avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq", "avx512_bf16",
	"avx512_fp16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16",
	"fsgsbase", "invpcid", "pcid", "rdtscp", "rdpid", "pdpe1gb", "la57",
	"smep", "smap", "umip", "pku", "clflushopt", "clwb", "movdiri",
	"movdir64b", "serialize", "hle", "rtm", "mpx", "x2apic",
	"tsc_deadline_timer", "3dnowprefetch", "misalignsse", "clzero", "wbnoinvd",
};

/* Is 'name' a word of the line? */
static bool
has(const char *line, const char *name)
{
	size_t n = strlen(name);
	const char *at = line;

	while ((at = strstr(at, name)) != NULL) {
		if ((at == line || at[-1] == ' ' || at[-1] == '\t') &&
		    (at[n] == '\0' || at[n] == ' ' || at[n] == '\n'))
			return true;
		at += n;
	}
	return false;
}

static void
append(char *ret, size_t n, const char *between, const char *name)
{
	size_t have = strlen(ret);

	(void)snprintf(ret + have, n - have, "%s%s", have > 0 ? between : "",
	    name);
}

void
cpu_features(const char *flags, char *ret, size_t n)
{
	size_t i;

	*ret = '\0';
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		if (has(flags, counts[i]) &&
		    strlen(ret) + strlen(counts[i]) + 1 < n)
			append(ret, n, " ", counts[i]);
}

size_t
cpu_missing(const char *from, const char *to, char *ret, size_t n)
{
	size_t i, missing = 0;
	char more[32];

	*ret = '\0';
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		if (has(from, counts[i]) && !has(to, counts[i]) &&
		    ++missing <= CPU_LACKS_NAMED)
			append(ret, n, ", ", counts[i]);
	if (missing > CPU_LACKS_NAMED) {
		(void)snprintf(more, sizeof(more), "... (%zu)", missing);
		append(ret, n, ", ", more);
	}
	return missing;
}
