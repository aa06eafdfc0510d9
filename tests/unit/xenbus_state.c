// SPDX-License-Identifier: MIT
/*
 * The xenbus table: defined everywhere, and walked by models of the frontends
 * that exist.  A walk looks at every order in which backend, frontend and
 * toolstack can move, with the backend acting on states that are out of date
 * by then, and requires that every order ends, and ends well.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xenbus_state.h"
#include "tests/unit/run_suite.h"

#define NR_STATES 9

START_TEST(every_pair_is_defined)
{
	for (int role = 0; role < 2; role++)
		for (int online = 0; online < 2; online++)
			for (int own = 0; own < NR_STATES; own++)
				for (int other = 0; other < NR_STATES;
				     other++) {
					enum xenbus_action a = xenbus_next(
						role, own, other, online);

					ck_assert(a <= XENBUS_RESTART);
					ck_assert_str_ne(xenbus_action_name(a),
							 "invalid");
					if (role == XENBUS_BACKEND)
						ck_assert(a != XENBUS_SETUP);
					else
						ck_assert(a != XENBUS_OFFER &&
							  a != XENBUS_REMOVE &&
							  a != XENBUS_RESTART);
					if (online)
						ck_assert(a != XENBUS_REMOVE);
				}
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(xenbus_state_name(XenbusStateConnected), "Connected");
	ck_assert_str_eq(xenbus_state_name((enum xenbus_state)9), "invalid");
	ck_assert_str_eq(xenbus_state_name((enum xenbus_state) - 1), "invalid");
	ck_assert_str_eq(xenbus_action_name((enum xenbus_action)99), "invalid");
}
END_TEST

/* What docs/xenbus.md promises by name. */
static const struct {
	enum xenbus_role role;
	int own, other;
	bool online;
	enum xenbus_action action;
} promises[] = {
	/* a device appears; GRUB wrote its rings already */
	{XENBUS_BACKEND, 1, 1, true, XENBUS_OFFER},
	{XENBUS_BACKEND, 1, 3, true, XENBUS_OFFER},
	/* 3 and 4 are alike */
	{XENBUS_BACKEND, 2, 3, true, XENBUS_CONNECT},
	{XENBUS_BACKEND, 2, 4, true, XENBUS_CONNECT},
	/* a connected device is left alone, also when it is to go */
	{XENBUS_BACKEND, 4, 4, true, XENBUS_NOTHING},
	{XENBUS_BACKEND, 5, 4, false, XENBUS_NOTHING},
	/* began anew without closing */
	{XENBUS_BACKEND, 4, 1, true, XENBUS_RESTART},
	/* its directory vanished */
	{XENBUS_BACKEND, 4, 0, true, XENBUS_CLOSED},
	{XENBUS_BACKEND, 4, 0, false, XENBUS_REMOVE},
	/* closed and online: comes back; offline: goes */
	{XENBUS_BACKEND, 6, 1, true, XENBUS_OFFER},
	{XENBUS_BACKEND, 6, 6, true, XENBUS_NOTHING},
	{XENBUS_BACKEND, 5, 6, false, XENBUS_REMOVE},
	/* after a failure a frontend that did not notice is not connected
	 * again and again */
	{XENBUS_BACKEND, 6, 4, true, XENBUS_NOTHING},
	/* keys written one by one by hand: not there yet is not gone */
	{XENBUS_BACKEND, 0, 0, true, XENBUS_NOTHING},
	{XENBUS_FRONTEND, 1, 2, true, XENBUS_SETUP},
	{XENBUS_FRONTEND, 3, 4, true, XENBUS_CONNECT},
	{XENBUS_FRONTEND, 4, 4, true, XENBUS_CHANGED},
	{XENBUS_FRONTEND, 4, 0, true, XENBUS_CLOSED},
	{XENBUS_FRONTEND, 4, 5, true, XENBUS_CLOSE},
};

