/* SPDX-License-Identifier: MIT */
/*
 * What a xenstore value means: pure functions on bytes that another domain may
 * have written.  No I/O, no memory, any thread.
 */
#ifndef XENSPLIT_HYPERCALL_XS_PARSE_H
#define XENSPLIT_HYPERCALL_XS_PARSE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Strict decimal: digits only, no sign, space, leading zero (readers differ on
 * whether that is octal) or anything after the digits.  0; -EINVAL when it is
 * not such a number; -ERANGE when it is not in [min, max].  *out is written
 * only on success.
 */
int xs_parse_u64(const char *value, size_t len, uint64_t min, uint64_t max,
		 uint64_t *out);

/* Copies len bytes and a NUL into out.  -EINVAL for an embedded NUL, -E2BIG
 * when size is too small; *out is then "". */
int xs_parse_str(const char *value, size_t len, char *out, size_t size);

/* A copy for messages: bytes outside printable ASCII become \xNN, and what
 * does not fit is cut and ended by "...".  size is at least 8. */
void xs_printable(char *out, size_t size, const char *value, size_t len);

#endif
