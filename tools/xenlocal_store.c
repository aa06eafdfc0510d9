// SPDX-License-Identifier: MIT
/*
 * The nodes and permissions that a domain has in xenstore before it runs, as
 * libxl makes them (docs/misc/xenstore-paths.pandoc of Xen), and their end.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xenstore.h>

#include "tools/xenlocal.h"

#define PATH_LEN 256

enum access {
	HOST_ONLY,  /* domain 0's; the guest cannot read it */
	GUEST_READ, /* domain 0's; the guest reads it */
	GUEST_OWN,  /* the guest's */
};

/* Directories below /local/domain/N. */
static const struct {
	const char *path;
	enum access access;
	bool driver_domain_only;
} guest_dirs[] = {
	{"cpu", GUEST_READ, false},
	{"memory", GUEST_READ, false},
	{"device", GUEST_READ, false},
	{"device/suspend/event-channel", GUEST_OWN, false},
	{"control", GUEST_READ, false},
	{"control/shutdown", GUEST_OWN, false},
	{"control/feature-poweroff", GUEST_OWN, false},
	{"control/feature-reboot", GUEST_OWN, false},
	{"control/feature-suspend", GUEST_OWN, false},
	{"control/sysrq", GUEST_OWN, false},
	{"data", GUEST_OWN, false},
	{"drivers", GUEST_OWN, false},
	{"feature", GUEST_OWN, false},
	{"attr", GUEST_OWN, false},
	{"error", GUEST_OWN, false},
	{"backend", GUEST_OWN, true},
	{"libxl", GUEST_OWN, true},
	{"device-model", GUEST_OWN, true},
};

static struct xs_handle *open_store(void)
{
	struct xs_handle *xs = xs_open(0);

	if (!xs)
		say("xenstored does not answer: %s", strerror(errno));
	return xs;
}

static bool make_dir(struct xs_handle *xs, xs_transaction_t t, uint32_t domid,
		     const char *path, enum access access)
{
	struct xs_permissions perms[2] = {
		{.id = access == GUEST_OWN ? domid : 0, .perms = XS_PERM_NONE},
		{.id = domid, .perms = XS_PERM_READ},
	};

	return xs_mkdir(xs, t, path) &&
	       xs_set_permissions(xs, t, path, perms,
				  access == GUEST_READ ? 2 : 1);
}

__attribute__((format(printf, 4, 5))) static bool put(struct xs_handle *xs,
						      xs_transaction_t t,
						      const char *path,
						      const char *format, ...)
{
	char value[PATH_LEN];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	return xs_write(xs, t, path, value, (unsigned int)n);
}

/* "DIR/NAME", valid until the fourth call after. */
static const char *below(const char *dir, const char *name)
{
	static char buffers[4][PATH_LEN];
	static unsigned int next;
	char *path = buffers[next++ % 4];

	snprintf(path, PATH_LEN, "%s/%s", dir, name);
	return path;
}

static bool fill_domain(struct xs_handle *xs, xs_transaction_t t,
			const struct domain_spec *spec, const char *dom,
			uint32_t gfn, uint32_t port)
{
	for (size_t i = 0; i < sizeof(guest_dirs) / sizeof(guest_dirs[0]);
	     i++) {
		if (guest_dirs[i].driver_domain_only && !spec->driver_domain)
			continue;
		if (!make_dir(xs, t, spec->domid,
			      below(dom, guest_dirs[i].path),
			      guest_dirs[i].access))
			return false;
	}
	return put(xs, t, below(dom, "name"), "%s", spec->name) &&
	       put(xs, t, below(dom, "domid"), "%u", spec->domid) &&
	       put(xs, t, below(dom, "cpu/0/availability"), "online") &&
	       put(xs, t, below(dom, "store/port"), "%u", port) &&
	       put(xs, t, below(dom, "store/ring-ref"), "%u", gfn) &&
	       put(xs, t,
		   below(dom,
			 "control/platform-feature-multiprocessor-suspend"),
		   "1") &&
	       put(xs, t,
		   below(dom, "control/platform-feature-xs_reset_watches"),
		   "1");
}

