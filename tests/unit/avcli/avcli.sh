#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/unit/avcli/avcli.sh - avcli against the real avconsoled and a stand-in agent
#
# Exit status of every class of error, logins, character sets, parallel calls,
# a console that goes away or breaks off.  Needs no network; the console's socket is
# for root, which a user namespace gives to everyone.
set -u
if [ "$(id -u)" != 0 ]; then
	unshare -r true 2>/dev/null && exec unshare -r "$0"
	echo "skip avcli_e2e until=2027-05-31 needs root or user namespaces"
	exit 77
fi
cd "$(dirname "$0")/../../.." || exit 99
B=${B:-build}
A=$PWD/$B/avcli
[ -x "$B/avconsoled" ] && [ -x "$B/tests/fake-agent" ] || {
	echo "skip avcli_e2e until=2027-05-31 avconsoled or fake-agent isn't built"; exit 77; }
tmp=$(mktemp -d "${TMPDIR:-/tmp}/avcli.XXXXXX") || exit 99
pids= failed=0
finish() {
	local p
	for p in $pids; do kill "$p" 2>/dev/null; done
	for p in $pids; do wait "$p" 2>/dev/null; done
	rm -rf "$tmp"
}
trap finish EXIT
# The user's own files and variables stay out of it; sanitizers stay silent on leaks
# of libraries at exit.
export HOME=$tmp/home LC_ALL=C.UTF-8 NO_COLOR=1
unset XDG_CONFIG_HOME XDG_CACHE_HOME AVPAIR_USER AVPAIR_PASSWORD \
	AVPAIR_CONSOLE_SOCKET AVPAIR_NEW_PASSWORD
mkdir -p "$HOME" "$tmp/web"

ok() { echo "ok $1"; }
bad() { echo "not ok $1"; failed=1; echo "$1: ${2-}" >&2; sed 's/^/    /' "$tmp/err" "$tmp/out" >&2; }
# try NAME STATUS ARGUMENT... - no terminal; output in $tmp/out, $tmp/err
# A locale set in this shell would make bash itself complain: avcli alone gets it.
as=(-u LOCPATH)
run() { env "${as[@]}" setsid -w "$A" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null; rc=$?; }
try() {
	local name=$1 want=$2
	shift 2
	run "$@"
	if [ "$rc" != "$want" ]; then bad "$name" "exit $rc, not $want"
	elif [ "$want" != 0 ] && ! grep -q . "$tmp/err"; then bad "$name" "no sentence"
	else ok "$name"; fi
}
# the last try's output (out or err) holds a text
has() {
	if grep -qF -- "$3" "$tmp/$2"; then ok "$1"; else bad "$1" "no '$3' in $2"; fi
}
wait_for() {	# FILE TEXT: for a line of our own children, at most 20 s
	local n=0
	until grep -q "$2" "$1" 2>/dev/null; do
		n=$((n + 1)); [ $n -lt 200 ] || return 1
		read -rt 0.1 <> <(:)
	done
	return 0
}

# --- without any console ---
try usage_error_is_2 2 vm crate
has nearest_command_is_named err "vm create"
try unknown_option_is_2 2 vm info --jsonn
try password_in_argv_is_2 2 -p secret vm info
try no_socket_is_6 6 --socket "$tmp/none.sock" vm info
try empty_password_file_is_2 2 -H 127.0.0.1:1 -u admin --password-file /dev/null vm info
try no_such_host_is_6 6 -H no-such-host.invalid --insecure version
try bad_host_is_2 2 -H 'a/b' -u admin vm info
printf '%s\n' secret-pass >"$tmp/pw"
try nobody_listens_is_6 6 -H 127.0.0.1:1 -u admin --password-file "$tmp/pw" vm info
try help_is_0 0 help vm create
try own_version_is_0 0 --socket "$tmp/none.sock" version
try error_is_json_too 6 --socket "$tmp/none.sock" vm info --json
if python3 -c 'import json,sys; e = json.load(open(sys.argv[1]))["error"]
assert e["exit"] == 6 and e["code"] == "no-connection" and e["text"]' "$tmp/out"
then ok json_error_is_json; else bad json_error_is_json; fi

