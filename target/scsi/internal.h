/* What the files of the device server share among themselves; nobody else includes it. */
#pragma once

#include "target/scsi/scsi.h"

#include "backstore/base/bytes.h"

/* --- operations (ops.c) -------------------------------------------------------- */

enum {
	OP_WRITES = 1 << 0,  /* changes the medium: refused on a read-only unit */
	OP_MEDIUM = 1 << 1,  /* needs the unit started */
	OP_RANGE = 1 << 2,   /* touches blocks: waits for fences */
	OP_NO_UA = 1 << 3,   /* runs with a unit attention pending (SPC-4 5.14) */
	OP_ANY_LUN = 1 << 4, /* answers where there is no unit (SPC-4 4.5.2) */
	OP_THIN = 1 << 5,    /* exists only on a unit that can give space back */
};

enum {
	SCSI_PARAM_BYTES = 4096, /* capacity of build()'s buffer; nothing is longer */
};

/* One operation code, or one service action of it. A command passes through
 *
 *    check ──▶ [build: parameter data]                          or
 *    check ──▶ [begin] ──▶ step … step (one backstore request each)
 *
 * Any of them may be NULL. */
struct scsi_op {
	const char *name; /* NULL: there is no such operation */
	uint8_t cdb_bytes;
	uint8_t flags;
	uint8_t alloc_at, alloc_bytes; /* where the CDB has the allocation length */
	uint8_t usage[SCSI_CDB_BYTES]; /* CDB bits that are looked at; the others are reserved */

	/* Decodes, sets lba, nblocks, dir, transfer_bytes and buffer_bytes. False: the status is
	 * set. */
	bool (*check)(struct scsi_cmd *cmd);
	/* Parameter data into @buf. Returns its length, or -1: the status is set. Called
	 * twice, from start (for its length) and from run; without side effects in start. */
	int (*build)(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
	/* With the Data-Out bytes there. False: there is nothing (more) to do. */
	bool (*begin)(struct scsi_cmd *cmd);
	/* Submits the next backstore request. False: there is none, the command is done. */
	bool (*step)(struct scsi_cmd *cmd);

	const struct scsi_op *actions; /* service actions, when not NULL */
	uint8_t nactions, action;
};

extern const struct scsi_op scsi_ops[256];

/* NULL where the unit does not have it; *@in_action says whether it is the service action
 * that is missing. @lu may be NULL. */
const struct scsi_op *scsi_op_find(const struct scsi_lu *lu, const uint8_t *cdb, bool *in_action);
bool scsi_op_is_there(const struct scsi_op *op, const struct scsi_lu *lu);
/* Byte @i of the usage map as it is on this unit. */
uint8_t scsi_op_usage(const struct scsi_op *op, const struct scsi_lu *lu, unsigned i);

/* --- units and nexuses (lu.c) --------------------------------------------------- */

struct lu_reactor {	       /* belongs to one reactor; a cache line of its own */
	struct list writes;    /* running commands that write, oldest first */
	unsigned long running; /* commands that the backstore has */
} __attribute__((aligned(128)));

struct scsi_lu {
	char *name;
	uint8_t uuid[16];
	struct backstore *bs;
	unsigned shift; /* log2 of the block size */
	uint64_t nblocks;
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

	unsigned nreactors;
	struct lu_reactor *reactors;
};

struct scsi_target {
	struct scsi_lu *lus[SCSI_MAX_LUNS];
	unsigned limit; /* the highest LUN there is, and one */
};

struct nexus_lun {
	_Atomic unsigned ua; /* enum scsi_ua */
	struct list link;
	struct scsi_nexus *nexus;
};

struct scsi_nexus {
	struct scsi_target *target;
	struct nexus_lun luns[];
};

static inline struct lu_reactor *lu_reactor(struct scsi_lu *lu, const struct io *io)
{
	assert(io->index < lu->nreactors);
	return &lu->reactors[io->index];
}

/* The number that an 8-byte LUN field holds; -1: none that we have (SAM-5 4.7). */
int scsi_lun_number(const uint8_t lun[8]);
/* Takes the most important pending unit attention, 0 = none. */
unsigned scsi_nexus_take_ua(struct scsi_nexus *n, unsigned lun);
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

static inline bool scsi_cmd_writes(const struct scsi_cmd *cmd)
{
	return (cmd->op->flags & (OP_WRITES | OP_RANGE)) == (OP_WRITES | OP_RANGE);
}

/* Copies between the command's buffers and plain memory, at most what both hold;
 * return the bytes copied. */
size_t scsi_cmd_put(struct scsi_cmd *cmd, const void *src, size_t len);
size_t scsi_cmd_get(const struct scsi_cmd *cmd, size_t at, void *dst, size_t len);

/* --- the operations ----------------------------------------------------------------- */

int scsi_build_inquiry(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_vpd(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_request_sense(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_report_luns(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_report_opcodes(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_mode_sense(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_capacity10(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_capacity16(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_defects10(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_defects12(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);

enum {
	/* Told in VPD B0. A discard of this many blocks, and a WRITE SAME of this many to the
	 * slowest disk we know, end well before the 30 s of Linux. */
	SCSI_MAX_UNMAP_BLOCKS = 1 << 20,
	SCSI_MAX_UNMAP_DESCRIPTORS = 1024,
	SCSI_MAX_WRITE_SAME_BLOCKS = 1 << 15,
};

/* Sets lba and nblocks from the CDB; returns the byte that the length begins at. */
unsigned scsi_cdb_range(struct scsi_cmd *cmd);
/* False: out of range, the status is set. */
bool scsi_range_check(struct scsi_cmd *cmd, uint64_t lba, uint64_t nblocks);

bool scsi_check_read(struct scsi_cmd *cmd);
bool scsi_step_read(struct scsi_cmd *cmd);
bool scsi_check_write(struct scsi_cmd *cmd);
bool scsi_step_write(struct scsi_cmd *cmd);
/* False where there are no blocks to move. */
bool scsi_begin_blocks(struct scsi_cmd *cmd);
/* What a flush could make durable that is not. */
bool scsi_lu_needs_flush(const struct scsi_lu *lu);

/* A range and no data. */
bool scsi_check_range(struct scsi_cmd *cmd);
bool scsi_step_sync(struct scsi_cmd *cmd);
bool scsi_check_start_stop(struct scsi_cmd *cmd);
bool scsi_step_start_stop(struct scsi_cmd *cmd);

bool scsi_check_unmap(struct scsi_cmd *cmd);
bool scsi_begin_unmap(struct scsi_cmd *cmd);
bool scsi_step_unmap(struct scsi_cmd *cmd);
bool scsi_check_write_same(struct scsi_cmd *cmd);
bool scsi_begin_write_same(struct scsi_cmd *cmd);
bool scsi_step_write_same(struct scsi_cmd *cmd);

/* Exactly one block of Data-Out. */
bool scsi_check_one_block(struct scsi_cmd *cmd);
bool scsi_check_verify(struct scsi_cmd *cmd);
bool scsi_begin_verify(struct scsi_cmd *cmd);
bool scsi_step_verify(struct scsi_cmd *cmd);
