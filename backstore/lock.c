/* flock, with patience: the kernel lets go of a dead server's lock when the last of
 * its I/O has ended, up to some seconds after it was killed. Blocking: for opening. */
#include "backstore/lock.h"

#include "backstore/base/log.h"
#include "backstore/why.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t lock_deadline_ms(unsigned wait_ms)
{
	return now_ms() + wait_ms;
}

bool lock_pause(uint64_t deadline_ms, bool *said, const char *path)
{
	if (now_ms() >= deadline_ms)
		return false;
	if (!*said)
		log_info("waiting for another process's last I/O on %s", path);
	*said = true;
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	return true;
}

/* From a line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF". */
static long holder_in_line(const char *line, const struct stat *st)
{
	unsigned maj, min;
	uint64_t ino;
	long pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%" SCNu64, &pid, &maj, &min, &ino) != 4)
		return 0;
	return maj == major(st->st_dev) && min == minor(st->st_dev) && ino == st->st_ino ? pid : 0;
}

/* The process that locked @fd's file, 0 = not known. */
static long holder(int fd)
{
	FILE *f = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];
	long pid = 0;

	if (!f)
		return 0;
	if (fstat(fd, &st) == 0)
		while (!pid && fgets(line, sizeof(line), f))
			pid = holder_in_line(line, &st);
	fclose(f);
	return pid;
}

static int say_busy(int fd, const char *path, char *why, size_t why_cap)
{
	long pid = holder(fd);

	if (pid == getpid())
		return why_say(why, why_cap, -EBUSY,
			       "%s is already open in this server; give each volume its own", path);
	if (pid > 0)
		return why_say(why, why_cap, -EBUSY,
			       "%s is locked by process %ld; stop that one, or use another path",
			       path, pid);
	return why_say(why, why_cap, -EBUSY,
		       "%s is locked by another process; stop that one, or use another path", path);
}

int lock_file(int fd, const char *path, bool shared, uint64_t deadline_ms, char *why,
	      size_t why_cap)
{
	bool said = false;

	while (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return why_say(why, why_cap, -errno,
				       "%s cannot be locked: %s; use a file system that has flock",
				       path, strerror(errno));
		if (holder(fd) == getpid() || !lock_pause(deadline_ms, &said, path))
			return say_busy(fd, path, why, why_cap);
	}
	return 0;
}
