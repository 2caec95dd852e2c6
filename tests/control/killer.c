/* Preloaded into ringlund: kills it at the n-th call that changes what is below a directory.
 *
 *   KILLER_DIR     counts calls on files below it
 *   KILLER_ORDER   a file that appears when counting is to begin: "N before", "N half" (of a write
 *                  only its first half is done; N counts writes alone); it is removed when it is
 *                  read. N = 0 counts for ever
 *   KILLER_COUNT   a file that then has the calls' names, one a line
 *
 * Not on the way of a server that runs as usual: built and loaded by tests/control/crash alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool started, armed, half;
static long last, calls;
static int count_fd = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A sanitizer makes its directories before its own functions can be called. */
__attribute__((constructor)) static void start(void)
{
	started = true;
}

/* With the lock: whether an order has come. */
static void look_for_order(void)
{
	const char *path = getenv("KILLER_ORDER"), *count = getenv("KILLER_COUNT");
	char text[64] = "", how[16] = "";
	long fd;

	if (!path || !count)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (syscall(SYS_read, fd, text, sizeof(text) - 1) < 0)
		abort();
	syscall(SYS_close, fd);
	syscall(SYS_unlink, path);
	if (sscanf(text, "%ld %15s", &last, how) != 2)
		abort();
	half = !strcmp(how, "half");
	count_fd = (int)syscall(SYS_openat, AT_FDCWD, count,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (count_fd < 0)
		abort();
	armed = true;
}

/* Whether this call is the one. */
static bool is_last(const char *name, const char *path, bool writes)
{
	const char *dir = getenv("KILLER_DIR");
	char line[PATH_MAX + 64];
	bool it = false;
	int n;

	if (!dir || strncmp(path, dir, strlen(dir)) != 0)
		return false;
	pthread_mutex_lock(&lock);
	if (!armed)
		look_for_order();
	if (armed && (writes || !half)) {
		n = snprintf(line, sizeof(line), "%s %s\n", name, path);
		if (syscall(SYS_write, count_fd, line, (size_t)n) < 0)
			abort();
		it = ++calls == last;
	}
	pthread_mutex_unlock(&lock);
	return it;
}

static void die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}

static void at_path(const char *name, int dir, const char *path)
{
	char link[64], whole[2 * PATH_MAX];
	ssize_t n = 0;

	if (!started)
		return;
	if (path[0] != '/') {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		n = readlink(dir == AT_FDCWD ? "/proc/self/cwd" : link, whole, PATH_MAX);
		if (n < 0)
			return;
		whole[n++] = '/';
	}
	snprintf(whole + n, sizeof(whole) - (size_t)n, "%s", path);
	if (is_last(name, whole, false))
		die();
}

static bool at_fd(const char *name, int fd, bool writes)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (!started)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return is_last(name, path, writes);
}

/* --- calls ----------------------------------------------------------------------------- */

ssize_t write(int fd, const void *buf, size_t len)
{
	if (at_fd("write", fd, true)) {
		if (half)
			(void)!REAL(write)(fd, buf, len / 2);
		die();
	}
	return REAL(write)(fd, buf, len);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	if (at_fd("pwrite", fd, true)) {
		if (half)
			(void)!REAL(pwrite)(fd, buf, len / 2, at);
		die();
	}
	return REAL(pwrite)(fd, buf, len, at);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	if (at_fd("pwrite", fd, true)) {
		if (half)
			(void)!REAL(pwrite64)(fd, buf, len / 2, at);
		die();
	}
	return REAL(pwrite64)(fd, buf, len, at);
}

#define BY_FD(name, params, args)                                                                  \
	int name params                                                                            \
	{                                                                                          \
		if (at_fd(#name, fd, false))                                                       \
			die();                                                                     \
		return REAL(name) args;                                                            \
	}
BY_FD(fsync, (int fd), (fd))
BY_FD(fdatasync, (int fd), (fd))
BY_FD(ftruncate, (int fd, off_t len), (fd, len))
BY_FD(ftruncate64, (int fd, off64_t len), (fd, len))
BY_FD(fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
BY_FD(fallocate64, (int fd, int mode, off64_t at, off64_t len), (fd, mode, at, len))
BY_FD(posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len))
BY_FD(posix_fallocate64, (int fd, off64_t at, off64_t len), (fd, at, len))

#define BY_PATH(name, dir, path, params, args)                                                     \
	int name params                                                                            \
	{                                                                                          \
		at_path(#name, dir, path);                                                         \
		return REAL(name) args;                                                            \
	}
BY_PATH(rename, AT_FDCWD, to, (const char *from, const char *to), (from, to))
BY_PATH(renameat, to_dir, to, (int dir, const char *from, int to_dir, const char *to),
	(dir, from, to_dir, to))
BY_PATH(renameat2, to_dir, to,
	(int dir, const char *from, int to_dir, const char *to, unsigned flags),
	(dir, from, to_dir, to, flags))
BY_PATH(unlink, AT_FDCWD, path, (const char *path), (path))
BY_PATH(unlinkat, dir, path, (int dir, const char *path, int flags), (dir, path, flags))
BY_PATH(mkdir, AT_FDCWD, path, (const char *path, mode_t mode), (path, mode))
BY_PATH(mkdirat, dir, path, (int dir, const char *path, mode_t mode), (dir, path, mode))
BY_PATH(rmdir, AT_FDCWD, path, (const char *path), (path))
BY_PATH(link, AT_FDCWD, to, (const char *from, const char *to), (from, to))

/* Only those that make a file. */
#define OPEN(name, dir, params, args)                                                              \
	int name params                                                                            \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
                                                                                                   \
		if (flags & O_CREAT) {                                                             \
			va_list more;                                                              \
                                                                                                   \
			va_start(more, flags);                                                     \
			mode = va_arg(more, mode_t);                                               \
			va_end(more);                                                              \
			if (faccessat(dir, path, F_OK, 0))                                         \
				at_path(#name, dir, path);                                         \
		}                                                                                  \
		return REAL(name) args;                                                            \
	}
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPEN(openat64, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
