// SPDX-License-Identifier: MIT
/*
 * The keys of block devices and NICs.  See xenbus_keys.h.
 *
 * A range here is what the protocol allows.  What this backend offers is often
 * less (ring pages, queues, segments): whoever made the offer checks against
 * it after reading.
 */
#include "hypercall/xenbus_keys.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define DOMID_MAX  0x7fefu          /* DOMID_FIRST_RESERVED - 1 */
#define EVTCHN_MAX ((1u << 17) - 1) /* FIFO event channels: 2^17 ports */
#define QUEUES_MAX 256u

#define NUMBER(_name, _writer, _min, _max, _missing, _help)       \
	{                                                         \
		.name = _name, .writer = XENBUS_BY_##_writer,     \
		.type = XENBUS_KEY_U64, .min = _min, .max = _max, \
		.missing = _missing, .help = _help                \
	}
#define NUMBER_REQUIRED(_name, _writer, _min, _max, _help)             \
	{                                                              \
		.name = _name, .writer = XENBUS_BY_##_writer,          \
		.type = XENBUS_KEY_U64, .required = true, .min = _min, \
		.max = _max, .help = _help                             \
	}
#define BOOLEAN(_name, _writer, _missing, _help)                        \
	{                                                               \
		.name = _name, .writer = XENBUS_BY_##_writer,           \
		.type = XENBUS_KEY_BOOL, .max = 1, .missing = _missing, \
		.help = _help                                           \
	}
#define STRING(_name, _writer, _help)                         \
	{                                                     \
		.name = _name, .writer = XENBUS_BY_##_writer, \
		.type = XENBUS_KEY_STRING, .help = _help      \
	}
#define STRING_REQUIRED(_name, _writer, _help)                             \
	{                                                                  \
		.name = _name, .writer = XENBUS_BY_##_writer,              \
		.type = XENBUS_KEY_STRING, .required = true, .help = _help \
	}
#define RING_REF(_name)                                 \
	NUMBER_REQUIRED(_name, FRONTEND, 1, UINT32_MAX, \
			"grant reference of a page of the ring")

