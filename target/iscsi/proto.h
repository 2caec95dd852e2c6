/* RFC 7143 section 11 on the wire: opcodes, flags, and the 48 bytes of each PDU's header. */
#pragma once

#include "backstore/base/bytes.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum iscsi_opcode { /* 11.2.1.2 */
		    ISCSI_NOP_OUT = 0x00,
		    ISCSI_SCSI_CMD = 0x01,
		    ISCSI_TMF_REQ = 0x02,
		    ISCSI_LOGIN_REQ = 0x03,
		    ISCSI_TEXT_REQ = 0x04,
		    ISCSI_DATA_OUT = 0x05,
		    ISCSI_LOGOUT_REQ = 0x06,
		    ISCSI_SNACK_REQ = 0x10,
		    ISCSI_NOP_IN = 0x20,
		    ISCSI_SCSI_RSP = 0x21,
		    ISCSI_TMF_RSP = 0x22,
		    ISCSI_LOGIN_RSP = 0x23,
		    ISCSI_TEXT_RSP = 0x24,
		    ISCSI_DATA_IN = 0x25,
		    ISCSI_LOGOUT_RSP = 0x26,
		    ISCSI_R2T = 0x31,
		    ISCSI_ASYNC = 0x32,
		    ISCSI_REJECT = 0x3f,
};

enum {
	ISCSI_BHS_BYTES = 48,
	ISCSI_AHS_MAX_BYTES = 255 * 4,
	ISCSI_OPCODE_MASK = 0x3f,
	ISCSI_IMMEDIATE = 0x40, /* in byte 0 */
	ISCSI_FINAL = 0x80,	/* in byte 1 */

	ISCSI_CMD_READ = 0x40, /* SCSI Command, byte 1 (11.3.1) */
	ISCSI_CMD_WRITE = 0x20,
	ISCSI_CMD_ATTR_MASK = 0x07,

	ISCSI_RSP_BIDI_OVERFLOW = 0x10, /* SCSI Response, byte 1 (11.4.1) */
	ISCSI_RSP_BIDI_UNDERFLOW = 0x08,
	ISCSI_RSP_OVERFLOW = 0x04,
	ISCSI_RSP_UNDERFLOW = 0x02,
	ISCSI_DATA_IN_STATUS = 0x01, /* Data-In, byte 1 (11.7.2) */

	ISCSI_TRANSIT = 0x80,  /* Login, byte 1 (11.12) */
	ISCSI_CONTINUE = 0x40, /* Login and Text, byte 1 */
};

enum iscsi_task_attr { /* 11.3.1 */
		       ISCSI_ATTR_UNTAGGED,
		       ISCSI_ATTR_SIMPLE,
		       ISCSI_ATTR_ORDERED,
		       ISCSI_ATTR_HEAD_OF_QUEUE,
		       ISCSI_ATTR_ACA,
};

enum iscsi_stage { /* 11.12.3 */
		   ISCSI_STAGE_SECURITY = 0,
		   ISCSI_STAGE_OPERATIONAL = 1,
		   ISCSI_STAGE_FULL_FEATURE = 3,
};

enum iscsi_login_status { /* 11.13.5: class << 8 | detail */
			  ISCSI_LOGIN_SUCCESS = 0x0000,
			  ISCSI_LOGIN_MOVED = 0x0101, /* for now; with TargetAddress */
			  ISCSI_LOGIN_MOVED_FOREVER = 0x0102,
			  ISCSI_LOGIN_INITIATOR_ERROR = 0x0200,
			  ISCSI_LOGIN_AUTH_FAILURE = 0x0201,
			  ISCSI_LOGIN_FORBIDDEN = 0x0202,
			  ISCSI_LOGIN_NOT_FOUND = 0x0203,
			  ISCSI_LOGIN_TARGET_REMOVED = 0x0204,
			  ISCSI_LOGIN_BAD_VERSION = 0x0205,
			  ISCSI_LOGIN_TOO_MANY_CONNS = 0x0206,
			  ISCSI_LOGIN_MISSING_PARAM = 0x0207,
			  ISCSI_LOGIN_CANT_INCLUDE = 0x0208,
			  ISCSI_LOGIN_TYPE_UNSUPPORTED = 0x0209,
			  ISCSI_LOGIN_NO_SESSION = 0x020a,
			  ISCSI_LOGIN_INVALID_REQUEST = 0x020b,
			  ISCSI_LOGIN_TARGET_ERROR = 0x0300,
			  ISCSI_LOGIN_UNAVAILABLE = 0x0301,
			  ISCSI_LOGIN_OUT_OF_RESOURCES = 0x0302,
};

