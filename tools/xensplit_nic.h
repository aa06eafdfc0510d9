/* SPDX-License-Identifier: MIT */
/*
 * NICSPEC, the words of xl-network-configuration(5) as far as a PV NIC served
 * by xensplitd can have them, and some of our own.
 */
#ifndef XENSPLIT_TOOLS_XENSPLIT_NIC_H
#define XENSPLIT_TOOLS_XENSPLIT_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hypercall/xs_store.h"

#define NIC_TEXT_MAX 512u

struct nic_spec {
	bool has_mac, has_devid, untrusted;
	uint8_t mac[6];
	uint32_t devid, mtu; /* mtu 0: not given */
	/* "" when not given; as they are written into xenstore */
	char backend[NIC_TEXT_MAX]; /* domain, id or name */
	char bridge[NIC_TEXT_MAX], gatewaydev[NIC_TEXT_MAX];
	char vifname[NIC_TEXT_MAX], script[NIC_TEXT_MAX], ip[NIC_TEXT_MAX];
	char link[NIC_TEXT_MAX], vlan[NIC_TEXT_MAX], antispoof[NIC_TEXT_MAX];
	char rate[NIC_TEXT_MAX], rate_rx[NIC_TEXT_MAX];
	char pps[NIC_TEXT_MAX], pps_rx[NIC_TEXT_MAX];
	char csum_offload[NIC_TEXT_MAX];
	/* what was understood and has no meaning here, for a note */
	char ignored[NIC_TEXT_MAX];
};

/*
 * All words describe one NIC, each KEY=VALUE[,KEY=VALUE]..., as for `xl
 * network-attach`.  0 or -EINVAL with a reason.
 */
int nic_spec_parse(struct nic_spec *nic, unsigned int nr,
		   const char *const *words, struct xs_err *err);
/* A random address with Xen's prefix, 00:16:3e. */
void nic_random_mac(uint8_t mac[6]);
void nic_format_mac(const uint8_t mac[6], char out[18]);
/* XX:XX:XX:XX:XX:XX of one station; 0 or -EINVAL. */
int nic_parse_mac(const char *text, uint8_t mac[6]);
/* "0" or "vif/0": 0 or -EINVAL. */
int nic_parse_devid(const char *text, uint32_t *devid);

#endif
