// SPDX-License-Identifier: MIT
/*
 * See net_pcap.h.  libpcap formats; what it "writes to a file" lands in a
 * buffer, and the control thread writes full ones out.
 */
#include "backend/net_pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUF_SIZE (2u << 20)
/* of a record: libpcap's header in a file is 16 bytes */
#define RECORD_MAX (NET_PCAP_SNAP_MAX + 64u)

struct buffer {
	char *mem;
	size_t len;
};

struct net_pcap_private {
	pthread_mutex_t lock; /* of all but out, out_pos and fd */
	void (*wake)(void *arg);
	void *arg;
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	uint32_t snap_len;
	uint64_t missed;
	bool file_is_full; /* it took nothing at the last try: wake again */
	struct buffer fill;
	unsigned char record[NET_PCAP_SNAP_MAX];
	/* the control thread's */
	struct buffer out;
	size_t out_pos;
	int fd;
};

/* ---- data threads ---- */

static ssize_t append(void *cookie, const char *buf, size_t len)
{
	struct net_pcap_private *v = cookie;

	if (len > BUF_SIZE - v->fill.len)
		return 0; /* not reached: record() looks before */
	memcpy(v->fill.mem + v->fill.len, buf, len);
	v->fill.len += len;
	return (ssize_t)len;
}

static void record(struct net_pcap_private *v, const struct net_frame *f,
		   const struct timespec *now)
{
	struct pcap_pkthdr head = {
		.len = f->len,
		.caplen = f->len < v->snap_len ? f->len : v->snap_len,
		/* nanoseconds, as the file's header says */
		.ts = {.tv_sec = now->tv_sec, .tv_usec = now->tv_nsec},
	};
	uint32_t at = 0, i;

	if (BUF_SIZE - v->fill.len < RECORD_MAX) {
		v->missed++;
		return;
	}
	for (i = 0; i < f->nr_iov && at < head.caplen; i++) {
		size_t n = f->iov[i].iov_len;

		if (n > head.caplen - at)
			n = head.caplen - at;
		memcpy(v->record + at, f->iov[i].iov_base, n);
		at += (uint32_t)n;
	}
	head.caplen = at;
	pcap_dump((unsigned char *)v->dumper, &head, v->record);
}

void net_pcap_frames(struct net_pcap *p, const struct net_frame *frames,
		     unsigned int nr)
{
	struct net_pcap_private *v = p->priv;
	struct timespec now;
	bool wake = false;
	unsigned int i;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&v->lock);
	if (v->dumper) {
		wake = !v->fill.len || v->file_is_full;
		for (i = 0; i < nr; i++)
			record(v, &frames[i], &now);
	}
	pthread_mutex_unlock(&v->lock);
	if (wake)
		v->wake(v->arg);
}

/* ---- the control thread ---- */

int net_pcap_init(struct net_pcap *p, void (*wake)(void *arg), void *arg)
{
	struct net_pcap_private *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	pthread_mutex_init(&v->lock, NULL);
	v->wake = wake;
	v->arg = arg;
	v->fd = -1;
	atomic_init(&p->on, false);
	p->priv = v;
	return 0;
}

void net_pcap_destroy(struct net_pcap *p)
{
	if (!p->priv)
		return;
	net_pcap_stop(p);
	pthread_mutex_destroy(&p->priv->lock);
	free(p->priv);
	p->priv = NULL;
}

static void close_all(struct net_pcap_private *v)
{
	if (v->dumper)
		pcap_dump_close(v->dumper);
	if (v->pcap)
		pcap_close(v->pcap);
	if (v->fd >= 0)
		close(v->fd);
	free(v->fill.mem);
	free(v->out.mem);
	v->dumper = NULL;
	v->pcap = NULL;
	v->fd = -1;
	v->fill = v->out = (struct buffer){NULL, 0};
	v->out_pos = 0;
	v->file_is_full = false;
}

static int open_dumper(struct net_pcap_private *v)
{
	const cookie_io_functions_t io = {.write = append};
	FILE *f = fopencookie(v, "w", io);

	if (!f)
		return -ENOMEM;
	setvbuf(f, NULL, _IONBF, 0);
	v->pcap = pcap_open_dead_with_tstamp_precision(
		DLT_EN10MB, (int)v->snap_len, PCAP_TSTAMP_PRECISION_NANO);
	v->dumper = v->pcap ? pcap_dump_fopen(v->pcap, f) : NULL;
	if (!v->dumper) {
		fclose(f);
		return -ENOMEM;
	}
	return 0;
}

int net_pcap_start(struct net_pcap *p, int fd, uint32_t snap_len)
{
	struct net_pcap_private *v = p->priv;
	int e, flags = fcntl(fd, F_GETFL);

	net_pcap_stop(p);
	/* a pipe that nobody reads must not hold up the worker */
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
		e = -errno;
		close(fd);
		return e;
	}
	if (snap_len < NET_PCAP_SNAP_MIN)
		snap_len = NET_PCAP_SNAP_MIN;
	pthread_mutex_lock(&v->lock);
	v->fd = fd;
	v->missed = 0;
	v->snap_len = snap_len > NET_PCAP_SNAP_MAX ? NET_PCAP_SNAP_MAX
						   : snap_len;
	v->fill.mem = malloc(BUF_SIZE);
	v->out.mem = malloc(BUF_SIZE);
	e = v->fill.mem && v->out.mem ? open_dumper(v) : -ENOMEM;
	if (e)
		close_all(v);
	pthread_mutex_unlock(&v->lock);
	if (e)
		return e;
	atomic_store(&p->on, true);
	return net_pcap_flush(
		p); /* its header, and whether it can be written */
}

/* 1: all is written; 0: the file takes no more now; or -errno. */
static int write_out(struct net_pcap_private *v)
{
	while (v->out_pos < v->out.len) {
		ssize_t n = write(v->fd, v->out.mem + v->out_pos,
				  v->out.len - v->out_pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return n ? -errno : -EIO;
		v->out_pos += (size_t)n;
	}
	v->out.len = v->out_pos = 0;
	return 1;
}

static int drain(struct net_pcap_private *v)
{
	struct buffer full;
	int res = 1;

	while (v->fd >= 0 && res == 1) {
		res = write_out(v);
		if (res < 0)
			break;
		pthread_mutex_lock(&v->lock);
		v->file_is_full = !res;
		if (res == 1) {
			full = v->fill;
			v->fill = v->out;
			v->out = full;
			if (!full.len)
				res = 0;
		}
		pthread_mutex_unlock(&v->lock);
	}
	return res < 0 ? res : 0;
}

int net_pcap_flush(struct net_pcap *p)
{
	struct net_pcap_private *v = p->priv;
	int e = drain(v);

	if (!e)
		return 0;
	atomic_store(&p->on, false);
	pthread_mutex_lock(&v->lock);
	close_all(v);
	pthread_mutex_unlock(&v->lock);
	return e;
}

int64_t net_pcap_stop(struct net_pcap *p)
{
	struct net_pcap_private *v = p->priv;
	int64_t res;
	int e;

	atomic_store(&p->on, false);
	if (v->fd < 0)
		return 0;
	e = drain(v);
	pthread_mutex_lock(&v->lock);
	res = e ? e : (int64_t)v->missed;
	close_all(v);
	pthread_mutex_unlock(&v->lock);
	return res;
}
