/* Bounds how many requests of one volume are at the workers of one reactor.
 *
 * What an engine cannot do without blocking goes to a pool of threads, the kernel's or our
 * own, that all files of a reactor share; a stalled file system must not use it up. Owns nothing;
 * belongs to one reactor. */
#pragma once

#include "backstore/base/list.h"

struct lane {
	struct list waiting;
	unsigned running, cap;
};

static inline void lane_init(struct lane *l, unsigned cap)
{
	list_init(&l->waiting);
	l->running = 0;
	l->cap = cap;
}

/* True: go on. False: @n waits, and some lane_leave returns it. */
static inline bool lane_enter(struct lane *l, struct list *n)
{
	if (l->running < l->cap) {
		l->running++;
		return true;
	}
	list_add_tail(&l->waiting, n);
	return false;
}

/* One that was in has ended. Returns who goes on in its place (and is in), or NULL. */
static inline struct list *lane_leave(struct lane *l)
{
	struct list *n = list_pop(&l->waiting);

	if (!n)
		l->running--;
	return n;
}
