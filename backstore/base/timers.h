/* Timers of one loop: a pairing heap of embedded nodes, so setting never fails.
 *
 * Owns nothing. Belongs to one thread. Used by every engine of the waist; others
 * reach it through io_timer_set and io_timer_clear. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed = not set. fire may set it again, or free what embeds it. */
struct io_timer {
	void (*fire)(struct io_timer *t);
	uint64_t at_ns;
	bool set;
	struct io_timer *child, *next, *prev; /* prev: left sibling, or parent of a first child */
};

struct timers {
	struct io_timer *root;
	/* While timers_run is at work: those set for run_ns or before, by next. */
	struct io_timer *late;
	uint64_t run_ns;
	bool running;
};

/* Sets, or moves when it is set. */
void timers_set(struct timers *ts, struct io_timer *t, uint64_t at_ns);
/* Harmless on one that is not set. */
void timers_clear(struct timers *ts, struct io_timer *t);
/* UINT64_MAX where none is set. */
uint64_t timers_next_ns(const struct timers *ts);
/* Runs what was due at @now_ns when it was called, each unset before its fire().
 * A timer that a fire() sets for the past waits for the next call. Returns how many ran. */
unsigned timers_run(struct timers *ts, uint64_t now_ns);
