// SPDX-License-Identifier: MIT
/*
 * libnetfront: what the two ends tell each other in xenstore.
 *
 * Ours is written as Linux's frontend does, since that is what every backend
 * was tried with.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "frontend/netfront_int.h"

#define KEY_PATH_MAX (FRONT_PATH_MAX + 32)

int netfront_read_offer(struct xs_store *xs, const char *back,
			struct netfront_features *offer, struct xs_err *err)
{
	uint64_t copy, sg, gso4, gso6, no_csum4, csum6, split, queues, ctrl;
	uint64_t mcast, dynamic;
	const struct front_number numbers[] = {
		{"feature-rx-copy", &copy},
		{"feature-sg", &sg},
		{"feature-gso-tcpv4", &gso4},
		{"feature-gso-tcpv6", &gso6},
		{"feature-no-csum-offload", &no_csum4},
		{"feature-ipv6-csum-offload", &csum6},
		{"feature-split-event-channels", &split},
		{"multi-queue-max-queues", &queues},
		{"feature-ctrl-ring", &ctrl},
		{"feature-multicast-control", &mcast},
		{"feature-dynamic-multicast-control", &dynamic},
	};
	int res = front_read_numbers(xs, vif_keys, back, numbers,
				     sizeof(numbers) / sizeof(numbers[0]), err);

	if (res)
		return res;
	if (!copy) {
		xs_err_set(err, "%s does not offer feature-rx-copy", back);
		return -EOPNOTSUPP;
	}
	*offer = (struct netfront_features){
		.sg = sg,
		.gso4 = gso4 && sg && !no_csum4,
		.gso6 = gso6 && sg && csum6,
		.csum4 = !no_csum4,
		.csum6 = csum6,
		.mcast = mcast,
		.dynamic = dynamic,
		.ctrl = ctrl,
		.split = split,
		.nr_queues = queues < NETFRONT_MAX_QUEUES ? queues
							  : NETFRONT_MAX_QUEUES,
	};
	return 0;
}

/* ---- the device ---- */

static int parse_mac(const char *text, uint8_t mac[6])
{
	char end;

	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0],
		      &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) == 6 &&
			       strlen(text) == 17 && !(mac[0] & 1)
		       ? 0
		       : -EINVAL;
}

int netfront_read_device(struct xs_store *xs, const char *front,
			 struct netfront_info *info, struct xs_err *err)
{
	uint64_t mtu;
	char text[32];
	int res;

	res = xenbus_key_read_str(xs, XBT_NULL, vif_keys, front, "mac", text,
				  sizeof(text), err);
	if (res == -ENOENT)
		xs_err_set(err, "%s/mac is missing", front);
	if (res)
		return res;
	if (parse_mac(text, info->mac)) {
		xs_err_set(err, "%s/mac is %s, not an address of a host", front,
			   text);
		return -EINVAL;
	}
	res = xenbus_key_read(xs, XBT_NULL, vif_keys, front, "mtu", &mtu, err);
	if (!res)
		info->mtu = mtu;
	return res;
}

int netfront_read_carrier(struct xs_store *xs, const char *back, bool *up,
			  struct xs_err *err)
{
	uint64_t carrier;
	int res = xenbus_key_read(xs, XBT_NULL, vif_keys, back, "carrier",
				  &carrier, err);

	if (!res)
		*up = carrier;
	return res;
}

/* ---- the connection ---- */

struct setup_job {
	const char *front;
	struct netfront *nf;
};

/* What an earlier frontend may have left in the directory. */
static bool is_connection_key(const char *name)
{
	static const char *const prefixes[] = {
		"tx-ring-ref", "rx-ring-ref",   "event-channel", "multi-queue",
		"queue-",      "ctrl-ring-ref", "feature-",      "request-",
	};
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

struct setting {
	const char *key;
	unsigned int value;
	bool wanted;
};

static int write_settings(struct xs_store *xs, xs_transaction_t t,
			  const char *dir, const struct setting *s, size_t nr)
{
	size_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		if (s[i].wanted)
			err = xs_writef(xs, t, dir, s[i].key, "%u", s[i].value);
	return err;
}

static int write_queue(struct xs_store *xs, xs_transaction_t t, const char *dir,
		       const struct netfront_conn *c)
{
	const struct setting settings[] = {
		{"tx-ring-ref", c->tx_ring_ref, true},
		{"rx-ring-ref", c->rx_ring_ref, true},
		{"event-channel", c->port_tx, !c->can.split},
		{"event-channel-tx", c->port_tx, c->can.split},
		{"event-channel-rx", c->port_rx, c->can.split},
	};

	return write_settings(xs, t, dir, settings, 5);
}

static int write_queues(struct xs_store *xs, xs_transaction_t t,
			const char *front, const struct netfront *nf)
{
	char dir[KEY_PATH_MAX];
	unsigned int i;
	int err;

	if (nf->nr_queues == 1)
		return write_queue(xs, t, front, nf->queues[0]->prepared);
	err = xs_writef(xs, t, front, "multi-queue-num-queues", "%u",
			nf->nr_queues);
	for (i = 0; i < nf->nr_queues && !err; i++) {
		snprintf(dir, sizeof(dir), "%s/queue-%u", front, i);
		err = write_queue(xs, t, dir, nf->queues[i]->prepared);
	}
	return err;
}

static int setup_body(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	const struct setup_job *job = arg;
	const struct netfront *nf = job->nf;
	const struct netfront_options *o = &nf->opt;
	const struct setting settings[] = {
		{"request-rx-copy", 1, true},
		{"feature-rx-notify", 1, true},
		{"feature-sg", 1, !o->no_sg},
		{"feature-gso-tcpv4", 1, !o->no_gso},
		{"feature-gso-tcpv6", 1, !o->no_gso},
		{"feature-no-csum-offload", 1, o->no_csum},
		{"feature-ipv6-csum-offload", 1, !o->no_csum},
		{"request-multicast-control", 1,
		 o->multicast_filter && nf->offer.mcast},
		{"ctrl-ring-ref", nf->ctrl.ring_ref, nf->ctrl.port >= 0},
		{"event-channel-ctrl", nf->ctrl.port, nf->ctrl.port >= 0},
		/* last: with it the backend begins */
		{"state", XenbusStateConnected, true},
	};
	int err;

	err = front_remove_stale(xs, t, job->front, is_connection_key);
	if (!err)
		err = write_queues(xs, t, job->front, nf);
	if (!err)
		err = write_settings(xs, t, job->front, settings,
				     sizeof(settings) / sizeof(settings[0]));
	return err;
}

int netfront_write_setup(struct xs_store *xs, const char *front,
			 struct netfront *nf)
{
	struct setup_job job = {front, nf};

	return xs_transact(xs, setup_body, &job);
}
