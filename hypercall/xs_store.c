// SPDX-License-Identifier: MIT
/*
 * The connection to xenstore: opening, writing, transactions, the error node.
 * See xs_store.h.  Reads are in xs_read.c, watches in xs_watch.c.
 */
#include "hypercall/xs_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ERROR_LOG_BURST       10u
#define ERROR_LOG_INTERVAL_MS 10000u

int xs_path(char out[XS_PATH_MAX], const char *dir, const char *key)
{
	int n;

	if (key)
		n = snprintf(out, XS_PATH_MAX, "%s/%s", dir, key);
	else
		n = snprintf(out, XS_PATH_MAX, "%s", dir);
	return n < 0 || (unsigned int)n >= XS_PATH_MAX ? -ENAMETOOLONG : 0;
}

int xs_store_open(struct xs_store **out, struct ev_loop *loop)
{
	struct xs_store *xs = calloc(1, sizeof(*xs));
	int err;

	if (!xs)
		return -ENOMEM;
	xs->loop = loop;
	xs->h = xs_open(0);
	if (!xs->h) {
		err = errno ? -errno : -ENOENT;
		free(xs);
		return err;
	}
	err = loop ? xs_watch_start(xs) : 0;
	if (err) {
		xs_close(xs->h);
		free(xs);
		return err;
	}
	*out = xs;
	return 0;
}

void xs_store_close(struct xs_store *xs)
{
	if (!xs)
		return;
	if (xs->loop)
		xs_watch_stop(xs);
	xs_close(xs->h);
	free(xs);
}

struct xs_handle *xs_store_handle(struct xs_store *xs)
{
	return xs->h;
}

int xs_store_domid(struct xs_store *xs, uint32_t *domid)
{
	uint64_t n;
	int res;

	/* Domain 0 may have none; every other domain is given one. */
	res = xs_read_u64_or(xs, XBT_NULL, "domid", NULL, 0, 0x7fef, 0, &n,
			     NULL);
	if (!res)
		*domid = (uint32_t)n;
	return res;
}

int xs_writef(struct xs_store *xs, xs_transaction_t t, const char *dir,
	      const char *key, const char *fmt, ...)
{
	char path[XS_PATH_MAX], *value;
	va_list ap;
	int res, len;

	res = xs_path(path, dir, key);
	if (res)
		return res;
	va_start(ap, fmt);
	len = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -ENOMEM;
	if (!xs_write(xs->h, t, path, value, (unsigned int)len))
		res = -errno;
	free(value);
	return res;
}

int xs_remove(struct xs_store *xs, xs_transaction_t t, const char *path)
{
	if (xs_rm(xs->h, t, path) || errno == ENOENT)
		return 0;
	return -errno;
}

/* Two that collide should not collide again: up to 20 ms, part of it by
 * chance.  All tries together wait less than half a second. */
static void transaction_wait(unsigned int try)
{
	long us = 100L << (try < 8 ? try : 8);
	struct timespec ts;

	if (us > 20000)
		us = 20000;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	us = us / 2 + ts.tv_nsec / 100 % (us / 2);
	ts.tv_sec = 0;
	ts.tv_nsec = us * 1000;
	nanosleep(&ts, NULL);
}

int xs_transact(struct xs_store *xs,
		int (*body)(struct xs_store *xs, xs_transaction_t t, void *arg),
		void *arg)
{
	for (unsigned int try = 0; try < XS_TRANSACTION_TRIES; try++) {
		xs_transaction_t t = xs_transaction_start(xs->h);
		int res;

		if (t == XBT_NULL) {
			if (errno != EAGAIN)
				return -errno;
			transaction_wait(try);
			continue;
		}
		res = body(xs, t, arg);
		if (res) {
			xs_transaction_end(xs->h, t, true);
			return res;
		}
		if (xs_transaction_end(xs->h, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
		transaction_wait(try);
	}
	return -EAGAIN;
}

struct state_switch {
	const char *dir;
	enum xenbus_state from, to;
};

static int switch_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct state_switch *s = arg;
	uint64_t now;
	int res;

	res = xs_read_u64(xs, t, s->dir, "state", XenbusStateUnknown,
			  XenbusStateReconfigured, &now, NULL);
	if (res == -EINVAL || (!res && now != (uint64_t)s->from))
		return -ESTALE;
	if (res)
		return res;
	return xs_writef(xs, t, s->dir, "state", "%d", (int)s->to);
}

int xs_switch_state(struct xs_store *xs, const char *dir,
		    enum xenbus_state from, enum xenbus_state to)
{
	struct state_switch s = {dir, from, to};

	return xs_transact(xs, switch_body, &s);
}

/* The path below the domain's home: "backend/vbd/2/51712". */
static const char *home_relative(const char *dir)
{
	static const char home[] = "/local/domain/";
	const char *p;

	if (strncmp(dir, home, sizeof(home) - 1))
		return dir;
	p = strchr(dir + sizeof(home) - 1, '/');
	return p ? p + 1 : dir;
}

static struct log_limit *error_limit(struct xs_store *xs, const char *who)
{
	uint32_t hash = 5381;

	for (; *who; who++)
		hash = hash * 33 + (unsigned char)*who;
	return &xs->error_limits[hash % XS_ERROR_LIMITS];
}

void xs_report_error(struct xs_store *xs, const char *device_dir,
		     const char *who, int err, const char *text)
{
	char dir[XS_PATH_MAX];
	uint32_t missed;

	if (log_limit_ok(error_limit(xs, who), ERROR_LOG_BURST,
			 ERROR_LOG_INTERVAL_MS, &missed)) {
		if (missed)
			log_warn(who, "%" PRIu32 " errors were not logged",
				 missed);
		log_err(who, "%s", text);
	}
	/* The reason is worth having even where it cannot be written. */
	if (!xs_path(dir, "error", home_relative(device_dir)))
		xs_writef(xs, XBT_NULL, dir, "error", "%d %s", abs(err), text);
	xs_writef(xs, XBT_NULL, device_dir, "error", "%d %s", abs(err), text);
}

int xs_remove_tree(struct xs_store *xs, xs_transaction_t t, const char *path,
		   const char *stop)
{
	char dir[XS_PATH_MAX], *slash;
	unsigned int nr;
	int res;

	res = xs_path(dir, path, NULL);
	if (!res)
		res = xs_remove(xs, t, dir);
	if (res)
		return res;
	while ((slash = strrchr(dir, '/'))) {
		char **names;

		*slash = '\0';
		if (strlen(dir) <= strlen(stop))
			break;
		nr = 0;
		errno = 0;
		names = xs_directory(xs->h, t, dir, &nr);
		free(names);
		if (nr || (!names && errno && errno != ENOENT))
			break;
		if (xs_remove(xs, t, dir))
			break;
	}
	return 0;
}

void xs_clear_error(struct xs_store *xs, const char *device_dir)
{
	char path[XS_PATH_MAX];

	if (!xs_path(path, "error", home_relative(device_dir)) &&
	    xs_node_exists(xs, XBT_NULL, path))
		xs_remove_tree(xs, XBT_NULL, path, "error");
	if (!xs_path(path, device_dir, "error"))
		xs_remove(xs, XBT_NULL, path);
}
