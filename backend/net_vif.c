// SPDX-License-Identifier: MIT
/* A NIC in a worker: adding, connecting, stopping, changing. */
#include "backend/net_vif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/net_queue.h"
#include "backend/net_vif_ctrl.h"
#include "hypercall/log.h"

struct queue_ref {
	struct net_queue *queue;
	struct io_loop *loop;
};

struct net_vif {
	uint32_t number;
	struct worker_net_add add;
	struct net_vif_host host;
	struct net_vif_stats *stats;
	struct net_policy *policy;
	struct net_pcap pcap;
	/* while connected */
	bool connected;
	unsigned int nr_queues; /* open */
	struct queue_ref queue[NET_MAX_QUEUES];
	struct net_mcast mcast;
	struct net_hash_control hash;
	unsigned int nr_grefs;
	struct net_gref *gref[NET_MAX_QUEUES];
	struct net_vif_ctrl *ctrl;
	/* written by loop threads */
	_Atomic(const char *) violation;
	atomic_uint nr_stalled;
	atomic_int carrier; /* to be reported; -1: nothing */
};

/* ---- called on loop threads ---- */

static void on_violation(void *arg, const char *text)
{
	struct net_vif *v = arg;

	atomic_store(&v->violation, text);
	v->host.wake(v->host.arg);
}

/* One queue that does not take frames is as bad as all: nobody knows which
 * frames go where. */
static void on_stalled(void *arg, bool stalled)
{
	struct net_vif *v = arg;

	if (stalled && atomic_fetch_add(&v->nr_stalled, 1) == 0)
		atomic_store(&v->carrier, 0);
	else if (!stalled && atomic_fetch_sub(&v->nr_stalled, 1) == 1)
		atomic_store(&v->carrier, 1);
	else
		return;
	v->host.wake(v->host.arg);
}

static bool on_steer(void *arg, unsigned int queue,
		     const struct net_frame *frame)
{
	struct net_vif *v = arg;

	/* none is closed while another runs */
	return queue < v->nr_queues &&
	       net_queue_put(v->queue[queue].queue, frame);
}

struct open_call {
	struct queue_ref *ref;
	struct net_queue_config cfg;
	struct xs_err *err;
	int result;
};

static void do_open(void *arg)
{
	struct open_call *c = arg;

	c->result = net_queue_open(&c->ref->queue, &c->cfg, c->err);
}

static void do_start(void *arg)
{
	net_queue_start(((struct queue_ref *)arg)->queue);
}

static void do_stop(void *arg)
{
	net_queue_stop(((struct queue_ref *)arg)->queue);
}

static void do_close(void *arg)
{
	struct queue_ref *ref = arg;

	net_queue_close(ref->queue);
	ref->queue = NULL;
}

/* What the control ring's loop owns: static grants, and the ring. */
struct ctrl_call {
	struct net_vif *v;
	const struct worker_net_connect *c;
	struct xs_err *err;
	int result;
};

static struct io_loop *loop_of(const struct net_vif *v, unsigned int queue)
{
	return v->host.loop[(v->number + queue) % v->host.nr_loops];
}

static void do_open_grefs(void *arg)
{
	struct ctrl_call *call = arg;
	struct net_vif *v = call->v;
	struct net_vif_journal *j = &v->stats->journal;

	while (v->nr_grefs < call->c->nr_queues) {
		unsigned int i = v->nr_grefs;
		int e = net_gref_create(&v->gref[i], loop_of(v, 0)->gnttab,
					call->c->fe_domid, &j->gref[i],
					call->c->resume);

		if (e) {
			xs_err_set(call->err, "static grants of queue %u: %s",
				   i, strerror(-e));
			call->result = e;
			return;
		}
		v->nr_grefs++;
	}
	call->result = 0;
}

static void do_open_ctrl(void *arg)
{
	struct ctrl_call *call = arg;
	struct net_vif *v = call->v;
	const struct net_vif_ctrl_config cfg = {
		.loop = loop_of(v, 0),
		.fe_domid = call->c->fe_domid,
		.ref = call->c->ctrl_ref,
		.evtchn = call->c->ctrl_evtchn,
		.nr_queues = call->c->nr_queues,
		.resume = call->c->resume,
		.journal = &v->stats->journal.ctrl,
		.hash = &v->hash,
		.gref = v->gref,
		.violation = on_violation,
		.arg = v,
	};

	call->result = net_vif_ctrl_open(&v->ctrl, &cfg, call->err);
}

static void do_start_ctrl(void *arg)
{
	net_vif_ctrl_start(((struct net_vif *)arg)->ctrl);
}

static void do_close_ctrl(void *arg)
{
	struct net_vif *v = arg;

	net_vif_ctrl_close(v->ctrl);
	v->ctrl = NULL;
}

