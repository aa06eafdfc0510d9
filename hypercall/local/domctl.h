/* SPDX-License-Identifier: MIT */
/*
 * What sysctl.c uses of domctl.c: a domain as tools see it.
 *
 * Private to xenlocald.
 */
#ifndef XENSPLIT_LOCAL_DOMCTL_H
#define XENSPLIT_LOCAL_DOMCTL_H

#include "xenlocald.h"

struct xen_domctl_getdomaininfo;

/* Fill all of *info with what `caller` sees of `d`. */
void domctl_fill_info(const struct domain *caller, const struct domain *d,
		      struct xen_domctl_getdomaininfo *info);

#endif
