/* SPDX-License-Identifier: MIT */
/*
 * Event channels on a libev loop: one xenevtchn handle, many ports, a callback
 * a port.
 *
 * A port's callback runs while the port is masked, and it stays masked until
 * evtchn_hub_unmask(), which the owner of the loop calls before the loop sleeps
 * or goes round again: after what the event asked for has been begun, so that
 * nobody waits for the unmasking.  A peer that rings in a storm costs one
 * callback a loop turn and not more.  A port may be closed from within its
 * callback, or any other's.  Events of ports that are closed already are
 * dropped.
 *
 * All calls on the loop's thread, except evtchn_port_notify(), which any
 * thread may call while the port is open.
 */
#ifndef XENSPLIT_HYPERCALL_EVTCHN_HUB_H
#define XENSPLIT_HYPERCALL_EVTCHN_HUB_H

#include <ev.h>
#include <stdint.h>

struct evtchn_hub;
struct evtchn_port;
typedef void (*evtchn_cb)(struct evtchn_port *port, void *arg);

/* Opens a handle and starts a watcher; 0 or -errno.  The watcher does not keep
 * the loop alive on its own. */
int evtchn_hub_open(struct evtchn_hub **hub, struct ev_loop *loop);
/* Closes all ports and the handle.  NULL is fine. */
void evtchn_hub_close(struct evtchn_hub *hub);

/* Backend: bind the port that domain domid offers; frontend: offer one. */
int evtchn_hub_bind_interdomain(struct evtchn_hub *hub, uint32_t domid,
				uint32_t remote_port, evtchn_cb cb, void *arg,
				struct evtchn_port **port);
int evtchn_hub_alloc_unbound(struct evtchn_hub *hub, uint32_t domid,
			     evtchn_cb cb, void *arg,
			     struct evtchn_port **port);
/* NULL is fine. */
void evtchn_port_close(struct evtchn_port *port);
/* The local port number: what a frontend writes as `event-channel`. */
uint32_t evtchn_port_number(const struct evtchn_port *port);
/* 0 or -errno. */
int evtchn_port_notify(struct evtchn_port *port);
/* Events delivered so far. */
uint64_t evtchn_hub_events(const struct evtchn_hub *hub);
/* On which CPU the sender of the last one was, as it says; -1: not known. */
int evtchn_hub_peer_cpu(const struct evtchn_hub *hub);
/* The loop's thread runs on another CPU now: tell all peers. */
void evtchn_hub_moved(struct evtchn_hub *hub);
/* Unmask the ports that have fired; what rang meanwhile is pending then. */
void evtchn_hub_unmask(struct evtchn_hub *hub);

#endif
