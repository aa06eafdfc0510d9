// SPDX-License-Identifier: MIT
/*
 * The options of user: links; what is left out is as in QEMU.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/link_user.h"
#include "hypercall/xs_parse.h"

#define OPTIONS_MAX 4096u

enum option {
	OPT_NET,
	OPT_HOST,
	OPT_DNS,
	OPT_DHCPSTART,
	OPT_HOSTNAME,
	OPT_DOMAINNAME,
	OPT_DNSSEARCH,
	OPT_RESTRICT,
	OPT_IPV4,
	OPT_IPV6,
	OPT_NET6,
	OPT_HOST6,
	OPT_DNS6,
	OPT_HOSTFWD,
	OPT_LOOPBACK,
	NR_OPTIONS,
};

static const char *const names[NR_OPTIONS] = {
	[OPT_NET] = "net",
	[OPT_HOST] = "host",
	[OPT_DNS] = "dns",
	[OPT_DHCPSTART] = "dhcpstart",
	[OPT_HOSTNAME] = "hostname",
	[OPT_DOMAINNAME] = "domainname",
	[OPT_DNSSEARCH] = "dnssearch",
	[OPT_RESTRICT] = "restrict",
	[OPT_IPV4] = "ipv4",
	[OPT_IPV6] = "ipv6",
	[OPT_NET6] = "ipv6-net",
	[OPT_HOST6] = "ipv6-host",
	[OPT_DNS6] = "ipv6-dns",
	[OPT_HOSTFWD] = "hostfwd",
	[OPT_LOOPBACK] = "loopback",
};

static int parse_bool(const char *v, bool *out)
{
	*out = !strcmp(v, "on") || !strcmp(v, "yes") || !strcmp(v, "1");
	if (*out || !strcmp(v, "off") || !strcmp(v, "no") || !strcmp(v, "0"))
		return 0;
	return -EINVAL;
}

/* Letters of host names only: they go into DHCP answers as they are. */
static int parse_name(const char *v, char *out, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t len = strlen(v);

	if (!len || len >= size || strspn(v, letters) != len)
		return -EINVAL;
	memcpy(out, v, len + 1);
	return 0;
}

/* ADDR/LEN; the text is changed */
static int parse_net(char *v, int family, void *addr, unsigned int min,
		     unsigned int max, unsigned int *len)
{
	char *slash = strchr(v, '/');
	uint64_t n;

	if (!slash)
		return -EINVAL;
	*slash++ = '\0';
	if (inet_pton(family, v, addr) != 1 ||
	    xs_parse_u64(slash, strlen(slash), min, max, &n))
		return -EINVAL;
	*len = (unsigned int)n;
	return 0;
}

static int parse_net4(char *v, struct link_user_config *c)
{
	unsigned int len;

	/* room for gateway, name server and guest */
	if (parse_net(v, AF_INET, &c->net, 1, 29, &len))
		return -EINVAL;
	c->mask.s_addr = htonl(~UINT32_C(0) << (32 - len));
	c->net.s_addr &= c->mask.s_addr;
	return 0;
}

static int parse_net6(char *v, struct link_user_config *c)
{
	unsigned int len;

	/* guests make their addresses of prefixes of 64 bits */
	if (parse_net(v, AF_INET6, &c->net6, 64, 64, &len))
		return -EINVAL;
	c->prefix6 = (uint8_t)len;
	memset(c->net6.s6_addr + 8, 0, 8);
	return 0;
}

/* [ADDR]:PORT up to end; the text is changed */
static int parse_port(char *v, struct in_addr *addr, uint16_t *port)
{
	char *colon = strrchr(v, ':');
	uint64_t n;

	if (!colon)
		return -EINVAL;
	*colon++ = '\0';
	addr->s_addr = INADDR_ANY;
	if ((*v && inet_pton(AF_INET, v, addr) != 1) ||
	    xs_parse_u64(colon, strlen(colon), 1, 65535, &n))
		return -EINVAL;
	*port = (uint16_t)n;
	return 0;
}

static int parse_forward(char *v, struct link_user_config *c)
{
	struct link_user_forward *f = &c->forward[c->nr_forwards];
	char *guest;

	if (c->nr_forwards == LINK_USER_FORWARDS)
		return -E2BIG;
	f->udp = !strncmp(v, "udp:", 4);
	if (f->udp || !strncmp(v, "tcp:", 4))
		v += 4;
	else if (*v == ':')
		v++;
	else
		return -EINVAL;
	guest = strchr(v, '-');
	if (!guest)
		return -EINVAL;
	*guest++ = '\0';
	if (parse_port(v, &f->host, &f->host_port) ||
	    parse_port(guest, &f->guest, &f->guest_port))
		return -EINVAL;
	c->nr_forwards++;
	return 0;
}

static int parse_search(const char *v, struct link_user_config *c)
{
	if (c->nr_searches == LINK_USER_SEARCHES)
		return -E2BIG;
	return parse_name(v, c->search[c->nr_searches++], sizeof(c->search[0]));
}

