/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's end of a worker process: starts it, asks it, notices its
 * death and starts another.
 *
 * One worker serves all devices of one frontend domain.  When it dies, every
 * device of that domain is told (WORKER_DIED) and told again when the next one
 * is ready (WORKER_CAME); the next one knows nothing, so the devices say all
 * of it again, questions that were in flight included.  A worker that dies too
 * often is given up (WORKER_LOST).
 *
 * Nothing that a worker sends is believed beyond the devices of its own
 * domain: an answer to no question or a malformed packet ends it.
 *
 * One thread, the supervisor's loop.
 */
#ifndef XENSPLIT_BACKEND_WORKER_HANDLE_H
#define XENSPLIT_BACKEND_WORKER_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend/device.h"
#include "backend/super.h"
#include "backend/worker_proto.h"

/* err: 0 or -errno; text: the worker's reason, "" if none; printable when
 * logged. */
typedef void (*worker_answer_cb)(struct device *dev, int err, const char *text);

/* Have a worker for dom: dom->worker, which may not be ready yet.  Counts a
 * user. */
int worker_use(struct fe_domain *dom, struct xs_err *err);
/* One user less; the last one's going ends the worker. */
void worker_unuse(struct fe_domain *dom);

bool worker_is_ready(const struct worker_handle *w);
pid_t worker_pid(const struct worker_handle *w); /* 0: none at the moment */
uint32_t worker_domid(const struct worker_handle *w);
unsigned int worker_restarts(const struct worker_handle *w);

/*
 * Ask; cb is called with the answer, never from within.  msg's seq and device
 * are set here.  fds stay the caller's and must stay open until the answer.
 * The question is dropped when the worker dies.  -ENOMEM or -ENOTCONN.
 */
int worker_ask(struct worker_handle *w, struct device *dev,
	       const struct worker_msg *msg, const int *fds,
	       unsigned int nr_fds, worker_answer_cb cb);
/* Answers to dev's questions are of no interest any more. */
void worker_forget(struct worker_handle *w, struct device *dev);
/* It does not do what it should: end it; another one is started. */
void worker_kill(struct worker_handle *w, const char *why);

/* For listings. */
struct worker_handle *worker_next(const struct worker_handle *w);

#endif