static void do_close_grefs(void *arg)
{
	struct net_vif *v = arg;

	while (v->nr_grefs)
		net_gref_destroy(v->gref[--v->nr_grefs]);
}

/* ---- control thread: the device ---- */

static int check_add(const struct worker_net_add *add, const int *fds,
		     unsigned int nr_fds, struct xs_err *err)
{
	struct stat st;

	if (add->link.nr_fds > LINK_MAX_QUEUES ||
	    nr_fds != add->link.nr_fds + 1 ||
	    !memchr(add->name, 0, sizeof(add->name)) ||
	    !memchr(add->link.link, 0, sizeof(add->link.link)) ||
	    !memchr(add->link.label, 0, sizeof(add->link.label))) {
		xs_err_set(err, "malformed description of a NIC");
		return -EPROTO;
	}
	/* a touch past the end of the file is a SIGBUS */
	if (fstat(fds[0], &st) ||
	    st.st_size < (off_t)sizeof(struct net_vif_stats)) {
		xs_err_set(err, "the statistics are too short");
		return -EPROTO;
	}
	return 0;
}

static int open_parts(struct net_vif *v, int stats_fd, struct xs_err *err)
{
	int e;

	v->stats = mmap(NULL, sizeof(*v->stats), PROT_READ | PROT_WRITE,
			MAP_SHARED, stats_fd, 0);
	if (v->stats == MAP_FAILED) {
		v->stats = NULL;
		e = -errno;
		xs_err_set(err, "cannot map the statistics: %s", strerror(-e));
		return e;
	}
	e = net_policy_create(&v->policy, &v->add.policy);
	if (e) {
		xs_err_set(err, "the policy cannot be used: %s", strerror(-e));
		return e;
	}
	e = net_pcap_init(&v->pcap, v->host.wake, v->host.arg);
	if (e)
		xs_err_set(err, "no memory for a NIC");
	return e;
}

static void close_parts(struct net_vif *v)
{
	net_pcap_destroy(&v->pcap);
	net_policy_destroy(v->policy);
	if (v->stats)
		munmap(v->stats, sizeof(*v->stats));
	free(v);
}

int net_vif_add(struct net_vif **out, uint32_t number,
		const struct worker_net_add *add, const int *fds,
		unsigned int nr_fds, const struct net_vif_host *host,
		struct xs_err *err)
{
	struct net_vif *v;
	unsigned int i;
	int e = check_add(add, fds, nr_fds, err);

	if (e)
		return e;
	v = calloc(1, sizeof(*v));
	if (!v) {
		xs_err_set(err, "no memory for a NIC");
		return -ENOMEM;
	}
	v->number = number;
	v->add = *add;
	v->host = *host;
	atomic_init(&v->carrier, -1);
	e = open_parts(v, fds[0], err);
	if (e) {
		close_parts(v);
		return e;
	}
	close(fds[0]);
	for (i = 0; i < LINK_MAX_QUEUES; i++)
		v->add.link.fd[i] = i < add->link.nr_fds ? fds[i + 1] : -1;
	*out = v;
	return 0;
}

void net_vif_remove(struct net_vif *v)
{
	if (!v)
		return;
	link_close(&v->add.link);
	close_parts(v);
}

uint32_t net_vif_number(const struct net_vif *v)
{
	return v->number;
}

/* ---- control thread: the connection ---- */

static void close_all(struct net_vif *v)
{
	struct io_loop *loop = loop_of(v, 0);
	unsigned int i;

	for (i = 0; i < v->nr_queues; i++)
		io_loop_call(v->queue[i].loop, do_stop, &v->queue[i]);
	if (v->ctrl)
		io_loop_call(loop, do_close_ctrl, v);
	while (v->nr_queues) {
		struct queue_ref *ref = &v->queue[--v->nr_queues];

		io_loop_call(ref->loop, do_close, ref);
	}
	if (v->nr_grefs)
		io_loop_call(loop, do_close_grefs, v);
	net_mcast_destroy(&v->mcast);
	net_hash_control_destroy(&v->hash);
	v->connected = false;
}

static void set_config(struct net_vif *v, const struct worker_net_connect *c,
		       unsigned int i, struct net_queue_config *cfg)
{
	uint32_t offers = v->add.link.offers;

	*cfg = (struct net_queue_config){
		.name = v->add.name,
		.loop = loop_of(v, i),
		.link = &v->add.link,
		.policy = v->policy,
		.mcast = &v->mcast,
		.hash = &v->hash,
		.grefs = v->gref[i],
		.pcap = &v->pcap,
		.stats = &v->stats->queue[i],
		.tx_journal = &v->stats->journal.tx[i],
		.rx_journal = &v->stats->journal.rx[i],
		.index = i,
		.fe_domid = c->fe_domid,
		.tx_ref = c->queue[i].tx_ref,
		.rx_ref = c->queue[i].rx_ref,
		.evtchn_tx = c->queue[i].evtchn_tx,
		.evtchn_rx = c->queue[i].evtchn_rx,
		.features = c->features,
		.rules =
			{
				.sg = c->sg,
				/* only what the link can carry */
				.gso4 = c->gso4 && (offers & LINK_TSO4),
				.gso6 = c->gso6 && (offers & LINK_TSO6),
				/* the list may be amended though not used */
				.mcast_control = true,
			},
		.csum4 = c->csum4,
		.csum6 = c->csum6,
		.rx_notify = c->rx_notify,
		.resume = c->resume,
		.violation = on_violation,
		.stalled = on_stalled,
		.steer = c->nr_queues > 1 ? on_steer : NULL,
		.arg = v,
	};
}

