// SPDX-License-Identifier: MIT
/*
 * libxenevtchn and xenlocald: ports and events, and that no domain reaches
 * another's.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xentoolcore.h>

#include "hypercall/local/chan.h"
#include "tests/unit/evtchn_fixture.h"

START_TEST(events_both_ways)
{
	int a, b, i;

	make_pair(&a, &b);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(xenevtchn_notify(d1, (uint32_t)a), 0);
		ck_assert_int_eq(xenevtchn_notify(d1, (uint32_t)a), 0);
		take_event(d2, b);
		assert_no_event(d2);
		ck_assert_int_eq(xenevtchn_notify(d2, (uint32_t)b), 0);
		take_event(d1, a);
		assert_no_event(d1);
	}
}
END_TEST

/* Beyond Xen's ABI; see hypercall/evtchn_peer.h. */
int xenlocal_evtchn_peer_cpu(xenevtchn_handle *xce, evtchn_port_t port);
void xenlocal_evtchn_say_cpu(xenevtchn_handle *xce, evtchn_port_t port);

/* Each end may know where the other was last. */
START_TEST(where_the_peer_runs)
{
	int a, b;

	a = xenevtchn_bind_unbound_port(d1, 2);
	ck_assert_int_gt(a, 0);
	ck_assert_int_eq(xenlocal_evtchn_peer_cpu(d1, (uint32_t)a), -1);
	b = xenevtchn_bind_interdomain(d2, 1, (uint32_t)a);
	ck_assert_int_gt(b, 0);
	ck_assert_int_eq(xenlocal_evtchn_peer_cpu(d1, (uint32_t)a), -1);
	take_event(d2, b);
	ck_assert_int_ge(xenlocal_evtchn_peer_cpu(d1, (uint32_t)a), 0);
	ck_assert_int_eq(xenlocal_evtchn_peer_cpu(d2, (uint32_t)b), -1);
	xenlocal_evtchn_say_cpu(d1, (uint32_t)a);
	ck_assert_int_ge(xenlocal_evtchn_peer_cpu(d2, (uint32_t)b), 0);
	ck_assert_int_eq(xenlocal_evtchn_peer_cpu(d1, (uint32_t)b + 1), -1);
	xenevtchn_unbind(d1, (uint32_t)a);
	ck_assert_int_eq(xenlocal_evtchn_peer_cpu(d1, (uint32_t)a), -1);
}
END_TEST

START_TEST(masked_until_unmask)
{
	int a, b;

	make_pair(&a, &b);
	xenevtchn_notify(d1, (uint32_t)a);
	assert_event(d2, b);
	xenevtchn_notify(d1, (uint32_t)a);
	assert_no_event(d2);
	xenevtchn_unmask(d2, (uint32_t)b);
	take_event(d2, b);
	assert_no_event(d2);
}
END_TEST

/* A port that is busy all the time does not keep others from being told. */
START_TEST(busy_port_starves_none)
{
	int a[3], b[3], got[3] = {0}, i, round;

	for (i = 0; i < 3; i++)
		make_pair(&a[i], &b[i]);
	for (i = 0; i < 3; i++)
		xenevtchn_notify(d1, (uint32_t)a[i]);
	for (round = 0; round < 30; round++) {
		int port = xenevtchn_pending(d2);

		for (i = 0; i < 3 && port != b[i]; i++)
			;
		ck_assert_int_lt(i, 3);
		got[i]++;
		xenevtchn_notify(d1, (uint32_t)a[i]);
		xenevtchn_unmask(d2, (uint32_t)port);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_ge(got[i], 5);
}
END_TEST

START_TEST(loopback)
{
	int a = xenevtchn_bind_unbound_port(d1, DOMID_SELF), b;

	ck_assert_int_gt(a, 0);
	b = xenevtchn_bind_interdomain(d1, DOMID_SELF, (uint32_t)a);
	ck_assert_int_gt(b, 0);
	take_event(d1, b);
	xenevtchn_notify(d1, (uint32_t)b);
	take_event(d1, a);
}
END_TEST

START_TEST(only_the_named_domain_binds)
{
	int a = xenevtchn_bind_unbound_port(d1, 2), b;
	uint32_t port = (uint32_t)a;

	assert_error(xenevtchn_bind_interdomain(d3, 1, port), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d1, 1, port), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d2, 1, port + 1), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d2, 1, 0), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d2, 1, UINT32_MAX), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d2, 77, port), ESRCH);
	assert_error(xenevtchn_bind_interdomain(d2, 0x12345, port), ESRCH);
	b = xenevtchn_bind_interdomain(d2, 1, port);
	ck_assert_int_gt(b, 0);
	/* taken */
	assert_error(xenevtchn_bind_interdomain(d2, 1, port), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d3, 2, (uint32_t)b), EINVAL);
}
END_TEST

