// SPDX-License-Identifier: MIT
/* Receive hashing.  See net_hash.h. */
#include "backend/net_hash.h"

#include <netinet/in.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#include "ring/net_headers.h"

#define ALL_TYPES                                                            \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP | \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

static bool config_is_sane(const struct net_hash_config *c, uint32_t nr_queues)
{
	uint32_t i;

	if (c->algorithm > XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ ||
	    c->types & ~(uint32_t)ALL_TYPES || c->map_size > NET_HASH_MAP_MAX)
		return false;
	for (i = 0; i < c->map_size; i++)
		if (c->map[i] >= nr_queues)
			return false;
	return true;
}

void net_hash_control_init(struct net_hash_control *c,
			   struct net_hash_config *config, uint32_t nr_queues,
			   bool keep)
{
	pthread_mutex_init(&c->lock, NULL);
	atomic_init(&c->version, 1);
	c->nr_queues = nr_queues;
	c->config = config;
	if (!keep || !config_is_sane(config, nr_queues))
		memset(config, 0, sizeof(*config));
}

void net_hash_control_destroy(struct net_hash_control *c)
{
	pthread_mutex_destroy(&c->lock);
}

static struct net_hash_config *begin(struct net_hash_control *c)
{
	pthread_mutex_lock(&c->lock);
	return c->config;
}

static void end(struct net_hash_control *c, bool changed)
{
	if (changed)
		atomic_fetch_add_explicit(&c->version, 1, memory_order_release);
	pthread_mutex_unlock(&c->lock);
}

uint32_t net_hash_set_algorithm(struct net_hash_control *c, uint32_t algorithm)
{
	if (algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
	    algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	begin(c)->algorithm = algorithm;
	end(c, true);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t net_hash_get_types(struct net_hash_control *c, uint32_t *types)
{
	uint32_t algorithm = begin(c)->algorithm;

	end(c, false);
	if (algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	*types = ALL_TYPES;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t net_hash_set_types(struct net_hash_control *c, uint32_t types)
{
	struct net_hash_config *config = begin(c);
	bool ok = !(types & ~(uint32_t)ALL_TYPES) &&
		  config->algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE;

	if (ok)
		config->types = types;
	end(c, ok);
	return ok ? XEN_NETIF_CTRL_STATUS_SUCCESS
		  : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
}

uint32_t net_hash_set_key(struct net_hash_control *c, const uint8_t *key,
			  uint32_t len)
{
	struct net_hash_config *config;

	if (len > NET_HASH_KEY_MAX)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	config = begin(c);
	memset(config->key, 0, sizeof(config->key));
	if (len)
		memcpy(config->key, key, len);
	end(c, true);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t net_hash_set_map_size(struct net_hash_control *c, uint32_t nr)
{
	struct net_hash_config *config;

	if (nr > NET_HASH_MAP_MAX)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	config = begin(c);
	memset(config->map, 0, sizeof(config->map));
	config->map_size = nr;
	end(c, true);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

uint32_t net_hash_set_map(struct net_hash_control *c, const uint32_t *map,
			  uint32_t nr, uint32_t first)
{
	struct net_hash_config *config;
	uint32_t i;
	bool ok;

	for (i = 0; i < nr; i++)
		if (map[i] >= c->nr_queues)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	config = begin(c);
	ok = first <= config->map_size && nr <= config->map_size - first;
	for (i = 0; ok && i < nr; i++)
		config->map[first + i] = (uint8_t)map[i];
	end(c, ok);
	return ok ? XEN_NETIF_CTRL_STATUS_SUCCESS
		  : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
}

/* 32 bits of the key from bit `at` on; beyond its end it is zero. */
static uint32_t key_window(const uint8_t *key, unsigned int at)
{
	uint64_t bits = 0;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		unsigned int byte = at / 8 + i;

		bits = bits << 8 | (byte < NET_HASH_KEY_MAX ? key[byte] : 0);
	}
	return (uint32_t)(bits >> (8 - at % 8));
}

void net_hash_update(struct net_hash *h, struct net_hash_control *c)
{
	struct net_hash_config config = *begin(c);
	unsigned int i, v, bit;

	h->version = atomic_load_explicit(&c->version, memory_order_relaxed);
	end(c, false);
	h->types = config.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ
			   ? config.types
			   : 0;
	h->map_size = config.map_size;
	h->nr_queues = c->nr_queues;
	memcpy(h->map, config.map, sizeof(h->map));
	if (!h->types)
		return;
	for (i = 0; i < NET_HASH_INPUT_MAX * 2; i++) {
		h->part[i][0] = 0;
		for (v = 1; v < 16; v++) {
			/* the highest bit of v, and what is left of it */
			bit = 31u - (unsigned int)__builtin_clz(v);
			h->part[i][v] = h->part[i][v & ~(1u << bit)] ^
					key_window(config.key, i * 4 + 3 - bit);
		}
	}
}

static uint32_t toeplitz(const struct net_hash *h, uint32_t hash,
			 unsigned int from, const uint8_t *data,
			 unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		hash ^= h->part[(from + i) * 2][data[i] >> 4] ^
			h->part[(from + i) * 2 + 1][data[i] & 15];
	return hash;
}

bool net_hash_frame(const struct net_hash *h, const uint8_t *head,
		    size_t head_len, uint8_t *type, uint32_t *value)
{
	unsigned int addrs, tcp_type, ip_type;
	struct net_headers hdr;
	const uint8_t *addr;
	bool ports;

	if (net_headers_find(head, head_len, &hdr))
		return false;
	if (hdr.ip_version == 4) {
		ip_type = _XEN_NETIF_CTRL_HASH_TYPE_IPV4;
		tcp_type = _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP;
		addr = head + hdr.l3_offset + 12;
		addrs = 8;
	} else {
		ip_type = _XEN_NETIF_CTRL_HASH_TYPE_IPV6;
		tcp_type = _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP;
		addr = head + hdr.l3_offset + 8;
		addrs = 32;
	}
	ports = h->types & 1u << tcp_type && hdr.proto == IPPROTO_TCP &&
		!hdr.fragment && head_len >= hdr.l4_offset + 4u;
	if (!ports && !(h->types & 1u << ip_type))
		return false;
	*type = (uint8_t)(ports ? tcp_type : ip_type);
	*value = toeplitz(h, 0, 0, addr, addrs);
	if (ports)
		*value = toeplitz(h, *value, addrs, head + hdr.l4_offset, 4);
	return true;
}

uint32_t net_hash_queue(const struct net_hash *h, uint32_t value)
{
	if (h->map_size)
		return h->map[value % h->map_size];
	return value % h->nr_queues;
}
