/* READ, WRITE, SYNCHRONIZE CACHE, START STOP UNIT.
 *
 * Residuals (RFC 7143 11.4.5): when the initiator has room for less than a READ moves,
 * whole blocks are read and the answer is cut; when it offers less than a WRITE
 * moves, the whole blocks that it offered are written. Either is GOOD, with the
 * difference told as overflow. With room for nothing at all, nothing is done.
 *
 * FUA means the medium (SBC-3 4.15): a write with it is durable before the answer; a read
 * with it first makes durable what may only be in the cache, which for us is a
 * flush, as the backstore cannot flush a range. */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

enum {
	CDB_FUA = 0x08,
	CDB_FUA_NV = 0x02, /* obsolete: at least non-volatile memory. The medium is. */
};

/* By the operation code's group (SPC-4 4.3.2). */
unsigned scsi_cdb_range(struct scsi_cmd *cmd)
{
	const uint8_t *cdb = cmd->cdb;

	switch (cdb[0] >> 5) {
	case 0: /* 6 bytes; no blocks means 256 */
		cmd->lba = get_be24(cdb + 1) & 0x1fffff;
		cmd->nblocks = cdb[4] ? cdb[4] : 256;
		return 4;
	case 4: /* 16 bytes */
		cmd->lba = get_be64(cdb + 2);
		cmd->nblocks = get_be32(cdb + 10);
		return 10;
	case 5: /* 12 bytes */
		cmd->lba = get_be32(cdb + 2);
		cmd->nblocks = get_be32(cdb + 6);
		return 6;
	default: /* 10 bytes */
		cmd->lba = get_be32(cdb + 2);
		cmd->nblocks = get_be16(cdb + 7);
		return 7;
	}
}

bool scsi_range_check(struct scsi_cmd *cmd, uint64_t lba, uint64_t nblocks)
{
	uint64_t end = lu_nblocks(cmd->lu);

	if (lba <= end && nblocks <= end - lba)
		return true;
	sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	return false;
}

/* What READ and WRITE share. */
static bool check_blocks(struct scsi_cmd *cmd)
{
	unsigned length_at = scsi_cdb_range(cmd);

	if (!scsi_range_check(cmd, cmd->lba, cmd->nblocks))
		return false;
	if (cmd->nblocks > (uint64_t)SCSI_MAX_TRANSFER_BYTES >> cmd->lu->shift) {
		sense_fail_cdb(cmd, length_at, 7); /* SBC-3 5.8: more than B0 tells */
		return false;
	}
	if (cmd->op->cdb_bytes > 6 && cmd->cdb[1] & (CDB_FUA | CDB_FUA_NV))
		cmd->bs_flags = BS_FUA;
	cmd->transfer_bytes = cmd->nblocks << cmd->lu->shift;
	return true;
}

bool scsi_check_read(struct scsi_cmd *cmd)
{
	uint64_t bytes, block;

	if (!check_blocks(cmd))
		return false;
	block = UINT64_C(1) << cmd->lu->shift;
	bytes = MIN(cmd->transfer_bytes, cmd->in_room);
	cmd->nblocks = (bytes + block - 1) >> cmd->lu->shift;
	cmd->buffer_bytes = (uint32_t)(cmd->nblocks << cmd->lu->shift);
	cmd->dir = SCSI_DIR_IN;
	return true;
}

bool scsi_check_write(struct scsi_cmd *cmd)
{
	if (!check_blocks(cmd))
		return false;
	cmd->nblocks = MIN(cmd->transfer_bytes, cmd->out_offered) >> cmd->lu->shift;
	cmd->buffer_bytes = (uint32_t)(cmd->nblocks << cmd->lu->shift);
	cmd->dir = SCSI_DIR_OUT;
	return true;
}

bool scsi_begin_blocks(struct scsi_cmd *cmd)
{
	return cmd->nblocks > 0;
}

bool scsi_lu_needs_flush(const struct scsi_lu *lu)
{
	return lu->bs->write_cache && !lu->bs->read_only;
}

bool scsi_step_read(struct scsi_cmd *cmd)
{
	if (cmd->step == 0) {
		cmd->step = 1;
		if (unlikely(cmd->bs_flags & BS_FUA) && scsi_lu_needs_flush(cmd->lu)) {
			scsi_cmd_submit(cmd, BS_FLUSH, 0, 0, 0, NULL, 0);
			return true;
		}
	}
	if (cmd->step == 1) {
		cmd->step = 2;
		scsi_cmd_submit(cmd, BS_READ, cmd->lba, cmd->nblocks, 0, cmd->iov, cmd->iovcnt);
		return true;
	}
	cmd->in_bytes = (uint32_t)MIN(cmd->transfer_bytes, cmd->in_room);
	return false;
}

bool scsi_step_write(struct scsi_cmd *cmd)
{
	if (cmd->step++)
		return false;
	scsi_cmd_submit(cmd, BS_WRITE, cmd->lba, cmd->nblocks, cmd->bs_flags, cmd->iov,
			cmd->iovcnt);
	return true;
}

/* --- SYNCHRONIZE CACHE ---------------------------------------------------------------- */

bool scsi_check_range(struct scsi_cmd *cmd)
{
	scsi_cdb_range(cmd);
	return scsi_range_check(cmd, cmd->lba, cmd->nblocks);
}

/* Whatever the range, everything is flushed. IMMED is allowed to be answered late: it
 * is answered when all is durable, as an answer that says GOOD should. */
bool scsi_step_sync(struct scsi_cmd *cmd)
{
	if (cmd->step++ || !scsi_lu_needs_flush(cmd->lu))
		return false;
	scsi_cmd_submit(cmd, BS_FLUSH, 0, 0, 0, NULL, 0);
	return true;
}

/* --- START STOP UNIT (SBC-3 5.25) ------------------------------------------------------- */

enum {
	SSU_START = 0x01,
	SSU_LOEJ = 0x02,
	SSU_NO_FLUSH = 0x04,
};

/* Loading means starting; ejecting is for media that can be removed. */
bool scsi_check_start_stop(struct scsi_cmd *cmd)
{
	uint8_t how = cmd->cdb[4];

	if ((how & (SSU_LOEJ | SSU_START)) != SSU_LOEJ)
		return true;
	sense_fail_cdb(cmd, 4, 1);
	return false;
}

bool scsi_step_start_stop(struct scsi_cmd *cmd)
{
	uint8_t how = cmd->cdb[4];

	if (!(how & (SSU_START | SSU_NO_FLUSH)) && !cmd->step++ && scsi_lu_needs_flush(cmd->lu)) {
		scsi_cmd_submit(cmd, BS_FLUSH, 0, 0, 0, NULL, 0);
		return true;
	}
	atomic_store(&cmd->lu->stopped, !(how & SSU_START));
	return false;
}