START_TEST(rebind_after_close)
{
	int a, b, c;

	make_pair(&a, &b);
	ck_assert_int_eq(xenevtchn_unbind(d2, (uint32_t)b), 0);
	/* nobody hears it, and that is no error */
	ck_assert_int_eq(xenevtchn_notify(d1, (uint32_t)a), 0);
	assert_error(xenevtchn_notify(d2, (uint32_t)b), ENOTCONN);
	assert_error(xenevtchn_unbind(d2, (uint32_t)b), ENOTCONN);
	assert_error(xenevtchn_bind_interdomain(d3, 1, (uint32_t)a), EINVAL);
	b = xenevtchn_bind_interdomain(d2, 1, (uint32_t)a);
	ck_assert_int_gt(b, 0);
	take_event(d2, b);
	xenevtchn_notify(d2, (uint32_t)b);
	take_event(d1, a);

	/* the creator closes: the binder's port is the unbound one now */
	ck_assert_int_eq(xenevtchn_unbind(d1, (uint32_t)a), 0);
	ck_assert_int_eq(fixture_ports(2, "unbound"), 2); /* xenstore's too */
	assert_error(xenevtchn_bind_interdomain(d3, 2, (uint32_t)b), EINVAL);
	c = xenevtchn_bind_interdomain(d1, 2, (uint32_t)b);
	ck_assert_int_gt(c, 0);
	take_event(d1, c);
	xenevtchn_notify(d1, (uint32_t)c);
	take_event(d2, b);
	xenevtchn_notify(d2, (uint32_t)b);
	take_event(d1, c);
}
END_TEST

START_TEST(ports_belong_to_their_handle)
{
	xenevtchn_handle *other = open_in(1);
	struct wire_msg msg = {.op = WIRE_EVTCHN_UNBIND};
	struct client c;
	int a, b;

	make_pair(&a, &b);
	assert_error(xenevtchn_notify(other, (uint32_t)a), ENOTCONN);
	assert_error(xenevtchn_unbind(other, (uint32_t)a), ENOTCONN);
	assert_error(xenevtchn_notify(d1, 4000), ENOTCONN);
	assert_error(xenevtchn_notify(d1, UINT32_MAX), ENOTCONN);
	ck_assert_int_eq(xenevtchn_unmask(d1, UINT32_MAX), 0);
	/* also with a forged message */
	fixture_handle(&c, 1);
	msg.evtchn.port = (uint32_t)a;
	ck_assert_int_eq(client_call(&c, &msg, NULL), -ENOTCONN);
	msg = (struct wire_msg){.op = WIRE_EVTCHN_REOPEN};
	msg.evtchn.port = (uint32_t)a;
	ck_assert_int_eq(client_call(&c, &msg, NULL), -ENOTCONN);
	client_close(&c);
	xenevtchn_close(other);
	xenevtchn_notify(d1, (uint32_t)a);
	take_event(d2, b);
}
END_TEST

struct bind_job {
	uint32_t port;
	int ready_fd;
};

