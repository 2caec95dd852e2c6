/* The epoll engine where the kernel has little to give: no asynchronous disk I/O, or
 * little room for it, or now and then none; no epoll_pwait2. These definitions come before
 * the libraries'. (<libaio.h> cannot be included beside io.h.) */
#include "tests/unit/backstore/base/engine_disk_tests.h"
#include "tests/unit/backstore/base/engine_loop_tests.h"
#include "tests/unit/backstore/base/engine_rig.h"

#include <dlfcn.h>
#include <sys/epoll.h>

static struct {
	int most;      /* io_setup: more are refused */
	int error;     /* with this */
	unsigned each; /* io_submit: every so often -EAGAIN; 0 never */
	unsigned submits, refused;
	unsigned waits; /* calls of epoll_pwait2 */
} kernel;

int io_setup(int most, void **ctx);
int io_submit(void *ctx, long n, void **cbs);

int io_setup(int most, void **ctx)
{
	int (*real)(int, void **) = (int (*)(int, void **))(uintptr_t)dlsym(RTLD_NEXT, "io_setup");

	return most > kernel.most ? kernel.error : real(most, ctx);
}

int io_submit(void *ctx, long n, void **cbs)
{
	int (*real)(void *, long, void **) =
		(int (*)(void *, long, void **))(uintptr_t)dlsym(RTLD_NEXT, "io_submit");

	if (kernel.each && ++kernel.submits % kernel.each == 0) {
		kernel.refused++;
		return -EAGAIN;
	}
	return real(ctx, kernel.each ? MIN(n, 3) : n, cbs);
}

int epoll_pwait2(int fd, struct epoll_event *ev, int n, const struct timespec *ts,
		 const sigset_t *set)
{
	(void)fd, (void)ev, (void)n, (void)ts, (void)set;
	kernel.waits++;
	errno = ENOSYS;
	return -1;
}

static int no_aio(struct io **out, unsigned index)
{
	kernel.most = 0;
	kernel.error = index ? -ENOSYS : -EAGAIN;
	kernel.each = 0;
	return io_epoll_engine_new(out, index);
}

static int little_aio(struct io **out, unsigned index)
{
	kernel.most = 64;
	kernel.error = -EAGAIN;
	kernel.each = 0;
	return io_epoll_engine_new(out, index);
}

static int moody_aio(struct io **out, unsigned index)
{
	kernel.most = 1024;
	kernel.each = 5;
	return io_epoll_engine_new(out, index);
}

enum { READS = 900 }; /* less than the engine has room for by itself */

/* Hundreds, none of which may wait: each is done or handed back, and then done by who may. */
static void each_is_done_or_handed_back(struct rig *r, unsigned reads, unsigned *done,
					unsigned *back)
{
	struct op_result *ops = calloc(reads, sizeof(*ops));
	uint8_t *bytes = calloc(reads, 1), buf[4096];
	struct iovec *iov = calloc(reads, sizeof(*iov));
	int fd = temp_file();

	fill_bytes(buf, 0, sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	*done = *back = 0;
	for (unsigned i = 0; i < reads; i++) {
		ops[i].op.done = op_done;
		iov[i] = (struct iovec){ &bytes[i], 1 };
		io_read(r->io, &ops[i].op, fd, &iov[i], 1, i, IO_NOWAIT);
	}
	for (unsigned i = 0; i < reads; i++) {
		TURN_UNTIL(r, ops[i].calls);
		assert_int_equal(ops[i].calls, 1);
		assert_true(ops[i].res == 1 || ops[i].res == -EAGAIN);
		if (ops[i].res == 1)
			check_bytes(&bytes[i], i, 1);
		*(ops[i].res == 1 ? done : back) += 1;
	}
	close(fd);
	free(ops);
	free(bytes);
	free(iov);
}

static void without_room_all_is_handed_back(void **state)
{
	unsigned done, back;

	each_is_done_or_handed_back(*state, READS, &done, &back);
	assert_int_equal(done, 0);
}

static void with_little_room_some_are_handed_back(void **state)
{
	unsigned done, back;

	each_is_done_or_handed_back(*state, READS, &done, &back);
	assert_true(done >= 64 && back > 0);
}

static void what_is_refused_is_handed_back(void **state)
{
	unsigned done, back;

	kernel.refused = 0;
	each_is_done_or_handed_back(*state, READS, &done, &back);
	assert_true(done > 0 && kernel.refused > 0);
	assert_int_equal(back, kernel.refused);
}

static void another_reason_is_survived_too(void **state)
{
	struct rig *r = *state;
	struct io *io;

	assert_int_equal(r->make(&io, 1), 0);
	assert_int_equal(io_turn(io, false), 0);
	io_free(io);
}

/* The kernel then counts in milliseconds; never too early. */
static void timers_do_without_nanoseconds(void **state)
{
	timers_fire_in_order_and_on_time(state);
	assert_int_equal(kernel.waits, 1); /* once refused is enough */
	idle_costs_no_cpu(state);
	assert_int_equal(kernel.waits, 1);
}

int main(void)
{
	static engine_new_fn *none = no_aio, *little = little_aio, *moody = moody_aio;
	struct CMUnitTest without[] = {
		cmocka_unit_test(timers_do_without_nanoseconds),
		DISK_TESTS,
		cmocka_unit_test(without_room_all_is_handed_back),
		cmocka_unit_test(another_reason_is_survived_too),
	};
	struct CMUnitTest with_little[] = {
		DISK_TESTS,
		cmocka_unit_test(with_little_room_some_are_handed_back),
	};
	struct CMUnitTest with_moods[] = {
		DISK_TESTS,
		cmocka_unit_test(what_is_refused_is_handed_back),
	};

	return engine_run("no aio", without, ARRAY_SIZE(without), &none) +
	       engine_run("little aio", with_little, ARRAY_SIZE(with_little), &little) +
	       engine_run("moody aio", with_moods, ARRAY_SIZE(with_moods), &moody);
}
