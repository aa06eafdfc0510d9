// SPDX-License-Identifier: MIT
/*
 * The driver's way to a DMA device of its domain: xenlocal_dma_open().
 */
#include <errno.h>
#include <unistd.h>

#include "client.h"
#include "dma_device.h"

int xenlocal_dma_open(uint32_t sbdf)
{
	struct wire_msg msg = {.op = WIRE_DEVICE_OPEN};
	struct client client;
	int fd = -1, rc;
	struct client_io io = {.reply_fds = &fd, .reply_fds_max = 1};

	rc = client_open(&client, true);
	if (rc)
		return rc == -ENOENT ? -ENXIO : rc;
	msg.device.sbdf = sbdf;
	rc = client_call(&client, &msg, &io);
	if (!rc && io.nr_reply_fds != 1)
		rc = -EPROTO;
	/* the channel does not hang on the handle, but on the assignment */
	client_close(&client);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}
