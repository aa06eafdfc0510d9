// SPDX-License-Identifier: MIT
/*
 * The IOMMU tables: a hash of frame numbers for each domain.
 *
 * A domain's table holds the frames that it has mapped by grant (as writable
 * as any of the mappings is) and its own frames that it has granted, which
 * are all the memory of it that the hypervisor knows.  It is kept from the
 * first mapping on, so that a device that is assigned later finds the mappings
 * that exist; no device reaches it before, as device.c looks into the table of
 * the device's owner only.
 *
 * A frame number is never used again, so a stale bus address can only fault,
 * never hit something else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iommu.h"

#define MIN_BUCKETS 64u

struct entry {
	struct entry *next;
	struct frame frame;
	uint32_t readers, writers; /* mappings of each kind */
	bool own;                  /* granted by the domain itself */
};

struct table {
	struct entry **bucket;
	uint32_t nr_buckets; /* a power of two */
	uint32_t nr_entries;
};

static uint32_t hash(uint32_t number)
{
	return number * 2654435761u >> 7;
}

static struct entry **find(const struct table *t, uint32_t number)
{
	struct entry **p = &t->bucket[hash(number) & (t->nr_buckets - 1)];

	while (*p && (*p)->frame.number != number)
		p = &(*p)->next;
	return p;
}

static int resize(struct table *t, uint32_t nr_buckets)
{
	struct entry **bucket = calloc(nr_buckets, sizeof(*bucket));

	if (!bucket)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->nr_buckets; i++) {
		struct entry *e, *next;

		for (e = t->bucket[i]; e; e = next) {
			uint32_t n = hash(e->frame.number) & (nr_buckets - 1);

			next = e->next;
			e->next = bucket[n];
			bucket[n] = e;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->nr_buckets = nr_buckets;
	return 0;
}

static struct table *table_of(struct domain *d)
{
	struct table *t = d->iommu;

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	if (resize(t, MIN_BUCKETS)) {
		free(t);
		return NULL;
	}
	d->iommu = t;
	return t;
}

/* The entry, made if it is not there; NULL: out of memory. */
static struct entry *enter(struct domain *d, const struct frame *f)
{
	struct table *t = table_of(d);
	struct entry **p;

	if (!t)
		return NULL;
	/* a crowded table is slow, not wrong: growing may fail */
	if (t->nr_entries >= t->nr_buckets)
		(void)resize(t, t->nr_buckets * 2);
	p = find(t, f->number);
	if (*p)
		return *p;
	*p = calloc(1, sizeof(**p));
	if (!*p)
		return NULL;
	(*p)->frame = *f;
	t->nr_entries++;
	return *p;
}

static struct entry **lookup(const struct domain *d, uint32_t number)
{
	static struct entry *none;

	none = NULL;
	return d->iommu ? find(d->iommu, number) : &none;
}

static void drop_if_unused(struct domain *d, struct entry **p)
{
	struct table *t = d->iommu;
	struct entry *e = *p;

	if (e->readers || e->writers || e->own)
		return;
	*p = e->next;
	free(e);
	t->nr_entries--;
}

int iommu_map_frame(struct domain *d, const struct frame *f, bool writable)
{
	struct entry *e = enter(d, f);

	if (!e)
		return -ENOMEM;
	if (writable)
		e->writers++;
	else
		e->readers++;
	return 0;
}

void iommu_unmap_frame(struct domain *d, const struct frame *f, bool writable)
{
	struct entry **p = lookup(d, f->number);
	uint32_t *count;

	if (!*p)
		return;
	count = writable ? &(*p)->writers : &(*p)->readers;
	if (*count)
		--*count;
	drop_if_unused(d, p);
}

int iommu_own_frame(struct domain *d, const struct frame *f)
{
	struct entry *e = enter(d, f);

	if (!e)
		return -ENOMEM;
	e->own = true;
	return 0;
}

void iommu_disown_frame(struct domain *d, const struct frame *f)
{
	struct entry **p = lookup(d, f->number);

	if (!*p)
		return;
	(*p)->own = false;
	drop_if_unused(d, p);
}

int iommu_lookup(const struct domain *d, uint64_t number, struct frame *f,
		 bool *writable)
{
	struct entry *e;

	if (number > UINT32_MAX)
		return -ENOENT;
	e = *lookup(d, number);
	if (!e)
		return -ENOENT;
	*f = e->frame;
	/*
	 * Own pages that were granted read-only are read-only for devices
	 * too: their memfd is sealed, nobody can write it any more.
	 */
	*writable = e->writers || (e->own && e->frame.writable);
	return 0;
}

uint32_t iommu_nr_frames(const struct domain *d)
{
	const struct table *t = d->iommu;

	return t ? t->nr_entries : 0;
}

void iommu_table_free(struct domain *d)
{
	struct table *t = d->iommu;

	if (!t)
		return;
	for (uint32_t i = 0; i < t->nr_buckets; i++) {
		struct entry *e, *next;

		for (e = t->bucket[i]; e; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(t->bucket);
	free(t);
	d->iommu = NULL;
}
