// SPDX-License-Identifier: MIT
/* Recording: what libpcap reads back, files that fail or are not read, and
 * frames from several threads. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "backend/net_pcap.h"
#include "tests/unit/run_suite.h"

static struct net_pcap pcap;
static atomic_uint wakes;

static void on_wake(void *arg)
{
	(void)arg;
	atomic_fetch_add(&wakes, 1);
}

static void setup(void)
{
	wakes = 0;
	ck_assert_int_eq(net_pcap_init(&pcap, on_wake, NULL), 0);
}

static void teardown(void)
{
	net_pcap_destroy(&pcap);
}

static void put(uint32_t len, uint8_t value)
{
	static __thread uint8_t data[70000];
	struct iovec iov[2] = {{data, 10}, {data + 10, len - 10}};
	const struct net_frame f = {.len = len, .nr_iov = 2, .iov = iov};

	memset(data, value, len);
	net_pcap_frames(&pcap, &f, 1);
}

/* What a reader of the file finds; frames. */
static unsigned int read_back(int fd, uint32_t snap, uint32_t len)
{
	const unsigned char *data;
	struct pcap_pkthdr *head;
	char err[PCAP_ERRBUF_SIZE];
	unsigned int nr = 0;
	pcap_t *p;

	lseek(fd, 0, SEEK_SET);
	p = pcap_fopen_offline_with_tstamp_precision(
		fdopen(dup(fd), "r"), PCAP_TSTAMP_PRECISION_NANO, err);
	ck_assert_msg(p != NULL, "%s", err);
	ck_assert_int_eq(pcap_datalink(p), DLT_EN10MB);
	while (pcap_next_ex(p, &head, &data) == 1) {
		if (len)
			ck_assert_uint_eq(head->len, len);
		ck_assert_uint_eq(head->caplen,
				  head->len < snap ? head->len : snap);
		ck_assert_int_le(labs(head->ts.tv_sec - time(NULL)), 60);
		/* all bytes are the same */
		ck_assert_mem_eq(data, data + 1, head->caplen - 1);
		nr++;
	}
	pcap_close(p);
	return nr;
}

START_TEST(read_by_libpcap)
{
	uint32_t snap = _i ? 96 : 65535;
	int fd = memfd_create("pcap", MFD_CLOEXEC);

	ck_assert(!net_pcap_is_on(&pcap));
	ck_assert_int_eq(net_pcap_start(&pcap, dup(fd), snap), 0);
	ck_assert(net_pcap_is_on(&pcap));
	put(60, 1);
	ck_assert_uint_eq(wakes, 1);
	put(1514, 2);
	put(65535, 3);
	/* there is something already: the control thread knows */
	ck_assert_uint_eq(wakes, 1);
	ck_assert_int_eq(net_pcap_flush(&pcap), 0);
	ck_assert_uint_eq(read_back(fd, snap, 0), 3);
	put(60, 4);
	ck_assert_uint_eq(wakes, 2);
	ck_assert_int_eq(net_pcap_stop(&pcap), 0);
	ck_assert(!net_pcap_is_on(&pcap));
	put(60, 5);
	ck_assert_uint_eq(read_back(fd, snap, 0), 4);
	close(fd);
}
END_TEST

/* Two at once, and the second replaces the first. */
START_TEST(started_anew)
{
	int a = memfd_create("pcap", MFD_CLOEXEC);
	int b = memfd_create("pcap", MFD_CLOEXEC);

	ck_assert_int_eq(net_pcap_start(&pcap, dup(a), 100), 0);
	put(60, 1);
	ck_assert_int_eq(net_pcap_start(&pcap, dup(b), 100), 0);
	put(60, 1);
	put(60, 1);
	ck_assert_int_eq(net_pcap_stop(&pcap), 0);
	ck_assert_uint_eq(read_back(a, 100, 60), 1);
	ck_assert_uint_eq(read_back(b, 100, 60), 2);
	close(a);
	close(b);
}
END_TEST

/* A reader that does not read holds up nobody; what it reads is whole. */
START_TEST(nobody_reads)
{
	unsigned int sent = 0, nr;
	int fd[2], copy = memfd_create("pcap", MFD_CLOEXEC);
	char buf[65536];
	int64_t missed;
	ssize_t n;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	ck_assert_int_eq(net_pcap_start(&pcap, fd[1], 2000), 0);
	for (; sent < 6000; sent++) {
		put(1514, (uint8_t)sent);
		if (sent % 100 == 0)
			ck_assert_int_eq(net_pcap_flush(&pcap), 0);
	}
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	do {
		while ((n = read(fd[0], buf, sizeof(buf))) > 0)
			ck_assert_int_eq(write(copy, buf, (size_t)n), n);
		ck_assert_int_eq(net_pcap_flush(&pcap), 0);
		n = read(fd[0], buf, sizeof(buf));
		if (n > 0)
			ck_assert_int_eq(write(copy, buf, (size_t)n), n);
	} while (n > 0);
	missed = net_pcap_stop(&pcap);
	nr = read_back(copy, 2000, 1514);
	ck_assert_int_gt(missed, 0);
	ck_assert_uint_eq(nr + (unsigned int)missed, sent);
	close(fd[0]);
	close(copy);
}
END_TEST

START_TEST(files_that_fail)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int ro = memfd_create("pcap", MFD_CLOEXEC), fd[2];
	char path[64];

	if (full >= 0) {
		ck_assert_int_eq(net_pcap_start(&pcap, full, 100), -ENOSPC);
		ck_assert(!net_pcap_is_on(&pcap));
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	ck_assert_int_eq(
		net_pcap_start(&pcap, open(path, O_RDONLY | O_CLOEXEC), 100),
		-EBADF);
	ck_assert_int_eq(net_pcap_start(&pcap, -1, 100), -EBADF);
	/* it ends later */
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	ck_assert_int_eq(net_pcap_start(&pcap, fd[1], 100), 0);
	close(fd[0]);
	put(60, 1);
	ck_assert_int_eq(net_pcap_flush(&pcap), -EPIPE);
	ck_assert(!net_pcap_is_on(&pcap));
	put(60, 1);
	ck_assert_int_eq(net_pcap_stop(&pcap), 0);
	close(ro);
}
END_TEST

static void *many(void *arg)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		put(100, (uint8_t)(uintptr_t)arg);
	return NULL;
}

START_TEST(threads)
{
	int fd = memfd_create("pcap", MFD_CLOEXEC);
	pthread_t thread[3];
	unsigned int i;

	ck_assert_int_eq(net_pcap_start(&pcap, dup(fd), 200), 0);
	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, many, (void *)(uintptr_t)i);
	for (i = 0; i < 50; i++)
		ck_assert_int_eq(net_pcap_flush(&pcap), 0);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(net_pcap_stop(&pcap), 0);
	ck_assert_uint_eq(read_back(fd, 200, 100), 3000);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_pcap");
	TCase *t = tcase_create("recording");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, read_by_libpcap, 0, 2);
	tcase_add_test(t, started_anew);
	tcase_add_test(t, nobody_reads);
	tcase_add_test(t, files_that_fail);
	tcase_add_test(t, threads);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
