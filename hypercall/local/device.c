// SPDX-License-Identifier: MIT
/*
 * Devices behind the IOMMU: registration by device models, ownership, DMA,
 * faults, and the owner's channels.
 *
 * A device model is a process that can ask for DMA and nothing else.  Each
 * piece of it is looked up in the table of the device's owner, page by page,
 * as a bus would: what lies before the page that faults has been moved.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "hypercall.h"
#include "iommu.h"
#include "iommu_call.h"

#define MAX_DEVICES  256u
#define MAX_CHANNELS 16u

/* Fault lines of one device in the log: this many at once, then 1 a second. */
#define LOG_BURST 10u

struct device {
	LIST_ENTRY(device) link;
	uint32_t sbdf;
	struct handle *model; /* its control connection */
	int events;           /* new channels are passed here */
	struct domain *owner; /* NULL: quarantined */
	struct device_faults faults;
	/*
	 * Our copies of the model's ends, to cut channels that were passed
	 * on.  The model's own closing is not seen by the owner while they
	 * are open, so a model shuts a channel down before it closes it.
	 */
	int channel[MAX_CHANNELS];
	uint32_t nr_channels;
	struct {
		uint64_t ms;
		uint32_t tokens, dropped;
	} log;
};

static LIST_HEAD(, device) devices;
static uint32_t nr_devices;

#define SBDF_FMT "%04x:%02x:%02x.%x"
#define SBDF_ARGS(sbdf) \
	(sbdf) >> 16, (sbdf) >> 8 & 0xff, (sbdf) >> 3 & 0x1f, (sbdf)&7

static struct device *find(uint32_t sbdf)
{
	struct device *dev;

	LIST_FOREACH(dev, &devices, link)
	if (dev->sbdf == sbdf)
		return dev;
	return NULL;
}

/* --- ownership ------------------------------------------------------------ */

static void drop_channel(struct device *dev, uint32_t i)
{
	shutdown(dev->channel[i], SHUT_RDWR);
	close(dev->channel[i]);
	dev->channel[i] = dev->channel[--dev->nr_channels];
}

/* The owner's ends that were closed need no copy any more. */
static void prune_channels(struct device *dev)
{
	for (uint32_t i = dev->nr_channels; i-- > 0;) {
		struct pollfd pfd = {.fd = dev->channel[i]};

		if (poll(&pfd, 1, 0) > 0 && pfd.revents & POLLHUP)
			drop_channel(dev, i);
	}
}

static void disown(struct device *dev)
{
	if (!dev->owner)
		return;
	log_line(dev->owner, "device " SBDF_FMT " is taken away",
		 SBDF_ARGS(dev->sbdf));
	while (dev->nr_channels)
		drop_channel(dev, dev->nr_channels - 1);
	dev->owner = NULL;
}

int device_assignable(uint32_t sbdf)
{
	struct device *dev = find(sbdf);

	if (!dev)
		return -ENODEV;
	return dev->owner ? -EBUSY : 0;
}

int device_assign(uint32_t sbdf, struct domain *d)
{
	struct device *dev = find(sbdf);
	int rc = device_assignable(sbdf);

	if (rc)
		return rc;
	memset(&dev->faults, 0, sizeof(dev->faults));
	dev->owner = d;
	log_line(d, "device " SBDF_FMT " is assigned, %u frames in the table",
		 SBDF_ARGS(sbdf), iommu_nr_frames(d));
	return 0;
}

int device_deassign(uint32_t sbdf, struct domain *d)
{
	struct device *dev = find(sbdf);

	if (!dev || dev->owner != d)
		return -ENODEV;
	disown(dev);
	return 0;
}

int device_quarantine(uint32_t sbdf)
{
	return device_assignable(sbdf);
}

bool device_owned_by(const struct domain *d)
{
	struct device *dev;

	LIST_FOREACH(dev, &devices, link)
	if (dev->owner == d)
		return true;
	return false;
}

int device_faults(uint32_t sbdf, const struct domain *d,
		  struct device_faults *out)
{
	struct device *dev = find(sbdf);

	if (!dev || (d && dev->owner != d))
		return -ENODEV;
	*out = dev->faults;
	return 0;
}

void iommu_domain_release(struct domain *d)
{
	struct device *dev;

	LIST_FOREACH(dev, &devices, link)
	if (dev->owner == d)
		disown(dev);
	iommu_table_free(d);
}

