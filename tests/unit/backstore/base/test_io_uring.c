/* The io_uring engine against a real kernel: what all engines promise, and what
 * only this one does. */
#include "backstore/base/io_uring_parts.h"
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

/* What the kernel is asked for next: an exact piece directly, then one receive at
 * a time, in the end all of them with one request again. */
static void exact_pieces_go_straight_to_their_place(void **state)
{
	struct rig *r = *state;
	struct sink k;
	int fds[2];

	unix_pair(fds);
	k = sink_of(fds[0]);
	k.plan[0] = 100000;
	io_stream_start(r->io, &k.s);
	turn_for(r, 1);
	assert_int_equal(uring_kind(&k.s.op), URING_RECV_MULTI);
	put_bytes(fds[1], 0, 10);
	TURN_UNTIL(r, k.pos == 10);
	turn_for(r, 5);
	assert_int_equal(uring_kind(&k.s.op), URING_RECV_EXACT);
	put_bytes(fds[1], 10, 100000);
	TURN_UNTIL(r, k.pos == 100010);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(uring_kind(&k.s.op), URING_RECV_ONE);
		put_bytes(fds[1], k.pos, 10);
		TURN_UNTIL(r, k.pos == 100020 + i * 10);
	}
	assert_int_equal(uring_kind(&k.s.op), URING_RECV_MULTI);
	io_stream_stop(&k.s);
	TURN_UNTIL(r, k.ends);
	close(fds[0]);
	close(fds[1]);
}

/* Interrupted by a cancel, the kernel tells how much it has sent so far: the engine
 * must go on from there. */
static void a_short_send_is_continued(void **state)
{
	enum { TOTAL = 4 << 20 };
	struct rig *r = *state;
	uint8_t *buf = malloc(TOTAL);
	struct iovec iov[3] = { { buf, 1000 },
				{ buf + 1000, 60000 },
				{ buf + 61000, TOTAL - 61000 } };
	struct send_result x = { .snd.done = send_done };
	struct reader rd = { .total = TOTAL };
	int fds[2];
	void *ok;

	fill_bytes(buf, 0, TOTAL);
	unix_pair(fds);
	io_send(r->io, &x.snd, fds[0], iov, 3);
	turn_for(r, 2);
	io_cancel(r->io, &x.snd.op);
	turn_for(r, 2);
	assert_int_equal(x.calls, 0);
	assert_true(x.snd.sent > 0 && x.snd.sent < TOTAL);
	rd.fd = fds[1];
	assert_int_equal(pthread_create(&rd.thread, NULL, reader_main, &rd), 0);
	TURN_UNTIL(r, x.calls);
	assert_int_equal(x.res, TOTAL);
	pthread_join(rd.thread, &ok);
	assert_non_null(ok);
	close(fds[0]);
	close(fds[1]);
	free(buf);
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
		cmocka_unit_test(exact_pieces_go_straight_to_their_place),
		cmocka_unit_test(a_short_send_is_continued),
		cmocka_unit_test(engines_come_and_go),
	};

	if (engine_refused(make))
		return 77;
	return engine_run("io_uring", tests, ARRAY_SIZE(tests), &make);
}
