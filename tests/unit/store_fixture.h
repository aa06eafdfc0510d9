/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the stores: a loop without a hypervisor, operations that
 * can be waited for, a temporary directory, an NBD server.
 */
#ifndef XENSPLIT_TESTS_UNIT_STORE_FIXTURE_H
#define XENSPLIT_TESTS_UNIT_STORE_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "backend/store.h"

#define WAIT_MS 10000

struct op {
	struct store_io io;
	struct iovec iov[8];
	bool ended;
	int res;
};

extern struct io_loop fixture_loop;
extern char fixture_dir[];

/* Around each test. */
void fixture_start(void);
void fixture_end(void);

/* Path of a new file of `size` bytes in dir; static memory. */
const char *fixture_file(const char *dir, off_t size);

/* nbdkit behind a Unix socket with these arguments; its pid. */
bool fixture_has_nbdkit(void);
pid_t fixture_nbdkit(const char *socket_path, char *const args[]);
void fixture_kill(pid_t pid);

/* Begin an operation on one buffer; wait for it. */
void op_start(struct store_ctx *ctx, struct op *op, enum store_op what,
	      void *buf, uint64_t offset, uint64_t len);
int op_wait(struct op *op);
int op_run(struct store_ctx *ctx, enum store_op what, void *buf,
	   uint64_t offset, uint64_t len);

#endif
