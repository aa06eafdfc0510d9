// SPDX-License-Identifier: MIT
/*
 * libxenlocal-proc.so: /proc/xen/xsd_kva and /proc/xen/xsd_port for xenstored.
 *
 * On a Xen host the kernel of domain 0 offers its xenstore page and port in
 * these two files, and xenstored opens them by name.  Preloaded into xenstored
 * (and nothing else), this gives it the page and port that xenlocald keeps
 * for the domain it was started in.  All other names go to the C library
 * unchanged.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "client.h"
#include "wire.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int info_err;
static int page_fd = -1;
static uint32_t port;

static void get_info(void)
{
	struct wire_msg msg = {.op = WIRE_XENBUS_INFO};
	struct client_io io = {.reply_fds = &page_fd, .reply_fds_max = 1};
	struct client client;

	info_err = client_open(&client, true);
	if (info_err < 0) {
		fprintf(stderr, "xenlocal-proc: %s\n",
			client_explain(info_err));
		return;
	}
	info_err = client_call(&client, &msg, &io);
	client_close(&client);
	if (info_err == 0 && io.nr_reply_fds != 1)
		info_err = -EPROTO;
	port = msg.evtchn.port;
	if (info_err < 0)
		fprintf(stderr, "xenlocal-proc: xenstore page and port: %s\n",
			strerror(-info_err));
}

static int open_page(int flags)
{
	return fcntl(page_fd, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
}

static int open_port(int flags)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", port);
	int fd = memfd_create("xsd_port", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);

	if (fd < 0)
		return -1;
	if (pwrite(fd, text, (size_t)n, 0) != n) {
		close(fd);
		errno = EIO;
		return -1;
	}
	return fd;
}

/* Whether the name is one of the two; if so, *fd is open(2)'s result. */
static bool is_ours(const char *path, int flags, int *fd)
{
	bool kva;

	if (!path)
		return false;
	kva = !strcmp(path, "/proc/xen/xsd_kva");
	if (!kva && strcmp(path, "/proc/xen/xsd_port"))
		return false;
	pthread_once(&once, get_info);
	if (info_err < 0) {
		errno = -info_err;
		*fd = -1;
	} else {
		*fd = kva ? open_page(flags) : open_port(flags);
	}
	return true;
}

static mode_t get_mode(int flags, va_list ap)
{
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		return va_arg(ap, mode_t);
	return 0;
}

typedef int open_fn(const char *path, int flags, ...);
typedef int openat_fn(int dirfd, const char *path, int flags, ...);
typedef int open_2_fn(const char *path, int flags);
typedef int openat_2_fn(int dirfd, const char *path, int flags);

/*
 * The C library's own function.  dlsym() knows data pointers only; POSIX
 * promises that the two convert.
 */
#define NEXT(type, name) ((type *)(uintptr_t)dlsym(RTLD_NEXT, name))

/*
 * The prototypes of <fcntl.h> are repeated: with _FORTIFY_SOURCE it turns the
 * names into inline functions or aliases of each other.
 */
#define DEFINE_OPEN(name)                                                 \
	int name(const char *path, int flags, ...);                       \
	__attribute__((visibility("default"))) int name(const char *path, \
							int flags, ...)   \
	{                                                                 \
		mode_t mode;                                              \
		va_list ap;                                               \
		int fd;                                                   \
                                                                          \
		if (is_ours(path, flags, &fd))                            \
			return fd;                                        \
		va_start(ap, flags);                                      \
		mode = get_mode(flags, ap);                               \
		va_end(ap);                                               \
		return NEXT(open_fn, #name)(path, flags, mode);           \
	}

#define DEFINE_OPENAT(name)                                              \
	int name(int dirfd, const char *path, int flags, ...);           \
	__attribute__((visibility("default"))) int name(                 \
		int dirfd, const char *path, int flags, ...)             \
	{                                                                \
		mode_t mode;                                             \
		va_list ap;                                              \
		int fd;                                                  \
                                                                         \
		if (is_ours(path, flags, &fd))                           \
			return fd;                                       \
		va_start(ap, flags);                                     \
		mode = get_mode(flags, ap);                              \
		va_end(ap);                                              \
		return NEXT(openat_fn, #name)(dirfd, path, flags, mode); \
	}

/* what a caller built with _FORTIFY_SOURCE calls when it gives no mode */
#define DEFINE_OPEN_2(name)                                               \
	int name(const char *path, int flags);                            \
	__attribute__((visibility("default"))) int name(const char *path, \
							int flags)        \
	{                                                                 \
		int fd;                                                   \
                                                                          \
		if (is_ours(path, flags, &fd))                            \
			return fd;                                        \
		return NEXT(open_2_fn, #name)(path, flags);               \
	}

#define DEFINE_OPENAT_2(name)                                        \
	int name(int dirfd, const char *path, int flags);            \
	__attribute__((visibility("default"))) int name(             \
		int dirfd, const char *path, int flags)              \
	{                                                            \
		int fd;                                              \
                                                                     \
		if (is_ours(path, flags, &fd))                       \
			return fd;                                   \
		return NEXT(openat_2_fn, #name)(dirfd, path, flags); \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)
DEFINE_OPEN_2(__open_2)
DEFINE_OPEN_2(__open64_2)
DEFINE_OPENAT_2(__openat_2)
DEFINE_OPENAT_2(__openat64_2)
