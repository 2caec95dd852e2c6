/* Real files through the real engine: opening, locks, sizes, direct I/O, discards. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"
#include "tests/fakes/real_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 8 << 20 };

static char dir[] = "/var/tmp/ringlun-file-XXXXXX", path[128], why[512];
static _Alignas(4096) uint8_t buf[1 << 20], back[1 << 20], zeros[1 << 20];

static unsigned directory_syncs, file_syncs;

/* in place of libc's: what no test could see otherwise without cutting the power */
int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		directory_syncs++;
	else
		file_syncs++;
	return (int)syscall(SYS_fsync, fd);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/v.img", dir);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 13 + i / 512 + 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir); /* fails where a test or the code left a file */
}

static int fresh(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static struct bs_spec spec_of(uint64_t size)
{
	return (struct bs_spec){
		.path = path, .size_bytes = size, .block_bytes = 512, .reactors = 1
	};
}

static struct backstore *opened(const struct bs_spec *spec)
{
	struct backstore *bs = NULL;
	int rc = backstore_open(&bs, spec, why, sizeof(why));

	if (rc)
		fail_msg("%s", why);
	return bs;
}

static void refused(const struct bs_spec *spec, int rc, const char *says)
{
	struct backstore *bs;

	why[0] = '\0';
	assert_int_equal(file_open(&bs, spec, 300, why, sizeof(why)), rc);
	if (!strstr(why, says) || !strstr(why, path))
		fail_msg("\"%s\" does not say \"%s\"", why, says);
}

static int call(struct io *io, struct backstore *bs, enum bs_kind kind, unsigned flags,
		uint64_t off, void *data, uint64_t len)
{
	struct bs_call c = { .then = NULL };

	bs_call_start(&c, bs, io, kind, flags, off, data, len);
	while (!c.done)
		assert_int_equal(io_turn(io, true), 0);
	return c.res;
}

static struct io *engine(void)
{
	struct io *io;
	int rc = real_engine_new(&io, 0);

	if (rc) {
		print_message("no engine here: %s\n", strerror(-rc));
		skip();
	}
	return io;
}

static void an_absent_file_is_made_sparse(void **state)
{
	struct bs_spec spec = spec_of(SIZE);
	struct backstore *bs;
	struct stat st;

	(void)state;
	directory_syncs = file_syncs = 0;
	bs = opened(&spec);
	assert_true(directory_syncs == 1 && file_syncs == 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(bs->size_bytes, SIZE);
	assert_true(bs->write_cache && !bs->read_only);
	bs_close(bs);
	/* as it is, or with the same size */
	bs = opened(&spec);
	bs_close(bs);
	spec.size_bytes = 0;
	bs = opened(&spec);
	assert_int_equal(bs->size_bytes, SIZE);
	bs_close(bs);
}

static void sizes_that_differ_are_refused(void **state)
{
	struct bs_spec spec = spec_of(0);
	struct stat st;

	(void)state;
	refused(&spec, -ENOENT, "give a size");
	assert_int_equal(access(path, F_OK), -1);
	spec = spec_of(SIZE);
	bs_close(opened(&spec));
	spec.size_bytes = SIZE * 2;
	refused(&spec, -EINVAL, "less than");
	spec.size_bytes = SIZE / 2;
	refused(&spec, -EINVAL, "more than");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(truncate(path, 1000), 0);
	spec.size_bytes = 0;
	refused(&spec, -EINVAL, "multiple of the block size 512");
	assert_int_equal(truncate(path, 0), 0);
	refused(&spec, -EINVAL, "is empty");
	/* an empty one, as a crash leaves it while it is made, is taken up */
	spec.size_bytes = SIZE;
	bs_close(opened(&spec));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
}

static void a_size_that_the_file_system_refuses_leaves_no_file(void **state)
{
	struct bs_spec spec = spec_of((uint64_t)INT64_MAX - 4095 - 512);

	(void)state;
	spec.size_bytes -= spec.size_bytes % 512;
	refused(&spec, -EFBIG, "given its size");
	assert_int_equal(access(path, F_OK), -1);
}

static void twice_in_one_server_is_refused_at_once(void **state)
{
	struct bs_spec spec = spec_of(SIZE);
	struct backstore *first = opened(&spec), *second;
	struct timespec a, b;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(backstore_open(&second, &spec, why, sizeof(why)), -EBUSY);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec <= 2);
	assert_non_null(strstr(why, "already open"));
	bs_close(first);
	bs_close(opened(&spec));
}

/* A second process that opens as a server does; it is killed by closing @hold. */
static pid_t other_server(const struct bs_spec *spec, int *hold, unsigned linger_ms)
{
	int ready[2], stay[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(stay), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct backstore *bs;

		close(stay[1]);
		c = backstore_open(&bs, spec, why, sizeof(why)) == 0 ? 'y' : 'n';
		if (write(ready[1], &c, 1) != 1 || c != 'y')
			_exit(1);
		while (read(stay[0], &c, 1) > 0)
			;
		usleep(linger_ms * 1000);
		_exit(0); /* as a killed server: nothing is closed */
	}
	close(stay[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	close(ready[0]);
	close(ready[1]);
	*hold = stay[1];
	return pid;
}

static void a_second_server_is_kept_out(void **state)
{
	struct bs_spec spec = spec_of(SIZE), reading = spec_of(0);
	char pid_text[32];
	int hold;
	pid_t pid = other_server(&spec, &hold, 0);

	(void)state;
	snprintf(pid_text, sizeof(pid_text), "process %d", (int)pid);
	refused(&spec, -EBUSY, pid_text);
	reading.read_only = true;
	refused(&reading, -EBUSY, pid_text);
	close(hold);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	bs_close(opened(&spec));
}

static void a_dying_server_is_waited_for(void **state)
{
	struct bs_spec spec = spec_of(SIZE);
	struct timespec a, b;
	int hold;
	pid_t pid = other_server(&spec, &hold, 700);

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	close(hold);
	bs_close(opened(&spec));
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_in_range((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 500,
			9000);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void two_may_read(void **state)
{
	struct bs_spec spec = spec_of(SIZE);
	struct backstore *a, *b, *c;

	(void)state;
	bs_close(opened(&spec));
	spec.size_bytes = 0;
	spec.read_only = true;
	a = opened(&spec);
	b = opened(&spec);
	assert_true(a->read_only);
	spec.read_only = false;
	assert_int_equal(file_open(&c, &spec, 100, why, sizeof(why)), -EBUSY);
	bs_close(a);
	bs_close(b);
}

static void bytes_go_through_the_kernel(void **state)
{
	struct io *io = engine();

	(void)state;
	for (unsigned mode = 0; mode < 4; mode++) {
		struct bs_spec spec = spec_of(SIZE);
		struct backstore *bs;
		struct stat st;

		unlink(path);
		spec.cache = mode & 1 ? BS_CACHE_BUFFERED : BS_CACHE_DIRECT;
		spec.writethrough = mode & 2;
		bs = opened(&spec);
		assert_int_equal(bs->write_cache, !(mode & 2));
		assert_int_equal(call(io, bs, BS_WRITE, 0, 512, buf, sizeof(buf) - 4096), 0);
		assert_int_equal(call(io, bs, BS_WRITE, BS_FUA, 2 << 20, buf, 65536), 0);
		assert_int_equal(call(io, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
		assert_int_equal(call(io, bs, BS_READ, 0, 512, back, sizeof(buf) - 4096), 0);
		assert_memory_equal(back, buf, sizeof(buf) - 4096);
		assert_int_equal(call(io, bs, BS_READ, 0, 4 << 20, back, 65536), 0);
		assert_memory_equal(back, zeros, 65536);
		/* discard in the middle, cut to 512 on both sides */
		assert_int_equal(call(io, bs, BS_DISCARD, 0, 1024, NULL, 512 * 1000), 0);
		assert_int_equal(call(io, bs, BS_READ, 0, 512, back, 512 * 1002), 0);
		assert_memory_equal(back, buf, 512);
		assert_memory_equal(back + 512, zeros, 512 * 1000);
		assert_memory_equal(back + 512 * 1001, buf + 512 * 1001, 512);
		assert_int_equal(call(io, bs, BS_WRITE_ZEROES, 0, 512 * 1026, NULL, 512 * 100), 0);
		assert_int_equal(call(io, bs, BS_READ, 0, 512 * 1026, back, 512 * 101), 0);
		assert_memory_equal(back, zeros, 512 * 100);
		assert_memory_equal(back + 512 * 100, buf + 512 * 1125, 512);
		assert_int_equal(call(io, bs, BS_DISCARD, 0, 0, NULL, SIZE), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_blocks, 0);
		bs_close(bs);
	}
	io_free(io);
}

static void a_file_cut_off_behind_our_back_is_an_error(void **state)
{
	struct bs_spec spec = spec_of(SIZE);
	struct backstore *bs = opened(&spec);
	struct io *io = engine();

	(void)state;
	assert_int_equal(truncate(path, 65536), 0);
	assert_int_equal(call(io, bs, BS_READ, 0, 65536 - 4096, back, 4096), 0);
	assert_int_equal(call(io, bs, BS_READ, 0, 65536 - 4096, back, 8192), -EIO);
	assert_int_equal(call(io, bs, BS_READ, 0, 1 << 20, back, 4096), -EIO);
	bs_close(bs);
	io_free(io);
}

static void direct_io_leaves_the_page_cache_alone(void **state)
{
	struct bs_spec spec = spec_of(SIZE);
	struct backstore *bs = opened(&spec);
	int flags = -1;

	(void)state;
	/* the descriptor that does the I/O is the one with the lock */
	for (int fd = 3; fd < 100 && flags < 0; fd++) {
		struct stat a, b;

		if (fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino)
			flags = fcntl(fd, F_GETFL);
	}
	assert_true(flags >= 0);
	assert_int_equal(!!(flags & O_DIRECT), bs->align_bytes > 1);
	bs_close(bs);
}

static void a_latch_found_refuses_writes_until_recovered(void **state)
{
	static const uint8_t uuid[16] = { 1, 2, 3 };
	struct bs_spec spec = spec_of(SIZE);
	struct io *io = engine();
	struct backstore *bs;
	char latch[256];
	int fd;

	(void)state;
	spec.runtime_dir = dir;
	spec.uuid = uuid;
	snprintf(latch, sizeof(latch), "%s/01020300000000000000000000000000.latch", dir);
	bs = opened(&spec);
	assert_int_equal(call(io, bs, BS_WRITE, 0, 0, buf, 4096), 0);
	bs_close(bs);
	fd = open(latch, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "?", 1), 1);
	close(fd);
	bs = opened(&spec);
	assert_int_equal(call(io, bs, BS_WRITE, 0, 0, buf, 4096), -EIO);
	assert_int_equal(call(io, bs, BS_READ, 0, 0, back, 4096), 0);
	bs_close(bs);
	spec.recover = true;
	bs = opened(&spec);
	assert_int_equal(call(io, bs, BS_WRITE, 0, 0, buf, 4096), 0);
	bs_close(bs);
	assert_int_equal(access(latch, F_OK), -1);
	io_free(io);
}

static void what_is_no_file_is_refused(void **state)
{
	struct bs_spec spec = spec_of(0);
	struct backstore *bs;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(backstore_open(&bs, &spec, why, sizeof(why)), -EINVAL);
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(backstore_open(&bs, &spec, why, sizeof(why)), -EINVAL);
}

#define test(f) cmocka_unit_test_setup_teardown(f, fresh, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_absent_file_is_made_sparse),
		test(sizes_that_differ_are_refused),
		test(a_size_that_the_file_system_refuses_leaves_no_file),
		test(twice_in_one_server_is_refused_at_once),
		test(a_second_server_is_kept_out),
		test(a_dying_server_is_waited_for),
		test(two_may_read),
		test(bytes_go_through_the_kernel),
		test(a_file_cut_off_behind_our_back_is_an_error),
		test(direct_io_leaves_the_page_cache_alone),
		test(a_latch_found_refuses_writes_until_recovered),
		test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
