/* A thread of the load: one ring, some connections.
 *
 *     turn:  flush who got answers ─▶ sleep in the kernel ─▶ take the time ─▶ answers
 *
 * A tick every 10 ms ends the phases and looks for those who do not answer. */
#include "bench/src/conn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum {
	TICK_NS = 10 * 1000 * 1000,
	BUF_BYTES = 64 << 10,
	MIN_BUFS = 16,
	MAX_BUFS = 1024,
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t load_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void measure_begin(struct worker *w)
{
	w->measuring = true;
	w->from_ns = w->now_ns;
	w->to_ns = w->now_ns + w->run->length_ns;
	w->cpu_from_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void measure_end(struct worker *w)
{
	if (w->measuring) {
		w->to_ns = w->now_ns;
		w->counts.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - w->cpu_from_ns;
	}
	w->measuring = false;
	w->measured = true;
}

static void woken(void *arg)
{
	struct worker *w = arg;
	struct run *run = w->run;

	w->now_ns = load_now_ns();
	if (unlikely(w->measured))
		return;
	if (run_stopping(run) || (w->measuring && w->now_ns >= w->to_ns))
		measure_end(w);
	else if (!w->measuring && w->now_ns >= run->begin_ns)
		measure_begin(w);
}

static int arm_tick(struct worker *w)
{
	uint64_t at_ns = w->now_ns + TICK_NS;

	if (!w->measured) {
		uint64_t next_ns = w->measuring ? w->to_ns : w->run->begin_ns;

		at_ns = MIN(at_ns, MAX(next_ns, w->now_ns));
	}
	w->tick_at.tv_sec = (long long)(at_ns / 1000000000);
	w->tick_at.tv_nsec = (long long)(at_ns % 1000000000);
	return ring_timer(&w->ring, &w->tick_op, &w->tick_at);
}

static void give_up(struct worker *w, const char *what, int error)
{
	run_complain(w->run, "thread %u: %s: %s", w->index, what, strerror(-error));
	w->counts.errors[LOAD_INTERNAL]++;
	run_stop(w->run, RUN_STOP);
	w->live = 0;
}

static void tick(struct ring_op *op, int res MAYBE_UNUSED, bool more MAYBE_UNUSED,
		 const uint8_t *data MAYBE_UNUSED)
{
	struct worker *w = container_of(op, struct worker, tick_op);

	for (struct list *l = w->conns.next; l != &w->conns; l = l->next)
		conn_tick(list_entry(l, struct conn, worker_link));
	if (arm_tick(w) < 0)
		give_up(w, "io_uring", -EBUSY);
}

static void flush(struct worker *w)
{
	struct list now = LIST_INIT(now), *l;

	list_splice_tail(&now, &w->dirty);
	while ((l = list_pop(&now)))
		conn_flush(list_entry(l, struct conn, dirty_link));
}

static void loop(struct worker *w)
{
	bool spin = w->run->opt->spin;
	int ret;

	w->now_ns = load_now_ns();
	for (struct list *l = w->conns.next; l != &w->conns; l = l->next)
		conn_start(list_entry(l, struct conn, worker_link));
	w->tick_op.done = tick;
	ret = arm_tick(w);
	while (ret == 0 && w->live) {
		flush(w);
		if (w->live)
			ret = ring_turn(&w->ring, !spin && list_empty(&w->dirty), woken, w);
	}
	if (ret)
		give_up(w, "io_uring", ret);
	if (!w->measured)
		measure_end(w);
}

/* Some for each connection, so that few run out of them. */
static unsigned buf_count(const struct worker *w)
{
	unsigned count = MIN_BUFS;

	while (count < 2 * w->live && count < MAX_BUFS)
		count *= 2;
	return count;
}

void *worker_main(void *arg)
{
	struct worker *w = arg;
	int ret = ring_init(&w->ring, buf_count(w), BUF_BYTES);

	pthread_barrier_wait(&w->run->start);
	pthread_barrier_wait(&w->run->start); /* begin_ns is set */
	if (ret) {
		give_up(w, "cannot make an io_uring", ret);
	} else {
		loop(w);
		ring_fini(&w->ring);
	}
	atomic_fetch_add(&w->run->workers_done, 1);
	pthread_kill(w->run->main_thread, SIGUSR1);
	return NULL;
}
