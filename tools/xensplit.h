/* SPDX-License-Identifier: MIT */
/*
 * xensplit: what its subcommands share.
 *
 * A subcommand is a file xensplit_NAME.c with one function and a line in
 * xensplit.c's table.  It returns the exit code.
 */
#ifndef XENSPLIT_TOOLS_XENSPLIT_H
#define XENSPLIT_TOOLS_XENSPLIT_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "hypercall/xenbus_state.h"
#include "hypercall/xs_store.h"
#include "hypercall/vdev.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* argv[0] is the subcommand's name. */
int cmd_block_attach(int argc, char **argv);
int cmd_block_detach(int argc, char **argv);
int cmd_block_list(int argc, char **argv);
int cmd_stats(int argc, char **argv);

/* "xensplit: ..." on standard error; returns EXIT_FAILED. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As complain, with the subcommand's synopsis; returns EXIT_USAGE. */
int usage_error(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Seconds as a decimal number over 0, at most a day; false if not. */
bool parse_seconds(const char *text, double *seconds);
/* A JSON string of any bytes: what is not UTF-8 is escaped as \xNN. */
json_t *json_text(const char *text);
/* Prints one JSON value and a line end; takes the reference. */
void print_json(json_t *value);

/* -- xenstore and signals (xensplit_ctl.c) -- */

/* A connection, a loop, and SIGINT, SIGTERM and SIGHUP caught until close, so
 * that what was begun is cleaned up. */
struct ctl {
	struct ev_loop *loop;
	struct xs_store *xs;
	ev_signal signals[3];
	bool interrupted, lost;
	uint32_t own_domid;
};

/* 0, or -errno after a complaint. */
int ctl_open(struct ctl *ctl);
void ctl_close(struct ctl *ctl);

/* An id, or a name from /local/domain/ID/name.  Absent, unknown, ambiguous: a
 * reason in err and -errno. */
int ctl_domain(struct ctl *ctl, const char *text, uint32_t *domid,
	       struct xs_err *err);
/* "" when it has none. */
void ctl_domain_name(struct ctl *ctl, uint32_t domid, char *out, size_t size);
/* Ids of all domains in ascending order, only the own where the list cannot
 * be read; free(). */
uint32_t *ctl_domains(struct ctl *ctl, unsigned int *nr);

/* -- one virtual disk (xensplit_vbd.c) -- */

#define VBD_PATH_MAX  128u
#define VBD_VALUE_MAX 512u

struct vbd {
	uint32_t fe_domid, be_domid, devid;
	const char *class; /* below backend/: vbd, qdisk, ... */
	char be_dir[VBD_PATH_MAX], fe_dir[VBD_PATH_MAX];
	char error_dir[VBD_PATH_MAX]; /* error node of the backend's domain */
	char vdev[VDEV_NAME_MAX];
};

/* Classes of disk backends, ended by NULL; the first two are ours: the one of
 * all toolstacks, and one for domains whose kernel serves that. */
#define VBD_CLASS_SHARED 0
#define VBD_CLASS_OWN    1
extern const char *const vbd_classes[];

void vbd_init(struct vbd *vbd, const char *class, uint32_t be_domid,
	      uint32_t fe_domid, uint32_t devid);
/* The disk devid of fe_domid, whichever domain is its backend.  Found by
 * backends' directories, which the frontend's domain cannot write. */
int vbd_find(struct ctl *ctl, uint32_t fe_domid, uint32_t devid,
	     struct vbd *vbd);

/* Both ends as they are now. */
struct vbd_view {
	bool be_exists, fe_exists;
	enum xenbus_state be, fe;
	char error[VBD_VALUE_MAX]; /* printable; of the backend, else the
				    * frontend; "" for none */
};
void vbd_look(struct ctl *ctl, const struct vbd *vbd, struct vbd_view *view);

typedef bool (*vbd_until)(const struct vbd_view *view);
/* Sleeps on watches until the condition holds: 0; -ETIMEDOUT; -EINTR when a
 * signal came; -ENOTCONN when xenstore went away.  view is the last look. */
int vbd_wait(struct ctl *ctl, const struct vbd *vbd, double seconds,
	     vbd_until until, struct vbd_view *view);
bool vbd_backend_closed(const struct vbd_view *view);

/* online=0 and Closing in one transaction; force: and xensplit/force=1. */
int vbd_ask_to_close(struct ctl *ctl, const struct vbd *vbd, bool force);
/* Removes both directories, and parents that are empty then, at once. */
int vbd_remove(struct ctl *ctl, const struct vbd *vbd);
/* Removes the reason that an earlier attach left. */
void vbd_clear_error(struct ctl *ctl, const struct vbd *vbd);
/* Adds domain, vdev, numbers and paths. */
void vbd_json(const struct vbd *vbd, json_t *obj);

/* -- a table on standard output (xensplit_table.c) -- */

struct table;
struct table *table_new(unsigned int nr_columns);
/* Copies the text, made printable. */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints and frees. */
void table_print(struct table *t);

#endif
