/* SPDX-License-Identifier: MIT */
/*
 * net_peer: what its files share.
 */
#ifndef XENSPLIT_TESTS_NET_PEER_H
#define XENSPLIT_TESTS_NET_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "frontend/netfront.h"

#define PEER_MAX_QUEUES 8u
#define PEER_MAX_FRAME  65535u

enum peer_mode { PEER_INFO, PEER_TX, PEER_RX, PEER_ECHO, PEER_REFLECT };
enum peer_proto { PEER_RAW, PEER_UDP4, PEER_UDP6, PEER_TCP4, PEER_TCP6 };
enum peer_csum { PEER_CSUM_FULL, PEER_CSUM_PARTIAL, PEER_CSUM_WRONG };

extern const char *const peer_modes[];

struct peer_config {
	unsigned int devid;
	enum peer_mode mode;
	enum peer_proto proto;
	enum peer_csum csum;
	uint32_t size, gso_size, vlan, window;
	uint64_t packets; /* of each queue; 0: no limit */
	double seconds;
	uint64_t rate; /* packets a second of each queue; 0: no limit */
	bool plain, json, busy;
	uint8_t dst[6], src[6];
	bool has_dst, has_src;
	uint32_t src_ip, dst_ip; /* last bytes of the addresses */
	unsigned int linger_ms;
	int ready_fd;
	unsigned int nr_joins, nr_map;
	uint8_t join[16][6];
	uint32_t map[128]; /* nr_map: of hashes to queues, by the backend */
	struct netfront_options front;
};

/* Ends the program when the arguments cannot be: 64, or 0 for --help. */
void peer_args(int argc, char **argv, struct peer_config *cfg);

/* ---- net_peer_frame.c: frames that say what they hold ---- */

struct peer_frame {
	uint8_t data[PEER_MAX_FRAME + 1];
	uint32_t len;
	uint32_t payload; /* where it begins */
	struct netfront_meta meta;
};

/* Headers, and the payload of sequence number 0. */
void peer_frame_init(struct peer_frame *f, const struct peer_config *cfg,
		     const uint8_t mac[6], uint32_t stream);
/* Another sequence number; plain: nothing but the number changes. */
void peer_frame_set(struct peer_frame *f, const struct peer_config *cfg,
		    uint64_t seq);

enum peer_verdict {
	PEER_GOOD,
	PEER_OTHER,    /* none of ours */
	PEER_CORRUPT,  /* ours, but not what was sent */
	PEER_BAD_CSUM, /* nobody completed, or somebody broke, its checksum */
};

/* Judge a received frame (private memory). */
enum peer_verdict peer_frame_check(const uint8_t *data, uint32_t len,
				   const struct netfront_meta *meta,
				   uint32_t *stream, uint64_t *seq);

#endif
