/* Disk operations: the same for every engine, on a real file. */
#pragma once

#include "tests/unit/backstore/base/engine_rig.h"

#include <dirent.h>
#include <linux/falloc.h>
#include <sys/stat.h>

enum { MIB = 1 << 20 };

/* In the working directory: /tmp may be a tmpfs, which lacks half of this. */
static int temp_file(void)
{
	char name[] = "engine-test-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static int rw(struct rig *r, bool is_write, int fd, struct iovec *iov, int n, uint64_t off,
	      unsigned flags)
{
	struct op_result op = OP_RESULT;

	if (is_write)
		io_write(r->io, &op.op, fd, iov, n, off, flags);
	else
		io_read(r->io, &op.op, fd, iov, n, off, flags);
	assert_int_equal(op.calls, 0);
	TURN_UNTIL(r, op.calls);
	return op.res;
}

static inline void reads_give_what_writes_put(void **state)
{
	struct rig *r = *state;
	uint8_t *buf = malloc(MIB), *back = malloc(MIB);
	struct iovec whole = { buf, MIB };
	struct iovec parts[3] = { { back, 1000 },
				  { back + 1000, 500000 },
				  { back + 501000, MIB - 501000 } };
	int fd = temp_file();

	fill_bytes(buf, 0, MIB);
	assert_int_equal(rw(r, true, fd, &whole, 1, 8192, 0), MIB);
	assert_int_equal(rw(r, false, fd, parts, 3, 8192, 0), MIB);
	check_bytes(back, 0, MIB);
	/* many iovecs out, one in; durable */
	assert_int_equal(rw(r, true, fd, parts, 3, 0, IO_DSYNC), MIB);
	memset(buf, 0, MIB);
	assert_int_equal(rw(r, false, fd, &whole, 1, 0, 0), MIB);
	check_bytes(buf, 0, MIB);
	close(fd);
	free(buf);
	free(back);
}

static inline void reads_end_with_the_file(void **state)
{
	struct rig *r = *state;
	uint8_t buf[4096] = { 0 };
	struct iovec v = { buf, sizeof(buf) };
	int fd = temp_file(), ro = open("/dev/null", O_RDONLY);

	assert_int_equal(pwrite(fd, "tail", 4, 4096), 4);
	assert_int_equal(rw(r, false, fd, &v, 1, 4096, 0), 4);
	assert_memory_equal(buf, "tail", 4);
	assert_int_equal(rw(r, false, fd, &v, 1, 4100, 0), 0);
	assert_int_equal(rw(r, true, ro, &v, 1, 0, 0), -EBADF);
	assert_int_equal(rw(r, false, 9999, &v, 1, 0, 0), -EBADF);
	close(fd);
	close(ro);
}

