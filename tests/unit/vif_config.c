// SPDX-License-Identifier: MIT
/*
 * The keys of a NIC, as toolstacks and frontends may write them, as tables.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/hotplug_status.h"
#include "backend/vif.h"
#include "tests/unit/keys_fixture.h"
#include "tests/unit/run_suite.h"

#define DIR   KEYS_DIR
#define MAC   "mac=00:16:3e:01:02:03"
#define NR(a) (int)(sizeof(a) / sizeof((a)[0]))

/* ---- the toolstack's ---- */

static const struct {
	const char *keys;
	int res;
	const char *target; /* or a part of the reason */
	const char *name;
} configs[] = {
	{MAC, 0, "tap:vif3.1", "vif3.1"},
	{MAC ";vifname=web0", 0, "tap:web0", "web0"},
	/* a script expects vifF.D, and renames it */
	{MAC ";vifname=web0;script=/s", 0, "tap:vif3.1", "web0"},
	{MAC ";script=/s;bridge=br0", 0, "tap:vif3.1", "vif3.1"},
	{MAC ";script=;vifname=web0", 0, "tap:web0", "web0"},
	{MAC ";xensplit/link=user:", 0, "user:", "vif3.1"},
	{MAC ";xensplit/link=memory:sink;vifname=x", 0, "memory:sink", "x"},
	{MAC ";mtu=9000", 0, "tap:vif3.1", "vif3.1"},
	{"", -ENOENT, "mac", NULL},
	{"mac=nonsense", -EINVAL, "mac", NULL},
	{"mac=01:00:5e:00:00:01", -EINVAL, "mac", NULL},
	{MAC ";mtu=67", -EINVAL, "mtu", NULL},
	{MAC ";mtu=65522", -EINVAL, "mtu", NULL},
	{MAC ";mtu=big", -EINVAL, "mtu", NULL},
	{MAC ";vifname=0123456789abcdef", -EINVAL, "vifname", NULL},
	{MAC ";vifname=a/b", -EINVAL, "vifname", NULL},
	{MAC ";vifname=..", -EINVAL, "vifname", NULL},
	{MAC ";vifname=-x", -EINVAL, "vifname", NULL},
	{MAC ";vifname=a b", -EINVAL, "vifname", NULL},
	{MAC ";vifname=tap%d", -EINVAL, "vifname", NULL},
	{MAC ";ip=1.2.3", -EINVAL, "ip", NULL},
	{MAC ";rate=5", -EINVAL, "rate", NULL},
	{MAC ";vlan=4095x", -EINVAL, "vlan", NULL},
	{MAC ";xensplit/csum-offload=2", -EINVAL, "csum-offload", NULL},
	{MAC ";xensplit/antispoof=maybe", -EINVAL, "antispoof", NULL},
	{MAC ";xensplit/pps=-1", -EINVAL, "pps", NULL},
};

START_TEST(config)
{
	struct vif_config cfg;
	struct xs_err err = {""};
	char *text = strdup(configs[_i].keys);
	int res;

	set_keys(text);
	res = vif_config_read(NULL, DIR, 3, 1, &cfg, &err);
	ck_assert_msg(res == configs[_i].res, "%s: %d, '%s'", configs[_i].keys,
		      res, err.text);
	if (res) {
		ck_assert_msg(strstr(err.text, configs[_i].target), "%s: '%s'",
			      configs[_i].keys, err.text);
	} else {
		ck_assert_str_eq(cfg.target, configs[_i].target);
		ck_assert_str_eq(cfg.name, configs[_i].name);
	}
	free(text);
}
END_TEST

START_TEST(config_values)
{
	static const uint8_t mac[] = {0x00, 0x16, 0x3e, 0x01, 0x02, 0x03};
	struct vif_config cfg;
	struct xs_err err;
	char none[] = MAC;
	char all[] = MAC ";mtu=9000;bridge=br0;script=/s;ip=10.0.0.1;"
			 "xensplit/csum-offload=0";
	char later[] = MAC ";mtu=1400";

	set_keys(none);
	ck_assert_int_eq(vif_config_read(NULL, DIR, 3, 1, &cfg, &err), 0);
	ck_assert_uint_eq(cfg.mtu, 1500);
	ck_assert(cfg.csum_offload && !cfg.script[0] && !cfg.bridge[0]);
	ck_assert(!cfg.policy.check_addrs && !cfg.policy.check_mac);
	ck_assert_mem_eq(cfg.policy.mac, mac, sizeof(mac));
	set_keys(all);
	ck_assert_int_eq(vif_config_read(NULL, DIR, 3, 1, &cfg, &err), 0);
	ck_assert_uint_eq(cfg.mtu, 9000);
	ck_assert(!cfg.csum_offload && cfg.policy.check_addrs);
	ck_assert_str_eq(cfg.bridge, "br0");
	ck_assert_str_eq(cfg.script, "/s");
	/* what may change does, the rest stays */
	set_keys(later);
	ck_assert_int_eq(vif_config_reread(NULL, DIR, &cfg, &err), 0);
	ck_assert_uint_eq(cfg.mtu, 1400);
	ck_assert(!cfg.policy.check_addrs && !cfg.csum_offload);
	ck_assert_str_eq(cfg.script, "/s");
}
END_TEST

