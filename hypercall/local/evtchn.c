// SPDX-License-Identifier: MIT
/*
 * Event channels: who may bind what, and what a close does to the peer.
 *
 * The events themselves do not pass here: both ends set bits in a shared page
 * and ring each other (wire.h, chan.h).  xenlocald rings only for itself: when
 * a port is bound, for VIRQs, and when an unmap notification is due.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xen/xen.h>

#include "chan.h"
#include "xenlocald.h"

/* holds about 40 unread rings; a library reads every CHAN_DRAIN_EVERY */
#define BELL_BUFFER 16384

/* descriptors of a channel; either side may turn out to be the last */
#define PORT_FDS 3

/* What two ports share.  Lives while one of them does. */
struct channel {
	struct wire_evtchn_page *page;
	int page_fd;
	int bell[2]; /* bell[s] is the end of side s */
	uint32_t refs;
};

struct port {
	struct domain *dom;
	struct handle *h; /* NULL: the kernel's own, or closing */
	uint32_t number;
	uint32_t remote_domid; /* unbound: who may bind it */
	struct port *peer;     /* interdomain */
	struct channel *ch;
	uint32_t side;
	bool is_virq;
	uint32_t virq;
	uint32_t pins; /* evtchn_get() */
	bool closing;  /* closed, but pinned */
	LIST_ENTRY(port) link;
};

/* global VIRQs have one binder in the whole machine */
static struct port *virq_binder[NR_VIRQS];

static void channel_put(struct channel *ch)
{
	int s;

	if (--ch->refs)
		return;
	if (ch->page)
		munmap(ch->page, WIRE_PAGE_SIZE);
	if (ch->page_fd >= 0)
		close(ch->page_fd);
	for (s = 0; s < 2; s++)
		if (ch->bell[s] >= 0)
			close(ch->bell[s]);
	free(ch);
}

static int make_page(struct channel *ch)
{
	void *page;

	ch->page_fd = memfd_create("evtchn", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ch->page_fd < 0 || ftruncate(ch->page_fd, WIRE_PAGE_SIZE) ||
	    fcntl(ch->page_fd, F_ADD_SEALS,
		  F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -errno;
	page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    ch->page_fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	ch->page = page;
	return 0;
}

static int channel_new(struct channel **out)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int s, ret, size = BELL_BUFFER;

	if (!ch)
		return -ENOMEM;
	ch->refs = 1;
	ch->bell[0] = ch->bell[1] = -1;
	ret = make_page(ch);
	if (!ret &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ch->bell))
		ret = -errno;
	if (ret) {
		channel_put(ch);
		return ret;
	}
	for (s = 0; s < 2; s++)
		setsockopt(ch->bell[s], SOL_SOCKET, SO_SNDBUF, &size,
			   sizeof(size));
	*out = ch;
	return 0;
}

/* An event for one side. */
static void channel_send(struct channel *ch, uint32_t to_side)
{
	struct chan c = {
		.page = ch->page,
		.bell = ch->bell[to_side ^ 1],
		.side = to_side ^ 1,
	};

	chan_notify(&c);
}

/* --- ports ------------------------------------------------------------------
 */

static struct port *port_find(struct domain *d, uint32_t number)
{
	return number < WIRE_MAX_PORTS ? d->port[number] : NULL;
}

/* Port 0 is no port, as in Xen. */
static uint32_t free_number(struct domain *d)
{
	uint32_t i;

	for (i = 0; i < WIRE_MAX_PORTS; i++) {
		uint32_t n = (d->next_port + i) % WIRE_MAX_PORTS;

		if (n && !d->port[n]) {
			d->next_port = n + 1;
			return n;
		}
	}
	return 0;
}

/* ch is taken over, also on failure. */
static int port_new(struct domain *d, struct handle *h, struct channel *ch,
		    struct port **out)
{
	uint32_t number = free_number(d);
	struct port *p;

	if (!number) {
		log_line(d, "out of event channel ports (%u)", d->nr_ports);
		d->count.refused++;
	}
	p = number && domain_charge(d, PORT_FDS, "event channels")
		    ? calloc(1, sizeof(*p))
		    : NULL;
	if (!p) {
		channel_put(ch);
		return -ENOSPC;
	}
	p->dom = d;
	p->h = h;
	p->number = number;
	p->ch = ch;
	d->port[number] = p;
	d->nr_ports++;
	d->count.binds++;
	if (h)
		LIST_INSERT_HEAD(&h->ports, p, link);
	*out = p;
	return 0;
}

static void port_free(struct port *p)
{
	if (p->peer)
		p->peer->peer = NULL;
	if (p->is_virq)
		virq_binder[p->virq] = NULL;
	p->dom->port[p->number] = NULL;
	p->dom->nr_ports--;
	domain_uncharge(p->dom, PORT_FDS);
	channel_put(p->ch);
	free(p);
}

static void port_close(struct port *p)
{
	if (p->h)
		LIST_REMOVE(p, link);
	p->h = NULL;
	p->closing = true;
	if (!p->pins)
		port_free(p);
}

struct port *evtchn_get(struct domain *d, uint32_t number)
{
	struct port *p = port_find(d, number);

	if (!p || p->closing)
		return NULL;
	p->pins++;
	return p;
}

void evtchn_put(struct port *p, bool send)
{
	if (send && !p->is_virq)
		channel_send(p->ch, p->side ^ 1);
	if (--p->pins == 0 && p->closing)
		port_free(p);
}

