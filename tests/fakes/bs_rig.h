/* Backstores on the fake engine: made without opening anything, called in one line. */
#pragma once

#include "backstore/backstore.h"
#include "backstore/disk.h"
#include "tests/fakes/fake_io.h"

enum { BS_RIG_REACTORS = 4 };

struct bs_rig {
	struct fake_world *w;
	struct io *io[BS_RIG_REACTORS];
};

/* @reactors of them have an io. */
void bs_rig_init(struct bs_rig *g, uint64_t seed, unsigned reactors);
/* All backstores must have been closed. */
void bs_rig_fini(struct bs_rig *g);
/* The machine comes up again after a crash: new reactors, same files. */
void bs_rig_restart(struct bs_rig *g);

/* A disk on @f, 512-byte blocks, direct, punching by 4096, no latch. Its fd is the
 * disk's. Change what the test is about, then disk_new. */
struct disk_params bs_rig_params(struct fake_file *f);
struct backstore *bs_rig_disk(struct fake_file *f);

/* One request; not to be moved while under way. */
struct bs_call {
	struct bs_req req;
	struct iovec iov[3];
	bool done;
	int res;
	uint64_t order; /* how many calls on *counter had ended before */
	uint64_t *counter;
	void (*then)(struct bs_call *c); /* may be NULL */
	void *arg;
};

/* With buffers cut in up to three pieces by multiples of blocks, or of 4096 where @off is a
 * multiple of 8192 and @len of 4096 (no randomness). */
void bs_call_start(struct bs_call *c, struct backstore *bs, struct io *io, enum bs_kind kind,
		   unsigned flags, uint64_t off_bytes, void *buf, uint64_t len_bytes);
/* Starts it, runs the world until idle; it must have ended then. */
int bs_call(struct bs_rig *g, struct backstore *bs, enum bs_kind kind, unsigned flags,
	    uint64_t off_bytes, void *buf, uint64_t len_bytes);
