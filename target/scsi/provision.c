/* UNMAP and WRITE SAME: many blocks at once, with little or no data (SBC-3 5.28, 5.41, 5.42).
 *
 * Both may take the backstore several requests. They are run one after another, each
 * begun when the one before it has ended, so that an aborted command has exactly one
 * under way. What a unit promises (LBPRZ = 1) is that what was unmapped reads as zeros,
 * whatever its alignment; the backstore sees to that.
 *
 *    UNMAP         a discard per block descriptor; the list is checked whole before the first
 *    WRITE SAME    of zeros: one request, whatever the length. UNMAP = 1: it may give space back
 *                  else: the block, repeated in work memory, in pieces of 256 KiB */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- UNMAP --------------------------------------------------------------------------- */

enum {
	UNMAP_HEADER_BYTES = 8,
	UNMAP_DESCRIPTOR_BYTES = 16,
};

bool scsi_check_unmap(struct scsi_cmd *cmd)
{
	unsigned list_bytes = get_be16(cmd->cdb + 7);

	if (list_bytes && list_bytes < UNMAP_HEADER_BYTES) {
		sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LENGTH);
		return false;
	}
	cmd->dir = SCSI_DIR_OUT;
	cmd->transfer_bytes = list_bytes;
	cmd->buffer_bytes = MIN(list_bytes, cmd->out_offered);
	return true;
}

/* Returns how many descriptors there are, or -1: the list is not sound. What follows the
 * last whole descriptor is ignored, as the standard says. */
static int unmap_count(struct scsi_cmd *cmd)
{
	uint8_t header[UNMAP_HEADER_BYTES];
	uint32_t data_bytes, descriptor_bytes;

	if (scsi_cmd_get(cmd, 0, header, sizeof(header)) < sizeof(header))
		goto length;
	data_bytes = get_be16(header) + 2u;
	descriptor_bytes = get_be16(header + 2);
	if (data_bytes > cmd->buffer_bytes ||
	    descriptor_bytes > cmd->buffer_bytes - UNMAP_HEADER_BYTES)
		goto length;
	if (descriptor_bytes + UNMAP_HEADER_BYTES > data_bytes ||
	    descriptor_bytes / UNMAP_DESCRIPTOR_BYTES > SCSI_MAX_UNMAP_DESCRIPTORS) {
		sense_fail_list(cmd, 2);
		return -1;
	}
	return (int)(descriptor_bytes / UNMAP_DESCRIPTOR_BYTES);
length:
	sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAM_LENGTH);
	return -1;
}

static int by_lba(const void *a, const void *b)
{
	const struct scsi_extent *x = a, *y = b;

	return (x->lba > y->lba) - (x->lba < y->lba);
}

/* Ascending and disjoint, so that fences compare two lists in one pass. What was named twice
 * is discarded once. */
static uint32_t put_in_order(struct scsi_extent *e, uint32_t n)
{
	uint32_t last = 0;

	qsort(e, n, sizeof(*e), by_lba);
	for (uint32_t i = 1; i < n; i++) {
		uint64_t end = e[last].lba + e[last].nblocks;

		if (e[i].lba >= end)
			e[++last] = e[i];
		else
			e[last].nblocks = MAX(end, e[i].lba + e[i].nblocks) - e[last].lba;
	}
	return n ? last + 1 : 0;
}

/* Decodes @n descriptors; those of no blocks are dropped, once their LBA is checked. */
static bool unmap_decode(struct scsi_cmd *cmd, struct scsi_extent *to, int n)
{
	uint64_t total = 0;

	for (int i = 0; i < n; i++) {
		unsigned at = UNMAP_HEADER_BYTES + (unsigned)i * UNMAP_DESCRIPTOR_BYTES;
		uint8_t raw[UNMAP_DESCRIPTOR_BYTES];
		struct scsi_extent e;

		scsi_cmd_get(cmd, at, raw, sizeof(raw));
		e = (struct scsi_extent){ get_be64(raw), get_be32(raw + 8) };
		if (!scsi_range_check(cmd, e.lba, e.nblocks))
			return false;
		total += e.nblocks;
		if (total > SCSI_MAX_UNMAP_BLOCKS) {
			sense_fail_list(cmd, at + 8);
			return false;
		}
		if (e.nblocks)
			to[cmd->nextents++] = e;
	}
	cmd->nextents = put_in_order(to, cmd->nextents);
	return cmd->nextents > 0;
}

