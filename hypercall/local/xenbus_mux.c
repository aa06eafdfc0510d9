// SPDX-License-Identifier: MIT
/*
 * Routing between the clients of a guest's xenbus device and its one ring.
 */
#include "xenbus_mux.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

void xenbus_mux_init(struct xenbus_mux *m, struct xenbus_ring *ring)
{
	memset(m, 0, sizeof(*m));
	m->ring = ring;
	TAILQ_INIT(&m->clients);
	TAILQ_INIT(&m->ready);
	TAILQ_INIT(&m->waiting);
	TAILQ_INIT(&m->watches);
}

struct xenbus_client *xenbus_mux_add(struct xenbus_mux *m, int fd)
{
	struct xenbus_client *c = xenbus_client_new(fd);

	if (!c)
		return NULL;
	c->nr = ++m->next_client;
	TAILQ_INSERT_TAIL(&m->clients, c, all);
	m->nr_open++;
	return c;
}

static void log_client(const struct xenbus_mux *m,
		       const struct xenbus_client *c, const char *what)
{
	fprintf(stderr, "xenbus of domain %u: client %u: %s\n", m->ring->domid,
		c->nr, what);
}

/* Puts a client that is in no queue behind those that want the ring. */
static void make_ready(struct xenbus_mux *m, struct xenbus_client *c)
{
	c->state = XENBUS_READY;
	TAILQ_INSERT_TAIL(&m->ready, c, queue);
}

/* The request is over and the next one can be read. */
static void make_idle(struct xenbus_client *c)
{
	c->state = XENBUS_IDLE;
	c->in_used = 0;
	c->watch = NULL;
}

static void forget_watch(struct xenbus_mux *m, struct xenbus_watch *w)
{
	TAILQ_REMOVE(&w->client->watches, w, of_client);
	TAILQ_REMOVE(&m->watches, w, of_mux);
	free(w);
}

static void forget_transaction(struct xenbus_client *c, uint32_t id)
{
	struct xenbus_transaction *t;

	TAILQ_FOREACH(t, &c->transactions, of_client)
	{
		if (t->id == id) {
			TAILQ_REMOVE(&c->transactions, t, of_client);
			free(t);
			return;
		}
	}
}

/* Answers the client's request itself; the client must be cut on -errno. */
static int answer(struct xenbus_client *c, uint32_t type, const char *body)
{
	struct xsd_sockmsg hdr = {
		.type = type,
		.req_id = c->in.hdr.req_id,
		.tx_id = c->in.hdr.tx_id,
		.len = (uint32_t)strlen(body) + 1,
	};

	make_idle(c);
	return xenbus_client_queue(c, &hdr, body);
}

/*
 * An idle client that is to be cleaned up after takes its next step; when all
 * is undone it is freed, or told so if it asked by XS_RESET_WATCHES.
 */
static int clean_on(struct xenbus_mux *m, struct xenbus_client *c)
{
	if (!TAILQ_EMPTY(&c->watches) || !TAILQ_EMPTY(&c->transactions)) {
		make_ready(m, c);
		return 0;
	}
	c->cleaning = false;
	if (c->fd >= 0)
		return answer(c, XS_RESET_WATCHES, "OK");
	TAILQ_REMOVE(&m->clients, c, all);
	xenbus_client_free(c);
	return 0;
}

void xenbus_mux_cut(struct xenbus_mux *m, struct xenbus_client *c)
{
	if (c->fd < 0)
		return;
	xenbus_client_close(c);
	m->nr_open--;
	c->cleaning = true;
	if (c->state == XENBUS_WAITING)
		return;
	if (c->state == XENBUS_READY)
		TAILQ_REMOVE(&m->ready, c, queue);
	if (c->state == XENBUS_READY && c->watch && !c->watch->id)
		free(c->watch); /* XS_WATCH that never reached the ring */
	make_idle(c);
	clean_on(m, c);
}

/*
 * Requests, from the clients.
 */

/* Splits a body into exactly two strings, as XS_WATCH has them. */
static bool two_strings(struct xenbus_msg *msg, const char **first,
			const char **second)
{
	size_t len = msg->hdr.len, n;

	if (!len || msg->body[len - 1])
		return false;
	n = strlen(msg->body) + 1;
	if (n == len || n + strlen(msg->body + n) + 1 != len)
		return false;
	*first = msg->body;
	*second = msg->body + n;
	return true;
}