enum iscsi_reject { /* 11.17.1 */
		    ISCSI_REJECT_DATA_DIGEST = 0x02,
		    ISCSI_REJECT_SNACK = 0x03,
		    ISCSI_REJECT_PROTOCOL = 0x04,
		    ISCSI_REJECT_UNSUPPORTED = 0x05,
		    ISCSI_REJECT_TOO_MANY_IMMEDIATE = 0x06,
		    ISCSI_REJECT_TASK_IN_PROGRESS = 0x07,
		    ISCSI_REJECT_INVALID_FIELD = 0x09,
		    ISCSI_REJECT_LONG_OPERATION = 0x0a,
		    ISCSI_REJECT_NEGOTIATION_RESET = 0x0b,
		    ISCSI_REJECT_WAITING_FOR_LOGOUT = 0x0c,
};

enum iscsi_tmf { /* 11.5.1 */
		 ISCSI_TMF_ABORT_TASK = 1,
		 ISCSI_TMF_ABORT_TASK_SET = 2,
		 ISCSI_TMF_CLEAR_ACA = 3,
		 ISCSI_TMF_CLEAR_TASK_SET = 4,
		 ISCSI_TMF_LU_RESET = 5,
		 ISCSI_TMF_TARGET_WARM_RESET = 6,
		 ISCSI_TMF_TARGET_COLD_RESET = 7,
		 ISCSI_TMF_TASK_REASSIGN = 8,
		 /* RFC 7144: where iSCSIProtocolLevel >= 2 was agreed */
		 ISCSI_TMF_QUERY_TASK = 9,
		 ISCSI_TMF_QUERY_TASK_SET = 10,
		 ISCSI_TMF_NEXUS_RESET = 11,
		 ISCSI_TMF_QUERY_EVENT = 12,
};

enum iscsi_tmf_response { /* 11.6.1 */
			  ISCSI_TMF_COMPLETE = 0,
			  ISCSI_TMF_NO_TASK = 1,
			  ISCSI_TMF_NO_LUN = 2,
			  ISCSI_TMF_STILL_ALLEGIANT = 3,
			  ISCSI_TMF_NO_REASSIGN = 4,
			  ISCSI_TMF_NOT_SUPPORTED = 5,
			  ISCSI_TMF_AUTH_FAILED = 6,
			  ISCSI_TMF_SUCCEEDED = 7, /* RFC 7144 */
			  ISCSI_TMF_REJECTED = 255,
};

enum iscsi_async { /* 11.9.1 */
		   ISCSI_ASYNC_SCSI = 0,
		   ISCSI_ASYNC_REQUEST_LOGOUT = 1,
		   ISCSI_ASYNC_DROP_CONN = 2,
		   ISCSI_ASYNC_DROP_ALL = 3,
		   ISCSI_ASYNC_NEGOTIATE = 4,
		   ISCSI_ASYNC_TERMINATED = 5, /* all tasks of a LUN, FastAbort only */
};

/* The reserved values of tags (11.3.3, 11.7.4). */
#define ISCSI_NO_TAG 0xffffffffu

/* What every PDU has in the same place. Tags are opaque to us where the initiator
 * made them, but 32-bit numbers compare and hash well, so be32 it is. */
struct bhs {
	uint8_t opcode;
	uint8_t flags;
	uint8_t specific[2];
	uint8_t ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	uint8_t rest[28];
};

struct bhs_scsi_cmd { /* 11.3 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 edtl;
	be32 cmd_sn;
	be32 exp_stat_sn;
	uint8_t cdb[16];
};

struct bhs_scsi_rsp { /* 11.4 */
	uint8_t opcode, flags, response, status, ahs_words;
	be24 data_len;
	uint8_t reserved[8];
	be32 itt;
	be32 snack_tag;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	be32 exp_data_sn;
	be32 bidi_residual;
	be32 residual;
};

struct bhs_tmf_req { /* 11.5 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ref_itt;
	be32 cmd_sn;
	be32 exp_stat_sn;
	be32 ref_cmd_sn;
	be32 exp_data_sn;
	uint8_t reserved2[8];
};

struct bhs_tmf_rsp { /* 11.6 */
	uint8_t opcode, flags, response, reserved, ahs_words;
	be24 data_len;
	uint8_t additional[3]; /* RFC 7144: additional response information */
	uint8_t reserved2[5];
	be32 itt;
	be32 reserved3;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	uint8_t reserved4[12];
};

