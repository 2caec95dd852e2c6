/* The operations: the row of an operation code, and the functions that rows name. */
#pragma once

#include "target/scsi/scsi.h"

enum {
	OP_WRITES = 1 << 0,  /* changes the medium: refused on a read-only unit */
	OP_MEDIUM = 1 << 1,  /* needs the unit started */
	OP_RANGE = 1 << 2,   /* touches blocks: waits for fences */
	OP_NO_UA = 1 << 3,   /* runs with a unit attention pending (SPC-4 5.14) */
	OP_ANY_LUN = 1 << 4, /* answers where there is no unit (SPC-4 4.5.2) */
	OP_THIN = 1 << 5,    /* exists only on a unit that can give space back */
};

enum {
	SCSI_PARAM_BYTES = 4096, /* capacity of build()'s buffer */
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
	/* With the Data-Out bytes there, or to fill in Data-In without a disk. False: there is
	 * nothing (more) to do. */
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

/* --- the operations ----------------------------------------------------------------- */

int scsi_build_inquiry(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_vpd(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_request_sense(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_report_opcodes(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_report_tmfs(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_mode_sense(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_capacity10(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_capacity16(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_lba_status(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_defects10(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);
int scsi_build_defects12(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES]);

enum {
	/* Told in VPD B0. A discard of this many blocks, and a WRITE SAME of this many to the
	 * slowest disk we know, end well before the 30 s of Linux. */
	SCSI_MAX_UNMAP_BLOCKS = 1 << 20,
	SCSI_MAX_UNMAP_DESCRIPTORS = 1024,
	SCSI_MAX_WRITE_SAME_BLOCKS = 1 << 15,
};

bool scsi_check_report_luns(struct scsi_cmd *cmd);
bool scsi_begin_report_luns(struct scsi_cmd *cmd);

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
