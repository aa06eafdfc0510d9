// SPDX-License-Identifier: MIT
/*
 * A queue of a NIC: connecting, its place on the loop, timers, ending.  What
 * moves frames is in net_tx.c and net_rx.c.
 */
#include "backend/net_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backend/net_queue_priv.h"

void net_queue_violation(struct net_queue *q, const char *text)
{
	if (q->broken)
		return;
	q->broken = true;
	counter_add(&q->stats->violations, 1);
	q->cfg.violation(q->cfg.arg, text);
}

void net_queue_log_refused(struct net_queue *q, const char *why, uint32_t value)
{
	uint32_t missed = 0;

	if (!log_limit_ok(&q->log_refused, NET_LOG_BURST, NET_LOG_INTERVAL_MS,
			  &missed))
		return;
	if (missed)
		log_warn(q->cfg.name, "%u more bad packets", missed);
	log_warn(q->cfg.name, "queue %u: packet refused: %s (%u)", q->cfg.index,
		 why, value);
}

void net_queue_run_copies(struct net_queue *q)
{
	uint64_t bytes = q->copy.bytes, calls = q->copy.calls;
	uint32_t nr = q->copy.nr;

	q->copy_failed = grant_copy_flush(&q->copy) != 0;
	counter_add(&q->stats->grant_copies, nr);
	counter_add(&q->stats->grant_copy_bytes, q->copy.bytes - bytes);
	counter_add(&q->stats->grant_copy_calls, q->copy.calls - calls);
}

void net_queue_count_drop(struct net_queue *q, enum net_verdict v)
{
	struct net_queue_stats *st = q->stats;

	switch (v) {
	case NET_DROP_MAC:
		counter_add(&st->spoofed_mac, 1);
		break;
	case NET_DROP_ADDR:
		counter_add(&st->spoofed_addr, 1);
		break;
	case NET_DROP_VLAN:
		counter_add(&st->vlan_dropped, 1);
		break;
	case NET_DROP_MALFORMED:
		counter_add(&st->malformed_headers, 1);
		break;
	case NET_PASS:
	case NET_LATER:
		break;
	}
}

/* ---- on the loop ---- */