bool scsi_begin_unmap(struct scsi_cmd *cmd)
{
	struct scsi_extent *extents;
	int n;

	if (!cmd->transfer_bytes)
		return false;
	n = unmap_count(cmd);
	if (n <= 0)
		return false;
	extents = malloc((size_t)n * sizeof(*extents));
	if (!extents) {
		sense_fail_errno(cmd, BS_DISCARD, -ENOMEM);
		return false;
	}
	cmd->scratch = extents;
	cmd->extents = extents;
	return unmap_decode(cmd, extents, n);
}

bool scsi_step_unmap(struct scsi_cmd *cmd)
{
	const struct scsi_extent *e;

	if (cmd->step == cmd->nextents)
		return false;
	e = &cmd->extents[cmd->step++];
	scsi_cmd_submit(cmd, BS_DISCARD, e->lba, e->nblocks, 0, NULL, 0);
	return true;
}

/* --- WRITE SAME ------------------------------------------------------------------------ */

enum {
	CDB_UNMAP = 0x08,
	CDB_NDOB = 0x01, /* no Data-Out buffer: as though it were zeros */
	PIECE_BYTES = 256 << 10,
};

static bool has_no_data(const struct scsi_cmd *cmd)
{
	return cmd->op->cdb_bytes == 16 && cmd->cdb[1] & CDB_NDOB;
}

/* No blocks could mean all that follow. It is refused, as VPD B0 tells (WSNZ = 1): a zero
 * is too easily sent by mistake to be taken for a whole disk. */
static bool check_same_range(struct scsi_cmd *cmd)
{
	unsigned length_at = scsi_cdb_range(cmd);

	if (!scsi_range_check(cmd, cmd->lba, cmd->nblocks))
		return false;
	if (cmd->nblocks && cmd->nblocks <= SCSI_MAX_WRITE_SAME_BLOCKS)
		return true;
	sense_fail_cdb(cmd, length_at, 7);
	return false;
}

/* Part of a block is no pattern, and of two nobody can tell which is meant. */
bool scsi_check_one_block(struct scsi_cmd *cmd)
{
	cmd->dir = SCSI_DIR_OUT;
	cmd->transfer_bytes = cmd->lu->bs->block_bytes;
	cmd->buffer_bytes = cmd->out_offered;
	if (cmd->out_offered == cmd->transfer_bytes)
		return true;
	sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_UNIT);
	return false;
}

bool scsi_check_write_same(struct scsi_cmd *cmd)
{
	if (cmd->cdb[1] & CDB_UNMAP && !cmd->lu->thin) {
		sense_fail_cdb(cmd, 1, 3);
		return false;
	}
	if (!check_same_range(cmd))
		return false;
	if (has_no_data(cmd))
		return true;
	return scsi_check_one_block(cmd);
}

bool scsi_begin_write_same(struct scsi_cmd *cmd)
{
	uint8_t block[4096] = { 0 };
	size_t len = cmd->lu->bs->block_bytes;

	if (!has_no_data(cmd))
		scsi_cmd_get(cmd, 0, block, len);
	if (!block[0] && !memcmp(block, block + 1, len - 1))
		return true;
	if (!scsi_cmd_take_work(cmd, PIECE_BYTES))
		return false;
	for (size_t at = 0; at < MIN(PIECE_BYTES, cmd->nblocks << cmd->lu->shift); at += len)
		memcpy((uint8_t *)cmd->work.iov_base + at, block, len);
	return true;
}

bool scsi_step_write_same(struct scsi_cmd *cmd)
{
	uint64_t piece = (uint64_t)PIECE_BYTES >> cmd->lu->shift;
	uint64_t at = cmd->step * piece, n;

	if (!cmd->work.iov_len) {
		if (cmd->step++)
			return false;
		scsi_cmd_submit(cmd, BS_WRITE_ZEROES, cmd->lba, cmd->nblocks,
				cmd->cdb[1] & CDB_UNMAP ? BS_MAY_UNMAP : 0, NULL, 0);
		return true;
	}
	if (at >= cmd->nblocks)
		return false;
	cmd->step++;
	n = MIN(piece, cmd->nblocks - at);
	cmd->piece = (struct iovec){ cmd->work.iov_base, (size_t)(n << cmd->lu->shift) };
	scsi_cmd_submit(cmd, BS_WRITE, cmd->lba + at, n, 0, &cmd->piece, 1);
	return true;
}
