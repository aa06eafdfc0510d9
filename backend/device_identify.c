// SPDX-License-Identifier: MIT
/*
 * Who is at the other end of a device: the toolstack's keys that say so are
 * believed only where they agree with the path that they stand in.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/device.h"
#include "backend/super.h"

static bool is_plain(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' && s[i] != '_')
			return false;
	return len > 0;
}

/* /local/domain/F/device/TYPE/ID, and nothing else: one watch per domain has
 * to see it, and it must be in the tree of the domain it claims to be. */
static bool is_frontend_of(const char *path, uint32_t domid)
{
	char prefix[48];
	const char *slash;
	size_t len;

	len = (size_t)snprintf(prefix, sizeof(prefix),
			       "/local/domain/%" PRIu32 "/device/", domid);
	if (strncmp(path, prefix, len))
		return false;
	path += len;
	slash = strchr(path, '/');
	return slash && is_plain(path, (size_t)(slash - path)) &&
	       is_plain(slash + 1, strlen(slash + 1));
}

static int missing(int err, const struct device *dev, const char *key,
		   struct xs_err *why)
{
	if (err == -ENOENT)
		xs_err_set(why, "%s/%s is missing", dev->be_dir, key);
	return err;
}

int device_identify(struct device *dev, struct xs_err *why)
{
	char path[DEVICE_PATH_MAX];
	uint64_t id;
	int err;

	err = xs_read_u64(dev->super->xs, XBT_NULL, dev->be_dir, "frontend-id",
			  0, 0x7fef, &id, why);
	if (err)
		return missing(err, dev, "frontend-id", why);
	if (id != dev->fe_domid) {
		xs_err_set(why,
			   "%s/frontend-id: '%" PRIu64
			   "' is not the domain in the path",
			   dev->be_dir, id);
		return -EINVAL;
	}
	err = xs_read_str(dev->super->xs, XBT_NULL, dev->be_dir, "frontend",
			  path, sizeof(path), why);
	if (err)
		return missing(err, dev, "frontend", why);
	if (!is_frontend_of(path, dev->fe_domid)) {
		xs_err_set(why,
			   "%s/frontend: '%.100s' is not a device of domain "
			   "%" PRIu32,
			   dev->be_dir, path, dev->fe_domid);
		return -EINVAL;
	}
	snprintf(dev->fe_dir, sizeof(dev->fe_dir), "%s", path);
	super_index_fe_dir(dev);
	dev->known = true;
	return 0;
}
