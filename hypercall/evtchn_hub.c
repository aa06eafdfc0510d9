// SPDX-License-Identifier: MIT
/*
 * Event channels on a libev loop.  See evtchn_hub.h.
 *
 * A port that has fired stays masked in the hypervisor until it is unmasked,
 * so it is delivered at most once until evtchn_hub_unmask().  That bounds what
 * one readiness of the descriptor leads to by the number of ports, whatever
 * peers do.
 */
#include "hypercall/evtchn_hub.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include <xenevtchn.h>

#include "hypercall/evtchn_peer.h"

#define NR_BUCKETS 256u

struct evtchn_port {
	struct evtchn_hub *hub;
	evtchn_cb cb;
	void *arg;
	uint32_t number;
	bool closed;                /* and fired: freed when unmasking */
	bool fired;                 /* on the list of ports to unmask */
	struct evtchn_port *next;   /* in its bucket */
	struct evtchn_port *unmask; /* in the list of ports to unmask */
};

struct evtchn_hub {
	xenevtchn_handle *xce;
	struct ev_loop *loop;
	ev_io io;
	struct evtchn_peer peer;
	int peer_cpu; /* of the last event */
	uint64_t events;
	struct evtchn_port *unmask;  /* fired */
	uint32_t nr_ports, nr_fired; /* open; of these */
	struct evtchn_port *buckets[NR_BUCKETS];
};

static struct evtchn_port **hub_bucket(struct evtchn_hub *hub, uint32_t number)
{
	return &hub->buckets[number % NR_BUCKETS];
}

static struct evtchn_port *hub_find(struct evtchn_hub *hub, uint32_t number)
{
	struct evtchn_port *p = *hub_bucket(hub, number);

	while (p && p->number != number)
		p = p->next;
	return p;
}

/* Cheaper than asking for an event in vain; none can come if all are masked. */
static bool hub_readable(struct evtchn_hub *hub)
{
	struct pollfd pfd = {.fd = xenevtchn_fd(hub->xce), .events = POLLIN};

	return hub->nr_fired < hub->nr_ports && poll(&pfd, 1, 0) == 1 &&
	       (pfd.revents & POLLIN);
}

static void hub_deliver(struct evtchn_hub *hub, struct evtchn_port *p)
{
	hub->events++;
	if (hub->peer.cpu)
		hub->peer_cpu = hub->peer.cpu(hub->xce, p->number);
	p->fired = true;
	hub->nr_fired++;
	p->unmask = hub->unmask;
	hub->unmask = p;
	p->cb(p, p->arg);
}

/* The descriptor is readable, by its watcher; it does not block should that be
 * wrong (evtchn_hub_open). */
static void hub_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct evtchn_hub *hub = io->data;
	struct evtchn_port *p;

	(void)loop;
	(void)revents;
	do {
		xenevtchn_port_or_error_t number = xenevtchn_pending(hub->xce);

		if (number < 0)
			return;
		p = hub_find(hub, (uint32_t)number);
		/* One that is masked and rings: on embedded Xen a peer can do
		 * that without end. */
		if (p && p->fired)
			return;
		if (p)
			hub_deliver(hub, p);
	} while (hub_readable(hub));
}

void evtchn_hub_unmask(struct evtchn_hub *hub)
{
	struct evtchn_port *p;

	while ((p = hub->unmask)) {
		hub->unmask = p->unmask;
		if (p->closed) {
			free(p);
			continue;
		}
		p->fired = false;
		hub->nr_fired--;
		xenevtchn_unmask(hub->xce, p->number);
	}
}

uint64_t evtchn_hub_events(const struct evtchn_hub *hub)
{
	return hub->events;
}

int evtchn_hub_peer_cpu(const struct evtchn_hub *hub)
{
	return hub->peer_cpu;
}

