// SPDX-License-Identifier: MIT
/*
 * Typed reads: one copy of a value, checked, with an error text that names the
 * path and the value.  See xs_store.h.
 */
#include "hypercall/xs_internal.h"
#include "hypercall/xs_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 72u

void xs_err_set(struct xs_err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}

/* The copy that everything else looks at.  free() *value. */
static int read_value(struct xs_store *xs, xs_transaction_t t, const char *dir,
		      const char *key, char path[XS_PATH_MAX], char **value,
		      unsigned int *len, struct xs_err *err)
{
	int res = xs_path(path, dir, key);

	if (res) {
		xs_err_set(err, "path of key %s is too long", key ? key : "");
		return res;
	}
	*value = xs_read(xs->h, t, path, len);
	if (*value)
		return 0;
	res = -errno;
	if (res != -ENOENT)
		xs_err_set(err, "cannot read %s: %s", path, strerror(-res));
	return res;
}

int xs_read_str(struct xs_store *xs, xs_transaction_t t, const char *dir,
		const char *key, char *out, size_t size, struct xs_err *err)
{
	char path[XS_PATH_MAX], shown[SHOWN_MAX], *value;
	unsigned int len;
	int res;

	res = read_value(xs, t, dir, key, path, &value, &len, err);
	if (res)
		return res;
	res = xs_parse_str(value, len, out, size);
	if (res) {
		xs_printable(shown, sizeof(shown), value, len);
		xs_err_set(err, "%s: %s: '%s'", path,
			   res == -E2BIG ? "value is too long"
					 : "value has a zero byte in it",
			   shown);
		res = -EINVAL;
	}
	free(value);
	return res;
}

int xs_read_u64(struct xs_store *xs, xs_transaction_t t, const char *dir,
		const char *key, uint64_t min, uint64_t max, uint64_t *out,
		struct xs_err *err)
{
	char path[XS_PATH_MAX], shown[SHOWN_MAX], *value;
	unsigned int len;
	int res;

	res = read_value(xs, t, dir, key, path, &value, &len, err);
	if (res)
		return res;
	res = xs_parse_u64(value, len, min, max, out);
	if (res) {
		xs_printable(shown, sizeof(shown), value, len);
		if (res == -ERANGE)
			xs_err_set(err,
				   "%s: '%s' is not from %" PRIu64
				   " to %" PRIu64,
				   path, shown, min, max);
		else
			xs_err_set(err, "%s: '%s' is not a decimal number",
				   path, shown);
		res = -EINVAL;
	}
	free(value);
	return res;
}

int xs_read_u64_or(struct xs_store *xs, xs_transaction_t t, const char *dir,
		   const char *key, uint64_t min, uint64_t max,
		   uint64_t missing, uint64_t *out, struct xs_err *err)
{
	int res = xs_read_u64(xs, t, dir, key, min, max, out, err);

	if (res != -ENOENT)
		return res;
	*out = missing;
	return 0;
}

int xs_read_state(struct xs_store *xs, xs_transaction_t t, const char *dir,
		  enum xenbus_state *state, struct xs_err *err)
{
	uint64_t n;
	int res;

	res = xs_read_u64(xs, t, dir, "state", XenbusStateUnknown,
			  XenbusStateReconfigured, &n, err);
	if (res == -ENOENT || res == -EACCES) {
		*state = XenbusStateUnknown;
		return 0;
	}
	if (!res)
		*state = (enum xenbus_state)n;
	return res;
}

bool xs_node_exists(struct xs_store *xs, xs_transaction_t t, const char *path)
{
	unsigned int len;
	void *value = xs_read(xs->h, t, path, &len);
	/* A node that cannot be read, or a store that does not answer, must
	 * not be taken for a node that was removed. */
	bool exists = value || errno != ENOENT;

	free(value);
	return exists;
}

char **xs_list(struct xs_store *xs, xs_transaction_t t, const char *dir,
	       unsigned int *nr)
{
	char **names;

	*nr = 0;
	names = xs_directory(xs->h, t, dir, nr);
	if (names && !*nr) {
		free(names);
		names = NULL;
	}
	if (!names)
		*nr = 0;
	return names;
}
