/* Status and sense data.
 *
 * Sense data that comes with a status is always in the fixed format (the control
 * mode page says D_SENSE = 0); only REQUEST SENSE may ask for descriptors. The
 * INFORMATION field stays invalid: a backstore's error does not say which block
 * failed, and an initiator takes a valid one as "all blocks before it are good".
 *
 * This file is where the second error vocabulary begins: -errno comes in from the
 * backstore, status and sense go out, and nowhere else is one made from the other. */
#include "target/scsi/sense.h"

#include "backstore/base/bytes.h"

#include <errno.h>
#include <string.h>

int sense_put_fixed(uint8_t buf[static SENSE_FIXED_BYTES], enum sense_key key, unsigned asc)
{
	memset(buf, 0, SENSE_FIXED_BYTES);
	buf[0] = 0x70; /* current error */
	buf[2] = (uint8_t)key;
	buf[7] = SENSE_FIXED_BYTES - 8;
	put_be16(buf + 12, (uint16_t)asc);
	return SENSE_FIXED_BYTES;
}

int sense_put_descriptor(uint8_t buf[static SENSE_DESCRIPTOR_BYTES], enum sense_key key,
			 unsigned asc)
{
	memset(buf, 0, SENSE_DESCRIPTOR_BYTES);
	buf[0] = 0x72;
	buf[1] = (uint8_t)key;
	put_be16(buf + 2, (uint16_t)asc);
	return SENSE_DESCRIPTOR_BYTES;
}

static void fail(struct scsi_cmd *cmd, uint8_t status)
{
	cmd->status = status;
	cmd->sense_len = 0;
	cmd->in_bytes = 0;
	/* Data-Out of a write that failed did move; Data-In did not. */
	if (cmd->dir != SCSI_DIR_OUT)
		cmd->transfer_bytes = 0;
}

void sense_fail(struct scsi_cmd *cmd, enum sense_key key, unsigned asc)
{
	fail(cmd, SCSI_CHECK_CONDITION);
	cmd->sense_len = (uint8_t)sense_put_fixed(cmd->sense, key, asc);
}

void scsi_cmd_fail(struct scsi_cmd *cmd, uint8_t key, uint8_t asc, uint8_t ascq)
{
	sense_fail(cmd, (enum sense_key)key, (unsigned)asc << 8 | ascq);
}

/* SPC-4 4.5.2.4.2: field pointer */
void sense_fail_cdb(struct scsi_cmd *cmd, unsigned byte, unsigned bit)
{
	sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	cmd->sense[15] = (uint8_t)(0x80 | 0x40 | 0x08 | bit); /* SKSV, C/D: CDB, BPV */
	put_be16(cmd->sense + 16, (uint16_t)byte);
}

void sense_fail_list(struct scsi_cmd *cmd, unsigned byte)
{
	sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_LIST);
	cmd->sense[15] = 0x80;
	put_be16(cmd->sense + 16, (uint16_t)byte);
}

static unsigned io_error_code(enum bs_kind kind)
{
	switch (kind) {
	case BS_READ:
		return ASC_READ_ERROR;
	case BS_FLUSH:
		return ASC_INTERNAL;
	case BS_WRITE:
	case BS_DISCARD:
	case BS_WRITE_ZEROES:
		break;
	}
	return ASC_WRITE_ERROR;
}

void sense_fail_errno(struct scsi_cmd *cmd, enum bs_kind kind, int err)
{
	switch (-err) {
	case EROFS:
		sense_fail(cmd, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
		break;
	case ERANGE:
		sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
		break;
	case ENOSPC:
	case EDQUOT:
		sense_fail(cmd, KEY_DATA_PROTECT, ASC_NO_SPACE);
		break;
	case ENOMEM:
	case EAGAIN:
		fail(cmd, SCSI_BUSY); /* nothing is lost: again, a little later */
		break;
	case ENODEV:
	case ENXIO:
	case ESHUTDOWN:
		sense_fail(cmd, KEY_NOT_READY, ASC_NEEDS_A_HUMAN);
		break;
	case EINVAL: /* our own request was refused: our bug */
		sense_fail(cmd, KEY_HARDWARE_ERROR, ASC_INTERNAL);
		break;
	case ECANCELED:
		sense_fail(cmd, KEY_ABORTED_COMMAND, ASC_NONE);
		break;
	default:
		sense_fail(cmd, kind == BS_FLUSH ? KEY_HARDWARE_ERROR : KEY_MEDIUM_ERROR,
			   io_error_code(kind));
	}
}

unsigned sense_ua_code(unsigned ua)
{
	switch (ua) {
	case SCSI_UA_POWER_ON:
		return 0x2900;
	case SCSI_UA_LU_RESET:
		return 0x2903;
	case SCSI_UA_NEXUS_LOST:
		return 0x2907;
	case SCSI_UA_COMMANDS_CLEARED:
		return 0x2f00;
	case SCSI_UA_CAPACITY:
		return 0x2a09;
	case SCSI_UA_MODE_CHANGED:
		return 0x2a01;
	default: /* SCSI_UA_LUNS_CHANGED */
		return 0x3f0e;
	}
}

void sense_fail_ua(struct scsi_cmd *cmd, unsigned ua)
{
	sense_fail(cmd, KEY_UNIT_ATTENTION, sense_ua_code(ua));
}