try usage_error_in_xml 2 vm info --nonsense -x
has usage_error_is_xml out '<code>unknown-option</code>'
run vm info $'web\xff' --json
has broken_text_is_json out '"bad-encoding"'
if "$A" completion bash | cmp -s - avcli/avcli.bash
then ok completion_is_the_file; else bad completion_is_the_file; fi
# every message in the sources stands in the Japanese table
if python3 - >"$tmp/out" <<'PY'
import glob, re, sys
table = open("avcli/tr_ja.c").read()
text = "".join(open(f).read() for f in glob.glob("avcli/*.c"))
missing = [m for m in re.findall(r'\btr\(\s*("(?:[^"\\]|\\.)*")\s*\)', text)
           if "{ %s," % m not in table]
print("\n".join(missing))
sys.exit(1 if missing else 0)
PY
then ok messages_are_in_japanese; else bad messages_are_in_japanese; fi

# --- a console ---
FAST=1 B=$B TMPDIR=$tmp tests/unit/console/dev-server "$tmp/web" >"$tmp/server" 2>"$tmp/server.err" &
server=$!
pids="$pids $server"
wait_for "$tmp/server" ready || { echo "not ok dev_server"; cat "$tmp/server.err" >&2; exit 1; }
SOCK=$(sed -n 's/^SOCK=//p' "$tmp/server") CERT=$(sed -n 's/^CERT=//p' "$tmp/server")
AGENT=$(sed -n 's/^AGENT=//p' "$tmp/server")
HOST=$(sed -n 's|^URL=https://\(.*\)/$|\1|p' "$tmp/server")
export AVPAIR_CONSOLE_SOCKET=$SOCK

for c in "unit info" "node info" "vm info" "volume info" "network info" \
	"storage info" "image info" "alert info" "audit info" "user info"; do
	# shellcheck disable=SC2086
	try "${c// /_}_text" 0 $c
	# shellcheck disable=SC2086
	run $c -x
	if [ $rc = 0 ] && python3 -c 'import sys, xml.dom.minidom
assert xml.dom.minidom.parse(sys.argv[1]).documentElement.tagName == "avpair"' "$tmp/out"
	then ok "${c// /_}_xml"; else bad "${c// /_}_xml" "exit $rc"; fi
done
try create_and_wait 0 vm create --name 'web 表' --memory 300M --cpu 1 \
	--volumes 64M 64M,,データ --interfaces net0 --start --wait
