/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/log.h - the log: stderr (journal) and a ring in memory
 *
 * Levels: ERR = a person must act; WARN = we went on anyway; NOTICE = role,
 * membership or state changed; INFO; DEBUG.  Every line carries its subject
 * ("vm:o12", "volume:o3", "unit").  Bytes that could forge a line are escaped.
 * Threads: any.  Keeps errno.
 *
 * Only main files and request servers log errors; libraries return them.
 */
#ifndef AV_LOG_H
#define AV_LOG_H

enum av_log_level { AV_LOG_ERR = 3, AV_LOG_WARN = 4, AV_LOG_NOTICE = 5,
	AV_LOG_INFO = 6, AV_LOG_DEBUG = 7 };

/* 'program' is borrowed for the life of the process. */
void av_log_open(const char *program, enum av_log_level max);
void av_log(enum av_log_level level, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes the last 1 MiB of lines, debug ones included, to 'fd'. */
void av_log_dump_ring(int fd);

#define log_err(subj, ...)	av_log(AV_LOG_ERR, (subj), __VA_ARGS__)
#define log_warn(subj, ...)	av_log(AV_LOG_WARN, (subj), __VA_ARGS__)
#define log_notice(subj, ...)	av_log(AV_LOG_NOTICE, (subj), __VA_ARGS__)
#define log_info(subj, ...)	av_log(AV_LOG_INFO, (subj), __VA_ARGS__)
#define log_debug(subj, ...)	av_log(AV_LOG_DEBUG, (subj), __VA_ARGS__)

#endif
