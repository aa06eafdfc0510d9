// SPDX-License-Identifier: MIT
/*
 * The supervisor's tables of devices and frontend domains, and the watches
 * that fill them and say which device to look at.
 */
#include "backend/super.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vbd.h"
#include "backend/vif.h"
#include "hypercall/xs_parse.h"

#define DOMID_MAX 0x7fefu /* DOMID_FIRST_RESERVED - 1 */

static const struct device_class *const classes[] = {
	&vbd_class, &vbd_own_class, &vif_class, &vif_own_class};
#define NR_CLASSES (sizeof(classes) / sizeof(classes[0]))

/* ---- tables ---- */

static struct device_list *id_bucket(struct supervisor *super, uint32_t domid,
				     uint32_t devid)
{
	uint32_t h = domid * 2654435761u ^ devid * 2246822519u;

	return &super->by_id[(h >> 8) % SUPER_BUCKETS];
}

static struct device_list *fe_bucket(struct supervisor *super, const char *dir)
{
	uint32_t h = 2166136261u;

	for (; *dir; dir++)
		h = (h ^ (unsigned char)*dir) * 16777619u;
	return &super->by_fe_dir[h % SUPER_BUCKETS];
}

static struct device *find(struct supervisor *super,
			   const struct device_class *class, uint32_t domid,
			   uint32_t devid)
{
	struct device *dev;

	for (dev = LIST_FIRST(id_bucket(super, domid, devid)); dev;
	     dev = LIST_NEXT(dev, by_id))
		if (dev->class == class && dev->fe_domid == domid &&
		    dev->devid == devid)
			return dev;
	return NULL;
}

static struct domain_list *domain_bucket(struct supervisor *super,
					 uint32_t domid)
{
	return &super->domains[domid % SUPER_DOM_BUCKETS];
}

static struct fe_domain *find_domain(struct supervisor *super, uint32_t domid)
{
	struct fe_domain *dom;

	for (dom = LIST_FIRST(domain_bucket(super, domid)); dom;
	     dom = LIST_NEXT(dom, link))
		if (dom->domid == domid)
			return dom;
	return NULL;
}

/* ---- domains ---- */

/* Not the answer that a driver domain gets, which is told "permission denied"
 * of every other domain's home, there or not; see device.c's vanish(). */
static bool domain_is_gone(struct supervisor *super, uint32_t domid)
{
	char home[64];

	snprintf(home, sizeof(home), "/local/domain/%" PRIu32, domid);
	return !xs_node_exists(super->xs, XBT_NULL, home);
}

void super_check_domain(struct fe_domain *dom)
{
	struct device *dev;

	if (dom->gone)
		return;
	dom->gone = domain_is_gone(dom->super, dom->domid);
	if (dom->gone)
		log_info("-", "domain %" PRIu32 " has gone", dom->domid);
	for (dev = LIST_FIRST(&dom->devices); dev;
	     dev = LIST_NEXT(dev, of_domain))
		device_mark(dev);
}

static void on_frontend(struct xs_watch *w, const char *path, void *arg);

static void watch_life(struct fe_domain *dom)
{
	struct device *dev;

	if (dom->life_watch || !dom->super->domid)
		return;
	for (dev = LIST_FIRST(&dom->devices); dev;
	     dev = LIST_NEXT(dev, of_domain))
		if (dev->fe_dir[0])
			break;
	/* Not vital: without it a domain's end is seen later. */
	if (dev && !xs_watch_add(dom->super->xs, dev->fe_dir, on_frontend, dom,
				 &dom->life_watch))
		dom->life_device = dev;
}

static void unwatch_life(struct device *dev)
{
	struct fe_domain *dom = dev->dom;

	if (dom->life_device != dev)
		return;
	xs_watch_del(dom->life_watch);
	dom->life_watch = NULL;
	dom->life_device = NULL;
}

void super_index_fe_dir(struct device *dev)
{
	LIST_REMOVE(dev, by_fe_dir);
	LIST_INSERT_HEAD(fe_bucket(dev->super, dev->fe_dir), dev, by_fe_dir);
	unwatch_life(dev);
	watch_life(dev->dom);
}

/* key: of the device's frontend directory, "/state", or "" for all of it. */
static void on_front_key(struct device *dev, const char *key)
{
	const char *live = dev->class->front_live_key;

	if (*key && live && !strcmp(key + 1, live))
		dev->recheck = true;
	else if (*key && strcmp(key, "/state"))
		return;
	device_mark(dev);
}