try found_by_name 0 vm info 'web 表'
has state_is_a_column out "  -> state              : running"
id=$(sed -n 's/^  -> id  *: //p' "$tmp/out")
try found_by_id 0 vm info "$id" --json
has json_holds_the_name out 'web 表'
try name_is_compared_whole 3 vm info web\ 
try not_found_is_3 3 vm poweron nosuch
try wrong_state_is_5 5 vm poweron "$id"
try name_exists_is_5 5 vm create --name 'web 表' --memory 300M --volumes 64M
try nine_vcpus_is_1 1 vm create --name nine --cpu 9 --memory 300M --volumes 64M
try no_vcpu_is_1 1 vm create --name none --cpu 0 --memory 300M --volumes 64M
try too_little_memory_is_1 1 vm create --name small --memory 2M --volumes 64M
try too_large_volume_is_1 1 vm create --name big --memory 300M --volumes 900T
python3 -c 'print("x" * 1000000)' >"$tmp/long"
try name_of_1_mb_is_2 2 vm create --name-file "$tmp/long" --memory 300M --volumes 64M
[ "$(wc -c <"$tmp/err")" -lt 2000 ] && ok long_name_short_sentence || bad long_name_short_sentence
try only_a_pm_in_maintenance_is_rebooted 5 node reboot node1
try taken_out 0 node workon node1 --wait
try reboot_ordered 0 node-reboot node1
try ordered_already 5 node reboot node1
try shutdown_instead 0 node shutdown node1
try what_is_ordered 0 node info node1
has what_is_ordered_is_shown out "ordered-action     : shutdown"
try brought_back 0 node workoff node1
try dry_run_changes_nothing 0 vm delete test --dry-run
try still_there 0 vm info test
try several_with_one_wrong 3 vm shutdown "$id" nosuch --wait --json
if python3 -c 'import json,sys; a, b = json.load(open(sys.argv[1]))
assert a["ok"] and a["object"]["activity"] == "stopped" and b["error"]["exit"] == 3' "$tmp/out"
then ok each_has_its_result; else bad each_has_its_result; fi
try rename 0 vm rename "$id" '受注'
try delete_and_wait 0 vm delete '受注' --wait
try gone_is_3 3 vm info "$id"
try volume_in_use_is_5 5 volume delete web-boot
try verify_waits_for_its_end 0 volume verify --wait web-boot
tests/unit/console/agent-do "$AGENT" test.volume '{"volume":"web-boot","found":3}' >"$tmp/out"
try verify_that_finds_is_1 1 volume verify --wait web-boot
has verify_says_what err "differ in 3 blocks"
try verify_repairs 0 volume verify --repair --wait web-boot
run volume info web-boot
has verify_is_shown out "blocks-repaired    : 3"
try verify_unknown_is_3 3 volume verify nobody
try verify_cancel_none_is_5 5 volume verify-cancel web-boot
try resize_smaller_is_1 1 volume resize web-boot 1M
try resize_no_size_is_2 2 volume resize web-boot much
try resize_one_word_is_2 2 volume resize web-boot
try resize_waits 0 volume-resize web-boot 1G --wait
try resync_pause 0 volume resync-pause web-boot
try resync_pause_again_is_5 5 volume resync-pause web-boot
try resync_resume 0 volume resync-resume web-boot
try replace_nothing_is_5 5 volume-replace-leg web-boot
tests/unit/console/agent-do "$AGENT" test.volume '{"volume":"web-boot","node":"node1"}' >"$tmp/out"
run volume info web-boot
has failed_leg_is_shown out "failed-leg         : node1"
try replace_leg_waits 0 volume-replace-leg web-boot --wait
try configure_nothing_is_2 2 unit configure
try configure_bad_day_is_2 2 unit configure --verify weekly,3
try configure_bad_limit_is_2 2 unit configure --resync-limit fast
try configure 0 unit configure --resync-limit 50M --verify weekly,wed,22 --verify-repair
run unit info
has configured out "resync-limit-kib-s : 51200"
try takeover_wants_a_yes 2 unit takeover
try audit_has_the_refusals 0 audit info --limit 50
has refused_start_is_in_the_audit out refused

# --- completion ---
complete_line() {	# WORD...: what bash would offer
	PATH=$PWD/$B:$PATH bash -c '. avcli/avcli.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_avcli; printf "%s\n" "${COMPREPLY[@]}"' - "$@" >"$tmp/out" 2>"$tmp/err"
}
complete_line avcli vm poweron te
[ "$(cat "$tmp/out")" = test ] && ok completes_vm_names || bad completes_vm_names
complete_line avcli vm poweron ''
has completes_japanese_names out '受注システム'
complete_line avcli vm sh
[ "$(cat "$tmp/out")" = shutdown ] && ok completes_verbs || bad completes_verbs
complete_line avcli vm create --mem
[ "$(cat "$tmp/out")" = --memory ] && ok completes_options || bad completes_options
complete_line avcli vm create --interfaces n
[ "$(cat "$tmp/out")" = net0 ] && ok completes_values || bad completes_values

