// SPDX-License-Identifier: MIT
/*
 * From the link to the guest.
 *
 * Frames are taken from the link a batch at a time and stay there until the
 * guest has buffers for them; meanwhile the link is not read, and what is more
 * waits outside.  A guest without buffers for long loses them, and after a
 * while counts as stalled, as with Linux's netback.
 *
 * A frame's data takes a response's slot a page, its extra infos a slot each
 * behind the first; a frontend takes a response for the request that was in
 * the same slot, so that buffers whose slots extra infos took go back unused.
 */
#include "backend/net_queue_priv.h"

#include "ring/net_csum.h"

#define MACS_LEN 12u
#define TAG_LEN  4u
/* Slots of a frame: what frontends take. */
#define FRAME_SLOTS_MAX NET_TX_SLOTS_MAX
/* Pieces that one frame can be cut into by pages and by its own pieces. */
#define FRAME_PIECES_MAX (FRAME_SLOTS_MAX + LINK_MAX_IOV + 2u)
#define IDLE_SKIP_MAX    8u
/* Frames to throw away at once when a guest does not take them. */
#define DRAIN_BATCHES 16u
#define STAGGER_MAX   2048u

struct tally {
	uint32_t packets, gso, csum, errors, dropped, filtered;
	uint64_t bytes, mapped;
};

/* What is to be done with a frame. */
enum fate { DELIVER, DROP, STEERED, WAIT };

struct delivery {
	const struct net_frame *frame;
	uint32_t len;
	unsigned int slots, extras;
	bool hashed, csum_partial, csum_valid;
	uint8_t hash_type;
	uint32_t hash;
	/* the frame's data as it is delivered, and how far that is */
	struct iovec iov[LINK_MAX_IOV + 2u];
	unsigned int nr_iov, at;
	size_t at_offset;
	uint8_t tag[TAG_LEN];
};

/* ---- room ---- */

static uint64_t drain_ns(const struct net_queue *q)
{
	return q->cfg.drain_ms * UINT64_C(1000000);
}

static void set_stalled(struct net_queue *q, bool stalled)
{
	if (q->rx.stalled == stalled)
		return;
	q->rx.stalled = stalled;
	if (stalled)
		counter_add(&q->stats->stalls, 1);
	q->cfg.stalled(q->cfg.arg, stalled);
}

/* Requests there are, looked at again only when that matters. */
static bool has_room(struct net_queue *q, unsigned int needed)
{
	struct net_rx *r = &q->rx;
	int avail;

	if (r->avail >= needed)
		return true;
	avail = net_back_ring_avail(&r->ring);
	if (avail < 0) {
		net_queue_violation(q, "the frontend's receive index is "
				       "further ahead than its ring has room "
				       "for");
		return false;
	}
	r->avail = (unsigned int)avail;
	return r->avail >= needed;
}

static void is_blocked(struct net_queue *q, unsigned int needed)
{
	struct net_rx *r = &q->rx;

	r->needed = needed;
	if (r->blocked_ns)
		return;
	r->blocked_ns = q->loop->now_ns;
	r->drain_at_ns = r->blocked_ns + drain_ns(q);
}

static void is_not_blocked(struct net_queue *q)
{
	q->rx.blocked_ns = 0;
	q->rx.needed = 0;
	set_stalled(q, false);
}

static unsigned int refill(struct net_queue *q)
{
	struct net_rx *r = &q->rx;
	unsigned int nr = net_inbox_take(q->inbox, r->frame, NET_BATCH);

	if (!nr && r->skip) {
		r->skip--;
		return 0;
	}
	if (!nr) {
		nr = link_receive(&q->link, r->frame, NET_BATCH);
		/* the link may have to ask the kernel: not in each turn of a
		 * loop that is busy with others */
		if (nr) {
			counter_add(&q->stats->link_calls, 1);
			r->idle = 0;
		} else if (r->idle < IDLE_SKIP_MAX) {
			r->idle++;
		}
		r->skip = r->idle;
	}
	r->next = 0;
	r->nr = nr;
	return nr;
}

/* The guest has had no room for long: what waited is too old. */
static void drain(struct net_queue *q)
{
	struct net_rx *r = &q->rx;
	uint64_t now = q->loop->now_ns, lost = r->nr - r->next;
	unsigned int i;

	r->next = r->nr = 0;
	for (i = 0; i < DRAIN_BATCHES; i++) {
		r->skip = 0;
		if (!refill(q))
			break;
		lost += r->nr;
		r->next = r->nr = 0;
	}
	if (lost)
		counter_add(&q->stats->rx_dropped, lost);
	r->drain_at_ns = now + drain_ns(q);
	if (q->cfg.stall_ms &&
	    now - r->blocked_ns >= q->cfg.stall_ms * UINT64_C(1000000))
		set_stalled(q, true);
}

