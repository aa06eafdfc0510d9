// SPDX-License-Identifier: MIT
/* See device_keys.h. */
#include "backend/device_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypercall/kernel_backend.h"

struct publication {
	const char *dir;
	const struct key_number *numbers;
	unsigned int nr;
	bool state_again;
};

static int write_numbers(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	const struct publication *p = arg;
	char path[DEVICE_PATH_MAX + 8];
	unsigned int i;
	int e = 0;

	snprintf(path, sizeof(path), "%s/state", p->dir);
	if (!xs_node_exists(xs, t, path))
		return -ENOENT;
	for (i = 0; !e && i < p->nr; i++)
		e = xs_writef(xs, t, p->dir, p->numbers[i].key, "%" PRIu64,
			      p->numbers[i].value);
	if (!e && p->state_again)
		e = xs_writef(xs, t, p->dir, "state", "%d",
			      XenbusStateConnected);
	return e;
}

int device_publish(struct device *dev, const struct key_number *numbers,
		   unsigned int nr, bool state_again, struct xs_err *err)
{
	struct publication p = {dev->be_dir, numbers, nr, state_again};
	int e = xs_transact(dev->super->xs, write_numbers, &p);

	if (e == -ENOSPC)
		xs_err_set(err, "this domain has used up its quota of nodes "
				"in xenstore (some 30 a device are needed; see "
				"xenstored's --entry-nb)");
	else if (e)
		xs_err_set(err, "cannot write into xenstore: %s", strerror(-e));
	return e;
}

int device_make_stats(size_t size, int *out, void **p)
{
	int fd = memfd_create("xensplit-stats",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int e = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		e = -errno;
	*p = e ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (!e && *p == MAP_FAILED)
		e = -errno;
	if (e) {
		*p = NULL;
		close(fd);
		return e;
	}
	*out = fd;
	return 0;
}

void device_free_stats(size_t size, int fd, void *p)
{
	if (p)
		munmap(p, size);
	if (fd >= 0)
		close(fd);
}

json_t *device_json_text(const char *text)
{
	json_t *j = json_string(text);

	return j ? j : json_string("(not UTF-8)");
}

bool device_is_ours(struct xs_store *xs, const struct xenbus_key *keys,
		    const char *be_dir, const char *class,
		    enum super_serve which)
{
	uint64_t serve = 0;

	if (which == SUPER_SERVE_ALL ||
	    (which == SUPER_SERVE_AUTO && !kernel_serves(class)))
		return true;
	return !xenbus_key_read(xs, XBT_NULL, keys, be_dir, "xensplit/serve",
				&serve, NULL) &&
	       serve;
}
