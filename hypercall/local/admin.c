// SPDX-License-Identifier: MIT
/*
 * The administrator's requests to xenlocald, one function each.
 */
#include "admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "wire.h"

/* More text than this is no status. */
#define STATUS_MAX (16u << 20)

struct admin {
	struct client client;
};

int admin_open(const char *control_path, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	rc = client_open_control(&a->client, control_path);
	if (rc < 0) {
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void admin_close(struct admin *a)
{
	if (!a)
		return;
	client_close(&a->client);
	free(a);
}

int admin_create(struct admin *a, uint32_t *domid, const char *name,
		 uint32_t *store_gfn, uint32_t *store_port)
{
	struct wire_msg msg = {.op = WIRE_CTL_DOMAIN_CREATE};
	int rc;

	if (strlen(name) >= sizeof(msg.domain.name))
		return -ENAMETOOLONG;
	strcpy(msg.domain.name, name);
	msg.domain.domid = *domid >= ADMIN_DOMID_END ? WIRE_DOMID_SELF : *domid;
	rc = client_call(&a->client, &msg, NULL);
	if (rc < 0)
		return rc;
	*domid = msg.domain.domid;
	*store_gfn = msg.domain.xenstore_gfn;
	*store_port = msg.domain.xenstore_port;
	return 0;
}

int admin_destroy(struct admin *a, uint32_t domid)
{
	struct wire_msg msg = {.op = WIRE_CTL_DOMAIN_DESTROY};

	msg.domain.domid = domid;
	return client_call(&a->client, &msg, NULL);
}

int admin_domain_socket(struct admin *a, uint32_t domid, int *fd)
{
	struct wire_msg msg = {.op = WIRE_CTL_DOMAIN_SOCKET};
	struct client_io io = {.reply_fds = fd, .reply_fds_max = 1};
	int rc;

	msg.domain.domid = domid;
	rc = client_call(&a->client, &msg, &io);
	if (rc == 0 && io.nr_reply_fds != 1)
		rc = -EPROTO;
	if (rc < 0 && io.nr_reply_fds)
		close(*fd);
	return rc;
}

/* One piece of the text, from `offset` on; *total is the whole's length. */
static int status_piece(struct admin *a, char *to, uint32_t offset,
			uint32_t *len, uint32_t *total)
{
	struct wire_msg msg = {.op = WIRE_CTL_STATUS, .offset = offset};
	struct client_io io = {.reply_payload = to,
			       .reply_max = WIRE_MAX_PAYLOAD};
	int rc;

	rc = client_call(&a->client, &msg, &io);
	if (rc < 0)
		return rc;
	*len = msg.payload_len;
	*total = msg.offset;
	return *total > STATUS_MAX ? -EPROTO : 0;
}

int admin_status(struct admin *a, char **json)
{
	uint32_t have = 0, len, total;
	char *text = NULL, *more;
	int rc;

	do {
		more = realloc(text, have + WIRE_MAX_PAYLOAD + 1);
		if (!more) {
			rc = -ENOMEM;
			break;
		}
		text = more;
		rc = status_piece(a, text + have, have, &len, &total);
		if (rc < 0)
			break;
		have += len;
	} while (len && have < total);
	if (rc < 0) {
		free(text);
		return rc;
	}
	text[have] = '\0';
	*json = text;
	return 0;
}

int admin_shutdown(struct admin *a)
{
	struct wire_msg msg = {.op = WIRE_CTL_SHUTDOWN};

	return client_call(&a->client, &msg, NULL);
}
