// SPDX-License-Identifier: MIT
/*
 * From the guest to the link, a batch at a time:
 *
 *   take    packets are copied out of the ring and checked; heads go to
 *           private memory, payload too unless it lies in static grants
 *   judge   checksums are found, the policy is asked, tags are set
 *   send    the link gets what is left
 *   answer  all slots, in order, published once
 *
 * The guest may change its pages all the while; what was judged is a private
 * copy, and payload that was not copied is sent as it then is.
 */
#include "backend/net_queue_priv.h"

#include "ring/net_csum.h"

#define VLAN_TPID 0x8100u
#define MACS_LEN  12u
#define TAG_LEN   4u
/* Ring slots to bring into the cache while packets are taken. */
#define PREFETCH_SLOTS 8u

/* What a batch adds to the counters. */
struct tally {
	uint32_t packets, gso, csum, errors;
	uint64_t bytes, mapped;
};

/* ---- taking ---- */

static uint8_t *align_line(uint8_t *p)
{
	return (uint8_t *)(((uintptr_t)p + NET_LINE - 1) &
			   ~(uintptr_t)(NET_LINE - 1));
}

/* n bytes of private memory at the end of the frame. */
static uint8_t *add_private(struct net_tx *t, struct net_frame *f, uint32_t n)
{
	struct iovec *last = f->nr_iov ? &f->iov[f->nr_iov - 1] : NULL;
	uint8_t *at = t->arena_at;

	t->arena_at += n;
	if (last && (uint8_t *)last->iov_base + last->iov_len == at)
		last->iov_len += n;
	else
		f->iov[f->nr_iov++] = (struct iovec){at, n};
	return at;
}

static bool straddles(const uint8_t *at, uint32_t n)
{
	return ((uintptr_t)at & (NET_PAGE_SIZE - 1)) + n > NET_PAGE_SIZE;
}

static uint8_t *next_page(uint8_t *p)
{
	return (uint8_t *)(((uintptr_t)p + NET_PAGE_SIZE - 1) &
			   ~(uintptr_t)(NET_PAGE_SIZE - 1));
}

/* Where the next frame begins: in a page that it fits, if any. */
static void begin_frame(struct net_tx *t, uint32_t len)
{
	t->arena_at = align_line(t->arena_at + NET_HEADROOM);
	if (straddles(t->arena_at, len <= NET_PAGE_SIZE ? len : NET_HEAD))
		t->arena_at = next_page(t->arena_at);
}

/*
 * The hypervisor copies from one page to one page: a piece that would lie
 * across two of ours would be two copies, so it begins with the next page.  But
 * not the head, which is judged in one piece.
 */
static void add_copied(struct net_queue *q, struct net_frame *f,
		       const struct net_frag *g)
{
	struct net_tx *t = &q->tx;
	uint32_t have = f->nr_iov ? (uint32_t)f->iov[0].iov_len : 0, n = 0;

	if (straddles(t->arena_at, g->size)) {
		if (f->nr_iov <= 1 && have < NET_HEAD) {
			n = NET_HEAD - have;
			if (n > g->size)
				n = g->size;
			grant_copy_from(&q->copy, g->gref, g->offset,
					add_private(t, f, n), (uint16_t)n);
		}
		if (n < g->size)
			t->arena_at = next_page(t->arena_at);
	}
	if (n < g->size)
		grant_copy_from(&q->copy, g->gref, (uint16_t)(g->offset + n),
				add_private(t, f, g->size - n),
				(uint16_t)(g->size - n));
}

static void add_mapped(struct net_tx *t, struct net_frame *f, uint32_t want,
		       uint8_t *data, uint32_t size)
{
	/* the head is what is private and in one piece from the beginning */
	uint32_t have = f->nr_iov ? (uint32_t)f->iov[0].iov_len : 0, n = 0;

	if (f->nr_iov <= 1 && have < want) {
		n = size < want - have ? size : want - have;
		__builtin_prefetch(data);
		t->move[t->nr_moves++] = (struct net_move){add_private(t, f, n),
							   data, n};
	}
	if (n < size)
		f->iov[f->nr_iov++] = (struct iovec){data + n, size - n};
}

