// SPDX-License-Identifier: MIT
/*
 * Embedded Xen against domains that break the rules: what one may not reach,
 * descriptors of the wrong kind, death with everything open.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "tests/unit/isolation_fixture.h"

/* ---- grants ---- */

START_TEST(granted_to_another)
{
	uint32_t refs[4], mixed[2], ref;

	share(2, 4, refs, 1);
	share(3, 1, &ref, 1);
	assert_null(xengnttab_map_grant_ref(tab3, 1, refs[0], PROT_READ),
		    EINVAL);
	/* a good one along with it does not help */
	mixed[0] = ref;
	mixed[1] = refs[3];
	assert_null(
		xengnttab_map_domain_grant_refs(tab3, 2, 1, mixed, PROT_READ),
		EINVAL);
	/* nor the domain's own number, nor the granter's own table */
	assert_null(xengnttab_map_grant_ref(tab3, 3, refs[0], PROT_READ),
		    EINVAL);
	assert_null(xengnttab_map_grant_ref(tab3, 2, refs[0], PROT_READ),
		    EINVAL);
	/* the xenstore page is granted to domain 0 */
	assert_null(xengnttab_map_grant_ref(tab3, 1, 1, PROT_READ), EINVAL);
	assert_null(xengnttab_map_grant_ref(tab3, 3, 1, PROT_READ), EINVAL);
	ck_assert_int_eq(fixture_status(3, "maps"), 0);
	ck_assert_int_ge(fixture_status(3, "refused"), 6);
}
END_TEST

/* One page as a bare descriptor, as a hostile library would take it. */
static int map_bare(struct client *c, uint32_t ref, bool writable, int *fd,
		    uint32_t *handle)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_MAP};
	struct client_io io = {.reply_fds = fd, .reply_fds_max = 1};
	int ret;

	msg.map.count = 1;
	msg.map.writable = writable;
	msg.map.ref[0].domid = 1;
	msg.map.ref[0].ref = ref;
	ret = client_call(c, &msg, &io);
	if (!ret)
		*handle = msg.mapped.page[0].handle;
	else
		ck_assert_uint_eq(io.nr_reply_fds, 0);
	return ret;
}

static void assert_unwritable(int fd)
{
	char path[64];
	int again;
	void *p;

	ck_assert_ptr_eq(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), MAP_FAILED);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	assert_error(mprotect(p, PAGE, RW), EACCES);
	munmap(p, PAGE);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
	ck_assert_int_eq(fallocate(fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   0, PAGE),
			 -1);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), -1);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again < 0)
		return;
	ck_assert_int_eq(pwrite(again, "x", 1, 0), -1);
	ck_assert_ptr_eq(mmap(NULL, PAGE, RW, MAP_SHARED, again, 0),
			 MAP_FAILED);
	close(again);
	/* opening with O_TRUNC would cut the memory away under the owner */
	again = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
	ck_assert_int_lt(again, 0);
}

START_TEST(read_only_grant)
{
	uint32_t ref, handle;
	char *mine = share(2, 1, &ref, 0), *theirs;
	struct client c;
	int fd;

	strcpy(mine, "mine");
	assert_null(xengnttab_map_grant_ref(tab2, 1, ref, RW), EACCES);
	theirs = xengnttab_map_grant_ref(tab2, 1, ref, PROT_READ);
	ck_assert_ptr_nonnull(theirs);
	ck_assert_str_eq(theirs, "mine");
	assert_error(mprotect(theirs, PAGE, RW), EACCES);

	fixture_handle(&c, 2);
	ck_assert_int_eq(map_bare(&c, ref, true, &fd, &handle), -EACCES);
	ck_assert_int_eq(map_bare(&c, ref, false, &fd, &handle), 0);
	assert_unwritable(fd);
	close(fd);
	client_close(&c);
	/* the owner still writes, and nothing was changed */
	ck_assert_str_eq(mine, "mine");
	strcpy(mine, "new");
	ck_assert_str_eq(theirs, "new");
}
END_TEST

START_TEST(writable_grant_keeps_its_size)
{
	uint32_t ref, handle;
	char *mine = share(2, 1, &ref, 1);
	struct client c;
	int fd;

	fixture_handle(&c, 2);
	ck_assert_int_eq(map_bare(&c, ref, true, &fd, &handle), 0);
	assert_error(ftruncate(fd, 0), EPERM);
	assert_error(ftruncate(fd, 1 << 20), EPERM);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	*mine = 1; /* and not SIGBUS */
	close(fd);
	client_close(&c);
}
END_TEST

