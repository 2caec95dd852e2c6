/* REPORT LUNS, REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS, REQUEST SENSE, READ
 * CAPACITY, READ DEFECT DATA. */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

#include <string.h>

/* --- REPORT LUNS (SPC-4 6.33) ------------------------------------------------------ */

enum { SELECT_LUNS, SELECT_WELL_KNOWN, SELECT_ALL };

static unsigned nluns(const struct scsi_cmd *cmd)
{
	return cmd->cdb[2] == SELECT_WELL_KNOWN ? 0 : cmd->nexus->map->nluns;
}

bool scsi_check_report_luns(struct scsi_cmd *cmd)
{
	if (cmd->cdb[2] > SELECT_ALL) {
		sense_fail_cdb(cmd, 2, 7);
		return false;
	}
	cmd->dir = SCSI_DIR_IN;
	cmd->transfer_bytes = MIN(8 * (nluns(cmd) + 1), get_be32(cmd->cdb + 6));
	cmd->buffer_bytes = (uint32_t)MIN(cmd->transfer_bytes, cmd->in_room);
	return true;
}

/* Longer than build()'s buffer: to the command's own, entry by entry, ascending. */
bool scsi_begin_report_luns(struct scsi_cmd *cmd)
{
	const struct scsi_map *m = cmd->nexus->map;
	unsigned n = nluns(cmd);
	uint8_t entry[8] = { 0 };

	put_be32(entry, 8 * n);
	cmd->in_bytes = (uint32_t)scsi_cmd_put_at(cmd, 0, entry, sizeof(entry));
	memset(entry, 0, sizeof(entry));
	for (unsigned lun = 0; n && lun < m->limit; lun++) {
		if (!m->places[lun])
			continue;
		/* SAM-5 4.7: peripheral device addressing while it can, then flat space */
		put_be16(entry, (uint16_t)(lun > UINT8_MAX ? 0x4000 | lun : lun));
		cmd->in_bytes +=
			(uint32_t)scsi_cmd_put_at(cmd, cmd->in_bytes, entry, sizeof(entry));
	}
	if (cmd->in_bytes < cmd->buffer_bytes) /* fewer than there were when it came */
		cmd->transfer_bytes = cmd->in_bytes;
	scsi_nexus_clear_ua(cmd->nexus, SCSI_UA_LUNS_CHANGED);
	return false;
}

/* --- REPORT SUPPORTED OPERATION CODES (SPC-4 6.35) --------------------------------------- */

enum {
	RCTD = 0x80, /* return command timeouts descriptor */
	TIMEOUTS_BYTES = 12,
	SUPPORT_NONE = 1,
	SUPPORT_STANDARD = 3,
};

/* Nominal and recommended timeouts: not told. */
static int put_timeouts(uint8_t *at)
{
	memset(at, 0, TIMEOUTS_BYTES);
	put_be16(at, TIMEOUTS_BYTES - 2);
	return TIMEOUTS_BYTES;
}

static int put_descriptor(const struct scsi_op *op, uint8_t opcode, bool has_action, bool rctd,
			  uint8_t *at)
{
	memset(at, 0, 8);
	at[0] = opcode;
	put_be16(at + 2, op->action);
	at[5] = (uint8_t)((rctd ? 0x02 : 0) | (has_action ? 0x01 : 0)); /* CTDP, SERVACTV */
	put_be16(at + 6, op->cdb_bytes);
	return 8 + (rctd ? put_timeouts(at + 8) : 0);
}

static int put_all(const struct scsi_lu *lu, bool rctd, uint8_t *buf)
{
	int len = 4;

	for (unsigned i = 0; i < 256; i++) {
		const struct scsi_op *op = &scsi_ops[i];

		if (scsi_op_is_there(op, lu))
			len += put_descriptor(op, (uint8_t)i, false, rctd, buf + len);
		for (unsigned j = 0; j < op->nactions; j++)
			if (scsi_op_is_there(&op->actions[j], lu))
				len += put_descriptor(&op->actions[j], (uint8_t)i, true, rctd,
						      buf + len);
	}
	put_be32(buf, (uint32_t)(len - 4));
	return len;
}

static int put_one(const struct scsi_lu *lu, const struct scsi_op *op, uint8_t opcode, bool rctd,
		   uint8_t *buf)
{
	memset(buf, 0, 4);
	if (!op) {
		buf[1] = SUPPORT_NONE;
		return 4;
	}
	buf[1] = (uint8_t)((rctd ? 0x80 : 0) | SUPPORT_STANDARD);
	put_be16(buf + 2, op->cdb_bytes);
	for (unsigned i = 0; i < op->cdb_bytes; i++)
		buf[4 + i] = scsi_op_usage(op, lu, i);
	buf[4] = opcode;
	return 4 + op->cdb_bytes + (rctd ? put_timeouts(buf + 4 + op->cdb_bytes) : 0);
}

static const struct scsi_op *find_action(const struct scsi_lu *lu, const struct scsi_op *row,
					 unsigned action)
{
	for (unsigned i = 0; i < row->nactions; i++)
		if (row->actions[i].action == action && scsi_op_is_there(&row->actions[i], lu))
			return &row->actions[i];
	return NULL;
}

