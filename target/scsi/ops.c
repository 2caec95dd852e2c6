/* The table of operation codes.
 *
 * One row says all there is to know about a command: how long its CDB is, which bits of it
 * are looked at, what it may do to whom, and the functions that run it. The same row
 * rejects reserved bits and answers REPORT SUPPORTED OPERATION CODES, so that code
 * and report cannot disagree. Bits that are not in a usage map are refused: RDPROTECT
 * and WRPROTECT (there is no protection information), ANCHOR, and NACA in the
 * control byte (standard INQUIRY data says NORMACA = 0). */
#include "target/scsi/internal.h"

#include <string.h>

#define B2    0xff, 0xff
#define B4    B2, B2
#define B8    B4, B4
#define GROUP 0x1f /* group number: nobody counts by it */
#define RW    0x1a /* DPO, FUA, FUA_NV */

/* LBA and length by CDB length, from byte 1 on */
#define USAGE_RW6(op)                                                                              \
	{                                                                                          \
		op, 0x1f, B2, 0xff, 0                                                              \
	}
#define USAGE_10(op, b1)                                                                           \
	{                                                                                          \
		op, b1, B4, GROUP, B2, 0                                                           \
	}
#define USAGE_12(op, b1)                                                                           \
	{                                                                                          \
		op, b1, B4, B4, GROUP, 0                                                           \
	}
#define USAGE_16(op, b1)                                                                           \
	{                                                                                          \
		op, b1, B8, B4, GROUP, 0                                                           \
	}

#define OP_BLOCKS (OP_MEDIUM | OP_RANGE)

// clang-format off
static const struct scsi_op service_actions_in[] = { /* 9Eh */
	{ "READ CAPACITY(16)", 16, 0, 10, 4, { 0x9e, 0x1f, B8, B4, 0x01, 0 },
	  .build = scsi_build_capacity16, .action = 0x10 },
	{ "GET LBA STATUS", 16, OP_MEDIUM, 10, 4, { 0x9e, 0x1f, B8, B4, 0, 0 },
	  .build = scsi_build_lba_status, .action = 0x12 },
};

static const struct scsi_op maintenance_in[] = { /* A3h */
	{ "REPORT SUPPORTED OPERATION CODES", 12, 0, 6, 4,
	  { 0xa3, 0x1f, 0x87, 0xff, B2, B4, 0, 0 },
	  .build = scsi_build_report_opcodes, .action = 0x0c },
	{ "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", 12, 0, 6, 4,
	  { 0xa3, 0x1f, 0x80, 0, B2, B4, 0, 0 },
	  .build = scsi_build_report_tmfs, .action = 0x0d },
};

