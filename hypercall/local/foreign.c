// SPDX-License-Identifier: MIT
/*
 * WIRE_FOREIGN_MAP: frames of a domain for a privileged one (dispatch.c lets
 * no other in).
 *
 * A domain's frames are those that it has granted, and its xenstore page.  The
 * descriptor passed is of the whole share call that the frame is from, which
 * a privileged domain may see all of anyway.
 */
#include <errno.h>
#include <string.h>

#include "xenlocald.h"

/* The index in the reply of the memfd, sent once for all of its pages. */
static int put_fd(struct request *rq, int fd)
{
	for (uint32_t i = 0; i < rq->nr_out_fds; i++)
		if (rq->out_fd[i] == fd)
			return i;
	return request_put_fd(rq, fd, false);
}

int op_foreign_map(struct request *rq)
{
	const struct wire_foreign *in = &rq->msg->foreign;
	struct wire_foreign *out = &rq->reply->foreign;
	uint32_t domid, count = in->count;
	struct domain *d;
	int rc;

	if (count > WIRE_MAX_REFS)
		return -EINVAL;
	rc = request_domid(rq, in->domid, &domid);
	if (rc)
		return rc;
	d = domain_find(domid);
	if (!d)
		return -ESRCH;
	for (uint32_t i = 0; i < count; i++) {
		struct frame f;

		rc = -EINVAL; /* what Xen says of a frame that is not there */
		if (in->gfn[i] <= UINT32_MAX && !frame_find(d, in->gfn[i], &f))
			rc = put_fd(rq, f.fd);
		out->err[i] = rc < 0 ? rc : 0;
		if (rc < 0)
			continue;
		out->fd_index[i] = rc;
		out->page[i] = f.page;
	}
	out->domid = domid;
	out->count = count;
	return 0;
}
