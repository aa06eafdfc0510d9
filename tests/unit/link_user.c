// SPDX-License-Identifier: MIT
/*
 * The user-mode network's process, used by a guest that speaks ARP, DHCP, UDP
 * and a little TCP, with a server on the host.
 */
#include "backend/link_user.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/link_fixture.h"

#define GUEST   0x0a00020fu /* 10.0.2.15 */
#define GATEWAY 0x0a000202u

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static struct link_desc desc;
static struct queue guest;
static uint8_t gateway_mac[6];

/* The guest */

static void start(const char *target)
{
	desc_open(&desc, target, 4, 0);
	ck_assert_uint_eq(desc.nr_queues, 1);
	ck_assert_uint_eq(desc.mtu, 1500);
	queue_attach(&guest, &desc, 0);
}

static void stop(void)
{
	link_detach(&guest.ctx);
	link_close(&desc);
	link_close(&desc);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The next frame of an Ethernet type; others pass by. */
static uint8_t *expect(uint16_t type, struct net_frame *f)
{
	while (queue_receive(&guest, f, WAIT_MS)) {
		uint8_t *data = f->iov[0].iov_base;

		ck_assert_uint_eq(f->nr_iov, 1);
		ck_assert_uint_eq(f->iov[0].iov_len, f->len);
		if (get16(data + 12) == type)
			return data;
	}
	ck_abort_msg("no frame of type %04x", type);
	return NULL;
}

static void wait_room(void)
{
	struct pollfd p = {.fd = desc.fd[0], .events = POLLOUT};

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
}

static void find_gateway(void)
{
	uint8_t arp[42] = {0}, *answer;
	struct net_frame f;

	memcpy(arp, broadcast, 6);
	memcpy(arp + 6, guest_mac, 6);
	memcpy(arp + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(arp + 22, guest_mac, 6);
	memcpy(arp + 28, "\x0a\x00\x02\x0f", 4);
	memcpy(arp + 38, "\x0a\x00\x02\x02", 4);
	wait_room();
	ck_assert(queue_send(&guest, arp, sizeof(arp)));
	answer = expect(0x0806, &f);
	ck_assert_uint_eq(answer[21], 2);
	memcpy(gateway_mac, answer + 22, 6);
}

static int host_socket(int type, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert(fd >= 0);
	ck_assert(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	ck_assert(!getsockname(fd, (struct sockaddr *)&sin, &len));
	if (type == SOCK_STREAM)
		ck_assert(!listen(fd, 4));
	*port = ntohs(sin.sin_port);
	return fd;
}

static bool wait_fd(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static struct flow flow_to(uint16_t port)
{
	return (struct flow){.to_mac = gateway_mac,
			     .from = GUEST,
			     .to = GATEWAY,
			     .from_port = 5000,
			     .to_port = port};
}

/* A datagram to the host and back. */
static void udp_round(void)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t frame[256], *answer;
	char buf[64];
	uint16_t port;
	int fd = host_socket(SOCK_DGRAM, &port);
	struct flow flow = flow_to(port);
	struct net_frame f;

	ck_assert(queue_send(&guest, frame,
			     make_frame(frame, &flow, "question", 8)));
	ck_assert(wait_fd(fd, WAIT_MS));
	ck_assert_int_eq(recvfrom(fd, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &len),
			 8);
	ck_assert(!memcmp(buf, "question", 8));
	ck_assert_int_eq(
		sendto(fd, "answer", 6, 0, (struct sockaddr *)&from, len), 6);
	do {
		answer = expect(0x0800, &f);
	} while (answer[23] != IPPROTO_UDP || get16(answer + 34) != port);
	ck_assert(f.csum_valid && !f.csum_partial && !f.gso);
	ck_assert(!memcmp(answer + 42, "answer", 6));
	close(fd);
}

START_TEST(udp_works)
{
	start("user:loopback=on");
	find_gateway();
	udp_round();
	stop();
}
END_TEST

START_TEST(loopback_is_closed)
{
	uint8_t frame[256];
	uint16_t port;
	int fd = host_socket(SOCK_DGRAM, &port);
	struct flow flow;

	start("user:");
	find_gateway();
	flow = flow_to(port);
	ck_assert(queue_send(&guest, frame, make_frame(frame, &flow, "x", 1)));
	/* when this is answered, that was done with */
	find_gateway();
	ck_assert(!wait_fd(fd, 0));
	stop();
	close(fd);
}
END_TEST

START_TEST(dhcp_works)
{
	uint8_t bootp[300] = {1, 1, 6, 0, 1, 2, 3, 4}, frame[400], *answer;
	struct flow flow = {.to_mac = broadcast,
			    .to = 0xffffffff,
			    .from_port = 68,
			    .to_port = 67,
			    .partial = true};
	struct net_frame f;
	struct iovec iov = {frame, 0};

	start("user:net=192.168.5.0/24,hostname=one");
	memcpy(bootp + 28, guest_mac, 6);
	memcpy(bootp + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	memset(&f, 0, sizeof(f));
	f.len = make_frame(frame, &flow, bootp, sizeof(bootp));
	iov.iov_len = f.len;
	f.iov = &iov;
	f.nr_iov = 1;
	f.head_len = 64;
	f.csum_partial = true;
	f.csum_start = 34;
	f.csum_offset = 6;
	ck_assert_uint_eq(link_send(&guest.ctx, &f, 1), 1);
	answer = expect(0x0800, &f);
	ck_assert_uint_eq(get16(answer + 36), 68);
	/* yiaddr */
	ck_assert_uint_eq(get32(answer + 42 + 16), 0xc0a8050f);
	stop();
}
END_TEST

/* TCP: what the guest sends next and expects next. */
static uint8_t *tcp_expect(uint8_t flags, uint16_t port)
{
	struct net_frame f;
	uint8_t *data;

	do {
		data = expect(0x0800, &f);
	} while (data[23] != IPPROTO_TCP || get16(data + 34) != port ||
		 (data[47] & flags) != flags);
	return data;
}

static void tcp_send(struct flow *flow, const void *payload, uint32_t len,
		     unsigned int mss)
{
	static uint8_t frame[65536];
	struct iovec iov[3];
	struct net_frame f = {.nr_iov = 3,
			      .iov = iov,
			      .head_len = 54,
			      .csum_partial = true,
			      .csum_start = 34,
			      .csum_offset = 16};

	flow->partial = true;
	f.len = make_frame(frame, flow, payload, len);
	if (len > mss) {
		f.gso = NET_GSO_TCPV4;
		f.gso_size = (uint16_t)mss;
	}
	/* in pieces, as pages of a guest are */
	iov[0] = (struct iovec){frame, 54};
	iov[1] = (struct iovec){frame + 54, (f.len - 54) / 2};
	iov[2] = (struct iovec){frame + 54 + iov[1].iov_len,
				f.len - 54 - iov[1].iov_len};
	ck_assert_uint_eq(link_send(&guest.ctx, &f, 1), 1);
	flow->seq += len;
}

static void read_all(int fd, uint8_t *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n;

		ck_assert(wait_fd(fd, WAIT_MS));
		n = read(fd, buf + got, len - got);
		ck_assert(n > 0);
		got += (size_t)n;
	}
}

#define UPLOAD_STEP  30000u
#define UPLOAD_STEPS 20u

/* Segments that no wire carries go through whole. */
START_TEST(tcp_offload_works)
{
	static uint8_t data[UPLOAD_STEP], back[UPLOAD_STEP];
	uint16_t port;
	int fd = host_socket(SOCK_STREAM, &port), conn;
	struct flow flow;
	uint8_t *answer;
	unsigned int i, k;

	start("user:loopback=on");
	find_gateway();
	flow = flow_to(port);
	flow.seq = 1000;
	flow.tcp_flags = TCP_SYN;
	tcp_send(&flow, "", 0, 1460);
	answer = tcp_expect(TCP_SYN | TCP_ACK, port);
	flow.seq++;
	flow.ack = get32(answer + 38) + 1;
	flow.tcp_flags = TCP_ACK | TCP_PSH;
	tcp_send(&flow, "", 0, 1460);
	ck_assert(wait_fd(fd, WAIT_MS));
	conn = accept(fd, NULL, NULL);
	ck_assert(conn >= 0);
	for (i = 0; i < UPLOAD_STEPS; i++) {
		for (k = 0; k < UPLOAD_STEP; k++)
			data[k] = (uint8_t)(k * 7 + i);
		tcp_send(&flow, data, UPLOAD_STEP, 1460);
		read_all(conn, back, UPLOAD_STEP);
		ck_assert(!memcmp(data, back, UPLOAD_STEP));
		do {
			answer = tcp_expect(TCP_ACK, port);
		} while (get32(answer + 42) != flow.seq);
	}
	close(conn);
	close(fd);
	stop();
}
END_TEST

/* With a port that is free a moment before; another program may take it. */
static void start_forward(uint16_t *port)
{
	struct link_open_how how = {.domid = 7, .queues = 1};
	struct xs_err err = {""};
	char target[80];
	int i, res = -1;

	for (i = 0; res && i < 10; i++) {
		close(host_socket(SOCK_DGRAM, port));
		snprintf(target, sizeof(target),
			 "user:hostfwd=udp:127.0.0.1:%u-:7777", *port);
		res = link_open(target, &how, &desc, &err);
	}
	ck_assert_msg(!res, "%s", err.text);
	queue_attach(&guest, &desc, 0);
}

/* From outside to the guest */
START_TEST(forward_works)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct net_frame f;
	uint16_t port = 0;
	uint8_t *data;
	int out;

	start_forward(&port);
	find_gateway();
	out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sin.sin_port = htons(port);
	ck_assert_int_eq(sendto(out, "knock", 5, 0, (struct sockaddr *)&sin,
				sizeof(sin)),
			 5);
	do {
		data = expect(0x0800, &f);
	} while (data[23] != IPPROTO_UDP);
	ck_assert_uint_eq(get32(data + 30), GUEST);
	ck_assert_uint_eq(get16(data + 36), 7777);
	ck_assert(!memcmp(data + 42, "knock", 5));
	close(out);
	stop();
}
END_TEST

START_TEST(taken_port_is_said)
{
	char target[80];
	uint16_t port;
	int fd = host_socket(SOCK_STREAM, &port);
	const char *why;

	snprintf(target, sizeof(target), "user:hostfwd=tcp:127.0.0.1:%u-:22",
		 port);
	why = desc_refused(target, 1, 0);
	ck_assert_msg(strstr(why, "cannot forward TCP port") != NULL, "%s",
		      why);
	close(fd);
}
END_TEST

/* Frames that are none, from a guest that broke its worker. */
START_TEST(nonsense_is_dropped)
{
	uint8_t buf[2048];
	unsigned int i, k;

	start("user:loopback=on");
	find_gateway();
	srandom(1);
	for (i = 0; i < 3000; i++) {
		uint32_t len = (uint32_t)random() % sizeof(buf);

		for (k = 0; k < len; k++)
			buf[k] = (uint8_t)random();
		/* past the first look, now and then */
		if (len > 40 && i % 2)
			memcpy(buf + 12 + 12, "\x08\x00\x45", 3);
		while (send(desc.fd[0], buf, len, MSG_DONTWAIT) < 0 &&
		       errno == EAGAIN)
			wait_room();
	}
	find_gateway();
	udp_round();
	stop();
}
END_TEST

/* The process */

/* The first child of pid */
static pid_t child_of(pid_t pid)
{
	char path[80];
	FILE *f;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &child) != 1)
		child = 0;
	fclose(f);
	return child;
}