/* True: frames can go to the guest, as far as is known. */
static bool look_for_room(struct net_queue *q)
{
	struct net_rx *r = &q->rx;

	if (!r->blocked_ns)
		return true;
	if (has_room(q, r->needed)) {
		is_not_blocked(q);
		return true;
	}
	if (!q->broken && q->loop->now_ns >= r->drain_at_ns)
		drain(q);
	return false;
}

/* ---- one frame ---- */

static bool fits_guest(const struct net_queue *q, const struct net_frame *f)
{
	uint32_t features = q->cfg.features;

	if (f->gso == NET_GSO_TCPV4 && !(features & LINK_TSO4))
		return false;
	if (f->gso == NET_GSO_TCPV6 && !(features & LINK_TSO6))
		return false;
	if (f->len > NET_PAGE_SIZE && !(features & LINK_SG))
		return false;
	return f->nr_iov && f->head_len >= 14 && f->len >= 14 &&
	       net_rx_slots(f->len) <= FRAME_SLOTS_MAX;
}

/* By the hash that the guest has asked for. */
static enum fate steer(struct net_queue *q, struct delivery *d)
{
	const struct net_frame *f = d->frame;
	uint32_t queue;

	d->hashed = net_hash_frame(q->hash, f->iov[0].iov_base, f->head_len,
				   &d->hash_type, &d->hash);
	if (!d->hashed)
		return DELIVER;
	d->extras++;
	queue = net_hash_queue(q->hash, d->hash);
	if (queue == q->cfg.index)
		return DELIVER;
	return q->cfg.steer(q->cfg.arg, queue, f) ? STEERED : DROP;
}

/* The same data without its tag, or with one. */
static void set_tag(struct delivery *d, uint32_t vlan)
{
	const struct net_frame *f = d->frame;
	uint8_t *head = f->iov[0].iov_base;
	unsigned int i;

	d->tag[0] = 0x81;
	d->tag[1] = 0;
	d->tag[2] = (uint8_t)(vlan >> 8);
	d->tag[3] = (uint8_t)vlan;
	d->iov[0] = (struct iovec){head, MACS_LEN};
	d->nr_iov = 1;
	if (vlan == NET_VLAN_STRIP) {
		head += TAG_LEN;
		d->len -= TAG_LEN;
	} else {
		d->iov[d->nr_iov++] = (struct iovec){d->tag, TAG_LEN};
		d->len += TAG_LEN;
	}
	head += MACS_LEN;
	d->iov[d->nr_iov++] = (struct iovec){
		head, f->iov[0].iov_len -
			      (size_t)(head - (uint8_t *)f->iov[0].iov_base)};
	for (i = 1; i < f->nr_iov; i++)
		d->iov[d->nr_iov++] = f->iov[i];
}

/* A checksum that this guest does not complete is completed here. */
static bool settle_csum(struct net_queue *q, struct delivery *d)
{
	const struct net_frame *f = d->frame;
	struct net_l4 l4;
	int e;

	d->csum_partial = f->csum_partial;
	d->csum_valid = f->csum_valid;
	if (!f->csum_partial || (q->cfg.csum4 && q->cfg.csum6))
		return true;
	e = net_csum_find(f->iov[0].iov_base, f->head_len, f->len, f->gso, &l4);
	if (!e && (l4.ip_version == 4 ? q->cfg.csum4 : q->cfg.csum6))
		return true;
	if (e || f->gso)
		return false;
	net_csum_complete(f->iov, f->nr_iov, &l4);
	d->csum_partial = false;
	d->csum_valid = true;
	return true;
}

static enum fate judge(struct net_queue *q, struct delivery *d, bool open,
		       struct tally *tally)
{
	const struct net_frame *f = d->frame;
	enum net_verdict v = NET_PASS;
	uint32_t vlan = 0;

	if (!open)
		v = net_policy_check(q->cfg.policy, NET_TO_GUEST,
				     f->iov[0].iov_base, f->head_len, f->len,
				     q->loop->now_ns, &vlan, &q->rx.later_ns);
	if (v == NET_LATER) {
		counter_add(&q->stats->throttled, 1);
		return WAIT;
	}
	if (v != NET_PASS) {
		net_queue_count_drop(q, v);
		return DROP;
	}
	if (!settle_csum(q, d)) {
		tally->dropped++;
		return DROP;
	}
	if (vlan) {
		set_tag(d, vlan);
	} else {
		memcpy(d->iov, f->iov, f->nr_iov * sizeof(f->iov[0]));
		d->nr_iov = f->nr_iov;
	}
	return DELIVER;
}

static enum fate admit(struct net_queue *q, struct delivery *d, bool open,
		       struct tally *tally)
{
	struct net_rx *r = &q->rx;
	const struct net_frame *f = d->frame;
	enum fate fate;

