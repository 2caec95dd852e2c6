/* Exclusive locks of byte ranges, shared by all reactors.
 *
 * Whoever waits blocks no thread: granted() is called later, on its own reactor. First
 * come, first served among those that overlap. Owns no memory. */
#pragma once

#include "backstore/base/io.h"

#include <pthread.h>

struct range_lock {
	pthread_mutex_t mutex; /* held for list work only */
	struct list held, waiting;
};

/* Embedded in who locks; the owner sets the first four fields. */
struct range_hold {
	uint64_t off_bytes, len_bytes;
	struct io *io;
	void (*granted)(struct range_hold *h);

	struct list link;
	struct io_msg msg;
};

void range_lock_init(struct range_lock *l);
/* Nothing is held. */
void range_lock_fini(struct range_lock *l);
/* True: it has it. False: it waits, and granted() follows, never from inside. */
bool range_lock_take(struct range_lock *l, struct range_hold *h) MUST_CHECK;
void range_lock_drop(struct range_lock *l, struct range_hold *h);
