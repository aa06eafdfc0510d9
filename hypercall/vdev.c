// SPDX-License-Identifier: MIT
/* Names and numbers of virtual disks.  See vdev.h. */
#include "hypercall/vdev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTENDED     (1u << 28) /* xvd beyond disk 15 or partition 15 */
#define EXTENDED_END (2u << 28) /* from here on: reserved */
#define DISKS_MAX    (1u << 20)

/* Digits up to the end, without a sign or leading zero. */
static bool parse_decimal(const char **p, uint32_t max, uint32_t *out)
{
	uint32_t n = 0;

	if (**p < '0' || **p > '9' ||
	    (**p == '0' && (*p)[1] >= '0' && (*p)[1] <= '9'))
		return false;
	while (**p >= '0' && **p <= '9') {
		n = n * 10 + (uint32_t)(*(*p)++ - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

/* "PREFIX" a..z, aa..zz, ..., then an optional partition from 1. */
static bool parse_letters(const char *name, const char *prefix,
			  uint32_t max_disk, uint32_t max_part, uint32_t *disk,
			  uint32_t *part)
{
	const char *p = name + strlen(prefix);
	uint32_t n = 0;

	if (strncmp(name, prefix, strlen(prefix)))
		return false;
	if (*p < 'a' || *p > 'z')
		return false;
	while (*p >= 'a' && *p <= 'z') {
		n = n * 26 + (uint32_t)(*p++ - 'a') + 1;
		if (n > max_disk + 1)
			return false;
	}
	*disk = n - 1;
	*part = 0;
	if (!*p)
		return true;
	return parse_decimal(&p, max_part, part) && *part && !*p;
}

/* dN or dNpM */
static bool parse_d(const char *name, uint32_t *disk, uint32_t *part)
{
	const char *p = name + 1;

	*part = 0;
	if (*name != 'd' || !parse_decimal(&p, DISKS_MAX - 1, disk))
		return false;
	if (!*p)
		return true;
	return *p++ == 'p' && parse_decimal(&p, 255, part) && !*p;
}

static uint32_t xvd_number(uint32_t disk, uint32_t part)
{
	if (disk < 16 && part < 16)
		return 202u << 8 | disk << 4 | part;
	return EXTENDED | disk << 8 | part;
}

int vdev_parse(const char *name, uint32_t *devid)
{
	uint32_t disk, part;
	unsigned long n;
	char *end;

	if (parse_letters(name, "xvd", DISKS_MAX - 1, 255, &disk, &part) ||
	    parse_d(name, &disk, &part)) {
		*devid = xvd_number(disk, part);
		return 0;
	}
	if (parse_letters(name, "hd", 3, 63, &disk, &part)) {
		*devid = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | part;
		return 0;
	}
	if (parse_letters(name, "sd", 15, 15, &disk, &part)) {
		*devid = 8u << 8 | disk << 4 | part;
		return 0;
	}
	if (*name < '0' || *name > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(name, &end, 0);
	if (errno || *end || n >= EXTENDED_END)
		return -EINVAL;
	*devid = (uint32_t)n;
	return 0;
}

/* Letters of a disk, from the end: 25 is z, 26 is aa. */
static void name_letters(char out[8], uint32_t disk)
{
	char *p = out + 7;

	*p = '\0';
	do {
		*--p = (char)('a' + disk % 26);
		disk /= 26;
	} while (disk--);
	memmove(out, p, strlen(p) + 1);
}

void vdev_name(uint32_t devid, char out[VDEV_NAME_MAX])
{
	const char *prefix = NULL;
	uint32_t disk = 0, part = 0, back;
	char letters[8];

	if (devid >= EXTENDED && devid < EXTENDED_END) {
		prefix = "xvd";
		disk = (devid >> 8) & (DISKS_MAX - 1);
		part = devid & 255;
	} else if (devid >> 8 == 202 || devid >> 8 == 8) {
		prefix = devid >> 8 == 202 ? "xvd" : "sd";
		disk = (devid >> 4) & 15;
		part = devid & 15;
	} else if (devid >> 8 == 3 || devid >> 8 == 22) {
		prefix = "hd";
		disk = ((devid >> 6) & 3) + (devid >> 8 == 22 ? 2 : 0);
		part = devid & 63;
	}
	if (prefix) {
		name_letters(letters, disk);
		if (part)
			snprintf(out, VDEV_NAME_MAX, "%s%s%u", prefix, letters,
				 part);
		else
			snprintf(out, VDEV_NAME_MAX, "%s%s", prefix, letters);
		if (!vdev_parse(out, &back) && back == devid)
			return;
	}
	snprintf(out, VDEV_NAME_MAX, "%u", devid);
}
