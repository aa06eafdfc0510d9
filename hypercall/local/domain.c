// SPDX-License-Identifier: MIT
/*
 * The life of a domain, and what it is born with: its socket, its xenstore
 * page and port.
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include <xen/xen.h>

#include "xenlocald.h"

/* what a domain may be called: ids from here on mean something else */
#define FIRST_RESERVED WIRE_DOMID_SELF

static struct domain *domains[FIRST_RESERVED];
static uint32_t nr_domains;
static uint32_t next_domid = 1;

struct domain *domain_find(uint32_t domid)
{
	return domid < FIRST_RESERVED ? domains[domid] : NULL;
}

struct domain *domain_next(uint32_t from)
{
	for (; from < FIRST_RESERVED; from++)
		if (domains[from])
			return domains[from];
	return NULL;
}

uint32_t domain_count(void)
{
	return nr_domains;
}

/* A quarter of all: a few greedy domains leave something to the rest. */
static uint32_t fd_budget(void)
{
	static uint32_t budget;
	struct rlimit lim;

	if (!budget)
		budget = getrlimit(RLIMIT_NOFILE, &lim) ||
					 lim.rlim_cur > 1u << 20
				 ? 1u << 18
				 : (uint32_t)lim.rlim_cur / 4;
	return budget;
}

bool domain_charge(struct domain *d, uint32_t fds, const char *what)
{
	if (d->nr_fds + fds > fd_budget()) {
		log_line(d, "no more descriptors for %s (%u used)", what,
			 d->nr_fds);
		d->count.refused++;
		return false;
	}
	d->nr_fds += fds;
	return true;
}

void domain_uncharge(struct domain *d, uint32_t fds)
{
	d->nr_fds -= fds;
}

int request_domid(const struct request *rq, uint32_t domid, uint32_t *out)
{
	if (domid == WIRE_DOMID_SELF)
		domid = rq->dom->domid;
	if (domid >= FIRST_RESERVED)
		return -ESRCH;
	if (rq->h->restrict_domid != WIRE_DOMID_NONE &&
	    rq->h->restrict_domid != domid)
		return -EACCES;
	*out = domid;
	return 0;
}

/* As Xen's toolstack does, ids are not given again soon. */
static int pick_domid(uint32_t want, uint32_t *domid)
{
	uint32_t i;

	if (want != WIRE_DOMID_SELF) {
		if (want >= FIRST_RESERVED)
			return -EINVAL;
		*domid = want;
		return domains[want] ? -EEXIST : 0;
	}
	for (i = 0; i < FIRST_RESERVED; i++) {
		uint32_t id = next_domid + i;

		if (id >= FIRST_RESERVED)
			id = id - FIRST_RESERVED + 1;
		if (id < FIRST_RESERVED && !domains[id]) {
			next_domid = id + 1;
			*domid = id;
			return 0;
		}
	}
	return -ENOSPC;
}

static int make_sockets(struct domain *d)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	d->client_fd = pair[1];
	if (handle_add(HANDLE_DOMAIN, pair[0], d))
		return 0;
	close(pair[0]);
	return -ENOMEM;
}

static int make_xenstore(struct domain *d)
{
	int port, ret;

	ret = gnttab_grant_kernel(d, GNTTAB_RESERVED_XENSTORE, 0,
				  &d->xenstore_share, &d->xenstore_gfn);
	if (ret)
		return ret;
	port = evtchn_alloc_kernel(d, 0);
	if (port < 0)
		return port;
	d->xenstore_port = (uint32_t)port;
	return 0;
}

static void set_name(struct domain *d, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(d->name) - 1 && name[i]; i++)
		d->name[i] = isprint((unsigned char)name[i]) ? name[i] : '?';
}

static void free_domain(struct domain *d)
{
	struct handle *h;

	while ((h = LIST_FIRST(&d->handles)))
		handle_close(h);
	gnttab_domain_release(d);
	evtchn_domain_release(d);
	iommu_domain_release(d);
	if (d->client_fd >= 0)
		close(d->client_fd);
	domains[d->domid] = NULL;
	nr_domains--;
	free(d);
}

int domain_create(uint32_t want, const char *name, bool privileged,
		  struct domain **out)
{
	struct domain *d;
	uint32_t domid;
	int ret;

	ret = pick_domid(want, &domid);
	if (ret)
		return ret;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->domid = domid;
	d->privileged = privileged;
	d->client_fd = -1;
	d->created_ms = now_ms();
	set_name(d, name);
	if (domid && getrandom(d->uuid, sizeof(d->uuid), 0) < 0)
		memset(d->uuid, 0, sizeof(d->uuid));
	LIST_INIT(&d->handles);
	domains[domid] = d;
	nr_domains++;
	ret = make_sockets(d);
	if (!ret)
		ret = make_xenstore(d);
	if (ret) {
		free_domain(d);
		return ret;
	}
	log_line(d, "created%s%s%s", privileged ? ", privileged" : "",
		 *d->name ? ", " : "", d->name);
	virq_raise_global(VIRQ_DOM_EXC);
	*out = d;
	return 0;
}

void domain_destroy(struct domain *d)
{
	d->dying = true;
	log_line(d, "destroyed with %u handles, %u ports, %u grants, %u maps",
		 d->nr_handles, d->nr_ports, d->nr_refs, d->nr_maps);
	free_domain(d);
	virq_raise_global(VIRQ_DOM_EXC);
}

/* --- the guest kernel's side of xenstore ---------------------------------- */

int op_xenbus_info(struct request *rq)
{
	if (rq->dom->domid != 0)
		return -EPERM;
	rq->reply->evtchn.port = rq->dom->xenstore_port;
	return request_put_fd(rq, share_fd(rq->dom->xenstore_share), false);
}

/*
 * The first process of the domain that asks has the xenbus until its handle
 * closes.  Port and page stay: the ring goes on where it was.
 */
int op_xenbus_claim(struct request *rq)
{
	struct domain *d = rq->dom;
	int ret;

	if (d->xenbus && d->xenbus != rq->h)
		return -EBUSY;
	ret = evtchn_hand_out(rq, d, d->xenstore_port);
	if (ret)
		return ret;
	d->xenbus = rq->h;
	/* the claimer before may have taken an event along */
	evtchn_kick(d, d->xenstore_port);
	ret = request_put_fd(rq, share_fd(d->xenstore_share), false);
	return ret < 0 ? ret : 0;
}
