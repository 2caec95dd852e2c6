/* What the kernel says of this process: proc(5). */
#include "target/control/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* As a string, cut at @cap; empty where it cannot be read. */
static void read_text(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, cap - 1);

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", "..", and that of looking */
}

/* To a hundredth of a second, as processes' starts are: else each reading would differ a little. */
static uint64_t boot_ns(void)
{
	const uint64_t grain = 10000000;
	struct timespec real, boot;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	ns = (uint64_t)(real.tv_sec - boot.tv_sec) * 1000000000 + (uint64_t)real.tv_nsec -
	     (uint64_t)boot.tv_nsec;
	return (ns + grain / 2) / grain * grain;
}

static void read_stat(struct metrics_process *p)
{
	char text[1024];
	const char *at;
	uint64_t threads, start_ticks, vsize, rss_pages;
	long tick = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);

	read_text("/proc/self/stat", text, sizeof(text));
	at = strrchr(text, ')'); /* the name before it may be anything */
	if (!at || tick <= 0 || page <= 0)
		return;
	/* from field 3 on; 20: num_threads, 22: starttime, 23: vsize, 24: rss */
	if (sscanf(at + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
		   " %*s %" SCNu64 " %" SCNu64 " %" SCNu64,
		   &threads, &start_ticks, &vsize, &rss_pages) != 4)
		return;
	p->threads = threads;
	p->start_ns = boot_ns() + start_ticks * (1000000000 / (uint64_t)tick);
	p->virtual_bytes = vsize;
	p->resident_bytes = rss_pages * (uint64_t)page;
}

void metrics_read_process(struct metrics_process *p)
{
	struct rlimit files;
	struct timespec cpu;

	*p = (struct metrics_process){ 0 };
	read_stat(p);
	p->open_fds = count_fds();
	if (!getrlimit(RLIMIT_NOFILE, &files))
		p->max_fds = files.rlim_cur;
	if (!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu))
		p->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000 + (uint64_t)cpu.tv_nsec;
}
