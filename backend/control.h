/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's control socket: a Unix stream socket, one JSON object a
 * line each way.
 *
 *   {"command": "list"}     devices, without counters; workers
 *   {"command": "stats"}    the same with counters and latencies
 *   {"command": "resize", "device": "vbd/2/51712"}   look at the size again
 *   {"command": "pcap", "device": "vif/2/0", "file": "/tmp/a.pcap"}
 *                           record a NIC's frames; without "file": stop
 *   {"command": "version"}
 *
 * An answer is one line, {"error": "..."} if the command cannot be done.
 * Clients, the length of a line and the time a client may be idle are
 * bounded.  The socket is for the user that the supervisor runs as.
 */
#ifndef XENSPLIT_BACKEND_CONTROL_H
#define XENSPLIT_BACKEND_CONTROL_H

struct control;
struct supervisor;

#define CONTROL_PATH_DEFAULT "/run/xensplit/control"
/* If set: the directory that has it, as `control`. */
#define CONTROL_DIR_ENV "XENSPLIT_RUNDIR"

/* Replaces a socket that nobody serves.  0 or -errno, having logged why. */
int control_open(struct control **control, struct supervisor *super,
		 const char *path);
/* Also removes the socket.  NULL is fine. */
void control_close(struct control *control);

#endif
