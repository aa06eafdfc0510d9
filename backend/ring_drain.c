// SPDX-License-Identifier: MIT
/* See ring_drain.h. */
#include "backend/ring_drain.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Each submission has one completion (no multishot operations are used), so
 * what was consumed from the submission queue and not put into the completion
 * queue is what the kernel has.
 */
static int in_flight(int fd)
{
	char path[64], line[256];
	uint32_t taken = 0, done = 0;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		found += sscanf(line, "CachedSqHead: %u", &taken) == 1;
		found += sscanf(line, "CachedCqTail: %u", &done) == 1;
	}
	fclose(f);
	return found == 2 ? (int)(taken - done) : -EINVAL;
}

void ring_drain_clear(struct ring_drain *d)
{
	while (d->nr)
		close(d->fd[--d->nr]);
}

void ring_drain_set(struct ring_drain *d, const int *fds, unsigned int nr)
{
	unsigned int i;

	ring_drain_clear(d);
	for (i = 0; i < nr; i++) {
		if (d->nr < RING_DRAIN_MAX)
			d->fd[d->nr++] = fds[i];
		else
			close(fds[i]);
	}
}

int ring_drain_in_flight(const struct ring_drain *d)
{
	unsigned int i;
	int sum = 0;

	for (i = 0; i < d->nr; i++) {
		int n = in_flight(d->fd[i]);

		if (n < 0)
			return n;
		sum += n;
	}
	return sum;
}
