/* Time, deferred calls and messages: the same for every engine. */
#pragma once

#include "tests/unit/backstore/base/engine_rig.h"

#include <sys/resource.h>

struct shot {
	struct io_timer timer;
	unsigned *counter, nth;
};

static void shot_fire(struct io_timer *t)
{
	struct shot *s = container_of(t, struct shot, timer);

	s->nth = ++*s->counter;
}

static inline void timers_fire_in_order_and_on_time(void **state)
{
	struct rig *r = *state;
	unsigned counter = 0;
	uint64_t start_ns = io_now_ns(r->io);
	struct shot s[6] = { 0 };
	static const unsigned at_ms[6] = { 100000, 30, 10, 0, 20, 5 };
	static const unsigned order[6] = { 0, 5, 3, 1, 4, 2 };

	for (int i = 0; i < 6; i++) {
		s[i].timer.fire = shot_fire;
		s[i].counter = &counter;
		io_timer_set(r->io, &s[i].timer, start_ns + ms(at_ms[i]));
	}
	TURN_UNTIL(r, s[4].nth);
	assert_true(io_now_ns(r->io) - start_ns >= ms(20));
	/* moved, and cleared: never */
	io_timer_set(r->io, &s[0].timer, io_now_ns(r->io) + ms(5));
	io_timer_clear(r->io, &s[0].timer);
	turn_for(r, 30);
	assert_int_equal(counter, 5);
	for (int i = 0; i < 6; i++)
		assert_int_equal(s[i].nth, order[i]);
}

static inline void idle_costs_no_cpu(void **state)
{
	struct rig *r = *state;
	struct rusage before, after;
	unsigned counter = 0, turns = 0;
	struct shot s = { .timer.fire = shot_fire, .counter = &counter };
	uint64_t cpu_us;

	io_timer_set(r->io, &s.timer, io_now_ns(r->io) + ms(200));
	getrusage(RUSAGE_THREAD, &before);
	while (!counter) {
		assert_int_equal(io_turn(r->io, true), 0);
		turns++;
	}
	getrusage(RUSAGE_THREAD, &after);
	cpu_us = (uint64_t)(after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec -
			    before.ru_stime.tv_sec) *
		 1000000;
	cpu_us += (uint64_t)(after.ru_utime.tv_usec + after.ru_stime.tv_usec -
			     before.ru_utime.tv_usec - before.ru_stime.tv_usec);
	assert_true(turns <= 4);
	assert_true(cpu_us < 20000);
}

static inline void a_turn_that_need_not_wait_does_not(void **state)
{
	struct rig *r = *state;
	uint64_t start_ns = io_now_ns(r->io);

	for (int i = 0; i < 100; i++)
		assert_int_equal(io_turn(r->io, false), 0);
	assert_true(io_now_ns(r->io) >= start_ns);
	assert_true(io_now_ns(r->io) - start_ns < ms(2000));
}

struct chain {
	struct io_op op;
	struct rig *r;
	unsigned calls, inside;
	bool nested;
};

static void chain_done(struct io_op *op, int res)
{
	struct chain *c = container_of(op, struct chain, op);

	assert_int_equal(res, -EDOM);
	c->nested |= c->inside != 0;
	c->inside++;
	if (++c->calls < 5)
		io_defer(c->r->io, &c->op, -EDOM);
	c->inside--;
}

/* No timer is set: a turn that slept here would never come back, which the
 * test's time limit tells. */
static inline void deferred_calls_keep_the_loop_awake(void **state)
{
	struct rig *r = *state;
	struct chain c = { .op.done = chain_done, .r = r };
	struct op_result late = OP_RESULT;

	io_defer(r->io, &c.op, -EDOM);
	assert_int_equal(c.calls, 0);
	io_defer(r->io, &late.op, 7);
	for (int i = 0; i < 10 && c.calls < 5; i++)
		assert_int_equal(io_turn(r->io, true), 0);
	assert_int_equal(c.calls, 5);
	assert_false(c.nested);
	assert_int_equal(late.calls, 1);
	assert_int_equal(late.res, 7);
}

enum { POSTERS = 4, POSTS = 20000 };

struct poster;

struct letter {
	struct io_msg msg;
	struct poster *from;
	unsigned nth;
};

struct poster {
	struct io *to;
	struct letter letters[POSTS];
	unsigned seen; /* the reader's */
	bool pause, disorder;
	pthread_t thread;
};

static void letter_run(struct io_msg *m)
{
	struct letter *l = container_of(m, struct letter, msg);

	l->from->disorder |= l->nth != l->from->seen;
	l->from->seen++;
}