int scsi_build_report_opcodes(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	enum { ALL, OPCODE, ACTION, OPCODE_OR_ACTION };
	bool rctd = cmd->cdb[2] & RCTD;
	unsigned what = cmd->cdb[2] & 0x07, action = get_be16(cmd->cdb + 4);
	uint8_t opcode = cmd->cdb[3];
	const struct scsi_op *row = &scsi_ops[opcode];
	bool has_actions = row->nactions > 0, is_there = scsi_op_is_there(row, cmd->lu);

	switch (what) {
	case ALL:
		return put_all(cmd->lu, rctd, buf);
	case OPCODE: /* not for operation codes with service actions */
		if (has_actions)
			break;
		return put_one(cmd->lu, is_there ? row : NULL, opcode, rctd, buf);
	case ACTION: /* for those only */
		if (is_there)
			break;
		return put_one(cmd->lu, find_action(cmd->lu, row, action), opcode, rctd, buf);
	case OPCODE_OR_ACTION:
		if (!has_actions)
			return put_one(cmd->lu, is_there && !action ? row : NULL, opcode, rctd,
				       buf);
		return put_one(cmd->lu, find_action(cmd->lu, row, action), opcode, rctd, buf);
	default:
		break;
	}
	sense_fail_cdb(cmd, 2, 2);
	return -1;
}

/* --- REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36) --------------------------- */

int scsi_build_report_tmfs(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	enum { ATS = 0x80, ATSS = 0x40, CTSS = 0x10, LURS = 0x08, QTS = 0x04 }; /* byte 0 */
	enum { QAES = 0x04, QTSS = 0x02, ITNRS = 0x01 };			/* byte 1 */
	enum { SHORT_BYTES = 4, EXTENDED_BYTES = 16 };
	int len = cmd->cdb[2] & 0x80 ? EXTENDED_BYTES : SHORT_BYTES;

	if (get_be32(cmd->cdb + 6) < SHORT_BYTES) {
		sense_fail_cdb(cmd, 6, 7);
		return -1;
	}
	memset(buf, 0, EXTENDED_BYTES); /* no time-outs are told */
	buf[0] = ATS | ATSS | CTSS | LURS | QTS;
	buf[1] = QAES | QTSS | ITNRS;
	buf[3] = (uint8_t)(len - SHORT_BYTES);
	return len;
}

/* --- REQUEST SENSE (SPC-4 6.39) -------------------------------------------------------------- */

/* Sense data is sent along with the status, so none is ever kept: what is left to report
 * is a pending unit attention, or that there is no unit, or that it is stopped. */
int scsi_build_request_sense(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	enum sense_key key = KEY_NO_SENSE;
	unsigned asc = ASC_NONE, ua = 0;

	if (cmd->lu && cmd->state != CMD_NEW)
		ua = scsi_nexus_take_ua(cmd->nexus, cmd->lu_place);
	if (!cmd->lu) {
		key = KEY_ILLEGAL_REQUEST;
		asc = ASC_NO_SUCH_LUN;
	} else if (ua) {
		key = KEY_UNIT_ATTENTION;
		asc = sense_ua_code(ua);
	} else if (atomic_load(&cmd->lu->stopped)) {
		key = KEY_NOT_READY;
		asc = ASC_NEEDS_START;
	}
	if (cmd->cdb[1] & 0x01) /* DESC */
		return sense_put_descriptor(buf, key, asc);
	return sense_put_fixed(buf, key, asc);
}

/* --- READ CAPACITY (SBC-3 5.15, 5.16) ------------------------------------------------------------
 */

/* Without PMI an address makes no sense; with it, the answer is the same: there is no
 * delay anywhere before the last block. */
static bool check_pmi(struct scsi_cmd *cmd, uint64_t lba, unsigned pmi_at)
{
	if (cmd->cdb[pmi_at] & 0x01 || !lba)
		return true;
	sense_fail_cdb(cmd, 2, 7);
	return false;
}

int scsi_build_capacity10(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	const struct scsi_lu *lu = cmd->lu;
	uint64_t last = lu_nblocks(lu) - 1;

	if (!check_pmi(cmd, get_be32(cmd->cdb + 2), 8))
		return -1;
	put_be32(buf, (uint32_t)MIN(last, UINT32_MAX));
	put_be32(buf + 4, lu->bs->block_bytes);
	return 8;
}

int scsi_build_capacity16(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	const struct scsi_lu *lu = cmd->lu;
	unsigned ratio = lu->bs->physical_bytes >> lu->shift;

	if (!check_pmi(cmd, get_be64(cmd->cdb + 2), 14))
		return -1;
	memset(buf, 0, 32);
	put_be64(buf, lu_nblocks(lu) - 1);
	put_be32(buf + 8, lu->bs->block_bytes);
	if (ratio > 1)
		buf[13] = (uint8_t)MIN(__builtin_ctz(ratio), 15);
	if (lu->thin)
		buf[14] = 0x80 | 0x40; /* LBPME, LBPRZ */
	return 32;
}

/* --- GET LBA STATUS (SBC-3 5.5) ------------------------------------------------------- */

/* One descriptor to the end of the medium: "mapped, or unknown". Which blocks a file has
 * holes for could only be asked in a call that blocks. */
int scsi_build_lba_status(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	uint64_t lba = get_be64(cmd->cdb + 2), end = lu_nblocks(cmd->lu);

	if (lba >= end) {
		sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
		return -1;
	}
	memset(buf, 0, 24);
	put_be32(buf, 20); /* bytes that follow */
	put_be64(buf + 8, lba);
	put_be32(buf + 16, (uint32_t)MIN(end - lba, UINT32_MAX));
	return 24;
}

/* --- READ DEFECT DATA (SBC-3 5.18, 5.19)
 * ------------------------------------------------------------ */

/* There are no defects that anybody could list: both lists are valid and empty. */
int scsi_build_defects10(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	memset(buf, 0, 4);
	buf[1] = cmd->cdb[2] & 0x1f; /* PLISTV, GLISTV, format: as asked for */
	return 4;
}

int scsi_build_defects12(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	memset(buf, 0, 8);
	buf[1] = cmd->cdb[1] & 0x1f;
	return 8;
}