/* The view that copies are checked against: readable, for one's own grants. */
START_TEST(view_is_xens)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_WINDOW};
	uint32_t mine, others;
	grant_entry_v1_t *view;
	int fds[2];
	struct client_io io = {.reply_fds = fds, .reply_fds_max = 2};
	struct client c;

	share(2, 1, &mine, 1);
	share(3, 1, &others, 1);
	fixture_handle(&c, 2);
	msg.window.domid = 1;
	msg.window.ref = others;
	msg.window.want_view = 1;
	ck_assert_int_eq(client_call(&c, &msg, &io), -EINVAL);
	ck_assert_uint_eq(io.nr_reply_fds, 0);
	msg = (struct wire_msg){.op = WIRE_GNTTAB_WINDOW};
	msg.window.domid = 1;
	msg.window.ref = mine;
	msg.window.want_view = 1;
	ck_assert_int_eq(client_call(&c, &msg, &io), 0);
	ck_assert_uint_eq(io.nr_reply_fds, 2);
	assert_unwritable(fds[1]);
	view = mmap(NULL, WIRE_GRANT_REFS * sizeof(*view), PROT_READ,
		    MAP_SHARED, fds[1], 0);
	ck_assert_ptr_ne(view, MAP_FAILED);
	ck_assert_int_eq(view[mine].flags, GTF_permit_access);
	ck_assert_int_eq(view[mine].domid, 2);
	ck_assert_uint_eq(view[mine].frame, msg.window.frame);
	ck_assert_int_eq(view[others].flags, 0);
	ck_assert_int_eq(view[1].flags, 0);
	ck_assert_ptr_nonnull(xengnttab_map_grant_ref(tab2, 1, mine, RW));
	ck_assert_int_eq(view[mine].flags,
			 GTF_permit_access | GTF_reading | GTF_writing);
	munmap(view, WIRE_GRANT_REFS * sizeof(*view));
	close(fds[0]);
	close(fds[1]);
	client_close(&c);
}
END_TEST

static uint32_t frame_of(uint32_t ref)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_WINDOW};
	struct client c;
	int fd;
	struct client_io io = {.reply_fds = &fd, .reply_fds_max = 1};

	fixture_handle(&c, 2);
	msg.window.domid = 1;
	msg.window.ref = ref;
	ck_assert_int_eq(client_call(&c, &msg, &io), 0);
	close(fd);
	client_close(&c);
	return msg.window.frame;
}

/* They are never used again: who is refused must not have used up any. */
START_TEST(frame_numbers_are_not_wasted)
{
	uint32_t a, b, *refs = calloc(WIRE_MAX_SHARE, sizeof(*refs));
	unsigned int i;

	share(2, 1, &a, 1);
	for (i = 0; i < 10; i++)
		assert_null(xengntshr_share_pages(share1, 2, WIRE_MAX_SHARE,
						  refs, 1),
			    ENOSPC);
	share(2, 1, &b, 1);
	ck_assert_uint_eq(frame_of(b), frame_of(a) + 1);
	free(refs);
}
END_TEST

START_TEST(revoked_reference)
{
	uint32_t ref, handle;
	char *mine = share(2, 1, &ref, 1);
	struct client c;
	int fd;

	ck_assert_int_eq(xengntshr_unshare(share1, mine, 1), 0);
	assert_null(xengnttab_map_grant_ref(tab2, 1, ref, PROT_READ), EINVAL);
	fixture_handle(&c, 2);
	ck_assert_int_eq(map_bare(&c, ref, false, &fd, &handle), -EINVAL);
	client_close(&c);
}
END_TEST

/* What one handle made, another handle of the same domain cannot undo. */
START_TEST(handles_are_apart)
{
	struct wire_msg msg;
	uint32_t ref, handle;
	struct client c, other;
	int fd;

	share(2, 1, &ref, 1);
	fixture_handle(&c, 2);
	fixture_handle(&other, 2);
	ck_assert_int_eq(map_bare(&c, ref, true, &fd, &handle), 0);
	close(fd);
	msg = (struct wire_msg){.op = WIRE_GNTTAB_UNMAP};
	msg.unmap.count = 1;
	msg.unmap.handle[0] = handle;
	ck_assert_int_eq(client_call(&other, &msg, NULL), -EINVAL);
	msg = (struct wire_msg){.op = WIRE_GNTTAB_UNSHARE};
	msg.share.share_id = 1;
	ck_assert_int_eq(client_call(&other, &msg, NULL), -EINVAL);
	/* twice in one message */
	msg = (struct wire_msg){.op = WIRE_GNTTAB_UNMAP};
	msg.unmap.count = 2;
	msg.unmap.handle[0] = msg.unmap.handle[1] = handle;
	ck_assert_int_eq(client_call(&c, &msg, NULL), -EINVAL);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
	client_close(&c);
	client_close(&other);
}
END_TEST