	d->len = f->len;
	d->at = 0;
	d->at_offset = 0;
	d->hashed = false;
	d->extras = f->gso != NET_GSO_NONE;
	if (!fits_guest(q, f)) {
		tally->dropped++;
		return DROP;
	}
	if (!net_mcast_pass(q->cfg.mcast, f->iov[0].iov_base)) {
		tally->filtered++;
		return DROP;
	}
	if (net_hash_is_on(q->hash)) {
		fate = steer(q, d);
		if (fate != DELIVER) {
			tally->dropped += fate == DROP;
			return fate;
		}
	}
	/* a tag may make it longer */
	d->slots = net_rx_slots(f->len + (open ? 0 : TAG_LEN)) + d->extras;
	if (!has_room(q, d->slots)) {
		if (!q->broken)
			is_blocked(q, d->slots);
		return WAIT;
	}
	if (r->nr_moves + FRAME_PIECES_MAX > NET_RX_MOVES ||
	    q->copy.nr + FRAME_PIECES_MAX > GRANT_COPY_BATCH ||
	    r->nr_slots + d->slots > NET_RING_ENTRIES)
		return WAIT; /* in the next batch */
	fate = judge(q, d, open, tally);
	d->slots = net_rx_slots(d->len) + d->extras;
	return fate;
}

/* ---- delivering ---- */

static void fill_page(struct net_queue *q, struct delivery *d, uint32_t gref,
		      char *page, uint32_t offset, uint32_t len)
{
	struct net_rx *r = &q->rx;
	uint32_t done = 0;

	while (done < len) {
		struct iovec *v = &d->iov[d->at];
		uint32_t n = (uint32_t)(v->iov_len - d->at_offset);
		char *from = (char *)v->iov_base + d->at_offset;

		if (n > len - done)
			n = len - done;
		if (page)
			r->move[r->nr_moves++] = (struct net_move){
				page + offset + done, from, n};
		else
			grant_copy_to(&q->copy, gref, (uint16_t)(offset + done),
				      from, (uint16_t)n);
		done += n;
		d->at_offset += n;
		if (d->at_offset == v->iov_len) {
			d->at++;
			d->at_offset = 0;
		}
	}
}

static struct net_rx_slot *put_data(struct net_queue *q, struct delivery *d,
				    uint32_t len, struct tally *tally)
{
	struct net_rx *r = &q->rx;
	struct net_rx_slot *s = &r->slot[r->nr_slots++];
	struct net_rx_req req;
	uint32_t offset = 0;
	char *page;

	net_back_rx_get(&r->ring, &req);
	page = net_gref_find(q->grefs, req.gref, true);
	if (page) {
		__builtin_prefetch(page, 1);
		/* or all buffers would share few sets of the caches */
		if (len <= STAGGER_MAX)
			offset = (req.id * 5u & 31u) * NET_LINE;
		tally->mapped += len;
	}
	s->is_extra = false;
	s->seg_first = (uint8_t)q->copy.nr;
	fill_page(q, d, req.gref, page, offset, len);
	s->nr_segs = (uint8_t)(q->copy.nr - s->seg_first);
	s->rsp.id = req.id;
	s->rsp.offset = (uint16_t)offset;
	s->rsp.flags = 0;
	s->rsp.status = (int16_t)len;
	return s;
}

static struct net_extra *put_extra(struct net_queue *q, unsigned int *left)
{
	struct net_rx *r = &q->rx;
	struct net_rx_slot *s = &r->slot[r->nr_slots++];
	struct net_rx_req unused;

	net_back_rx_get(&r->ring, &unused);
	s->is_extra = true;
	s->nr_segs = 0;
	memset(&s->extra, 0, sizeof(s->extra));
	s->extra.flags = --*left ? XEN_NETIF_EXTRA_FLAG_MORE : 0;
	return &s->extra;
}

static void put_extras(struct net_queue *q, const struct delivery *d)
{
	unsigned int left = d->extras;
	struct net_extra *x;

	if (d->frame->gso) {
		x = put_extra(q, &left);
		x->type = XEN_NETIF_EXTRA_TYPE_GSO;
		x->gso.size = d->frame->gso_size;
		x->gso.type = d->frame->gso == NET_GSO_TCPV4
				      ? XEN_NETIF_GSO_TYPE_TCPV4
				      : XEN_NETIF_GSO_TYPE_TCPV6;
	}
	if (d->hashed) {
		x = put_extra(q, &left);
		x->type = XEN_NETIF_EXTRA_TYPE_HASH;
		x->hash.type = d->hash_type;
		x->hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
		x->hash.value = d->hash;
	}
}