static int open_queue(struct net_vif *v, const struct worker_net_connect *c,
		      unsigned int i, struct xs_err *err)
{
	struct queue_ref *ref = &v->queue[i];
	struct open_call call = {.ref = ref, .err = err};

	set_config(v, c, i, &call.cfg);
	ref->loop = call.cfg.loop;
	io_loop_call(ref->loop, do_open, &call);
	if (!call.result)
		v->nr_queues++;
	return call.result;
}

static int open_all(struct net_vif *v, const struct worker_net_connect *c,
		    struct xs_err *err)
{
	struct ctrl_call call = {.v = v, .c = c, .err = err};
	struct io_loop *loop = loop_of(v, 0);
	unsigned int i;

	io_loop_call(loop, do_open_grefs, &call);
	for (i = 0; !call.result && i < c->nr_queues; i++)
		call.result = open_queue(v, c, i, err);
	if (!call.result && c->has_ctrl)
		io_loop_call(loop, do_open_ctrl, &call);
	return call.result;
}

int net_vif_connect(struct net_vif *v, const struct worker_net_connect *c,
		    struct xs_err *err)
{
	struct net_vif_journal *j = &v->stats->journal;
	unsigned int i;
	int e;

	if (v->connected) {
		xs_err_set(err, "connected already");
		return -EBUSY;
	}
	if (!c->nr_queues || c->nr_queues > NET_MAX_QUEUES) {
		xs_err_set(err, "malformed description of a connection");
		return -EPROTO;
	}
	atomic_store(&v->violation, NULL);
	atomic_store(&v->nr_stalled, 0);
	atomic_store(&v->carrier, -1);
	net_mcast_init(&v->mcast, &j->mcast, c->resume);
	net_mcast_set(&v->mcast, c->mcast_control);
	net_hash_control_init(&v->hash, &j->hash, c->nr_queues, c->resume);
	e = open_all(v, c, err);
	if (e) {
		close_all(v);
		return e;
	}
	v->connected = true;
	for (i = 0; i < v->nr_queues; i++)
		io_loop_call(v->queue[i].loop, do_start, &v->queue[i]);
	if (v->ctrl)
		io_loop_call(loop_of(v, 0), do_start_ctrl, v);
	return 0;
}

void net_vif_stop(struct net_vif *v)
{
	if (v->connected)
		close_all(v);
}

const char *net_vif_take_violation(struct net_vif *v)
{
	return atomic_exchange(&v->violation, NULL);
}

int net_vif_take_carrier(struct net_vif *v)
{
	return atomic_exchange(&v->carrier, -1);
}

bool net_vif_try_finish(struct net_vif *v)
{
	return !v->connected;
}

void net_vif_turn(struct net_vif *v)
{
	int e = net_pcap_is_on(&v->pcap) ? net_pcap_flush(&v->pcap) : 0;

	if (e)
		log_err(v->add.name, "recording has ended: %s", strerror(-e));
}

/* ---- control thread: changes ---- */

static void do_nothing(void *arg)
{
	(void)arg;
}

int net_vif_set_policy(struct net_vif *v,
		       const struct net_policy_settings *settings)
{
	unsigned int i;
	int e = net_policy_change(v->policy, settings);

	/* a loop that comes to this has left what it judged */
	for (i = 0; !e && i < v->host.nr_loops; i++)
		io_loop_call(v->host.loop[i], do_nothing, v);
	if (!e)
		net_policy_settle(v->policy);
	return e;
}

void net_vif_set_mcast(struct net_vif *v, bool on)
{
	if (v->connected)
		net_mcast_set(&v->mcast, on);
}

int net_vif_set_pcap(struct net_vif *v, int fd, uint32_t snap_len)
{
	int64_t missed;

	if (fd >= 0)
		return net_pcap_start(&v->pcap, fd, snap_len);
	missed = net_pcap_stop(&v->pcap);
	if (missed > 0)
		log_warn(v->add.name, "%lld frames were not recorded",
			 (long long)missed);
	return missed < 0 ? (int)missed : 0;
}