START_TEST(promised_rows)
{
	ck_assert_int_eq(xenbus_next(promises[_i].role, promises[_i].own,
				     promises[_i].other, promises[_i].online),
			 promises[_i].action);
}
END_TEST

/* -- walks -- */

struct model {
	unsigned char be, fe;
	unsigned char phase;               /* of the frontend's own program */
	unsigned char pending, pending_on; /* action chosen, own state then */
	bool online, removed, unplugged;
};

struct walk {
	bool (*frontend)(struct model *m); /* one step, false if none */
	bool (*good_end)(const struct model *m);
	bool may_unplug; /* the toolstack may write 5 and online=0 */
	unsigned char *colour;
	const char *name;
};

static size_t model_index(const struct model *m)
{
	size_t i = m->be;

	i = i * NR_STATES + m->fe;
	i = i * 16 + m->phase;
	i = i * (XENBUS_RESTART + 1) + m->pending;
	i = i * NR_STATES + m->pending_on;
	i = i * 2 + m->online;
	i = i * 2 + m->removed;
	return i * 2 + m->unplugged;
}
#define MODEL_INDICES                                                \
	((size_t)NR_STATES * NR_STATES * 16 * (XENBUS_RESTART + 1) * \
	 NR_STATES * 8)

static unsigned char state_written(enum xenbus_action a, unsigned char own)
{
	switch (a) {
	case XENBUS_OFFER:
	case XENBUS_RESTART:
		return XenbusStateInitWait;
	case XENBUS_CONNECT:
		return XenbusStateConnected;
	case XENBUS_SETUP:
		return XenbusStateInitialised;
	case XENBUS_CLOSE:
		return XenbusStateClosing;
	case XENBUS_CLOSED:
	case XENBUS_REMOVE:
		return XenbusStateClosed;
	case XENBUS_NOTHING:
	case XENBUS_CHANGED:
		break;
	}
	return own;
}

/* First chooses, then writes unless its own state was changed meanwhile, as
 * xs_switch_state() does. */
static bool backend_step(struct model *m)
{
	enum xenbus_action a;

	if (m->removed)
		return false;
	if (m->pending != XENBUS_NOTHING) {
		if (m->pending_on == m->be) {
			m->be = state_written(m->pending, m->be);
			m->removed = m->pending == XENBUS_REMOVE;
		}
		m->pending = XENBUS_NOTHING;
		m->pending_on = 0;
		return true;
	}
	a = xenbus_next(XENBUS_BACKEND, m->be, m->fe, m->online);
	if (a == XENBUS_NOTHING || a == XENBUS_CHANGED)
		return false;
	m->pending = a;
	m->pending_on = m->be;
	return true;
}

static bool toolstack_step(struct model *m)
{
	if (m->unplugged || m->removed)
		return false;
	m->unplugged = true;
	m->online = false;
	m->be = XenbusStateClosing;
	return true;
}

static void walk_from(struct walk *w, struct model m)
{
	unsigned char *colour = &w->colour[model_index(&m)];
	unsigned int moves = 0;

	ck_assert_msg(*colour != 1,
		      "%s: goes round: be %u fe %u phase %u online %d", w->name,
		      m.be, m.fe, m.phase, m.online);
	if (*colour == 2)
		return;
	*colour = 1;
	for (int who = 0; who < 3; who++) {
		struct model next = m;
		bool moved = who == 0 ? backend_step(&next)
			     : who == 1
				     ? w->frontend(&next)
				     : w->may_unplug && toolstack_step(&next);

		if (moved) {
			/* an unplug that never comes is no way out */
			moves += who != 2;
			walk_from(w, next);
		}
	}
	if (!moves)
		ck_assert_msg(w->good_end(&m),
			      "%s: stuck: be %u fe %u phase %u online %d",
			      w->name, m.be, m.fe, m.phase, m.online);
	*colour = 2;
}

