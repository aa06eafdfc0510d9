// SPDX-License-Identifier: MIT
/*
 * Connecting to a ring: its memory, what a predecessor left, the event channel;
 * and letting go of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/blk_queue_priv.h"
#include "hypercall/clock.h"

/* ---- memory ---- */

static int alloc_tables(struct blk_queue *q, uint32_t nr)
{
	size_t reqs = nr * sizeof(struct blk_request);
	size_t iovs = nr * sizeof(struct iovec[BLK_MAX_INDIRECT_SEGS]);
	size_t uses = nr * sizeof(struct grant_ref_use[BLK_MAX_INDIRECT_SEGS]);
	size_t stacks = 3 * nr * sizeof(uint32_t);
	struct iovec(*iov)[BLK_MAX_INDIRECT_SEGS];
	struct grant_ref_use(*use)[BLK_MAX_INDIRECT_SEGS];
	uint32_t i;

	/* address space: pages come when a slot is used so deeply */
	q->tables_size = reqs + iovs + uses + stacks;
	q->tables = mmap(NULL, q->tables_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->tables == MAP_FAILED) {
		q->tables = NULL;
		return -ENOMEM;
	}
	q->req = q->tables;
	iov = (void *)((char *)q->tables + reqs);
	use = (void *)((char *)iov + iovs);
	q->free_slot = (void *)((char *)use + uses);
	q->unpublished = q->free_slot + nr;
	q->ready = q->unpublished + nr;
	for (i = 0; i < nr; i++) {
		q->req[i].q = q;
		q->req[i].slot = &q->journal.slot[i];
		q->req[i].iov = iov[i];
		q->req[i].use = use[i];
	}
	if (q->cfg.persistent)
		return 0;
	q->bounce = mmap(NULL, (size_t)nr * BLK_BOUNCE_SLOT,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->bounce == MAP_FAILED) {
		q->bounce = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* ---- the ring ---- */

static int map_ring(struct blk_queue *q, struct xs_err *err)
{
	const struct blk_queue_config *cfg = &q->cfg;

	q->ring_pages = xengnttab_map_domain_grant_refs(
		q->loop->gnttab, cfg->ring_pages, cfg->fe_domid,
		q->cfg.ring_ref, PROT_READ | PROT_WRITE);
	if (!q->ring_pages) {
		int e = errno ? -errno : -EINVAL;

		xs_err_set(err,
			   "queue %u: ring reference %u%s of domain %u cannot "
			   "be mapped: %s",
			   cfg->index, cfg->ring_ref[0],
			   cfg->ring_pages > 1 ? " (or a following one)" : "",
			   cfg->fe_domid, strerror(-e));
		return e;
	}
	return 0;
}

/* Barriers need the order in which requests were taken; slots have none. */
static void ready_in_order(struct blk_queue *q, uint32_t slot)
{
	const struct blk_slot *s = q->journal.slot;
	uint32_t age = q->ring.req_cons - s[slot].req_idx;
	uint32_t at = q->nr_ready++;

	while (at && q->ring.req_cons - s[q->ready[at - 1]].req_idx < age) {
		q->ready[at] = q->ready[at - 1];
		at--;
	}
	q->ready[at] = slot;
}

/* Take over what the predecessor left: see blk_journal.h. */
static void resume(struct blk_queue *q)
{
	uint64_t now = clock_ns();
	uint32_t i;

	for (i = 0; i < q->journal.nr_slots; i++) {
		struct blk_slot *s = &q->journal.slot[i];

		if (!blk_slot_is_owed(&q->journal, s)) {
			atomic_store(&s->state, BLK_SLOT_FREE);
			q->free_slot[q->nr_free++] = i;
			continue;
		}
		q->req[i].taken_ns = now;
		counter_add(&q->stats->resumed, 1);
		if (atomic_load(&s->state) == BLK_SLOT_DONE) {
			blk_queue_put_response(q, i);
		} else {
			ready_in_order(q, i);
			q->in_flight++;
		}
	}
}

static int attach_ring(struct blk_queue *q, struct xs_err *err)
{
	const struct blk_queue_config *cfg = &q->cfg;
	uint32_t nr = blk_ring_entries(cfg->abi, cfg->ring_pages);
	uint32_t cons, prod, i;
	int e;

	if (cfg->resume) {
		cons = atomic_load(&q->journal.head->req_cons);
		prod = atomic_load(&q->journal.head->rsp_prod);
	} else {
		cons = prod = blk_back_ring_peek_rsp_prod(q->ring_pages);
	}
	e = blk_back_ring_init(&q->ring, q->ring_pages, cfg->ring_pages,
			       cfg->abi, cons, prod);
	if (e) {
		xs_err_set(err, "queue %u: impossible ring indices %u and %u",
			   cfg->index, cons, prod);
		return e;
	}
	if (cfg->resume) {
		/* the predecessor may have died between journal and ring */
		blk_back_ring_republish(&q->ring);
		resume(q);
		return 0;
	}
	blk_journal_start(&q->journal, cons, prod);
	for (i = nr; i-- > 0;)
		q->free_slot[q->nr_free++] = i;
	return 0;
}

static int open_journal(struct blk_queue *q, struct xs_err *err)
{
	const struct blk_queue_config *cfg = &q->cfg;
	int e = blk_journal_map(&q->journal, cfg->journal_fd, cfg->index,
				blk_ring_entries(cfg->abi, cfg->ring_pages));

	if (!e && cfg->resume)
		e = blk_journal_check(&q->journal);
	if (e)
		xs_err_set(err, "queue %u: the journal cannot be used: %s",
			   cfg->index, strerror(-e));
	return e;
}

static int open_grants(struct blk_queue *q, struct xs_err *err)
{
	int e = grant_cache_create(&q->cache, q->loop->gnttab, q->cfg.fe_domid,
				   q->cfg.cache_pages, true);

	if (e)
		xs_err_set(err, "no memory for the grant cache");
	grant_copy_init(&q->copy, q->loop->gnttab, q->cfg.fe_domid);
	q->counted.grants_reused = atomic_load(&q->stats->grants_reused);
	q->counted.grants_mapped = atomic_load(&q->stats->grants_mapped);
	q->counted.grants_unmapped = atomic_load(&q->stats->grants_unmapped);
	return e;
}

static void on_event(struct evtchn_port *port, void *arg)
{
	struct blk_queue *q = arg;

	/* the loop polls before it sleeps again: nothing else to do here */
	(void)port;
	counter_add(&q->stats->events_received, 1);
}

static int bind_port(struct blk_queue *q, struct xs_err *err)
{
	int e = evtchn_hub_bind_interdomain(q->loop->hub, q->cfg.fe_domid,
					    q->cfg.event_channel, on_event, q,
					    &q->port);

	if (e)
		xs_err_set(err,
			   "queue %u: event channel %u of domain %u cannot be "
			   "bound: %s",
			   q->cfg.index, q->cfg.event_channel, q->cfg.fe_domid,
			   strerror(-e));
	return e;
}

/* ---- all of it ---- */

static void on_idle(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct blk_queue *q = w->data;

	(void)revents;
	grant_cache_tick(q->cache, clock_ms());
	if (!grant_cache_expire(q->cache, BLK_GRANT_IDLE_MS))
		ev_timer_stop(ev, w);
	blk_data_count(q);
}

int blk_queue_open(struct blk_queue **out, const struct blk_queue_config *cfg,
		   struct xs_err *err)
{
	struct blk_queue *q = calloc(1, sizeof(*q));
	int e;

	if (!q) {
		xs_err_set(err, "no memory for a queue");
		return -ENOMEM;
	}
	q->cfg = *cfg;
	q->limits = cfg->limits;
	q->stats = cfg->stats;
	q->loop = cfg->loop;
	ev_init(&q->idle, on_idle);
	q->idle.repeat = BLK_GRANT_IDLE_MS / 1000.0 / 2;
	q->idle.data = q;
	e = open_journal(q, err);
	if (!e)
		e = alloc_tables(q, q->journal.nr_slots);
	if (!e)
		e = open_grants(q, err);
	if (!e)
		e = store_attach(&q->store, cfg->store, q->loop, err);
	if (!e)
		e = map_ring(q, err);
	if (!e)
		e = attach_ring(q, err);
	if (!e)
		e = bind_port(q, err);
	if (e) {
		blk_queue_close(q);
		return e;
	}
	*out = q;
	return 0;
}

void blk_queue_close(struct blk_queue *q)
{
	if (!q)
		return;
	ev_timer_stop(q->loop->ev, &q->idle);
	if (q->poller.poll)
		io_loop_del_poller(q->loop, &q->poller);
	evtchn_port_close(q->port);
	if (q->store.ops)
		store_detach(&q->store);
	grant_cache_destroy(q->cache);
	if (q->ring_pages)
		xengnttab_unmap(q->loop->gnttab, q->ring_pages,
				q->cfg.ring_pages);
	if (q->bounce)
		munmap(q->bounce,
		       (size_t)q->journal.nr_slots * BLK_BOUNCE_SLOT);
	if (q->tables)
		munmap(q->tables, q->tables_size);
	blk_journal_unmap(&q->journal);
	free(q);
}
