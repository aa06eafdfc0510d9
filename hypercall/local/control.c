// SPDX-License-Identifier: MIT
/*
 * The control socket's operations: what xenlocal(1) asks for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "xenlocald.h"

bool shutting_down;

int op_ctl_domain_create(struct request *rq)
{
	const struct wire_domain *req = &rq->msg->domain;
	char name[sizeof(req->name)];
	struct domain *d;
	int ret;

	memcpy(name, req->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ret = domain_create(req->domid, name, req->privileged, &d);
	if (ret)
		return ret;
	rq->reply->domain.domid = d->domid;
	rq->reply->domain.privileged = d->privileged;
	rq->reply->domain.xenstore_gfn = d->xenstore_gfn;
	rq->reply->domain.xenstore_port = d->xenstore_port;
	memcpy(rq->reply->domain.name, d->name, sizeof(d->name));
	return 0;
}

int op_ctl_domain_destroy(struct request *rq)
{
	struct domain *d = domain_find(rq->msg->domain.domid);

	if (!d)
		return -ESRCH;
	if (d->domid == 0)
		return -EINVAL; /* ends with xenlocald */
	domain_destroy(d);
	return 0;
}

int op_ctl_domain_socket(struct request *rq)
{
	struct domain *d = domain_find(rq->msg->domain.domid);
	int ret;

	if (!d)
		return -ESRCH;
	rq->reply->domain.domid = d->domid;
	rq->reply->domain.privileged = d->privileged;
	rq->reply->domain.xenstore_gfn = d->xenstore_gfn;
	rq->reply->domain.xenstore_port = d->xenstore_port;
	memcpy(rq->reply->domain.name, d->name, sizeof(d->name));
	ret = request_put_fd(rq, d->client_fd, false);
	return ret < 0 ? ret : 0;
}

int op_ctl_shutdown(struct request *rq)
{
	log_line(NULL, "pid %d asks to end", (int)rq->h->pid);
	shutting_down = true;
	return 0;
}

/* --- status ------------------------------------------------------------------
 */

/* Names hold printable ASCII only; see domain.c. */
static void put_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

static void put_ports(FILE *f, struct domain *d)
{
	struct port_info info;
	const char *sep = "";
	uint32_t i;

	fprintf(f, ",\"ports\":[");
	for (i = 0; i < WIRE_MAX_PORTS; i++) {
		if (!evtchn_info(d, i, &info))
			continue;
		fprintf(f, "%s{\"port\":%u,\"state\":\"%s\"", sep, i,
			info.state);
		sep = ",";
		if (!strcmp(info.state, "virq"))
			fprintf(f, ",\"virq\":%u}", info.virq);
		else
			fprintf(f, ",\"remote_domid\":%u,\"remote_port\":%u}",
				info.remote_domid, info.remote_port);
	}
	fputc(']', f);
}

static void put_pids(FILE *f, struct domain *d)
{
	const char *sep = "";
	struct handle *h;

	fprintf(f, ",\"handles\":[");
	LIST_FOREACH(h, &d->handles, link)
	{
		if (h->kind != HANDLE_LIBRARY)
			continue;
		fprintf(f, "%s{\"pid\":%d}", sep, (int)h->pid);
		sep = ",";
	}
	fputc(']', f);
}

static void put_domain(FILE *f, struct domain *d)
{
	fprintf(f, "{\"domid\":%u,\"name\":", d->domid);
	put_string(f, d->name);
	fprintf(f, ",\"privileged\":%s", d->privileged ? "true" : "false");
	fprintf(f, ",\"paused\":%s", d->paused ? "true" : "false");
	fprintf(f, ",\"shutdown\":%s", d->shutdown ? "true" : "false");
	fprintf(f, ",\"uptime_ms\":%llu",
		(unsigned long long)(now_ms() - d->created_ms));
	fprintf(f, ",\"xenstore\":{\"gfn\":%u,\"port\":%u,\"pid\":%d}",
		d->xenstore_gfn, d->xenstore_port,
		d->xenbus ? (int)d->xenbus->pid : 0);
	fprintf(f, ",\"grants\":{\"references\":%u,\"shares\":%u,\"maps\":%u}",
		d->nr_refs, d->nr_shares, d->nr_maps);
	fprintf(f,
		",\"counters\":{\"messages\":%llu,\"binds\":%llu,"
		"\"shared\":%llu,\"mapped\":%llu,\"unmapped\":%llu,"
		"\"windows\":%llu,\"refused\":%llu}",
		(unsigned long long)d->count.messages,
		(unsigned long long)d->count.binds,
		(unsigned long long)d->count.shares,
		(unsigned long long)d->count.maps,
		(unsigned long long)d->count.unmaps,
		(unsigned long long)d->count.windows,
		(unsigned long long)d->count.refused);
	put_pids(f, d);
	put_ports(f, d);
	fputc('}', f);
}

static int write_status(struct handle *h)
{
	const char *sep = "";
	struct domain *d;
	size_t len;
	FILE *f;

	free(h->status);
	h->status = NULL;
	f = open_memstream(&h->status, &len);
	if (!f)
		return -ENOMEM;
	fprintf(f, "{\"domains\":[");
	for (d = domain_next(0); d; d = domain_next(d->domid + 1)) {
		fputs(sep, f);
		put_domain(f, d);
		sep = ",";
	}
	fprintf(f, "],\"devices\":");
	device_status(f);
	fprintf(f, "}\n");
	if (fclose(f)) {
		free(h->status);
		h->status = NULL;
		return -ENOMEM;
	}
	h->status_len = (uint32_t)len;
	return 0;
}

/* Offset 0 takes a new snapshot; the rest of it is asked for piece by piece. */
int op_ctl_status(struct request *rq)
{
	uint32_t offset = rq->msg->offset;
	struct handle *h = rq->h;
	int ret = offset ? 0 : write_status(h);

	if (ret)
		return ret;
	if (!h->status || offset > h->status_len)
		return -EINVAL;
	rq->out_len = h->status_len - offset;
	if (rq->out_len > WIRE_MAX_PAYLOAD)
		rq->out_len = WIRE_MAX_PAYLOAD;
	memcpy(rq->out, h->status + offset, rq->out_len);
	rq->reply->offset = h->status_len;
	return 0;
}