struct bhs_data_out { /* 11.7 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 reserved2;
	be32 exp_stat_sn;
	be32 reserved3;
	be32 data_sn;
	be32 offset;
	be32 reserved4;
};

struct bhs_data_in { /* 11.7 */
	uint8_t opcode, flags, reserved, status, ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	be32 data_sn;
	be32 offset;
	be32 residual;
};

struct bhs_r2t { /* 11.8 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	be32 r2t_sn;
	be32 offset;
	be32 length;
};

struct bhs_async { /* 11.9 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt; /* 0xffffffff */
	be32 reserved2;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	uint8_t event, vcode;
	be16 param1, param2, param3;
	be32 reserved3;
};

struct bhs_text_req { /* 11.10 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 cmd_sn;
	be32 exp_stat_sn;
	uint8_t reserved2[16];
};

struct bhs_text_rsp { /* 11.11 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	uint8_t reserved2[12];
};

struct bhs_login_req { /* 11.12 */
	uint8_t opcode, flags, version_max, version_min, ahs_words;
	be24 data_len;
	uint8_t isid[6];
	be16 tsih;
	be32 itt;
	be16 cid;
	be16 reserved;
	be32 cmd_sn;
	be32 exp_stat_sn;
	uint8_t reserved2[16];
};

struct bhs_login_rsp { /* 11.13 */
	uint8_t opcode, flags, version_max, version_active, ahs_words;
	be24 data_len;
	uint8_t isid[6];
	be16 tsih;
	be32 itt;
	be32 reserved;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	uint8_t status_class, status_detail;
	be16 reserved2;
	uint8_t reserved3[8];
};

struct bhs_logout_req { /* 11.14 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t reserved2[8];
	be32 itt;
	be16 cid;
	be16 reserved3;
	be32 cmd_sn;
	be32 exp_stat_sn;
	uint8_t reserved4[16];
};

struct bhs_logout_rsp { /* 11.15 */
	uint8_t opcode, flags, response, reserved, ahs_words;
	be24 data_len;
	uint8_t reserved2[8];
	be32 itt;
	be32 reserved3;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	be32 reserved4;
	be16 time2wait, time2retain;
	be32 reserved5;
};

struct bhs_reject { /* 11.17 */
	uint8_t opcode, flags, reason, reserved, ahs_words;
	be24 data_len;
	uint8_t reserved2[8];
	be32 itt; /* 0xffffffff */
	be32 reserved3;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	be32 data_sn;
	uint8_t reserved4[8];
};

struct bhs_nop_out { /* 11.18 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 cmd_sn;
	be32 exp_stat_sn;
	uint8_t reserved2[16];
};

struct bhs_nop_in { /* 11.19 */
	uint8_t opcode, flags, reserved[2], ahs_words;
	be24 data_len;
	uint8_t lun[8];
	be32 itt;
	be32 ttt;
	be32 stat_sn;
	be32 exp_cmd_sn;
	be32 max_cmd_sn;
	uint8_t reserved2[12];
};

#define BHS_SIZE_IS_48(t) static_assert(sizeof(struct t) == ISCSI_BHS_BYTES, #t)
BHS_SIZE_IS_48(bhs);
BHS_SIZE_IS_48(bhs_scsi_cmd);
BHS_SIZE_IS_48(bhs_scsi_rsp);
BHS_SIZE_IS_48(bhs_tmf_req);
BHS_SIZE_IS_48(bhs_tmf_rsp);
BHS_SIZE_IS_48(bhs_data_out);
BHS_SIZE_IS_48(bhs_data_in);
BHS_SIZE_IS_48(bhs_r2t);
BHS_SIZE_IS_48(bhs_async);
BHS_SIZE_IS_48(bhs_text_req);
BHS_SIZE_IS_48(bhs_text_rsp);
BHS_SIZE_IS_48(bhs_login_req);
BHS_SIZE_IS_48(bhs_login_rsp);
BHS_SIZE_IS_48(bhs_logout_req);
BHS_SIZE_IS_48(bhs_logout_rsp);
BHS_SIZE_IS_48(bhs_reject);
BHS_SIZE_IS_48(bhs_nop_out);
BHS_SIZE_IS_48(bhs_nop_in);

/* Serial number arithmetic (RFC 1982, RFC 7143 4.2.2.1). */
static inline bool sn_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
