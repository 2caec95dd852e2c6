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

/* The arming waits in the backlog; when the kernel takes requests again, the cancel
 * must still not overtake it. */
static void a_cancel_stays_behind_what_it_cancels(void **state)
{
	struct rig *r = *state;
	struct filler *f = fill_up(r);
	struct sink k;
	int fds[2];

	unix_pair(fds);
	k = sink_of(fds[0]);
	io_stream_start(r->io, &k.s);
	kernel.refuse = 0;
	io_stream_stop(&k.s);
	TURN_UNTIL(r, k.ends);
	assert_int_equal(k.res, -ECANCELED);
	check_filler(r, f);
	close(fds[0]);
	close(fds[1]);
}

/* The stream ends, and is gone, while its cancel still waits. */
static void a_stream_ends_before_its_cancel_goes_out(void **state)
{
	struct rig *r = *state;
	struct after_end after = { 0 };
	struct doomed *d = calloc(1, sizeof(*d));
	struct filler *f;
	int fds[2];

	unix_pair(fds);
	d->k = sink_of(fds[0]);
	d->k.s.on_end = doomed_end;
	d->after = &after;
	io_stream_start(r->io, &d->k.s);
	turn_for(r, 1);
	f = fill_up(r);
	close(fds[1]);
	io_stream_stop(&d->k.s);
	TURN_UNTIL(r, after.ends);
	check_filler(r, f);
	assert_int_equal(after.ends, 1);
	close(fds[0]);
}

/* All that the kernel has got will wait for long: what has not been handed over yet
 * must be, before the engine sleeps. */
static void the_engine_does_not_sleep_on_a_backlog(void **state)
{
	struct rig *r = *state;
	struct filler *f = calloc(1, sizeof(*f));
	struct op_result last = OP_RESULT;
	int p[2], fd = open("/dev/zero", O_RDONLY);
	uint8_t bytes[FILLERS] = { 0 };

	kernel.refuse = UINT32_MAX;
	assert_int_equal(pipe(p), 0);
	f->fd = p[0];
	f->v = (struct iovec){ &f->byte, 1 };
	for (unsigned i = 0; i < FILLERS; i++) {
		f->ops[i].op.done = op_done;
		io_read(r->io, &f->ops[i].op, p[0], &f->v, 1, 0, 0);
	}
	io_read(r->io, &last.op, fd, &f->v, 1, 0, 0);
	TURN_UNTIL(r, last.calls);
	assert_int_equal(last.res, 1);
	assert_int_equal(write(p[1], bytes, sizeof(bytes)), sizeof(bytes));
	check_filler(r, f);
	close(p[1]);
	close(fd);
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
		cmocka_unit_test(a_cancel_stays_behind_what_it_cancels),
		cmocka_unit_test(a_stream_ends_before_its_cancel_goes_out),
		cmocka_unit_test(the_engine_does_not_sleep_on_a_backlog),
		cmocka_unit_test(a_cancel_without_room_is_harmless),
		cmocka_unit_test(a_failing_enter_is_survived_or_told),
	};

	if (engine_refused(make))
		return 77;
	return engine_run("io_uring, refused", tests, ARRAY_SIZE(tests), &make);
}