/* clang-format off */
const struct xenbus_key vbd_keys[] = {
	STRING_REQUIRED("frontend", TOOLSTACK_BACK,
		"path of the frontend's directory"),
	NUMBER_REQUIRED("frontend-id", TOOLSTACK_BACK, 0, DOMID_MAX,
		"domain of the frontend"),
	BOOLEAN("online", TOOLSTACK_BACK, 1, "0: the device is to go"),
	STRING_REQUIRED("params", TOOLSTACK_BACK,
		"what the disk is made of: a path, or SCHEME:REST"),
	STRING_REQUIRED("mode", TOOLSTACK_BACK,
		"r, w, or w! (writable although in use elsewhere)"),
	STRING("type", TOOLSTACK_BACK, "kind of backend the toolstack means"),
	STRING("dev", TOOLSTACK_BACK, "the disk's name, xvda"),
	STRING("script", TOOLSTACK_BACK, "hotplug script"),
	STRING("specification", TOOLSTACK_BACK, "xen"),
	BOOLEAN("removable", TOOLSTACK_BACK, 0, "sets a bit of info"),
	BOOLEAN("bootable", TOOLSTACK_BACK, 0, "for boot loaders"),
	BOOLEAN("discard-enable", TOOLSTACK_BACK, 1,
		"0: do not offer discard"),
	BOOLEAN("direct-io-safe", TOOLSTACK_BACK, 0,
		"O_DIRECT is known to be safe"),
	BOOLEAN("xensplit/force", TOOLSTACK_BACK, 0,
		"1: remove without the frontend's consent"),
	BOOLEAN("xensplit/serve", TOOLSTACK_BACK, 0,
		"1: for xensplitd, where the kernel serves the others"),
	NUMBER("xensplit/sector-size", TOOLSTACK_BACK, 512, 4096, 0,
		"bytes, a power of two; absent: the store's own"),
	STRING("xensplit/resize", TOOLSTACK_BACK,
		"any value: look at the size again; removed when seen"),
	NUMBER("xensplit/poll-us", TOOLSTACK_BACK, 0, 10000, UINT64_MAX,
		"most that the disk is polled for before each sleep; any time"),
	STRING("physical-device", TOOLSTACK_BACK,
		"MAJOR:MINOR in hexadecimal, by a hotplug script"),
	STRING("physical-device-path", TOOLSTACK_BACK,
		"path, by a hotplug script"),
	STRING("hotplug-status", TOOLSTACK_BACK, "by a hotplug script"),
	STRING("hotplug-error", TOOLSTACK_BACK, "by a hotplug script"),

	STRING_REQUIRED("backend", TOOLSTACK_FRONT,
		"path of the backend's directory"),
	NUMBER_REQUIRED("backend-id", TOOLSTACK_FRONT, 0, DOMID_MAX,
		"domain of the backend"),
	NUMBER_REQUIRED("virtual-device", TOOLSTACK_FRONT, 0, UINT32_MAX,
		"the disk's number, 51712 is xvda"),
	STRING("device-type", TOOLSTACK_FRONT, "disk or cdrom; in both"),
	BOOLEAN("trusted", TOOLSTACK_FRONT, 1,
		"0: the frontend is not to trust the backend"),

	/* 8 pages of 512 segments: the most that a request can name */
	NUMBER("feature-max-indirect-segments", BACKEND, 0, 4096, 0,
		"segments of an indirect request; 0: none"),
	NUMBER("multi-queue-max-queues", BACKEND, 0, UINT32_MAX, 1,
		"most queues the backend serves"),
	NUMBER("max-ring-page-order", BACKEND, 0, 31, 0,
		"most pages of a ring, as a power of two"),
	NUMBER("max-ring-pages", BACKEND, 0, UINT32_MAX, 1,
		"the same as a number of pages (deprecated)"),
	BOOLEAN("feature-flush-cache", BACKEND, 0, "FLUSH_DISKCACHE works"),
	BOOLEAN("feature-barrier", BACKEND, 0, "WRITE_BARRIER works"),
	BOOLEAN("feature-discard", BACKEND, 0, "DISCARD works"),
	NUMBER("discard-granularity", BACKEND, 0, UINT32_MAX, 0,
		"bytes; 0 or absent: a sector"),
	NUMBER("discard-alignment", BACKEND, 0, UINT32_MAX, 0, "bytes"),
	BOOLEAN("discard-secure", BACKEND, 0, "secure DISCARD works"),
	/* bytes must fit a signed 64-bit offset */
	NUMBER_REQUIRED("sectors", BACKEND, 0, (UINT64_C(1) << 54) - 1,
		"size in units of 512 bytes, whatever sector-size"),
	NUMBER("sector-size", BACKEND, 512, 65536, 512,
		"bytes, a power of two"),
	NUMBER("physical-sector-size", BACKEND, 512, 1u << 24, 0,
		"bytes; absent: sector-size"),
	NUMBER("info", BACKEND, 0, UINT32_MAX, 0,
		"bits: 1 CD-ROM, 2 removable, 4 read-only"),
	BOOLEAN("xensplit/opened", BACKEND, 0,
		"1, for hotplug scripts: the disk could be opened"),
	STRING("error", BACKEND, "why the device does not work"),

	RING_REF("ring-ref"),
	RING_REF("ring-ref0"), RING_REF("ring-ref1"), RING_REF("ring-ref2"),
	RING_REF("ring-ref3"), RING_REF("ring-ref4"), RING_REF("ring-ref5"),
	RING_REF("ring-ref6"), RING_REF("ring-ref7"), RING_REF("ring-ref8"),
	RING_REF("ring-ref9"), RING_REF("ring-ref10"), RING_REF("ring-ref11"),
	RING_REF("ring-ref12"), RING_REF("ring-ref13"), RING_REF("ring-ref14"),
	RING_REF("ring-ref15"),
	NUMBER("ring-page-order", FRONTEND, 0, 4, 0,
		"pages of a ring, as a power of two"),
	NUMBER("num-ring-pages", FRONTEND, 1, 16, 1,
		"the same as a number of pages (deprecated)"),
	NUMBER_REQUIRED("event-channel", FRONTEND, 1, EVTCHN_MAX,
		"port that the frontend offers"),
	NUMBER("multi-queue-num-queues", FRONTEND, 1, QUEUES_MAX, 1,
		"queues; with more than 1, rings are below queue-N/"),
	STRING("protocol", FRONTEND,
		"x86_32-abi, x86_64-abi; absent: the backend's own"),
	BOOLEAN("feature-persistent", FRONTEND, 0,
		"grants are used again; by both ends"),
	BOOLEAN("feature-surprise-remove", FRONTEND, 0, "Windows"),
	BOOLEAN("feature-online-resize", FRONTEND, 0, "Windows"),
	BOOLEAN("feature-large-sector-size", FRONTEND, 0,
		"deprecated and without effect here"),
	{.name = NULL},
};