static void stage(struct net_queue *q, struct net_tx_staged *s,
		  const struct net_tx_packet *p, struct net_frame *f,
		  struct tally *tally)
{
	struct net_tx *t = &q->tx;
	uint32_t want = p->len <= NET_COPY_WHOLE ? p->len : NET_HEAD;
	unsigned int i;

	begin_frame(t, p->len);
	f->iov = &t->iov[t->nr_iov];
	f->nr_iov = 0;
	s->seg_first = (uint16_t)q->copy.nr;
	for (i = 0; i < p->nr_frags; i++) {
		const struct net_frag *g = &p->frag[i];
		char *page = net_gref_find(q->grefs, g->gref, false);

		if (page) {
			tally->mapped += g->size;
			add_mapped(t, f, want, (uint8_t *)page + g->offset,
				   g->size);
		} else if (p->len <= NET_PAGE_SIZE) {
			grant_copy_from(&q->copy, g->gref, g->offset,
					add_private(t, f, g->size), g->size);
		} else {
			add_copied(q, f, g);
		}
	}
	s->nr_segs = (uint16_t)(q->copy.nr - s->seg_first);
	t->nr_iov += f->nr_iov;
	f->len = p->len;
	f->head_len = (uint16_t)f->iov[0].iov_len;
	f->gso = p->gso;
	f->gso_size = p->gso_size;
	f->csum_partial = p->csum_blank;
	f->csum_valid = p->csum_valid;
}

/* False: the rings are not to be touched any more. */
static bool take_one(struct net_queue *q, int *avail, struct tally *tally)
{
	struct net_tx *t = &q->tx;
	struct net_tx_staged *s = &t->staged[t->nr_staged];
	struct net_tx_packet *p = &t->packet[t->nr_staged];
	const char *why = NULL;
	uint32_t value = 0;

	s->cons = t->ring.req_cons;
	switch (net_tx_take(&t->ring, *avail, &t->rules, p, &why, &value)) {
	case NET_TX_INCOMPLETE:
		t->incomplete = value;
		*avail = 0;
		return true;
	case NET_TX_FATAL:
		net_queue_log_refused(q, why, value);
		net_queue_violation(q, why);
		return false;
	case NET_TX_BAD_PACKET:
		net_queue_log_refused(q, why, value);
		s->status = NETIF_RSP_ERROR;
		s->has_frame = false;
		s->nr_segs = 0;
		break;
	case NET_TX_OK:
		s->status = NETIF_RSP_OKAY;
		s->has_frame = p->len != 0;
		s->nr_segs = 0;
		if (s->has_frame)
			stage(q, s, p, &t->frame[t->nr_staged], tally);
		break;
	}
	*avail -= p->nr_slots;
	t->nr_staged++;
	return true;
}

static bool take(struct net_queue *q, struct tally *tally)
{
	struct net_tx *t = &q->tx;
	int avail = net_back_ring_avail(&t->ring);

	if (avail < 0) {
		net_queue_violation(q, "the frontend's transmit index is "
				       "further ahead than its ring has room "
				       "for");
		return false;
	}
	t->incomplete = 0;
	t->nr_staged = t->nr_iov = t->nr_moves = 0;
	t->arena_at = t->arena;
	while (avail > 0 && t->nr_staged < t->batch_max &&
	       t->arena_at - t->arena < (ptrdiff_t)NET_BATCH_BYTES &&
	       q->copy.nr + NET_TX_SLOTS_MAX + 1 <= GRANT_COPY_BATCH) {
		net_back_tx_prefetch(&t->ring, PREFETCH_SLOTS);
		if (!take_one(q, &avail, tally))
			return false;
	}
	return true;
}

/* ---- judging ---- */