static void *poster_main(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < POSTS; i++) {
		p->letters[i] = (struct letter){ .msg.run = letter_run, .from = p, .nth = i };
		/* now and then long enough for the reader to fall asleep */
		if (p->pause && i % 500 == 0)
			usleep(300);
		io_post(p->to, &p->letters[i].msg);
	}
	return NULL;
}

static inline void every_message_arrives_in_order(void **state)
{
	struct rig *r = *state;
	struct poster *p = calloc(POSTERS, sizeof(*p));
	unsigned seen;

	for (int i = 0; i < POSTERS; i++) {
		p[i].to = r->io;
		p[i].pause = i < 2;
		assert_int_equal(pthread_create(&p[i].thread, NULL, poster_main, &p[i]), 0);
	}
	do {
		rig_guard(r);
		assert_int_equal(io_turn(r->io, true), 0);
		assert_false(r->late);
		seen = 0;
		for (int i = 0; i < POSTERS; i++)
			seen += p[i].seen;
	} while (seen < POSTERS * POSTS);
	io_timer_clear(r->io, &r->watchdog);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(p[i].thread, NULL);
		assert_int_equal(p[i].seen, POSTS);
		assert_false(p[i].disorder);
	}
	free(p);
}

static void *post_after_a_nap(void *arg)
{
	struct letter *l = arg;

	usleep(50000);
	io_post(l->from->to, &l->msg);
	return NULL;
}

static inline void a_message_wakes_a_sleeper(void **state)
{
	struct rig *r = *state;
	struct poster *from = calloc(1, sizeof(*from));
	struct letter l = { .msg.run = letter_run, .from = from };

	from->to = r->io;
	assert_int_equal(pthread_create(&from->thread, NULL, post_after_a_nap, &l), 0);
	TURN_UNTIL(r, from->seen == 1);
	pthread_join(from->thread, NULL);
	/* and one from its own thread */
	l.nth = 1;
	io_post(r->io, &l.msg);
	assert_int_equal(from->seen, 1);
	assert_int_equal(io_turn(r->io, true), 0);
	assert_int_equal(from->seen, 2);
	assert_false(from->disorder);
	free(from);
}

/* Two engines throw one message to and fro, each asleep whenever the other has
 * it: a lost wake-up would stop the game. */
struct ball {
	struct io_msg msg;
	struct io *players[2];
	unsigned throws; /* touched by who has the ball */
	bool over;	 /* set and read by player 0 */
};

enum { THROWS = 4000 }; /* even: player 0 makes the last catch */

static void ball_run(struct io_msg *m)
{
	struct ball *b = container_of(m, struct ball, msg);

	if (++b->throws == THROWS)
		b->over = true;
	else
		io_post(b->players[b->throws & 1 ? 0 : 1], &b->msg);
}

struct partner {
	struct ball *ball;
	engine_new_fn *make;
	struct io_msg stop, ready;
	struct io *main;
	bool is_ready, stopped;
	int error;
};

static void partner_ready(struct io_msg *m)
{
	container_of(m, struct partner, ready)->is_ready = true;
}

static void partner_stop(struct io_msg *m)
{
	container_of(m, struct partner, stop)->stopped = true;
}

static void *partner_main(void *arg)
{
	struct partner *p = arg;
	struct io *io;

	p->error = p->make(&io, 1);
	if (p->error)
		return NULL;
	p->ball->players[1] = io;
	io_post(p->main, &p->ready);
	while (!p->error && !p->stopped)
		p->error = io_turn(io, true);
	io_free(io);
	return NULL;
}

static inline void wake_ups_are_never_lost(void **state)
{
	struct rig *r = *state;
	struct ball ball = { .msg.run = ball_run, .players = { r->io } };
	struct partner p = { .ball = &ball,
			     .make = r->make,
			     .main = r->io,
			     .ready.run = partner_ready,
			     .stop.run = partner_stop };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, partner_main, &p), 0);
	TURN_UNTIL(r, p.is_ready);
	io_post(ball.players[1], &ball.msg);
	TURN_UNTIL(r, ball.over);
	io_post(ball.players[1], &p.stop);
	pthread_join(thread, NULL);
	assert_int_equal(p.error, 0);
}

#define LOOP_TESTS                                                                                 \
	cmocka_unit_test(timers_fire_in_order_and_on_time), cmocka_unit_test(idle_costs_no_cpu),   \
		cmocka_unit_test(a_turn_that_need_not_wait_does_not),                              \
		cmocka_unit_test(deferred_calls_keep_the_loop_awake),                              \
		cmocka_unit_test(every_message_arrives_in_order),                                  \
		cmocka_unit_test(a_message_wakes_a_sleeper),                                       \
		cmocka_unit_test(wake_ups_are_never_lost)
