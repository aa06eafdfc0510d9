/* SPDX-License-Identifier: MIT */
/*
 * What the files of xenlocal(1) share.  docs/xenlocal.md describes the command.
 *
 * Messages go to standard error through say(); functions that say why they
 * failed return -1 and their callers only clean up.
 */
#ifndef XENSPLIT_XENLOCAL_H
#define XENSPLIT_XENLOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hypercall/local/admin.h"

#define MAX_RUNDIR   88 /* "/dom32751/xenstore" must fit a socket's name too */
#define MAX_PATH     108
#define NAME_MAX_LEN 63

__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/*
 * xenlocal_rundir.c: the directory all of one embedded Xen lives in.
 */
struct rundir {
	char path[MAX_RUNDIR + 1]; /* absolute */
	int lock_fd;               /* -1: not locked */
};

/* Chooses it: option (may be NULL), environment, default.  0 or -1. */
int rundir_choose(struct rundir *r, const char *option);
/* Makes it if missing; it must be ours alone.  0 or -1. */
int rundir_make(struct rundir *r);
/* Waits for and takes the lock that start, stop, create, destroy hold. */
int rundir_lock(struct rundir *r);
void rundir_unlock(struct rundir *r);
/* Path of a file in it, or in a domain's part of it; static storage, four
 * results live at once. */
const char *in_rundir(const struct rundir *r, const char *name);
const char *in_domdir(const struct rundir *r, unsigned int domid,
		      const char *name);
int domdir_make(const struct rundir *r, unsigned int domid);
void domdir_remove(const struct rundir *r, unsigned int domid);
/* Calls fn for each domain that has a part of the directory. */
void rundir_each_dom(const struct rundir *r,
		     void (*fn)(const struct rundir *r, unsigned int domid,
				void *arg),
		     void *arg);
/*
 * Removes what xenlocal made there; with `all` the lock too (hold it), and the
 * directory if start made it.
 */
void rundir_clear(struct rundir *r, bool all);

/*
 * xenlocal_proc.c: processes.
 */
struct proc {
	pid_t pid;                /* 0: none */
	unsigned long long start; /* of /proc/PID/stat, against reuse of pid */
};

struct launch {
	const char *const *argv;
	const char *log;        /* standard output and error are appended */
	const char *const *env; /* NAME=VALUE or NAME (unset), NULL-ended */
	int keep_fd;            /* inherited under the same number, or -1 */
	int ready_fd;           /* likewise */
};

/* Starts a background process.  0, or -1 after saying why not. */
int proc_launch(const struct launch *l, struct proc *p);
bool proc_alive(const struct proc *p);
/* Remembers a process in a file, and recalls it (pid 0 if none). */
int proc_save(const char *path, const struct proc *p);
void proc_load(const char *path, struct proc *p);
/* SIGTERM, then SIGKILL after timeout_ms; returns when it is gone. */
void proc_end(const struct proc *p, int timeout_ms);
/*
 * Which processes belong to some domains: those that hold the domain's socket,
 * known by its inode number.  `spare` are not meant, nor is the caller.
 */
#define MAX_MEMBER_DOMS 1024
struct members {
	uint64_t inode[MAX_MEMBER_DOMS];
	size_t nr_inodes;
	pid_t spare[MAX_MEMBER_DOMS + 8];
	size_t nr_spare;
};
void members_add(struct members *m, uint64_t inode);
void members_spare(struct members *m, pid_t pid);
/*
 * Returns how many there are; at most max are stored in out[], and the index
 * of each one's inode in dom[] (may be NULL).
 */
size_t members_find(const struct members *m, struct proc *out, size_t *dom,
		    size_t max);
/* Ends all of them, as proc_end, and those that they started meanwhile. */
void members_end(const struct members *m, int timeout_ms);
/* Waits for a byte on fd; 0, or -1 when p ends first or time is up. */
int proc_wait_ready(const struct proc *p, int fd, int timeout_ms);

/*
 * xenlocal_host.c: the running embedded Xen.
 */
struct host {
	struct rundir dir;
	struct admin *admin;
	struct proc xenlocald, xenstored;
};

/* Chooses the directory and recalls what was started there; asks nobody. */
int host_recall(struct host *h, const char *rundir_option);
/*
 * The same under the directory's lock, which host_close() gives back.  Without
 * a directory there is nothing to lock: 0, and dir.lock_fd is -1.
 */
int host_recall_locked(struct host *h, const char *rundir_option);
/*
 * Ends whatever of it still lives, first the guests, and removes its files;
 * for rundir_clear's `all`.  timeout_ms is what the guests' processes get.
 */
void host_sweep(struct host *h, int timeout_ms, bool all);
/* Connects to a running one.  0, or -1 after saying that there is none. */
int host_open(struct host *h, const char *rundir_option);
void host_close(struct host *h);
/* Of another file of ours: KIND/NAME beside the directory of this program. */
const char *our_file(const char *kind, const char *name);
/* "LD_LIBRARY_PATH=" with our libraries first; malloc'ed, NULL: no memory. */
char *library_path(void);
/* Makes libxenstore of this process speak to domain 0's xenstored. */
void use_dom0_store(const struct host *h);

/*
 * xenlocal_domain.c: making and ending domains.
 */
struct domain_spec {
	uint32_t domid; /* ADMIN_DOMID_END: the next free one; set on return */
	const char *name;
	bool driver_domain;
};

/* Both need the rundir's lock held.  0, or -1 after saying why. */
int domain_create(struct host *h, struct domain_spec *spec);
int domain_destroy(struct host *h, uint32_t domid);
/* Whether domain_create() has come to its end for it. */
bool domain_is_ready(const struct rundir *r, unsigned int domid);
/* The inode of the domain's socket, kept in its directory; 0: unknown. */
uint64_t domain_inode(const struct rundir *r, unsigned int domid);
int domain_save_inode(const struct rundir *r, unsigned int domid, int fd);
/* A number below ADMIN_DOMID_END.  0, or -1 after saying what is wrong. */
int parse_domid(const char *text, uint32_t *domid);

/*
 * xenlocal_store.c: a domain's nodes in xenstore, as libxl makes them.
 */
int store_init_dom0(void);
int store_create(const struct domain_spec *spec, uint32_t gfn, uint32_t port);
void store_destroy(uint32_t domid);
/* The name of the domain that has it; true if another than domid does. */
bool store_name_taken(const char *name, uint32_t *by);

/*
 * xenlocal_wall.c: what keeps a guest's processes from the host's sockets.
 */
struct wall {
	bool own_net;   /* a network of its own */
	bool host_caps; /* stay in the host's user namespace (root only) */
};

/*
 * Puts the calling process behind the wall.  Says what could not be walled
 * off and goes on; -1 only if what was asked for explicitly failed.
 */
int wall_enter(const struct rundir *r, unsigned int domid,
	       const struct wall *wall);

/*
 * Subcommands: their own options, main's exit status.
 */
int cmd_start(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_destroy(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
