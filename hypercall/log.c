// SPDX-License-Identifier: MIT
/*
 * Log lines to standard error.  Not a log file, not syslog: whoever starts the
 * program decides where standard error goes.
 *
 * Each line is made in a private buffer and written with one write(2), so that
 * lines of several threads and processes do not mix.  Bytes that are not
 * printable ASCII are written as \xNN: texts carry what peers wrote, and a
 * peer must not reach the terminal of whoever reads the log.
 */
#include "hypercall/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hypercall/clock.h"

#define LINE_MAX_BYTES 1024u

static const char *log_program = "xensplit";
static enum log_level log_max = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_ERR] = "error",
	[LOG_LEVEL_WARN] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_init(const char *program, enum log_level max_level)
{
	log_program = program;
	log_max = max_level;
}

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

/* Keeps room for "...\n": a cut line says so and is still a line. */
static void line_add(struct line *l, const char *s)
{
	const size_t room = sizeof(l->text) - 4;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		size_t need = c >= 0x20 && c < 0x7f ? 1 : 4;

		if (l->len + need > room) {
			memcpy(l->text + room - 1, "...", 3);
			l->len = room + 2;
			return;
		}
		if (need == 1) {
			l->text[l->len++] = (char)c;
		} else {
			char hex[5];

			snprintf(hex, sizeof(hex), "\\x%02x", c);
			memcpy(l->text + l->len, hex, 4);
			l->len += 4;
		}
	}
}

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES * 2];
	struct line l = {.len = 0};
	int saved = errno;
	va_list ap;
	ssize_t n;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	line_add(&l, log_program);
	line_add(&l, ": ");
	line_add(&l, level_names[level]);
	line_add(&l, " ");
	line_add(&l, who);
	line_add(&l, ": ");
	line_add(&l, text);
	l.text[l.len++] = '\n';
	do {
		n = write(STDERR_FILENO, l.text, l.len);
	} while (n < 0 && errno == EINTR);
	errno = saved;
}

bool log_limit_ok(struct log_limit *l, uint32_t burst, uint32_t interval_ms,
		  uint32_t *missed)
{
	uint64_t now = clock_ms();

	*missed = 0;
	if (!l->since_ms || now - l->since_ms >= interval_ms) {
		*missed = l->missed;
		l->since_ms = now ? now : 1;
		l->written = 0;
		l->missed = 0;
	}
	if (l->written < burst) {
		l->written++;
		return true;
	}
	if (l->missed < UINT32_MAX)
		l->missed++;
	return false;
}