static bool set_fe(struct model *m, unsigned char fe, unsigned char phase)
{
	m->fe = fe;
	m->phase = phase;
	return true;
}

/* Linux blkfront: waits for 2, then 3, for 4, then 4. */
static bool linux_block(struct model *m)
{
	if (m->fe == 1 && m->be == 2)
		return set_fe(m, 3, m->phase);
	if (m->fe == 3 && m->be == 4)
		return set_fe(m, 4, m->phase);
	if (m->fe != 6 && (m->be == 5 || m->be == 6) && m->fe >= 3)
		return set_fe(m, 6, m->phase);
	return false;
}

/* Linux netfront: waits for 2, then 4 at once. */
static bool linux_net(struct model *m)
{
	if (m->fe == 1 && m->be == 2)
		return set_fe(m, 4, m->phase);
	if (m->fe == 4 && (m->be == 5 || m->be == 6))
		return set_fe(m, m->be, m->phase);
	if (m->fe == 5 && (m->be == 5 || m->be == 6))
		return set_fe(m, 6, m->phase);
	return false;
}

/* GRUB: 3 at once; spins only while it reads exactly 2; on the way out 6,
 * waits for 6, then 1; then the operating system. */
static bool grub_then_linux(struct model *m)
{
	switch (m->phase) {
	case 0:
		return set_fe(m, 3, 1);
	case 1:
		return m->be != 2 && set_fe(m, 3, 2);
	case 2:
		return set_fe(m, 6, 3);
	case 3:
		return m->be == 6 && set_fe(m, 1, 4);
	default:
		return linux_block(m);
	}
}

/* Mini-OS: 4 at once; 5, waits for 5; 6, waits for 6; 1, waits for 2..5. */
static bool minios_then_linux(struct model *m)
{
	switch (m->phase) {
	case 0:
		return set_fe(m, 4, 1);
	case 1:
		return m->be == 4 && set_fe(m, 5, 2);
	case 2:
		return m->be >= 5 && set_fe(m, 6, 3);
	case 3:
		return m->be == 6 && set_fe(m, 1, 4);
	case 4:
		return m->be >= 2 && m->be < 6 && set_fe(m, 1, 5);
	default:
		return linux_block(m);
	}
}

/* Windows: connects, closes, connects again; ejects on Closing and online=0.
 * Phase 15: a connect failed. */
static bool windows(struct model *m)
{
	unsigned char again = m->phase >= 6 ? 6 : 0;

	if (m->phase == 15)
		return false;
	switch (m->phase - again) {
	case 0:
		return set_fe(m, 1, again + 1);
	case 1:
		if (m->be == 6 || m->be == 1)
			return false;
		return m->be == 2 ? set_fe(m, 3, again + 2) : set_fe(m, 1, 15);
	case 2:
		if (m->be >= 1 && m->be <= 3)
			return false;
		return m->be == 4 ? set_fe(m, 4, again + 3) : set_fe(m, 3, 15);
	case 3:
		/* the second time it stays, unless it is ejected */
		if (again && !(m->be == 5 && !m->online))
			return false;
		return set_fe(m, 5, again + 4);
	case 4:
		return m->be >= 5 && set_fe(m, 6, again + 5);
	case 5:
		if (again || m->be != 6)
			return false;
		return set_fe(m, 6, 6);
	}
	return false;
}

/* Our own, by the same table. */
static bool by_table(struct model *m)
{
	enum xenbus_action a = xenbus_next(XENBUS_FRONTEND, m->fe, m->be,
					   m->online);

	if (a == XENBUS_NOTHING || a == XENBUS_CHANGED)
		return false;
	return set_fe(m, state_written(a, m->fe), m->phase);
}

static bool is_connected(const struct model *m)
{
	return m->be == 4 && m->fe == 4;
}

static bool is_connected_or_removed(const struct model *m)
{
	return m->online ? is_connected(m) : m->removed;
}

