// SPDX-License-Identifier: MIT
/*
 * The xenbus state machine as a table.  See xenbus_state.h for what an action
 * is, and docs/xenbus.md for a reason per row: the document and these tables
 * are kept the same by hand.
 *
 * Not here: what an action does, time limits, and the disappearance of a
 * directory as a whole, which is an event and not a state.
 */
#include "hypercall/xenbus_state.h"

#include <assert.h>

#define NR_STATES (XenbusStateReconfigured + 1)

/* Two letters an action, so that a row of a table is a line. */
enum {
	__ = XENBUS_NOTHING,
	Of = XENBUS_OFFER,
	Co = XENBUS_CONNECT,
	Su = XENBUS_SETUP,
	Ch = XENBUS_CHANGED,
	Cg = XENBUS_CLOSE,
	Cd = XENBUS_CLOSED,
	Rm = XENBUS_REMOVE,
	Rs = XENBUS_RESTART,
};

/* Row: own state.  Column: the other end's. */
typedef unsigned char state_table[NR_STATES][NR_STATES];

/* clang-format off */
static const state_table backend_online = {
	/*                      frontend:  0   1   2   3   4   5   6   7   8 */
	[XenbusStateUnknown]       =    { __, __, __, __, __, __, __, __, __ },
	[XenbusStateInitialising]  =    { Of, Of, Of, Of, Of, Cg, Cd, Of, Of },
	[XenbusStateInitWait]      =    { __, __, __, Co, Co, Cg, Cd, __, __ },
	[XenbusStateInitialised]   =    { Of, Of, Of, Co, Co, Cg, Cd, Of, Of },
	[XenbusStateConnected]     =    { Cd, Rs, Rs, __, __, Cg, Cd, Ch, __ },
	[XenbusStateClosing]       =    { Cd, Rs, Rs, __, __, __, Cd, __, __ },
	[XenbusStateClosed]        =    { __, Of, Of, Of, __, __, __, __, __ },
	[XenbusStateReconfiguring] =    { Cd, Rs, Rs, __, Ch, Cg, Cd, Ch, __ },
	[XenbusStateReconfigured]  =    { Cd, Rs, Rs, __, Ch, Cg, Cd, __, __ },
};

static const state_table backend_offline = {
	/*                      frontend:  0   1   2   3   4   5   6   7   8 */
	[XenbusStateUnknown]       =    { Rm, Rm, Rm, Rm, Rm, Rm, Rm, Rm, Rm },
	[XenbusStateInitialising]  =    { Rm, Rm, Rm, Cg, Cg, Cg, Rm, Cg, Cg },
	[XenbusStateInitWait]      =    { Rm, Rm, Rm, Cg, Cg, Cg, Rm, Cg, Cg },
	[XenbusStateInitialised]   =    { Rm, Rm, Rm, Cg, Cg, Cg, Rm, Cg, Cg },
	[XenbusStateConnected]     =    { Rm, Rm, Rm, __, __, Cg, Rm, __, __ },
	[XenbusStateClosing]       =    { Rm, Rm, Rm, __, __, __, Rm, __, __ },
	[XenbusStateClosed]        =    { Rm, Rm, Rm, Rm, Rm, Rm, Rm, Rm, Rm },
	[XenbusStateReconfiguring] =    { Rm, Rm, Rm, __, __, Cg, Rm, __, __ },
	[XenbusStateReconfigured]  =    { Rm, Rm, Rm, __, __, Cg, Rm, __, __ },
};

static const state_table frontend_online = {
	/*                       backend:  0   1   2   3   4   5   6   7   8 */
	[XenbusStateUnknown]       =    { __, __, Su, __, __, __, __, __, __ },
	[XenbusStateInitialising]  =    { __, __, Su, __, __, __, __, __, __ },
	[XenbusStateInitWait]      =    { __, __, Su, __, __, __, __, __, __ },
	[XenbusStateInitialised]   =    { Cd, __, __, __, Co, Cg, Cd, __, __ },
	[XenbusStateConnected]     =    { Cd, __, __, __, Ch, Cg, Cd, __, __ },
	[XenbusStateClosing]       =    { Cd, __, __, __, __, Cd, Cd, __, __ },
	[XenbusStateClosed]        =    { __, __, __, __, __, __, __, __, __ },
	[XenbusStateReconfiguring] =    { Cd, __, __, __, __, Cg, Cd, __, Co },
	[XenbusStateReconfigured]  =    { Cd, __, __, __, Co, Cg, Cd, __, Co },
};

static const state_table frontend_offline = {
	/*                       backend:  0   1   2   3   4   5   6   7   8 */
	[XenbusStateUnknown]       =    { __, __, __, __, __, Cd, Cd, __, __ },
	[XenbusStateInitialising]  =    { __, __, __, __, __, Cd, Cd, __, __ },
	[XenbusStateInitWait]      =    { __, __, __, __, __, Cd, Cd, __, __ },
	[XenbusStateInitialised]   =    { Cd, __, __, __, Co, Cg, Cd, __, __ },
	[XenbusStateConnected]     =    { Cd, __, __, __, Ch, Cg, Cd, __, __ },
	[XenbusStateClosing]       =    { Cd, __, __, __, __, Cd, Cd, __, __ },
	[XenbusStateClosed]        =    { __, __, __, __, __, __, __, __, __ },
	[XenbusStateReconfiguring] =    { Cd, __, __, __, __, Cg, Cd, __, Co },
	[XenbusStateReconfigured]  =    { Cd, __, __, __, Co, Cg, Cd, __, Co },
};
/* clang-format on */

enum xenbus_action xenbus_next(enum xenbus_role role, enum xenbus_state own,
			       enum xenbus_state other, bool online)
{
	const state_table *table;

	assert((unsigned int)own < NR_STATES);
	assert((unsigned int)other < NR_STATES);
	if (role == XENBUS_BACKEND)
		table = online ? &backend_online : &backend_offline;
	else
		table = online ? &frontend_online : &frontend_offline;
	return (enum xenbus_action)(*table)[own][other];
}

const char *xenbus_state_name(enum xenbus_state state)
{
	static const char *const names[NR_STATES] = {
		[XenbusStateUnknown] = "Unknown",
		[XenbusStateInitialising] = "Initialising",
		[XenbusStateInitWait] = "InitWait",
		[XenbusStateInitialised] = "Initialised",
		[XenbusStateConnected] = "Connected",
		[XenbusStateClosing] = "Closing",
		[XenbusStateClosed] = "Closed",
		[XenbusStateReconfiguring] = "Reconfiguring",
		[XenbusStateReconfigured] = "Reconfigured",
	};

	return (unsigned int)state < NR_STATES ? names[state] : "invalid";
}

const char *xenbus_action_name(enum xenbus_action action)
{
	static const char *const names[] = {
		[XENBUS_NOTHING] = "nothing", [XENBUS_OFFER] = "offer",
		[XENBUS_CONNECT] = "connect", [XENBUS_SETUP] = "setup",
		[XENBUS_CHANGED] = "changed", [XENBUS_CLOSE] = "close",
		[XENBUS_CLOSED] = "closed",   [XENBUS_REMOVE] = "remove",
		[XENBUS_RESTART] = "restart",
	};

	if ((unsigned int)action >= sizeof(names) / sizeof(names[0]))
		return "invalid";
	return names[action];
}
