/* The fake engine itself: what the other tests rest on. */
#include "tests/fakes/fake_io.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct result {
	struct io_op op;
	int res;
	unsigned calls;
	uint64_t order;
};

static void on_done(struct io_op *op, int res)
{
	struct result *r = container_of(op, struct result, op);

	r->res = res;
	r->calls++;
}

struct rig {
	struct fake_world *w;
	struct io *io;
	struct fake_file *f;
	int fd;
};

static struct rig rig_new(uint64_t seed, uint64_t size)
{
	struct rig g = { .w = fake_world_new(seed) };

	g.io = fake_io_new(g.w, 0);
	g.f = fake_file_new(g.w, size);
	g.fd = fake_file_open(g.f);
	return g;
}

static void rig_free(struct rig *g)
{
	io_free(g->io);
	close(g->fd);
	fake_world_free(g->w);
}

static void write_at(struct rig *g, struct result *r, uint8_t *buf, uint64_t off, unsigned flags)
{
	struct iovec iov = { buf, 4096 };

	*r = (struct result){ .op.done = on_done };
	io_write(g->io, &r->op, g->fd, &iov, 1, off, flags);
	fake_world_run(g->w);
	assert_int_equal(r->calls, 1);
}

static uint8_t peek(struct rig *g, uint64_t off)
{
	uint8_t b;

	fake_file_peek(g->f, off, &b, 1);
	return b;
}

static void synced_and_dsync_writes_survive_others_may_not(void **state)
{
	unsigned lost = 0, kept = 0, torn = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct rig g = rig_new(seed, 16384);
		struct result r;
		uint8_t a[4096], b[4096];
		uint8_t first, last;

		memset(a, 1, sizeof(a));
		memset(b, 2, sizeof(b));
		write_at(&g, &r, a, 0, 0);
		write_at(&g, &r, a, 4096, 0);
		r = (struct result){ .op.done = on_done };
		io_fdatasync(g.io, &r.op, g.fd);
		fake_world_run(g.w);
		assert_int_equal(r.res, 0);
		write_at(&g, &r, b, 0, 0);
		write_at(&g, &r, b, 8192, IO_DSYNC);
		write_at(&g, &r, b, 12288, 0);
		fake_world_crash(g.w);
		assert_true(fake_world_is_dead(g.w));
		first = peek(&g, 0);
		last = peek(&g, 4095);
		assert_true((first == 1 || first == 2) && (last == 1 || last == 2));
		assert_int_equal(peek(&g, 4096), 1);
		assert_int_equal(peek(&g, 8192 + 4095), 2);
		lost += first == 1 && last == 1;
		kept += first == 2 && last == 2;
		torn += first != last;
		rig_free(&g);
	}
	assert_true(lost && kept && torn);
}

static void a_process_death_keeps_what_completed(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct rig g = rig_new(seed, 8192);
		struct result r;
		uint8_t a[4096];

		memset(a, 7, sizeof(a));
		write_at(&g, &r, a, 4096, 0);
		fake_world_kill(g.w);
		for (unsigned i = 0; i < 4096; i++)
			assert_int_equal(peek(&g, 4096 + i), 7);
		rig_free(&g);
	}
}

static void a_failed_sync_loses_what_it_covered(void **state)
{
	unsigned lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct rig g = rig_new(seed, 8192);
		struct result r;
		uint8_t a[4096];

		memset(a, 7, sizeof(a));
		write_at(&g, &r, a, 0, 0);
		g.f->sync_errno = EIO;
		for (int i = 0; i < 2; i++) {
			r = (struct result){ .op.done = on_done };
			io_fdatasync(g.io, &r.op, g.fd);
			fake_world_run(g.w);
			assert_int_equal(r.res, i ? 0 : -EIO);
			g.f->sync_errno = 0;
		}
		assert_int_equal(peek(&g, 0), 7);
		fake_world_crash(g.w);
		lost += peek(&g, 0) == 0;
		rig_free(&g);
	}
	assert_true(lost);
}

