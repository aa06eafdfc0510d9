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
int cmd_network_attach(int argc, char **argv);
int cmd_network_detach(int argc, char **argv);
int cmd_network_list(int argc, char **argv);
int cmd_network_pcap(int argc, char **argv);
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

/* -- one virtual device (xensplit_device.c) -- */

#define PVDEV_PATH_MAX  128u
#define PVDEV_VALUE_MAX 512u

struct pvdev_kind {
	const char *type; /* below the frontend's device/: vbd, vif */
	const char *what; /* "disk" */
	/* below backend/, ended by NULL; the first nr_own are ours: the one of
	 * all toolstacks, and one for domains whose kernel serves that */
	const char *const *classes;
	unsigned int nr_own;
};
extern const struct pvdev_kind vbd_kind, vif_kind;

struct pvdev {
	const struct pvdev_kind *kind;
	const char *class; /* below backend/: vbd, qdisk, vbd3; vif, qnic */
	uint32_t fe_domid, be_domid, devid;
	char be_dir[PVDEV_PATH_MAX], fe_dir[PVDEV_PATH_MAX];
	char error_dir[PVDEV_PATH_MAX]; /* error node of the backend's domain */
	char name[VDEV_NAME_MAX];       /* of a disk, xvda; a NIC's number */
};

void pvdev_init(struct pvdev *dev, const struct pvdev_kind *kind,
		const char *class, uint32_t be_domid, uint32_t fe_domid,
		uint32_t devid);
/* The device devid of fe_domid, whichever domain is its backend.  Found by
 * backends' directories, which the frontend's domain cannot write. */
int pvdev_find(struct ctl *ctl, const struct pvdev_kind *kind,
	       uint32_t fe_domid, uint32_t devid, struct pvdev *dev);
/* Names below dir that are numbers, ascending; free(). */
uint32_t *pvdev_numbers(struct ctl *ctl, const char *dir, unsigned int *nr);
/* Calls fn for every device of the kind that a backend's directory names. */
void pvdev_each(struct ctl *ctl, const struct pvdev_kind *kind,
		void (*fn)(const struct pvdev *dev, void *arg), void *arg);

/* Both ends as they are now. */
struct pvdev_view {
	bool be_exists, fe_exists;
	enum xenbus_state be, fe;
	char error[PVDEV_VALUE_MAX]; /* printable; of the backend, else the
				      * frontend; "" for none */
};
void pvdev_look(struct ctl *ctl, const struct pvdev *dev,
		struct pvdev_view *view);

typedef bool (*pvdev_until)(const struct pvdev_view *view);
/* Sleeps on watches until the condition holds: 0; -ETIMEDOUT; -EINTR when a
 * signal came; -ENOTCONN when xenstore went away.  view is the last look. */
int pvdev_wait(struct ctl *ctl, const struct pvdev *dev, double seconds,
	       pvdev_until until, struct pvdev_view *view);
bool pvdev_backend_closed(const struct pvdev_view *view);

/* online=0 and Closing in one transaction; force: and xensplit/force=1. */
int pvdev_ask_to_close(struct ctl *ctl, const struct pvdev *dev, bool force);
/* Removes both directories, and parents that are empty then, at once. */
int pvdev_remove(struct ctl *ctl, const struct pvdev *dev);
/* Removes the reason that an earlier attach left. */
void pvdev_clear_error(struct ctl *ctl, const struct pvdev *dev);
/* Adds domain, vdev (of a disk), numbers and paths. */
void pvdev_json(const struct pvdev *dev, json_t *obj);

/* -- xensplitd's control socket (xensplit_control.c) -- */

/* Asks and returns the answer, NULL after a complaint.  control: its path, or
 * NULL: the default.  Takes the question's reference. */
json_t *control_ask(const char *control, json_t *question);

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