static int set_option(enum option o, char *v, struct link_user_config *c)
{
	switch (o) {
	case OPT_NET:
		return parse_net4(v, c);
	case OPT_HOST:
		return inet_pton(AF_INET, v, &c->host) == 1 ? 0 : -EINVAL;
	case OPT_DNS:
		return inet_pton(AF_INET, v, &c->dns) == 1 ? 0 : -EINVAL;
	case OPT_DHCPSTART:
		return inet_pton(AF_INET, v, &c->dhcp_start) == 1 ? 0 : -EINVAL;
	case OPT_HOSTNAME:
		return parse_name(v, c->hostname, sizeof(c->hostname));
	case OPT_DOMAINNAME:
		return parse_name(v, c->domain, sizeof(c->domain));
	case OPT_DNSSEARCH:
		return parse_search(v, c);
	case OPT_RESTRICT:
		return parse_bool(v, &c->restricted);
	case OPT_IPV4:
		return parse_bool(v, &c->ipv4);
	case OPT_IPV6:
		return parse_bool(v, &c->ipv6);
	case OPT_NET6:
		return parse_net6(v, c);
	case OPT_HOST6:
		return inet_pton(AF_INET6, v, &c->host6) == 1 ? 0 : -EINVAL;
	case OPT_DNS6:
		return inet_pton(AF_INET6, v, &c->dns6) == 1 ? 0 : -EINVAL;
	case OPT_HOSTFWD:
		return parse_forward(v, c);
	case OPT_LOOPBACK:
		return parse_bool(v, &c->loopback);
	default:
		return -EINVAL;
	}
}

static int parse_word(char *word, struct link_user_config *c,
		      struct xs_err *err)
{
	char shown[80], *value = strchr(word, '=');
	unsigned int i;

	snprintf(shown, sizeof(shown), "%.79s", word);
	if (value)
		*value++ = '\0';
	for (i = 0; i < NR_OPTIONS; i++)
		if (!strcmp(word, names[i]))
			break;
	if (i == NR_OPTIONS)
		xs_err_set(err, "user: has no option '%s'", shown);
	else if (!value || set_option(i, value, c))
		xs_err_set(err, "user: '%s' is no value of that option", shown);
	else
		return 0;
	return -EINVAL;
}

static void set_default(struct in_addr *a, const struct link_user_config *c,
			uint32_t number)
{
	if (!a->s_addr)
		a->s_addr = c->net.s_addr | htonl(number);
}

static void set_default6(struct in6_addr *a, const struct link_user_config *c,
			 uint8_t number)
{
	if (!IN6_IS_ADDR_UNSPECIFIED(a))
		return;
	*a = c->net6;
	a->s6_addr[15] = number;
}

static bool inside(const struct link_user_config *c, struct in_addr a)
{
	uint32_t below = ntohl(a.s_addr & ~c->mask.s_addr);

	return (a.s_addr & c->mask.s_addr) == c->net.s_addr && below &&
	       below != ntohl(~c->mask.s_addr);
}

static int finish(struct link_user_config *c, struct xs_err *err)
{
	uint32_t size = ntohl(~c->mask.s_addr);

	set_default(&c->host, c, 2);
	set_default(&c->dns, c, 3);
	set_default(&c->dhcp_start, c, size > 15 ? 15 : 4);
	set_default6(&c->host6, c, 2);
	set_default6(&c->dns6, c, 3);
	if (!c->ipv4 && !c->ipv6) {
		xs_err_set(err, "user: neither ipv4 nor ipv6 is on");
		return -EINVAL;
	}
	if (!inside(c, c->host) || !inside(c, c->dns) ||
	    !inside(c, c->dhcp_start) || c->host.s_addr == c->dns.s_addr ||
	    c->host.s_addr == c->dhcp_start.s_addr ||
	    c->dns.s_addr == c->dhcp_start.s_addr) {
		xs_err_set(err, "user: host, dns and dhcpstart are not three "
				"addresses in net");
		return -EINVAL;
	}
	if (memcmp(&c->host6, &c->net6, 8) || memcmp(&c->dns6, &c->net6, 8) ||
	    !memcmp(&c->host6, &c->dns6, 16)) {
		xs_err_set(err, "user: ipv6-host and ipv6-dns are not two "
				"addresses in ipv6-net");
		return -EINVAL;
	}
	return 0;
}

int link_user_parse(const char *options, struct link_user_config *cfg,
		    struct xs_err *err)
{
	char text[OPTIONS_MAX], *save, *word;

	memset(cfg, 0, sizeof(*cfg));
	cfg->ipv4 = cfg->ipv6 = true;
	cfg->net.s_addr = htonl(0x0a000200);
	cfg->mask.s_addr = htonl(0xffffff00);
	cfg->net6.s6_addr[0] = 0xfd;
	cfg->prefix6 = 64;
	if (strlen(options) >= sizeof(text)) {
		xs_err_set(err, "user: the options are too long");
		return -EINVAL;
	}
	strcpy(text, options);
	for (word = strtok_r(text, ",;", &save); word;
	     word = strtok_r(NULL, ",;", &save))
		if (parse_word(word, cfg, err))
			return -EINVAL;
	return finish(cfg, err);
}
