/* Stopping a stream, in every state that it can be in. */
#pragma once

#include "tests/unit/backstore/base/engine_stream_tests.h"

struct after_end {
	unsigned ends;
	int res;
	uint8_t *mem, *mem_then; /* the exact piece, and a copy made in on_end */
	size_t mem_len;
};

/* A sink on the heap, gone within on_end: whoever touches it later is caught. */
struct doomed {
	struct sink k;
	struct after_end *after;
};

static void doomed_end(struct io_stream *s, int res)
{
	struct doomed *d = container_of(s, struct doomed, k.s);
	struct after_end *a = d->after;

	a->ends++;
	a->res = res;
	a->mem = d->k.mem;
	a->mem_len = d->k.mem ? d->k.mem_len + 2 * GUARD : 0;
	if (a->mem) {
		a->mem_then = malloc(a->mem_len);
		memcpy(a->mem_then, a->mem, a->mem_len);
	}
	memset(d, 0x5a, sizeof(*d));
	free(d);
}

struct stop_case {
	const char *name;
	size_t first;		     /* bytes sent before the stream starts */
	size_t plan[4];		     /* exact pieces asked for */
	unsigned turn_ms;	     /* turns before the rest */
	size_t second;		     /* bytes sent then, */
	bool turn_again;	     /* and looked at, or not yet */
	bool close;		     /* the peer closes then */
	unsigned in_bytes, in_exact; /* stops from within the n-th call */
};

static const struct stop_case stop_cases[] = {
	{ .name = "just started" },
	{ .name = "armed, nothing received", .turn_ms = 2 },
	{ .name = "armed, bytes waiting", .turn_ms = 2, .second = 50000 },
	{ .name = "just started, bytes waiting", .first = 30000 },
	{ .name = "in on_bytes", .first = 50000, .in_bytes = 1, .turn_ms = 2 },
	{ .name = "in on_bytes, last chunk", .first = 10, .in_bytes = 1, .turn_ms = 2 },
	{ .name = "in on_bytes, exact asked",
	  .first = 10,
	  .plan = { 20000 },
	  .in_bytes = 1,
	  .turn_ms = 2 },
	{ .name = "in on_bytes, exact asked, more here",
	  .first = 50000,
	  .plan = { 20000 },
	  .in_bytes = 1,
	  .turn_ms = 2 },
	{ .name = "in on_exact, leftovers",
	  .first = 30000,
	  .plan = { 500, 600, 700 },
	  .in_exact = 2,
	  .turn_ms = 2 },
	{ .name = "in on_exact, direct",
	  .first = 10,
	  .plan = { 20000 },
	  .turn_ms = 2,
	  .second = 20000,
	  .in_exact = 1,
	  .turn_again = true },
	{ .name = "exact waits", .first = 10, .plan = { 20000 }, .turn_ms = 2 },
	{ .name = "exact has a part",
	  .first = 10,
	  .plan = { 20000 },
	  .turn_ms = 2,
	  .second = 5000,
	  .turn_again = true },
	{ .name = "exact has a part unseen",
	  .first = 10,
	  .plan = { 20000 },
	  .turn_ms = 2,
	  .second = 5000 },
	{ .name = "exact complete unseen",
	  .first = 10,
	  .plan = { 20000 },
	  .turn_ms = 2,
	  .second = 30000 },
	{ .name = "single, after exact",
	  .first = 10,
	  .plan = { 5000 },
	  .turn_ms = 2,
	  .second = 5100,
	  .turn_again = true },
	{ .name = "single, bytes waiting",
	  .first = 5010,
	  .plan = { 5000 },
	  .turn_ms = 2,
	  .second = 100 },
	{ .name = "closed unseen", .turn_ms = 2, .close = true },
	{ .name = "closed unseen, bytes before", .turn_ms = 2, .second = 100, .close = true },
	{ .name = "exact, closed unseen",
	  .first = 10,
	  .plan = { 20000 },
	  .turn_ms = 2,
	  .second = 100,
	  .close = true },
};

