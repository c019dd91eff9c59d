#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_failover_repeat.sh - power-off, come back, again and again
#
# AVPAIR_FAILOVERS: how often (2).  Prints median and worst; each round also
# checks records, resynchronization and both legs.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

one_round() {
	story_power_off
	echo "$DETECT_MS" >>"$WORK/detect"
	echo "$RESTART_MS" >>"$WORK/restart"
	story_power_on
}

median_worst() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { printf "median %s ms, worst %s ms of %d\n",
		NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[NR], NR }'
}

live_unit
story_vm
for ((i = 1; i <= ${AVPAIR_FAILOVERS:-2}; i++)); do
	case_run "failover_$i" one_round
done
if [ -s "$WORK/detect" ]; then
	say "detection: $(median_worst "$WORK/detect")"
	say "guest process again: $(median_worst "$WORK/restart")"
fi
live_end
