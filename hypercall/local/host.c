// SPDX-License-Identifier: MIT
/*
 * What `xl info` wants to know of the machine under embedded Xen.
 *
 * Read from the kernel that it runs on.  One node, one socket, one thread a
 * core is what is reported: nothing here depends on the rest.
 */
#include <stdio.h>
#include <unistd.h>

#include "hypercall.h"

static uint32_t read_cpu_khz(void)
{
	double mhz = 0;
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu MHz : %lf", &mhz) == 1)
			break;
	fclose(f);
	return mhz > 0 && mhz < 4000000 ? (uint32_t)(mhz * 1000) : 0;
}

const struct host_info *host_info(void)
{
	static struct host_info info;
	long n;

	if (info.nr_cpus)
		return &info;
	n = sysconf(_SC_NPROCESSORS_ONLN);
	info.nr_cpus = n > 0 ? (uint32_t)n : 1;
	n = sysconf(_SC_PHYS_PAGES);
	info.total_pages = n > 0 ? (uint64_t)n : 0;
	info.cpu_khz = read_cpu_khz();
	return &info;
}

uint64_t host_free_pages(void)
{
	long n = sysconf(_SC_AVPHYS_PAGES);

	return n > 0 ? (uint64_t)n : 0;
}