const struct scsi_op scsi_ops[256] = {
	[0x00] = { "TEST UNIT READY", 6, OP_MEDIUM, 0, 0, { 0x00 }, .check = NULL },
	[0x03] = { "REQUEST SENSE", 6, OP_NO_UA | OP_ANY_LUN, 4, 1, { 0x03, 0x01, 0, 0, 0xff },
		   .build = scsi_build_request_sense },
	[0x08] = { "READ(6)", 6, OP_BLOCKS, 0, 0, USAGE_RW6(0x08),
		   scsi_check_read, .begin = scsi_begin_blocks, .step = scsi_step_read },
	[0x0a] = { "WRITE(6)", 6, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_RW6(0x0a),
		   scsi_check_write, .begin = scsi_begin_blocks, .step = scsi_step_write },
	[0x12] = { "INQUIRY", 6, OP_NO_UA | OP_ANY_LUN, 3, 2, { 0x12, 0x01, 0xff, B2, 0 },
		   .build = scsi_build_inquiry },
	[0x1a] = { "MODE SENSE(6)", 6, 0, 4, 1, { 0x1a, 0x08, 0xff, 0xff, 0xff, 0 },
		   .build = scsi_build_mode_sense },
	[0x1b] = { "START STOP UNIT", 6, 0, 0, 0, { 0x1b, 0x01, 0, 0, 0x07, 0 },
		   scsi_check_start_stop, .step = scsi_step_start_stop },
	[0x25] = { "READ CAPACITY(10)", 10, 0, 0, 0, { 0x25, 0, B4, 0, 0, 0x01, 0 },
		   .build = scsi_build_capacity10 },
	[0x28] = { "READ(10)", 10, OP_BLOCKS, 0, 0, USAGE_10(0x28, RW),
		   scsi_check_read, .begin = scsi_begin_blocks, .step = scsi_step_read },
	[0x2a] = { "WRITE(10)", 10, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_10(0x2a, RW),
		   scsi_check_write, .begin = scsi_begin_blocks, .step = scsi_step_write },
	[0x2e] = { "WRITE AND VERIFY(10)", 10, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_10(0x2e, 0x12),
		   scsi_check_verify, .begin = scsi_begin_verify, .step = scsi_step_verify },
	[0x2f] = { "VERIFY(10)", 10, OP_BLOCKS, 0, 0, USAGE_10(0x2f, 0x16),
		   scsi_check_verify, .begin = scsi_begin_verify, .step = scsi_step_verify },
	[0x34] = { "PRE-FETCH(10)", 10, OP_MEDIUM, 0, 0, USAGE_10(0x34, 0x02),
		   .check = scsi_check_range },
	[0x35] = { "SYNCHRONIZE CACHE(10)", 10, OP_MEDIUM, 0, 0, USAGE_10(0x35, 0x06),
		   scsi_check_range, .step = scsi_step_sync }, /* SYNC_NV, IMMED */
	[0x37] = { "READ DEFECT DATA(10)", 10, OP_MEDIUM, 7, 2,
		   { 0x37, 0, 0x1f, 0, 0, 0, 0, B2, 0 }, .build = scsi_build_defects10 },
	[0x41] = { "WRITE SAME(10)", 10, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_10(0x41, 0x08),
		   scsi_check_write_same, .begin = scsi_begin_write_same,
		   .step = scsi_step_write_same },
	[0x42] = { "UNMAP", 10, OP_BLOCKS | OP_WRITES | OP_THIN, 0, 0,
		   { 0x42, 0, 0, 0, 0, 0, GROUP, B2, 0 },
		   scsi_check_unmap, .begin = scsi_begin_unmap, .step = scsi_step_unmap },
	[0x5a] = { "MODE SENSE(10)", 10, 0, 7, 2, { 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, B2, 0 },
		   .build = scsi_build_mode_sense },
	[0x88] = { "READ(16)", 16, OP_BLOCKS, 0, 0, USAGE_16(0x88, RW),
		   scsi_check_read, .begin = scsi_begin_blocks, .step = scsi_step_read },
	[0x8a] = { "WRITE(16)", 16, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_16(0x8a, RW),
		   scsi_check_write, .begin = scsi_begin_blocks, .step = scsi_step_write },
	[0x8e] = { "WRITE AND VERIFY(16)", 16, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_16(0x8e, 0x12),
		   scsi_check_verify, .begin = scsi_begin_verify, .step = scsi_step_verify },
	[0x8f] = { "VERIFY(16)", 16, OP_BLOCKS, 0, 0, USAGE_16(0x8f, 0x16),
		   scsi_check_verify, .begin = scsi_begin_verify, .step = scsi_step_verify },
	[0x90] = { "PRE-FETCH(16)", 16, OP_MEDIUM, 0, 0, USAGE_16(0x90, 0x02),
		   .check = scsi_check_range },
	[0x91] = { "SYNCHRONIZE CACHE(16)", 16, OP_MEDIUM, 0, 0, USAGE_16(0x91, 0x06),
		   scsi_check_range, .step = scsi_step_sync },
	[0x93] = { "WRITE SAME(16)", 16, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_16(0x93, 0x09),
		   scsi_check_write_same, .begin = scsi_begin_write_same,
		   .step = scsi_step_write_same }, /* UNMAP, NDOB */
	[0x9e] = { .actions = service_actions_in, .nactions = ARRAY_SIZE(service_actions_in) },
	[0xa0] = { "REPORT LUNS", 12, OP_NO_UA | OP_ANY_LUN, 6, 4,
		   { 0xa0, 0, 0xff, 0, 0, 0, B4, 0, 0 },
		   scsi_check_report_luns, .begin = scsi_begin_report_luns },
	[0xa3] = { .actions = maintenance_in, .nactions = ARRAY_SIZE(maintenance_in) },
	[0xa8] = { "READ(12)", 12, OP_BLOCKS, 0, 0, USAGE_12(0xa8, RW),
		   scsi_check_read, .begin = scsi_begin_blocks, .step = scsi_step_read },
	[0xaa] = { "WRITE(12)", 12, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_12(0xaa, RW),
		   scsi_check_write, .begin = scsi_begin_blocks, .step = scsi_step_write },
	[0xae] = { "WRITE AND VERIFY(12)", 12, OP_BLOCKS | OP_WRITES, 0, 0, USAGE_12(0xae, 0x12),
		   scsi_check_verify, .begin = scsi_begin_verify, .step = scsi_step_verify },
	[0xaf] = { "VERIFY(12)", 12, OP_BLOCKS, 0, 0, USAGE_12(0xaf, 0x16),
		   scsi_check_verify, .begin = scsi_begin_verify, .step = scsi_step_verify },
	[0xb7] = { "READ DEFECT DATA(12)", 12, OP_MEDIUM, 6, 4,
		   { 0xb7, 0x1f, B4, B4, 0, 0 }, .build = scsi_build_defects12 },
};
// clang-format on

bool scsi_op_is_there(const struct scsi_op *op, const struct scsi_lu *lu)
{
	return op->name && (!(op->flags & OP_THIN) || (lu && lu->thin));
}

const struct scsi_op *scsi_op_find(const struct scsi_lu *lu, const uint8_t *cdb, bool *in_action)
{
	const struct scsi_op *op = &scsi_ops[cdb[0]];

	*in_action = false;
	if (!op->nactions)
		return scsi_op_is_there(op, lu) ? op : NULL;
	for (unsigned i = 0; i < op->nactions; i++)
		if (op->actions[i].action == (cdb[1] & 0x1f) &&
		    scsi_op_is_there(&op->actions[i], lu))
			return &op->actions[i];
	*in_action = true;
	return NULL;
}

uint8_t scsi_op_usage(const struct scsi_op *op, const struct scsi_lu *lu, unsigned i)
{
	uint8_t usage = op->usage[i];

	if (i != 1)
		return usage;
	/* SPC-4 6.35.3: operation code and service action stand for themselves */
	if (op->action)
		return (uint8_t)((usage & ~0x1f) | op->action);
	if (op->step == scsi_step_write_same && !lu->thin)
		return usage & (uint8_t)~0x08; /* UNMAP */
	return usage;
}