const struct xenbus_key vif_keys[] = {
	STRING_REQUIRED("frontend", TOOLSTACK_BACK,
		"path of the frontend's directory"),
	NUMBER_REQUIRED("frontend-id", TOOLSTACK_BACK, 0, DOMID_MAX,
		"domain of the frontend"),
	BOOLEAN("online", TOOLSTACK_BACK, 1, "0: the device is to go"),
	STRING_REQUIRED("mac", TOOLSTACK_BACK, "the guest's address; in both"),
	NUMBER("handle", TOOLSTACK_BACK, 0, UINT32_MAX, 0,
		"number of the NIC; in both"),
	STRING("type", TOOLSTACK_BACK, "vif"),
	BOOLEAN("xensplit/serve", TOOLSTACK_BACK, 0,
		"1: for xensplitd, where the kernel serves the others"),
	STRING("bridge", TOOLSTACK_BACK, "for the hotplug script"),
	STRING("gatewaydev", TOOLSTACK_BACK, "for the hotplug script"),
	STRING("script", TOOLSTACK_BACK,
		"hotplug script; without one nobody is waited for"),
	STRING("vifname", TOOLSTACK_BACK,
		"name of the interface, when the script has run"),
	STRING("hotplug-status", TOOLSTACK_BACK, "by the hotplug script"),
	STRING("hotplug-error", TOOLSTACK_BACK, "by the hotplug script"),
	NUMBER("mtu", TOOLSTACK_BACK, 68, 65521, 1500,
		"bytes after the Ethernet header; in both"),
	STRING("ip", TOOLSTACK_BACK,
		"addresses that the guest may use, by spaces"),
	STRING("rate", TOOLSTACK_BACK,
		"BYTES,MICROSECONDS: what the guest may transmit"),
	STRING("vlan", TOOLSTACK_BACK, "VLANs of the guest"),
	STRING("xensplit/link", TOOLSTACK_BACK,
		"what the NIC is plugged into, SCHEME:REST; absent: a TAP"),
	STRING("xensplit/antispoof", TOOLSTACK_BACK,
		"off, mac, addr or on: which sources are checked"),
	STRING("xensplit/rate-rx", TOOLSTACK_BACK,
		"as rate: what the guest may receive"),
	NUMBER("xensplit/pps", TOOLSTACK_BACK, 0, UINT32_MAX, 0,
		"packets a second that the guest may transmit; 0: any"),
	NUMBER("xensplit/pps-rx", TOOLSTACK_BACK, 0, UINT32_MAX, 0,
		"packets a second that the guest may receive; 0: any"),
	BOOLEAN("xensplit/csum-offload", TOOLSTACK_BACK, 1,
		"0: the guest gets whole checksums and no GSO, for routers"),
	BOOLEAN("xensplit/force", TOOLSTACK_BACK, 0,
		"1: remove without the frontend's consent"),

	STRING_REQUIRED("backend", TOOLSTACK_FRONT,
		"path of the backend's directory"),
	NUMBER_REQUIRED("backend-id", TOOLSTACK_FRONT, 0, DOMID_MAX,
		"domain of the backend"),
	BOOLEAN("trusted", TOOLSTACK_FRONT, 1,
		"0: the frontend is not to trust the backend"),

	BOOLEAN("feature-rx-copy", BACKEND, 0, "the backend copies; always 1"),
	BOOLEAN("feature-rx-flip", BACKEND, 0, "historic; always 0"),
	BOOLEAN("feature-sg", BACKEND, 0,
		"packets of several slots; by both ends"),
	BOOLEAN("feature-gso-tcpv4", BACKEND, 0,
		"segmentation offload, TCP over IPv4; by both ends"),
	BOOLEAN("feature-gso-tcpv6", BACKEND, 0,
		"segmentation offload, TCP over IPv6; by both ends"),
	BOOLEAN("feature-no-csum-offload", BACKEND, 0,
		"1: no partial checksums over IPv4; by both ends"),
	BOOLEAN("feature-ipv6-csum-offload", BACKEND, 0,
		"partial checksums over IPv6; by both ends"),
	BOOLEAN("feature-multicast-control", BACKEND, 0,
		"the multicast filter can be asked for"),
	BOOLEAN("feature-dynamic-multicast-control", BACKEND, 0,
		"also while connected"),
	BOOLEAN("feature-split-event-channels", BACKEND, 0,
		"one event channel a direction"),
	NUMBER("multi-queue-max-queues", BACKEND, 0, UINT32_MAX, 1,
		"most queues the backend serves"),
	BOOLEAN("feature-ctrl-ring", BACKEND, 0, "there may be a control ring"),
	BOOLEAN("carrier", BACKEND, 1, "0: the link is down"),
	STRING("error", BACKEND, "why the device does not work"),

	RING_REF("tx-ring-ref"),
	RING_REF("rx-ring-ref"),
	NUMBER("event-channel", FRONTEND, 1, EVTCHN_MAX, 0,
		"port that the frontend offers for both directions"),
	NUMBER("event-channel-tx", FRONTEND, 1, EVTCHN_MAX, 0,
		"port that the frontend offers, for transmission"),
	NUMBER("event-channel-rx", FRONTEND, 1, EVTCHN_MAX, 0,
		"port that the frontend offers, for reception"),
	NUMBER("ctrl-ring-ref", FRONTEND, 1, UINT32_MAX, 0,
		"grant reference of the control ring"),
	NUMBER("event-channel-ctrl", FRONTEND, 1, EVTCHN_MAX, 0,
		"port of the control ring"),
	NUMBER("multi-queue-num-queues", FRONTEND, 1, QUEUES_MAX, 1,
		"queues; with more than 1, rings are below queue-N/"),
	BOOLEAN("request-rx-copy", FRONTEND, 0, "has to be 1"),
	BOOLEAN("request-multicast-control", FRONTEND, 0,
		"the frontend wants the multicast filter"),
	BOOLEAN("feature-rx-notify", FRONTEND, 0,
		"the frontend notifies of new receive buffers"),
	{.name = NULL},
};
/* clang-format on */

