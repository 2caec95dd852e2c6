/* Threads that run a real engine each, as reactors do: for ThreadSanitizer above all. What they
 * hand each other goes through mailboxes, which it sees. */
#pragma once

#include "backstore/base/io.h"
#include "tests/fakes/real_engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREW = 4 };

/* cmocka's asserts belong to one thread. */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #what);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct crew;

struct worker {
	pthread_t thread;
	struct io *io;
	unsigned index;
	struct crew *crew;
	uint64_t rng;
	bool stopped;
	struct io_msg stop;
};

struct crew {
	struct worker w[CREW];
	pthread_barrier_t barrier;
	atomic_uint left; /* units of work */
	void (*begin)(struct worker *w);
};

static inline unsigned worker_random(struct worker *w, unsigned n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return (unsigned)(w->rng % n);
}

static inline void crew_stop(struct io_msg *m)
{
	container_of(m, struct worker, stop)->stopped = true;
}

/* One unit is over, and nothing of it under way. The last ends the crew. */
static inline void crew_done(struct crew *c)
{
	if (atomic_fetch_sub(&c->left, 1) != 1)
		return;
	for (unsigned i = 0; i < CREW; i++) {
		c->w[i].stop.run = crew_stop;
		io_post(c->w[i].io, &c->w[i].stop);
	}
}

static inline void *crew_thread(void *arg)
{
	struct worker *w = arg;

	CHECK(real_engine_new(&w->io, w->index) == 0);
	pthread_barrier_wait(&w->crew->barrier);
	w->crew->begin(w);
	while (!w->stopped)
		CHECK(io_turn(w->io, true) == 0);
	pthread_barrier_wait(&w->crew->barrier);
	io_free(w->io);
	return NULL;
}

/* begin() runs once on each thread; returns when crew_done has been called @units times.
 * False: there is no engine here. @besides, if not NULL, runs meanwhile. */
static inline bool crew_run(struct crew *c, unsigned units, void (*begin)(struct worker *w),
			    void (*besides)(void))
{
	struct io *io;

	if (real_engine_new(&io, 0))
		return false;
	io_free(io);
	c->begin = begin;
	atomic_init(&c->left, units);
	CHECK(pthread_barrier_init(&c->barrier, NULL, CREW) == 0);
	for (unsigned i = 0; i < CREW; i++) {
		c->w[i] = (struct worker){ .index = i, .crew = c, .rng = 88172645463325252u + i };
		CHECK(pthread_create(&c->w[i].thread, NULL, crew_thread, &c->w[i]) == 0);
	}
	if (besides)
		besides();
	for (unsigned i = 0; i < CREW; i++)
		pthread_join(c->w[i].thread, NULL);
	pthread_barrier_destroy(&c->barrier);
	return true;
}