static void deliver(struct net_queue *q, struct delivery *d,
		    struct tally *tally)
{
	struct net_rx *r = &q->rx;
	uint32_t left = d->len, n = left < NET_PAGE_SIZE ? left : NET_PAGE_SIZE;
	struct net_rx_slot *s = put_data(q, d, n, tally);

	r->avail -= d->slots;
	/* a blank checksum is as good as one that was checked */
	if (d->csum_partial)
		s->rsp.flags |= NETRXF_csum_blank | NETRXF_data_validated;
	else if (d->csum_valid)
		s->rsp.flags |= NETRXF_data_validated;
	if (d->extras) {
		s->rsp.flags |= NETRXF_extra_info;
		put_extras(q, d);
	}
	for (left -= n; left; left -= n) {
		s->rsp.flags |= NETRXF_more_data;
		n = left < NET_PAGE_SIZE ? left : NET_PAGE_SIZE;
		s = put_data(q, d, n, tally);
	}
	tally->packets++;
	tally->bytes += d->len;
	tally->gso += d->frame->gso != NET_GSO_NONE;
	tally->csum += d->csum_partial;
	if (net_pcap_is_on(q->cfg.pcap))
		net_pcap_frames(q->cfg.pcap, d->frame, 1);
}

/* ---- the batch ---- */

/* Frames that are done with, delivered or not. */
static unsigned int work(struct net_queue *q, struct tally *tally)
{
	bool open = net_policy_is_open(q->cfg.policy, NET_TO_GUEST);
	struct net_rx *r = &q->rx;
	unsigned int first = r->next;
	struct delivery d;

	for (; r->next < r->nr; r->next++) {
		enum fate fate;

		d.frame = &r->frame[r->next];
		if (r->next + 1 < r->nr)
			__builtin_prefetch(
				r->frame[r->next + 1].iov[0].iov_base);
		fate = admit(q, &d, open, tally);
		if (fate == WAIT)
			break;
		if (fate == DELIVER)
			deliver(q, &d, tally);
	}
	return r->next - first;
}

static bool slot_failed(const struct net_queue *q, const struct net_rx_slot *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_segs; i++)
		if (!grant_copy_ok(&q->copy, s->seg_first + i))
			return true;
	return false;
}

static void answer(struct net_queue *q, struct tally *tally)
{
	struct net_rx *r = &q->rx;
	unsigned int i;

	for (i = 0; i < r->nr_slots; i++) {
		struct net_rx_slot *s = &r->slot[i];

		if (s->is_extra) {
			net_back_rx_put_extra(&r->ring, &s->extra);
			continue;
		}
		if (q->copy_failed && slot_failed(q, s)) {
			s->rsp.status = NETIF_RSP_ERROR;
			tally->errors++;
		}
		net_back_rx_put(&r->ring, &s->rsp);
	}
	if (r->nr_slots)
		net_queue_notify(q, r->port, net_back_ring_publish(&r->ring));
}

static void count(struct net_queue *q, const struct tally *tally)
{
	struct net_queue_stats *st = q->stats;

	counter_add(&st->rx_packets, tally->packets);
	counter_add(&st->rx_bytes, tally->bytes);
	if (tally->gso)
		counter_add(&st->rx_gso, tally->gso);
	if (tally->csum)
		counter_add(&st->rx_csum, tally->csum);
	if (tally->errors)
		counter_add(&st->rx_errors, tally->errors);
	if (tally->dropped)
		counter_add(&st->rx_dropped, tally->dropped);
	if (tally->filtered)
		counter_add(&st->rx_filtered, tally->filtered);
	if (tally->mapped)
		counter_add(&st->static_bytes, tally->mapped);
}

int net_rx_poll(struct net_queue *q)
{
	struct net_rx *r = &q->rx;
	struct tally tally = {0};
	unsigned int nr;

	if (r->later_ns > q->loop->now_ns || !look_for_room(q))
		return 0;
	if (r->next == r->nr && !refill(q))
		return 0;
	r->later_ns = 0;
	r->nr_slots = r->nr_moves = 0;
	net_hash_refresh(q->hash, q->cfg.hash);
	nr = work(q, &tally);
	if (q->broken)
		return 0;
	net_moves_run(r->move, r->nr_moves);
	if (q->copy.nr)
		net_queue_run_copies(q);
	answer(q, &tally);
	count(q, &tally);
	return (int)nr;
}

bool net_rx_arm(struct net_queue *q)
{
	struct net_rx *r = &q->rx;

	if (r->later_ns > q->loop->now_ns)
		return false; /* the timer's */
	if (r->blocked_ns)
		return net_back_ring_arm(&r->ring, r->needed);
	if (r->next < r->nr)
		return true;
	/* the last look may have been left out */
	r->skip = 0;
	if (refill(q))
		return true;
	link_arm(&q->link, true);
	return false;
}