/* path: /local/domain/F/device[/TYPE/ID[/KEY...]], or above. */
static void on_frontend(struct xs_watch *w, const char *path, void *arg)
{
	struct fe_domain *dom = arg;
	char dir[DEVICE_PATH_MAX];
	unsigned int slashes = 0;
	struct device *dev;
	size_t n;

	(void)w;
	for (n = 0; path[n] && n < sizeof(dir) - 1; n++) {
		if (path[n] == '/' && ++slashes == 7)
			break;
		dir[n] = path[n];
	}
	dir[n] = '\0';
	if (slashes >= 6) {
		for (dev = LIST_FIRST(fe_bucket(dom->super, dir)); dev;
		     dev = LIST_NEXT(dev, by_fe_dir))
			if (!strcmp(dev->fe_dir, dir))
				on_front_key(dev, path + n);
		return;
	}
	super_check_domain(dom);
	for (dev = LIST_FIRST(&dom->devices); dev;
	     dev = LIST_NEXT(dev, of_domain))
		device_mark(dev);
}

static void on_release(struct xs_watch *w, const char *path, void *arg)
{
	struct supervisor *super = arg;
	unsigned int i;

	(void)w;
	(void)path;
	for (i = 0; i < SUPER_DOM_BUCKETS; i++) {
		struct fe_domain *dom;

		for (dom = LIST_FIRST(&super->domains[i]); dom;
		     dom = LIST_NEXT(dom, link))
			super_check_domain(dom);
	}
}

static struct fe_domain *get_domain(struct supervisor *super, uint32_t domid)
{
	struct fe_domain *dom = find_domain(super, domid);
	char path[64];
	int err;

	if (dom)
		return dom;
	dom = calloc(1, sizeof(*dom));
	if (!dom)
		return NULL;
	dom->super = super;
	dom->domid = domid;
	LIST_INIT(&dom->devices);
	LIST_INSERT_HEAD(domain_bucket(super, domid), dom, link);
	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/device", domid);
	err = xs_watch_add(super->xs, path, on_frontend, dom, &dom->watch);
	if (err) {
		log_err("-", "cannot watch %s: %s", path, strerror(-err));
		LIST_REMOVE(dom, link);
		free(dom);
		return NULL;
	}
	return dom;
}

static void put_domain(struct fe_domain *dom)
{
	if (!LIST_EMPTY(&dom->devices))
		return;
	xs_watch_del(dom->watch);
	LIST_REMOVE(dom, link);
	free(dom);
}

/* ---- devices ---- */

static void link_device(struct device *dev)
{
	struct supervisor *super = dev->super;

	TAILQ_INSERT_TAIL(&super->devices, dev, all);
	LIST_INSERT_HEAD(id_bucket(super, dev->fe_domid, dev->devid), dev,
			 by_id);
	LIST_INSERT_HEAD(fe_bucket(super, dev->fe_dir), dev, by_fe_dir);
	LIST_INSERT_HEAD(&dev->dom->devices, dev, of_domain);
	super->nr_devices++;
}

static void make_device(struct class_watch *cw, uint32_t domid, uint32_t devid,
			enum xenbus_state state)
{
	struct supervisor *super = cw->super;
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev || !(dev->dom = get_domain(super, domid))) {
		log_err("-", "no room for device %s/%" PRIu32 "/%" PRIu32,
			cw->class->type, domid, devid);
		free(dev);
		return;
	}
	dev->class = cw->class;
	dev->super = super;
	dev->number = ++super->last_number;
	dev->fe_domid = domid;
	dev->devid = devid;
	dev->online = true;
	dev->fe_failed = -1;
	snprintf(dev->name, sizeof(dev->name), "%s/%" PRIu32 "/%" PRIu32,
		 cw->class->type, domid, devid);
	snprintf(dev->be_dir, sizeof(dev->be_dir), "%s/%" PRIu32 "/%" PRIu32,
		 cw->path, domid, devid);
	ev_timer_init(&dev->hold, device_hold_over, 0., 0.);
	dev->hold.data = dev;
	link_device(dev);
	/*
	 * What another supervisor left.  A ring without its journal cannot be
	 * taken up (responses overwrite requests), so a frontend that is
	 * connected is offered the device again and must come anew.
	 */
	dev->state = state == XenbusStateClosed ? state
						: XenbusStateInitialising;
	if (state >= XenbusStateConnected && state != XenbusStateClosed) {
		dev->wait_fe = true;
		log_warn(dev->name, "was %s when this supervisor began",
			 xenbus_state_name(state));
	}
	device_mark(dev);
}