# --- character sets ---
run vm info $'web\xff'
[ $rc = 2 ] && ok invalid_utf8_is_2 || bad invalid_utf8_is_2 "exit $rc"
as=(LC_ALL=C)
run vm info '受注システム'
[ $rc = 2 ] && ok lang_c_refuses_utf8 || bad lang_c_refuses_utf8 "exit $rc"
run vm info vm:o22
if [ $rc = 0 ] && grep -qF -- '-> name               : ??????' "$tmp/out"
then ok lang_c_shows_question_marks; else bad lang_c_shows_question_marks; fi
as=(LC_ALL=ja_JP.UTF-8)
run vm info nosuch
has japanese_without_the_locale err "ありません"
if command -v localedef >/dev/null && [ -e /usr/share/i18n/locales/ja_JP ]; then
	mkdir "$tmp/locale"
	for set in EUC-JP SHIFT_JIS; do
		# warnings about Shift_JIS not being ASCII-compatible aside
		localedef -c -i ja_JP -f $set "$tmp/locale/ja_JP.$set" >/dev/null 2>&1
		# glibc's own list of converters counts as a leak
		as=("LOCPATH=$tmp/locale" "LC_ALL=ja_JP.$set"
			"ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0")
		name=$(printf '受注システム' | iconv -t $set)
		run vm info "$name"
		if [ $rc = 0 ] && iconv -f $set "$tmp/out" | grep -qF '受注システム'
		then ok "names_in_$set"; else bad "names_in_$set" "exit $rc"; fi
		run vm info nosuch
		if iconv -f $set "$tmp/err" | grep -qF 'ありません'
		then ok "messages_in_$set"; else bad "messages_in_$set"; fi
		run vm info "$(printf '受' | iconv -t $set | head -c 1)"
		[ $rc = 2 ] && ok "cut_off_in_$set" || bad "cut_off_in_$set" "exit $rc"
	done
else
	echo "skip names_in_EUC-JP_and_SHIFT_JIS until=2027-05-31 the locales' sources aren't installed"
fi

as=(-u LOCPATH)

# --- from outside: trust and login ---
try no_password_is_4 4 -H "$HOST" -u admin vm info
AVPAIR_PASSWORD=wrong run -H "$HOST" -u admin login
[ $rc = 4 ] && ok wrong_password_is_4 || bad wrong_password_is_4 "exit $rc"
[ -s "$HOME/.config/avpair/known_units" ] && ok key_is_kept || bad key_is_kept
try login 0 -H "$HOST" -u admin --password-file "$tmp/pw" login
try session_is_kept 0 -H "$HOST" -u admin vm info
[ "$(stat -c %a "$HOME"/.cache/avpair/session-*)" = 600 ] && ok session_is_private || bad session_is_private
try change_over_https 0 -H "$HOST" -u admin vm poweroff web --wait
sed -i 's/v1\.[0-9a-f]\{8\}/v1.00000000/' "$HOME"/.cache/avpair/session-*
try bad_session_without_password_is_4 4 -H "$HOST" -u admin vm info
try bad_session_is_renewed 0 -H "$HOST" -u admin --password-file "$tmp/pw" vm info
try read_only_may_look 0 -H "$HOST" -u viewer --password-file "$tmp/pw" vm info
try read_only_may_not_change_is_4 4 -H "$HOST" -u viewer vm poweron web
try logout 0 -H "$HOST" -u admin logout
try logged_out_is_4 4 -H "$HOST" -u admin vm info
try cacert 0 -H "$HOST" --cacert "$CERT" version
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=other -keyout "$tmp/k" -out "$tmp/other.pem" 2>/dev/null
try other_authority_is_6 6 -H "$HOST" --cacert "$tmp/other.pem" version
try no_cacert_is_2 2 -H "$HOST" --cacert "$tmp/none" version
sed -i 's|sha256//....|sha256//AAAA|' "$HOME/.config/avpair/known_units"
try changed_key_is_6 6 -H "$HOST" -u admin --password-file "$tmp/pw" vm info
has changed_key_is_said err "another key"
try insecure_is_possible 0 -H "$HOST" --insecure version

