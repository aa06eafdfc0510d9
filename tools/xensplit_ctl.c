// SPDX-License-Identifier: MIT
/* The connection to xenstore, signals, and domains.  See xensplit.h. */
#include "tools/xensplit.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"

#define DOMID_MAX 0x7fefu /* DOMID_FIRST_RESERVED - 1 */

static void on_signal(struct ev_loop *loop, ev_signal *sig, int revents)
{
	struct ctl *ctl = sig->data;

	(void)revents;
	ctl->interrupted = true;
	ev_break(loop, EVBREAK_ALL);
}

static void on_lost(struct xs_store *xs, void *arg)
{
	struct ctl *ctl = arg;

	(void)xs;
	ctl->lost = true;
	ev_break(ctl->loop, EVBREAK_ALL);
}

int ctl_open(struct ctl *ctl)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	int res;

	memset(ctl, 0, sizeof(*ctl));
	ctl->loop = ev_loop_new(EVFLAG_AUTO);
	if (!ctl->loop) {
		complain("cannot make an event loop");
		return -ENOMEM;
	}
	res = xs_store_open(&ctl->xs, ctl->loop);
	if (res) {
		complain("cannot reach xenstore: %s (is this a Xen domain, and "
			 "xenstored running?)",
			 strerror(-res));
		ev_loop_destroy(ctl->loop);
		return res;
	}
	xs_store_on_lost(ctl->xs, on_lost, ctl);
	for (unsigned int i = 0; i < 3; i++) {
		ev_signal_init(&ctl->signals[i], on_signal, signals[i]);
		ctl->signals[i].data = ctl;
		ev_signal_start(ctl->loop, &ctl->signals[i]);
	}
	if (xs_store_domid(ctl->xs, &ctl->own_domid))
		ctl->own_domid = 0;
	return 0;
}

void ctl_close(struct ctl *ctl)
{
	for (unsigned int i = 0; i < 3; i++)
		ev_signal_stop(ctl->loop, &ctl->signals[i]);
	xs_store_close(ctl->xs);
	ev_loop_destroy(ctl->loop);
}

void ctl_domain_name(struct ctl *ctl, uint32_t domid, char *out, size_t size)
{
	char dir[PVDEV_PATH_MAX];

	snprintf(dir, sizeof(dir), "/local/domain/%" PRIu32, domid);
	if (xs_read_str(ctl->xs, XBT_NULL, dir, "name", out, size, NULL))
		out[0] = '\0';
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t *ctl_domains(struct ctl *ctl, unsigned int *nr)
{
	unsigned int nr_names;
	char **names = xs_list(ctl->xs, XBT_NULL, "/local/domain", &nr_names);
	uint32_t *ids = calloc(nr_names + 1, sizeof(*ids));
	uint64_t n;

	*nr = 0;
	if (ids && !names)
		ids[(*nr)++] = ctl->own_domid;
	for (unsigned int i = 0; ids && i < nr_names; i++) {
		if (!xs_parse_u64(names[i], strlen(names[i]), 0, DOMID_MAX, &n))
			ids[(*nr)++] = (uint32_t)n;
	}
	free(names);
	if (ids)
		qsort(ids, *nr, sizeof(*ids), by_value);
	return ids;
}

static int domain_by_name(struct ctl *ctl, const char *text, uint32_t *domid,
			  struct xs_err *err)
{
	unsigned int nr, found = 0;
	uint32_t *ids = ctl_domains(ctl, &nr);
	char name[PVDEV_VALUE_MAX];

	for (unsigned int i = 0; ids && i < nr; i++) {
		ctl_domain_name(ctl, ids[i], name, sizeof(name));
		if (!strcmp(name, text)) {
			*domid = ids[i];
			found++;
		}
	}
	free(ids);
	if (found == 1)
		return 0;
	if (found)
		xs_err_set(err, "more than one domain has the name '%s'", text);
	else
		xs_err_set(err, "there is no domain '%s'%s", text,
			   ctl->own_domid ? " that this one can see (try its "
					    "number)"
					  : "");
	return found ? -ENOTUNIQ : -ENOENT;
}

int ctl_domain(struct ctl *ctl, const char *text, uint32_t *domid,
	       struct xs_err *err)
{
	char dir[PVDEV_PATH_MAX];
	uint64_t n;

	if (!*text) {
		xs_err_set(err, "the name of the domain is empty");
		return -EINVAL;
	}
	if (xs_parse_u64(text, strlen(text), 0, DOMID_MAX, &n))
		return domain_by_name(ctl, text, domid, err);
	snprintf(dir, sizeof(dir), "/local/domain/%" PRIu64, n);
	if (!xs_node_exists(ctl->xs, XBT_NULL, dir)) {
		xs_err_set(err, "there is no domain %" PRIu64, n);
		return -ENOENT;
	}
	*domid = (uint32_t)n;
	return 0;
}