const struct xenbus_key *xenbus_key_find(const struct xenbus_key *table,
					 const char *name)
{
	while (table->name && strcmp(table->name, name))
		table++;
	assert(table->name);
	return table;
}

int xenbus_key_read(struct xs_store *xs, xs_transaction_t t,
		    const struct xenbus_key *table, const char *dir,
		    const char *name, uint64_t *out, struct xs_err *err)
{
	const struct xenbus_key *key = xenbus_key_find(table, name);
	int res;

	assert(key->type != XENBUS_KEY_STRING);
	res = xs_read_u64(xs, t, dir, name, key->min, key->max, out, err);
	if (res != -ENOENT)
		return res;
	if (key->required) {
		xs_err_set(err, "%s/%s is missing", dir, name);
		return res;
	}
	*out = key->missing;
	return 0;
}

int xenbus_key_read_str(struct xs_store *xs, xs_transaction_t t,
			const struct xenbus_key *table, const char *dir,
			const char *name, char *out, size_t size,
			struct xs_err *err)
{
	const struct xenbus_key *key = xenbus_key_find(table, name);
	int res;

	assert(key->type == XENBUS_KEY_STRING);
	res = xs_read_str(xs, t, dir, name, out, size, err);
	if (res != -ENOENT)
		return res;
	if (key->required) {
		xs_err_set(err, "%s/%s is missing", dir, name);
		return res;
	}
	out[0] = '\0';
	return 0;
}