/* @wire_moves: bytes go on coming while the stop is under way. */
static void stop_in(struct rig *r, const struct stop_case *c, bool wire_moves)
{
	struct after_end after = { 0 };
	struct doomed *d = calloc(1, sizeof(*d));
	int fds[2];

	tcp_pair(fds);
	d->k = sink_of(fds[0]);
	d->k.s.on_end = doomed_end;
	d->after = &after;
	d->k.seed = 3;
	memcpy(d->k.plan, c->plan, sizeof(c->plan));
	d->k.stop_in_bytes = c->in_bytes;
	d->k.stop_in_exact = c->in_exact;
	put_bytes(fds[1], 0, c->first);
	io_stream_start(r->io, &d->k.s);
	if (c->turn_ms) {
		TURN_UNTIL(r, after.ends || d->k.stopped || d->k.pos >= c->first);
		turn_for(r, c->turn_ms);
	}
	put_bytes(fds[1], c->first, c->second);
	if (c->turn_again)
		turn_for(r, 2);
	if (c->close)
		shutdown(fds[1], SHUT_WR);
	if (!c->in_bytes && !c->in_exact) {
		d->k.stopped = true;
		io_stream_stop(&d->k.s);
		io_stream_stop(&d->k.s);
		assert_int_equal(after.ends, 0);
	}
	if (wire_moves && !c->close)
		put_bytes(fds[1], c->first + c->second, 3000);
	rig_guard(r);
	while (!after.ends && !r->late)
		assert_int_equal(io_turn(r->io, true), 0);
	if (r->late)
		fail_msg("never ended: %s", c->name);
	assert_int_equal(after.res, -ECANCELED);
	/* The owner has its memory back: nothing may be written there any more. */
	if (!c->close)
		put_bytes(fds[1], 0, 30000);
	turn_for(r, 3);
	assert_int_equal(after.ends, 1);
	if (after.mem)
		assert_memory_equal(after.mem, after.mem_then, after.mem_len);
	free(after.mem);
	free(after.mem_then);
	close(fds[0]);
	close(fds[1]);
}

static inline void stop_ends_a_stream_in_any_state(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(stop_cases); i++) {
		print_message("             %s\n", stop_cases[i].name);
		stop_in(*state, &stop_cases[i], false);
		stop_in(*state, &stop_cases[i], true);
	}
}

/* Two streams with bytes waiting; whichever is called first stops the other, whose
 * completion has been received, but not looked at. */
struct pair_of_sinks {
	struct sink k[2];
	unsigned calls;
};

static void pair_exact(struct io_stream *s)
{
	struct sink *k = container_of(s, struct sink, s);
	struct pair_of_sinks *p = k->neighbours;

	p->calls++;
	sink_exact(s);
	sink_stop(&p->k[k == p->k]);
}

static void pair_bytes(struct io_stream *s, const uint8_t *data, size_t len)
{
	struct sink *k = container_of(s, struct sink, s);
	struct pair_of_sinks *p = k->neighbours;

	p->calls++;
	sink_bytes(s, data, len);
	if (!k->mem)
		sink_stop(&p->k[k == p->k]);
}

static void neighbours(struct rig *r, size_t exact)
{
	struct pair_of_sinks p = { 0 };
	int fds[2][2];

	for (int i = 0; i < 2; i++) {
		unix_pair(fds[i]);
		p.k[i] = sink_of(fds[i][0]);
		p.k[i].neighbours = &p;
		p.k[i].plan[0] = exact;
		p.k[i].s.on_bytes = pair_bytes;
		p.k[i].s.on_exact = pair_exact;
		io_stream_start(r->io, &p.k[i].s);
	}
	turn_for(r, 2);
	for (int i = 0; exact && i < 2; i++)
		put_bytes(fds[i][1], 0, 10);
	turn_for(r, 2);
	p.calls = 0;
	for (int i = 0; i < 2; i++)
		put_bytes(fds[i][1], exact ? 10 : 0, exact ? exact : 10);
	TURN_UNTIL(r, p.k[0].ends + p.k[1].ends);
	assert_int_equal(p.k[0].ends + p.k[1].ends, 1);
	assert_int_equal(p.calls, 1);
	for (int i = 0; i < 2; i++) {
		close(fds[i][1]);
		TURN_UNTIL(r, p.k[i].ends);
		assert_int_equal(p.k[i].res, p.k[i].stopped ? -ECANCELED : 0);
		free(p.k[i].mem);
		close(fds[i][0]);
	}
}

static inline void a_callback_may_stop_another_stream(void **state)
{
	neighbours(*state, 0);
	neighbours(*state, 20000);
}
