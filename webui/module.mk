# SPDX-License-Identifier: GPL-2.0-or-later
# webui: files that avconsoled serves as they are (web_dir = webui/app)
CHECK_SCRIPTS += webui/tests/check-static
LIVE_SCRIPTS += webui/tests/browser-desk