# --- at a terminal: the key is shown and asked about, the password isn't echoed ---
# terminal ANSWER... - types each answer when avcli asks; the dialogue in $tmp/out
terminal() {
	python3 - "$A" "$HOST" "$@" >"$tmp/out" 2>"$tmp/err" <<'PY'
import os, pty, select, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "-H", sys.argv[2], "-u", "operator", "login"])
answers, seen, asked = sys.argv[3:], b"", 0
end = time.monotonic() + 20
while time.monotonic() < end:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if answers and (seen[asked:].endswith(b": ") or seen[asked:].endswith(b") ")):
        # a password's prompt comes just before the echo is switched off, and what
        # was typed until then is thrown away
        while seen.endswith(b": ") and termios.tcgetattr(fd)[3] & termios.ECHO:
            select.select([], [], [], 0.01)
        os.write(fd, answers.pop(0).encode() + b"\n")
        asked = len(seen)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
	rc=$?
}
rm -f "$HOME/.config/avpair/known_units"
terminal secret-pass no
[ $rc = 6 ] && [ ! -e "$HOME/.config/avpair/known_units" ] &&
	ok key_can_be_declined || bad key_can_be_declined "exit $rc"
terminal secret-pass yes
if [ $rc = 0 ] && grep -qF vm-manager "$tmp/out" && ! grep -qF secret-pass "$tmp/out"
then ok login_at_a_terminal; else bad login_at_a_terminal "exit $rc"; fi
terminal wrong-pass
[ $rc = 4 ] && ok wrong_password_at_a_terminal || bad wrong_password_at_a_terminal "exit $rc"

# --- at once ---
run vm info --json
cp "$tmp/out" "$tmp/one"
workers=
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	"$A" vm info --json >"$tmp/par.$i" 2>&1 &
	workers="$workers $!"
done
same=1
for p in $workers; do wait "$p" || same=0; done
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cmp -s "$tmp/one" "$tmp/par.$i" || same=0; done
[ $same = 1 ] && ok parallel_calls_are_all_whole || bad parallel_calls_are_all_whole

# --- events ---
setsid -w "$A" event follow --count 1 --timeout 20 --json >"$tmp/events" 2>"$tmp/err" </dev/null &
follower=$!
n=0	# the subscription takes a moment: changes go on until one is seen
while kill -0 $follower 2>/dev/null && [ $n -lt 40 ]; do
	"$A" -q vm poweron test 2>/dev/null || "$A" -q vm poweroff test 2>/dev/null
	n=$((n + 1)); read -rt 0.1 <> <(:)
done
if wait $follower && python3 -c 'import json,sys
assert json.loads(open(sys.argv[1]).readline())["type"] == "changed"' "$tmp/events"
then ok event_follow; else bad event_follow; fi

# --- a console that breaks off ---
python3 - "$tmp/broken.sock" <<'PY' >"$tmp/broken" &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
print("ready", flush=True)
H = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
answers = [H + b"900\r\n\r\n[{\"id\":", b"", b"SSH-2.0-x\r\n", H + b"5\r\n\r\n[1,2}",
           H + b"2\r\n\r\n{}", H + b"900\r\n\r\n{", None]
held = []
for a in answers:
    c = s.accept()[0]
    c.recv(65536)
    if a is None:
        held.append(c)      # never answers
        continue
    c.sendall(a)
    c.close()
s.accept()
PY
pids="$pids $!"
wait_for "$tmp/broken" ready
S="--socket $tmp/broken.sock"
# shellcheck disable=SC2086
{
try cut_off_answer_is_6 6 $S vm info
try no_answer_is_6 6 $S vm info
try not_http_is_6 6 $S vm info
try not_json_is_6 6 $S vm info
try not_a_list_is_6 6 $S vm info
try cut_off_change_is_6 6 $S vm poweron web --json
has cut_off_change_is_maybe out '"maybe"'
try silence_is_7 7 $S vm info --timeout 1
}

# --- an agent that dies ---
tests/unit/console/agent-do "$AGENT" test.exit >/dev/null 2>&1
try no_agent_is_6 6 vm info
kill "$server" 2>/dev/null	# it may have noticed and be gone
wait "$server" 2>/dev/null
try server_gone_is_6 6 vm info
[ $failed = 0 ]
