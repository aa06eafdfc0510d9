// SPDX-License-Identifier: MIT
/*
 * xenlocald's log: lines on standard error, each with time and domain.
 *
 * What a domain can cause is limited for each domain, so that one that errs
 * in a loop fills no disk and hides no other's lines.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xenlocald.h"

#define LOG_BURST 20u
#define LOG_PER_S 1u

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A token bucket; false: drop the line, it is counted. */
static bool may_log(struct domain *d)
{
	uint64_t now = now_ms();
	uint64_t gained = (now - d->log.ms) * LOG_PER_S / 1000;

	if (d->log.ms == 0) {
		d->log.ms = now;
		d->log.tokens = LOG_BURST;
	} else if (gained) {
		d->log.ms += gained * 1000 / LOG_PER_S;
		d->log.tokens = gained + d->log.tokens > LOG_BURST
					? LOG_BURST
					: d->log.tokens + (uint32_t)gained;
	}
	if (d->log.tokens == 0) {
		d->log.dropped++;
		return false;
	}
	d->log.tokens--;
	return true;
}

void log_line(struct domain *d, const char *fmt, ...)
{
	char line[512], who[96] = "";
	struct timespec ts;
	struct tm tm;
	va_list ap;
	int n;

	if (d && !may_log(d))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	if (d && d->log.dropped) {
		snprintf(who, sizeof(who), "d%u: (%u lines dropped) ", d->domid,
			 d->log.dropped);
		d->log.dropped = 0;
	} else if (d) {
		snprintf(who, sizeof(who), "d%u: ", d->domid);
	}
	n = snprintf(line, sizeof(line), "%02d:%02d:%02d.%03ld xenlocald: %s",
		     tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000,
		     who);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = (int)strlen(line);
	line[n] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n + 1);
}
