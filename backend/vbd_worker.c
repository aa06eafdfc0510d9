// SPDX-License-Identifier: MIT
/* What a disk's worker is told, and the journal that outlives it. */
#include "backend/vbd.h"

#include <string.h>
#include <unistd.h>

#include "backend/blk_journal.h"

void vbd_drop_journal(struct steer *s)
{
	struct vbd *v = (struct vbd *)s;

	if (v->journal_fd >= 0)
		close(v->journal_fd);
	v->journal_fd = -1;
}

static void fill_add(struct vbd *v, struct worker_msg *msg, int *fds,
		     unsigned int *nr_fds)
{
	msg->op = WORKER_BLK_ADD;
	memcpy(msg->add.name, v->dev->name, sizeof(msg->add.name));
	msg->add.store = v->store;
	msg->add.limits = v->limits;
	fds[0] = v->stats_fd;
	memcpy(fds + 1, v->store.fd, v->store.nr_fds * sizeof(int));
	*nr_fds = 1 + v->store.nr_fds;
	v->steer.change_due = false;
}

/*
 * Whether a worker may have taken requests from the rings: it takes none
 * before it has begun the journal of every queue.
 */
static bool journal_is_begun(const struct vbd *v)
{
	uint32_t slots = blk_ring_entries(v->conn.abi, v->conn.ring_pages);
	size_t size = blk_journal_queue_size(slots);
	struct blk_journal_head head;
	unsigned int i;

	for (i = 0; i < v->conn.nr_queues; i++)
		if (pread(v->journal_fd, &head, sizeof(head),
			  (off_t)(i * size)) != sizeof(head) ||
		    !head.started)
			return false;
	return true;
}

static void fill_connect(struct vbd *v, struct worker_msg *msg, int *fds,
			 unsigned int *nr_fds)
{
	msg->op = WORKER_BLK_CONNECT;
	v->conn.resume = journal_is_begun(v);
	msg->connect = v->conn;
	v->steer.rings = true;
	fds[0] = v->journal_fd;
	*nr_fds = 1;
}

int vbd_fill(struct steer *s, enum steer_question q, struct worker_msg *msg,
	     int *fds, unsigned int *nr_fds, struct xs_err *err)
{
	struct vbd *v = (struct vbd *)s;

	(void)err;
	switch (q) {
	case STEER_ADD:
		fill_add(v, msg, fds, nr_fds);
		break;
	case STEER_CONNECT:
		fill_connect(v, msg, fds, nr_fds);
		break;
	case STEER_DISCONNECT:
		msg->op = WORKER_BLK_DISCONNECT;
		msg->disconnect.abort = s->dev->forced || s->abandon;
		break;
	case STEER_REMOVE:
		msg->op = WORKER_BLK_REMOVE;
		break;
	case STEER_CHANGE:
		s->change_due = false;
		msg->op = WORKER_BLK_RESIZE;
		msg->resize.size_bytes = v->store.size_bytes;
		break;
	}
	return 0;
}
