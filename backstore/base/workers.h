/* Helper threads of one reactor, for calls that block.
 *
 * Made when there is work that nobody is free for, up to a very high number, so that
 * no number of calls that hang keeps another one waiting. Idle ones sleep, and end
 * after a while; the last idle one stays, so that there is somebody even where others hang
 * and no more threads may be made. */
#pragma once

#include "backstore/base/io.h"

struct workers;

/* Makes the call that @op asks for, on a helper thread. Returns what done() gets. */
typedef int worker_fn(struct io_op *op);

struct workers_params {
	struct io *io; /* where done() is called */
	worker_fn *work;
	unsigned cap;	  /* at least 1 */
	unsigned idle_ms; /* of a thread, before it ends */
};

/* Returns 0 or -errno. */
int workers_new(struct workers **out, const struct workers_params *p) MUST_CHECK;
/* Nothing may be under way. Waits for the threads to end. */
void workers_free(struct workers *w);

/* On the thread of the io: done() is called there, with what work() has returned.
 * The op's link and res are used. */
void workers_put(struct workers *w, struct io_op *op);
