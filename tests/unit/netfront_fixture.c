// SPDX-License-Identifier: MIT
/*
 * A NIC of one queue with its backend in the same process:
 * netfront_fixture.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/netfront_fixture.h"
#include "tests/unit/run_suite.h"

/* ---- event channels: a descriptor a handle, ports that count up ---- */

int notifies;
static int next_port = 5, open_ports;

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	int *fd = malloc(sizeof(*fd));

	(void)logger;
	(void)flags;
	ck_assert_ptr_nonnull(fd);
	*fd = eventfd(0, EFD_CLOEXEC);
	return (xenevtchn_handle *)fd;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	close(*(int *)xce);
	free(xce);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	return *(int *)xce;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	__atomic_add_fetch(&notifies, 1, __ATOMIC_RELAXED);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
						      uint32_t domid)
{
	(void)xce;
	ck_assert_int_eq(domid, FAKE_DOMID);
	open_ports++;
	return next_port++;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	open_ports--;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint64_t count;

	return read(*(int *)xce, &count, sizeof(count)) < 0 ? -1 : 5;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

/* ---- a NIC of one queue and its backend ---- */

struct netfront *nf;
struct netfront_queue *q;
struct net_back_ring tx, rx;
struct netfront_features can;
struct got got;

void ring_bell(void)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(xenevtchn_fd(q->events.xce), &one, sizeof(one)),
			 sizeof(one));
}

void attach_back(void)
{
	ck_assert_int_eq(net_back_ring_init(&tx, q->cur->tx.shared, NET_RING_TX,
					    NULL, false),
			 0);
	ck_assert_int_eq(net_back_ring_init(&rx, q->cur->rx.shared, NET_RING_RX,
					    NULL, false),
			 0);
}

void connect_queue(void)
{
	struct netfront_conn *c;

	ck_assert_int_eq(netfront_conn_create(&c, nf->gntshr, &q->events,
					      FAKE_DOMID, &can),
			 0);
	netfront_queue_give(q, c);
	ck_assert_int_eq(netfront_poll(q, 1, receive, NULL), 0);
	ck_assert_ptr_eq(q->cur, c);
	attach_back();
}

static void setup(bool split)
{
	memset(&got, 0, sizeof(got));
	notifies = 0;
	nf = calloc(1, sizeof(*nf));
	ck_assert_ptr_nonnull(nf);
	front_dev_init(&nf->dev, &netfront_class, 0, 1000);
	pthread_mutex_init(&nf->ctrl.lock, NULL);
	nf->ctrl.port = -1;
	nf->ctrl.events.wake_fd = nf->ctrl.events.poll_fd = -1;
	nf->gntshr = (xengntshr_handle *)nf; /* only ever passed on */
	nf->back_domid = FAKE_DOMID;
	ck_assert_int_eq(netfront_queue_create(&q, nf, 0), 0);
	nf->queues[0] = q;
	nf->nr_queues = 1;
	can = (struct netfront_features){
		.sg = true,
		.gso4 = true,
		.gso6 = true,
		.csum4 = true,
		.csum6 = true,
		.mcast = true,
		.split = split,
		.nr_queues = 1,
	};
	connect_queue();
}

static void setup_joint(void)
{
	setup(false);
}

static void setup_split(void)
{
	setup(true);
}

static void teardown(void)
{
	netfront_queue_destroy(q);
	netfront_ctrl_close(nf);
	pthread_mutex_destroy(&nf->ctrl.lock);
	front_dev_destroy(&nf->dev);
	free(nf);
	ck_assert_int_eq(fake.shared, 0);
	ck_assert_int_eq(open_ports, 0);
}

/* ---- the backend ---- */

struct net_tx_req take_tx(void)
{
	union net_tx_slot slot;

	ck_assert_int_ge(net_back_ring_avail(&tx), 1);
	net_back_tx_get(&tx, &slot);
	return slot.req;
}

struct net_extra take_tx_extra(void)
{
	union net_tx_slot slot;
	struct net_extra extra;

	ck_assert_int_ge(net_back_ring_avail(&tx), 1);
	net_back_tx_get(&tx, &slot);
	net_extra_of(&slot, &extra);
	return extra;
}

void answer_tx(uint16_t id, int16_t status)
{
	const struct net_tx_rsp rsp = {id, status};

	net_back_tx_put(&tx, &rsp);
}

struct net_rx_req take_rx(void)
{
	struct net_rx_req req;

	ck_assert_int_ge(net_back_ring_avail(&rx), 1);
	net_back_rx_get(&rx, &req);
	return req;
}

void *page_of(uint32_t gref)
{
	return fake_frame(gref);
}

void put_rx(uint16_t id, uint16_t offset, uint16_t flags, int16_t status)
{
	const struct net_rx_rsp rsp = {id, offset, flags, status};

	net_back_rx_put(&rx, &rsp);
}

/* flags: of the first response. */
void give_rx(const void *data, uint32_t len, uint16_t flags)
{
	const uint8_t *from = data;
	struct net_rx_req req;
	uint32_t size;

	while (len) {
		size = len < NET_PAGE_SIZE ? len : NET_PAGE_SIZE;
		len -= size;
		req = take_rx();
		memcpy(page_of(req.gref), from, size);
		put_rx(req.id, 0, flags | (len ? NETRXF_more_data : 0),
		       (int16_t)size);
		from += size;
		flags = 0;
	}
}

void publish(void)
{
	bool asked = net_back_ring_publish(&tx);

	if (net_back_ring_publish(&rx) || asked)
		ring_bell();
}

/* ---- the frontend's user ---- */

void receive(void *user, const struct iovec *iov, unsigned int nr_iov,
	     uint32_t len, const struct netfront_meta *meta)
{
	uint32_t at = 0;
	unsigned int i;

	(void)user;
	for (i = 0; i < nr_iov; i++) {
		ck_assert_uint_le(at + iov[i].iov_len, sizeof(got.data));
		memcpy(got.data + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	ck_assert_uint_eq(at, len);
	got.frames++;
	got.len = len;
	got.nr_iov = nr_iov;
	got.meta = *meta;
}

int poll_all(void)
{
	return netfront_poll(q, 1000, receive, NULL);
}

void must_have_failed(const char *text)
{
	struct iovec iov = {got.data, 64};

	ck_assert_int_eq(netfront_status(nf), -EIO);
	ck_assert_msg(strstr(nf->dev.reason.text, text) != NULL,
		      "'%s' does not say '%s'", nf->dev.reason.text, text);
	ck_assert_int_eq(poll_all(), -EIO);
	ck_assert_int_eq(netfront_send(q, &iov, 1, NULL), -EIO);
	ck_assert_int_eq(netfront_kick(q), -EIO);
	ck_assert_int_eq(netfront_wait(q, 1, receive, NULL, 1000), -EIO);
}

int run_netfront(const char *suite, void (*add)(TCase *tc))
{
	Suite *s = suite_create(suite);

	suite_add(s, "joint", 30, setup_joint, teardown, add);
	suite_add(s, "split", 30, setup_split, teardown, add);
	return run_suite(s);
}
