// SPDX-License-Identifier: MIT
/*
 * Embedded Xen against forged messages, and junk on what all processes of a
 * domain share.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/isolation_fixture.h"

#define WAIT_MS 10000

/* ---- messages ---- */

/* Send it; the handle is cut for it, and nobody else notices. */
static void assert_cut(const void *data, size_t len, const int *fds,
		       unsigned int nr_fds)
{
	struct iovec iov = {(void *)data, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(253 * sizeof(int))];
	} control = {0};
	struct client c;
	char reply[8192];

	fixture_handle(&c, 3);
	if (nr_fds) {
		struct cmsghdr *cm;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nr_fds * sizeof(int));
	}
	ck_assert_int_ge(sendmsg(c.fd, &mh, MSG_NOSIGNAL), 0);
	ck_assert(fixture_readable(c.fd, WAIT_MS));
	ck_assert_int_le(recv(c.fd, reply, sizeof(reply), 0), 0);
	client_close(&c);
}

START_TEST(malformed_packets)
{
	struct wire_msg msg = {.op = WIRE_DOMAIN_SELF};
	static char big[sizeof(msg) + WIRE_MAX_PAYLOAD + 1];
	int fds[253], i;

	assert_cut("", 0, NULL, 0);
	assert_cut("x", 1, NULL, 0);
	assert_cut(&msg, sizeof(msg) - 1, NULL, 0);
	memcpy(big, &msg, sizeof(msg));
	assert_cut(big, sizeof(msg) + 1, NULL, 0);
	assert_cut(big, sizeof(big), NULL, 0);
	msg.payload_len = 1;
	assert_cut(&msg, sizeof(msg), NULL, 0);
	msg.payload_len = UINT32_MAX;
	assert_cut(&msg, sizeof(msg), NULL, 0);
	msg.payload_len = (uint32_t) - sizeof(msg);
	assert_cut(&msg, sizeof(msg), NULL, 0);
	/* more descriptors than a message has room for */
	msg.payload_len = 0;
	for (i = 0; i < 253; i++)
		fds[i] = i % 2 ? STDIN_FILENO : STDERR_FILENO;
	assert_cut(&msg, sizeof(msg), fds, 253);
	assert_alive();
}
END_TEST

/* Every operation with zeros, with all ones, with and without descriptors. */
START_TEST(every_operation)
{
	int fds[WIRE_MAX_FDS], i;
	uint32_t op;

	for (i = 0; i < (int)WIRE_MAX_FDS; i++)
		fds[i] = make_memfd(PAGE, 0, i % 2 ? SEALS : 0);
	for (op = 0; op < 200; op++) {
		for (i = 0; i < 4; i++) {
			static char room[WIRE_MAX_PAYLOAD], in[64];
			int got[WIRE_MAX_FDS];
			struct client_io io = {
				.payload = in,
				.fds = fds,
				.nr_fds = i & 1 ? WIRE_MAX_FDS : 0,
				.reply_payload = room,
				.reply_max = sizeof(room),
				.reply_fds = got,
				.reply_fds_max = WIRE_MAX_FDS,
			};
			struct wire_msg msg;
			struct client c;

			memset(&msg, i & 2 ? 0xff : 0, sizeof(msg));
			msg.op = op;
			msg.payload_len = i & 2 ? sizeof(in) : 0;
			fixture_handle(&c, 3);
			client_call(&c, &msg, &io);
			while (io.nr_reply_fds)
				close(got[--io.nr_reply_fds]);
			client_close(&c);
		}
	}
	for (i = 0; i < (int)WIRE_MAX_FDS; i++)
		close(fds[i]);
	assert_alive();
	fixture_wait_for(fixture_status(3, "references") == 0);
	ck_assert_int_eq(fixture_status(3, "maps"), 0);
}
END_TEST

