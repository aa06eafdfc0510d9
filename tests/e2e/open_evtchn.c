// SPDX-License-Identifier: MIT
/*
 * Opens an event channel handle and gets a port with it: whether this process
 * is in a domain.  Exit status 0 if so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xenevtchn.h>

int main(void)
{
	xenevtchn_handle *xce = xenevtchn_open(NULL, 0);
	int port;

	if (!xce) {
		fprintf(stderr, "xenevtchn_open: %s\n", strerror(errno));
		return 1;
	}
	port = xenevtchn_bind_unbound_port(xce, 0);
	if (port < 0) {
		fprintf(stderr, "xenevtchn_bind_unbound_port: %s\n",
			strerror(errno));
		return 1;
	}
	printf("port %d\n", port);
	xenevtchn_close(xce);
	return 0;
}