static int put_port(struct request *rq, struct port *p)
{
	int ret;

	rq->reply->evtchn.port = p->number;
	rq->reply->evtchn.side = p->side;
	ret = request_put_fd(rq, p->ch->page_fd, false);
	if (ret >= 0)
		ret = request_put_fd(rq, p->ch->bell[p->side], false);
	return ret < 0 ? ret : 0;
}

/* --- operations
 * ----------------------------------------------------------------- */

static int alloc_unbound(struct domain *d, struct handle *h, uint32_t remote,
			 struct port **out)
{
	struct channel *ch;
	int ret = channel_new(&ch);

	if (!ret)
		ret = port_new(d, h, ch, out);
	if (!ret)
		(*out)->remote_domid = remote;
	return ret;
}

int op_evtchn_alloc_unbound(struct request *rq)
{
	struct port *p;
	uint32_t remote;
	int ret = request_domid(rq, rq->msg->evtchn.remote_domid, &remote);

	if (!ret)
		ret = alloc_unbound(rq->dom, rq->h, remote, &p);
	return ret ? ret : put_port(rq, p);
}

int evtchn_alloc_kernel(struct domain *d, uint32_t remote)
{
	struct port *p;
	int ret = alloc_unbound(d, NULL, remote, &p);

	return ret ? ret : (int)p->number;
}

int op_evtchn_bind_interdomain(struct request *rq)
{
	const struct wire_evtchn *req = &rq->msg->evtchn;
	struct port *local, *remote;
	struct domain *rd;
	uint32_t domid;
	int ret = request_domid(rq, req->remote_domid, &domid);

	if (ret)
		return ret;
	rd = domain_find(domid);
	if (!rd)
		return -ESRCH;
	remote = port_find(rd, req->remote_port);
	if (!remote || remote->peer || remote->is_virq || remote->closing ||
	    remote->remote_domid != rq->dom->domid) {
		log_line(rq->dom, "bind to port %u of domain %u refused: %s",
			 req->remote_port, domid,
			 !remote || remote->closing ? "not open"
			 : remote->peer || remote->is_virq
				 ? "not unbound"
				 : "meant for another domain");
		rq->dom->count.refused++;
		return -EINVAL;
	}
	remote->ch->refs++;
	ret = port_new(rq->dom, rq->h, remote->ch, &local);
	if (ret)
		return ret;
	local->side = remote->side ^ 1;
	local->remote_domid = domid;
	local->peer = remote;
	remote->peer = local;
	/* it may have sent events before anyone was there to hear them */
	evtchn_kick(rq->dom, local->number);
	return put_port(rq, local);
}

int op_evtchn_bind_virq(struct request *rq)
{
	uint32_t virq = rq->msg->evtchn.virq;
	struct channel *ch;
	struct port *p;
	int ret;

	if (virq >= NR_VIRQS)
		return -EINVAL;
	if (!rq->dom->privileged)
		return -EPERM;
	if (rq->h->restrict_domid != WIRE_DOMID_NONE)
		return -EACCES;
	if (virq != VIRQ_DOM_EXC) {
		log_line(rq->dom, "virq %u is not raised by embedded Xen",
			 virq);
		return -ENOSYS;
	}
	if (virq_binder[virq])
		return -EEXIST;
	ret = channel_new(&ch);
	if (!ret)
		ret = port_new(rq->dom, rq->h, ch, &p);
	if (ret)
		return ret;
	p->is_virq = true;
	p->virq = virq;
	virq_binder[virq] = p;
	return put_port(rq, p);
}

void virq_raise_global(uint32_t virq)
{
	struct port *p = virq_binder[virq];

	if (p)
		channel_send(p->ch, p->side);
}

static struct port *own_port(struct request *rq)
{
	struct port *p = port_find(rq->dom, rq->msg->evtchn.port);

	return p && p->h == rq->h ? p : NULL;
}

int op_evtchn_unbind(struct request *rq)
{
	struct port *p = own_port(rq);

	if (!p)
		return -ENOTCONN;
	port_close(p);
	return 0;
}

int op_evtchn_reopen(struct request *rq)
{
	struct port *p = own_port(rq);

	return p ? put_port(rq, p) : -ENOTCONN;
}

int evtchn_hand_out(struct request *rq, struct domain *d, uint32_t port)
{
	struct port *p = port_find(d, port);

	return p ? put_port(rq, p) : -ENOTCONN;
}

void evtchn_kick(struct domain *d, uint32_t port)
{
	struct port *p = port_find(d, port);

	if (!p)
		return;
	atomic_store(&p->ch->page->side[p->side].word, WIRE_EVT_PENDING);
	chan_ring(p->ch->bell[p->side ^ 1]);
}

/* --- ends
 * ------------------------------------------------------------------------ */

void evtchn_handle_release(struct handle *h)
{
	struct port *p;

	while ((p = LIST_FIRST(&h->ports)))
		port_close(p);
}

void evtchn_domain_release(struct domain *d)
{
	uint32_t i;

	for (i = 0; i < WIRE_MAX_PORTS; i++)
		if (d->port[i])
			port_free(d->port[i]);
}

bool evtchn_info(struct domain *d, uint32_t port, struct port_info *info)
{
	struct port *p = port_find(d, port);

	if (!p)
		return false;
	*info = (struct port_info){
		.state = p->is_virq ? "virq"
			 : p->peer  ? "interdomain"
				    : "unbound",
		.remote_domid = p->remote_domid,
		.remote_port = p->peer ? p->peer->number : 0,
		.virq = p->virq,
	};
	return true;
}
