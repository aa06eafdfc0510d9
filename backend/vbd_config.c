// SPDX-License-Identifier: MIT
/*
 * What the toolstack wrote into a disk's backend directory.  The writers are
 * trusted, and make mistakes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/hotplug_status.h"
#include "backend/vbd.h"
#include "hypercall/xenbus_keys.h"

struct reader {
	struct xs_store *xs;
	const char *dir;
	struct xs_err *err;
};

static int read_bool(const struct reader *r, const char *key, bool *out)
{
	uint64_t n;
	int e = xenbus_key_read(r->xs, XBT_NULL, vbd_keys, r->dir, key, &n,
				r->err);

	if (!e)
		*out = n;
	return e;
}

static int read_text(const struct reader *r, const char *key, char *out,
		     size_t size)
{
	return xenbus_key_read_str(r->xs, XBT_NULL, vbd_keys, r->dir, key, out,
				   size, r->err);
}

static int bad_value(const struct reader *r, const char *key, const char *value,
		     const char *wanted)
{
	xs_err_set(r->err, "%s/%s: '%.80s' is not %s", r->dir, key, value,
		   wanted);
	return -EINVAL;
}

static int read_mode(const struct reader *r, enum image_mode *mode)
{
	static const struct {
		const char *text;
		enum image_mode mode;
	} modes[] = {
		{"r", IMAGE_READ},    {"ro", IMAGE_READ},
		{"w", IMAGE_WRITE},   {"rw", IMAGE_WRITE},
		{"w!", IMAGE_SHARED}, {"rw!", IMAGE_SHARED},
		{"!", IMAGE_SHARED},
	};
	char text[16];
	unsigned int i;
	int e = read_text(r, "mode", text, sizeof(text));

	if (e)
		return e;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(text, modes[i].text)) {
			*mode = modes[i].mode;
			return 0;
		}
	}
	return bad_value(r, "mode", text, "r, w or w!");
}

static int read_type(const struct reader *r, bool *cdrom)
{
	char text[16];
	int e = read_text(r, "device-type", text, sizeof(text));

	if (e)
		return e;
	*cdrom = !strcmp(text, "cdrom");
	if (*cdrom || !text[0] || !strcmp(text, "disk"))
		return 0;
	return bad_value(r, "device-type", text, "disk or cdrom");
}

static int read_sector_size(const struct reader *r, uint32_t *size)
{
	uint64_t n;
	int e = xenbus_key_read(r->xs, XBT_NULL, vbd_keys, r->dir,
				"xensplit/sector-size", &n, r->err);

	if (e)
		return e;
	if (n & (n - 1)) {
		xs_err_set(r->err,
			   "%s/xensplit/sector-size: '%" PRIu64
			   "' is not a power of two",
			   r->dir, n);
		return -EINVAL;
	}
	*size = (uint32_t)n;
	return 0;
}

/* "MAJOR:MINOR" in hexadecimal, as hotplug scripts on Linux write it. */
static int device_path(const struct reader *r, const char *text, char *out,
		       size_t size)
{
	unsigned int major, minor;
	int len = -1;

	if (strlen(text) > 16 ||
	    strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
	    sscanf(text, "%x:%x%n", &major, &minor, &len) != 2 || text[len])
		return bad_value(r, "physical-device", text,
				 "MAJOR:MINOR in hexadecimal");
	snprintf(out, size, "/dev/block/%u:%u", major, minor);
	return 0;
}

/* Where a script was to run, it says what the disk is. */
static int read_hotplug(const struct reader *r, struct vbd_config *cfg)
{
	char text[160];
	int e = hotplug_status_read(r->xs, XBT_NULL, vbd_keys, r->dir, r->err);

	if (e)
		return e;
	e = read_text(r, "physical-device-path", cfg->target,
		      sizeof(cfg->target));
	if (e || cfg->target[0])
		return e;
	e = read_text(r, "physical-device", text, sizeof(text));
	if (e)
		return e;
	if (text[0])
		return device_path(r, text, cfg->target, sizeof(cfg->target));
	snprintf(cfg->target, sizeof(cfg->target), "%s", cfg->params);
	return 0;
}

static int read_target(const struct reader *r, struct vbd_config *cfg)
{
	char script[VBD_TARGET_MAX];
	int e = read_text(r, "params", cfg->params, sizeof(cfg->params));

	if (!e)
		e = read_text(r, "script", script, sizeof(script));
	if (e)
		return e;
	cfg->script = script[0];
	if (cfg->script)
		e = read_hotplug(r, cfg);
	else
		snprintf(cfg->target, sizeof(cfg->target), "%s", cfg->params);
	if (e || cfg->target[0])
		return e;
	xs_err_set(r->err, "%s/params is empty: there is no medium", r->dir);
	return -ENOMEDIUM;
}

int vbd_config_read(struct xs_store *xs, const char *dir,
		    struct vbd_config *cfg, struct xs_err *err)
{
	const struct reader r = {xs, dir, err};
	int e;

	memset(cfg, 0, sizeof(*cfg));
	e = read_mode(&r, &cfg->mode);
	if (!e)
		e = read_type(&r, &cfg->cdrom);
	if (!e)
		e = read_bool(&r, "removable", &cfg->removable);
	if (!e)
		e = read_bool(&r, "discard-enable", &cfg->discard);
	if (!e)
		e = read_bool(&r, "direct-io-safe", &cfg->direct_io_safe);
	if (!e)
		e = read_sector_size(&r, &cfg->sector_size);
	if (!e)
		e = read_text(&r, "dev", cfg->dev, sizeof(cfg->dev));
	if (!e)
		e = read_target(&r, cfg);
	return e;
}
