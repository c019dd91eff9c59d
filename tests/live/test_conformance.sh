#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_conformance.sh - the description of the API, a unit and the
# stand-in agent of the tests say the same
#
# Both are asked every GET and make every change, with both PMs there, with one
# lost, and after it came back; conform.mjs compares.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

FAKE_DIR=$WORK/fake
NAME=様子
# ask FROM METHOD PATH [BODY]: one answer, kept as a sample; $ANSWER is its body
ask() {
	local from=$1 method=$2 path=$3 status
	local data=(-X "$method")
	[ $# -lt 4 ] || data+=(-H 'Content-Type: application/json' -d "$4")
	status=$("curl_$from" -s -m 20 -o "$WORK/answer" -w '%{http_code}' "${data[@]}" "http://x/api/v1$path")
	ANSWER=$(<"$WORK/answer")
	jq -c --arg f "$from" --arg m "$method" --arg p "$path" --argjson s "$status" \
		'{from:$f, method:$m, path:$p, status:$s, body:.}' "$WORK/answer" >>"$WORK/samples" ||
		fail "$from: $method $path: $status, no JSON: ${ANSWER:0:200}"
}
# the console's socket, by way of the root folder of the PM's first process
curl_real() { curl --unix-socket "$WORK/real.sock" "$@"; }
curl_fake() { curl --unix-socket "$FAKE_DIR/console.sock" "$@"; }

ask_all() {
	local from=$1 path quorum
	quorum=$("curl_$from" -s http://x/api/v1/quorum-servers | jq -r '.[0].id')
	for path in /version /openapi.json /session /unit /nodes /nodes/node0 /nodes/node1 /vms "/vms/$VM_ID" /volumes \
		"/volumes/$VOLUME_ID" /networks /storage-groups /images /alerts '/audit?limit=1000' /users \
		/split /quorum-servers "/quorum-servers/$quorum"; do
		ask "$from" GET "$path"
	done
}

now_is() { # FROM PATH FILTER: without keeping a sample
	[ "$("curl_$1" -s -m 5 "http://x/api/v1$2" | jq -r "$3" 2>/dev/null)" = true ]
}

# Everything that can be done to a VM, and what is refused.
changes() {
	local from=$1 new keep
	new=$(jq -nc --arg n "$NAME" '{name:$n, os:"linux", vcpus:1, memory_bytes:314572800, networks:["net0"],
		volumes:[{size_bytes:536870912, image:"small.img"}, {size_bytes:67108864}]}')
	ask "$from" POST '/vms?dry_run=true' "$new"
	ask "$from" POST /vms "$(jq -c '.vcpus = 5 | .name = "many"' <<<"$new")"
	ask "$from" POST /vms "$new"
	VM_ID=$(jq -r .id <<<"$ANSWER")
	ask "$from" GET "/vms/$VM_ID"
	ask "$from" GET /volumes
	VOLUME_ID=$(jq -r --arg v "$VM_ID" 'map(select(.vm.id == $v and .boot))[0].id' <<<"$ANSWER")
	wait_until 60 "$from: the VM" now_is "$from" "/vms/$VM_ID" '.activity == "stopped"'
	wait_until 60 "$from: the VM 'many'" now_is "$from" /vms/many '.activity == "stopped"'
	ask "$from" POST "/vms/$VM_ID/start" '{"dry_run":true}'
	ask "$from" POST "/vms/$VM_ID/start" '{}'
	ask "$from" GET "/vms/$VM_ID"
	wait_until 120 "$from: the guest" now_is "$from" "/vms/$VM_ID" '.activity == "running"'
	ask "$from" POST "/vms/$VM_ID/shutdown?dry_run=true"
	ask "$from" PATCH /vms/many '{"name":"other"}'
	keep=$("curl_$from" -s http://x/api/v1/vms/other | jq -r '.volumes[1].id')
	ask "$from" DELETE '/vms/other?dry_run=true'
	ask "$from" DELETE "/vms/other?keep=$keep"
	wait_until 60 "$from: the end of 'other'" now_is "$from" /vms/other '.code == "not-found"'
	ask "$from" GET /volumes
	ask "$from" DELETE "/volumes/$keep"
	ask "$from" POST /vms "$new"
	ask "$from" POST /vms '{"name":"x"}'
	ask "$from" POST /vms/nothere/start
	ask "$from" DELETE "/vms/$VM_ID"
	ask "$from" DELETE "/volumes/$VOLUME_ID"
	ask "$from" POST /unit/takeover '{"confirm":true}'
	ask "$from" POST '/unit/takeover?dry_run=true' '{"confirm":true}'
	ask "$from" POST /vms/nothere/console
}

ends() { # FROM: the guest's end
	ask "$1" POST "/vms/$VM_ID/shutdown" '{}'
	ask "$1" POST "/vms/$VM_ID/poweroff" '{}'
	wait_until 60 "$1: the guest's end" now_is "$1" "/vms/$VM_ID" '.activity == "stopped"'
	ask_all "$1"
}

sample_real() {
	[ "$(primary)" = node0 ] || fail "the test wants the unit address on node0"
	ln -s "/proc/$(machine_pid node0)/root/run/avpair/console.sock" "$WORK/real.sock"
	changes real
	wait_until 60 "a volume in step" now_is real "/volumes/$VOLUME_ID" '.activity == "in-step"'
	ask_all real
	node_power_off node1
	wait_until 30 "the unit to run alone" now_is real /unit '.activity == "alone" and .last_failover != null'
	wait_until 30 "the alert" now_is real /alerts 'any(.code == "node-lost" and .open)'
	now_is real '/alerts?lang=ja' 'map(select(.code == "node-lost"))[0].text == "node1 から応答がありません"' ||
		fail "the alert isn't told in Japanese"
	ask_all real
	node_start node1
	wait_until 90 "both PMs" now_is real /unit '.activity == "running"'
	wait_until 60 "a volume in step" now_is real "/volumes/$VOLUME_ID" '.last_resync != null'
	ask_all real
	ends real
}

sample_fake() {
	local pids
	mkdir "$FAKE_DIR"
	printf '%064d\n' 1 >"$FAKE_DIR/unit.key"
	cat >"$FAKE_DIR/conf" <<-END
	node = node0
	agent_socket = $FAKE_DIR/agent.sock
	unix_socket = $FAKE_DIR/console.sock
	listen = 127.0.0.1:$("$B/tests/console-tool" port)
	cert_file = $TRY/secrets/console.crt
	key_file = $TRY/secrets/console.key
	web_dir = $TREE/webui/app
	secret_file = $FAKE_DIR/unit.key
	END
	"$B/tests/fake-agent" "$FAKE_DIR/agent.sock" &
	pids=$!
	"$B/avconsoled" -c "$FAKE_DIR/conf" &
	pids="$pids $!"
	# shellcheck disable=SC2064,SC2086
	trap "kill $pids 2>/dev/null || :" EXIT
	wait_until 20 "the console" now_is fake /unit '.id == "unit:o1"'
	changes fake
	ask_all fake
	"$TREE/tests/unit/console/agent-do" "$FAKE_DIR/agent.sock" test.node-lost '{"node":"node1"}' >&2
	ask_all fake
	"$TREE/tests/unit/console/agent-do" "$FAKE_DIR/agent.sock" test.node-lost '{"node":null}' >&2
	ask_all fake
	wait_until 20 "the end of the resync" now_is fake /unit '.activity == "running"'
	ends fake
}

compare() {
	local line
	node "$TREE/tests/live/conform.mjs" "$TREE/console/openapi.json" "$WORK/samples" >"$WORK/verdict" || :
	[ -s "$WORK/verdict" ] || fail "conform.mjs said nothing"
	while read -r line; do echo "$line" >&3; done <"$WORK/verdict"
	! grep -q '^not ok' "$WORK/verdict" || : >"$WORK/differ"
}

live_need tests/fake-agent tests/console-tool
command -v node >/dev/null || live_skip "needs node"
live_unit
case_run answers_of_a_unit sample_real
case_run answers_of_the_stand_in sample_fake
case_run compare compare
[ ! -e "$WORK/differ" ] || N_FAILED=$((N_FAILED + 1))
live_end