/* A directory that is none of ours yet.  Without a state it is being made or
 * being removed; Closed and offline or without its domain, it is done with. */
static void consider(struct class_watch *cw, uint32_t domid, uint32_t devid)
{
	struct supervisor *super = cw->super;
	enum xenbus_state state;
	struct xs_err why;
	uint64_t online = 1;
	char dir[DEVICE_PATH_MAX], path[DEVICE_PATH_MAX + 8];

	snprintf(dir, sizeof(dir), "%s/%" PRIu32 "/%" PRIu32, cw->path, domid,
		 devid);
	snprintf(path, sizeof(path), "%s/state", dir);
	if (super->stopping || !xs_node_exists(super->xs, XBT_NULL, path))
		return;
	if (cw->class->is_ours && !cw->class->is_ours(super, dir))
		return;
	/* malformed: device.c will say so */
	if (xs_read_state(super->xs, XBT_NULL, dir, &state, &why))
		state = XenbusStateInitialising;
	xs_read_u64_or(super->xs, XBT_NULL, dir, "online", 0, 1, 1, &online,
		       &why);
	if (state == XenbusStateClosed &&
	    (!online || domain_is_gone(super, domid)))
		return;
	make_device(cw, domid, devid, state);
}

void super_forget(struct device *dev)
{
	struct supervisor *super = dev->super;
	struct class_watch *cw = NULL;
	unsigned int i;

	for (i = 0; i < super->nr_classes; i++)
		if (super->class_watches[i].class == dev->class)
			cw = &super->class_watches[i];
	if (dev->is_dirty)
		TAILQ_REMOVE(&super->dirty, dev, dirty);
	ev_timer_stop(super->loop, &dev->hold);
	TAILQ_REMOVE(&super->devices, dev, all);
	LIST_REMOVE(dev, by_id);
	LIST_REMOVE(dev, by_fe_dir);
	LIST_REMOVE(dev, of_domain);
	unwatch_life(dev);
	watch_life(dev->dom);
	super->nr_devices--;
	if (dev->class->forget)
		dev->class->forget(dev);
	log_info(dev->name, "removed");
	put_domain(dev->dom);
	/* removed and made again while we took the old one down */
	if (dev->gone || dev->renewed)
		consider(cw, dev->fe_domid, dev->devid);
	free(dev);
	super_check_stopped(super);
}

/* ---- backend directories ---- */

/* "51712" or "51712/...": the number, and where it ends. */
static bool parse_name(const char *s, uint64_t max, uint32_t *out,
		       const char **end)
{
	size_t len = strcspn(s, "/");
	uint64_t n;

	if (xs_parse_u64(s, len, 0, max, &n))
		return false;
	*out = (uint32_t)n;
	*end = s + len;
	return true;
}

static void refuse_name(struct class_watch *cw, const char *name)
{
	uint32_t missed;

	if (log_limit_ok(&cw->super->log_names, 10, 10000, &missed))
		log_warn("-", "%s/%s: not a domain's or device's number",
			 cw->path, name);
}

static void scan_domain(struct class_watch *cw, uint32_t domid)
{
	unsigned int nr, i;
	char dir[96], **names;

	snprintf(dir, sizeof(dir), "%s/%" PRIu32, cw->path, domid);
	names = xs_list(cw->super->xs, XBT_NULL, dir, &nr);
	for (i = 0; i < nr; i++) {
		const char *end;
		uint32_t devid;

		if (!parse_name(names[i], UINT32_MAX, &devid, &end))
			refuse_name(cw, names[i]);
		else if (!find(cw->super, cw->class, domid, devid))
			consider(cw, domid, devid);
	}
	free(names);
}

static void mark_domain(struct supervisor *super, uint32_t domid)
{
	struct fe_domain *dom = find_domain(super, domid);
	struct device *dev;

	if (!dom)
		return;
	for (dev = LIST_FIRST(&dom->devices); dev;
	     dev = LIST_NEXT(dev, of_domain))
		device_mark(dev);
}

static void scan_class(struct class_watch *cw)
{
	unsigned int nr, i;
	struct device *dev;
	char **names;

	for (dev = TAILQ_FIRST(&cw->super->devices); dev;
	     dev = TAILQ_NEXT(dev, all))
		device_mark(dev);
	names = xs_list(cw->super->xs, XBT_NULL, cw->path, &nr);
	for (i = 0; i < nr; i++) {
		const char *end;
		uint32_t domid;

		if (parse_name(names[i], DOMID_MAX, &domid, &end))
			scan_domain(cw, domid);
		else
			refuse_name(cw, names[i]);
	}
	free(names);
}

