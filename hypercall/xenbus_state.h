/* SPDX-License-Identifier: MIT */
/*
 * The xenbus state machine, once, as a table: what a device's end has to do,
 * given its own state and the other end's.  Used by block and net, backend and
 * frontend.  Pure functions: no I/O, no memory.
 *
 * Protocol: <xen/io/xenbus.h>, the state diagram in <xen/io/blkif.h>, and the
 * quirks of real frontends (docs/xenbus.md).  Frontends skip states (Mini-OS,
 * net: 1 to 4), do not wait for InitWait (GRUB), and come back from Closed
 * through Initialising to connect again (GRUB then Linux; Windows).
 */
#ifndef XENSPLIT_HYPERCALL_XENBUS_STATE_H
#define XENSPLIT_HYPERCALL_XENBUS_STATE_H

#include <stdbool.h>
#include <xen/io/xenbus.h>

enum xenbus_role { XENBUS_BACKEND, XENBUS_FRONTEND };

/*
 * What to do.  An action names the state that the doer writes when it is done;
 * between, the caller asks nothing (or asks and remembers: actions are asked
 * for again after each is done, so nothing is lost by ignoring changes that
 * come meanwhile).
 */
enum xenbus_action {
	XENBUS_NOTHING,
	XENBUS_OFFER,   /* backend: publish features, write InitWait */
	XENBUS_CONNECT, /* backend: map rings, publish properties, Connected;
			 * frontend: read properties, write Connected */
	XENBUS_SETUP,   /* frontend: make rings, write them, Initialised (block)
			 * or Connected (net) */
	XENBUS_CHANGED, /* the other end wrote Connected again: re-read what may
			 * change while connected (sectors; MTU) */
	XENBUS_CLOSE,   /* stop I/O, give back rings, write Closing */
	XENBUS_CLOSED,  /* as CLOSE if not done yet, write Closed */
	XENBUS_REMOVE,  /* backend: as CLOSED, then remove the device */
	XENBUS_RESTART, /* backend: the frontend began anew without closing: as
			 * CLOSED without writing it, then OFFER */
};

/*
 * own, other: states as read; XenbusStateUnknown for absent or unreadable.
 * online: the toolstack's key `online`; false means the device is to go.  A
 * frontend that does not care for it passes true.
 * Values outside the enum must have been refused by the caller before.
 *
 * Ask when a watch fires, and again after each action that was done, except
 * after CHANGED (it would be the answer again) and NOTHING.
 *
 * A backend that fails writes Closing, never Closed: its frontend then closes,
 * and the device can be used again.  A backend or frontend that begins anew on
 * states of an earlier one: docs/xenbus.md.
 */
enum xenbus_action xenbus_next(enum xenbus_role role, enum xenbus_state own,
			       enum xenbus_state other, bool online);

const char *xenbus_state_name(enum xenbus_state state);
const char *xenbus_action_name(enum xenbus_action action);

#endif