void evtchn_hub_moved(struct evtchn_hub *hub)
{
	struct evtchn_port *p;
	unsigned int i;

	for (i = 0; hub->peer.say && i < NR_BUCKETS; i++)
		for (p = hub->buckets[i]; p; p = p->next)
			hub->peer.say(hub->xce, p->number);
}

int evtchn_hub_open(struct evtchn_hub **out, struct ev_loop *loop)
{
	struct evtchn_hub *hub = calloc(1, sizeof(*hub));
	int err, fd;

	if (!hub)
		return -ENOMEM;
	hub->loop = loop;
	hub->peer_cpu = -1;
	evtchn_peer_find(&hub->peer);
	hub->xce = xenevtchn_open(NULL, 0);
	if (!hub->xce) {
		err = -errno;
		free(hub);
		return err;
	}
	/* A bell without an event makes the descriptor readable and nothing
	 * pending: that must not be waited for. */
	fd = xenevtchn_fd(hub->xce);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)) {
		err = -errno;
		xenevtchn_close(hub->xce);
		free(hub);
		return err;
	}
	ev_io_init(&hub->io, hub_io, fd, EV_READ);
	hub->io.data = hub;
	ev_io_start(loop, &hub->io);
	ev_unref(loop);
	*out = hub;
	return 0;
}

void evtchn_hub_close(struct evtchn_hub *hub)
{
	if (!hub)
		return;
	for (unsigned int i = 0; i < NR_BUCKETS; i++) {
		while (hub->buckets[i])
			evtchn_port_close(hub->buckets[i]);
	}
	evtchn_hub_unmask(hub); /* frees those that had fired */
	ev_ref(hub->loop);
	ev_io_stop(hub->loop, &hub->io);
	xenevtchn_close(hub->xce);
	free(hub);
}

/* Takes over an open local port; closes it when there is no memory. */
static int hub_add(struct evtchn_hub *hub, xenevtchn_port_or_error_t number,
		   evtchn_cb cb, void *arg, struct evtchn_port **port)
{
	struct evtchn_port *p;

	if (number < 0)
		return -errno;
	p = calloc(1, sizeof(*p));
	if (!p) {
		xenevtchn_unbind(hub->xce, (evtchn_port_t)number);
		return -ENOMEM;
	}
	p->hub = hub;
	p->cb = cb;
	p->arg = arg;
	p->number = (uint32_t)number;
	p->next = *hub_bucket(hub, p->number);
	*hub_bucket(hub, p->number) = p;
	hub->nr_ports++;
	*port = p;
	return 0;
}

int evtchn_hub_bind_interdomain(struct evtchn_hub *hub, uint32_t domid,
				uint32_t remote_port, evtchn_cb cb, void *arg,
				struct evtchn_port **port)
{
	return hub_add(hub,
		       xenevtchn_bind_interdomain(hub->xce, domid, remote_port),
		       cb, arg, port);
}

int evtchn_hub_alloc_unbound(struct evtchn_hub *hub, uint32_t domid,
			     evtchn_cb cb, void *arg, struct evtchn_port **port)
{
	return hub_add(hub, xenevtchn_bind_unbound_port(hub->xce, domid), cb,
		       arg, port);
}

void evtchn_port_close(struct evtchn_port *port)
{
	struct evtchn_port **link;
	struct evtchn_hub *hub;

	if (!port)
		return;
	hub = port->hub;
	assert(!port->closed);
	for (link = hub_bucket(hub, port->number); *link != port;)
		link = &(*link)->next;
	*link = port->next;
	xenevtchn_unbind(hub->xce, port->number);
	hub->nr_ports--;
	if (!port->fired) {
		free(port);
		return;
	}
	hub->nr_fired--;
	port->closed = true;
}

uint32_t evtchn_port_number(const struct evtchn_port *port)
{
	return port->number;
}

int evtchn_port_notify(struct evtchn_port *port)
{
	return xenevtchn_notify(port->hub->xce, port->number) < 0 ? -errno : 0;
}
