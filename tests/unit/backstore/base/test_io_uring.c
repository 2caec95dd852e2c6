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
	struct send_result other = { .snd.done = send_done };
	struct iovec byte = { buf, 1 };
	struct reader rd = { .total = TOTAL };
	int fds[2], others[2];
	void *ok;

	fill_bytes(buf, 0, TOTAL);
	unix_pair(fds);
	unix_pair(others);
	/* two of them: both through the ring */
	io_send(r->io, &x.snd, fds[0], iov, 3);
	io_send(r->io, &other.snd, others[0], &byte, 1);
	turn_for(r, 2);
	assert_int_equal(other.res, 1);
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
	close(others[0]);
	close(others[1]);
	free(buf);
}

/* A send alone in its turn leaves in that turn, and its answer costs none; but sends that follow
 * from sends do not keep the ring from being looked at. */
struct send_chain {
	struct send_result x;
	struct io *io;
	struct iovec v;
	int fd;
	unsigned sent;
};

static void chain_sent(struct io_send *s, int res)
{
	struct send_chain *c = container_of(s, struct send_chain, x.snd);

	assert_int_equal(res, 1);
	c->sent++;
	c->v.iov_len = 1; /* lent, and taken off */
	io_send(c->io, &c->x.snd, c->fd, &c->v, 1);
}

static void a_send_alone_is_made_at_once(void **state)
{
	struct rig *r = *state;
	uint8_t byte = 7;
	struct send_chain c = { .x.snd.done = chain_sent, .io = r->io, .v = { &byte, 1 } };
	struct sink k;
	int fds[2], in[2];

	unix_pair(fds);
	unix_pair(in);
	c.fd = fds[0];
	k = sink_of(in[0]);
	io_stream_start(r->io, &k.s);
	turn_for(r, 1);
	put_bytes(in[1], 0, 10);
	io_send(r->io, &c.x.snd, c.fd, &c.v, 1);
	assert_int_equal(io_turn(r->io, true), 0);
	assert_int_equal(c.sent, 1);
	assert_int_equal(k.pos, 0);
	assert_int_equal(io_turn(r->io, true), 0);
	assert_int_equal(k.pos, 10);
	c.x.snd.done = send_done;
	TURN_UNTIL(r, c.x.calls);
	io_stream_stop(&k.s);
	TURN_UNTIL(r, k.ends);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(in[i]);
	}
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
		cmocka_unit_test(a_send_alone_is_made_at_once),
		cmocka_unit_test(engines_come_and_go),
	};

	if (engine_refused(make))
		return 77;
	return engine_run("io_uring", tests, ARRAY_SIZE(tests), &make);
}
