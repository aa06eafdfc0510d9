/* SPDX-License-Identifier: MIT */
/*
 * For tests of what embedded Xen refuses: domains 1, 2 and 3, of which 1 grants
 * memory, and 3 is the one that breaks the rules.
 */
#ifndef XENSPLIT_TESTS_ISOLATION_FIXTURE_H
#define XENSPLIT_TESTS_ISOLATION_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>
#include <xengnttab.h>

#include "tests/unit/local_fixture.h"

#define PAGE  4096u
#define RW    (PROT_READ | PROT_WRITE)
#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

extern xengntshr_handle *share1; /* in domain 1 */
extern xengnttab_handle *tab2, *tab3;
xengnttab_handle *open_tab(uint32_t domid);

/* Pages of domain 1's, granted to another one. */
char *share(uint32_t to, int count, uint32_t *refs, int writable);

/* xenlocald serves others as if nothing had been. */
void assert_alive(void);

/* Memory with these MFD_ flags and F_SEAL_ seals; -1 if there is no such. */
int make_memfd(off_t size, unsigned int flags, int seals);

/* Run the tests that add() adds; for main(). */
int run_isolation(const char *name, void (*add)(TCase *tc));

#endif