/* xenstored resolves a relative path before it compares. */
static bool same_path(const struct xenbus_mux *m, const char *a, const char *b)
{
	char home[32];
	size_t n;

	if (!strcmp(a, b))
		return true;
	n = (size_t)snprintf(home, sizeof(home), "/local/domain/%u/",
			     m->ring->domid);
	if (a[0] == '/' && b[0] != '/' && b[0] != '@')
		return !strncmp(a, home, n) && !strcmp(a + n, b);
	if (b[0] == '/' && a[0] != '/' && a[0] != '@')
		return !strncmp(b, home, n) && !strcmp(b + n, a);
	return false;
}

static struct xenbus_watch *find_watch(const struct xenbus_mux *m,
				       const struct xenbus_client *c,
				       const char *path, const char *token)
{
	struct xenbus_watch *w;

	TAILQ_FOREACH(w, &c->watches, of_client)
	{
		if (!strcmp(w->token, token) && same_path(m, w->path, path))
			return w;
	}
	return NULL;
}

static struct xenbus_watch *new_watch(struct xenbus_client *c, const char *path,
				      const char *token)
{
	size_t np = strlen(path) + 1, nt = strlen(token) + 1;
	struct xenbus_watch *w = calloc(1, sizeof(*w) + np + nt);

	if (!w)
		return NULL;
	memcpy(w->path, path, np);
	memcpy(w->path + np, token, nt);
	w->token = w->path + np;
	w->client = c;
	return w;
}

static int request_watch(struct xenbus_mux *m, struct xenbus_client *c)
{
	const char *path, *token;
	struct xenbus_watch *w;

	if (!two_strings(&c->in, &path, &token) ||
	    strlen(path) > XENSTORE_ABS_PATH_MAX)
		return answer(c, XS_ERROR, "EINVAL");
	w = find_watch(m, c, path, token);
	if (c->in.hdr.type == XS_UNWATCH) {
		if (!w)
			return answer(c, XS_ERROR, "ENOENT");
	} else {
		if (w)
			return answer(c, XS_ERROR, "EEXIST");
		w = new_watch(c, path, token);
		if (!w)
			return answer(c, XS_ERROR, "ENOMEM");
	}
	c->watch = w;
	make_ready(m, c);
	return 0;
}

static bool owns_transaction(const struct xenbus_client *c, uint32_t id)
{
	struct xenbus_transaction *t;

	TAILQ_FOREACH(t, &c->transactions, of_client)
	{
		if (t->id == id)
			return true;
	}
	return false;
}

/* A complete request is in c->in. */
static int request(struct xenbus_mux *m, struct xenbus_client *c)
{
	switch (c->in.hdr.type) {
	case XS_WATCH:
	case XS_UNWATCH:
		return request_watch(m, c);
	case XS_RESET_WATCHES:
		c->cleaning = true;
		return clean_on(m, c);
	default:
		break;
	}
	if (c->in.hdr.tx_id && !owns_transaction(c, c->in.hdr.tx_id))
		return answer(c, XS_ERROR, "ENOENT");
	make_ready(m, c);
	return 0;
}