static const struct {
	const char *keys;
	int res;
	const char *reason;
} hotplugs[] = {
	{"hotplug-status=connected", 0, ""},
	{"", -EAGAIN, "hotplug-status"},
	{"hotplug-status=", -EAGAIN, "hotplug-status"},
	{"hotplug-status=error;hotplug-error=no bridge", -EIO, "no bridge"},
	{"hotplug-status=error", -EIO, "no reason"},
	{"hotplug-status=busy", -EIO, "no reason"},
};

START_TEST(hotplug)
{
	struct xs_err err = {""};
	char *text = strdup(hotplugs[_i].keys);

	set_keys(text);
	ck_assert_int_eq(
		hotplug_status_read(NULL, XBT_NULL, vif_keys, DIR, &err),
		hotplugs[_i].res);
	ck_assert_msg(strstr(err.text, hotplugs[_i].reason), "'%s'", err.text);
	free(text);
}
END_TEST

/* ---- the frontend's ---- */

#define COPY  "request-rx-copy=1;"
#define RINGS "tx-ring-ref=8;rx-ring-ref=9;"
#define ONE   COPY RINGS "event-channel=3"
#define Q0                                                           \
	"queue-0/tx-ring-ref=8;queue-0/rx-ring-ref=9;queue-0/event-" \
	"channel-tx=3;queue-0/event-channel-rx=4;"
#define Q1                                                             \
	"queue-1/tx-ring-ref=10;queue-1/rx-ring-ref=11;queue-1/event-" \
	"channel-tx=5;queue-1/event-channel-rx=6"

static const struct {
	const char *keys;
	const char *reason; /* NULL: accepted */
	unsigned int queues, tx, rx;
} fronts[] = {
	{ONE, NULL, 1, 3, 3},
	{COPY RINGS "event-channel-tx=3;event-channel-rx=4", NULL, 1, 3, 4},
	/* split ones count where both are there */
	{COPY RINGS "event-channel=7;event-channel-tx=3;event-channel-rx=4",
	 NULL, 1, 3, 4},
	{COPY RINGS "event-channel-tx=3", "event-channel-rx", 0, 0, 0},
	{COPY RINGS "event-channel-rx=3", "event-channel-tx", 0, 0, 0},
	{COPY RINGS "event-channel-tx=3;event-channel-rx=3", "same", 0, 0, 0},
	{COPY RINGS, "event-channel", 0, 0, 0},
	{COPY RINGS "event-channel=0", "event-channel", 0, 0, 0},
	{COPY RINGS "event-channel=131072", "event-channel", 0, 0, 0},
	{RINGS "event-channel=3", "request-rx-copy", 0, 0, 0},
	{"request-rx-copy=0;" RINGS "event-channel=3", "request-rx-copy", 0, 0,
	 0},
	{"request-rx-copy=2;" RINGS "event-channel=3", "request-rx-copy", 0, 0,
	 0},
	{COPY "tx-ring-ref=8;event-channel=3", "rx-ring-ref", 0, 0, 0},
	{COPY "rx-ring-ref=8;event-channel=3", "tx-ring-ref", 0, 0, 0},
	{COPY "tx-ring-ref=8;rx-ring-ref=8;event-channel=3",
	 "'8' is there twice", 0, 0, 0},
	{COPY "tx-ring-ref=0;rx-ring-ref=8;event-channel=3", "tx-ring-ref", 0,
	 0, 0},
	{COPY "tx-ring-ref=4294967296;rx-ring-ref=8;event-channel=3",
	 "tx-ring-ref", 0, 0, 0},
	{ONE ";feature-sg=yes", "feature-sg", 0, 0, 0},
	{ONE ";multi-queue-num-queues=1", NULL, 1, 3, 3},
	{ONE ";multi-queue-num-queues=0", "num-queues", 0, 0, 0},
	{ONE ";multi-queue-num-queues=3", "offered", 0, 0, 0},
	{ONE ";multi-queue-num-queues=2", "queue-0/tx-ring-ref", 0, 0, 0},
	{COPY "multi-queue-num-queues=2;" Q0 Q1, NULL, 2, 3, 4},
	{COPY "multi-queue-num-queues=2;" Q0
	      "queue-1/tx-ring-ref=8;queue-1/rx-ring-ref=11;"
	      "queue-1/event-channel=5",
	 "'8' is there twice", 0, 0, 0},
	{COPY "multi-queue-num-queues=2;" Q0
	      "queue-1/tx-ring-ref=10;queue-1/rx-ring-ref=11;"
	      "queue-1/event-channel=4",
	 "'4' is there twice", 0, 0, 0},
	{ONE ";ctrl-ring-ref=12;event-channel-ctrl=13", NULL, 1, 3, 3},
	{ONE ";ctrl-ring-ref=12", "event-channel-ctrl", 0, 0, 0},
	{ONE ";ctrl-ring-ref=9;event-channel-ctrl=13", "'9' is there twice", 0,
	 0, 0},
	{ONE ";ctrl-ring-ref=12;event-channel-ctrl=3", "'3' is there twice", 0,
	 0, 0},
};

