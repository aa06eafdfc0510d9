// SPDX-License-Identifier: MIT
/* See keys_fixture.h. */
#include "tests/unit/keys_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hypercall/xs_parse.h"
#include "hypercall/xs_store.h"

#define DIR      KEYS_DIR
#define KEYS_MAX 80

static const char *keys[KEYS_MAX];
unsigned int nr_transactions;

static const char *value_of(const char *path)
{
	unsigned int i;

	ck_assert(!strncmp(path, DIR "/", sizeof(DIR)));
	path += sizeof(DIR);
	for (i = 0; keys[i]; i++) {
		size_t len = strcspn(keys[i], "=");

		if (strlen(path) == len && !strncmp(keys[i], path, len))
			return keys[i] + len + 1;
	}
	return NULL;
}

static const char *value(const char *dir, const char *key)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return value_of(path);
}

void xs_err_set(struct xs_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}

int xs_read_str(struct xs_store *xs, xs_transaction_t t, const char *dir,
		const char *key, char *out, size_t size, struct xs_err *err)
{
	const char *v = value(dir, key);

	(void)xs;
	(void)t;
	if (!v)
		return -ENOENT;
	if (!xs_parse_str(v, strlen(v), out, size))
		return 0;
	xs_err_set(err, "%s: bad string", key);
	return -EINVAL;
}

int xs_read_u64(struct xs_store *xs, xs_transaction_t t, const char *dir,
		const char *key, uint64_t min, uint64_t max, uint64_t *out,
		struct xs_err *err)
{
	const char *v = value(dir, key);

	(void)xs;
	(void)t;
	if (!v)
		return -ENOENT;
	if (!xs_parse_u64(v, strlen(v), min, max, out))
		return 0;
	xs_err_set(err, "%s: bad number", key);
	return -EINVAL;
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

bool xs_node_exists(struct xs_store *xs, xs_transaction_t t, const char *path)
{
	(void)xs;
	(void)t;
	return value_of(path);
}

int xs_transact(struct xs_store *xs,
		int (*body)(struct xs_store *xs, xs_transaction_t t, void *arg),
		void *arg)
{
	nr_transactions++;
	return body(xs, 1, arg);
}

void set_keys(char *text)
{
	unsigned int n = 0;
	char *save, *p;

	for (p = strtok_r(text, ";", &save); p;
	     p = strtok_r(NULL, ";", &save)) {
		ck_assert_uint_lt(n, KEYS_MAX - 1);
		keys[n++] = p;
	}
	keys[n] = NULL;
}