START_TEST(control_is_not_for_domains)
{
	uint32_t op;
	struct client c;

	fixture_handle(&c, 0);
	for (op = WIRE_CTL_DOMAIN_CREATE; op <= WIRE_CTL_SHUTDOWN; op++) {
		struct wire_msg msg = {.op = op};

		ck_assert_int_eq(client_call(&c, &msg, NULL), -ENOSYS);
	}
	client_close(&c);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
}
END_TEST

static const uint32_t huge_counts[] = {0, WIRE_MAX_REFS + 1, 1u << 31,
				       UINT32_MAX};

START_TEST(huge_counts_in_messages)
{
	struct client c;
	size_t i;

	fixture_handle(&c, 3);
	for (i = 0; i < sizeof(huge_counts) / sizeof(*huge_counts); i++) {
		struct wire_msg msg = {.op = WIRE_GNTTAB_MAP};

		msg.map.count = huge_counts[i];
		ck_assert_int_eq(client_call(&c, &msg, NULL), -EINVAL);
		msg = (struct wire_msg){.op = WIRE_GNTTAB_UNMAP};
		msg.unmap.count = huge_counts[i];
		ck_assert_int_eq(client_call(&c, &msg, NULL), -EINVAL);
	}
	client_close(&c);
}
END_TEST

/* ---- the domain socket ---- */

static int domain_socket(uint32_t domid)
{
	fixture_enter(domid);
	return atoi(getenv(WIRE_FD_ENV));
}

static void send_open(int sock, int fd)
{
	struct wire_msg msg = {.op = WIRE_OPEN};
	struct iovec iov = {&msg, sizeof(msg)};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	ck_assert_int_eq(sendmsg(sock, &mh, MSG_NOSIGNAL),
			 (ssize_t)sizeof(msg));
}

/* Junk on the shared socket costs the domain's other processes nothing. */
START_TEST(junk_on_the_domain_socket)
{
	int sock = domain_socket(3), pipe_fd[2], pair[2];
	struct wire_msg msg = {.op = WIRE_GNTTAB_MAP};
	struct client c;

	ck_assert_int_eq(send(sock, "junk", 4, 0), 4);
	ck_assert_int_eq(send(sock, &msg, sizeof(msg), 0), sizeof(msg));
	send_open(sock, -1);
	ck_assert_int_eq(pipe(pipe_fd), 0);
	send_open(sock, pipe_fd[0]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	send_open(sock, pair[0]);
	/* its own end, a file, a listening thing */
	send_open(sock, sock);
	send_open(sock, STDERR_FILENO);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(pair[0]);
	close(pair[1]);
	fixture_handle(&c, 3);
	client_close(&c);
	assert_alive();
}
END_TEST

START_TEST(too_many_handles)
{
	static struct client c[1100];
	int i, n, ret = 0;

	fixture_enter(3);
	for (n = 0; n < 1100; n++) {
		ret = client_open(&c[n], true);
		if (ret)
			break;
	}
	ck_assert_int_eq(ret, -EMFILE);
	assert_alive();
	for (i = 0; i < n; i++)
		client_close(&c[i]);
	fixture_wait_for(client_open(&c[0], true) == 0);
	client_close(&c[0]);
}
END_TEST

/* Requests without end and never a reply read: cut, and others go on. */
START_TEST(replies_are_not_read)
{
	struct wire_msg msg = {.op = WIRE_DOMAIN_SELF};
	struct client c;
	int tries = 0;

	fixture_handle(&c, 3);
	while (send(c.fd, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT) > 0 ||
	       errno == EAGAIN)
		fixture_retry(&tries, "the handle is cut");
	client_close(&c);
	assert_alive();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, malformed_packets);
	tcase_add_test(tc, every_operation);
	tcase_add_test(tc, control_is_not_for_domains);
	tcase_add_test(tc, huge_counts_in_messages);
	tcase_add_test(tc, junk_on_the_domain_socket);
	tcase_add_test(tc, too_many_handles);
	tcase_add_test(tc, replies_are_not_read);
}

int main(void)
{
	return run_isolation("local_forged", add);
}
