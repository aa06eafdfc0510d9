/* SPDX-License-Identifier: MIT */
/*
 * xenstore on a libev loop: one libxenstore connection, strict typed reads,
 * transactions that are tried again a bounded number of times, watches with a
 * callback each, and the error node.
 *
 * Whatever is read here may have been written by a hostile domain: a value is
 * copied, bounded, checked to be what its key's table says, and only then
 * used.  A refused value gives an error text that names path and value (made
 * printable).
 *
 * One thread (the loop's).  Paths may be absolute or relative to the own
 * domain's home.
 */
#ifndef XENSPLIT_HYPERCALL_XS_STORE_H
#define XENSPLIT_HYPERCALL_XS_STORE_H

#include <ev.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#define XS_ERR_MAX 256u

/* A reason a person can read: filled by whatever failed first. */
struct xs_err {
	char text[XS_ERR_MAX];
};
void xs_err_set(struct xs_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct xs_store;
struct xs_watch;
/* path: the node that changed (private copy, valid during the call). */
typedef void (*xs_watch_cb)(struct xs_watch *w, const char *path, void *arg);

/* loop NULL: no watches (a command-line tool that polls nothing). */
int xs_store_open(struct xs_store **xs, struct ev_loop *loop);
void xs_store_close(struct xs_store *xs);
/* libxenstore runs a thread of its own once a watch was added: after fork()
 * only exec, or don't use the handle. */
struct xs_handle *xs_store_handle(struct xs_store *xs);
/* cb runs once when the connection breaks (xenstored died): no watch fires any
 * more, every call fails.  It may stop the loop but not close the store. */
void xs_store_on_lost(struct xs_store *xs,
		      void (*cb)(struct xs_store *xs, void *arg), void *arg);
/* Own domain id, read from the store ("domid") or 0 for domain 0. */
int xs_store_domid(struct xs_store *xs, uint32_t *domid);

/* Fires once at registration, as xenstore does.  However often a node changes,
 * at most one call per watch and loop turn is made for the same path. */
int xs_watch_add(struct xs_store *xs, const char *path, xs_watch_cb cb,
		 void *arg, struct xs_watch **w);
/* Safe within any watch callback.  NULL is fine. */
void xs_watch_del(struct xs_watch *w);

/*
 * Reads.  t: XBT_NULL or a transaction.  Return 0, -ENOENT (absent; *out and
 * err untouched), or -EINVAL etc. with err set.  Strings are NUL-terminated
 * copies without embedded NULs, at most size-1 bytes, else -EINVAL.
 */
int xs_read_str(struct xs_store *xs, xs_transaction_t t, const char *dir,
		const char *key, char *out, size_t size, struct xs_err *err);
/* Strict decimal, no sign, space or leading '+', in [min, max]. */
int xs_read_u64(struct xs_store *xs, xs_transaction_t t, const char *dir,
		const char *key, uint64_t min, uint64_t max, uint64_t *out,
		struct xs_err *err);
/* As xs_read_u64 with a default for an absent key. */
int xs_read_u64_or(struct xs_store *xs, xs_transaction_t t, const char *dir,
		   const char *key, uint64_t min, uint64_t max,
		   uint64_t missing, uint64_t *out, struct xs_err *err);
/* Absent or unreadable: XenbusStateUnknown and 0; out of range: -EINVAL. */
int xs_read_state(struct xs_store *xs, xs_transaction_t t, const char *dir,
		  enum xenbus_state *state, struct xs_err *err);
bool xs_node_exists(struct xs_store *xs, xs_transaction_t t, const char *path);
/* Names of the children; free() the result; NULL and *nr 0 when none. */
char **xs_list(struct xs_store *xs, xs_transaction_t t, const char *dir,
	       unsigned int *nr);

int xs_writef(struct xs_store *xs, xs_transaction_t t, const char *dir,
	      const char *key, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Removes the node and all below it.  Absent is fine. */
int xs_remove(struct xs_store *xs, xs_transaction_t t, const char *path);
/* As xs_remove, then removes parents that are left empty, but not stop (a
 * leading part of path). */
int xs_remove_tree(struct xs_store *xs, xs_transaction_t t, const char *path,
		   const char *stop);

/*
 * Run body in a transaction; again after EAGAIN, with a growing delay, at most
 * XS_TRANSACTION_TRIES times.  body returns 0 to commit or -errno to abort.
 */
#define XS_TRANSACTION_TRIES 20u
int xs_transact(struct xs_store *xs,
		int (*body)(struct xs_store *xs, xs_transaction_t t, void *arg),
		void *arg);

/*
 * Write dir's state, but only if it still is `from`: the toolstack writes
 * Closing into the backend's directory at any moment, and a plain write would
 * undo that.  0; -ESTALE when it is something else by now (ask xenbus_next
 * again); -ENOENT when the directory has no state any more, so that nothing is
 * written into a directory that was just removed.
 */
int xs_switch_state(struct xs_store *xs, const char *dir,
		    enum xenbus_state from, enum xenbus_state to);

/*
 * The error node, as Linux's xenbus_dev_error writes it: error/PATH/error with
 * "ERRNO text" below the own domain's home, and `error` in the backend
 * directory itself, where tools read it.  Logs the line too.
 */
void xs_report_error(struct xs_store *xs, const char *device_dir,
		     const char *who, int err, const char *text);
void xs_clear_error(struct xs_store *xs, const char *device_dir);

#endif
