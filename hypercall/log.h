/* SPDX-License-Identifier: MIT */
/*
 * Log lines to standard error, one write a line: "LEVEL who: text".
 *
 * `who` names the device or domain ("vbd/2/51712", "domain 3", "-").  What a
 * peer can cause goes through a limiter, so that no peer can fill a disk.
 * All functions may be called from any thread.
 */
#ifndef XENSPLIT_HYPERCALL_LOG_H
#define XENSPLIT_HYPERCALL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Prefix of every line (the program's name; the string is kept, not copied)
 * and the least important level that is written. */
void log_init(const char *program, enum log_level max_level);

void log_line(enum log_level level, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define log_err(who, ...)   log_line(LOG_LEVEL_ERR, who, __VA_ARGS__)
#define log_warn(who, ...)  log_line(LOG_LEVEL_WARN, who, __VA_ARGS__)
#define log_info(who, ...)  log_line(LOG_LEVEL_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) log_line(LOG_LEVEL_DEBUG, who, __VA_ARGS__)

/* A limiter for one kind of line of one peer: true for the first `burst` lines
 * of every interval; after a quiet start of the next interval, *missed tells
 * how many were not written.  Zero-initialised is ready.  One thread. */
struct log_limit {
	uint64_t since_ms;
	uint32_t written, missed;
};
bool log_limit_ok(struct log_limit *l, uint32_t burst, uint32_t interval_ms,
		  uint32_t *missed);

#endif
