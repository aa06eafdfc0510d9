/* SPDX-License-Identifier: MIT */
/* The functions of xs_store.h that reading keys needs, played on a list of
 * "key=value". */
#ifndef XENSPLIT_TESTS_KEYS_FIXTURE_H
#define XENSPLIT_TESTS_KEYS_FIXTURE_H

#define KEYS_DIR "/d" /* where the keys are */

extern unsigned int nr_transactions;

/* "a=1;b=2" into keys; the text is changed, and has to stay. */
void set_keys(char *text);

#endif
