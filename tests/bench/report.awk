# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/bench/report.awk - medians and ratios of bench-mirror's measurements
#
# A line: round case target iops mib_s p50 p99 flush_p99 count ticks ours_ticks
# -v seconds= (of a measurement) -v hz= (ticks a second)

function median(name, a, n, i, j, v) {
	n = count[name]
	for (i = 1; i <= n; i++) {
		v = value[name, i]
		for (j = i - 1; j >= 1 && a[j] > v; j--)
			a[j + 1] = a[j]
		a[j + 1] = v
	}
	least = n ? a[1] : 0
	most = n ? a[n] : 0
	return n % 2 ? a[(n + 1) / 2] : n ? (a[n / 2] + a[n / 2 + 1]) / 2 : 0
}

function put(name, v) { value[name, ++count[name]] = v }

function ratio(c, t, base, what, r, name) {
	name = c SUBSEP t SUBSEP base SUBSEP what
	if (!(name in count))
		for (r = 0; r < rounds; r++)
			if ((r, c, base, what) in got && got[r, c, base, what] > 0 && (r, c, t, what) in got)
				put(name, got[r, c, t, what] / got[r, c, base, what])
	return count[name] ? sprintf("%.2f", median(name)) : "-"
}

{
	r = $1; c = $2; t = $3
	if (r >= rounds) rounds = r + 1
	if (!(c in seen_case)) { seen_case[c] = 1; cases[++n_cases] = c }
	if (!(t in seen_target)) { seen_target[t] = 1; targets[++n_targets] = t }
	rate = c ~ /^seq/ ? $5 : $4
	got[r, c, t, "rate"] = rate
	got[r, c, t, "p99"] = $7
	put(c SUBSEP t SUBSEP "rate", rate)
	put(c SUBSEP t SUBSEP "p50", $6)
	put(c SUBSEP t SUBSEP "p99", $7)
	put(c SUBSEP t SUBSEP "flush", $8)
	put(c SUBSEP t SUBSEP "cpu", $10 / hz * 1e6 / $9)
	if (t != "ours") { idle_ticks += $11; idle_n++ }
}

END {
	for (i = 1; i <= n_cases; i++) {
		c = cases[i]
		printf "\n%s  (%s)\n", c, c ~ /^seq/ ? "MiB/s" : "requests/s"
		printf "  %-7s %9s %19s %8s %8s %9s %8s %7s %9s %7s\n", "", "median", "min..max",
			"p50 us", "p99 us", "flush p99", "CPU us/r", "x raw", "x quorum", "p99 x q"
		for (k = 1; k <= n_targets; k++) {
			t = targets[k]
			name = c SUBSEP t SUBSEP
			m = median(name "rate")
			spread = sprintf("%.0f..%.0f", least, most)
			f = median(name "flush")
			printf "  %-7s %9.0f %19s %8.0f %8.0f %9s %8s %7s %9s %7s\n", t, m,
				spread, median(name "p50"), median(name "p99"),
				f ? sprintf("%.0f", f) : "-", t == "raw" ? "-" : sprintf("%.0f", median(name "cpu")),
				ratio(c, t, "raw", "rate"), ratio(c, t, "quorum", "rate"), ratio(c, t, "quorum", "p99")
		}
	}
	if (seen_target["ours"]) {
		printf "\nOurs against quorum (rate; aim in brackets):\n"
		for (i = 1; i <= n_cases; i++) {
			c = cases[i]
			aim = (c ~ /qd32/) ? 1.5 : 1.0
			x = ratio(c, "ours", "quorum", "rate")
			p = ratio(c, "ours", "quorum", "p99")
			if (x == "-") continue
			printf "  %-26s %5s [%.1f] %-6s p99 x %5s [1.0] %s\n", c, x, aim,
				(x + 0 >= aim) ? "met" : "missed", p, (p + 0 <= 1) ? "met" : "missed"
		}
		if (idle_n)
			printf "CPU of our two servers while the others were measured: %.2f ms a second\n",
				idle_ticks / hz * 1000 / (idle_n * seconds)
	}
}