static bool is_removed_if_offline(const struct model *m)
{
	return m->online || m->removed;
}

static void walk_all(const char *name, bool (*fe)(struct model *),
		     bool (*good_end)(const struct model *), bool may_unplug,
		     unsigned char be, unsigned char fe_state)
{
	struct walk w = {fe, good_end, may_unplug, NULL, name};
	struct model m = {.be = be, .fe = fe_state, .online = true};

	w.colour = calloc(MODEL_INDICES, 1);
	ck_assert(w.colour);
	walk_from(&w, m);
	free(w.colour);
}

static const struct {
	const char *name;
	bool (*fe)(struct model *);
	unsigned char be;
} attaches[] = {
	{"Linux block", linux_block, 1},
	{"Linux net", linux_net, 1},
	{"ours", by_table, 1},
	/* GRUB takes anything but 2 for ready: 2 before the guest runs */
	{"GRUB, Linux", grub_then_linux, 2},
	{"Mini-OS, Linux", minios_then_linux, 1},
	{"Windows", windows, 1},
	{"Windows, backend closed", windows, 6},
	{"Linux block, backend closed", linux_block, 6},
	{"Linux block, crashed before", linux_block, 4},
	{"Linux net, crashed before", linux_net, 4},
	{"ours, crashed before", by_table, 4},
};

START_TEST(attach_connects)
{
	walk_all(attaches[_i].name, attaches[_i].fe, is_connected, false,
		 attaches[_i].be, 1);
}
END_TEST

START_TEST(unplug_at_any_moment_ends)
{
	bool grub = attaches[_i].fe == grub_then_linux;
	bool minios = attaches[_i].fe == minios_then_linux;
	bool win = attaches[_i].fe == windows;

	/* Polling loaders and a Windows whose connect failed never let go by
	 * themselves: that is what force is for. */
	if (grub || minios || win)
		return;
	walk_all(attaches[_i].name, attaches[_i].fe, is_connected_or_removed,
		 true, attaches[_i].be, 1);
}
END_TEST

/* Windows, connected for good, is ejected. */
START_TEST(windows_ejects)
{
	struct walk w = {windows, is_removed_if_offline, true, NULL, "eject"};
	struct model m = {.be = 4, .fe = 4, .phase = 9, .online = true};

	w.colour = calloc(MODEL_INDICES, 1);
	ck_assert(w.colour);
	walk_from(&w, m);
	free(w.colour);
}
END_TEST

static bool silent(struct model *m)
{
	(void)m;
	return false;
}

static bool any_end(const struct model *m)
{
	(void)m;
	return true;
}

/* Whatever a frontend wrote last, the backend comes to rest; offline and
 * without an active frontend it removes the device. */
START_TEST(silent_frontend)
{
	for (unsigned char be = 0; be < NR_STATES; be++) {
		for (unsigned char fe = 0; fe < NR_STATES; fe++) {
			bool idle = fe <= 2 || fe == 6;

			walk_all("silent", silent, any_end, false, be, fe);
			walk_all("silent, unplugged", silent,
				 idle ? is_removed_if_offline : any_end, true,
				 be, fe);
		}
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("xenbus_state");
	TCase *tc = tcase_create("table");

	tcase_add_test(tc, every_pair_is_defined);
	tcase_add_test(tc, names);
	tcase_add_loop_test(tc, promised_rows, 0,
			    sizeof(promises) / sizeof(promises[0]));
	suite_add_tcase(s, tc);
	tc = tcase_create("walks");
	tcase_add_loop_test(tc, attach_connects, 0,
			    sizeof(attaches) / sizeof(attaches[0]));
	tcase_add_loop_test(tc, unplug_at_any_moment_ends, 0,
			    sizeof(attaches) / sizeof(attaches[0]));
	tcase_add_test(tc, windows_ejects);
	tcase_add_test(tc, silent_frontend);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(make_suite());
}
