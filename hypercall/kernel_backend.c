// SPDX-License-Identifier: MIT
/* What the kernel would do with a backend directory.  See kernel_backend.h. */
#include "hypercall/kernel_backend.h"

#include <stdio.h>
#include <unistd.h>

#include <libkmod.h>

#define XEN_BUS      "/sys/bus/xen-backend"
#define UDEV_RUNNING "/run/udev/control"

/* As `modprobe -b` finds it. */
static bool is_loadable(const char *class)
{
	struct kmod_list *found = NULL, *allowed = NULL;
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	bool res = false;
	char alias[64];

	if (!ctx)
		return false;
	snprintf(alias, sizeof(alias), "xen-backend:%s", class);
	if (!kmod_module_new_from_lookup(ctx, alias, &found) && found &&
	    !kmod_module_apply_filter(ctx, KMOD_FILTER_BLACKLIST, found,
				      &allowed))
		res = allowed;
	kmod_module_unref_list(allowed);
	kmod_module_unref_list(found);
	kmod_unref(ctx);
	return res;
}

bool kernel_serves(const char *class)
{
	char driver[96];

	/* not a Xen host, or a kernel without backends */
	if (access(XEN_BUS, F_OK))
		return false;
	snprintf(driver, sizeof(driver), XEN_BUS "/drivers/%s", class);
	if (!access(driver, F_OK))
		return true;
	return !access(UDEV_RUNNING, F_OK) && is_loadable(class);
}
