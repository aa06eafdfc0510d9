// SPDX-License-Identifier: MIT
/* See net_vif_ctrl.h; what requests mean is in net_ctrl.c. */
#include "backend/net_vif_ctrl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct net_vif_ctrl {
	struct io_poller poller; /* first */
	struct net_vif_ctrl_config cfg;
	struct net_ctrl *ctrl;
	struct evtchn_port *port;
	void *page;
	bool broken;
};

static int ctrl_poll(struct io_poller *p)
{
	struct net_vif_ctrl *c = (struct net_vif_ctrl *)p;
	bool notify = false;
	int done;

	if (c->broken)
		return 0;
	done = net_ctrl_run(c->ctrl, &notify);
	if (notify)
		evtchn_port_notify(c->port);
	if (done >= 0)
		return done;
	c->broken = true;
	c->cfg.violation(c->cfg.arg,
			 "the frontend's index of the control ring is further "
			 "ahead than the ring has room for");
	return 0;
}

static bool ctrl_arm(struct io_poller *p)
{
	struct net_vif_ctrl *c = (struct net_vif_ctrl *)p;

	return !c->broken && net_ctrl_arm(c->ctrl);
}

static void on_event(struct evtchn_port *port, void *arg)
{
	/* the loop polls before it sleeps again */
	(void)port;
	(void)arg;
}

static int map_page(struct net_vif_ctrl *c, struct xs_err *err)
{
	uint32_t ref = c->cfg.ref;
	int e;

	errno = 0;
	c->page = xengnttab_map_domain_grant_refs(c->cfg.loop->gnttab, 1,
						  c->cfg.fe_domid, &ref,
						  PROT_READ | PROT_WRITE);
	if (c->page)
		return 0;
	e = errno ? -errno : -EINVAL;
	xs_err_set(err,
		   "control ring reference %u of domain %u cannot be mapped: "
		   "%s",
		   ref, c->cfg.fe_domid, strerror(-e));
	return e;
}

static int attach(struct net_vif_ctrl *c, struct xs_err *err)
{
	const struct net_ctrl_setup setup = {
		.page = c->page,
		.journal = c->cfg.journal,
		.resume = c->cfg.resume,
		.gnttab = c->cfg.loop->gnttab,
		.domid = c->cfg.fe_domid,
		.nr_queues = c->cfg.nr_queues,
		.hash = c->cfg.hash,
		.gref = c->cfg.gref,
	};
	int e = net_ctrl_create(&c->ctrl, &setup);

	if (e)
		xs_err_set(err, "the control ring cannot be used: %s",
			   strerror(-e));
	return e;
}

static int bind_port(struct net_vif_ctrl *c, struct xs_err *err)
{
	int e = evtchn_hub_bind_interdomain(c->cfg.loop->hub, c->cfg.fe_domid,
					    c->cfg.evtchn, on_event, c,
					    &c->port);

	if (e)
		xs_err_set(err,
			   "event channel %u of domain %u for the control "
			   "ring cannot be bound: %s",
			   c->cfg.evtchn, c->cfg.fe_domid, strerror(-e));
	return e;
}

int net_vif_ctrl_open(struct net_vif_ctrl **out,
		      const struct net_vif_ctrl_config *cfg, struct xs_err *err)
{
	struct net_vif_ctrl *c = calloc(1, sizeof(*c));
	int e;

	if (!c) {
		xs_err_set(err, "no memory for the control ring");
		return -ENOMEM;
	}
	c->cfg = *cfg;
	e = map_page(c, err);
	if (!e)
		e = attach(c, err);
	if (!e)
		e = bind_port(c, err);
	if (e) {
		net_vif_ctrl_close(c);
		return e;
	}
	*out = c;
	return 0;
}

void net_vif_ctrl_start(struct net_vif_ctrl *c)
{
	c->poller.poll = ctrl_poll;
	c->poller.arm = ctrl_arm;
	io_loop_add_poller(c->cfg.loop, &c->poller);
	if (c->cfg.resume)
		evtchn_port_notify(c->port);
}

void net_vif_ctrl_close(struct net_vif_ctrl *c)
{
	if (!c)
		return;
	if (c->poller.poll)
		io_loop_del_poller(c->cfg.loop, &c->poller);
	evtchn_port_close(c->port);
	net_ctrl_destroy(c->ctrl);
	if (c->page)
		xengnttab_unmap(c->cfg.loop->gnttab, c->page, 1);
	free(c);
}