static int bind_and_hang(void *arg)
{
	struct bind_job *job = arg;
	xenevtchn_handle *h = xenevtchn_open(NULL, 0);

	if (!h || xenevtchn_bind_interdomain(h, 1, job->port) < 0)
		return 1;
	if (write(job->ready_fd, "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

START_TEST(killed_binder)
{
	int a = xenevtchn_bind_unbound_port(d1, 2), b, round, fds[2];
	struct bind_job job = {.port = (uint32_t)a};
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	job.ready_fd = fds[1];
	for (round = 0; round < 2; round++) {
		pid = fixture_fork(2, bind_and_hang, &job);
		ck_assert_int_eq(read(fds[0], &c, 1), 1);
		assert_error(xenevtchn_bind_interdomain(d2, 1, job.port),
			     EINVAL);
		kill(pid, SIGKILL);
		ck_assert_int_eq(fixture_join(pid), -SIGKILL);
		fixture_wait_for(fixture_ports(1, "interdomain") == 0);
	}
	/* while nobody was there: the next binder is told anyway */
	xenevtchn_notify(d1, (uint32_t)a);
	b = xenevtchn_bind_interdomain(d2, 1, (uint32_t)a);
	ck_assert_int_gt(b, 0);
	take_event(d2, b);
	xenevtchn_notify(d2, (uint32_t)b);
	take_event(d1, a);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(virqs)
{
	xenevtchn_handle *d0 = open_in(0), *again = open_in(0);
	int port = xenevtchn_bind_virq(d0, VIRQ_DOM_EXC);

	ck_assert_int_gt(port, 0);
	assert_error(xenevtchn_bind_virq(again, VIRQ_DOM_EXC), EEXIST);
	assert_error(xenevtchn_bind_virq(d1, VIRQ_DOM_EXC), EPERM);
	assert_error(xenevtchn_bind_virq(d0, VIRQ_CON_RING), ENOSYS);
	assert_error(xenevtchn_bind_virq(d0, 1000), EINVAL);
	assert_error(xenevtchn_bind_interdomain(d1, 0, (uint32_t)port), EINVAL);
	assert_no_event(d0);
	fixture_domain(4);
	take_event(d0, port);
	fixture_destroy(4);
	take_event(d0, port);
	xenevtchn_close(d0);
	fixture_wait_for(fixture_ports(0, "virq") == 0);
	ck_assert_int_gt(xenevtchn_bind_virq(again, VIRQ_DOM_EXC), 0);
	xenevtchn_close(again);
}
END_TEST

START_TEST(restricted)
{
	int a = xenevtchn_bind_unbound_port(d1, 3);

	ck_assert_int_gt(a, 0);
	ck_assert_int_eq(xenevtchn_restrict(d3, 1), 0);
	ck_assert_int_gt(xenevtchn_bind_interdomain(d3, 1, (uint32_t)a), 0);
	assert_error(xenevtchn_bind_unbound_port(d3, 2), EACCES);
	assert_error(xenevtchn_restrict(d3, 2), EACCES);
	a = xenevtchn_bind_unbound_port(d2, 3);
	assert_error(xenevtchn_bind_interdomain(d3, 2, (uint32_t)a), EACCES);
	/* all handles of this process that are not restricted yet */
	ck_assert_int_eq(xentoolcore_restrict_all(1), 0);
	assert_error(xenevtchn_bind_unbound_port(d2, 3), EACCES);
	ck_assert_int_gt(xenevtchn_bind_unbound_port(d2, 1), 0);
}
END_TEST

START_TEST(no_port_left)
{
	struct wire_msg msg;
	struct client c;
	uint32_t i;
	int ret;

	/* the descriptors are closed at once: this is about xenlocald's */
	fixture_handle(&c, 3);
	for (i = 0, ret = 0; !ret; i++) {
		int fds[WIRE_EVT_NR_FDS];
		struct client_io io = {.reply_fds = fds,
				       .reply_fds_max = WIRE_EVT_NR_FDS};

		msg = (struct wire_msg){.op = WIRE_EVTCHN_ALLOC_UNBOUND};
		ret = client_call(&c, &msg, &io);
		while (io.nr_reply_fds)
			close(fds[--io.nr_reply_fds]);
		ck_assert_uint_lt(i, WIRE_MAX_PORTS);
	}
	ck_assert_int_eq(ret, -ENOSPC);
	ck_assert_int_gt(xenevtchn_bind_unbound_port(d1, 2), 0);
	client_close(&c);
	fixture_wait_for(fixture_ports(3, "unbound") == 1);
	ck_assert_int_gt(xenevtchn_bind_unbound_port(d3, 2), 0);
}
END_TEST

START_TEST(destroyed_domain)
{
	int a, b;

	make_pair(&a, &b);
	fixture_destroy(2);
	/* whoever waits in the domain learns that it has gone */
	ck_assert(fixture_readable(xenevtchn_fd(d2), WAIT_MS));
	assert_error(xenevtchn_pending(d2), ENOTCONN);
	assert_error(xenevtchn_bind_unbound_port(d2, 1), ENOTCONN);
	fixture_enter(2);
	ck_assert_ptr_null(xenevtchn_open(fixture_quiet(), 0));
	/* the peer goes on */
	ck_assert_int_eq(xenevtchn_notify(d1, (uint32_t)a), 0);
	ck_assert_int_eq(fixture_ports(1, "interdomain"), 0);
	/* and a new domain of that number may bind it */
	fixture_domain(2);
	xenevtchn_close(d2);
	d2 = open_in(2);
	b = xenevtchn_bind_interdomain(d2, 1, (uint32_t)a);
	take_event(d2, b);
	xenevtchn_notify(d2, (uint32_t)b);
	take_event(d1, a);
}
END_TEST

START_TEST(not_in_a_domain)
{
	setenv(WIRE_FD_ENV, "", 1);
	ck_assert_ptr_null(xenevtchn_open(fixture_quiet(), 0));
	ck_assert_int_eq(errno, ENOENT);
	setenv(WIRE_FD_ENV, "12345", 1);
	ck_assert_ptr_null(xenevtchn_open(fixture_quiet(), 0));
	setenv(WIRE_FD_ENV, "0x1", 1);
	ck_assert_ptr_null(xenevtchn_open(fixture_quiet(), 0));
	unsetenv(WIRE_FD_ENV);
	ck_assert_ptr_null(xenevtchn_open(fixture_quiet(), 0));
	ck_assert_int_eq(errno, ENOENT);
	fixture_enter(1);
	ck_assert_ptr_null(xenevtchn_open(fixture_quiet(), 2));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* A handle with one channel whose other side's page and bell we hold bare. */
static void bind_bare(struct client *c, struct chan *ch, uint32_t port)
{
	struct wire_msg msg = {.op = WIRE_EVTCHN_BIND_INTERDOMAIN};
	int fds[WIRE_EVT_NR_FDS];
	struct client_io io = {.reply_fds = fds,
			       .reply_fds_max = WIRE_EVT_NR_FDS};

	fixture_handle(c, 2);
	msg.evtchn.remote_domid = 1;
	msg.evtchn.remote_port = port;
	ck_assert_int_eq(client_call(c, &msg, &io), 0);
	/* the shared page cannot be cut away under the peer */
	ck_assert_int_eq(ftruncate(fds[WIRE_EVT_FD_PAGE], 0), -1);
	ck_assert_int_eq(chan_open(ch, fds, msg.evtchn.side), 0);
}

/*
 * A peer that fills the bell, never reads, scribbles into the page and shuts
 * the socket down: notify does not block, and another channel works.
 */
START_TEST(hostile_peer)
{
	int a, b, bad = xenevtchn_bind_unbound_port(d1, 2), i;
	atomic_uint *word;
	struct client c;
	struct chan ch;

	make_pair(&a, &b);
	bind_bare(&c, &ch, (uint32_t)bad);
	word = &ch.page->side[1].word;
	for (i = 0; i < 10000; i++) {
		atomic_store(word, 0);
		ck_assert_int_eq(xenevtchn_notify(d1, (uint32_t)bad), 0);
	}
	for (i = 0; i < 10000; i++)
		chan_ring(ch.bell);
	atomic_store(&ch.page->side[0].word, ~0u);
	shutdown(ch.bell, SHUT_RDWR);
	ck_assert_int_eq(xenevtchn_notify(d1, (uint32_t)bad), 0);
	xenevtchn_unmask(d1, (uint32_t)bad);

	xenevtchn_notify(d2, (uint32_t)b);
	ck_assert(fixture_readable(xenevtchn_fd(d1), WAIT_MS));
	for (i = 0; i < 10 && xenevtchn_pending(d1) != a; i++)
		;
	ck_assert_int_lt(i, 10);
	/* nothing more than one event can come of all that */
	for (i = 0; i < 10 && xenevtchn_pending(d1) == bad; i++)
		;
	assert_no_event(d1);
	ck_assert_int_eq(xenevtchn_unbind(d1, (uint32_t)bad), 0);
	chan_close(&ch);
	client_close(&c);
}
END_TEST

/* ---- the guest kernel's xenbus ---- */

static int claim(struct client *c, struct wire_msg *msg, int fds[3])
{
	struct client_io io = {.reply_fds = fds, .reply_fds_max = 3};

	*msg = (struct wire_msg){.op = WIRE_XENBUS_CLAIM};
	return client_call(c, msg, &io);
}

START_TEST(xenbus_is_claimed_once)
{
	xenevtchn_handle *d0 = open_in(0);
	struct client c, other;
	struct wire_msg msg;
	struct chan ch;
	int fds[3], port;

	fixture_handle(&c, 1);
	fixture_handle(&other, 1);
	ck_assert_int_eq(claim(&c, &msg, fds), 0);
	ck_assert_uint_eq(msg.evtchn.port, fixture_xenstore_port(1));
	close(fds[2]);
	ck_assert_int_eq(chan_open(&ch, fds, msg.evtchn.side), 0);
	ck_assert_int_eq(claim(&other, &msg, fds), -EBUSY);

	/* xenstored's end */
	assert_error(
		xenevtchn_bind_interdomain(d2, 1, fixture_xenstore_port(1)),
		EINVAL);
	port = xenevtchn_bind_interdomain(d0, 1, fixture_xenstore_port(1));
	ck_assert_int_gt(port, 0);
	take_event(d0, port);
	chan_notify(&ch);
	take_event(d0, port);
	xenevtchn_notify(d0, (uint32_t)port);
	ck_assert(fixture_readable(ch.bell, WAIT_MS));
	chan_close(&ch);
	client_close(&c);

	/* the next claimer gets the same port, still bound, and an event */
	fixture_wait_for(claim(&other, &msg, fds) == 0);
	close(fds[2]);
	ck_assert_int_eq(chan_open(&ch, fds, msg.evtchn.side), 0);
	ck_assert(fixture_readable(ch.bell, WAIT_MS));
	ck_assert(chan_deliver(&ch));
	chan_notify(&ch);
	take_event(d0, port);
	chan_close(&ch);
	client_close(&other);
	xenevtchn_close(d0);
}
END_TEST

START_TEST(xenbus_info_is_domain_0s)
{
	struct wire_msg msg = {.op = WIRE_XENBUS_INFO};
	struct client c0, c1;
	int fd;
	struct client_io io = {.reply_fds = &fd, .reply_fds_max = 1};

	fixture_handle(&c1, 1);
	ck_assert_int_eq(client_call(&c1, &msg, NULL), -EPERM);
	fixture_handle(&c0, 0);
	msg = (struct wire_msg){.op = WIRE_XENBUS_INFO};
	ck_assert_int_eq(client_call(&c0, &msg, &io), 0);
	ck_assert_uint_eq(msg.evtchn.port, fixture_xenstore_port(0));
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 4096);
	close(fd);
	client_close(&c0);
	client_close(&c1);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, events_both_ways);
	tcase_add_test(tc, masked_until_unmask);
	tcase_add_test(tc, where_the_peer_runs);
	tcase_add_test(tc, busy_port_starves_none);
	tcase_add_test(tc, loopback);
	tcase_add_test(tc, only_the_named_domain_binds);
	tcase_add_test(tc, rebind_after_close);
	tcase_add_test(tc, ports_belong_to_their_handle);
	tcase_add_test(tc, killed_binder);
	tcase_add_test(tc, virqs);
	tcase_add_test(tc, restricted);
	tcase_add_test(tc, no_port_left);
	tcase_add_test(tc, destroyed_domain);
	tcase_add_test(tc, not_in_a_domain);
	tcase_add_test(tc, hostile_peer);
	tcase_add_test(tc, xenbus_is_claimed_once);
	tcase_add_test(tc, xenbus_info_is_domain_0s);
}

int main(void)
{
	return run_evtchn("local_evtchn", add);
}