static void operations_overtake_each_other(void **state)
{
	struct rig g = rig_new(3, 1 << 20);
	struct result r[64];
	static uint8_t buf[64][512];
	struct iovec iov[64];
	unsigned out_of_order = 0;
	uint64_t left = 64;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		r[i] = (struct result){ .op.done = on_done };
		iov[i] = (struct iovec){ buf[i], 512 };
		io_read(g.io, &r[i].op, g.fd, &iov[i], 1, i * 512, IO_NOWAIT);
	}
	while (fake_world_step(g.w)) {
		unsigned done = 0;

		for (unsigned i = 0; i < 64; i++)
			done += r[i].calls;
		for (unsigned i = 0; i < done; i++)
			out_of_order += !r[i].calls;
		left = 64 - done;
	}
	assert_int_equal(left, 0);
	assert_true(out_of_order > 0);
	rig_free(&g);
}

static void workers_are_few_and_a_stall_holds_them(void **state)
{
	struct rig g = rig_new(5, 1 << 20);
	struct fake_file *other = fake_file_new(g.w, 4096);
	int other_fd = fake_file_open(other);
	struct result r[33];
	static uint8_t buf[512];
	struct iovec iov = { buf, 512 };

	(void)state;
	fake_file_stall(g.f);
	fake_world_knobs(g.w)->workers = 32;
	for (unsigned i = 0; i < 32; i++) {
		r[i] = (struct result){ .op.done = on_done };
		io_write(g.io, &r[i].op, g.fd, &iov, 1, i * 512, 0);
	}
	r[32] = (struct result){ .op.done = on_done };
	io_fdatasync(g.io, &r[32].op, other_fd);
	fake_world_run(g.w);
	assert_int_equal(r[32].calls, 0);
	assert_int_equal(g.f->punted_max, 32);
	fake_file_release(g.f);
	fake_world_run(g.w);
	for (unsigned i = 0; i < 33; i++)
		assert_int_equal(r[i].calls, 1);
	close(other_fd);
	rig_free(&g);
}

static void the_nth_operation_fails_once(void **state)
{
	struct rig g = rig_new(5, 1 << 20);
	struct result r;
	uint8_t a[4096] = { 0 };

	(void)state;
	fake_world_knobs(g.w)->fail_at = 1;
	write_at(&g, &r, a, 0, 0);
	assert_int_equal(r.res, 4096);
	assert_false(fake_world_knobs(g.w)->fired);
	write_at(&g, &r, a, 0, 0);
	assert_int_equal(r.res, -EIO);
	assert_true(fake_world_knobs(g.w)->fired);
	write_at(&g, &r, a, 0, 0);
	assert_int_equal(r.res, 4096);
	rig_free(&g);
}

/* ── sockets ── */

struct peer {
	struct io_stream s;
	struct io_send send;
	uint8_t got[4096], exact[100];
	size_t len, exact_at;
	struct iovec exact_iov[2], send_iov[2];
	bool want_exact, got_exact, ended, sent;
	int end_res, send_res;
};

static void on_bytes(struct io_stream *s, const uint8_t *data, size_t len)
{
	struct peer *p = container_of(s, struct peer, s);

	memcpy(p->got + p->len, data, len);
	p->len += len;
	if (!p->want_exact)
		return;
	p->want_exact = false;
	p->exact_at = p->len;
	p->exact_iov[0] = (struct iovec){ p->exact, 30 };
	p->exact_iov[1] = (struct iovec){ p->exact + 30, 70 };
	io_stream_exact(s, p->exact_iov, 2, 100);
}

static void on_exact(struct io_stream *s)
{
	container_of(s, struct peer, s)->got_exact = true;
}

static void on_end(struct io_stream *s, int res)
{
	struct peer *p = container_of(s, struct peer, s);

	assert_false(p->ended);
	p->ended = true;
	p->end_res = res;
}

static void on_sent(struct io_send *s, int res)
{
	struct peer *p = container_of(s, struct peer, send);

	p->sent = true;
	p->send_res = res;
}

static void bytes_arrive_cut_but_whole_and_in_order(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct fake_world *w = fake_world_new(seed);
		struct io *io = fake_io_new(w, 0);
		struct peer p = {
			.s = { .on_bytes = on_bytes, .on_exact = on_exact, .on_end = on_end },
			.want_exact = true
		};
		struct fake_sock *k = fake_sock_new(w, &p.s.fd);
		uint8_t out[1000], all[1000];

		for (unsigned i = 0; i < sizeof(out); i++)
			out[i] = (uint8_t)(i * 7 + i / 251);
		io_stream_start(io, &p.s);
		fake_sock_write(k, out, sizeof(out));
		fake_sock_close(k);
		fake_world_run(w);
		assert_true(p.ended && p.end_res == 0);
		/* the first piece, then 100 exact bytes, then the rest */
		assert_true(p.len == 1000 || (p.got_exact && p.len == 900) || !p.got_exact);
		if (p.got_exact) {
			size_t at = p.exact_at;

			memcpy(all, p.got, at);
			memcpy(all + at, p.exact, 100);
			memcpy(all + at + 100, p.got + at, 900 - at);
			assert_memory_equal(all, out, 1000);
		}
		io_stream_stop(&p.s); /* harmless now */
		fake_world_run(w);
		close(p.s.fd);
		assert_true(fake_sock_is_closed_by_server(k));
		io_free(io);
		fake_world_free(w);
	}
}

