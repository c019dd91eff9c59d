/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/render_main.h - 'av-setup render': the files of a given plan
 *
 * stdin: {"plan": as plan.h, "uid":N, "gid":N, "corosync_log":"..",
 * "no_realtime":true, "agent_lines":[".."], "console_lines":[".."]}.  Writes
 * corosync.conf, avnoded.conf and avconsoled.conf of PM NODE (0, 1) into a folder.
 * The one-machine unit's, and whoever wants to see what would be written.
 */
#ifndef AV_SETUP_RENDER_MAIN_H
#define AV_SETUP_RENDER_MAIN_H

/* Exit status; what is wrong goes to stderr. */
int render_main(const char *node, const char *folder);

#endif
