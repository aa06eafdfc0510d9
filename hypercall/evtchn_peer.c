// SPDX-License-Identifier: MIT
/* See evtchn_peer.h. */
#include "hypercall/evtchn_peer.h"

#include <dlfcn.h>
#include <stddef.h>

void evtchn_peer_find(struct evtchn_peer *peer)
{
	/* not linked against: a program that was would need embedded Xen */
	peer->cpu = (evtchn_peer_cpu_fn)dlsym(RTLD_DEFAULT,
					      "xenlocal_evtchn_peer_cpu");
	peer->say = (evtchn_say_cpu_fn)dlsym(RTLD_DEFAULT,
					     "xenlocal_evtchn_say_cpu");
	if (!peer->cpu || !peer->say)
		*peer = (struct evtchn_peer){NULL, NULL};
}