static const struct vif_offer full = {
	.queues_max = 2,
	.link_offers = LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG,
	.csum_offload = true,
};

START_TEST(front)
{
	struct worker_net_connect c;
	struct xs_err err;
	char *text = strdup(fronts[_i].keys);
	int res;

	set_keys(text);
	nr_transactions = 0;
	res = vif_connect_read(NULL, DIR, &full, &c, &err);
	ck_assert_uint_eq(nr_transactions, 1);
	if (fronts[_i].reason) {
		ck_assert_msg(res < 0, "%s: accepted", fronts[_i].keys);
		ck_assert_msg(strstr(err.text, fronts[_i].reason), "%s: '%s'",
			      fronts[_i].keys, err.text);
	} else {
		ck_assert_msg(!res, "%s: '%s'", fronts[_i].keys, err.text);
		ck_assert_uint_eq(c.nr_queues, fronts[_i].queues);
		ck_assert_uint_eq(c.queue[0].evtchn_tx, fronts[_i].tx);
		ck_assert_uint_eq(c.queue[0].evtchn_rx, fronts[_i].rx);
		ck_assert_uint_eq(c.has_ctrl,
				  !!strstr(fronts[_i].keys, "ctrl"));
	}
	free(text);
}
END_TEST

#define ALL_FEATURES                                                 \
	ONE ";feature-sg=1;feature-gso-tcpv4=1;feature-gso-tcpv6=1;" \
	    "feature-ipv6-csum-offload=1"

static const struct {
	const char *keys;
	bool csum_offload;
	uint32_t link_offers;
	uint32_t features; /* what the guest takes */
	bool csum4, csum6, gso4, gso6;
} features[] = {
	{ALL_FEATURES, true, LINK_CSUM | LINK_TSO4 | LINK_TSO6,
	 LINK_CSUM | LINK_SG | LINK_TSO4 | LINK_TSO6, 1, 1, 1, 1},
	{ALL_FEATURES, true, 0, LINK_CSUM | LINK_SG | LINK_TSO4 | LINK_TSO6, 1,
	 1, 0, 0},
	/* a link that would have the segments' checksums from us */
	{ALL_FEATURES, true, LINK_TSO4,
	 LINK_CSUM | LINK_SG | LINK_TSO4 | LINK_TSO6, 1, 1, 0, 0},
	{ALL_FEATURES, false, LINK_CSUM | LINK_TSO4 | LINK_TSO6, LINK_SG, 0, 0,
	 0, 0},
	{ONE, true, 0, LINK_CSUM, 1, 0, 0, 0},
	{ONE ";feature-no-csum-offload=1", true, 0, 0, 0, 0, 0, 0},
	{ONE ";feature-gso-tcpv4=1", true, 0, LINK_CSUM, 1, 0, 0, 0},
	{ONE ";feature-sg=1;feature-gso-tcpv4=1;feature-no-csum-offload=1",
	 true, 0, LINK_SG, 0, 0, 0, 0},
	/* no partial checksums over v6: no segments either */
	{ONE ";feature-sg=1;feature-gso-tcpv6=1", true, 0, LINK_CSUM | LINK_SG,
	 1, 0, 0, 0},
};

START_TEST(front_features)
{
	const struct vif_offer offer = {
		.queues_max = 1,
		.link_offers = features[_i].link_offers,
		.csum_offload = features[_i].csum_offload,
	};
	struct worker_net_connect c;
	struct xs_err err;
	char *text = strdup(features[_i].keys);

	set_keys(text);
	ck_assert_int_eq(vif_connect_read(NULL, DIR, &offer, &c, &err), 0);
	ck_assert_uint_eq(c.features, features[_i].features);
	ck_assert_uint_eq(c.csum4, features[_i].csum4);
	ck_assert_uint_eq(c.csum6, features[_i].csum6);
	ck_assert_uint_eq(c.gso4, features[_i].gso4);
	ck_assert_uint_eq(c.gso6, features[_i].gso6);
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vif_config");
	TCase *tc = tcase_create("vif_config");

	tcase_add_loop_test(tc, config, 0, NR(configs));
	tcase_add_test(tc, config_values);
	tcase_add_loop_test(tc, hotplug, 0, NR(hotplugs));
	tcase_add_loop_test(tc, front, 0, NR(fronts));
	tcase_add_loop_test(tc, front_features, 0, NR(features));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
