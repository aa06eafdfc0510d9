// SPDX-License-Identifier: MIT
/* See store_file_merge.h. */
#include "backend/store_file_merge.h"

/* Pieces that are adjacent in memory, too, become one. */
void store_run_merge(struct store_run *run, struct merged_op *m)
{
	struct iovec *v = m->iov;
	const struct store_io *io;
	char *next = NULL;
	uint32_t i;

	for (io = run->first; io; io = io->next) {
		for (i = 0; i < io->nr_iov; i++) {
			const struct iovec *from = &io->iov[i];

			if (from->iov_base == next)
				v[-1].iov_len += from->iov_len;
			else
				*v++ = *from;
			next = (char *)from->iov_base + from->iov_len;
		}
	}
	m->nr_iov = (uint32_t)(v - m->iov);
	m->run = *run;
	run->nr = 0;
}
