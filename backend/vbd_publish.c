// SPDX-License-Identifier: MIT
/* What a disk's backend writes into xenstore, and what listings show of it. */
#include <stdint.h>
#include <xen/io/blkif.h>

#include "backend/device_keys.h"
#include "backend/super.h"
#include "backend/vbd.h"
#include "backend/worker_handle.h"

#define NR(a) (sizeof(a) / sizeof((a)[0]))

static int publish_features(struct vbd *v, struct xs_err *err)
{
	const struct key_number numbers[] = {
		{"feature-max-indirect-segments", BLK_MAX_INDIRECT_SEGS},
		{"multi-queue-max-queues", v->dev->super->opt->queues_max},
		{"max-ring-page-order", VBD_RING_ORDER_MAX},
		{"max-ring-pages", 1u << VBD_RING_ORDER_MAX},
		{"feature-persistent", 1},
	};

	return device_publish(v->dev, numbers, NR(numbers), false, err);
}

int vbd_publish_opened(struct vbd *v, struct xs_err *err)
{
	const struct key_number opened = {"xensplit/opened", 1};

	return device_publish(v->dev, &opened, 1, false, err);
}

/* The size has to be a multiple of it. */
static uint32_t physical_sector_size(const struct vbd *v)
{
	uint32_t size = v->store.physical_sector_size;

	if (size < v->store.sector_size || v->store.size_bytes % size)
		return v->store.sector_size;
	return size;
}

static int publish_properties(struct vbd *v, struct xs_err *err)
{
	unsigned int info = (v->cfg.cdrom ? VDISK_CDROM : 0) |
			    (v->cfg.removable ? VDISK_REMOVABLE : 0) |
			    (v->limits.read_only ? VDISK_READONLY : 0);
	/* Every one, also where it is 0: Mini-OS waits for some of them. */
	const struct key_number numbers[] = {
		{"feature-flush-cache", v->limits.flush},
		{"feature-barrier", v->limits.barrier},
		{"feature-discard", v->limits.discard},
		{"discard-granularity", v->store.discard_granularity},
		{"discard-alignment", v->store.discard_alignment},
		{"discard-secure", v->limits.secure_discard},
		{"feature-persistent", 1},
		{"sectors", v->limits.nr_sects_512},
		{"info", info},
		{"sector-size", v->store.sector_size},
		{"physical-sector-size", physical_sector_size(v)},
	};

	return device_publish(v->dev, numbers, NR(numbers), false, err);
}

static int publish_size(struct vbd *v, struct xs_err *err)
{
	const struct key_number sectors = {"sectors", v->limits.nr_sects_512};

	return device_publish(v->dev, &sectors, 1, true, err);
}

int vbd_publish(struct steer *s, enum device_step step, struct xs_err *err)
{
	struct vbd *v = (struct vbd *)s;

	if (step == DEVICE_OFFERING)
		return publish_features(v, err);
	if (step == DEVICE_CONNECTING)
		return publish_properties(v, err);
	return s->dev->connected ? publish_size(v, err) : 0;
}

/* ---- listing ---- */

static json_t *counters(const struct blk_disk_stats *s)
{
	json_t *obj = json_object();
	unsigned int q;
	uint64_t sum;

#define X(name, help)                                              \
	for (sum = 0, q = 0; q < BLK_MAX_QUEUES; q++)              \
		sum += atomic_load_explicit(&s->queue[q].name,     \
					    memory_order_relaxed); \
	json_object_set_new(obj, #name, json_integer((json_int_t)sum));
	BLK_COUNTERS(X)
#undef X
	return obj;
}

static json_t *latencies(const struct blk_disk_stats *s)
{
	static const struct {
		const char *name;
		double quantile;
	} rows[] = {{"p50", .5},
		    {"p90", .9},
		    {"p99", .99},
		    {"p999", .999},
		    {"max", 1.}};
	json_t *obj = json_object();
	unsigned int i;

	for (i = 0; i < NR(rows); i++) {
		uint64_t ns = blk_hist_quantile(s, BLK_MAX_QUEUES,
						rows[i].quantile);

		json_object_set_new(obj, rows[i].name,
				    json_real((double)ns / 1000.));
	}
	return obj;
}

/* Of each data thread that serves a queue, or did. */
static json_t *polling(const struct blk_disk_stats *s)
{
	json_t *list = json_array();
	uint64_t seen = 0;
	unsigned int q;

	for (q = 0; q < BLK_MAX_QUEUES; q++) {
		const struct blk_queue_stats *qs = &s->queue[q];
		uint64_t loop = atomic_load(&qs->loop);
		json_t *obj;

		/* a worker can write what it likes */
		if (!loop || loop > 63 || seen & 1ull << loop)
			continue;
		seen |= 1ull << loop;
		obj = json_pack("{s:I}", "thread", (json_int_t)loop - 1);
#define X(name, help)                                                      \
	json_object_set_new(obj, #name,                                    \
			    json_integer((json_int_t)atomic_load_explicit( \
				    &qs->name, memory_order_relaxed)));
		BLK_POLL_FIGURES(X)
#undef X
		json_array_append_new(list, obj);
	}
	return list;
}

void vbd_list(struct device *dev, json_t *obj, bool full)
{
	struct vbd *v = dev->priv;

	json_object_set_new(obj, "vdev", device_json_text(v->cfg.dev));
	json_object_set_new(obj, "store", device_json_text(v->store.store));
	json_object_set_new(obj, "params", device_json_text(v->cfg.params));
	json_object_set_new(obj, "mode",
			    json_string(image_mode_name(v->cfg.mode)));
	json_object_set_new(obj, "sectors",
			    json_integer((json_int_t)v->limits.nr_sects_512));
	json_object_set_new(obj, "queues", json_integer(v->conn.nr_queues));
	json_object_set_new(obj, "ring_pages",
			    json_integer(v->conn.ring_pages));
	json_object_set_new(obj, "worker_pid",
			    json_integer(v->steer.uses_worker
						 ? worker_pid(dev->dom->worker)
						 : 0));
	if (!full || !v->stats)
		return;
	json_object_set_new(obj, "counters", counters(v->stats));
	json_object_set_new(obj, "latency_us", latencies(v->stats));
	json_object_set_new(obj, "polling", polling(v->stats));
}
