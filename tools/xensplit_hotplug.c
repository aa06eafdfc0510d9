// SPDX-License-Identifier: MIT
/* Hotplug scripts.  See xensplit_hotplug.h. */
#include "tools/xensplit_hotplug.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/hotplug.h"

#define XEN_SCRIPTS "/etc/xen/scripts"
#define OUR_SCRIPT  "vif-xensplit"

static bool beside_program(char out[PVDEV_VALUE_MAX])
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int n;

	if (len < 0)
		return false;
	exe[len] = '\0';
	n = snprintf(out, PVDEV_VALUE_MAX, "%s/%s", dirname(exe), OUR_SCRIPT);
	return n < (int)PVDEV_VALUE_MAX && !access(out, X_OK);
}

void hotplug_path(const char *script, char out[PVDEV_VALUE_MAX])
{
	if (!script && beside_program(out))
		return;
	if (script && *script == '/')
		snprintf(out, PVDEV_VALUE_MAX, "%s", script);
	else
		snprintf(out, PVDEV_VALUE_MAX, "%s/%s", XEN_SCRIPTS,
			 script ? script : OUR_SCRIPT);
}

bool hotplug_script_of(struct ctl *ctl, const struct pvdev *dev,
		       char out[PVDEV_VALUE_MAX])
{
	return dev->kind == &vif_kind && dev->be_domid == ctl->own_domid &&
	       !xs_read_str(ctl->xs, XBT_NULL, dev->be_dir, "script", out,
			    PVDEV_VALUE_MAX, NULL) &&
	       out[0];
}

static void on_end(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)io;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* The script's own words, if it left them where it should. */
static void explain(struct ctl *ctl, const struct pvdev *dev,
		    struct xs_err *why)
{
	char text[PVDEV_VALUE_MAX];

	if (!xs_read_str(ctl->xs, XBT_NULL, dev->be_dir, "hotplug-error", text,
			 sizeof(text), NULL) &&
	    text[0])
		xs_err_set(why, "the hotplug script failed: %.180s", text);
}

int hotplug_run(struct ctl *ctl, const struct pvdev *dev, const char *script,
		bool online, double seconds, struct xs_err *why)
{
	char netdev[PVDEV_VALUE_MAX];
	struct hotplug h;
	ev_timer timer;
	ev_io io;
	int res;

	if (xs_read_str(ctl->xs, XBT_NULL, dev->be_dir, "gatewaydev", netdev,
			sizeof(netdev), NULL))
		netdev[0] = '\0';
	res = hotplug_start(&h, script, dev->class, dev->fe_domid, dev->devid,
			    netdev, online, why);
	if (res)
		return res;
	ev_now_update(ctl->loop);
	ev_io_init(&io, on_end, h.pidfd, EV_READ);
	ev_timer_init(&timer, on_time, seconds > 0.1 ? seconds : 0.1, 0.);
	ev_io_start(ctl->loop, &io);
	ev_timer_start(ctl->loop, &timer);
	if (!ctl->interrupted)
		ev_run(ctl->loop, 0);
	ev_io_stop(ctl->loop, &io);
	ev_timer_stop(ctl->loop, &timer);
	res = hotplug_end(&h, why);
	if (res)
		explain(ctl, dev, why);
	if (res && ctl->interrupted)
		xs_err_set(why, "interrupted");
	return res;
}
