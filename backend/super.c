// SPDX-License-Identifier: MIT
/*
 * The supervisor's tables, watches and signals.  What a device does next is
 * decided in device.c.
 */
#include "backend/super.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/control.h"
#include "backend/image_lock.h"
#include "backend/size_watch.h"
#include "backend/vbd.h"
#include "backend/worker_handle.h"
#include "hypercall/xs_parse.h"

#define DOMID_MAX 0x7fefu /* DOMID_FIRST_RESERVED - 1 */
/* How long devices get to close in order before they are forced. */
#define STOP_S 4.0
/* Everything is forced and still not done: the process ends regardless. */
#define STOP_HURRY_S 5.0

static const struct device_class *const classes[] = {&vbd_class};
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

	LIST_FOREACH(dev, id_bucket(super, domid, devid), by_id)
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

	LIST_FOREACH(dom, domain_bucket(super, domid), link)
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
	LIST_FOREACH(dev, &dom->devices, of_domain)
	device_mark(dev);
}

static void on_frontend(struct xs_watch *w, const char *path, void *arg);

static void watch_life(struct fe_domain *dom)
{
	struct device *dev;

	if (dom->life_watch || !dom->super->domid)
		return;
	LIST_FOREACH(dev, &dom->devices, of_domain)
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
		if (path[n] && strcmp(path + n, "/state"))
			return;
		LIST_FOREACH(dev, fe_bucket(dom->super, dir), by_fe_dir)
		if (!strcmp(dev->fe_dir, dir))
			device_mark(dev);
		return;
	}
	super_check_domain(dom);
	LIST_FOREACH(dev, &dom->devices, of_domain)
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

		LIST_FOREACH(dom, &super->domains[i], link)
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
	log_info(dev->name, "removed");
	put_domain(dev->dom);
	/* removed and made again while we took the old one down */
	if (dev->gone)
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
	LIST_FOREACH(dev, &dom->devices, of_domain)
	device_mark(dev);
}

static void scan_class(struct class_watch *cw)
{
	unsigned int nr, i;
	struct device *dev;
	char **names;

	TAILQ_FOREACH(dev, &cw->super->devices, all)
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

static void on_key(struct class_watch *cw, uint32_t domid, uint32_t devid,
		   const char *key)
{
	static const char *const keys[] = {"",
					   "/state",
					   "/online",
					   "/hotplug-status",
					   "/physical-device",
					   "/physical-device-path",
					   "/xensplit/force"};
	struct device *dev = find(cw->super, cw->class, domid, devid);
	unsigned int i;

	if (!strcmp(key, "/xensplit/resize") && dev)
		on_resize_key(dev);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i]))
			continue;
		if (dev)
			device_mark(dev);
		else if (i < 2)
			consider(cw, domid, devid);
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

/* ---- the dirty list ---- */

static void work_off(struct supervisor *super)
{
	struct device *last = TAILQ_LAST(&super->dirty, device_queue), *dev;

	/* What becomes dirty meanwhile waits for the next turn, so that
	 * sockets and signals get theirs. */
	while ((dev = TAILQ_FIRST(&super->dirty))) {
		bool is_last = dev == last;

		TAILQ_REMOVE(&super->dirty, dev, dirty);
		dev->is_dirty = false;
		device_evaluate(dev);
		if (is_last)
			break;
	}
	if (TAILQ_EMPTY(&super->dirty))
		ev_idle_stop(super->loop, &super->more);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *p, int revents)
{
	(void)loop;
	(void)revents;
	work_off(p->data);
}

/* Keeps the loop from sleeping; the work is done before it would. */
static void on_more(struct ev_loop *loop, ev_idle *i, int revents)
{
	(void)loop;
	(void)i;
	(void)revents;
}

/* ---- stopping ---- */

static void mark_all(struct supervisor *super)
{
	struct device *dev;

	TAILQ_FOREACH(dev, &super->devices, all)
	device_mark(dev);
}

void super_check_stopped(struct supervisor *super)
{
	if (super->stopping && !super->nr_devices && !super->nr_workers)
		ev_break(super->loop, EVBREAK_ALL);
}

static void on_stop_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct supervisor *super = t->data;

	(void)revents;
	if (super->hurry) {
		log_err("-", "%u devices and %u workers do not end",
			super->nr_devices, super->nr_workers);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_warn("-", "%u devices are slow to close: forcing them",
		 super->nr_devices);
	super->hurry = true;
	mark_all(super);
	ev_timer_stop(loop, t);
	ev_timer_set(t, STOP_HURRY_S, 0.);
	ev_timer_start(loop, t);
}