static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	ck_assert(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return strstr(text, line);
}

START_TEST(process_is_confined)
{
	char path[64];
	struct dirent *e;
	DIR *d;
	pid_t pid;
	int fds = 0;

	start("user:");
	find_gateway(); /* it serves, so the start is over */
	pid = child_of((pid_t)desc.pid);
	ck_assert_int_gt(pid, 0);
	ck_assert(status_has(pid, "CapEff:\t0000000000000000"));
	ck_assert(status_has(pid, "CapPrm:\t0000000000000000"));
	ck_assert(status_has(pid, "NoNewPrivs:\t1"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert(status_has(pid, "Seccomp:\t2"));
#endif
	ck_assert(geteuid() || !status_has(pid, "Uid:\t0"));
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (d) {
		while ((e = readdir(d)))
			fds += e->d_name[0] != '.';
		closedir(d);
		/* the standard ones and the socket */
		ck_assert_int_le(fds, 4);
	}
	stop();
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MUST(cond)                                  \
	do {                                        \
		if (!(cond))                        \
			_exit(__LINE__ % 200 + 10); \
	} while (0)

/* What code of a guest's could do there. */
static void inside_the_box(void)
{
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
	bool resolv = !access("/etc/resolv.conf", R_OK);
	char *none[] = {NULL};
	struct xs_err err;

	MUST(!link_user_box(7, &err));
	MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	MUST(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno == EAFNOSUPPORT);
	MUST(socket(AF_INET, SOCK_RAW, 1) < 0 && errno == EPERM);
	MUST(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
	MUST(socket(AF_NETLINK, SOCK_DGRAM, 0) < 0 && errno == EPERM);
	MUST(socket(AF_PACKET, SOCK_DGRAM, 0) < 0 && errno == EPERM);
	MUST(syscall(SYS_fork) < 0 && errno == EPERM);
	MUST(execve("/bin/true", none, none) < 0 && errno == EPERM);
	MUST(kill(getppid(), 0) < 0 && errno == EPERM);
	MUST(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0);
	MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	MUST(open("/tmp/x", O_WRONLY | O_CREAT, 0600) < 0 && errno == EPERM);
	MUST(open("/dev/null", O_RDWR) < 0);
	MUST(!landlock ||
	     (open("/proc/self/status", O_RDONLY) < 0 && errno == EACCES));
	MUST(!resolv || open("/etc/resolv.conf", O_RDONLY) >= 0);
}

START_TEST(box_is_closed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		alarm(20);
		inside_the_box();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!status, "wait status %x", (unsigned int)status);
}
END_TEST
#endif

/* A guest that ends it loses frames and connections, not its network. */
START_TEST(process_is_started_again)
{
	pid_t before, now = 0;
	struct pollfd p;
	int pidfd;

	start("user:loopback=on");
	find_gateway();
	before = child_of((pid_t)desc.pid);
	ck_assert_int_gt(before, 0);
	pidfd = pidfd_open(before, 0);
	ck_assert(!kill(before, SIGKILL));
	p = (struct pollfd){.fd = pidfd, .events = POLLIN};
	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	close(pidfd);
	find_gateway();
	udp_round();
	now = child_of((pid_t)desc.pid);
	ck_assert(now > 0 && now != before);
	stop();
}
END_TEST

START_TEST(process_ends_with_the_link)
{
	pid_t watcher, pid;

	start("user:");
	watcher = (pid_t)desc.pid;
	pid = child_of(watcher);
	ck_assert(pid > 0);
	stop();
	ck_assert(kill(watcher, 0) < 0 && errno == ESRCH);
	/* it is init's now, which may take its time */
	if (!kill(pid, 0))
		ck_assert(status_has(pid, "State:\tZ") ||
			  status_has(pid, "State:\tR") ||
			  status_has(pid, "State:\tS") ||
			  status_has(pid, "State:\tX"));
}
END_TEST

/* Whoever else has the description leaves the process alone. */
START_TEST(worker_leaves_it_alone)
{
	struct xs_err err = {""};
	pid_t pid;
	int status, before = desc.fd[0];

	start("user:loopback=on");
	pid = fork();
	if (!pid) {
		link_close(&desc);
		_exit(desc.nr_fds);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	before = desc.fd[0];
	ck_assert(!link_renew("user:loopback=on", &desc, &err));
	ck_assert_int_eq(before, desc.fd[0]);
	find_gateway();
	udp_round();
	stop();
}
END_TEST

START_TEST(renewed_when_gone)
{
	struct xs_err err = {""};
	struct net_frame f;
	int i;

	start("user:loopback=on");
	find_gateway();
	kill((pid_t)desc.pid, SIGKILL);
	/* its child goes too, then nobody has the other end */
	for (i = 0; i < WAIT_MS / 10 && !wait_fd(desc.fd[0], 10); i++)
		;
	while (queue_receive(&guest, &f, 1))
		;
	link_arm(&guest.ctx, true);
	loop_turn();
	ck_assert(!guest.readable);
	link_detach(&guest.ctx);
	ck_assert_msg(!link_renew("user:loopback=on", &desc, &err), "%s",
		      err.text);
	queue_attach(&guest, &desc, 0);
	find_gateway();
	udp_round();
	stop();
}
END_TEST

START_TEST(mtu_is_fixed)
{
	start("user:");
	ck_assert_int_eq(link_set_mtu(&desc, 1500), 0);
	ck_assert_int_eq(link_set_mtu(&desc, 9000), -EOPNOTSUPP);
	ck_assert_uint_eq(desc.mtu, 1500);
	stop();
}
END_TEST

static void add_process_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, link_fixture_start, link_fixture_end);
	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, udp_works);
	tcase_add_test(tc, loopback_is_closed);
	tcase_add_test(tc, dhcp_works);
	tcase_add_test(tc, tcp_offload_works);
	tcase_add_test(tc, forward_works);
	tcase_add_test(tc, taken_port_is_said);
	tcase_add_test(tc, nonsense_is_dropped);
	tcase_add_test(tc, process_is_confined);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tc, box_is_closed);
#endif
	tcase_add_test(tc, process_is_started_again);
	tcase_add_test(tc, process_ends_with_the_link);
	tcase_add_test(tc, worker_leaves_it_alone);
	tcase_add_test(tc, renewed_when_gone);
	tcase_add_test(tc, mtu_is_fixed);
}

int main(int argc, char **argv)
{
	Suite *s = suite_create("link_user");
	TCase *tc = tcase_create("process");
	SRunner *sr;
	int failed;

	/* the process is this program again */
	link_user_main(argc, argv);
	add_process_tests(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