static bool fill(struct xs_handle *xs, xs_transaction_t t,
		 const struct domain_spec *spec, const char *uuid, uint32_t gfn,
		 uint32_t port)
{
	char dom[64], vm[64], libxl[64];

	snprintf(dom, sizeof(dom), "/local/domain/%u", spec->domid);
	snprintf(vm, sizeof(vm), "/vm/%s", uuid);
	snprintf(libxl, sizeof(libxl), "/libxl/%u", spec->domid);
	xs_rm(xs, t, dom);
	xs_rm(xs, t, libxl);
	return make_dir(xs, t, spec->domid, dom, GUEST_READ) &&
	       make_dir(xs, t, spec->domid, vm, GUEST_READ) &&
	       put(xs, t, below(vm, "uuid"), "%s", uuid) &&
	       put(xs, t, below(vm, "name"), "%s", spec->name) &&
	       put(xs, t, below(dom, "vm"), "%s", vm) &&
	       make_dir(xs, t, spec->domid, libxl, HOST_ONLY) &&
	       make_dir(xs, t, spec->domid, below(libxl, "device"),
			HOST_ONLY) &&
	       put(xs, t, below(libxl, "type"), "pv") &&
	       fill_domain(xs, t, spec, dom, gfn, port);
}

/* Random, as RFC 4122 writes it. */
static int make_uuid(char *text, size_t size)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -1;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(text, size,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

int store_create(const struct domain_spec *spec, uint32_t gfn, uint32_t port)
{
	struct xs_handle *xs = open_store();
	xs_transaction_t t;
	char uuid[40];
	bool ok;

	if (!xs || make_uuid(uuid, sizeof(uuid)) < 0) {
		xs_close(xs);
		return -1;
	}
	do {
		t = xs_transaction_start(xs);
		ok = t && fill(xs, t, spec, uuid, gfn, port);
		if (!ok) {
			int err = errno;

			if (t)
				xs_transaction_end(xs, t, true);
			errno = err;
			break;
		}
		ok = xs_transaction_end(xs, t, false);
	} while (!ok && errno == EAGAIN);
	if (!ok)
		say("domain %u: its xenstore nodes: %s", spec->domid,
		    strerror(errno));
	if (ok) {
		ok = xs_introduce_domain(xs, spec->domid, gfn, port);
		if (!ok)
			say("domain %u: xenstored does not take it: %s",
			    spec->domid, strerror(errno));
	}
	xs_close(xs);
	return ok ? 0 : -1;
}

void store_destroy(uint32_t domid)
{
	struct xs_handle *xs = open_store();
	char path[64], *vm;

	if (!xs)
		return;
	xs_release_domain(xs, domid);
	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	vm = xs_read(xs, XBT_NULL, path, NULL);
	if (vm && !strncmp(vm, "/vm/", 4))
		xs_rm(xs, XBT_NULL, vm);
	free(vm);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	xs_rm(xs, XBT_NULL, path);
	snprintf(path, sizeof(path), "/libxl/%u", domid);
	xs_rm(xs, XBT_NULL, path);
	xs_close(xs);
}

bool store_name_taken(const char *name, uint32_t *by)
{
	struct xs_handle *xs = open_store();
	unsigned int n = 0;
	bool taken = false;
	char **doms, *other;
	char path[64];

	if (!xs)
		return false;
	doms = xs_directory(xs, XBT_NULL, "/local/domain", &n);
	for (unsigned int i = 0; doms && i < n && !taken; i++) {
		snprintf(path, sizeof(path), "/local/domain/%.10s/name",
			 doms[i]);
		other = xs_read(xs, XBT_NULL, path, NULL);
		taken = other && !strcmp(other, name);
		free(other);
		*by = (uint32_t)atoi(doms[i]);
	}
	free(doms);
	xs_close(xs);
	return taken;
}

int store_init_dom0(void)
{
	struct xs_handle *xs = open_store();
	bool ok;

	if (!xs)
		return -1;
	ok = put(xs, XBT_NULL, "/local/domain/0/domid", "0") &&
	     put(xs, XBT_NULL, "/local/domain/0/name", "Domain-0");
	if (!ok)
		say("domain 0's xenstore nodes: %s", strerror(errno));
	xs_close(xs);
	return ok ? 0 : -1;
}