static int queue_poll(struct io_poller *p)
{
	struct net_queue *q = (struct net_queue *)p;
	int done;

	if (q->broken)
		return 0;
	q->copy_failed = false;
	net_gref_enter(q->grefs);
	done = net_tx_poll(q);
	if (!q->broken)
		done += net_rx_poll(q);
	net_gref_leave(q->grefs);
	return done;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* What no event tells. */
static void set_timer(struct net_queue *q)
{
	uint64_t now = q->loop->now_ns, at;

	at = q->tx.later_ns > now ? q->tx.later_ns : 0;
	if (q->rx.later_ns > now)
		at = earlier(at, q->rx.later_ns);
	if (q->rx.blocked_ns) {
		at = earlier(at, q->rx.drain_at_ns);
		if (!q->cfg.rx_notify)
			at = earlier(at, now + NET_BLIND_LOOK_MS *
							 UINT64_C(1000000));
	}
	if (ev_is_active(&q->timer))
		ev_timer_stop(q->loop->ev, &q->timer);
	if (!at)
		return;
	ev_timer_set(&q->timer, at > now ? (double)(at - now) / 1e9 : 0., 0.);
	ev_timer_start(q->loop->ev, &q->timer);
}

static bool queue_arm(struct io_poller *p)
{
	struct net_queue *q = (struct net_queue *)p;

	if (q->broken)
		return false;
	if (net_tx_arm(q) || net_rx_arm(q))
		return true;
	set_timer(q);
	return false;
}

/* The loop polls before it sleeps again: there is nothing else to do in these.
 */
static void on_event(struct evtchn_port *port, void *arg)
{
	struct net_queue *q = arg;

	(void)port;
	counter_add(&q->stats->events_received, 1);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents;
}

static void on_readable(struct link_ctx *ctx)
{
	struct net_queue *q = ctx->user;

	q->rx.skip = q->rx.idle = 0;
}

bool net_queue_put(struct net_queue *q, const struct net_frame *frame)
{
	return q->inbox && net_inbox_put(q->inbox, frame);
}

/* ---- connecting ---- */

static int map_ring(struct net_queue *q, const char *what, uint32_t ref,
		    void **page, struct xs_err *err)
{
	int e;

	errno = 0;
	*page = xengnttab_map_domain_grant_refs(q->loop->gnttab, 1,
						q->cfg.fe_domid, &ref,
						PROT_READ | PROT_WRITE);
	if (*page)
		return 0;
	e = errno ? -errno : -EINVAL;
	xs_err_set(err,
		   "queue %u: %s ring reference %u of domain %u cannot be "
		   "mapped: %s",
		   q->cfg.index, what, ref, q->cfg.fe_domid, strerror(-e));
	return e;
}

static int attach_ring(struct net_queue *q, const char *what, void *page,
		       struct net_back_ring *ring, enum net_ring_kind kind,
		       struct net_ring_journal *journal, struct xs_err *err)
{
	int e = net_back_ring_init(ring, page, kind, journal, q->cfg.resume);

	if (e)
		xs_err_set(err, "queue %u: impossible indices of the %s ring",
			   q->cfg.index, what);
	return e;
}

static int open_rings(struct net_queue *q, struct xs_err *err)
{
	const struct net_queue_config *cfg = &q->cfg;
	int e = map_ring(q, "transmit", cfg->tx_ref, &q->tx_page, err);

	if (!e)
		e = map_ring(q, "receive", cfg->rx_ref, &q->rx_page, err);
	if (!e)
		e = attach_ring(q, "transmit", q->tx_page, &q->tx.ring,
				NET_RING_TX, cfg->tx_journal, err);
	if (!e)
		e = attach_ring(q, "receive", q->rx_page, &q->rx.ring,
				NET_RING_RX, cfg->rx_journal, err);
	return e;
}

static int bind_port(struct net_queue *q, uint32_t remote,
		     struct evtchn_port **port, struct xs_err *err)
{
	int e = evtchn_hub_bind_interdomain(q->loop->hub, q->cfg.fe_domid,
					    remote, on_event, q, port);

	if (e)
		xs_err_set(err,
			   "queue %u: event channel %u of domain %u cannot be "
			   "bound: %s",
			   q->cfg.index, remote, q->cfg.fe_domid, strerror(-e));
	return e;
}

static int bind_ports(struct net_queue *q, struct xs_err *err)
{
	const struct net_queue_config *cfg = &q->cfg;
	int e = bind_port(q, cfg->evtchn_tx, &q->tx.port, err);

	if (e)
		return e;
	if (cfg->evtchn_rx == cfg->evtchn_tx) {
		q->rx.port = q->tx.port;
		return 0;
	}
	return bind_port(q, cfg->evtchn_rx, &q->rx.port, err);
}

static int open_link(struct net_queue *q, struct xs_err *err)
{
	int e;

	q->link.readable = on_readable;
	q->link.user = q;
	e = link_attach(&q->link, q->cfg.link, q->cfg.index, q->loop, err);
	q->attached = !e;
	return e;
}

static int open_memory(struct net_queue *q, struct xs_err *err)
{
	q->tx.arena = mmap(NULL, NET_ARENA, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (q->tx.arena == MAP_FAILED)
		q->tx.arena = NULL;
	q->hash = calloc(1, sizeof(*q->hash));
	if (!q->tx.arena || !q->hash ||
	    (q->cfg.steer && net_inbox_create(&q->inbox, q))) {
		xs_err_set(err, "no memory for a queue");
		return -ENOMEM;
	}
	return 0;
}

static void set_defaults(struct net_queue *q)
{
	struct net_queue_config *cfg = &q->cfg;

	if (!cfg->drain_ms)
		cfg->drain_ms = cfg->rx_notify ? NET_DRAIN_MS
					       : NET_BLIND_DRAIN_MS;
	if (!cfg->rx_notify)
		cfg->stall_ms = 0;
	else if (!cfg->stall_ms)
		cfg->stall_ms = NET_STALL_MS;
	q->tx.rules = cfg->rules;
	q->tx.batch_max = NET_BATCH;
}

int net_queue_open(struct net_queue **out, const struct net_queue_config *cfg,
		   struct xs_err *err)
{
	struct net_queue *q = aligned_alloc(
		NET_LINE, (sizeof(*q) + NET_LINE - 1) & ~(NET_LINE - 1));
	int e;

	if (!q) {
		xs_err_set(err, "no memory for a queue");
		return -ENOMEM;
	}
	memset(q, 0, sizeof(*q));
	q->cfg = *cfg;
	q->stats = cfg->stats;
	q->grefs = cfg->grefs;
	q->loop = cfg->loop;
	ev_init(&q->timer, on_timer);
	set_defaults(q);
	grant_copy_init(&q->copy, q->loop->gnttab, cfg->fe_domid);
	e = open_memory(q, err);
	if (!e)
		e = open_rings(q, err);
	if (!e)
		e = open_link(q, err);
	if (!e)
		e = bind_ports(q, err);
	if (e) {
		net_queue_close(q);
		return e;
	}
	*out = q;
	return 0;
}

void net_queue_start(struct net_queue *q)
{
	q->poller.poll = queue_poll;
	q->poller.arm = queue_arm;
	io_loop_add_poller(q->loop, &q->poller);
	if (!q->cfg.resume)
		return;
	/* a frontend that was notified of nothing while nobody was bound */
	evtchn_port_notify(q->tx.port);
	if (q->rx.port != q->tx.port)
		evtchn_port_notify(q->rx.port);
}

void net_queue_stop(struct net_queue *q)
{
	ev_timer_stop(q->loop->ev, &q->timer);
	if (q->poller.poll)
		io_loop_del_poller(q->loop, &q->poller);
	q->poller.poll = NULL;
	q->broken = true;
}

void net_queue_close(struct net_queue *q)
{
	if (!q)
		return;
	net_queue_stop(q);
	if (q->rx.port != q->tx.port)
		evtchn_port_close(q->rx.port);
	evtchn_port_close(q->tx.port);
	if (q->attached)
		link_detach(&q->link);
	if (q->tx_page)
		xengnttab_unmap(q->loop->gnttab, q->tx_page, 1);
	if (q->rx_page)
		xengnttab_unmap(q->loop->gnttab, q->rx_page, 1);
	net_inbox_destroy(q->inbox);
	if (q->tx.arena)
		munmap(q->tx.arena, NET_ARENA);
	free(q->hash);
	free(q);
}
