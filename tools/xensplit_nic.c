// SPDX-License-Identifier: MIT
/* NICSPEC.  See xensplit_nic.h. */
#include "tools/xensplit_nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <libxl.h>
#include <libxlutil.h>

#include "hypercall/xs_parse.h"

#define MTU_MIN 68u
#define MTU_MAX 65521u

static int bad(struct xs_err *err, const char *key, const char *value,
	       const char *wanted)
{
	xs_err_set(err, "%s=%.100s is not %s", key, value, wanted);
	return -EINVAL;
}

/* ---- MAC addresses ---- */

int nic_parse_mac(const char *text, uint8_t mac[6])
{
	unsigned int v[6], i;
	int end = -1;

	if (strlen(text) != 17 ||
	    strspn(text, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2],
		   &v[3], &v[4], &v[5], &end) != 6 ||
	    end != 17 || v[0] & 1)
		return -EINVAL;
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return 0;
}

void nic_format_mac(const uint8_t mac[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
}

void nic_random_mac(uint8_t mac[6])
{
	mac[0] = 0x00;
	mac[1] = 0x16;
	mac[2] = 0x3e;
	/* 256 bytes or less are never cut short */
	if (getrandom(mac + 3, 3, 0) != 3)
		abort();
	mac[3] &= 0x7f;
}

int nic_parse_devid(const char *text, uint32_t *devid)
{
	uint64_t n;

	if (!strncmp(text, "vif/", 4))
		text += 4;
	if (xs_parse_u64(text, strlen(text), 0, UINT32_MAX, &n))
		return -EINVAL;
	*devid = (uint32_t)n;
	return 0;
}

/* ---- values ---- */

typedef int (*take_fn)(struct nic_spec *nic, char *field, const char *key,
		       const char *value, struct xs_err *err);

static int take_text(struct nic_spec *nic, char *field, const char *key,
		     const char *value, struct xs_err *err)
{
	(void)nic;
	if (strlen(value) >= NIC_TEXT_MAX) {
		xs_err_set(err, "%s= is too long", key);
		return -EINVAL;
	}
	strcpy(field, value);
	return 0;
}

static int take_mac(struct nic_spec *nic, char *field, const char *key,
		    const char *value, struct xs_err *err)
{
	(void)field;
	if (nic_parse_mac(value, nic->mac))
		return bad(err, key, value,
			   "an address of one station (00:16:3e:01:02:03)");
	nic->has_mac = true;
	return 0;
}

static int take_number(const char *key, const char *value, uint64_t min,
		       uint64_t max, uint64_t *out, struct xs_err *err)
{
	char wanted[64];

	if (!xs_parse_u64(value, strlen(value), min, max, out))
		return 0;
	snprintf(wanted, sizeof(wanted),
		 "a number from %" PRIu64 " to %" PRIu64, min, max);
	return bad(err, key, value, wanted);
}

static int take_devid(struct nic_spec *nic, char *field, const char *key,
		      const char *value, struct xs_err *err)
{
	uint64_t n;
	int res = take_number(key, value, 0, INT32_MAX, &n, err);

	(void)field;
	if (res)
		return res;
	nic->devid = (uint32_t)n;
	nic->has_devid = true;
	return 0;
}

static int take_mtu(struct nic_spec *nic, char *field, const char *key,
		    const char *value, struct xs_err *err)
{
	uint64_t n;
	int res = take_number(key, value, MTU_MIN, MTU_MAX, &n, err);

	(void)field;
	if (!res)
		nic->mtu = (uint32_t)n;
	return res;
}

static int take_count(struct nic_spec *nic, char *field, const char *key,
		      const char *value, struct xs_err *err)
{
	uint64_t n;
	int res = take_number(key, value, 1, UINT32_MAX, &n, err);

	return res ? res : take_text(nic, field, key, value, err);
}

static int take_switch(struct nic_spec *nic, char *field, const char *key,
		       const char *value, struct xs_err *err)
{
	bool on = !strcmp(value, "1") || !strcmp(value, "on");

	if (!on && strcmp(value, "0") && strcmp(value, "off"))
		return bad(err, key, value, "0 or 1");
	return take_text(nic, field, key, on ? "1" : "0", err);
}

static int take_trusted(struct nic_spec *nic, char *field, const char *key,
			const char *value, struct xs_err *err)
{
	char text[NIC_TEXT_MAX];
	int res = take_switch(nic, text, key, value, err);

	(void)field;
	if (!res)
		nic->untrusted = text[0] == '0';
	return res;
}

/* "10MB/s@20ms" as xl writes it, "BYTES,MICROSECONDS" in xenstore. */
static int take_rate(struct nic_spec *nic, char *field, const char *key,
		     const char *value, struct xs_err *err)
{
	size_t size = 0;
	char *report = NULL;
	FILE *f = open_memstream(&report, &size);
	XLU_Config *cfg = f ? xlu_cfg_init(f, "NICSPEC") : NULL;
	libxl_device_nic xl;
	int res = -ENOMEM;

	(void)nic;
	libxl_device_nic_init(&xl);
	if (cfg)
		res = xlu_vif_parse_rate(cfg, value, &xl);
	if (cfg)
		xlu_cfg_destroy(cfg);
	if (f)
		fclose(f);
	free(report);
	if (!res)
		snprintf(field, NIC_TEXT_MAX, "%" PRIu64 ",%" PRIu32,
			 xl.rate_bytes_per_interval, xl.rate_interval_usecs);
	libxl_device_nic_dispose(&xl);
	return res ? bad(err, key, value, "a rate (10Mb/s, 1MB/s@20ms)") : 0;
}

static int take_type(struct nic_spec *nic, char *field, const char *key,
		     const char *value, struct xs_err *err)
{
	if (!strcmp(value, "vif"))
		return 0;
	if (strcmp(value, "ioemu"))
		return bad(err, key, value, "vif or ioemu");
	strcpy(nic->ignored, "type=ioemu");
	(void)field;
	return 0;
}

static int take_ignored(struct nic_spec *nic, char *field, const char *key,
			const char *value, struct xs_err *err)
{
	(void)field;
	(void)value;
	(void)err;
	snprintf(nic->ignored, sizeof(nic->ignored), "%s=", key);
	return 0;
}

#define FIELD(name) offsetof(struct nic_spec, name)

static const struct {
	const char *key;
	take_fn take;
	size_t field;
} keys[] = {
	{"mac", take_mac, 0},
	{"bridge", take_text, FIELD(bridge)},
	{"gatewaydev", take_text, FIELD(gatewaydev)},
	{"netdev", take_text, FIELD(gatewaydev)}, /* its old name */
	{"type", take_type, 0},
	{"model", take_ignored, 0},
	{"vifname", take_text, FIELD(vifname)},
	{"script", take_text, FIELD(script)},
	{"ip", take_text, FIELD(ip)},
	{"backend", take_text, FIELD(backend)},
	{"rate", take_rate, FIELD(rate)},
	{"devid", take_devid, 0},
	{"mtu", take_mtu, 0},
	{"vlan", take_text, FIELD(vlan)},
	{"trusted", take_trusted, 0},
	{"link", take_text, FIELD(link)},
	{"antispoof", take_text, FIELD(antispoof)},
	{"rate-rx", take_rate, FIELD(rate_rx)},
	{"pps", take_count, FIELD(pps)},
	{"pps-rx", take_count, FIELD(pps_rx)},
	{"csum-offload", take_switch, FIELD(csum_offload)},
};

static int take_token(struct nic_spec *nic, char *token, struct xs_err *err)
{
	char *value = strchr(token, '=');

	if (!strcmp(token, "trusted") || !strcmp(token, "untrusted")) {
		nic->untrusted = token[0] == 'u';
		return 0;
	}
	if (!value) {
		xs_err_set(err, "'%.100s' is not KEY=VALUE", token);
		return -EINVAL;
	}
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(keys[i].key, token))
			return keys[i].take(nic, (char *)nic + keys[i].field,
					    token, value, err);
	}
	xs_err_set(err, "'%.60s' is not a key of a NIC, or not served", token);
	return -EINVAL;
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\n");
	len = strlen(s);
	while (len && strchr(" \t\n", s[len - 1]))
		s[--len] = '\0';
	return s;
}

static int take_word(struct nic_spec *nic, char *word, struct xs_err *err)
{
	char *next, *token;
	int res = 0;

	for (; word && !res; word = next) {
		next = strchr(word, ',');
		if (next)
			*next++ = '\0';
		token = trim(word);
		if (*token)
			res = take_token(nic, token, err);
	}
	return res;
}

int nic_spec_parse(struct nic_spec *nic, unsigned int nr,
		   const char *const *words, struct xs_err *err)
{
	int res = 0;

	memset(nic, 0, sizeof(*nic));
	for (unsigned int i = 0; !res && i < nr; i++) {
		char *word = strdup(words[i]);

		if (!word) {
			xs_err_set(err, "out of memory");
			return -ENOMEM;
		}
		res = take_word(nic, word, err);
		free(word);
	}
	return res;
}
