// SPDX-License-Identifier: MIT
/* Both ends of a NIC in one process: see net_rig.h. */
#include "tests/insn/net_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_gnttab.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

#define PORT     5u
#define FEATURES (LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG)

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "net_rig: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_violation(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "net_rig: %s\n", text);
	exit(1);
}

static void on_stalled(void *arg, bool stalled)
{
	(void)arg;
	(void)stalled;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void open_front(struct net_rig *rig, struct netfront_conn **conn)
{
	const struct netfront_features can = {
		.sg = true, .csum4 = true, .csum6 = true, .nr_queues = 1};
	struct netfront *nf = &rig->nf;

	front_dev_init(&nf->dev, &netfront_class, 0, 1000);
	nf->dev.phase = FRONT_CONNECTED;
	nf->opt.size = sizeof(nf->opt);
	nf->gntshr = (xengntshr_handle *)nf; /* only ever passed on */
	need(!netfront_queue_create(&rig->q, nf, 0), "the frontend's queue");
	nf->queues[0] = rig->q;
	nf->nr_queues = 1;
	need(!netfront_conn_create(conn, nf->gntshr, &rig->q->events,
				   FAKE_DOMID, &can),
	     "rings and buffers");
	netfront_queue_give(rig->q, *conn);
}

static void add_grefs(struct net_rig *rig, const struct netfront_conn *conn)
{
	struct net_gref_entry e[NET_RING_ENTRIES] = {0};
	uint32_t i;

	for (i = 0; i < conn->nr_tx; i++)
		e[i] = (struct net_gref_entry){
			conn->tx_ref[i], XEN_NETIF_CTRLF_GREF_readonly, 0};
	need(!net_gref_add(rig->grefs, e, conn->nr_tx), "static grants");
	for (i = 0; i < conn->nr_rx; i++)
		e[i] = (struct net_gref_entry){conn->rx_ref[i], 0, 0};
	need(!net_gref_add(rig->grefs, e, conn->nr_rx), "static grants");
}

static void open_parts(struct net_rig *rig)
{
	const struct link_open_how how = {.queues = 1, .mtu = 9000};
	const struct net_policy_settings open = {0};
	struct net_vif_journal *j;
	struct xs_err err = {""};

	rig->stats = aligned_alloc(64, sizeof(*rig->stats));
	need(rig->stats, "counters");
	memset(rig->stats, 0, sizeof(*rig->stats));
	j = &rig->stats->journal;
	need(!link_open(rig->what->target, &how, &rig->link, &err), err.text);
	need(!net_policy_create(&rig->policy, &open), "the policy");
	need(!net_pcap_init(&rig->pcap, nothing, NULL), "recording");
	net_mcast_init(&rig->mcast, &j->mcast, false);
	net_hash_control_init(&rig->hash, &j->hash, 1, false);
	need(!net_gref_create(&rig->grefs, NULL, FAKE_DOMID, &j->gref[0],
			      false),
	     "the table of static grants");
	rig->rl.loop.ev = ev_loop_new(EVFLAG_AUTO);
	need(rig->rl.loop.ev, "a loop");
	need(!evtchn_hub_open(&rig->rl.loop.hub, rig->rl.loop.ev),
	     "event channels");
}

static void open_back(struct net_rig *rig, const struct netfront_conn *conn)
{
	const struct net_queue_config cfg = {
		.name = "vif/1/0",
		.loop = &rig->rl.loop,
		.link = &rig->link,
		.policy = rig->policy,
		.mcast = &rig->mcast,
		.hash = &rig->hash,
		.grefs = rig->grefs,
		.pcap = &rig->pcap,
		.stats = &rig->stats->queue[0],
		.tx_journal = &rig->stats->journal.tx[0],
		.rx_journal = &rig->stats->journal.rx[0],
		.fe_domid = FAKE_DOMID,
		.tx_ref = conn->tx_ring_ref,
		.rx_ref = conn->rx_ring_ref,
		.evtchn_tx = PORT,
		.evtchn_rx = PORT,
		.features = FEATURES,
		.rules = {true, true, true, true},
		.csum4 = true,
		.csum6 = true,
		.rx_notify = true,
		.violation = on_violation,
		.stalled = on_stalled,
		.arg = rig,
	};
	struct xs_err err = {""};

	need(!net_queue_open(&rig->bq, &cfg, &err), err.text);
	net_queue_start(rig->bq);
}

void net_rig_open(struct net_rig *rig, const struct net_rig_case *what)
{
	struct netfront_conn *conn;

	memset(rig, 0, sizeof(*rig));
	rig->what = what;
	open_parts(rig);
	open_front(rig, &conn);
	if (!what->copied)
		add_grefs(rig, conn);
	open_back(rig, conn);
	need(!netfront_poll(rig->q, 0, NULL, NULL), "the connection");
}

void net_rig_close(struct net_rig *rig)
{
	uint64_t errors = atomic_load(&rig->stats->queue[0].tx_errors) +
			  atomic_load(&rig->stats->queue[0].rx_errors);

	net_queue_stop(rig->bq);
	net_queue_close(rig->bq);
	net_gref_destroy(rig->grefs);
	net_hash_control_destroy(&rig->hash);
	net_mcast_destroy(&rig->mcast);
	net_pcap_destroy(&rig->pcap);
	net_policy_destroy(rig->policy);
	link_close(&rig->link);
	evtchn_hub_close(rig->rl.loop.hub);
	ev_loop_destroy(rig->rl.loop.ev);
	netfront_queue_destroy(rig->q);
	pthread_cond_destroy(&rig->nf.dev.changed);
	pthread_mutex_destroy(&rig->nf.dev.lock);
	free(rig->stats);
	if (!errors)
		return;
	fprintf(stderr, "net_rig: %s: %llu frames failed\n", rig->what->name,
		(unsigned long long)errors);
	exit(1);
}

/* ---- running ---- */

unsigned int net_rig_send(struct net_rig *rig, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		void *buf = netfront_send_buf(rig->q);

		if (!buf)
			break;
		/* what a sender would do at least */
		memcpy(buf, &rig->sent, sizeof(rig->sent));
		if (netfront_send_commit(rig->q, rig->what->bytes, NULL))
			abort();
		rig->sent++;
	}
	netfront_kick(rig->q);
	return i;
}

static void on_frame(void *user, const struct iovec *iov, unsigned int nr_iov,
		     uint32_t len, const struct netfront_meta *meta)
{
	struct net_rig *rig = user;

	(void)nr_iov;
	(void)len;
	(void)meta;
	/* what a receiver would do at least */
	rig->received += 1 + (*(volatile uint8_t *)iov->iov_base & 0);
}

unsigned int net_rig_receive(struct net_rig *rig)
{
	int n = netfront_poll(rig->q, 2 * NET_RIG_BURST, on_frame, rig);

	if (n < 0)
		abort();
	return (unsigned int)n;
}

int net_rig_back(struct net_rig *rig)
{
	return rig->rl.poller->poll(rig->rl.poller);
}
