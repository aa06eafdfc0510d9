// SPDX-License-Identifier: MIT
/*
 * What the toolstack wrote into a NIC's backend directory.  The writers are
 * trusted, and make mistakes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/vif.h"
#include "hypercall/xenbus_keys.h"

struct reader {
	struct xs_store *xs;
	const char *dir;
	struct xs_err *err;
};

static int read_text(const struct reader *r, const char *key, char *out,
		     size_t size)
{
	return xenbus_key_read_str(r->xs, XBT_NULL, vif_keys, r->dir, key, out,
				   size, r->err);
}

static int read_number(const struct reader *r, const char *key, uint64_t *out)
{
	return xenbus_key_read(r->xs, XBT_NULL, vif_keys, r->dir, key, out,
			       r->err);
}

/* As the kernel's dev_valid_name(), and nothing that a script trips over. */
static bool is_interface_name(const char *s)
{
	if (!*s || *s == '-' || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || strchr("/:%\"'\\$`", *s))
			return false;
	return true;
}

/*
 * Scripts expect the interface as vifF.D, as Linux's netback makes it, and
 * rename it to vifname; without a script it is made with its last name.
 */
static int read_link(const struct reader *r, uint32_t fe_domid, uint32_t devid,
		     struct vif_config *cfg)
{
	char vif[VIF_NAME_MAX], vifname[VIF_TEXT_MAX];
	int e = read_text(r, "vifname", vifname, sizeof(vifname));

	if (!e)
		e = read_text(r, "xensplit/link", cfg->target,
			      sizeof(cfg->target));
	if (e)
		return e;
	snprintf(vif, sizeof(vif), "vif%" PRIu32 ".%" PRIu32, fe_domid, devid);
	if (vifname[0] && (strlen(vifname) >= sizeof(cfg->name) ||
			   !is_interface_name(vifname))) {
		xs_err_set(r->err,
			   "%s/vifname: '%.80s' is not a name of an interface",
			   r->dir, vifname);
		return -EINVAL;
	}
	snprintf(cfg->name, sizeof(cfg->name), "%.15s",
		 vifname[0] ? vifname : vif);
	if (!cfg->target[0])
		snprintf(cfg->target, sizeof(cfg->target), "tap:%s",
			 cfg->script[0] ? vif : cfg->name);
	return 0;
}

int vif_config_reread(struct xs_store *xs, const char *dir,
		      struct vif_config *cfg, struct xs_err *err)
{
	const struct reader r = {xs, dir, err};
	struct net_policy_settings policy;
	uint64_t mtu;
	int e = read_number(&r, "mtu", &mtu);

	memset(&policy, 0, sizeof(policy));
	if (!e)
		e = net_policy_read(xs, dir, &policy, err);
	if (e)
		return e;
	cfg->mtu = (uint32_t)mtu;
	cfg->policy = policy;
	return 0;
}

int vif_config_read(struct xs_store *xs, const char *dir, uint32_t fe_domid,
		    uint32_t devid, struct vif_config *cfg, struct xs_err *err)
{
	const struct reader r = {xs, dir, err};
	uint64_t csum_offload;
	int e;

	memset(cfg, 0, sizeof(*cfg));
	e = read_text(&r, "script", cfg->script, sizeof(cfg->script));
	if (!e)
		e = read_text(&r, "bridge", cfg->bridge, sizeof(cfg->bridge));
	if (!e)
		e = read_link(&r, fe_domid, devid, cfg);
	if (!e)
		e = read_number(&r, "xensplit/csum-offload", &csum_offload);
	if (!e)
		e = vif_config_reread(xs, dir, cfg, err);
	if (!e)
		cfg->csum_offload = csum_offload;
	return e;
}
