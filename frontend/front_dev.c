// SPDX-License-Identifier: MIT
/*
 * A frontend's device: its state as seen by all threads.  See front_dev.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/front_dev.h"
#include "hypercall/log.h"

void front_dev_init(struct front_dev *d, const struct front_class *class,
		    unsigned int devid, unsigned int wait_ms)
{
	d->class = class;
	d->devid = devid;
	d->wait_ms = wait_ms;
	snprintf(d->who, sizeof(d->who), "%s/%u", class->name, devid);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
}

void front_dev_destroy(struct front_dev *d)
{
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
}

void front_end(struct front_dev *d, int err, const char *fmt, ...)
{
	int none = 0;
	va_list ap;

	if (!atomic_compare_exchange_strong(&d->status, &none, err))
		return;
	pthread_mutex_lock(&d->lock);
	va_start(ap, fmt);
	vsnprintf(d->reason.text, sizeof(d->reason.text), fmt, ap);
	va_end(ap);
	/* front_start() hands its reason to the caller. */
	if (d->phase != FRONT_OPENING)
		log_line(err == -EIO ? LOG_LEVEL_ERR : LOG_LEVEL_INFO, d->who,
			 "%s", d->reason.text);
	d->phase = FRONT_ENDED;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	d->class->wake(d);
	front_poke(d);
}

/* The control thread keeps the time, so this always ends. */
static int wait_connected(struct front_dev *d, char *errbuf, size_t size)
{
	int err = 0;

	pthread_mutex_lock(&d->lock);
	while (d->phase == FRONT_OPENING)
		pthread_cond_wait(&d->changed, &d->lock);
	if (d->phase == FRONT_ENDED) {
		err = atomic_load(&d->status);
		if (errbuf && size)
			snprintf(errbuf, size, "%s: %s", d->who,
				 d->reason.text);
	}
	pthread_mutex_unlock(&d->lock);
	return err;
}

int front_cannot_open(const struct front_class *class, unsigned int devid,
		      int err, const char *what, char *errbuf,
		      size_t errbuf_size)
{
	if (errbuf && errbuf_size)
		snprintf(errbuf, errbuf_size, "%s/%u: %s: %s", class->name,
			 devid, what, strerror(-err));
	return err;
}

int front_start(struct front_dev *d, xengntshr_handle **gntshr, char *errbuf,
		size_t errbuf_size)
{
	int err;

	*gntshr = xengntshr_open(NULL, 0);
	if (!*gntshr)
		return front_cannot_open(d->class, d->devid, -errno,
					 "cannot share memory (xengntshr_open)",
					 errbuf, errbuf_size);
	err = front_xenbus_start(d);
	if (err)
		return front_cannot_open(d->class, d->devid, err,
					 "cannot start the control thread",
					 errbuf, errbuf_size);
	return wait_connected(d, errbuf, errbuf_size);
}

void front_stop(struct front_dev *d)
{
	int none = 0;

	atomic_store(&d->closing, true);
	front_xenbus_stop(d);
	atomic_compare_exchange_strong(&d->status, &none, -ENODEV);
}
