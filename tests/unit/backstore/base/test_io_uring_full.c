/* The io_uring engine when the kernel takes nothing: io_uring_submit fails here as
 * often as told (this definition comes before liburing's), so that requests have to
 * wait in the backlog, and still all run, in order, each once. */
#include "tests/unit/backstore/base/engine_disk_tests.h"
#include "tests/unit/backstore/base/engine_rig.h"
#include "tests/unit/backstore/base/engine_stop_tests.h"

#include <dlfcn.h>
#include <liburing.h>

/* What goes on inside the interposed functions: one engine per thread. */
static _Thread_local struct {
	unsigned refuse; /* io_uring_submit: so many times */
	unsigned refused;
	int enter_error; /* io_uring_submit_and_wait and the like: once */
} kernel;

int io_uring_submit(struct io_uring *ring)
{
	int (*real)(struct io_uring *) =
		(int (*)(struct io_uring *))(uintptr_t)dlsym(RTLD_NEXT, "io_uring_submit");

	if (!kernel.refuse)
		return real(ring);
	kernel.refuse--;
	kernel.refused++;
	return -EAGAIN;
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
	int (*real)(struct io_uring *) = (int (*)(struct io_uring *))(uintptr_t)dlsym(
		RTLD_NEXT, "io_uring_submit_and_get_events");
	int error = kernel.enter_error;

	kernel.enter_error = 0;
	return error ? error : real(ring);
}

static void a_refusing_kernel_loses_nothing(void **state)
{
	kernel.refuse = UINT32_MAX;
	thousands_at_once_all_complete(state);
	assert_true(kernel.refused > 10);
	kernel.refuse = 7;
	thousands_at_once_all_complete(state);
	assert_int_equal(kernel.refuse, 0);
}

enum { FILLERS = 3000 };

struct filler {
	struct op_result ops[FILLERS];
	struct iovec v;
	uint8_t byte;
	int fd;
};

/* Leaves the SQ full, and the backlog long. */
static struct filler *fill_up(struct rig *r)
{
	struct filler *f = calloc(1, sizeof(*f));

	kernel.refuse = UINT32_MAX;
	f->fd = temp_file();
	assert_int_equal(pwrite(f->fd, "x", 1, 0), 1);
	f->v = (struct iovec){ &f->byte, 1 };
	for (unsigned i = 0; i < FILLERS; i++) {
		f->ops[i].op.done = op_done;
		io_read(r->io, &f->ops[i].op, f->fd, &f->v, 1, 0, 0);
	}
	return f;
}

static void check_filler(struct rig *r, struct filler *f)
{
	for (unsigned i = 0; i < FILLERS; i++) {
		TURN_UNTIL(r, f->ops[i].calls);
		assert_int_equal(f->ops[i].res, 1);
		assert_int_equal(f->ops[i].calls, 1);
	}
	close(f->fd);
	free(f);
	kernel.refuse = 0;
}

/* Every state of a stream, with its requests and its cancels behind thousands. */
static void streams_stop_from_within_the_backlog(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(stop_cases); i++) {
		struct filler *f = fill_up(r);

		stop_in(r, &stop_cases[i], i % 2);
		check_filler(r, f);
	}
}

static void streams_run_from_within_the_backlog(void **state)
{
	struct rig *r = *state;

	for (uint64_t seed = 2; seed < 5; seed++) {
		struct filler *f = fill_up(r);

		receive_all(r, tcp_pair, true, seed);
		check_filler(r, f);
	}
}

/* A cancel is advice: where there is no room for it, it is forgotten. */
static void a_cancel_without_room_is_harmless(void **state)
{
	struct rig *r = *state;
	struct filler *f = fill_up(r);

	for (unsigned i = 0; i < FILLERS; i += 100)
		io_cancel(r->io, &f->ops[i].op);
	check_filler(r, f);
}

static void a_failing_enter_is_survived_or_told(void **state)
{
	static const int passing[] = { -EAGAIN, -EBUSY, -EINTR, -ETIME };
	struct rig *r = *state;
	struct op_result op = OP_RESULT;

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++) {
		op.calls = 0;
		io_defer(r->io, &op.op, 3);
		kernel.enter_error = passing[i];
		assert_int_equal(io_turn(r->io, true), 0);
		assert_int_equal(op.calls, 1);
	}
	kernel.enter_error = -EBADF;
	assert_int_equal(io_turn(r->io, false), -EBADF);
	assert_int_equal(io_turn(r->io, false), 0);
}

int main(void)
{
	static engine_new_fn *make = io_uring_engine_new;
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusing_kernel_loses_nothing),
		cmocka_unit_test(streams_stop_from_within_the_backlog),
		cmocka_unit_test(streams_run_from_within_the_backlog),
		cmocka_unit_test(a_cancel_without_room_is_harmless),
		cmocka_unit_test(a_failing_enter_is_survived_or_told),
	};

	if (engine_refused(make))
		return 77;
	return engine_run("io_uring, refused", tests, ARRAY_SIZE(tests), &make);
}
