// SPDX-License-Identifier: MIT
/*
 * Connections to a guest's xenbus device: stream in, bounded queue out.
 * What the messages mean is xenbus_mux.c's business.
 */
#include "xenbus_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct xenbus_client *xenbus_client_new(int fd)
{
	struct xenbus_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	TAILQ_INIT(&c->watches);
	TAILQ_INIT(&c->transactions);
	return c;
}

void xenbus_client_free(struct xenbus_client *c)
{
	struct xenbus_transaction *t;
	struct xenbus_watch *w;

	if (!c)
		return;
	while ((w = TAILQ_FIRST(&c->watches))) {
		TAILQ_REMOVE(&c->watches, w, of_client);
		free(w);
	}
	while ((t = TAILQ_FIRST(&c->transactions))) {
		TAILQ_REMOVE(&c->transactions, t, of_client);
		free(t);
	}
	xenbus_client_close(c);
	free(c);
}

void xenbus_client_close(struct xenbus_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->out);
	c->out = NULL;
	c->out_start = c->out_len = c->out_size = 0;
}

int xenbus_client_read(struct xenbus_client *c)
{
	size_t want = sizeof(c->in.hdr);
	ssize_t n;

	for (;;) {
		if (c->in_used >= sizeof(c->in.hdr)) {
			if (c->in.hdr.len > XENSTORE_PAYLOAD_MAX)
				return -EMSGSIZE;
			want = sizeof(c->in.hdr) + c->in.hdr.len;
		}
		if (c->in_used == want)
			return 1;
		n = recv(c->fd, (char *)&c->in + c->in_used, want - c->in_used,
			 MSG_DONTWAIT);
		if (n > 0) {
			c->in_used += (size_t)n;
			continue;
		}
		if (n == 0)
			return -EPIPE;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* Makes room for `more` bytes behind what is queued. */
static int out_reserve(struct xenbus_client *c, size_t more)
{
	size_t size = c->out_size ? c->out_size : 1024;
	char *out;

	if (c->out_len + more > XENBUS_OUT_MAX)
		return -ENOBUFS;
	if (c->out_start + c->out_len + more <= c->out_size)
		return 0;
	if (c->out_start) {
		memmove(c->out, c->out + c->out_start, c->out_len);
		c->out_start = 0;
	}
	while (size < c->out_len + more)
		size *= 2;
	if (size == c->out_size)
		return 0;
	out = realloc(c->out, size);
	if (!out)
		return -ENOMEM;
	c->out = out;
	c->out_size = size;
	return 0;
}

int xenbus_client_queue(struct xenbus_client *c, const struct xsd_sockmsg *hdr,
			const void *body)
{
	char *to;
	int rc;

	if (c->fd < 0)
		return 0;
	rc = out_reserve(c, sizeof(*hdr) + hdr->len);
	if (rc < 0)
		return rc;
	to = c->out + c->out_start + c->out_len;
	memcpy(to, hdr, sizeof(*hdr));
	if (hdr->len)
		memcpy(to + sizeof(*hdr), body, hdr->len);
	c->out_len += sizeof(*hdr) + hdr->len;
	return 0;
}

int xenbus_client_flush(struct xenbus_client *c)
{
	ssize_t n;

	while (c->out_len) {
		n = send(c->fd, c->out + c->out_start, c->out_len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0
								       : -errno;
		c->out_start += (size_t)n;
		c->out_len -= (size_t)n;
	}
	c->out_start = 0;
	return 0;
}
