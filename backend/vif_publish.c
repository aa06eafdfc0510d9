// SPDX-License-Identifier: MIT
/* What a NIC's backend writes into xenstore, and what listings show of it. */
#include <inttypes.h>
#include <stdio.h>

#include "backend/device_keys.h"
#include "backend/super.h"
#include "backend/vif_hotplug.h"
#include "backend/worker_handle.h"

#define NR(a) (sizeof(a) / sizeof((a)[0]))

static int publish_features(struct vif *v, struct xs_err *err)
{
	uint32_t gso = vif_gso_offered(&v->offer);
	const struct key_number numbers[] = {
		{"feature-rx-copy", 1},
		{"feature-rx-flip", 0},
		{"feature-sg", 1},
		{"feature-gso-tcpv4", !!(gso & LINK_TSO4)},
		{"feature-gso-tcpv6", !!(gso & LINK_TSO6)},
		{"feature-ipv6-csum-offload", v->cfg.csum_offload},
		{"feature-no-csum-offload", !v->cfg.csum_offload},
		{"feature-multicast-control", 1},
		{"feature-dynamic-multicast-control", 1},
		{"feature-split-event-channels", 1},
		{"feature-ctrl-ring", 1},
		{"multi-queue-max-queues", v->offer.queues_max},
		{"carrier", 0},
	};

	return device_publish(v->dev, numbers, NR(numbers), false, err);
}

static int publish_connected(struct vif *v, struct xs_err *err)
{
	const struct key_number carrier = {"carrier", 1};

	return device_publish(v->dev, &carrier, 1, false, err);
}

int vif_publish(struct steer *s, enum device_step step, struct xs_err *err)
{
	struct vif *v = vif_of(s);
	int e = 0;

	if (step == DEVICE_OFFERING)
		e = publish_features(v, err);
	else if (step == DEVICE_CONNECTING)
		e = publish_connected(v, err);
	if (!e && step == DEVICE_OFFERING && !v->plugged) {
		v->plugged = true;
		vif_hotplug_new_link(v->dev, v->cfg.script);
	} else if (!e && step == DEVICE_CONNECTING) {
		vif_set_carrier(v, true);
	}
	return e;
}

/* ---- listing ---- */

static json_t *counters(const struct vif *v)
{
	const struct net_vif_stats *s = v->stats;
	json_t *obj = json_object();
	unsigned int q;
	uint64_t sum;

#define X(name, help)                                              \
	for (sum = 0, q = 0; q < NET_MAX_QUEUES; q++)              \
		sum += atomic_load_explicit(&s->queue[q].name,     \
					    memory_order_relaxed); \
	json_object_set_new(obj, #name, json_integer((json_int_t)sum));
	NET_COUNTERS(X)
#undef X
	/* what the worker keeps for the next one: static grants, as of now */
	sum = 0;
	for (q = 0; v->steer.at == STEER_CONNECTED && q < NET_MAX_QUEUES; q++)
		sum += __atomic_load_n(&s->journal.gref[q].nr,
				       __ATOMIC_RELAXED);
	json_object_set_new(obj, "grants_mapped",
			    json_integer((json_int_t)sum));
	return obj;
}

static void list_text(json_t *obj, const char *key, const char *text)
{
	if (text[0])
		json_object_set_new(obj, key, device_json_text(text));
}

void vif_list(struct device *dev, json_t *obj, bool full)
{
	struct vif *v = dev->priv;
	const uint8_t *m = v->cfg.policy.mac;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1],
		 m[2], m[3], m[4], m[5]);
	json_object_set_new(obj, "vif", device_json_text(v->cfg.name));
	json_object_set_new(obj, "mac", json_string(mac));
	list_text(obj, "link", v->link.label);
	list_text(obj, "bridge", v->cfg.bridge);
	list_text(obj, "pcap", v->pcap);
	json_object_set_new(obj, "mtu", json_integer(v->cfg.mtu));
	json_object_set_new(obj, "carrier", json_boolean(v->carrier));
	json_object_set_new(obj, "queues", json_integer(v->conn.nr_queues));
	json_object_set_new(
		obj, "gso",
		json_boolean(v->conn.features & (LINK_TSO4 | LINK_TSO6)));
	json_object_set_new(obj, "csum_offload",
			    json_boolean(v->conn.features & LINK_CSUM));
	json_object_set_new(obj, "worker_pid",
			    json_integer(v->steer.uses_worker
						 ? worker_pid(dev->dom->worker)
						 : 0));
	if (full && v->stats)
		json_object_set_new(obj, "counters", counters(v));
}
