/* SPDX-License-Identifier: MIT */
/*
 * The one table of xenstore keys: which end writes a key, its type, range and
 * what absence means.  Backends, frontends and tools read and write through
 * it, so that a key is known everywhere by adding a line.
 *
 * Source of the lines: <xen/io/blkif.h>, <xen/io/netif.h>, and what Linux,
 * Mini-OS, GRUB and Windows frontends read and write.
 */
#ifndef XENSPLIT_HYPERCALL_XENBUS_KEYS_H
#define XENSPLIT_HYPERCALL_XENBUS_KEYS_H

#include "hypercall/xs_store.h"

enum xenbus_key_type { XENBUS_KEY_U64, XENBUS_KEY_BOOL, XENBUS_KEY_STRING };
enum xenbus_key_writer {
	XENBUS_BY_TOOLSTACK_BACK,  /* toolstack, in the backend directory */
	XENBUS_BY_TOOLSTACK_FRONT, /* toolstack, in the frontend directory */
	XENBUS_BY_BACKEND,
	XENBUS_BY_FRONTEND,
};

struct xenbus_key {
	const char *name;
	enum xenbus_key_writer writer;
	enum xenbus_key_type type;
	bool required;
	uint64_t min, max, missing; /* of numbers; missing: value if absent */
	const char *help;
};

/* Every key of a block device, ended by a line without a name. */
extern const struct xenbus_key vbd_keys[];
/* And of a NIC. */
extern const struct xenbus_key vif_keys[];

/* The line of a key; the name must be in the table (asserted). */
const struct xenbus_key *xenbus_key_find(const struct xenbus_key *table,
					 const char *name);
/* Read a number or boolean by its line: -ENOENT only if required, with err
 * set then too. */
int xenbus_key_read(struct xs_store *xs, xs_transaction_t t,
		    const struct xenbus_key *table, const char *dir,
		    const char *name, uint64_t *out, struct xs_err *err);
/* Read a string by its line, into out; absent and not required: "". */
int xenbus_key_read_str(struct xs_store *xs, xs_transaction_t t,
			const struct xenbus_key *table, const char *dir,
			const char *name, char *out, size_t size,
			struct xs_err *err);

#endif
