/* What the tests of an engine stand on: every test gets a fresh engine from the
 * constructor its program passes, and a watchdog instead of a hang. */
#pragma once

#include "backstore/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

typedef int engine_new_fn(struct io **out, unsigned index);

struct rig {
	struct io *io;
	engine_new_fn *make;
	struct io_timer watchdog;
	bool late;
};

static void rig_late(struct io_timer *t)
{
	container_of(t, struct rig, watchdog)->late = true;
}

static int rig_setup(void **state)
{
	engine_new_fn *const *make = *state;
	struct rig *r = calloc(1, sizeof(*r));

	r->watchdog.fire = rig_late;
	r->make = *make;
	*state = r;
	return r->make(&r->io, 0);
}

static int rig_teardown(void **state)
{
	struct rig *r = *state;

	io_free(r->io);
	free(r);
	return 0;
}

static inline uint64_t ms(uint64_t n)
{
	return n * 1000000;
}

static void rig_guard(struct rig *r)
{
	r->late = false;
	io_timer_set(r->io, &r->watchdog, io_now_ns(r->io) + ms(20000));
}

/* Turns of the engine, asleep in between, until @cond holds. */
#define TURN_UNTIL(r, cond)                                                                        \
	do {                                                                                       \
		rig_guard(r);                                                                      \
		while (!(cond)) {                                                                  \
			assert_int_equal(io_turn((r)->io, true), 0);                               \
			assert_false((r)->late);                                                   \
		}                                                                                  \
		io_timer_clear((r)->io, &(r)->watchdog);                                           \
	} while (0)

/* Turns for so many milliseconds: to see that something does not happen. */
static inline void turn_for(struct rig *r, unsigned n)
{
	uint64_t end_ns = io_now_ns(r->io) + ms(n);

	do {
		io_timer_set(r->io, &r->watchdog, end_ns);
		assert_int_equal(io_turn(r->io, true), 0);
	} while (io_now_ns(r->io) < end_ns);
	io_timer_clear(r->io, &r->watchdog);
}

/* Repeatable randomness. */
static inline uint32_t rnd(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* The byte at this place of every test stream: long period, so that bytes out of
 * place show. */
static inline uint8_t byte_at(uint64_t pos)
{
	return (uint8_t)((pos * 0x9e3779b97f4a7c15u) >> 56 ^ pos);
}

static inline void fill_bytes(uint8_t *p, uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = byte_at(pos + i);
}

static inline void check_bytes(const uint8_t *p, uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != byte_at(pos + i))
			fail_msg("wrong byte at %llu", (unsigned long long)(pos + i));
	}
}

struct op_result {
	struct io_op op;
	int res;
	unsigned calls;
};

static inline void op_done(struct io_op *op, int res)
{
	struct op_result *r = container_of(op, struct op_result, op);

	r->res = res;
	r->calls++;
}

#define OP_RESULT                                                                                  \
	{                                                                                          \
		.op = {.done = op_done }                                                           \
	}

/* Says so where this kernel has the engine refused: the program then exits with 77. */
static inline bool engine_refused(engine_new_fn *make)
{
	struct io *io;
	int ret = make(&io, 0);

	if (ret == 0)
		io_free(io);
	if (ret != -EPERM && ret != -ENOSYS)
		return false;
	fprintf(stderr, "SKIP: this kernel refuses the engine: %s\n", strerror(-ret));
	return true;
}

static int engine_run(const char *name, struct CMUnitTest *tests, size_t n, engine_new_fn **make)
{
	for (size_t i = 0; i < n; i++) {
		tests[i].setup_func = rig_setup;
		tests[i].teardown_func = rig_teardown;
		tests[i].initial_state = make;
	}
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}
