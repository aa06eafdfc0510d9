/* SPDX-License-Identifier: MIT */
/* What classes write into a device's backend directory, and show of it. */
#ifndef XENSPLIT_BACKEND_DEVICE_KEYS_H
#define XENSPLIT_BACKEND_DEVICE_KEYS_H

#include "backend/device.h"
#include "backend/super.h"
#include "hypercall/xenbus_keys.h"

struct key_number {
	const char *key;
	uint64_t value;
};

/* Write all of them in one transaction; state_again: and Connected, for a
 * frontend that looks again then.  0 or -errno with err set; -ENOENT when the
 * directory was just removed, which must not be brought back. */
int device_publish(struct device *dev, const struct key_number *numbers,
		   unsigned int nr, bool state_again, struct xs_err *err);

/* Memory that the worker writes and we read: a descriptor and the mapping of
 * a memfd that nobody can make shorter.  0 or -errno. */
int device_make_stats(size_t size, int *fd, void **p);
void device_free_stats(size_t size, int fd, void *p);

/* Whether a directory of a class that kernels serve, too, is ours. */
bool device_is_ours(struct xs_store *xs, const struct xenbus_key *keys,
		    const char *be_dir, const char *class,
		    enum super_serve which);

/* A JSON string of text that may have bytes which JSON cannot. */
json_t *device_json_text(const char *text);

#endif