/* --- the device model's connection ---------------------------------------- */

int op_device_register(struct request *rq)
{
	uint32_t sbdf = rq->msg->device.sbdf;
	struct device *dev;
	int fd;

	if (find(sbdf))
		return -EEXIST;
	if (nr_devices == MAX_DEVICES)
		return -ENOSPC;
	fd = request_take_fd(rq, 0);
	if (fd < 0)
		return fd;
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		close_untrusted(fd);
		return -ENOMEM;
	}
	dev->sbdf = sbdf;
	dev->model = rq->h;
	dev->events = fd;
	rq->h->device = dev;
	LIST_INSERT_HEAD(&devices, dev, link);
	nr_devices++;
	log_line(NULL, "device " SBDF_FMT " registered by pid %d",
		 SBDF_ARGS(sbdf), (int)rq->h->pid);
	return 0;
}

void device_handle_release(struct handle *h)
{
	struct device *dev = h->device;

	if (!dev)
		return;
	log_line(NULL, "device " SBDF_FMT " is gone with its model, pid %d",
		 SBDF_ARGS(dev->sbdf), (int)h->pid);
	disown(dev);
	LIST_REMOVE(dev, link);
	nr_devices--;
	close_untrusted(dev->events);
	free(dev);
	h->device = NULL;
}

/* --- DMA ------------------------------------------------------------------ */

static bool may_log(struct device *dev)
{
	uint64_t now = now_ms(), refill = (now - dev->log.ms) / 1000;

	if (refill || !dev->log.ms) {
		uint64_t tokens = dev->log.tokens + refill;

		if (!dev->log.ms || tokens > LOG_BURST)
			tokens = LOG_BURST;
		dev->log.tokens = tokens;
		dev->log.ms = now;
	}
	if (!dev->log.tokens) {
		dev->log.dropped++;
		return false;
	}
	dev->log.tokens--;
	return true;
}

static int fault(struct device *dev, uint64_t addr, bool write, const char *why)
{
	char owner[32] = "no domain";

	if (write)
		dev->faults.writes++;
	else
		dev->faults.reads++;
	dev->faults.last_addr = addr;
	if (!may_log(dev))
		return -EFAULT;
	if (dev->owner)
		snprintf(owner, sizeof(owner), "domain %u", dev->owner->domid);
	log_line(NULL,
		 "iommu fault: device " SBDF_FMT " of %s, %s of bus address "
		 "0x%llx: %s (%u faults not logged before)",
		 SBDF_ARGS(dev->sbdf), owner, write ? "write" : "read",
		 (unsigned long long)addr, why, dev->log.dropped);
	dev->log.dropped = 0;
	return -EFAULT;
}

/* What lies in one page. */
static int dma_page(struct device *dev, uint64_t addr, void *buf, uint32_t len,
		    bool write)
{
	bool writable;
	struct frame f;

	if (!dev->owner)
		return fault(dev, addr, write, "the device is not assigned");
	if (iommu_lookup(dev->owner, addr / WIRE_PAGE_SIZE, &f, &writable))
		return fault(dev, addr, write, "not mapped");
	if (write && !writable)
		return fault(dev, addr, write, "mapped read-only");
	if (frame_access(&f, addr % WIRE_PAGE_SIZE, buf, len, write))
		return fault(dev, addr, write, "the page cannot be accessed");
	return 0;
}

int op_device_dma(struct request *rq)
{
	const struct wire_dma *dma = &rq->msg->dma;
	struct device *dev = rq->h->device;
	uint32_t done = 0;
	int rc = 0;

	if (!dev)
		return -ENODEV;
	if (dma->len > WIRE_MAX_PAYLOAD ||
	    rq->msg->payload_len != (dma->write ? dma->len : 0))
		return -EINVAL;
	if (dma->bus_addr > UINT64_MAX - dma->len)
		return fault(dev, dma->bus_addr, dma->write, "address wraps");
	if (dma->write)
		memcpy(rq->out, rq->in, dma->len);
	while (!rc && done < dma->len) {
		uint64_t addr = dma->bus_addr + done;
		uint32_t len = WIRE_PAGE_SIZE - addr % WIRE_PAGE_SIZE;

		if (len > dma->len - done)
			len = dma->len - done;
		rc = dma_page(dev, addr, rq->out + done, len, dma->write);
		if (!rc)
			done += len;
	}
	rq->reply->dma = *dma;
	rq->reply->dma.len = done;
	rq->out_len = dma->write ? 0 : done;
	return rc;
}

