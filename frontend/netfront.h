/* SPDX-License-Identifier: MIT */
/*
 * libnetfront: a paravirtual NIC's frontend as a library.
 *
 * Opens the virtual interface that the toolstack made for this domain
 * (/local/domain/self/device/vif/DEVID), connects to whatever backend it names
 * (ours, Linux's netback, QEMU's) and sends and receives frames.
 *
 * Protocol: <xen/io/netif.h>.  Scatter-gather, GSO for TCP over v4 and v6,
 * partial checksums, several queues, split event channels, the control ring
 * (hash, static grants) are used as the backend offers them.
 *
 * The backend is not trusted: responses are copied once and checked against
 * what is in flight; a violation fails the interface (-EIO from then on) and
 * nothing else.
 *
 * Threads: a queue is used by one thread at a time; different queues by
 * different threads freely.  netfront_open/close are called by one thread.
 * Lengths are bytes.  Functions return 0 or -errno unless said otherwise.
 */
#ifndef XENSPLIT_NETFRONT_H
#define XENSPLIT_NETFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct netfront;
struct netfront_queue;

struct netfront_options {
	size_t size;                 /* sizeof(struct netfront_options) */
	unsigned int nr_queues;      /* 0: 1; at most what the backend offers */
	unsigned int wait_ms;        /* wait for device and backend; 0: 10000 */
	unsigned int poll_us;        /* netfront_wait polls so long before it
				      * sleeps, adapting downwards; 0: never */
	bool no_sg, no_gso, no_csum; /* do not offer these to the backend */
	bool no_static_grants; /* do not use the gref mapping of the control
				* ring */
	bool no_split_events;
	bool multicast_filter; /* receive only multicast groups that were joined
				* (netfront_multicast), if the backend can */
};

struct netfront_info {
	uint8_t mac[6];
	uint32_t mtu; /* what the toolstack says; 1500 */
	uint32_t nr_queues;
	bool sg, gso4, gso6; /* frames that may be sent so */
	bool csum4, csum6;
	bool static_grants, split_events;
	bool hash;        /* netfront_set_hash() may work */
	bool multicast;   /* netfront_multicast() works */
	bool carrier;     /* the backend is Connected, and says nothing else */
	uint32_t max_len; /* longest frame that netfront_send takes */
};

enum netfront_gso { NETFRONT_GSO_NONE, NETFRONT_GSO_TCPV4, NETFRONT_GSO_TCPV6 };

/* What goes with a frame, both ways. */
struct netfront_meta {
	bool csum_partial; /* TCP or UDP checksum is the pseudo header's only */
	bool csum_valid;   /* received: nothing needs to be checked */
	uint8_t gso;       /* enum netfront_gso; implies csum_partial */
	uint16_t gso_size;
	/* received: a hash that the backend calculated, by the type
	 * (_XEN_NETIF_CTRL_HASH_TYPE_*) */
	bool has_hash;
	uint8_t hash_type;
	uint32_t hash;
};

/* Connect to vif DEVID (0 is the first).  On failure, errbuf (if not NULL)
 * gets a reason a person can read, with the backend's own if it left one. */
int netfront_open(struct netfront **nf, unsigned int devid,
		  const struct netfront_options *opt, char *errbuf,
		  size_t errbuf_size);
/* Closes as the protocol says, waits for the backend a bounded time, ends
 * grants.  NULL is fine. */
void netfront_close(struct netfront *nf);

/* Current values.  Any thread. */
void netfront_get_info(struct netfront *nf, struct netfront_info *info);
/* 0 while usable, else why not (-EIO, -ENODEV).  Any thread. */
int netfront_status(struct netfront *nf);

unsigned int netfront_nr_queues(struct netfront *nf);
struct netfront_queue *netfront_queue(struct netfront *nf, unsigned int index);

/*
 * Copies the frame (iov, from its Ethernet header on) into shared buffers and
 * puts it on the ring; the backend sees it at the next kick.  meta may be
 * NULL.  0; -EAGAIN when ring or buffers are full (netfront_poll, then try
 * again); -ENETDOWN while there is no backend (one may come back: as on a wire,
 * the frame is lost); -EMSGSIZE, -EINVAL, -EOPNOTSUPP for what cannot be sent.
 * csum_partial is only for TCP or UDP over the IP version that info.csum4,
 * csum6 say; the backend finds the place itself.
 */