static void on_resize_key(struct device *dev)
{
	char path[DEVICE_PATH_MAX + 20];

	snprintf(path, sizeof(path), "%s/xensplit/resize", dev->be_dir);
	if (!xs_node_exists(dev->super->xs, XBT_NULL, path))
		return;
	xs_remove(dev->super->xs, XBT_NULL, path);
	dev->recheck = true;
	device_mark(dev);
}

static bool is_live(const struct device_class *class, const char *key)
{
	unsigned int i;

	for (i = 0; class->live_keys && class->live_keys[i]; i++)
		if (!strcmp(key, class->live_keys[i]))
			return true;
	return false;
}

static void on_key(struct class_watch *cw, uint32_t domid, uint32_t devid,
		   const char *key)
{
	enum { KEY_SERVE = 2, KEY_HOTPLUG = 3, KEY_ONLINE = 6 };
	static const char *const keys[] = {"",
					   "/state",
					   "/xensplit/serve",
					   "/hotplug-status",
					   "/physical-device",
					   "/physical-device-path",
					   "/online",
					   "/xensplit/force"};
	struct device *dev = find(cw->super, cw->class, domid, devid);
	unsigned int i;

	if (!strcmp(key, "/xensplit/resize") && dev)
		on_resize_key(dev);
	if (dev && *key && is_live(cw->class, key + 1)) {
		dev->recheck = true;
		device_mark(dev);
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i]))
			continue;
		if (!dev && i <= KEY_SERVE)
			consider(cw, domid, devid);
		if (!dev)
			return;
		/* what a hotplug script says */
		if (i >= KEY_HOTPLUG && i < KEY_ONLINE)
			dev->recheck = true;
		device_mark(dev);
		return;
	}
}

/* path: /local/domain/N/backend/TYPE[/F[/D[/KEY]]], or above when more was
 * removed. */
static void on_backend(struct xs_watch *w, const char *path, void *arg)
{
	struct class_watch *cw = arg;
	size_t len = strlen(cw->path);
	uint32_t domid, devid;
	const char *p;

	(void)w;
	if (strncmp(path, cw->path, len) || !path[len]) {
		scan_class(cw);
		return;
	}
	p = path + len + 1;
	if (!parse_name(p, DOMID_MAX, &domid, &p)) {
		refuse_name(cw, path + len + 1);
		return;
	}
	if (!*p) {
		mark_domain(cw->super, domid);
		scan_domain(cw, domid);
		return;
	}
	if (parse_name(p + 1, UINT32_MAX, &devid, &p))
		on_key(cw, domid, devid, p);
	else
		refuse_name(cw, path + len + 1);
}

int super_watch_classes(struct supervisor *super)
{
	unsigned int i;
	int err;

	super->class_watches = calloc(NR_CLASSES, sizeof(struct class_watch));
	if (!super->class_watches)
		return -ENOMEM;
	for (i = 0; i < NR_CLASSES; i++) {
		struct class_watch *cw = &super->class_watches[i];

		cw->class = classes[i];
		cw->super = super;
		snprintf(cw->path, sizeof(cw->path),
			 "/local/domain/%" PRIu32 "/backend/%s", super->domid,
			 cw->class->type);
		super->nr_classes++;
		/* fires at once, which finds what exists */
		err = xs_watch_add(super->xs, cw->path, on_backend, cw,
				   &cw->watch);
		if (err) {
			log_err("-", "cannot watch %s: %s", cw->path,
				strerror(-err));
			return err;
		}
	}
	/* Not every domain may: then the frontends' own directories tell. */
	xs_watch_add(super->xs, "@releaseDomain", on_release, super,
		     &super->release_watch);
	return 0;
}

struct device *super_find(struct supervisor *super, const char *name)
{
	unsigned int i;

	for (i = 0; i < super->nr_classes; i++) {
		const struct device_class *class =
			super->class_watches[i].class;
		size_t len = strlen(class->type);
		uint32_t domid, devid;
		const char *p = name + len + 1;

		if (strncmp(name, class->type, len) || name[len] != '/' ||
		    !parse_name(p, DOMID_MAX, &domid, &p) || *p != '/' ||
		    !parse_name(p + 1, UINT32_MAX, &devid, &p) || *p)
			continue;
		return find(super, class, domid, devid);
	}
	return NULL;
}
