/* SPDX-License-Identifier: MIT */
/*
 * What attaching a device of any kind has in common: writes its two
 * directories as libxl does, has the hotplug script run, and waits for both
 * ends.  It ends with the device there, or with a reason and nothing left but
 * that reason, in the error node of the backend's domain.
 */
#ifndef XENSPLIT_TOOLS_XENSPLIT_ATTACH_H
#define XENSPLIT_TOOLS_XENSPLIT_ATTACH_H

#include "tools/xensplit.h"

enum attach_wait { WAIT_CONNECTED, WAIT_BACKEND, WAIT_NONE };

struct attach;

struct attach_class {
	const struct pvdev_kind *kind;
	const char *needs; /* the complaint when words are missing */
	bool may_be_bare;  /* a domain is enough */
	/* read the words into a->spec; sets dev.devid, backend, label; 0 or
	 * -errno with a->why */
	int (*parse)(struct attach *a, unsigned int nr,
		     const char *const *words);
	/* may be NULL: with xenstore there, choose what was left open */
	int (*choose)(struct attach *a);
	/* the keys that only this kind has, of both directories */
	int (*write_keys)(struct attach *a, struct xs_store *xs,
			  xs_transaction_t t);
	/* may be NULL: whether a script is to be run here, and running it when
	 * the backend is ready, or on taking all back */
	bool (*has_script)(const struct attach *a);
	int (*run_script)(struct attach *a, bool online, double seconds);
};

struct attach {
	const struct attach_class *class;
	void *spec; /* the class's */
	struct ctl ctl;
	struct pvdev dev;
	const char *backend;  /* domain, id or name; NULL: 0 */
	const char *be_class; /* --class; NULL: as the backend's kernel needs */
	const char *label;    /* what complaints are about */
	enum attach_wait wait;
	bool json, online;
	double timeout, deadline;
	struct pvdev_view view;
	struct xs_err why;
};

/* The whole command; the exit code. */
int attach_main(int argc, char **argv, const struct attach_class *class,
		void *spec);

struct attach_key {
	const char *key, *value; /* NULL: left out */
};
/* Up to a line without a key; 0 or -errno. */
int attach_write_keys(struct xs_store *xs, xs_transaction_t t, const char *dir,
		      const struct attach_key *keys);

#endif