static void on_stop(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct supervisor *super = s->data;

	(void)revents;
	if (super->stopping)
		return;
	super->stopping = true;
	log_info("-", "stopping: closing %u devices", super->nr_devices);
	ev_timer_start(loop, &super->stop_timer);
	mark_all(super);
	super_check_stopped(super);
}

void super_recheck_all(struct supervisor *super)
{
	struct device *dev;

	TAILQ_FOREACH(dev, &super->devices, all)
	{
		dev->recheck = true;
		device_mark(dev);
	}
}

static void on_hup(struct ev_loop *loop, ev_signal *s, int revents)
{
	(void)loop;
	(void)revents;
	super_recheck_all(s->data);
}

static void on_store_lost(struct xs_store *xs, void *arg)
{
	(void)xs;
	(void)arg;
	log_err("-", "connected devices go on; nothing can be attached, "
		     "detached or closed until this program is started again");
}

/* ---- life ---- */

static void start_watchers(struct supervisor *super)
{
	ev_signal_init(&super->sigterm, on_stop, SIGTERM);
	ev_signal_init(&super->sigint, on_stop, SIGINT);
	ev_signal_init(&super->sighup, on_hup, SIGHUP);
	ev_timer_init(&super->stop_timer, on_stop_timer, STOP_S, 0.);
	ev_prepare_init(&super->prepare, on_prepare);
	ev_idle_init(&super->more, on_more);
	super->sigterm.data = super->sigint.data = super->sighup.data = super;
	super->stop_timer.data = super->prepare.data = super;
	ev_signal_start(super->loop, &super->sigterm);
	ev_signal_start(super->loop, &super->sigint);
	ev_signal_start(super->loop, &super->sighup);
	ev_prepare_start(super->loop, &super->prepare);
}

static int watch_classes(struct supervisor *super)
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

static int open_parts(struct supervisor *super)
{
	int err;

	super->locks = image_locks_new();
	if (!super->locks)
		return -ENOMEM;
	err = size_watches_open(&super->sizes, super->loop);
	if (err)
		log_warn("-", "images will not be watched for new sizes: %s",
			 strerror(-err));
	err = xs_store_open(&super->xs, super->loop);
	if (err) {
		log_err("-", "cannot open xenstore: %s", strerror(-err));
		return err;
	}
	xs_store_on_lost(super->xs, on_store_lost, super);
	err = xs_store_domid(super->xs, &super->domid);
	if (err) {
		log_err("-", "cannot read the own domain id: %s",
			strerror(-err));
		return err;
	}
	if (super->opt->control) {
		err = control_open(&super->control, super, super->opt->control);
		if (err)
			return err;
	}
	return watch_classes(super);
}

int super_open(struct supervisor **out, const struct super_options *opt)
{
	struct supervisor *super = calloc(1, sizeof(*super));
	int err;

	if (!super)
		return -ENOMEM;
	super->opt = opt;
	TAILQ_INIT(&super->devices);
	TAILQ_INIT(&super->dirty);
	LIST_INIT(&super->workers);
	/* Not the default loop, which would reap our children. */
	super->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!super->loop) {
		free(super);
		return -ENOMEM;
	}
	start_watchers(super);
	err = open_parts(super);
	if (err) {
		super_close(super);
		return err;
	}
	log_info("-", "serving backends of domain %" PRIu32, super->domid);
	*out = super;
	return 0;
}

static void tell_ready(struct supervisor *super)
{
	ssize_t n;

	if (super->opt->ready_fd < 0)
		return;
	do {
		n = write(super->opt->ready_fd, "ready\n", 6);
	} while (n < 0 && errno == EINTR);
	close(super->opt->ready_fd);
}

void super_run(struct supervisor *super)
{
	tell_ready(super);
	ev_run(super->loop, 0);
	log_info("-", "stopped");
}

void super_close(struct supervisor *super)
{
	unsigned int i;

	if (!super)
		return;
	/* Devices are gone by now; if some would not go, the process ends
	 * with them. */
	control_close(super->control);
	for (i = 0; i < super->nr_classes; i++)
		xs_watch_del(super->class_watches[i].watch);
	xs_watch_del(super->release_watch);
	if (!super->nr_devices) {
		ev_prepare_stop(super->loop, &super->prepare);
		xs_store_close(super->xs);
		size_watches_close(super->sizes);
		image_locks_free(super->locks);
		free(super->class_watches);
		ev_loop_destroy(super->loop);
		free(super);
	}
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
