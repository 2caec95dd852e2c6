/* The io_uring engine against a real kernel: what all engines promise, and what
 * only this one does. */
#include "tests/unit/backstore/base/engine_disk_tests.h"
#include "tests/unit/backstore/base/engine_loop_tests.h"
#include "tests/unit/backstore/base/engine_net_tests.h"
#include "tests/unit/backstore/base/engine_rig.h"

/* Where the kernel can recall a read, this engine has it recalled. */
static void cancel_recalls_a_waiting_read(void **state)
{
	struct rig *r = *state;
	uint8_t buf[16];
	struct iovec v = { buf, sizeof(buf) };
	struct op_result op = OP_RESULT;
	int p[2];

	assert_int_equal(pipe(p), 0);
	io_read(r->io, &op.op, p[0], &v, 1, 0, 0);
	turn_for(r, 10);
	io_cancel(r->io, &op.op);
	TURN_UNTIL(r, op.calls);
	assert_int_equal(op.res, -ECANCELED);
	close(p[0]);
	close(p[1]);
}

/* io_free ends the engine's own requests, whatever state they are in. */
static void engines_come_and_go(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 20; i++) {
		struct io *io;

		assert_int_equal(r->make(&io, 2), 0);
		assert_int_equal(io->index, 2);
		if (i % 2)
			assert_int_equal(io_turn(io, false), 0);
		io_free(io);
	}
}

int main(void)
{
	static engine_new_fn *make = io_uring_engine_new;
	struct CMUnitTest tests[] = {
		LOOP_TESTS,
		DISK_TESTS,
		NET_TESTS,
		cmocka_unit_test(cancel_recalls_a_waiting_read),
		cmocka_unit_test(engines_come_and_go),
	};

	if (engine_refused(make))
		return 77;
	return engine_run("io_uring", tests, ARRAY_SIZE(tests), &make);
}
