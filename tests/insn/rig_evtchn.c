// SPDX-License-Identifier: MIT
/*
 * A double of libxenevtchn for the rig: a notification is a number that is
 * counted.  Nobody sleeps in the rig, so nobody has to be woken.
 */
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenevtchn.h>

#define PORT 5

struct xenevtchn_handle {
	int fd;
};

static struct xenevtchn_handle handles[64];
static unsigned int nr_handles;

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	xenevtchn_handle *xce = &handles[nr_handles++ % 64];

	(void)logger;
	(void)flags;
	xce->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return xce->fd < 0 ? NULL : xce;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	return close(xce->fd);
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	return xce->fd;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	(void)xce;
	(void)domid;
	(void)remote_port;
	return PORT;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
						      uint32_t domid)
{
	(void)xce;
	(void)domid;
	return PORT;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	(void)xce;
	return -1;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}
