/* SPDX-License-Identifier: MIT */
/*
 * Between worker_handle.c, the life of a worker's process, and worker_talk.c,
 * what is asked and answered.
 */
#ifndef XENSPLIT_BACKEND_WORKER_HANDLE_PRIV_H
#define XENSPLIT_BACKEND_WORKER_HANDLE_PRIV_H

#include <ev.h>
#include <sys/queue.h>

#include "backend/ring_drain.h"
#include "backend/worker_handle.h"

enum worker_state {
	STARTING, /* waits for WORKER_READY */
	READY,
	DYING,    /* killed, or its socket is closed; waits for its end */
	DRAINING, /* is dead, but the kernel has operations of it */
	WAITING,  /* for the time of the next start */
	LOST,
	ENDING, /* has no domain any more */
};

struct question {
	uint32_t seq;
	bool sent, forgotten;
	struct device *dev;
	worker_answer_cb cb;
	TAILQ_ENTRY(question) link;
	unsigned int nr_fds;
	int fds[WORKER_MAX_FDS];
	struct worker_msg msg;
};

struct worker_handle {
	struct supervisor *super;
	struct fe_domain *dom; /* NULL when ENDING */
	uint32_t domid;
	enum worker_state state;
	pid_t pid;
	int pidfd, sock;
	int keeper_sock, keeper_pidfd; /* its companion's (mem_keeper.h) */
	bool left_some; /* dead, with operations under way; not settled yet */
	double look_s;  /* until the next look at those */
	ev_io on_sock, on_pid;
	ev_timer timer;
	unsigned int users, restarts;
	unsigned int nr_deaths; /* since first_death */
	double first_death;
	bool killed_by_us; /* or told to end: does not count as a death */
	uint32_t last_seq;
	struct ring_drain rings;
	char who[32];
	TAILQ_HEAD(, question) questions;
	LIST_ENTRY(worker_handle) link;
};

/* ---- worker_handle.c ---- */

/* Each of its domain's devices that is open. */
void worker_tell_devices(struct worker_handle *w, enum worker_change what,
			 const char *reason);
void worker_close_sock(struct worker_handle *w);
void worker_kill_process(struct worker_handle *w);
/* Broken or lying: dies as if by itself, which is counted. */
void worker_distrust(struct worker_handle *w, const char *why);

/* ---- worker_talk.c ---- */

/* Of the socket: something to read, or room to write. */
void worker_on_sock(struct ev_loop *loop, ev_io *io, int revents);
/* Nobody will answer them. */
void worker_drop_questions(struct worker_handle *w);

#endif
