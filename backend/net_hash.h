/* SPDX-License-Identifier: MIT */
/*
 * Receive hashing as the guest asked for it on the control ring: Toeplitz over
 * addresses and ports, and the table that says which queue a hash goes to.
 *
 * Protocol: <xen/io/netif.h>, "Hash types" to SET_HASH_ALGORITHM.
 *
 * One struct net_hash_control a vif: the setters may be called from any
 * thread.  Each queue has a struct net_hash of its own, which only its thread
 * touches; net_hash_refresh() once a batch follows what was set, and costs one
 * load when nothing was.
 */
#ifndef XENSPLIT_BACKEND_NET_HASH_H
#define XENSPLIT_BACKEND_NET_HASH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_HASH_KEY_MAX 40u  /* octets; as Linux */
#define NET_HASH_MAP_MAX 128u /* entries; as Linux */
/* The longest input: two IPv6 addresses and two ports. */
#define NET_HASH_INPUT_MAX 36u

/* What is set; plain data, may lie in memory that outlives the process. */
struct net_hash_config {
	uint32_t algorithm; /* XEN_NETIF_CTRL_HASH_ALGORITHM_* */
	uint32_t types;     /* bits XEN_NETIF_CTRL_HASH_TYPE_* */
	uint32_t map_size;  /* 0: modular arithmetic */
	uint8_t key[NET_HASH_KEY_MAX];
	uint8_t map[NET_HASH_MAP_MAX]; /* queue numbers */
};

struct net_hash_control {
	pthread_mutex_t lock;
	atomic_uint version;
	uint32_t nr_queues;
	struct net_hash_config *config; /* under lock */
};

/* keep: config holds the settings of a predecessor, which are taken over; those
 * that cannot be are replaced by none (hashing is off). */
void net_hash_control_init(struct net_hash_control *c,
			   struct net_hash_config *config, uint32_t nr_queues,
			   bool keep);
void net_hash_control_destroy(struct net_hash_control *c);

/* Each returns XEN_NETIF_CTRL_STATUS_*.  key, map: private copies of what the
 * guest sent. */
uint32_t net_hash_set_algorithm(struct net_hash_control *c, uint32_t algorithm);
uint32_t net_hash_get_types(struct net_hash_control *c, uint32_t *types);
uint32_t net_hash_set_types(struct net_hash_control *c, uint32_t types);
uint32_t net_hash_set_key(struct net_hash_control *c, const uint8_t *key,
			  uint32_t len);
uint32_t net_hash_set_map_size(struct net_hash_control *c, uint32_t nr);
uint32_t net_hash_set_map(struct net_hash_control *c, const uint32_t *map,
			  uint32_t nr, uint32_t first);

/* A queue's own copy; begun as zeros. */
struct net_hash {
	uint32_t version; /* of the control that this is */
	uint32_t types;   /* 0: no hashing, the backend steers as it likes */
	uint32_t map_size, nr_queues;
	uint8_t map[NET_HASH_MAP_MAX];
	/* what each half octet of the input contributes */
	uint32_t part[NET_HASH_INPUT_MAX * 2][16];
};

void net_hash_update(struct net_hash *h, struct net_hash_control *c);
static inline void net_hash_refresh(struct net_hash *h,
				    struct net_hash_control *c)
{
	if (h->version !=
	    atomic_load_explicit(&c->version, memory_order_acquire))
		net_hash_update(h, c);
}

/* True: frames are to be hashed, and told so to the guest. */
static inline bool net_hash_is_on(const struct net_hash *h)
{
	return h->types != 0;
}

/*
 * Hash a frame by its first head_len bytes (private memory).  False: it is of
 * no kind that is hashed.  *type: _XEN_NETIF_CTRL_HASH_TYPE_* for the extra
 * info segment, whose algorithm is XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ.
 */
bool net_hash_frame(const struct net_hash *h, const uint8_t *head,
		    size_t head_len, uint8_t *type, uint32_t *value);
/* The queue that a hash goes to; below nr_queues. */
uint32_t net_hash_queue(const struct net_hash *h, uint32_t value);

#endif
