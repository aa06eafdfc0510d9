/* SPDX-License-Identifier: MIT */
/*
 * For the tests of a vif's policy: a policy, and tables of frames with what is
 * to become of them.  A frame is hexadecimal text; blanks are for the reader.
 */
#ifndef XENSPLIT_TESTS_UNIT_POLICY_FIXTURE_H
#define XENSPLIT_TESTS_UNIT_POLICY_FIXTURE_H

#include "backend/net_policy.h"

#define POLICY_NOW UINT64_C(1234000000000)

/* the guest's, another's, all */
#define ME    "00163e112233"
#define OTHER "00163e999999"
#define ALL   "ffffffffffff"
#define HEAD  ALL ME

extern struct net_policy *policy;
extern struct net_policy_settings settings;

/* Around each test. */
void policy_setup(void);
void policy_teardown(void);

void policy_add_addr(int family, const char *text, unsigned int len);
/* A new policy of these settings, which must be fine. */
void policy_apply(void);

/* How many bytes hex is, in out. */
size_t policy_bytes(uint8_t *out, const char *hex);
enum net_verdict policy_judge(enum net_dir dir, const char *hex,
			      uint32_t *vlan);

struct judged {
	const char *what, *frame;
	enum net_verdict verdict;
	uint32_t vlan; /* of those that pass */
};
void policy_check_table(enum net_dir dir, const struct judged *t, size_t n);
#define CHECK_TABLE(dir, t) \
	policy_check_table(dir, t, sizeof(t) / sizeof((t)[0]))

#endif