static bool was_copied(const struct net_queue *q, const struct net_tx_staged *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_segs; i++)
		if (!grant_copy_ok(&q->copy, s->seg_first + i))
			return false;
	return true;
}

static void put_tag(struct net_frame *f, uint32_t vlan)
{
	uint8_t *old = f->iov[0].iov_base, *head = old - TAG_LEN;

	memmove(head, old, MACS_LEN);
	head[12] = VLAN_TPID >> 8;
	head[13] = VLAN_TPID & 0xff;
	head[14] = (uint8_t)(vlan >> 8);
	head[15] = (uint8_t)vlan;
	f->iov[0].iov_base = head;
	f->iov[0].iov_len += TAG_LEN;
	f->head_len += TAG_LEN;
	f->len += TAG_LEN;
	f->csum_start += TAG_LEN;
}

static void strip_tag(struct net_frame *f)
{
	uint8_t *old = f->iov[0].iov_base, *head = old + TAG_LEN;

	memmove(head, old, MACS_LEN);
	f->iov[0].iov_base = head;
	f->iov[0].iov_len -= TAG_LEN;
	f->head_len -= TAG_LEN;
	f->len -= TAG_LEN;
	f->csum_start -= TAG_LEN;
}

/* The guest leaves checksums to us without a word on where they belong. */
static int find_csum(struct net_queue *q, const struct net_tx_packet *p,
		     struct net_frame *f)
{
	uint8_t *head = f->iov[0].iov_base;
	struct net_l4 l4;
	int e = net_csum_find(head, f->head_len, f->len, f->gso, &l4);

	if (e)
		return e;
	if (p->csum_fixup)
		net_csum_pseudo(head, &l4);
	if (q->cfg.link->offers & LINK_CSUM) {
		f->csum_start = l4.csum_start;
		f->csum_offset = l4.csum_offset;
	} else if (f->gso) {
		return -EPROTONOSUPPORT; /* not offered, and yet sent */
	} else {
		net_csum_complete(f->iov, f->nr_iov, &l4);
		f->csum_partial = false;
		f->csum_valid = true;
	}
	return 0;
}

/* True: judged, *f is to be sent if s->status is still OKAY.  False: it is too
 * early for it. */
static bool judge_frame(struct net_queue *q, struct net_tx_staged *s,
			const struct net_tx_packet *p, struct net_frame *f,
			bool open)
{
	enum net_verdict v = NET_PASS;
	uint32_t vlan = 0;

	if (q->copy_failed && !was_copied(q, s)) {
		net_queue_log_refused(q, "a page is not granted",
				      p->frag[0].gref);
		s->status = NETIF_RSP_ERROR;
		return true;
	}
	f->csum_start = f->csum_offset = 0;
	if (f->csum_partial && find_csum(q, p, f)) {
		net_queue_log_refused(q,
				      "a checksum is blank, and it is no "
				      "TCP or UDP packet",
				      p->len);
		s->status = NETIF_RSP_ERROR;
		return true;
	}
	if (!open)
		v = net_policy_check(q->cfg.policy, NET_FROM_GUEST,
				     f->iov[0].iov_base, f->head_len, f->len,
				     q->loop->now_ns, &vlan, &q->tx.later_ns);
	if (v == NET_LATER)
		return false;
	if (v != NET_PASS) {
		net_queue_count_drop(q, v);
		s->status = NETIF_RSP_DROPPED;
		return true;
	}
	if (vlan == NET_VLAN_STRIP)
		strip_tag(f);
	else if (vlan)
		put_tag(f, vlan);
	return true;
}

static void do_mcast(struct net_queue *q, struct net_tx_staged *s,
		     const struct net_tx_packet *p)
{
	if (p->mcast_del)
		net_mcast_del(q->cfg.mcast, p->mcast);
	else if (p->mcast_add && net_mcast_add(q->cfg.mcast, p->mcast))
		s->status = NETIF_RSP_ERROR;
}