/* ---- descriptors ---- */

static int share_fd(struct client *c, int fd, uint32_t count, bool writable,
		    uint32_t stage)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_SHARE};
	struct client_io io = {.fds = &fd, .nr_fds = fd >= 0 ? 1 : 0};

	msg.share.domid = 2;
	msg.share.count = count;
	msg.share.writable = writable;
	msg.share.stage = stage;
	return client_call(c, &msg, &io);
}

static void assert_share_refused(struct client *c, int fd, uint32_t count,
				 bool writable)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(share_fd(c, fd, count, writable, WIRE_SHARE_AT_ONCE),
			 -EINVAL);
	close(fd);
}

START_TEST(wrong_descriptors)
{
	int sock[2], huge, fd, i;
	struct client c;

	fixture_handle(&c, 1);
	for (i = 0; i < 2; i++) {
		/* seals: none, too few, too many */
		assert_share_refused(&c, make_memfd(PAGE, 0, 0), 1, i);
		assert_share_refused(&c, make_memfd(PAGE, 0, F_SEAL_GROW), 1,
				     i);
		assert_share_refused(
			&c, make_memfd(PAGE, 0, SEALS & ~F_SEAL_SEAL), 1, i);
		assert_share_refused(
			&c, make_memfd(PAGE, 0, SEALS | F_SEAL_WRITE), 1, i);
		/* sizes */
		fd = SEALS | (i ? 0 : F_SEAL_FUTURE_WRITE);
		assert_share_refused(&c, make_memfd(PAGE, 0, fd), 2, i);
		assert_share_refused(&c, make_memfd(2 * PAGE, 0, fd), 1, i);
		assert_share_refused(&c, make_memfd(PAGE - 1, 0, fd), 1, i);
		/* no memory at all */
		assert_share_refused(&c, open("/dev/null", O_RDWR), 1, i);
		assert_share_refused(&c, open("/dev/zero", O_RDWR), 1, i);
		assert_share_refused(&c, open("/proc/self/exe", O_RDONLY), 1,
				     i);
	}
	/* a read-only grant that is writable, and the other way */
	assert_share_refused(&c, make_memfd(PAGE, 0, SEALS), 1, false);
	assert_share_refused(
		&c, make_memfd(PAGE, 0, SEALS | F_SEAL_FUTURE_WRITE), 1, true);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	assert_share_refused(&c, sock[0], 1, true);
	close(sock[1]);
	/* huge pages may not be there when touched */
	huge = make_memfd(2 << 20, MFD_HUGETLB, SEALS);
	if (huge >= 0)
		assert_share_refused(&c, huge, 512, true);
	ck_assert_int_eq(share_fd(&c, -1, 1, true, WIRE_SHARE_AT_ONCE),
			 -EPROTO);
	ck_assert_int_eq(fixture_status(1, "shares"), 1); /* xenstore's */
	client_close(&c);
	assert_alive();
}
END_TEST

/* The two steps of a read-only page with notification. */
START_TEST(prepared_share)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_SHARE};
	struct client c;
	int fd = make_memfd(PAGE, 0, F_SEAL_GROW | F_SEAL_SHRINK);

	fixture_handle(&c, 1);
	ck_assert_int_eq(share_fd(&c, fd, 2, false, WIRE_SHARE_PREPARE),
			 -EINVAL);
	ck_assert_int_eq(share_fd(&c, fd, 1, true, WIRE_SHARE_PREPARE),
			 -EINVAL);
	ck_assert_int_eq(share_fd(&c, fd, 1, false, WIRE_SHARE_PREPARE), 0);
	/* not granted before it is sealed; and then it is no more */
	msg.share.share_id = 1;
	msg.share.stage = WIRE_SHARE_COMMIT;
	ck_assert_int_eq(client_call(&c, &msg, NULL), -EINVAL);
	ck_assert_int_eq(fixture_status(1, "references"), 0);
	ck_assert_int_eq(fixture_status(1, "shares"), 1);
	msg = (struct wire_msg){.op = WIRE_GNTTAB_SHARE};
	msg.share.share_id = 77;
	msg.share.stage = WIRE_SHARE_COMMIT;
	ck_assert_int_eq(client_call(&c, &msg, NULL), -EINVAL);
	close(fd);
	client_close(&c);
}
END_TEST

