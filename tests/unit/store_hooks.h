/* SPDX-License-Identifier: MIT */
/* See store_hooks.c. */
#ifndef XENSPLIT_TESTS_STORE_HOOKS_H
#define XENSPLIT_TESTS_STORE_HOOKS_H

#include <stdint.h>

#define STORE_HOOK_EXIT 99

/* Stores that may still be done, 0: any number; and how many were counted.
 * Weak: their addresses are NULL in a program without hooks. */
extern uint64_t store_hook_left __attribute__((weak));
extern uint64_t store_hook_seen __attribute__((weak));

#endif
