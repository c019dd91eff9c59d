#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/live/test_browser.sh - the browser console on a whole unit, a PM's
# power-off while the page is open included (webui/tests/run does the work)
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

live_unit
forward_start
AVPAIR_TRY_DIR=$TRY "$TREE/webui/tests/run" --url "$(console_url)" \
	--user admin --password-file "$TRY/secrets/admin.password" \
	--power-off-cmd "$TREE/deploy/try power-off" \
	--power-on-cmd "$TREE/deploy/try power-on" >&3
