/* How a command fails: status and sense data (SPC-4 4.5). */
#pragma once

#include "target/scsi/scsi.h"

enum sense_key { /* SPC-4 table 43 */
		 KEY_NO_SENSE = 0x0,
		 KEY_NOT_READY = 0x2,
		 KEY_MEDIUM_ERROR = 0x3,
		 KEY_HARDWARE_ERROR = 0x4,
		 KEY_ILLEGAL_REQUEST = 0x5,
		 KEY_UNIT_ATTENTION = 0x6,
		 KEY_DATA_PROTECT = 0x7,
		 KEY_ABORTED_COMMAND = 0xb,
		 KEY_MISCOMPARE = 0xe,
};

enum { /* additional sense code and qualifier, as one number */
       ASC_NONE = 0x0000,
       ASC_NEEDS_START = 0x0402,   /* not ready, initializing command required */
       ASC_NEEDS_A_HUMAN = 0x0403, /* not ready, manual intervention required */
       ASC_WRITE_ERROR = 0x0c00,
       ASC_INVALID_FIELD_IN_UNIT = 0x0e03, /* invalid field in command information unit */
       ASC_READ_ERROR = 0x1100,
       ASC_PARAM_LENGTH = 0x1a00,
       ASC_MISCOMPARE = 0x1d00,
       ASC_INVALID_OPCODE = 0x2000,
       ASC_LBA_OUT_OF_RANGE = 0x2100,
       ASC_INVALID_FIELD_IN_CDB = 0x2400,
       ASC_NO_SUCH_LUN = 0x2500,
       ASC_INVALID_FIELD_IN_LIST = 0x2600,
       ASC_WRITE_PROTECTED = 0x2700,
       ASC_NO_SPACE = 0x2707, /* space allocation failed write protect */
       ASC_NO_SAVED_PAGES = 0x3900,
       ASC_INTERNAL = 0x4400, /* internal target failure */
};

enum {
	SENSE_FIXED_BYTES = 18,
	SENSE_DESCRIPTOR_BYTES = 8,
};

/* CHECK CONDITION with @asc, an ASC_ of above. */
void sense_fail(struct scsi_cmd *cmd, enum sense_key key, unsigned asc);
/* INVALID FIELD IN CDB: @byte of the CDB, @bit the highest of the field's (7: the whole byte). */
void sense_fail_cdb(struct scsi_cmd *cmd, unsigned byte, unsigned bit);
/* INVALID FIELD IN PARAMETER LIST at @byte. */
void sense_fail_list(struct scsi_cmd *cmd, unsigned byte);
/* The only place where a backstore's -errno becomes sense data. */
void sense_fail_errno(struct scsi_cmd *cmd, enum bs_kind kind, int err);
/* A unit attention; @ua is one bit of enum scsi_ua. */
void sense_fail_ua(struct scsi_cmd *cmd, unsigned ua);
unsigned sense_ua_code(unsigned ua);

/* Sense data as parameter data. Return the length. */
int sense_put_fixed(uint8_t buf[static SENSE_FIXED_BYTES], enum sense_key key, unsigned asc);
int sense_put_descriptor(uint8_t buf[static SENSE_DESCRIPTOR_BYTES], enum sense_key key,
			 unsigned asc);