/* --- the owner's side ----------------------------------------------------- */

/* Pass the model its end of a new channel. */
static int send_channel(struct device *dev, int fd)
{
	struct wire_msg msg = {.op = WIRE_DEVICE_OPEN};
	struct iovec iov = {&msg, sizeof(msg)};
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};

	msg.device.sbdf = dev->sbdf;
	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(int));
	return sendmsg(dev->events, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0
		       ? -EBUSY
		       : 0;
}

int op_device_open(struct request *rq)
{
	struct device *dev = find(rq->msg->device.sbdf);
	int pair[2], rc;

	if (!dev || dev->owner != rq->dom) {
		log_line(rq->dom, "device " SBDF_FMT " is not this domain's",
			 SBDF_ARGS(rq->msg->device.sbdf));
		rq->dom->count.refused++;
		return -ENODEV;
	}
	prune_channels(dev);
	if (dev->nr_channels == MAX_CHANNELS)
		return -EMFILE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	rc = send_channel(dev, pair[1]);
	if (rc) {
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	dev->channel[dev->nr_channels++] = pair[1];
	rc = request_put_fd(rq, pair[0], true);
	return rc < 0 ? rc : 0;
}

static int bus_frame(struct hypercall *hc, struct xenlocal_bus_frame *bf)
{
	uint32_t domid = bf->domid;
	bool writable;
	struct domain *granter;
	struct frame f;

	if (!device_owned_by(hc->caller))
		return -ENODEV;
	if (domid == WIRE_DOMID_SELF)
		domid = hc->caller->domid;
	granter = domain_find(domid);
	if (!granter ||
	    frame_by_ref(granter, bf->ref,
			 granter == hc->caller ? WIRE_DOMID_NONE
					       : hc->caller->domid,
			 &f) ||
	    iommu_lookup(hc->caller, f.number, &f, &writable))
		return -ENOENT;
	bf->domid = domid;
	bf->frame = f.number;
	bf->writable = writable;
	return 0;
}

static int read_faults(struct hypercall *hc, struct xenlocal_device_faults *xf)
{
	struct device_faults faults;
	int rc = device_faults(
		xf->sbdf, hc->caller->privileged ? NULL : hc->caller, &faults);

	if (rc)
		return rc;
	xf->reads = faults.reads;
	xf->writes = faults.writes;
	xf->last_addr = faults.last_addr;
	return 0;
}

/* XENLOCAL_HYPERCALL, see iommu_call.h */
int64_t hypercall_own(struct hypercall *hc)
{
	struct xenlocal_op op;
	int rc = hypercall_read(hc, 0, &op, sizeof(op));

	if (hc->arg[0] != XENLOCAL_BUS_FRAME &&
	    hc->arg[0] != XENLOCAL_DEVICE_FAULTS)
		return hypercall_refuse(hc, hc->arg[0]);
	if (rc)
		return rc;
	if (hc->arg[0] == XENLOCAL_BUS_FRAME)
		rc = bus_frame(hc, &op.u.bus_frame);
	else
		rc = read_faults(hc, &op.u.faults);
	return rc ? rc : hypercall_write(hc, 0, 0, &op, sizeof(op));
}

void device_status(FILE *out)
{
	const char *comma = "";
	struct device *dev;

	fputc('[', out);
	LIST_FOREACH(dev, &devices, link)
	{
		fprintf(out, "%s{\"sbdf\":\"" SBDF_FMT "\",\"pid\":%d,", comma,
			SBDF_ARGS(dev->sbdf), (int)dev->model->pid);
		if (dev->owner)
			fprintf(out, "\"domid\":%u,\"frames\":%u,",
				dev->owner->domid, iommu_nr_frames(dev->owner));
		fprintf(out,
			"\"channels\":%u,\"read_faults\":%llu,"
			"\"write_faults\":%llu}",
			dev->nr_channels, (unsigned long long)dev->faults.reads,
			(unsigned long long)dev->faults.writes);
		comma = ",";
	}
	fputc(']', out);
}
