/* SPDX-License-Identifier: MIT */
/*
 * On which CPU the other end of an event channel runs.
 *
 * Embedded Xen's libxenevtchn knows, since both ends are processes of one
 * machine; Xen's own does not have the call, and then it is not known.
 */
#ifndef XENSPLIT_HYPERCALL_EVTCHN_PEER_H
#define XENSPLIT_HYPERCALL_EVTCHN_PEER_H

#include <xenevtchn.h>

/* The CPU where the peer of that port last sent or took an event, as the peer
 * says; -1: not known.  Any thread. */
typedef int (*evtchn_peer_cpu_fn)(xenevtchn_handle *xce, evtchn_port_t port);

/* Tell the peer where we run before the next event does. */
typedef void (*evtchn_say_cpu_fn)(xenevtchn_handle *xce, evtchn_port_t port);

/* Both NULL where it cannot be known. */
struct evtchn_peer {
	evtchn_peer_cpu_fn cpu;
	evtchn_say_cpu_fn say;
};

void evtchn_peer_find(struct evtchn_peer *peer);

#endif
