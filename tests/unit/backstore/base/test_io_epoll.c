/* The epoll engine against a real kernel: what all engines promise, and what only this
 * one has to take care of. */
#include "tests/unit/backstore/base/engine_disk_tests.h"
#include "tests/unit/backstore/base/engine_loop_tests.h"
#include "tests/unit/backstore/base/engine_net_tests.h"
#include "tests/unit/backstore/base/engine_rig.h"

#include <sys/stat.h>

/* A stream that has more than a turn takes, and one that has little: both get on. */
static void a_flood_does_not_starve_its_neighbours(void **state)
{
	enum { FLOOD = 160000 };
	struct rig *r = *state;
	struct sink loud, quiet;
	int a[2], b[2];
	uint64_t first;

	unix_pair(a);
	unix_pair(b);
	loud = sink_of(a[0]);
	quiet = sink_of(b[0]);
	io_stream_start(r->io, &loud.s);
	io_stream_start(r->io, &quiet.s);
	put_bytes(a[1], 0, FLOOD);
	put_bytes(b[1], 0, 10);
	assert_int_equal(io_turn(r->io, true), 0);
	first = loud.pos;
	assert_true(first > 0 && first < FLOOD / 2);
	assert_int_equal(quiet.pos, 10);
	TURN_UNTIL(r, loud.pos == FLOOD);
	io_stream_stop(&loud.s);
	io_stream_stop(&quiet.s);
	TURN_UNTIL(r, loud.ends && quiet.ends);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

/* The table of descriptors grows, also while events of smaller ones are looked at. */
static void any_descriptor_will_do(void **state)
{
	struct rig *r = *state;
	struct rlimit limit;
	struct sink k[3];
	int fds[3][2], top;

	getrlimit(RLIMIT_NOFILE, &limit);
	top = (int)MIN(limit.rlim_cur, 100000) - 1;
	for (int i = 0; i < 3; i++) {
		static const int shift[] = { 0, 1, 2 };

		unix_pair(fds[i]);
		if (i) {
			int moved = fcntl(fds[i][0], F_DUPFD_CLOEXEC, top >> shift[i]);

			assert_true(moved >= 0);
			close(fds[i][0]);
			fds[i][0] = moved;
		}
		k[i] = sink_of(fds[i][0]);
		io_stream_start(r->io, &k[i].s);
		put_bytes(fds[i][1], 0, 100);
		TURN_UNTIL(r, k[i].pos == 100);
	}
	for (int i = 0; i < 3; i++) {
		close(fds[i][1]);
		TURN_UNTIL(r, k[i].ends);
		assert_int_equal(k[i].res, 0);
		close(fds[i][0]);
	}
}

/* Both directions of one socket, the send waiting: each is told of its own only. */
static void a_waiting_send_and_a_stream_share_a_socket(void **state)
{
	enum { TOTAL = 4 << 20 };
	struct rig *r = *state;
	uint8_t *buf = malloc(TOTAL);
	struct iovec v = { buf, TOTAL };
	struct send_result x = { .snd.done = send_done };
	struct reader rd = { .total = TOTAL };
	struct sink k;
	int fds[2];
	void *ok;

	fill_bytes(buf, 0, TOTAL);
	unix_pair(fds);
	k = sink_of(fds[0]);
	io_stream_start(r->io, &k.s);
	io_send(r->io, &x.snd, fds[0], &v, 1);
	turn_for(r, 5);
	assert_int_equal(x.calls, 0);
	put_bytes(fds[1], 0, 1000);
	TURN_UNTIL(r, k.pos == 1000);
	io_stream_stop(&k.s); /* the send goes on without it */
	TURN_UNTIL(r, k.ends);
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

/* What has no epoll is told so, like every error of a start: later. */
static void a_file_is_no_stream(void **state)
{
	struct rig *r = *state;
	struct sink k = sink_of(temp_file());

	io_stream_start(r->io, &k.s);
	assert_int_equal(k.ends, 0);
	io_stream_stop(&k.s);
	TURN_UNTIL(r, k.ends);
	assert_int_equal(k.res, -EPERM);
	turn_for(r, 2);
	assert_int_equal(k.ends, 1);
	close(k.s.fd);
}

/* Writes to a file may sleep in io_submit, while its file system is frozen. */
static void a_write_to_a_file_is_handed_back(void **state)
{
	struct rig *r = *state;
	uint8_t buf[4096] = { 0 };
	struct iovec v = { buf, sizeof(buf) };
	int fd = temp_file();
	struct stat st;

	assert_int_equal(rw(r, true, fd, &v, 1, 0, IO_NOWAIT), -EAGAIN);
	fstat(fd, &st);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(rw(r, true, fd, &v, 1, 0, 0), sizeof(buf));
	close(fd);
}

static void engines_come_and_go(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 50; i++) {
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
	static engine_new_fn *make = io_epoll_engine_new;
	struct CMUnitTest tests[] = {
		LOOP_TESTS,
		DISK_TESTS,
		NET_TESTS,
		cmocka_unit_test(a_flood_does_not_starve_its_neighbours),
		cmocka_unit_test(any_descriptor_will_do),
		cmocka_unit_test(a_waiting_send_and_a_stream_share_a_socket),
		cmocka_unit_test(a_file_is_no_stream),
		cmocka_unit_test(a_write_to_a_file_is_handed_back),
		cmocka_unit_test(engines_come_and_go),
	};

	return engine_run("epoll", tests, ARRAY_SIZE(tests), &make);
}
