/* The run as a whole, its threads, and what they count. */
#pragma once

#include "backstore/base/compiler.h"
#include "backstore/base/list.h"
#include "bench/src/hist.h"
#include "bench/src/options.h"
#include "bench/src/ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum load_error {
	LOAD_CHECK,    /* CHECK CONDITION */
	LOAD_STATUS,   /* any other status */
	LOAD_SHORT,    /* GOOD, but fewer bytes than asked for */
	LOAD_MISMATCH, /* read what was not written */
	LOAD_PROTOCOL, /* the target broke it, or rejected a PDU of ours */
	LOAD_LOST,     /* a connection ended */
	LOAD_TIMEOUT,  /* no answer came */
	LOAD_INTERNAL, /* no memory and the like, here */
	LOAD_ERRORS,
};

enum run_stop { RUN_ON, RUN_STOP, RUN_ABANDON };

struct counts {
	struct hist latency_ns;
	uint64_t bytes;	 /* of the commands in the histogram */
	uint64_t cpu_ns; /* while they were counted */
	/* of the whole run, warm-up and read-back, too */
	uint64_t done[2]; /* that ended well: reads, writes */
	uint64_t busy, verified_bytes, errors[LOAD_ERRORS];
};

struct run {
	const struct options *opt;
	uint64_t disk_bytes;
	uint64_t stamp_run;
	uint8_t *payload;	      /* what is written when not verifying */
	uint64_t begin_ns, length_ns; /* of what is measured */
	_Atomic int stop;	      /* enum run_stop */
	_Atomic unsigned messages, workers_done;
	pthread_barrier_t start;
	pthread_t main_thread;
};

struct worker {
	struct run *run;
	pthread_t thread;
	unsigned index;
	struct ring ring;
	struct list conns; /* struct conn.worker_link */
	struct list dirty; /* struct conn.dirty_link: have something to send, perhaps */
	unsigned live;	   /* connections not done */
	uint64_t now_ns;   /* since when the present turn's answers are here */
	bool measuring, measured;
	uint64_t from_ns, to_ns; /* what is, or was, measured */
	uint64_t cpu_from_ns;
	struct ring_op tick_op;
	struct __kernel_timespec tick_at;
	struct counts counts;
};

uint64_t load_now_ns(void);

/* A line on stderr, and no more than 20 of them: errors are counted besides. */
void run_complain(struct run *run, const char *fmt, ...) PRINTF(2, 3);
static inline enum run_stop run_stopping(struct run *run)
{
	return (enum run_stop)atomic_load_explicit(&run->stop, memory_order_relaxed);
}
/* Never from more to less. */
void run_stop(struct run *run, enum run_stop how);

/* The thread of a worker: run, thread, index and conns are set. */
void *worker_main(void *worker);

/* "check condition", for a table, and "check_condition", for JSON. */
const char *load_error_text(enum load_error error, char space);

/* Both print what was measured in @seconds of time. */
void report_table(const struct options *o, const struct counts *c, double seconds);
void report_json(const struct options *o, const struct counts *c, double seconds);
uint64_t report_errors(const struct counts *c);
