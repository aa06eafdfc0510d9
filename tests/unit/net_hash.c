// SPDX-License-Identifier: MIT
/*
 * Toeplitz against Microsoft's published vectors and the reference function of
 * <xen/io/netif.h>; the settings with what the protocol refuses; and reading
 * while they are changed.
 */
#include <arpa/inet.h>
#include <check.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define XEN_NETIF_DEFINE_TOEPLITZ
#include <xen/xen.h>
#include <xen/io/netif.h>

#include "backend/net_hash.h"
#include "tests/unit/check_quiet.h"
#include "tests/unit/run_suite.h"

#define OK       XEN_NETIF_CTRL_STATUS_SUCCESS
#define INVALID  XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define TOEPLITZ XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ
#define ALL      15u

static struct net_hash_config config;
static struct net_hash_control control;
static struct net_hash hash;

/* The key of "Verifying the RSS Hash Calculation". */
static const uint8_t ms_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const struct vector {
	const char *dst;
	uint16_t dst_port;
	const char *src;
	uint16_t src_port;
	uint32_t ip, tcp;
} vectors[] = {
	{"161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178},
	{"65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea},
	{"12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a},
	{"209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f},
	{"202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5,
	 0x10e828a2},
	{"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5,
	 0x40207d3d},
	{"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c,
	 0xdde51bbf},
	{"fe80::200:f8ff:fe21:67cf", 38024,
	 "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985, 0x02d1feef},
};
#define NR_VECTORS (int)(sizeof(vectors) / sizeof(vectors[0]))

static void setup(void)
{
	memset(&config, 0xff, sizeof(config));
	memset(&hash, 0, sizeof(hash));
	net_hash_control_init(&control, &config, 3, false);
}

static void teardown(void)
{
	net_hash_control_destroy(&control);
}

static void set(const uint8_t *key, uint32_t len, uint32_t types)
{
	ck_assert_uint_eq(net_hash_set_algorithm(&control, TOEPLITZ), OK);
	ck_assert_uint_eq(net_hash_set_types(&control, types), OK);
	ck_assert_uint_eq(net_hash_set_key(&control, key, len), OK);
	net_hash_refresh(&hash, &control);
}

/* Ethernet, IP, the first bytes of TCP; its length. */
static size_t frame_of(const struct vector *v, uint8_t *f, uint8_t proto)
{
	bool v6 = strchr(v->dst, ':');
	uint8_t *ip = f + 14, *tcp = ip + (v6 ? 40 : 20);

	memset(f, 0, 14 + 60);
	f[12] = v6 ? 0x86 : 0x08;
	f[13] = v6 ? 0xdd : 0x00;
	if (v6) {
		ip[0] = 0x60;
		ip[5] = 20;
		ip[6] = proto;
		ck_assert_int_eq(inet_pton(AF_INET6, v->src, ip + 8), 1);
		ck_assert_int_eq(inet_pton(AF_INET6, v->dst, ip + 24), 1);
	} else {
		ip[0] = 0x45;
		ip[3] = 40;
		ip[9] = proto;
		ck_assert_int_eq(inet_pton(AF_INET, v->src, ip + 12), 1);
		ck_assert_int_eq(inet_pton(AF_INET, v->dst, ip + 16), 1);
	}
	tcp[0] = (uint8_t)(v->src_port >> 8);
	tcp[1] = (uint8_t)v->src_port;
	tcp[2] = (uint8_t)(v->dst_port >> 8);
	tcp[3] = (uint8_t)v->dst_port;
	return (size_t)(tcp + 20 - f);
}

START_TEST(published)
{
	const struct vector *v = &vectors[_i];
	bool v6 = strchr(v->dst, ':');
	uint8_t f[80], type;
	size_t len = frame_of(v, f, IPPROTO_TCP);
	uint32_t value;

	set(ms_key, 40, ALL);
	ck_assert(net_hash_frame(&hash, f, len, &type, &value));
	ck_assert_uint_eq(value, v->tcp);
	ck_assert_uint_eq(type, v6 ? 3 : 1);
	/* TCP is not asked for, or it is none, or its ports are missing */
	set(ms_key, 40,
	    v6 ? XEN_NETIF_CTRL_HASH_TYPE_IPV6 : XEN_NETIF_CTRL_HASH_TYPE_IPV4);
	ck_assert(net_hash_frame(&hash, f, len, &type, &value));
	ck_assert_uint_eq(value, v->ip);
	ck_assert_uint_eq(type, v6 ? 2 : 0);
	set(ms_key, 40, ALL);
	ck_assert(net_hash_frame(&hash, f, len - 17, &type, &value));
	ck_assert_uint_eq(value, v->ip);
	frame_of(v, f, IPPROTO_UDP);
	ck_assert(net_hash_frame(&hash, f, len, &type, &value));
	ck_assert_uint_eq(value, v->ip);
	/* only the other version, only TCP */
	set(ms_key, 40, v6 ? 3 : 12);
	ck_assert(!net_hash_frame(&hash, f, len, &type, &value));
	set(ms_key, 40, v6 ? 8 : 2);
	ck_assert(!net_hash_frame(&hash, f, len, &type, &value));
	f[12] = 8;
	f[13] = 6; /* ARP */
	set(ms_key, 40, ALL);
	ck_assert(!net_hash_frame(&hash, f, len, &type, &value));
}
END_TEST

START_TEST(fragment)
{
	uint8_t f[80], type;
	size_t len = frame_of(&vectors[0], f, IPPROTO_TCP);
	uint32_t value;

	set(ms_key, 40, ALL);
	f[14 + 6] = 0x20;
	ck_assert(net_hash_frame(&hash, f, len, &type, &value));
	ck_assert_uint_eq(value, vectors[0].ip);
	ck_assert_uint_eq(type, 0);
}
END_TEST

/* Any key of any length, any addresses and ports. */
START_TEST(reference)
{
	uint8_t key[40], f[80], type;
	unsigned int round, i, keylen;
	uint32_t value, want;
	bool v6;

	for (round = 0; round < 3000; round++) {
		v6 = random() % 2;
		frame_of(&vectors[v6 ? 5 : 0], f, IPPROTO_TCP);
		for (i = v6 ? 22 : 26; i < (v6 ? 58u : 38u); i++)
			f[i] = (uint8_t)random();
		keylen = (unsigned int)random() % 41;
		for (i = 0; i < keylen; i++)
			key[i] = (uint8_t)random();
		set(key, keylen, ALL);
		ck_assert(net_hash_frame(&hash, f, 74, &type, &value));
		want = xen_netif_toeplitz_hash(key, keylen, f + (v6 ? 22 : 26),
					       v6 ? 36 : 12);
		ck_assert_uint_eq(value, want);
	}
	set(NULL, 0, ALL);
	ck_assert(net_hash_frame(&hash, f, 74, &type, &value));
	ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(settings)
{
	uint32_t map[NET_HASH_MAP_MAX] = {0}, types = 0, i;

	/* what init() was given was no predecessor's */
	net_hash_refresh(&hash, &control);
	ck_assert(!net_hash_is_on(&hash));
	ck_assert_uint_eq(net_hash_get_types(&control, &types),
			  XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	ck_assert_uint_eq(net_hash_set_types(&control, 1), INVALID);
	ck_assert_uint_eq(net_hash_set_algorithm(&control, 2), INVALID);
	ck_assert_uint_eq(net_hash_set_algorithm(&control, TOEPLITZ), OK);
	ck_assert_uint_eq(net_hash_get_types(&control, &types), OK);
	ck_assert_uint_eq(types, ALL);
	ck_assert_uint_eq(net_hash_set_types(&control, 16), INVALID);
	ck_assert_uint_eq(net_hash_set_types(&control, ALL), OK);
	net_hash_refresh(&hash, &control);
	ck_assert(net_hash_is_on(&hash));
	ck_assert_uint_eq(net_hash_set_key(&control, ms_key, 41),
			  XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);

	/* by modulus, until there is a map */
	ck_assert_uint_eq(net_hash_queue(&hash, 5), 2);
	ck_assert_uint_eq(net_hash_set_map_size(&control, 129), INVALID);
	ck_assert_uint_eq(net_hash_set_map(&control, map, 1, 0), INVALID);
	ck_assert_uint_eq(net_hash_set_map_size(&control, 100), OK);
	net_hash_refresh(&hash, &control);
	ck_assert_uint_eq(net_hash_queue(&hash, 5), 0);
	for (i = 0; i < NET_HASH_MAP_MAX; i++)
		map[i] = i % 3;
	ck_assert_uint_eq(net_hash_set_map(&control, map, 100, 0), OK);
	ck_assert_uint_eq(net_hash_set_map(&control, map, 100, 1), INVALID);
	ck_assert_uint_eq(net_hash_set_map(&control, map, 1, 99), OK);
	ck_assert_uint_eq(net_hash_set_map(&control, map, 1, 100), INVALID);
	ck_assert_uint_eq(net_hash_set_map(&control, map, 2, 0xffffffff),
			  INVALID);
	ck_assert_uint_eq(net_hash_set_map(&control, map, 0, 100), OK);
	/* an entry that is no queue changes nothing */
	map[0] = 2;
	map[1] = 3;
	ck_assert_uint_eq(net_hash_set_map(&control, map, 2, 0), INVALID);
	net_hash_refresh(&hash, &control);
	ck_assert_uint_eq(net_hash_queue(&hash, 0), 0);
	ck_assert_uint_eq(net_hash_queue(&hash, 101), 1);
	ck_assert_uint_eq(net_hash_queue(&hash, 99), 0);
	/* a new size forgets */
	ck_assert_uint_eq(net_hash_set_map_size(&control, 50), OK);
	net_hash_refresh(&hash, &control);
	ck_assert_uint_eq(net_hash_queue(&hash, 1), 0);
	ck_assert_uint_eq(net_hash_set_algorithm(&control, 0), OK);
	net_hash_refresh(&hash, &control);
	ck_assert(!net_hash_is_on(&hash));
}
END_TEST

START_TEST(successor)
{
	struct net_hash_config good;
	uint32_t map[2] = {2, 1};

	set(ms_key, 40, ALL);
	net_hash_set_map_size(&control, 2);
	net_hash_set_map(&control, map, 2, 0);
	good = config;
	net_hash_control_destroy(&control);
	memset(&hash, 0, sizeof(hash));
	net_hash_control_init(&control, &config, 3, true);
	net_hash_refresh(&hash, &control);
	ck_assert(net_hash_is_on(&hash));
	ck_assert_uint_eq(net_hash_queue(&hash, 2), 2);
	/* fewer queues than the map names, or nonsense */
	net_hash_control_init(&control, &config, 2, true);
	net_hash_update(&hash, &control);
	ck_assert(!net_hash_is_on(&hash));
	config = good;
	config.map_size = 129;
	net_hash_control_init(&control, &config, 3, true);
	ck_assert_uint_eq(config.map_size, 0);
	config = good;
	config.types = 0x10;
	net_hash_control_init(&control, &config, 3, true);
	ck_assert_uint_eq(config.types, 0);
}
END_TEST

/* A queue that reads while the control ring changes: it always has settings
 * that were set together. */
static atomic_bool stop;

static void *reader(void *arg)
{
	const struct vector *v = &vectors[0];
	struct net_hash own = {0};
	uint8_t f[80], type;
	size_t len = frame_of(v, f, IPPROTO_TCP);
	uint32_t value;
	uint64_t *seen = arg;

	while (!atomic_load(&stop)) {
		net_hash_refresh(&own, &control);
		if (!net_hash_is_on(&own))
			continue;
		if (!net_hash_frame(&own, f, len, &type, &value) ||
		    (value != 0 && value != v->tcp) ||
		    net_hash_queue(&own, value) > 2) {
			*seen = 0;
			return (void *)1;
		}
		++*seen;
	}
	return NULL;
}

START_TEST(concurrent)
{
	uint32_t map[128], i, round;
	pthread_t threads[2];
	uint64_t seen[2] = {0};
	void *bad;

	for (i = 0; i < 128; i++)
		map[i] = i % 3;
	net_hash_set_algorithm(&control, TOEPLITZ);
	net_hash_set_types(&control, ALL);
	atomic_store(&stop, false);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, reader, &seen[i]);
	for (round = 0; round < 1000; round++) {
		net_hash_set_key(&control, ms_key, 40);
		net_hash_set_map_size(&control, round % 129);
		net_hash_set_map(&control, map, round % 129, 0);
		net_hash_set_key(&control, NULL, 0);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], &bad);
		ck_assert(!bad);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_hash");
	TCase *tc = tcase_create("hash");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, published, 0, NR_VECTORS);
	tcase_add_test(tc, fragment);
	tcase_add_test(tc, reference);
	tcase_add_test(tc, settings);
	tcase_add_test(tc, successor);
	tcase_add_test(tc, concurrent);
	return run_suite(suite);
}
