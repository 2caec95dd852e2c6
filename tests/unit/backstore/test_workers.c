/* Many volumes on a file system that has stalled, on one real engine: the flush of another file
 * still finds a worker. The stall is a frozen ext4, on which writes and discards wait inside the
 * kernel. Both, because kernels differ in whether a forced-asynchronous write counts as bounded
 * work, as a flush does, or as unbounded (6.18); a discard does everywhere. */
#include "tests/fakes/bs_rig.h"
#include "tests/fakes/real_engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	VOLUMES = 160,
	REQS = DISK_DIRECT_WRITE_LANE + 4, /* of each; some wait in the lane */
	SIZE = 1 << 20,
	FROZEN_MAX_MS = 60000,
};

static char dir[] = "/var/tmp/ringlun-workers-XXXXXX", mnt[64], why[512];
static _Alignas(4096) uint8_t buf[4096];
static struct backstore *stalled[VOLUMES];
static struct bs_call reqs[VOLUMES][REQS], flushes[VOLUMES];

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ── the frozen file system ── */

/* A process of its own: whatever happens to the test, the file system thaws, because nobody
 * could kill who waits for it. */
static void freezer(int fs, int told, int tells)
{
	struct pollfd p = { .fd = told, .events = POLLIN };
	char c = ioctl(fs, FIFREEZE, 0) ? 'n' : 'y';

	if (write(tells, &c, 1) == 1 && c == 'y')
		poll(&p, 1, FROZEN_MAX_MS); /* until the test closes its end, or ends */
	ioctl(fs, FITHAW, 0);
	_exit(0);
}

struct frozen {
	pid_t pid;
	int hold;
};

static bool freeze(struct frozen *f)
{
	int fs = open(mnt, O_RDONLY | O_CLOEXEC), told[2], tells[2];
	char c = 'n';

	assert_true(fs >= 0);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(tells, O_CLOEXEC), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (!f->pid) {
		close(told[1]);
		freezer(fs, told[0], tells[1]);
	}
	f->hold = told[1];
	close(told[0]);
	close(tells[1]);
	close(fs);
	if (read(tells[0], &c, 1) != 1)
		c = 'n';
	close(tells[0]);
	return c == 'y';
}

static void thaw(struct frozen *f)
{
	close(f->hold);
	assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
}

/* In a mount namespace that ends with this process. */
static bool prepare(void)
{
	char cmd[512];

	if (!mkdtemp(dir))
		return false;
	snprintf(mnt, sizeof(mnt), "%s/mnt", dir);
	snprintf(cmd, sizeof(cmd),
		 "mkdir %s && truncate -s 256M %s/fs && mkfs.ext4 -q -F %s/fs && "
		 "mount -o loop %s/fs %s",
		 mnt, dir, dir, dir, mnt);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    system(cmd)) {
		print_message("skipped: no file system can be mounted here\n");
		return false;
	}
	return true;
}

static int clean_up(void)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "umount -lq %s; rm -r %s", mnt, dir);
	return system(cmd);
}

/* ── the test ── */

static struct backstore *opened(const char *folder, unsigned number)
{
	char path[128];
	struct bs_spec spec = {
		.path = path, .size_bytes = SIZE, .block_bytes = 4096, .reactors = 1
	};
	struct backstore *bs = NULL;

	snprintf(path, sizeof(path), "%s/%u.img", folder, number);
	if (backstore_open(&bs, &spec, why, sizeof(why)))
		fail_msg("%s", why);
	return bs;
}

static void turn_for(struct io *io, uint64_t ms)
{
	uint64_t until = now_ms() + ms;

	while (now_ms() < until) {
		assert_int_equal(io_turn(io, false), 0);
		usleep(1000);
	}
}

/* Milliseconds that it took; more than @max_ms: it was given up. */
static uint64_t time_call(struct io *io, struct bs_call *c, struct backstore *bs, enum bs_kind kind,
			  uint64_t max_ms)
{
	uint64_t begin = now_ms();

	bs_call_start(c, bs, io, kind, 0, 0, kind == BS_FLUSH ? NULL : buf,
		      kind == BS_FLUSH ? 0 : sizeof(buf));
	while (!c->done && now_ms() - begin <= max_ms)
		turn_for(io, 1);
	return now_ms() - begin;
}

static unsigned threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(tasks))
		n++;
	closedir(tasks);
	return n;
}

/* Until no more workers are made for what has stalled: that takes its time, under sanitizers
 * most of all. */
static void settle(struct io *io)
{
	unsigned n = 0;

	turn_for(io, 500);
	for (unsigned i = 0; i < 40 && threads() != n; i++) {
		n = threads();
		turn_for(io, 500);
	}
}

static void stall(struct io *io)
{
	for (unsigned i = 0; i < VOLUMES; i++) {
		for (unsigned k = 0; k < REQS; k++)
			bs_call_start(&reqs[i][k], stalled[i], io, i % 2 ? BS_DISCARD : BS_WRITE, 0,
				      k * 4096, i % 2 ? NULL : buf, sizeof(buf));
		bs_call_start(&flushes[i], stalled[i], io, BS_FLUSH, 0, 0, NULL, 0);
	}
	settle(io);
}

static void check_ended(struct io *io)
{
	uint64_t begin = now_ms();
	unsigned left = 1;

	while (left && now_ms() - begin < 30000) {
		turn_for(io, 1);
		left = 0;
		for (unsigned i = 0; i < VOLUMES; i++) {
			left += !flushes[i].done;
			for (unsigned k = 0; k < REQS; k++)
				left += !reqs[i][k].done;
		}
	}
	assert_int_equal(left, 0);
	for (unsigned i = 0; i < VOLUMES; i++)
		for (unsigned k = 0; k < REQS; k++)
			assert_int_equal(reqs[i][k].res, 0);
}

static void a_flush_finds_a_worker_beside_stalled_volumes(void **state)
{
	static struct bs_call write_beside, flush_beside;
	uint64_t write_ms = 0, flush_ms = 0;
	struct backstore *beside;
	unsigned waiting = 0;
	struct frozen frozen;
	struct io *io;
	bool froze;

	(void)state;
	if (real_engine_new(&io, 0)) {
		print_message("no engine here\n");
		skip();
	}
	beside = opened(dir, 0);
	for (unsigned i = 0; i < VOLUMES; i++)
		stalled[i] = opened(mnt, i);
	froze = freeze(&frozen);
	if (froze) {
		stall(io);
		for (unsigned i = 0; i < VOLUMES; i++)
			for (unsigned k = 0; k < REQS; k++)
				waiting += !reqs[i][k].done;
		write_ms = time_call(io, &write_beside, beside, BS_WRITE, 5000);
		flush_ms = time_call(io, &flush_beside, beside, BS_FLUSH, 5000);
	}
	thaw(&frozen);
	assert_true(froze);
	check_ended(io);
	print_message("%u requests stalled; a write beside them took %llu ms, a flush %llu ms\n",
		      waiting, (unsigned long long)write_ms, (unsigned long long)flush_ms);
	assert_int_equal(waiting, VOLUMES * REQS); /* else it has shown nothing */
	assert_true(write_beside.done && write_beside.res == 0 && write_ms < 2000);
	assert_true(flush_beside.done && flush_beside.res == 0 && flush_ms < 2000);
	for (unsigned i = 0; i < VOLUMES; i++)
		bs_close(stalled[i]);
	bs_close(beside);
	io_free(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flush_finds_a_worker_beside_stalled_volumes),
	};
	int rc = prepare() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;

	return clean_up() && !rc ? 1 : rc;
}