/* Over the rate: what is not judged goes back to the ring. */
static void give_back(struct net_queue *q, unsigned int from)
{
	struct net_tx *t = &q->tx;

	counter_add(&q->stats->throttled, 1);
	net_back_ring_rewind(&t->ring, t->staged[from].cons);
	t->nr_staged = from;
	t->batch_max = from < 8 ? from + 1 : from;
}

/* How many frames are to be sent; they come to the beginning of t->frame. */
static unsigned int judge(struct net_queue *q, struct tally *tally)
{
	struct net_tx *t = &q->tx;
	bool open = net_policy_is_open(q->cfg.policy, NET_FROM_GUEST);
	unsigned int i, nr = 0;

	t->later_ns = 0;
	if (t->batch_max < NET_BATCH)
		t->batch_max++;
	for (i = 0; i < t->nr_staged; i++) {
		struct net_tx_staged *s = &t->staged[i];
		struct net_frame *f = &t->frame[i];

		if (!s->has_frame) {
			if (s->status == NETIF_RSP_OKAY)
				do_mcast(q, s, &t->packet[i]);
			continue;
		}
		if (!judge_frame(q, s, &t->packet[i], f, open)) {
			give_back(q, i);
			break;
		}
		if (s->status != NETIF_RSP_OKAY)
			continue;
		tally->packets++;
		tally->bytes += f->len;
		tally->gso += f->gso != NET_GSO_NONE;
		tally->csum += f->csum_partial;
		if (i != nr)
			t->frame[nr] = *f;
		nr++;
	}
	return nr;
}

/* ---- the rest ---- */

static void send_frames(struct net_queue *q, unsigned int nr)
{
	unsigned int sent;

	if (net_pcap_is_on(q->cfg.pcap))
		net_pcap_frames(q->cfg.pcap, q->tx.frame, nr);
	sent = link_send(&q->link, q->tx.frame, nr);
	counter_add(&q->stats->link_calls, 1);
	if (sent < nr)
		counter_add(&q->stats->tx_dropped, nr - sent);
}

static void answer(struct net_queue *q, struct tally *tally)
{
	struct net_tx *t = &q->tx;
	unsigned int i;

	for (i = 0; i < t->nr_staged; i++) {
		tally->errors += t->staged[i].status == NETIF_RSP_ERROR;
		net_tx_answer(&t->ring, t->packet[i].nr_slots,
			      t->packet[i].nr_extras, t->staged[i].status);
	}
	if (t->nr_staged)
		net_queue_notify(q, t->port, net_back_ring_publish(&t->ring));
}

static void count(struct net_queue *q, const struct tally *tally)
{
	struct net_queue_stats *st = q->stats;

	counter_add(&st->tx_packets, tally->packets);
	counter_add(&st->tx_bytes, tally->bytes);
	if (tally->gso)
		counter_add(&st->tx_gso, tally->gso);
	if (tally->csum)
		counter_add(&st->tx_csum, tally->csum);
	if (tally->errors)
		counter_add(&st->tx_errors, tally->errors);
	if (tally->mapped)
		counter_add(&st->static_bytes, tally->mapped);
}

int net_tx_poll(struct net_queue *q)
{
	struct net_tx *t = &q->tx;
	struct tally tally = {0};
	unsigned int nr;

	if (t->later_ns > q->loop->now_ns || !take(q, &tally) || !t->nr_staged)
		return 0;
	net_moves_run(t->move, t->nr_moves);
	if (q->copy.nr)
		net_queue_run_copies(q);
	nr = judge(q, &tally);
	if (nr)
		send_frames(q, nr);
	answer(q, &tally);
	count(q, &tally);
	return (int)t->nr_staged;
}

bool net_tx_arm(struct net_queue *q)
{
	struct net_tx *t = &q->tx;

	if (t->later_ns > q->loop->now_ns)
		return false; /* the timer's */
	return net_back_ring_arm(&t->ring, t->incomplete + 1);
}
