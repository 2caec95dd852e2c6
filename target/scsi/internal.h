/* What the files of the device server share among themselves; nobody else includes it. */
#pragma once

#include "target/scsi/ops.h"
#include "target/scsi/stats.h"

#include "backstore/base/bytes.h"

/* --- units, maps and nexuses (lu.c, map.c, nexus.c)
 * --------------------------------------------------- */

/* Of one reactor on one unit; see stats.c. */
struct lu_stat {
	_Atomic uint64_t bytes, errors, latency_ns, buckets[SCSI_STAT_BUCKETS];
} __attribute__((aligned(64)));

struct lu_counts {
	/* Commands that have come and are neither answered nor dropped: each of them still looks
	 * at the unit. */
	_Atomic unsigned queue;
	_Atomic uint64_t flushes, unmaps, refused, aborted;
	struct lu_stat dir[SCSI_STAT_DIRS];
};

struct lu_reactor { /* belongs to one reactor; a cache line of its own */
	struct scsi_lu *lu;
	struct list writes;    /* running commands that write, oldest first */
	struct list busy;      /* in the reactor's list, if there are any, or were not long ago */
	unsigned long running; /* commands that the backstore has */
	struct lu_counts counts;
} __attribute__((aligned(128)));

struct scsi_lu {
	char *name;
	uint8_t uuid[16];
	struct backstore *bs;
	unsigned shift;		  /* log2 of the block size */
	_Atomic uint64_t nblocks; /* only grows: scsi_lu_grown */
	bool thin;
	_Atomic bool stopped;

	/* See fence.c. What a new command must look at under the lock: active fences and
	 * waiting commands together. */
	_Atomic unsigned nfences;
	pthread_mutex_t fence_lock;
	struct list fences;  /* scsi_cmd.fence */
	struct list waiters; /* scsi_cmd.link, oldest first */

	pthread_mutex_t nexus_lock;
	struct list nexuses; /* nexus_lun.link */

	_Atomic unsigned nshown; /* LUNs of targets that it is behind */
	_Atomic unsigned nholds; /* see scsi_lu_hold */

	unsigned nreactors;
	struct lu_reactor *reactors;
};

/* Which unit is behind which LUN: never changed once it is made, shared by counting. */
struct scsi_map {
	_Atomic unsigned refs;
	unsigned nplaces, nluns; /* a place may be empty */
	unsigned limit;		 /* the highest LUN that there ever was, and one */
	struct scsi_lu **lus;	 /* by place; NULL: an empty one */
	uint16_t places[];	 /* by LUN: the place and one, 0 = no unit */
};

struct scsi_target {
	pthread_mutex_t lock; /* of the pointer */
	struct scsi_map *map; /* NULL: no LUNs, and none can come */
};

struct nexus_lun {
	_Atomic unsigned ua; /* enum scsi_ua */
	struct list link;
	struct scsi_nexus *nexus;
};

struct scsi_nexus {
	struct scsi_map *map;	/* counted; replaced on its own reactor (scsi_nexus_update) */
	struct nexus_lun *luns; /* by place in the map */
	unsigned room;
};

static inline struct lu_reactor *lu_reactor(struct scsi_lu *lu, const struct io *io)
{
	assert(io->index < lu->nreactors);
	return &lu->reactors[io->index];
}

static inline uint64_t lu_nblocks(const struct scsi_lu *lu)
{
	return atomic_load_explicit(&lu->nblocks, memory_order_acquire);
}

/* The target's map as it is now, counted; NULL where it has been cleared. */
struct scsi_map *scsi_target_map(struct scsi_target *t);
/* The place of the unit that an 8-byte LUN field addresses; -1: none (SAM-5 4.7). */
int scsi_map_place(const struct scsi_map *m, const uint8_t lun[8]);
static inline struct scsi_lu *map_at(const struct scsi_map *m, unsigned place)
{
	return place < m->nplaces ? m->lus[place] : NULL;
}
/* Takes the most important pending unit attention, 0 = none. */
unsigned scsi_nexus_take_ua(struct scsi_nexus *n, unsigned place);
void scsi_nexus_clear_ua(struct scsi_nexus *n, unsigned ua);

/* A range of blocks that a command touches. */
struct scsi_extent {
	uint64_t lba, nblocks;
};

/* --- commands (cmd.c) ------------------------------------------------------------ */

enum scsi_cmd_state {
	CMD_NEW,
	CMD_WAITING,  /* among the waiters of the unit's fences */
	CMD_RUNNING,  /* the backstore has a request of it */
	CMD_DEFERRED, /* over, but for telling so */
	CMD_ENDED,
};

/* For step(): hands cmd->req to the backstore; the fields but these are set here. */
void scsi_cmd_submit(struct scsi_cmd *cmd, enum bs_kind kind, uint64_t lba, uint64_t nblocks,
		     unsigned flags, const struct iovec *iov, int iovcnt);
/* A waiter whose turn it may be: on its own reactor. */
void scsi_cmd_resume(struct scsi_cmd *cmd);
/* It has come to its unit (stats.c). */
void scsi_cmd_count_in(struct scsi_cmd *cmd);

static inline bool scsi_cmd_writes(const struct scsi_cmd *cmd)
{
	return (cmd->op->flags & (OP_WRITES | OP_RANGE)) == (OP_WRITES | OP_RANGE);
}

/* @len contiguous bytes (at most POOL_MAX_BYTES) of the budget for the command itself. False:
 * there is no room, and the status says so. */
bool scsi_cmd_take_work(struct scsi_cmd *cmd, uint32_t len);
/* Copies between the command's buffers and plain memory, at most what both hold;
 * return the bytes copied. */
size_t scsi_cmd_put_at(struct scsi_cmd *cmd, size_t at, const void *src, size_t len);
size_t scsi_cmd_put(struct scsi_cmd *cmd, const void *src, size_t len);
size_t scsi_cmd_get(const struct scsi_cmd *cmd, size_t at, void *dst, size_t len);
