// SPDX-License-Identifier: MIT
/* What a xenstore value means.  See xs_parse.h. */
#include "hypercall/xs_parse.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int xs_parse_u64(const char *value, size_t len, uint64_t min, uint64_t max,
		 uint64_t *out)
{
	uint64_t n = 0;

	if (!len || (len > 1 && value[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return -EINVAL;
	}
	for (size_t i = 0; i < len; i++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(value[i] - '0'), &n))
			return -ERANGE;
	}
	if (n < min || n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

int xs_parse_str(const char *value, size_t len, char *out, size_t size)
{
	out[0] = '\0';
	if (memchr(value, '\0', len))
		return -EINVAL;
	if (len >= size)
		return -E2BIG;
	memcpy(out, value, len);
	out[len] = '\0';
	return 0;
}

static size_t printed_size(unsigned char c)
{
	return c >= 0x20 && c < 0x7f ? 1 : 4;
}

void xs_printable(char *out, size_t size, const char *value, size_t len)
{
	size_t total = 0, room = size - 1, o = 0;

	assert(size >= 8);
	for (size_t i = 0; i < len; i++)
		total += printed_size((unsigned char)value[i]);
	if (total > room)
		room -= 3;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (o + printed_size(c) > room)
			break;
		if (printed_size(c) == 1)
			out[o++] = (char)c;
		else
			o += (size_t)snprintf(out + o, 5, "\\x%02x", c);
	}
	strcpy(out + o, total > size - 1 ? "..." : "");
}
