/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/proc.h - a guest's process: who it is, whether it lives, how it ended
 *
 * RUNTIME/pid is "PID STARTTIME\n" (field 22 of /proc/PID/stat), so a number that
 * was used again is never taken for ours; RUNTIME/exit is "exited N\n" or
 * "signal N\n".  av-vmrun (vmrun_main.c) writes both.
 */
#ifndef AV_VMM_PROC_H
#define AV_VMM_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 0 and *ret_pid, *ret_fd (a pidfd, yours) when the process of RUNTIME/pid lives
 * and has 'word' as one of its arguments (vmm_cmdline_has()).  -ENOENT: no such file.  -ESRCH: it is
 * gone. */
int vmm_proc_find(const char *runtime_dir, const char *word, pid_t *ret_pid,
    int *ret_fd);
/* Is that the command line (n bytes as /proc shows them) of a process that was
 * started with 'word' as one of its arguments?  An empty one may be: the kernel
 * shows none while exec() is under way, which is just when av-vmrun says that the
 * guest has started. */
bool vmm_cmdline_has(const char *buf, size_t n, const char *word);
/* 0, -ENOENT or -EBADMSG. */
int vmm_proc_exit_read(const char *runtime_dir, bool *ret_signaled,
    int *ret_code);
int vmm_proc_start_time(pid_t pid, uint64_t *ret);
int vmm_pidfd_kill(int pidfd, int sig);
/* The file's last line that isn't empty, cut to n; "" when there is none.  One that
 * holds 'but' (NULL = any) gives way to the line before. */
void vmm_last_line(const char *path, const char *but, char *ret, size_t n);
/* 0: all threads of the process are stopped by a signal; -EAGAIN: not all yet. */
int vmm_proc_stopped(pid_t pid);

#endif
