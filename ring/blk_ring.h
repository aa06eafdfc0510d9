/* SPDX-License-Identifier: MIT */
/*
 * The blkif shared ring, both sides, all x86 ABIs.
 *
 * Protocol: <xen/io/blkif.h> and <xen/io/ring.h>.  A ring is 1 to 16 pages
 * that both domains map.  Everything in it can be rewritten by the peer at any
 * moment, so messages are decoded into private structs, each shared field
 * being loaded once, and indices that are ours are kept in private memory and
 * only ever written to the ring.
 *
 * A ring struct is used by one thread at a time.  Nothing here sleeps,
 * allocates, logs or notifies; the caller does, as the return values say.
 * All ordering between the two domains is in ring/barrier.h.
 */
#ifndef XENSPLIT_RING_BLK_RING_H
#define XENSPLIT_RING_BLK_RING_H

#include <stdbool.h>
#include <stdint.h>

#define BLK_RING_MAX_PAGES         16u
#define BLK_RING_MAX_ENTRIES       512u /* 16 pages of any ABI */
#define BLK_SEGS_PER_REQUEST       11u  /* BLKIF_MAX_SEGMENTS_PER_REQUEST */
#define BLK_INDIRECT_PAGES         8u /* BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST */
#define BLK_SEGS_PER_INDIRECT_PAGE 512u
#define BLK_MAX_INDIRECT_SEGS      256u /* what we offer and use, as Linux does */
#define BLK_PAGE_SIZE              4096u
#define BLK_SECTOR_SIZE            512u /* unit of all sector numbers in a ring */

enum blk_abi {
	BLK_ABI_X86_64, /* native here */
	BLK_ABI_X86_32,
};

/* One data segment; first and last 512-byte sector in the page, inclusive.
 * Same layout as struct blkif_request_segment in every ABI. */
struct blk_seg {
	uint32_t gref;
	uint8_t first_sect, last_sect;
	uint16_t pad; /* anything when taken from a peer; sent as zero */
};

/*
 * A request as it was at the moment of the copy, in no ABI.  What an operation
 * does not have is zero after a get; of seg[], only the first
 * min(nr_segs, BLK_SEGS_PER_REQUEST) are set.
 */
struct blk_req {
	uint64_t id;         /* the peer's; opaque; echoed in the response */
	uint64_t sector_512; /* sector_number */
	uint64_t discard_nr_sects_512;
	uint16_t handle;
	uint16_t nr_segs; /* as the peer wrote it: unchecked */
	uint8_t op;       /* BLKIF_OP_*; of an indirect one, the inner op */
	bool indirect;
	uint8_t discard_flag;
	union {
		struct blk_seg seg[BLK_SEGS_PER_REQUEST];
		uint32_t indirect_gref[BLK_INDIRECT_PAGES];
	};
};

struct blk_rsp {
	uint64_t id;
	/* As blk_req.op: of an indirect request the inner operation.  Linux
	 * answers so, and since its hardening against backends a blkfront
	 * gives the disk up for good when it reads BLKIF_OP_INDIRECT here. */
	uint8_t op;
	int16_t status; /* BLKIF_RSP_* */
};

/* The key `protocol` of the frontend: NULL (absent) is native; 0 or -EINVAL. */
int blk_abi_parse(const char *protocol, enum blk_abi *abi);
const char *blk_abi_name(enum blk_abi abi);

/* How many entries a ring of nr_pages has (a power of two); 0 if nr_pages is
 * not 1 to BLK_RING_MAX_PAGES. */
unsigned int blk_ring_entries(enum blk_abi abi, unsigned int nr_pages);

/* ---- backend's side: takes requests, puts responses ---- */

struct blk_back_ring {
	void *shared;
	enum blk_abi abi;
	uint32_t nr_ents;
	uint32_t req_cons;     /* next request to take */
	uint32_t rsp_prod_pvt; /* next response to put */
	uint32_t rsp_prod;     /* last published */
};

/*
 * Attach to a ring of nr_pages contiguous mapped pages.  A fresh connection
 * starts both indices at the ring's published rsp_prod (0 of a new ring; not
 * 0 when a frontend was served by another backend before): pass that which
 * blk_back_ring_peek_rsp_prod() returns, or the journal's values after a
 * worker was replaced.  -EINVAL if the page count or the indices cannot be.
 */
int blk_back_ring_init(struct blk_back_ring *r, void *pages,
		       unsigned int nr_pages, enum blk_abi abi,
		       uint32_t req_cons, uint32_t rsp_prod);
uint32_t blk_back_ring_peek_rsp_prod(const void *pages);

/* Requests that may be taken now, reading the peer's producer index once;
 * -EPROTO if that index is further ahead than the ring has room for. */
int blk_back_ring_avail(const struct blk_back_ring *r);
/* Copy the next request out and step.  Only as often as _avail() said.  An
 * operation that is not known is read as if it were a read or write. */
void blk_back_ring_get(struct blk_back_ring *r, struct blk_req *req);
/* Write the next response, all bytes of it, padding included.  There is room:
 * never more responses than requests taken. */
void blk_back_ring_put(struct blk_back_ring *r, const struct blk_rsp *rsp);
/* Publish what was put; true if the peer asked to be notified of it. */
bool blk_back_ring_publish(struct blk_back_ring *r);
/* After a predecessor died between deciding what is published (its journal)
 * and publishing it: store the index again.  The peer is to be notified. */
void blk_back_ring_republish(struct blk_back_ring *r);
/* Before sleeping: ask for a notification of the next request, then look once
 * more.  True: there is work (or -EPROTO from _avail()), do not sleep. */
bool blk_back_ring_arm(struct blk_back_ring *r);
/* While polling nothing is to be called: an event index that is not armed
 * again stays behind, and asks for nothing. */

/*
 * The segments of an indirect request: nr of them, from the page behind one of
 * its indirect_gref[], each word loaded once.  For those who mapped the page;
 * a grant copy into private memory does the same.
 */
void blk_segs_load(struct blk_seg *seg, const void *page, unsigned int nr);
/* The other side: into a page of ours that is shared; padding is zeroed. */
void blk_segs_store(void *page, const struct blk_seg *seg, unsigned int nr);

/* ---- frontend's side: puts requests, takes responses ---- */

struct blk_front_ring {
	void *shared;
	enum blk_abi abi;
	uint32_t nr_ents;
	uint32_t req_prod_pvt;
	uint32_t req_prod; /* last published */
	uint32_t rsp_cons;
};

/* Clear and initialise nr_pages contiguous pages of our own as a ring. */
int blk_front_ring_init(struct blk_front_ring *r, void *pages,
			unsigned int nr_pages, enum blk_abi abi);
/* Requests that can still be put. */
unsigned int blk_front_ring_free(const struct blk_front_ring *r);
/* Write the next request; there is room.  nr_segs and op go out as they are,
 * also if no backend would take them. */
void blk_front_ring_put(struct blk_front_ring *r, const struct blk_req *req);
/* Publish what was put; true if the peer asked to be notified of it. */
bool blk_front_ring_publish(struct blk_front_ring *r);
/* Responses that may be taken; -EPROTO if there are more than requests in
 * flight. */
int blk_front_ring_avail(const struct blk_front_ring *r);
/* Copy the next response out and step.  Id and op are the peer's claim. */
void blk_front_ring_get(struct blk_front_ring *r, struct blk_rsp *rsp);
/* As blk_back_ring_arm(), for the next response. */
bool blk_front_ring_arm(struct blk_front_ring *r);

#endif
