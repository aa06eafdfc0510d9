/* SPDX-License-Identifier: MIT */
/* The commands of the control socket. */
#ifndef XENSPLIT_BACKEND_CONTROL_COMMANDS_H
#define XENSPLIT_BACKEND_CONTROL_COMMANDS_H

#include <jansson.h>

struct supervisor;

/* The answer to a question (NULL: the line was not JSON); the caller's. */
json_t *control_answer(struct supervisor *super, const json_t *question);

#endif
