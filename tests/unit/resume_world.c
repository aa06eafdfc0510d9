// SPDX-License-Identifier: MIT
/* See resume_world.h. */
#include "tests/unit/resume_world.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/io/blkif.h>

#include "backend/blk_queue_priv.h"
#include "hypercall/log.h"
#include "tests/unit/fake_gnttab.h"

struct world *w;
struct io_loop loop;
struct io_poller *poller;
enum blk_abi abi;
bool persistent;
static unsigned int rnd_state;

unsigned int rnd(unsigned int below)
{
	return (unsigned int)rand_r(&rnd_state) % below;
}

void wrong(const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

/* ---- doubles of what the queue stands on ---- */

void io_loop_add_poller(struct io_loop *l, struct io_poller *p)
{
	(void)l;
	poller = p;
}

void io_loop_del_poller(struct io_loop *l, struct io_poller *p)
{
	(void)l;
	(void)p;
	poller = NULL;
}

int evtchn_hub_bind_interdomain(struct evtchn_hub *hub, uint32_t domid,
				uint32_t remote_port, evtchn_cb cb, void *arg,
				struct evtchn_port **port)
{
	(void)hub;
	(void)domid;
	(void)remote_port;
	(void)cb;
	(void)arg;
	*port = (struct evtchn_port *)&loop;
	return 0;
}

void evtchn_port_close(struct evtchn_port *port)
{
	(void)port;
}

int evtchn_port_notify(struct evtchn_port *port)
{
	(void)port;
	return 0;
}

static const struct store_ops fake_ops = {.name = "fake"};

int store_attach(struct store_ctx *ctx, const struct store_desc *d,
		 struct io_loop *l, struct xs_err *err)
{
	(void)err;
	*ctx = (struct store_ctx){.ops = &fake_ops, .desc = d, .loop = l};
	return 0;
}

void store_detach(struct store_ctx *ctx)
{
	if (ctx->in_flight)
		wrong("detached with %u in flight", ctx->in_flight);
}

void store_kick(struct store_ctx *ctx)
{
	(void)ctx;
}

/* No request may be given to the store beside one that it must not pass. */
static void check_order(const struct blk_request *r)
{
	const struct blk_journal *j = &r->q->journal;
	bool barrier = r->slot->req.op == BLKIF_OP_WRITE_BARRIER;
	uint32_t i;

	for (i = 0; i < j->nr_slots; i++) {
		const struct blk_slot *s = &j->slot[i];

		if (atomic_load(&s->state) != BLK_SLOT_TAKEN ||
		    s->req.id >= r->slot->req.id)
			continue;
		if (barrier || s->req.op == BLKIF_OP_WRITE_BARRIER)
			wrong("request %u begins before %u, one being a barrier",
			      (unsigned int)r->slot->req.id,
			      (unsigned int)s->req.id);
	}
}

static void effect(struct pending *p)
{
	if (p->write)
		memcpy(w->disk + p->page * BLK_PAGE_SIZE, p->data,
		       p->nr * BLK_PAGE_SIZE);
}

void end_io(struct pending *p)
{
	struct store_io *io = p->io;
	const uint8_t *from = w->disk + p->page * BLK_PAGE_SIZE;
	uint32_t i;

	effect(p);
	for (i = 0; io->op == STORE_READ && i < io->nr_iov; i++) {
		memcpy(io->iov[i].iov_base, from, io->iov[i].iov_len);
		from += io->iov[i].iov_len;
	}
	p->valid = false;
	io->ctx->in_flight--;
	io->done(io, 0);
}

void store_submit(struct store_ctx *ctx, struct store_io *io)
{
	struct pending *p = w->pending;
	uint8_t *to;
	uint32_t i;

	check_order((struct blk_request *)io);
	while (p->valid)
		p++; /* one for each place at most */
	to = p->data;
	p->write = io->op == STORE_WRITE;
	p->page = (uint32_t)(io->offset / BLK_PAGE_SIZE);
	p->nr = (uint32_t)(io->len / BLK_PAGE_SIZE);
	p->io = io;
	for (i = 0; p->write && i < io->nr_iov; i++) {
		memcpy(to, io->iov[i].iov_base, io->iov[i].iov_len);
		to += io->iov[i].iov_len;
	}
	io->ctx = ctx;
	ctx->in_flight++;
	p->valid = true;
	if (!rnd(4))
		end_io(p);
}

void store_cancel(struct store_ctx *ctx)
{
	(void)ctx;
}

void store_turn(void)
{
	uint32_t i, first = rnd(IN_FLIGHT);

	for (i = 0; i < IN_FLIGHT; i++) {
		struct pending *p = &w->pending[(first + i) % IN_FLIGHT];

		if (p->valid && rnd(3))
			end_io(p);
	}
}

void kernel_after_death(void)
{
	struct pending *p;

	for (p = w->pending; p < w->pending + IN_FLIGHT; p++) {
		if (p->valid && rnd(2))
			effect(p);
		p->valid = false;
	}
}

/* ---- the frontend ---- */

static void fill(uint64_t *page, uint64_t value)
{
	uint32_t i;

	for (i = 0; i < BLK_PAGE_SIZE / sizeof(*page); i++)
		page[i] = value;
}

bool is_filled(const void *page, uint64_t value)
{
	const uint64_t *word = page;

	return word[0] == value && !memcmp(word, word + 1, BLK_PAGE_SIZE - 8);
}

static int free_place(void)
{
	int i;

	for (i = 0; i < (int)IN_FLIGHT; i++)
		if (!w->place_used[i])
			return i;
	return -1;
}

/* Pages that no request in flight uses, so that each has one right content. */
static bool pick_pages(struct request *r)
{
	uint32_t i;

	r->nr = 1 + rnd(SEGS);
	r->page = rnd(PAGES - r->nr);
	for (i = 0; i < r->nr; i++)
		if (w->page_busy[r->page + i])
			return false;
	return true;
}

static void set_busy(const struct request *r, bool busy)
{
	uint32_t i;

	w->place_used[r->place] = busy;
	for (i = 0; i < r->nr; i++)
		w->page_busy[r->page + i] = busy;
}

static void encode(uint32_t id, struct blk_req *req)
{
	const struct request *r = &w->req[id];
	struct blk_seg seg[SEGS];
	uint32_t i;

	*req = (struct blk_req){
		.id = id,
		.op = r->op,
		.sector_512 = r->page * SECTS_PAGE + (r->bad ? 1ull << 50 : 0),
		.nr_segs = (uint16_t)r->nr,
		.indirect = r->indirect,
	};
	for (i = 0; i < r->nr; i++) {
		seg[i] = (struct blk_seg){.gref = DATA_REF(r->place, i),
					  .last_sect = SECTS_PAGE - 1};
		fill(fake_frame(seg[i].gref),
		     r->op == BLKIF_OP_READ ? ~0ull : r->value + i);
	}
	if (r->indirect) {
		req->indirect_gref[0] = IND_REF(r->place);
		blk_segs_store(fake_frame(IND_REF(r->place)), seg, r->nr);
	} else {
		memcpy(req->seg, seg, r->nr * sizeof(seg[0]));
	}
}

/* Reads are the first ones. */
static const uint8_t ops[NR_OPS] = {BLKIF_OP_READ,
				    BLKIF_OP_READ,
				    BLKIF_OP_READ,
				    BLKIF_OP_WRITE,
				    BLKIF_OP_WRITE,
				    BLKIF_OP_WRITE,
				    BLKIF_OP_FLUSH_DISKCACHE,
				    BLKIF_OP_WRITE_BARRIER};
bool send_one(unsigned int nr_ops)
{
	struct request *r = &w->req[w->nr_sent];
	int place = free_place();
	struct blk_req req;

	if (w->nr_sent == w->nr_requests || place < 0 ||
	    !blk_front_ring_free(&w->ring))
		return false;
	*r = (struct request){.op = ops[rnd(nr_ops)],
			      .place = (uint8_t)place,
			      .value = (w->nr_sent + 1ull) << 16};
	if (r->op != BLKIF_OP_FLUSH_DISKCACHE && !pick_pages(r))
		return false;
	r->indirect = r->op <= BLKIF_OP_WRITE && !rnd(3);
	r->bad = r->op <= BLKIF_OP_WRITE && nr_ops > READS && !rnd(8);
	set_busy(r, true);
	encode(w->nr_sent, &req);
	r->sent = true;
	w->nr_sent++;
	blk_front_ring_put(&w->ring, &req);
	return true;
}

static void check_answer(const struct blk_rsp *rsp)
{
	struct request *r;
	uint32_t i;

	if (rsp->id >= REQUESTS || !w->req[rsp->id].sent) {
		wrong("answer to %llx, which was not sent",
		      (unsigned long long)rsp->id);
		return;
	}
	r = &w->req[rsp->id];
	if (r->answers++ || rsp->op != r->op ||
	    rsp->status != (r->bad ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY)) {
		wrong("request %u (%u) answered %u times, as %u with %d",
		      (unsigned int)rsp->id, r->op, r->answers, rsp->op,
		      rsp->status);
		return;
	}
	w->nr_answered++;
	for (i = 0; i < r->nr && !r->bad; i++) {
		uint32_t page = r->page + i;

		if (r->op != BLKIF_OP_READ)
			w->model[page] = r->value + i;
		if (!is_filled(w->disk + page * BLK_PAGE_SIZE, w->model[page]))
			wrong("page %u is not what request %u made it", page,
			      (unsigned int)rsp->id);
		if (!is_filled(fake_frame(DATA_REF(r->place, i)),
			       w->model[page]))
			wrong("request %u did not read page %u",
			      (unsigned int)rsp->id, page);
	}
	set_busy(r, false);
}

void frontend_turn(void)
{
	struct blk_rsp rsp;
	int nr = blk_front_ring_avail(&w->ring);

	if (nr < 0)
		wrong("more responses than requests");
	while (nr-- > 0 && rnd(8)) {
		blk_front_ring_get(&w->ring, &rsp);
		check_answer(&rsp);
	}
	for (nr = (int)rnd(12); nr > 0 && send_one(NR_OPS); nr--)
		;
	blk_front_ring_publish(&w->ring);
}

/* ---- all of it ---- */

static void ring_init(uint32_t base)
{
	uint32_t *head = fake_frame(RING_REF);

	blk_front_ring_init(&w->ring, head, 1, abi);
	head[0] = head[2] = base;     /* req_prod, rsp_prod */
	head[1] = head[3] = base + 1; /* the events */
	w->ring.req_prod_pvt = w->ring.req_prod = w->ring.rsp_cons = base;
}

void world_setup(void)
{
	uint32_t i;

	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(w != MAP_FAILED);
	loop.ev = ev_loop_new(EVFLAG_NOENV);
	ck_assert(loop.ev);
	for (i = 0; i < FAKE_NR_REFS; i++)
		fake_grant(i, true);
	fake_frame(0); /* before the first fork: shared from then on */
	log_init("blk_resume", LOG_LEVEL_ERR);
}

void world_teardown(void)
{
	ev_loop_destroy(loop.ev);
	munmap(w, sizeof(*w));
}

void begin_scenario(unsigned int seed)
{
	memset(w, 0, sizeof(*w));
	rnd_state = seed;
	w->nr_requests = 20 + rnd(REQUESTS - 20);
	abi = seed & 1 ? BLK_ABI_X86_32 : BLK_ABI_X86_64;
	persistent = seed & 2;
	ring_init(rnd(2) ? UINT32_MAX - rnd(REQUESTS) : rnd(1000));
}
