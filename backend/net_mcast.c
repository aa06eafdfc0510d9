// SPDX-License-Identifier: MIT
/* The multicast filter.  See net_mcast.h. */
#include "backend/net_mcast.h"

#include <errno.h>
#include <string.h>

#define IN_USE (1ull << 63)

static uint64_t pack(const uint8_t addr[6])
{
	uint64_t bits = 0;

	memcpy(&bits, addr, 6);
	return bits | IN_USE;
}

static bool is_broadcast(const uint8_t addr[6])
{
	return !memcmp(addr, "\xff\xff\xff\xff\xff\xff", 6);
}

void net_mcast_init(struct net_mcast *m, struct net_mcast_list *list, bool keep)
{
	unsigned int i;

	pthread_mutex_init(&m->lock, NULL);
	atomic_init(&m->on, false);
	atomic_init(&m->end, keep ? NET_MCAST_MAX : 0);
	m->list = list;
	for (i = 0; !keep && i < NET_MCAST_MAX; i++)
		atomic_store(&list->addr[i], 0);
}

void net_mcast_destroy(struct net_mcast *m)
{
	pthread_mutex_destroy(&m->lock);
}

void net_mcast_set(struct net_mcast *m, bool on)
{
	atomic_store(&m->on, on);
}

int net_mcast_add(struct net_mcast *m, const uint8_t addr[6])
{
	unsigned int i;
	int ret = -ENOSPC;

	if (!(addr[0] & 1))
		return -EINVAL;
	pthread_mutex_lock(&m->lock);
	for (i = 0; i < NET_MCAST_MAX; i++) {
		if (atomic_load(&m->list->addr[i]))
			continue;
		atomic_store(&m->list->addr[i], pack(addr));
		if (atomic_load(&m->end) <= i)
			atomic_store(&m->end, i + 1);
		ret = 0;
		break;
	}
	pthread_mutex_unlock(&m->lock);
	return ret;
}

void net_mcast_del(struct net_mcast *m, const uint8_t addr[6])
{
	uint64_t bits = pack(addr);
	unsigned int i;

	/* Others keep their places: a look at the same time misses none. */
	pthread_mutex_lock(&m->lock);
	for (i = 0; i < NET_MCAST_MAX; i++) {
		if (atomic_load(&m->list->addr[i]) == bits) {
			atomic_store(&m->list->addr[i], 0);
			break;
		}
	}
	pthread_mutex_unlock(&m->lock);
}

bool net_mcast_listed(const struct net_mcast *m, const uint8_t dst[6])
{
	unsigned int i, end;
	uint64_t bits;

	if (is_broadcast(dst))
		return true;
	bits = pack(dst);
	end = atomic_load_explicit(&m->end, memory_order_acquire);
	for (i = 0; i < end; i++)
		if (atomic_load_explicit(&m->list->addr[i],
					 memory_order_relaxed) == bits)
			return true;
	return false;
}
