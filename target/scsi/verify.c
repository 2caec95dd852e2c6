/* VERIFY, WRITE AND VERIFY, PRE-FETCH (SBC-3 5.13, 5.30, 5.38).
 *
 * To verify is to read the blocks back from the medium, piece by piece, into memory of the
 * command's own (from the budget of all buffers), and to compare them where BYTCHK asks for it.
 * WRITE AND VERIFY writes first, through to the medium. PRE-FETCH does nothing but check its range:
 * GOOD says that not all of it is in the cache, which is true. */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 256 << 10 };

enum bytchk {
	COMPARE_NOTHING,
	COMPARE_ALL,
	COMPARE_RESERVED,
	COMPARE_ONE_BLOCK, /* each block with the one that was sent */
};

static enum bytchk bytchk(const struct scsi_cmd *cmd)
{
	return (enum bytchk)(cmd->cdb[1] >> 1 & 3);
}

bool scsi_check_verify(struct scsi_cmd *cmd)
{
	if (scsi_cmd_writes(cmd) || bytchk(cmd) == COMPARE_ALL)
		return scsi_check_write(cmd);
	if (bytchk(cmd) == COMPARE_RESERVED) {
		sense_fail_cdb(cmd, 1, 2);
		return false;
	}
	scsi_cdb_range(cmd);
	if (!scsi_range_check(cmd, cmd->lba, cmd->nblocks))
		return false;
	if (bytchk(cmd) == COMPARE_NOTHING || !cmd->nblocks)
		return true;
	return scsi_check_one_block(cmd);
}

bool scsi_begin_verify(struct scsi_cmd *cmd)
{
	if (!cmd->nblocks)
		return false;
	return scsi_cmd_take_work(cmd, PIECE_BYTES);
}

/* Is @len bytes at @at of the command's Data-Out what was read back? */
static bool is_same(const struct scsi_cmd *cmd, uint64_t at, const uint8_t *read, size_t len)
{
	size_t block = cmd->lu->bs->block_bytes;
	uint8_t sent[4096];

	for (size_t done = 0; done < len; done += block) {
		if (bytchk(cmd) == COMPARE_ALL || !done)
			scsi_cmd_get(cmd, bytchk(cmd) == COMPARE_ALL ? at + done : 0, sent, block);
		if (memcmp(sent, read + done, block) != 0)
			return false;
	}
	return true;
}

bool scsi_step_verify(struct scsi_cmd *cmd)
{
	uint64_t piece = (uint64_t)PIECE_BYTES >> cmd->lu->shift;
	uint32_t first = scsi_cmd_writes(cmd) ? 1 : 0;
	uint64_t at, n;

	if (cmd->step < first) {
		cmd->step++;
		scsi_cmd_submit(cmd, BS_WRITE, cmd->lba, cmd->nblocks, BS_FUA, cmd->iov,
				cmd->iovcnt);
		return true;
	}
	at = (cmd->step - first) * piece;
	if (at && bytchk(cmd) != COMPARE_NOTHING &&
	    !is_same(cmd, (at - piece) << cmd->lu->shift, cmd->work.iov_base, cmd->piece.iov_len)) {
		sense_fail(cmd, KEY_MISCOMPARE, ASC_MISCOMPARE);
		return false;
	}
	if (at >= cmd->nblocks)
		return false;
	n = MIN(piece, cmd->nblocks - at);
	cmd->piece = (struct iovec){ cmd->work.iov_base, (size_t)(n << cmd->lu->shift) };
	cmd->step++;
	scsi_cmd_submit(cmd, BS_READ, cmd->lba + at, n, 0, &cmd->piece, 1);
	return true;
}
