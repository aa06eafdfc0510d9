// SPDX-License-Identifier: MIT
/* The journal's memory: layout, creation, and the successor's distrust. */
#include "backend/blk_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOURNAL_MAGIC 0x4c4e4a58u /* "XJNL" */
#define PAGE          4096u

static size_t round_up(size_t n)
{
	return (n + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static size_t slots_offset(void)
{
	return round_up(sizeof(struct blk_journal_head));
}

static size_t segs_offset(uint32_t nr_slots)
{
	return slots_offset() + round_up(nr_slots * sizeof(struct blk_slot));
}

size_t blk_journal_queue_size(uint32_t nr_slots)
{
	return segs_offset(nr_slots) +
	       nr_slots * sizeof(struct blk_seg[BLK_MAX_INDIRECT_SEGS]);
}

int blk_journal_create(unsigned int nr_queues, uint32_t nr_slots)
{
	int fd = memfd_create("xensplit-journal",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	/* no worker makes it shorter for its successor, or larger for us */
	if (ftruncate(fd,
		      (off_t)(nr_queues * blk_journal_queue_size(nr_slots))) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int blk_journal_map(struct blk_journal *j, int fd, unsigned int index,
		    uint32_t nr_slots)
{
	size_t size = blk_journal_queue_size(nr_slots);
	char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  (off_t)(index * size));

	if (base == MAP_FAILED)
		return -errno;
	j->head = (void *)base;
	j->slot = (void *)(base + slots_offset());
	j->segs = (void *)(base + segs_offset(nr_slots));
	j->nr_slots = nr_slots;
	return 0;
}

void blk_journal_unmap(struct blk_journal *j)
{
	if (j->head)
		munmap(j->head, blk_journal_queue_size(j->nr_slots));
	memset(j, 0, sizeof(*j));
}

void blk_journal_start(struct blk_journal *j, uint32_t req_cons,
		       uint32_t rsp_prod)
{
	uint32_t i;

	for (i = 0; i < j->nr_slots; i++)
		atomic_store(&j->slot[i].state, BLK_SLOT_FREE);
	atomic_store(&j->head->req_cons, req_cons);
	atomic_store(&j->head->rsp_prod, rsp_prod);
	j->head->magic = JOURNAL_MAGIC;
	j->head->nr_slots = j->nr_slots;
	atomic_thread_fence(memory_order_release);
	j->head->started = 1;
}

int blk_journal_check(const struct blk_journal *j)
{
	uint32_t cons = atomic_load(&j->head->req_cons);
	uint32_t prod = atomic_load(&j->head->rsp_prod);
	uint32_t i, owed = 0;

	if (j->head->magic != JOURNAL_MAGIC || !j->head->started ||
	    j->head->nr_slots != j->nr_slots || cons - prod > j->nr_slots)
		return -EUCLEAN;
	for (i = 0; i < j->nr_slots; i++) {
		const struct blk_slot *s = &j->slot[i];
		unsigned int state = atomic_load(&s->state);

		if (state == BLK_SLOT_FREE)
			continue;
		if (state != BLK_SLOT_TAKEN && state != BLK_SLOT_DONE)
			return -EUCLEAN;
		if (blk_slot_is_owed(j, s))
			owed++;
	}
	/* every request taken and not answered has its slot, and no other */
	return owed == cons - prod ? 0 : -EUCLEAN;
}

bool blk_slot_is_owed(const struct blk_journal *j, const struct blk_slot *s)
{
	uint32_t cons = atomic_load(&j->head->req_cons);
	uint32_t prod = atomic_load(&j->head->rsp_prod);

	switch (atomic_load(&s->state)) {
	case BLK_SLOT_TAKEN:
		/* not stepped over; any other index is of a request that was
		 * taken, however many have passed it since */
		return s->req_idx - cons >= j->nr_slots;
	case BLK_SLOT_DONE:
		return !s->put || s->rsp_idx - prod < j->nr_slots;
	default:
		return false;
	}
}