/* ---- ends ---- */

START_TEST(destroyed_with_all_open)
{
	uint32_t refs[4];
	char *mine = share(2, 4, refs, 1), *theirs;
	xengntshr_handle *again;
	xengnttab_handle *tab1;

	fixture_enter(2);
	strcpy(mine, "left");
	theirs = xengnttab_map_domain_grant_refs(tab2, 4, 1, refs, RW);
	ck_assert_ptr_nonnull(theirs);
	tab1 = open_tab(1);
	fixture_destroy(1);
	/* what is mapped stays, what is not is gone */
	ck_assert_str_eq(theirs, "left");
	strcpy(theirs, "mine");
	assert_null(xengnttab_map_grant_ref(tab2, 1, refs[0], RW), ESRCH);
	assert_null(xengntshr_share_pages(share1, 2, 1, refs, 1), ENOTCONN);
	assert_null(xengnttab_map_grant_ref(tab1, 1, refs[0], RW), ENOTCONN);
	xengnttab_close(tab1);

	/* a new domain of the same number has nothing of the old one */
	fixture_domain(1);
	assert_null(xengnttab_map_grant_ref(tab2, 1, refs[0], RW), EINVAL);
	fixture_enter(1);
	again = xengntshr_open(fixture_quiet(), 0);
	ck_assert_ptr_nonnull(again);
	ck_assert_ptr_nonnull(xengntshr_share_pages(again, 2, 4, refs, 1));
	ck_assert_int_eq(xengnttab_unmap(tab2, theirs, 4), 0);
	ck_assert_int_eq(fixture_status(2, "maps"), 0);
	ck_assert_int_eq(fixture_status(1, "references"), 4);
	xengntshr_close(share1);
	share1 = again;
	assert_alive();
}
END_TEST

struct victim {
	uint32_t refs[4];
	int ready_fd;
};

static int hold_all_and_hang(void *arg)
{
	struct victim *v = arg;
	xenevtchn_handle *e = xenevtchn_open(NULL, 0);
	xengnttab_handle *t = xengnttab_open(NULL, 0);
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t refs[8];
	int i;

	for (i = 0; i < 20; i++)
		if (xenevtchn_bind_unbound_port(e, 1) < 0)
			return 1;
	if (!xengnttab_map_domain_grant_refs(t, 4, 1, v->refs, RW) ||
	    !xengntshr_share_pages(s, 1, 8, refs, 1) ||
	    write(v->ready_fd, refs, sizeof(refs)) != sizeof(refs))
		return 1;
	for (;;)
		pause();
}

START_TEST(killed_with_all_open)
{
	uint32_t refs[8];
	struct victim v;
	xengnttab_handle *tab1 = open_tab(1);
	int fds[2];
	pid_t pid;
	char *p;

	share(3, 4, v.refs, 1);
	ck_assert_int_eq(pipe(fds), 0);
	v.ready_fd = fds[1];
	pid = fixture_fork(3, hold_all_and_hang, &v);
	ck_assert_int_eq(read(fds[0], refs, sizeof(refs)),
			 (ssize_t)sizeof(refs));
	p = xengnttab_map_grant_ref(tab1, 3, refs[0], RW);
	ck_assert_ptr_nonnull(p);
	kill(pid, SIGKILL);
	ck_assert_int_eq(fixture_join(pid), -SIGKILL);
	/* its grants stay until they are unmapped, the rest goes at once */
	fixture_wait_for(fixture_status(3, "references") == 1);
	fixture_wait_for(fixture_status(3, "maps") == 0);
	fixture_wait_for(fixture_ports(3, "unbound") == 1);
	*p = 1;
	ck_assert_int_eq(xengnttab_unmap(tab1, p, 1), 0);
	ck_assert_int_eq(fixture_status(3, "references"), 0);
	xengnttab_close(tab1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, granted_to_another);
	tcase_add_test(tc, read_only_grant);
	tcase_add_test(tc, writable_grant_keeps_its_size);
	tcase_add_test(tc, view_is_xens);
	tcase_add_test(tc, frame_numbers_are_not_wasted);
	tcase_add_test(tc, revoked_reference);
	tcase_add_test(tc, handles_are_apart);
	tcase_add_test(tc, wrong_descriptors);
	tcase_add_test(tc, prepared_share);
	tcase_add_test(tc, destroyed_with_all_open);
	tcase_add_test(tc, killed_with_all_open);
}

int main(void)
{
	return run_isolation("local_isolation", add);
}