int netfront_send(struct netfront_queue *q, const struct iovec *iov,
		  unsigned int nr_iov, const struct netfront_meta *meta);
/*
 * The same in two steps without the copy: shared memory for the next frame of
 * up to max_len bytes, in at most nr_iov pieces, all of them full but the last
 * one of the frame; then how long it became.  Returns the number of pieces, or
 * -errno as netfront_send.  The memory is the caller's until the next call of
 * any function on this queue, and holds what earlier frames left there.
 */
#define NETFRONT_MAX_IOV 17u
int netfront_send_bufs(struct netfront_queue *q, uint32_t max_len,
		       struct iovec *iov, unsigned int nr_iov);
int netfront_send_commit(struct netfront_queue *q, uint32_t len,
			 const struct netfront_meta *meta);
/* For frames of up to NETFRONT_BUF_SIZE bytes: one piece; NULL when there is
 * none. */
#define NETFRONT_BUF_SIZE 2048u
void *netfront_send_buf(struct netfront_queue *q);
/* Show all that was put to the backend; notifies it if it asked. */
int netfront_kick(struct netfront_queue *q);

/*
 * Take what has arrived, at most max frames: receive(user, ...) runs for each
 * with its pieces in shared memory, which the backend may still write to (copy
 * before judging), valid until it returns.  Buffers go back to the backend,
 * and transmitted ones are taken back, on the way.  How many frames, or
 * -errno.  Never sleeps and makes no system call when there is nothing.
 */
typedef void (*netfront_receive_cb)(void *user, const struct iovec *iov,
				    unsigned int nr_iov, uint32_t len,
				    const struct netfront_meta *meta);
int netfront_poll(struct netfront_queue *q, unsigned int max,
		  netfront_receive_cb receive, void *user);
/* Kick, then poll; if there is nothing, sleep until frames come or room to
 * send does, at most timeout_ms (-1: for ever). */
int netfront_wait(struct netfront_queue *q, unsigned int max,
		  netfront_receive_cb receive, void *user, int timeout_ms);
/* For an event loop of the caller's: a descriptor that is readable when there
 * may be something.  Before sleeping call netfront_arm(): true means poll again
 * instead. */
int netfront_fd(struct netfront_queue *q);
bool netfront_arm(struct netfront_queue *q);
/* For one who polls for a while before sleeping: does the backend run on this
 * thread's CPU?  Then polling only keeps it from working.  False where that
 * cannot be known, as on Xen itself. */
bool netfront_backend_is_here(const struct netfront_queue *q);

/* Frames a queue could still put (each of one slot). */
unsigned int netfront_send_room(struct netfront_queue *q);

/* Ask the backend for a hash and a mapping from it to queues (control ring);
 * -EOPNOTSUPP if it has none, -ETIMEDOUT if it does not answer.  Any thread.
 * Not asked again of a backend that comes back: call again then.  types:
 * XEN_NETIF_CTRL_HASH_TYPE_*; key: up to 40 bytes; mapping: a power of two of
 * queue numbers, up to 128. */
int netfront_set_hash(struct netfront *nf, uint32_t types, const uint8_t *key,
		      unsigned int key_len, const uint32_t *mapping,
		      unsigned int mapping_len);
/* Join (or leave) a multicast group at a backend with multicast control, by
 * the queue's thread: put on the ring like a frame, seen at the next kick.
 * -EOPNOTSUPP if it has none; -EAGAIN as netfront_send. */
int netfront_multicast(struct netfront_queue *q, const uint8_t mac[6],
		       bool join);

struct netfront_stats {
	uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
	uint64_t tx_errors, rx_errors; /* as the backend answered */
	uint64_t reconnects;
	uint64_t kicks_sent, kicks_suppressed, events, sleeps;
};
/* Of one queue; by the queue's thread. */
void netfront_queue_stats(struct netfront_queue *q, struct netfront_stats *s);

#ifdef __cplusplus
}
#endif
#endif
