// SPDX-License-Identifier: MIT
/*
 * The table of links, the words of a target, and the counting door between a
 * vif and its link.
 */
#include "backend/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hypercall/xs_parse.h"

#define MTU_MIN 68u /* of IPv4 */
#define MTU_MAX (NET_PACKET_MAX - 14u)

static const struct link_ops *const links[] = {
	&link_tap,
	&link_user,
	&link_memory,
};
#define NR_LINKS (sizeof(links) / sizeof(links[0]))

static const struct link_ops *find_link(const char *target, const char **rest)
{
	unsigned int i;

	for (i = 0; i < NR_LINKS; i++) {
		size_t len = strlen(links[i]->scheme);

		if (strncmp(target, links[i]->scheme, len) ||
		    target[len] != ':')
			continue;
		*rest = target + len + 1;
		return links[i];
	}
	return NULL;
}

static const struct link_ops *link_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_LINKS; i++)
		if (!strncmp(links[i]->name, name, LINK_NAME_MAX))
			return links[i];
	return NULL;
}

static void desc_init(struct link_desc *desc, const char *target,
		      const struct link_open_how *how)
{
	unsigned int i;

	memset(desc, 0, sizeof(*desc));
	for (i = 0; i < LINK_MAX_QUEUES; i++)
		desc->fd[i] = -1;
	xs_printable(desc->label, sizeof(desc->label), target, strlen(target));
	memcpy(desc->mac, how->mac, sizeof(desc->mac));
	desc->domid = how->domid;
	desc->mtu = how->mtu;
	desc->nr_queues = 1;
}

static bool valid_mtu(uint32_t mtu)
{
	return mtu >= MTU_MIN && mtu <= MTU_MAX;
}

static int check_how(const struct link_desc *desc,
		     const struct link_open_how *how, struct xs_err *err)
{
	if (!how->queues || how->queues > LINK_MAX_QUEUES) {
		xs_err_set(err, "%s: %u queues, not 1 to %u", desc->label,
			   how->queues, LINK_MAX_QUEUES);
		return -EINVAL;
	}
	if (how->mtu && !valid_mtu(how->mtu)) {
		xs_err_set(err, "%s: an MTU of %u, not %u to %u", desc->label,
			   how->mtu, MTU_MIN, MTU_MAX);
		return -EINVAL;
	}
	return 0;
}

int link_open(const char *target, const struct link_open_how *how,
	      struct link_desc *desc, struct xs_err *err)
{
	const struct link_ops *ops;
	const char *rest;
	int res;

	desc_init(desc, target, how);
	ops = find_link(target, &rest);
	if (!ops) {
		xs_err_set(err,
			   "the link '%s' is none of tap:NAME, "
			   "user:[OPTIONS], memory:WHAT",
			   desc->label);
		return -EINVAL;
	}
	snprintf(desc->link, sizeof(desc->link), "%s", ops->name);
	res = check_how(desc, how, err);
	if (!res)
		res = ops->open(rest, how, desc, err);
	if (res) {
		link_close(desc);
		return res;
	}
	assert(desc->nr_queues && desc->nr_queues <= how->queues);
	assert(desc->nr_fds <= LINK_MAX_QUEUES);
	assert(valid_mtu(desc->mtu));
	return 0;
}

void link_close(struct link_desc *desc)
{
	const struct link_ops *ops = link_named(desc->link);
	unsigned int i;

	for (i = 0; i < desc->nr_fds && i < LINK_MAX_QUEUES; i++) {
		if (desc->fd[i] >= 0)
			close(desc->fd[i]);
		desc->fd[i] = -1;
	}
	desc->nr_fds = 0;
	if (ops && ops->close)
		ops->close(desc);
}

int link_set_features(struct link_desc *desc, uint32_t features)
{
	const struct link_ops *ops = link_named(desc->link);

	assert(ops);
	return ops->set_features ? ops->set_features(desc, features) : 0;
}

int link_set_queues(struct link_desc *desc, unsigned int nr)
{
	const struct link_ops *ops = link_named(desc->link);

	assert(ops);
	if (!nr || nr > desc->nr_queues)
		return -EINVAL;
	return ops->set_queues ? ops->set_queues(desc, nr) : 0;
}

int link_set_mtu(struct link_desc *desc, uint32_t mtu)
{
	const struct link_ops *ops = link_named(desc->link);
	int res = 0;

	assert(ops);
	if (!valid_mtu(mtu))
		return -EINVAL;
	if (ops->set_mtu)
		res = ops->set_mtu(desc, mtu);
	if (!res)
		desc->mtu = mtu;
	return res;
}

int link_set_carrier(struct link_desc *desc, bool up)
{
	const struct link_ops *ops = link_named(desc->link);

	assert(ops);
	return ops->set_carrier ? ops->set_carrier(desc, up) : 0;
}

int link_renew(const char *target, struct link_desc *desc, struct xs_err *err)
{
	const struct link_ops *ops = link_named(desc->link);
	const char *rest;

	assert(ops);
	if (!ops->renew || find_link(target, &rest) != ops)
		return 0;
	return ops->renew(rest, desc, err);
}

int link_attach(struct link_ctx *ctx, const struct link_desc *desc,
		unsigned int queue, struct io_loop *loop, struct xs_err *err)
{
	const struct link_ops *ops = link_named(desc->link);

	ctx->ops = ops;
	ctx->desc = desc;
	ctx->loop = loop;
	ctx->queue = queue;
	ctx->sent = ctx->dropped = ctx->received = 0;
	ctx->priv = NULL;
	if (!ops) {
		xs_err_set(err, "no link is called '%.*s'", (int)LINK_NAME_MAX,
			   desc->link);
		return -EINVAL;
	}
	if (queue >= desc->nr_queues) {
		xs_err_set(err, "%s has no queue %u", desc->label, queue);
		return -EINVAL;
	}
	return ops->attach(ctx, err);
}

void link_detach(struct link_ctx *ctx)
{
	ctx->ops->detach(ctx);
	ctx->priv = NULL;
}

unsigned int link_send(struct link_ctx *ctx, const struct net_frame *frames,
		       unsigned int nr)
{
	unsigned int sent = ctx->ops->send(ctx, frames, nr);

	ctx->sent += sent;
	ctx->dropped += nr - sent;
	return sent;
}

unsigned int link_receive(struct link_ctx *ctx, struct net_frame *frames,
			  unsigned int nr)
{
	unsigned int got = ctx->ops->receive(ctx, frames, nr);

	ctx->received += got;
	return got;
}

void link_arm(struct link_ctx *ctx, bool on)
{
	ctx->ops->arm(ctx, on);
}
