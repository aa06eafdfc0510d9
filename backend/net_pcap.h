/* SPDX-License-Identifier: MIT */
/*
 * Recording a NIC's frames in libpcap's format (nanoseconds).
 *
 * Data threads put frames into a bounded buffer and never wait for the file:
 * frames that find it full are counted as missed.  The control thread writes
 * it out; whoever reads the file finds whole records, except at its very end.
 */
#ifndef XENSPLIT_BACKEND_NET_PCAP_H
#define XENSPLIT_BACKEND_NET_PCAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/link.h"

#define NET_PCAP_SNAP_MIN 64u
#define NET_PCAP_SNAP_MAX 65550u

struct net_pcap {
	_Atomic(bool) on; /* anybody looks; true: net_pcap_frame() may record */
	struct net_pcap_private *priv;
};

/* Control thread.  wake(arg): there is something to write, called on data
 * threads.  0 or -ENOMEM. */
int net_pcap_init(struct net_pcap *p, void (*wake)(void *arg), void *arg);
/* Stops; closes the file. */
void net_pcap_destroy(struct net_pcap *p);
/* fd is taken over, on failure too.  Replaces what was being recorded. */
int net_pcap_start(struct net_pcap *p, int fd, uint32_t snap_len);
/* Writes what is left.  Frames that were missed, or -errno of the file. */
int64_t net_pcap_stop(struct net_pcap *p);
/* Write what is there; 0, or -errno: recording has ended. */
int net_pcap_flush(struct net_pcap *p);

/* Any thread. */
static inline bool net_pcap_is_on(const struct net_pcap *p)
{
	return atomic_load_explicit(&p->on, memory_order_relaxed);
}
void net_pcap_frames(struct net_pcap *p, const struct net_frame *frames,
		     unsigned int nr);

#endif
