/* What files and block devices have in common: requests on an open descriptor. */
#pragma once

#include "backstore/backstore.h"
#include "backstore/latch.h"
#include "backstore/shrink.h"

enum {
	/* At the kernel's workers at once, per volume and reactor. The engine's pool
	 * must be larger than the sum for the volumes that may stall together. */
	DISK_LANE = 16, /* reads; writes through the page cache, which take turns anyway */
	DISK_DIRECT_WRITE_LANE = 32, /* on ext4 all of them: a session's usual depth */
};

struct disk_params {
	const char *type; /* static */
	const char *name; /* for the log; copied */
	int fd;		  /* taken on success */
	uint64_t size_bytes;
	uint32_t block_bytes, physical_bytes, align_bytes, discard_bytes;
	uint32_t punch_bytes;	  /* pieces not aligned to it are zeroed by writing */
	bool keeps_nowait;	  /* IO_NOWAIT never blocks here: see nowait.h; */
	bool keeps_nowait_writes; /* nor for writes */
	bool keeps_dsync;	  /* a direct IO_DSYNC write is durable */
	shrink_size_fn *size_now; /* NULL: only a read finds out that it has shrunk */
	bool buffered, writethrough, read_only, rotational;
	unsigned reactors;
	struct latch latch; /* taken on success */
	bool latched;
};

/* Returns 0 or -ENOMEM. */
int disk_new(struct backstore **out, const struct disk_params *p) MUST_CHECK;
