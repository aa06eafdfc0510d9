// SPDX-License-Identifier: MIT
/* DISKSPEC.  See xensplit_disk.h. */
#include "tools/xensplit_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl.h>
#include <libxlutil.h>

#include "hypercall/vdev.h"

#define SPECS_MAX 16u

/* -- what libxlutil does not know, taken out before -- */

struct specs {
	unsigned int nr;
	char *text[SPECS_MAX + 1];
	bool write_shared;
};

static void specs_free(struct specs *s)
{
	for (unsigned int i = 0; i < s->nr; i++)
		free(s->text[i]);
}

/* "w!" and "access=w!" lose the mark, up to target=, which takes the rest. */
static void take_write_shared(struct specs *s, char *spec)
{
	char *p = spec;

	while (*p) {
		size_t len;

		p += strspn(p, " \t\n");
		if (!strncmp(p, "target=", 7))
			return;
		len = strcspn(p, ",");
		if ((len == 2 && !strncmp(p, "w!", 2)) ||
		    (len == 9 && !strncmp(p, "access=w!", 9))) {
			s->write_shared = true;
			memmove(p + len - 1, p + len, strlen(p + len) + 1);
			len--;
		}
		p += len;
		p += *p == ',';
	}
}

/* "nbd:unix:/path,,xvda": libxlutil takes the prefix for the name of a script.
 * As target=, it is left alone; the rest follows as a spec of its own. */
static int specs_add(struct specs *s, const char *spec)
{
	spec += strspn(spec, " \t\n");
	if (!strncmp(spec, "nbd:", 4)) {
		size_t len = strcspn(spec, ",");

		if (asprintf(&s->text[s->nr], "target=%.*s", (int)len, spec) <
		    0)
			return -ENOMEM;
		s->nr++;
		spec += len;
		spec += *spec == ',';
	}
	s->text[s->nr] = strdup(spec);
	if (!s->text[s->nr])
		return -ENOMEM;
	take_write_shared(s, s->text[s->nr++]);
	return 0;
}

/* -- checks -- */

/* The parser's first line, without the part that says where it was written. */
static void parser_reason(struct xs_err *err, char *report)
{
	static const char mark[] = "disk specification: ";
	char *text, *end;

	end = strchr(report, '\n');
	if (end)
		*end = '\0';
	text = strstr(report, mark);
	text = text ? text + sizeof(mark) - 1 : report;
	xs_err_set(err, "disk specification: %s",
		   *text ? text : "not understood");
}

static int check_supported(const libxl_device_disk *d, struct xs_err *err)
{
	if (d->script)
		xs_err_set(err,
			   "script=%s: hotplug scripts are not run; xensplitd "
			   "opens the target itself",
			   d->script);
	else if (d->backend != LIBXL_DISK_BACKEND_UNKNOWN &&
		 d->backend != LIBXL_DISK_BACKEND_PHY)
		xs_err_set(err, "backendtype=%s is not served; leave it out",
			   libxl_disk_backend_to_string(d->backend));
	else if (d->specification != LIBXL_DISK_SPECIFICATION_UNKNOWN &&
		 d->specification != LIBXL_DISK_SPECIFICATION_XEN)
		xs_err_set(err, "only specification=xen is served");
	else if (d->format == LIBXL_DISK_FORMAT_EMPTY || !d->pdev_path ||
		 !*d->pdev_path)
		xs_err_set(err, "no target: an empty drive is not served");
	else if (d->format != LIBXL_DISK_FORMAT_RAW)
		xs_err_set(err,
			   "format=%s is not served; give it to an NBD server "
			   "and attach target=nbd:unix:SOCKET",
			   libxl_disk_format_to_string(d->format));
	else if (libxl_defbool_is_default(d->colo_enable) ||
		 !libxl_defbool_val(d->colo_enable))
		return 0;
	else
		xs_err_set(err, "colo is not served");
	return -EINVAL;
}

static bool defbool_or(libxl_defbool value, bool otherwise)
{
	return libxl_defbool_is_default(value) ? otherwise
					       : libxl_defbool_val(value);
}

static char *take(char **from)
{
	char *p = *from;

	*from = NULL;
	return p;
}

static int convert(struct disk_spec *disk, libxl_device_disk *d,
		   bool write_shared, struct xs_err *err)
{
	int res = check_supported(d, err);

	if (res)
		return res;
	if (vdev_parse(d->vdev, &disk->devid)) {
		xs_err_set(err,
			   "vdev=%s is not a virtual disk's name or number "
			   "(xvda, xvdb1, hda, sda, d0p0, 51712)",
			   d->vdev);
		return -EINVAL;
	}
	disk->mode = !d->readwrite ? "r" : write_shared ? "w!" : "w";
	disk->cdrom = d->is_cdrom;
	disk->removable = d->removable;
	disk->discard = defbool_or(d->discard_enable, d->readwrite);
	disk->direct_io_safe = d->direct_io_safe;
	disk->trusted = defbool_or(d->trusted, true);
	disk->target = take(&d->pdev_path);
	disk->vdev = take(&d->vdev);
	disk->backend = take(&d->backend_domname);
	return 0;
}

static int parse(struct disk_spec *disk, struct specs *specs,
		 struct xs_err *err)
{
	size_t size = 0;
	char *report = NULL;
	FILE *f = open_memstream(&report, &size);
	XLU_Config *cfg = f ? xlu_cfg_init(f, "DISKSPEC") : NULL;
	libxl_device_disk d;
	int res = -ENOMEM;

	libxl_device_disk_init(&d);
	if (cfg)
		res = -xlu_disk_parse(cfg, (int)specs->nr,
				      (const char *const *)specs->text, &d);
	if (cfg)
		xlu_cfg_destroy(cfg);
	if (f)
		fclose(f);
	if (res == -ENOMEM)
		xs_err_set(err, "out of memory");
	else if (res)
		parser_reason(err, report);
	else
		res = convert(disk, &d, specs->write_shared, err);
	libxl_device_disk_dispose(&d);
	free(report);
	return res;
}

int disk_spec_parse(struct disk_spec *disk, unsigned int nr,
		    const char *const *texts, struct xs_err *err)
{
	struct specs specs = {.nr = 0};
	int res = 0;

	memset(disk, 0, sizeof(*disk));
	/* each may become two */
	if (nr > SPECS_MAX / 2) {
		xs_err_set(err, "too many words for one disk");
		return -EINVAL;
	}
	for (unsigned int i = 0; !res && i < nr; i++)
		res = specs_add(&specs, texts[i]);
	if (res)
		xs_err_set(err, "out of memory");
	else
		res = parse(disk, &specs, err);
	specs_free(&specs);
	return res;
}

void disk_spec_free(struct disk_spec *disk)
{
	free(disk->target);
	free(disk->vdev);
	free(disk->backend);
}
