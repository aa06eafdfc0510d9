/* SPDX-License-Identifier: MIT */
/*
 * What the host's administrator asks of xenlocald, over its control socket:
 * the part of a toolstack that a hypervisor needs.  For xenlocal(1); guests
 * cannot reach the socket.
 *
 * Functions return 0 or -errno.  Not thread safe.
 */
#ifndef XENSPLIT_LOCAL_ADMIN_H
#define XENSPLIT_LOCAL_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

/* The lowest number that is no domain: DOMID_FIRST_RESERVED of <xen/xen.h>. */
#define ADMIN_DOMID_END 0x7ff0u
/* The environment variable that tells a process its domain socket's number. */
#define ADMIN_FD_ENV "XENLOCAL_FD"

struct admin;

/* Connects.  -ENOENT, -ECONNREFUSED: no xenlocald there. */
int admin_open(const char *control_path, struct admin **out);
void admin_close(struct admin *a);

/*
 * Makes a domain; *domid may be ADMIN_DOMID_END for the next free number and
 * is the number then.  *store_gfn and *store_port are what XS_INTRODUCE
 * wants.  -EEXIST: the number is taken.
 */
int admin_create(struct admin *a, uint32_t *domid, const char *name,
		 uint32_t *store_gfn, uint32_t *store_port);

/* Ends a domain: its handles hang up, its grants and ports go. */
int admin_destroy(struct admin *a, uint32_t domid);

/*
 * A descriptor (CLOEXEC) that makes the process that inherits it part of the
 * domain.  -ESRCH or -ENOENT: no such domain.
 */
int admin_domain_socket(struct admin *a, uint32_t domid, int *fd);

/* xenlocald's account of itself, JSON text; the caller frees it. */
int admin_status(struct admin *a, char **json);

/* Ends xenlocald. */
int admin_shutdown(struct admin *a);

#endif
