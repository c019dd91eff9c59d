#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# vif/ against the kernel, in a network namespace of its own
exec unshare --net "${B:-build}/tests/unit/vif/live_vif"
