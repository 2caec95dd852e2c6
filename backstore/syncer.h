/* Makes one file durable for many: flushes from all reactors share fdatasyncs, at
 * most one of which is under way.
 *
 * Owns the latch: the first sync that fails ends all writing, for good. */
#pragma once

#include "backstore/backstore.h"
#include "backstore/latch.h"

#include <pthread.h>
#include <stdatomic.h>

struct syncer {
	int fd;		  /* borrowed */
	const char *name; /* borrowed; for the log */
	/* Ends a request that was added, on its own reactor; res 0 or -EIO. */
	void (*ended)(struct bs_req *req, int res);
	/* After each sync that succeeded, on some reactor: 0, or -errno to answer instead. */
	int (*check)(struct syncer *s);
	struct latch latch;
	atomic_bool latched;  /* set once, by whichever reactor sees a failure */
	pthread_mutex_t lock; /* of what follows; held for list work only */
	bool running;
	struct list waiting; /* for the next round */
	struct list current; /* of the round under way; its first is the leader */
};

/* @latch is taken. @latched: it was found set. */
void syncer_init(struct syncer *s, int fd, const char *name, struct latch latch, bool latched,
		 void (*ended)(struct bs_req *req, int res), int (*check)(struct syncer *s));
/* No request is under way. */
void syncer_fini(struct syncer *s);

/* What had completed on the file before this call is durable when ended(req, 0)
 * runs: on req->io, never from inside. Uses req->priv.op, msg, link, ptr, res. */
void syncer_add(struct syncer *s, struct bs_req *req);

static inline bool syncer_is_latched(struct syncer *s)
{
	return atomic_load_explicit(&s->latched, memory_order_acquire);
}

/* What was to be durable is not, and @err says why: no more writes. Any thread. */
void syncer_latch(struct syncer *s, int err);