static inline void nowait_is_asked_for_only_where_wanted(void **state)
{
	struct rig *r = *state;
	uint8_t buf[4096];
	struct iovec v = { buf, sizeof(buf) };
	struct op_result op = OP_RESULT;
	int fd = temp_file(), res, p[2];

	fill_bytes(buf, 0, sizeof(buf));
	/* Pages that are cached for sure: nothing to wait for. */
	assert_int_equal(rw(r, true, fd, &v, 1, 0, 0), 4096);
	memset(buf, 0, sizeof(buf));
	res = rw(r, false, fd, &v, 1, 0, IO_NOWAIT);
	if (res != -EOPNOTSUPP && res != -EAGAIN) {
		assert_int_equal(res, 4096);
		check_bytes(buf, 0, sizeof(buf));
	}
	close(fd);

	assert_int_equal(pipe(p), 0);
	res = rw(r, false, p[0], &v, 1, 0, IO_NOWAIT);
	assert_true(res == -EAGAIN || res == -EOPNOTSUPP);
	io_read(r->io, &op.op, p[0], &v, 1, 0, 0);
	turn_for(r, 20);
	assert_int_equal(op.calls, 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	TURN_UNTIL(r, op.calls);
	assert_int_equal(op.res, 1);
	close(p[0]);
	close(p[1]);
}

static int space(struct rig *r, int fd, enum io_space how, uint64_t off, uint64_t len)
{
	struct op_result op = OP_RESULT;

	io_space(r->io, &op.op, fd, how, off, len);
	assert_int_equal(op.calls, 0);
	TURN_UNTIL(r, op.calls);
	return op.res;
}

static void check_zeros(int fd, off_t off, size_t len)
{
	for (size_t i = 0; i < len; i += 4096) {
		uint8_t buf[4096], zeros[4096] = { 0 };

		assert_int_equal(pread(fd, buf, 4096, off + (off_t)i), 4096);
		assert_memory_equal(buf, zeros, 4096);
	}
}

static inline void space_is_punched_and_zeroed(void **state)
{
	struct rig *r = *state;
	uint8_t *buf = malloc(MIB), edge[4096];
	struct iovec v = { buf, MIB };
	struct op_result sync = OP_RESULT;
	int fd = temp_file(), res;
	struct stat before, after;

	fill_bytes(buf, 0, MIB);
	assert_int_equal(rw(r, true, fd, &v, 1, 0, 0), MIB);
	io_fdatasync(r->io, &sync.op, fd);
	TURN_UNTIL(r, sync.calls);
	assert_int_equal(sync.res, 0);
	fstat(fd, &before);

	assert_int_equal(space(r, fd, IO_SPACE_PUNCH, 65536, 131072), 0);
	check_zeros(fd, 65536, 131072);
	fstat(fd, &after);
	assert_true(before.st_blocks - after.st_blocks >= 131072 / 512);

	res = space(r, fd, IO_SPACE_ZERO, 524288, 65536);
	if (res == -EOPNOTSUPP) {
		assert_int_equal(fallocate(fd, FALLOC_FL_ZERO_RANGE, 524288, 65536), -1);
	} else {
		assert_int_equal(res, 0);
		check_zeros(fd, 524288, 65536);
	}
	/* beyond the end: the size stays */
	assert_int_equal(space(r, fd, IO_SPACE_PUNCH, MIB, MIB), 0);
	fstat(fd, &after);
	assert_int_equal(after.st_size, MIB);
	assert_int_equal(pread(fd, edge, 4096, 65536 - 4096), 4096);
	check_bytes(edge, 65536 - 4096, 4096);
	assert_int_equal(pread(fd, edge, 4096, 65536 + 131072), 4096);
	check_bytes(edge, 65536 + 131072, 4096);

	assert_int_equal(space(r, -1, IO_SPACE_PUNCH, 0, 4096), -EBADF);
	close(fd);
	free(buf);
}

enum { MANY = 20000 };

/* More at once than any queue of an engine holds. */
static inline void thousands_at_once_all_complete(void **state)
{
	struct rig *r = *state;
	struct op_result *ops = calloc(MANY, sizeof(*ops));
	uint8_t *buf = malloc(MANY * 16);
	struct iovec *iov = calloc(MANY, sizeof(*iov));
	int fd = temp_file();

	fill_bytes(buf, 0, 65536);
	assert_int_equal(pwrite(fd, buf, 65536, 0), 65536);
	memset(buf, 0, MANY * 16);
	for (unsigned i = 0; i < MANY; i++) {
		ops[i].op.done = op_done;
		iov[i] = (struct iovec){ buf + i * 16, 16 };
		io_read(r->io, &ops[i].op, fd, &iov[i], 1, i * 13 % 65000, 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		TURN_UNTIL(r, ops[i].calls);
		assert_int_equal(ops[i].calls, 1);
		assert_int_equal(ops[i].res, 16);
		check_bytes(buf + i * 16, i * 13 % 65000, 16);
	}
	close(fd);
	free(ops);
	free(buf);
	free(iov);
}

/* How often threads of this process other than this one have gone to sleep: a worker
 * does after each op. */
static inline unsigned long others_sleeps(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	unsigned long n = 0;

	while ((d = readdir(dir))) {
		char path[300], line[128];
		unsigned long sleeps;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
		f = *d->d_name == '.' || atoi(d->d_name) == getpid() ? NULL : fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &sleeps) == 1)
				n += sleeps;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

/* By a thread, although what is cached could be had at once; right all the same. */
static inline void what_is_said_to_block_goes_to_a_worker(void **state)
{
	struct rig *r = *state;
	uint8_t buf[8192], back[8192] = { 0 };
	struct iovec v = { buf, sizeof(buf) },
		     parts[2] = { { back, 100 }, { back + 100, sizeof(back) - 100 } };
	int fd = temp_file();
	unsigned long before;

	fill_bytes(buf, 0, sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 4096), sizeof(buf));
	turn_for(r, 50); /* until those of earlier tests have come to rest */
	before = others_sleeps();
	for (unsigned i = 0; i < 30 && others_sleeps() <= before; i++) {
		assert_int_equal(rw(r, false, fd, parts, 2, 4096, IO_BLOCKS), sizeof(back));
		check_bytes(back, 0, sizeof(back));
		turn_for(r, 10);
	}
	assert_true(others_sleeps() > before);

	fill_bytes(buf, 77, sizeof(buf));
	assert_int_equal(rw(r, true, fd, &v, 1, 0, IO_BLOCKS), sizeof(buf));
	assert_int_equal(rw(r, true, fd, &v, 1, 8192, IO_BLOCKS | IO_DSYNC), sizeof(buf));
	for (off_t at = 0; at <= 8192; at += 8192) {
		assert_int_equal(pread(fd, back, sizeof(back), at), sizeof(back));
		check_bytes(back, 77, sizeof(back));
	}
	assert_int_equal(rw(r, false, fd, &v, 1, 16384, IO_BLOCKS), 0);
	assert_int_equal(rw(r, true, -1, &v, 1, 0, IO_BLOCKS), -EBADF);
	close(fd);
}

/* Hundreds of them, and nothing else waits. */
static inline void what_blocks_holds_up_nothing_else(void **state)
{
	enum { STUCK = 300 };
	struct rig *r = *state;
	struct op_result *stuck = calloc(STUCK, sizeof(*stuck)), sync = OP_RESULT;
	uint8_t bytes[STUCK] = { 0 }, got[STUCK], buf[4096];
	struct iovec v = { buf, sizeof(buf) }, *iov = calloc(STUCK, sizeof(*iov));
	int fd = temp_file(), p[2];

	assert_int_equal(pipe(p), 0);
	for (unsigned i = 0; i < STUCK; i++) {
		stuck[i].op.done = op_done;
		iov[i] = (struct iovec){ &got[i], 1 };
		io_read(r->io, &stuck[i].op, p[0], &iov[i], 1, 0, IO_BLOCKS);
	}
	turn_for(r, 20);
	fill_bytes(buf, 0, sizeof(buf));
	assert_int_equal(rw(r, true, fd, &v, 1, 0, IO_BLOCKS), sizeof(buf));
	io_fdatasync(r->io, &sync.op, fd);
	TURN_UNTIL(r, sync.calls);
	assert_int_equal(sync.res, 0);
	for (unsigned i = 0; i < STUCK; i++)
		assert_int_equal(stuck[i].calls, 0);
	assert_int_equal(write(p[1], bytes, STUCK), STUCK);
	for (unsigned i = 0; i < STUCK; i++) {
		TURN_UNTIL(r, stuck[i].calls);
		assert_int_equal(stuck[i].calls, 1);
		assert_int_equal(stuck[i].res, 1);
	}
	close(fd);
	close(p[0]);
	close(p[1]);
	free(stuck);
	free(iov);
}

/* Advice: with the result or without, done() comes once. */
static inline void a_cancelled_read_still_answers_once(void **state)
{
	struct rig *r = *state;
	uint8_t buf[16];
	struct iovec v = { buf, sizeof(buf) };
	struct op_result op = OP_RESULT, fresh = OP_RESULT;
	int p[2];

	assert_int_equal(pipe(p), 0);
	io_read(r->io, &op.op, p[0], &v, 1, 0, 0);
	turn_for(r, 10);
	io_cancel(r->io, &op.op);
	turn_for(r, 20);
	assert_int_equal(write(p[1], "x", 1), 1);
	TURN_UNTIL(r, op.calls);
	assert_true(op.res == -ECANCELED || op.res == 1);

	/* of one that was never handed over, and of one that is done */
	io_cancel(r->io, &op.op);
	io_read(r->io, &fresh.op, p[0], &v, 1, 0, 0);
	io_cancel(r->io, &fresh.op);
	assert_int_equal(write(p[1], "yz", 2), 2);
	TURN_UNTIL(r, fresh.calls);
	turn_for(r, 10);
	assert_int_equal(op.calls, 1);
	assert_int_equal(fresh.calls, 1);
	close(p[0]);
	close(p[1]);
}

#define DISK_TESTS                                                                                 \
	cmocka_unit_test(reads_give_what_writes_put), cmocka_unit_test(reads_end_with_the_file),   \
		cmocka_unit_test(nowait_is_asked_for_only_where_wanted),                           \
		cmocka_unit_test(space_is_punched_and_zeroed),                                     \
		cmocka_unit_test(thousands_at_once_all_complete),                                  \
		cmocka_unit_test(what_is_said_to_block_goes_to_a_worker),                          \
		cmocka_unit_test(what_blocks_holds_up_nothing_else),                               \
		cmocka_unit_test(a_cancelled_read_still_answers_once)