static void a_send_waits_for_the_window_and_then_is_whole(void **state)
{
	struct fake_world *w = fake_world_new(9);
	struct io *io = fake_io_new(w, 0);
	struct peer p = { .s = { .on_bytes = on_bytes, .on_end = on_end }, .send.done = on_sent };
	struct fake_sock *k = fake_sock_new(w, &p.s.fd);
	uint8_t out[1000], in[1000];
	size_t n = 0;

	(void)state;
	memset(out, 'x', sizeof(out));
	out[999] = 'y';
	fake_sock_set_window(k, 64);
	p.send_iov[0] = (struct iovec){ out, 10 };
	p.send_iov[1] = (struct iovec){ out + 10, 990 };
	io_send(io, &p.send, p.s.fd, p.send_iov, 2);
	fake_world_run(w);
	assert_false(p.sent);
	assert_int_equal(fake_sock_readable(k), 64);
	while (n < 1000) {
		n += fake_sock_read(k, in + n, 1000 - n);
		fake_world_run(w);
	}
	assert_true(p.sent && p.send_res == 1000);
	assert_memory_equal(in, out, 1000);

	io_stream_start(io, &p.s);
	io_stream_stop(&p.s);
	fake_world_run(w);
	assert_true(p.ended && p.end_res == -ECANCELED);
	close(p.s.fd);
	io_free(io);
	fake_world_free(w);
}

struct door {
	struct io_listener l;
	int fd[4];
	unsigned n;
	bool ended;
};

static void on_accept(struct io_listener *l, int fd)
{
	struct door *d = container_of(l, struct door, l);

	d->fd[d->n++] = fd;
}

static void on_listen_end(struct io_listener *l)
{
	container_of(l, struct door, l)->ended = true;
}

static void connections_are_accepted(void **state)
{
	struct fake_world *w = fake_world_new(9);
	struct io *io = fake_io_new(w, 0);
	struct door d = { .l = { .on_accept = on_accept, .on_end = on_listen_end } };

	(void)state;
	d.l.fd = fake_listener_new(w);
	io_listen_start(io, &d.l);
	fake_connect(w, d.l.fd);
	fake_connect(w, d.l.fd);
	fake_world_run(w);
	assert_int_equal(d.n, 2);
	io_listen_stop(&d.l);
	fake_connect(w, d.l.fd);
	fake_world_run(w);
	assert_true(d.ended && d.n == 2);
	close(d.fd[0]);
	close(d.fd[1]);
	close(d.l.fd);
	io_free(io);
	fake_world_free(w);
}

static void fired_late(struct io_timer *t)
{
	t->at_ns = 0;
}

static void timers_fire_only_when_time_comes(void **state)
{
	struct fake_world *w = fake_world_new(9);
	struct io *io = fake_io_new(w, 0);
	struct io_timer t = { .fire = fired_late };

	(void)state;
	io_timer_set(io, &t, io_now_ns(io) + 5000000000u);
	fake_world_run(w);
	assert_true(t.set);
	fake_world_run_until(w, io_now_ns(io) + 5000000000u);
	assert_false(t.set);
	io_free(io);
	fake_world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(synced_and_dsync_writes_survive_others_may_not),
		cmocka_unit_test(a_process_death_keeps_what_completed),
		cmocka_unit_test(a_failed_sync_loses_what_it_covered),
		cmocka_unit_test(operations_overtake_each_other),
		cmocka_unit_test(workers_are_few_and_a_stall_holds_them),
		cmocka_unit_test(the_nth_operation_fails_once),
		cmocka_unit_test(bytes_arrive_cut_but_whole_and_in_order),
		cmocka_unit_test(a_send_waits_for_the_window_and_then_is_whole),
		cmocka_unit_test(connections_are_accepted),
		cmocka_unit_test(timers_fire_only_when_time_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
