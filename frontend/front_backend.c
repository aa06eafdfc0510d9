// SPDX-License-Identifier: MIT
/*
 * Frontends: who the backend is, and reading what it says in xenstore.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/front_dev.h"

void front_backend_reason(struct xs_store *xs, const char *back, char *out,
			  size_t size)
{
	static const char *const keys[] = {"error", "hotplug-error"};
	char text[160];
	struct xs_err err;
	size_t i;

	out[0] = '\0';
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (xs_read_str(xs, XBT_NULL, back, keys[i], text, sizeof(text),
				&err) ||
		    !text[0])
			continue;
		for (char *c = text; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		snprintf(out, size, ": %s", text);
		return;
	}
}

/* The path of the backend is the toolstack's word, but in a directory that
 * the own domain may write: it must at least lie in the domain it names. */
static int check_path(const char *front, const char *back, uint64_t domid,
		      struct xs_err *why)
{
	char prefix[40];
	int len = snprintf(prefix, sizeof(prefix), "/local/domain/%u/",
			   (unsigned int)domid);

	if (!strncmp(back, prefix, len))
		return 0;
	xs_err_set(why, "%s/backend is %s, not below %s of its backend-id",
		   front, back, prefix);
	return -EINVAL;
}

int front_find_backend(struct xs_store *xs, const struct xenbus_key *keys,
		       const char *front, char back[FRONT_PATH_MAX],
		       uint32_t *domid, struct xs_err *why)
{
	uint64_t id;
	int err;

	err = xenbus_key_read_str(xs, XBT_NULL, keys, front, "backend", back,
				  FRONT_PATH_MAX, why);
	if (!err && !back[0])
		err = -ENOENT;
	if (!err)
		err = xenbus_key_read(xs, XBT_NULL, keys, front, "backend-id",
				      &id, why);
	if (!err)
		err = check_path(front, back, id, why);
	if (err) {
		back[0] = '\0';
		return err;
	}
	*domid = id;
	return 0;
}

struct read_job {
	const struct xenbus_key *keys;
	const char *dir;
	const struct front_number *numbers;
	size_t nr;
	struct xs_err *err;
};

static int read_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	const struct read_job *job = arg;
	size_t i;
	int err;

	for (i = 0; i < job->nr; i++) {
		err = xenbus_key_read(xs, t, job->keys, job->dir,
				      job->numbers[i].key, job->numbers[i].out,
				      job->err);
		if (err == -ENOENT)
			xs_err_set(job->err, "%s/%s is missing", job->dir,
				   job->numbers[i].key);
		if (err)
			return err;
	}
	return 0;
}

int front_read_numbers(struct xs_store *xs, const struct xenbus_key *keys,
		       const char *dir, const struct front_number *numbers,
		       size_t nr, struct xs_err *err)
{
	struct read_job job = {keys, dir, numbers, nr, err};
	int res;

	err->text[0] = '\0';
	res = xs_transact(xs, read_body, &job);
	if (res && !err->text[0])
		xs_err_set(err, "cannot read %s: %s", dir, strerror(-res));
	return res;
}

int front_remove_stale(struct xs_store *xs, xs_transaction_t t,
		       const char *front, bool (*is_stale)(const char *name))
{
	char path[FRONT_PATH_MAX + 128];
	unsigned int nr, i;
	char **names = xs_list(xs, t, front, &nr);
	int err = 0;

	for (i = 0; names && i < nr && !err; i++) {
		if (!is_stale(names[i]))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", front, names[i]) >=
		    (int)sizeof(path))
			continue;
		err = xs_remove(xs, t, path);
		if (err == -ENOENT)
			err = 0;
	}
	free(names);
	return err;
}