int xenbus_mux_readable(struct xenbus_mux *m, struct xenbus_client *c)
{
	int rc;

	/* answers that are made here may let the client send on and on */
	while (c->state == XENBUS_IDLE && c->out_len <= XENBUS_OUT_BUSY) {
		rc = xenbus_client_read(c);
		if (rc == -EMSGSIZE)
			log_client(m, c, "message body too long, cut");
		if (rc <= 0)
			return rc;
		c->in.body[c->in.hdr.len] = '\0';
		rc = request(m, c);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/*
 * To the ring.
 */

static void tx_watch(struct xenbus_mux *m, uint32_t type,
		     const struct xenbus_watch *w)
{
	size_t n = strlen(w->path) + 1;

	m->tx.hdr.type = type;
	memcpy(m->tx.body, w->path, n);
	n += (size_t)sprintf(m->tx.body + n, "%" PRIx64, w->id) + 1;
	m->tx.hdr.len = (uint32_t)n;
}

/* The next thing to undo: a watch, then a transaction. */
static void tx_cleanup(struct xenbus_mux *m, struct xenbus_client *c)
{
	c->watch = TAILQ_FIRST(&c->watches);
	if (c->watch) {
		tx_watch(m, XS_UNWATCH, c->watch);
		return;
	}
	m->tx.hdr.type = XS_TRANSACTION_END;
	m->tx.hdr.tx_id = TAILQ_FIRST(&c->transactions)->id;
	m->tx.hdr.len = 2;
	memcpy(m->tx.body, "F", 2);
}

static struct xenbus_client *find_waiting(const struct xenbus_mux *m,
					  uint32_t wire_id)
{
	struct xenbus_client *c;

	TAILQ_FOREACH(c, &m->waiting, queue)
	{
		if (c->wire_id == wire_id)
			return c;
	}
	return NULL;
}

/* Makes the next message in m->tx out of the first ready client. */
static bool tx_next(struct xenbus_mux *m)
{
	struct xenbus_client *c = TAILQ_FIRST(&m->ready);

	if (!c)
		return false;
	TAILQ_REMOVE(&m->ready, c, queue);
	memset(&m->tx.hdr, 0, sizeof(m->tx.hdr));
	if (c->cleaning) {
		tx_cleanup(m, c);
	} else if (c->watch) {
		if (!c->watch->id)
			c->watch->id = ++m->next_watch;
		tx_watch(m, c->in.hdr.type, c->watch);
	} else {
		memcpy(&m->tx, &c->in, sizeof(c->in.hdr) + c->in.hdr.len);
	}
	do {
		c->wire_id = ++m->next_id;
	} while (find_waiting(m, c->wire_id));
	c->wire_cleanup = c->cleaning;
	c->wire_type = m->tx.hdr.type;
	c->wire_tx = m->tx.hdr.tx_id;
	m->tx.hdr.req_id = c->wire_id;
	m->tx_len = sizeof(m->tx.hdr) + m->tx.hdr.len;
	m->tx_used = 0;
	c->state = XENBUS_WAITING;
	TAILQ_INSERT_TAIL(&m->waiting, c, queue);
	return true;
}

static int run_tx(struct xenbus_mux *m, bool *moved)
{
	ssize_t n;

	while (m->tx_used < m->tx_len || tx_next(m)) {
		n = xenbus_ring_write(m->ring, (char *)&m->tx + m->tx_used,
				      m->tx_len - m->tx_used);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		m->tx_used += (size_t)n;
		*moved = true;
	}
	return 0;
}

/*
 * From the ring.
 */

static bool reply_is(const struct xenbus_msg *msg, const char *error)
{
	return msg->hdr.type == XS_ERROR && !strcmp(msg->body, error);
}

/* Keeps account of what an answer says about the client's watches. */
static void note_watch(struct xenbus_mux *m, struct xenbus_client *c)
{
	struct xenbus_watch *w = c->watch;
	bool ok = m->rx.hdr.type != XS_ERROR;

	if (c->wire_type == XS_WATCH && ok) {
		TAILQ_INSERT_TAIL(&c->watches, w, of_client);
		TAILQ_INSERT_TAIL(&m->watches, w, of_mux);
	} else if (c->wire_type == XS_WATCH) {
		free(w);
	} else if (ok || c->wire_cleanup || reply_is(&m->rx, "ENOENT")) {
		forget_watch(m, w);
	}
	c->watch = NULL;
}

/* Likewise for its transactions. */
static int note_transaction(struct xenbus_mux *m, struct xenbus_client *c)
{
	struct xenbus_transaction *t;
	unsigned long id;
	char *end;

	if (c->wire_type == XS_TRANSACTION_END) {
		/* any answer ends it but the one to a malformed request */
		if (c->wire_cleanup || !reply_is(&m->rx, "EINVAL"))
			forget_transaction(c, c->wire_tx);
		return 0;
	}
	if (m->rx.hdr.type == XS_ERROR)
		return 0;
	errno = 0;
	id = strtoul(m->rx.body, &end, 10);
	if (errno || end == m->rx.body || *end || !id || id > UINT32_MAX)
		return -EPROTO;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->id = (uint32_t)id;
	TAILQ_INSERT_TAIL(&c->transactions, t, of_client);
	return 0;
}

/* An answer is in m->rx. */
static int reply(struct xenbus_mux *m)
{
	struct xenbus_client *c = find_waiting(m, m->rx.hdr.req_id);
	struct xsd_sockmsg hdr = m->rx.hdr;
	int rc = 0;

	if (!c || (hdr.type != c->wire_type && hdr.type != XS_ERROR))
		return -EPROTO;
	if (c->watch)
		note_watch(m, c);
	else if (c->wire_type == XS_TRANSACTION_START ||
		 c->wire_type == XS_TRANSACTION_END)
		rc = note_transaction(m, c);
	if (rc < 0)
		return rc;

	TAILQ_REMOVE(&m->waiting, c, queue);
	c->state = XENBUS_IDLE;
	if (c->cleaning) {
		rc = clean_on(m, c);
	} else {
		hdr.req_id = c->in.hdr.req_id;
		hdr.tx_id = c->in.hdr.tx_id;
		make_idle(c);
		rc = xenbus_client_queue(c, &hdr, m->rx.body);
	}
	if (rc < 0)
		xenbus_mux_cut(m, c);
	return 0;
}

/* Says so now and then; the store decides how often it happens. */
static void event_dropped(struct xenbus_mux *m, const struct xenbus_client *c)
{
	unsigned long n = ++m->dropped_events;

	if ((n & (n - 1)) == 0)
		fprintf(stderr,
			"xenbus of domain %u: client %u: watch event longer than a message with its token, dropped (%lu so far)\n",
			m->ring->domid, c->nr, n);
}

/* A watch event is in m->rx: path and token. */
static int event(struct xenbus_mux *m)
{
	struct xsd_sockmsg hdr = m->rx.hdr;
	const char *path, *token;
	struct xenbus_watch *w;
	size_t np, nt;
	uint64_t id;
	char *end;

	if (!two_strings(&m->rx, &path, &token))
		return -EPROTO;
	id = strtoull(token, &end, 16);
	if (end == token || *end)
		return -EPROTO;
	TAILQ_FOREACH(w, &m->watches, of_mux)
	{
		if (w->id == id)
			break;
	}
	/* sent before the watch was removed, as xenstored may */
	if (!w || w->client->fd < 0)
		return 0;
	np = strlen(path) + 1;
	nt = strlen(w->token) + 1;
	if (np + nt > XENSTORE_PAYLOAD_MAX) {
		event_dropped(m, w->client);
		return 0;
	}
	memcpy(m->rx.body + np, w->token, nt);
	hdr.len = (uint32_t)(np + nt);
	if (xenbus_client_queue(w->client, &hdr, m->rx.body) < 0) {
		log_client(m, w->client, "does not read its watch events, cut");
		xenbus_mux_cut(m, w->client);
	}
	return 0;
}

static int rx_message(struct xenbus_mux *m)
{
	m->rx.body[m->rx.hdr.len] = '\0';
	m->rx_used = 0;
	return m->rx.hdr.type == XS_WATCH_EVENT ? event(m) : reply(m);
}

static int run_rx(struct xenbus_mux *m, bool *moved)
{
	size_t want;
	ssize_t n;
	int rc;

	for (;;) {
		want = sizeof(m->rx.hdr);
		if (m->rx_used >= want) {
			if (m->rx.hdr.len > XENSTORE_PAYLOAD_MAX)
				return -EPROTO;
			want += m->rx.hdr.len;
		}
		if (m->rx_used == want) {
			rc = rx_message(m);
			if (rc < 0)
				return rc;
			continue;
		}
		n = xenbus_ring_read(m->ring, (char *)&m->rx + m->rx_used,
				     want - m->rx_used);
		if (n <= 0)
			return (int)n;
		m->rx_used += (size_t)n;
		*moved = true;
	}
}

int xenbus_mux_run(struct xenbus_mux *m)
{
	bool moved;
	int rc;

	do {
		moved = false;
		rc = run_rx(m, &moved);
		if (rc == 0)
			rc = run_tx(m, &moved);
		xenbus_ring_notify(m->ring);
	} while (rc == 0 && moved);
	return rc;
}
