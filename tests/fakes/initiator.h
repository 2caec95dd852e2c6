/* A small iSCSI initiator over a fake socket: one session, one connection.
 *
 * Speaks whole PDUs and holds the target to what RFC 7143 asks of it: StatSN, the
 * command window, DataSN, offsets, residuals, one answer for each command. The first
 * breach is kept in broken[]. Moves only when ini_poll is called. */
#pragma once

#include "target/iscsi/proto.h"
#include "tests/fakes/fake_io.h"

enum ini_state { INI_CLOSED, INI_LOGIN, INI_FULL, INI_REFUSED };

enum ini_cmd_state {
	INI_CMD_IDLE,
	INI_CMD_QUEUED, /* the window is full */
	INI_CMD_SENT,
	INI_CMD_DONE,
	INI_CMD_LOST, /* its connection ended, or a TMF took it: no answer comes */
};

enum ini_out {			    /* how a command's Data-Out travels */
	       INI_OUT_ANY,	    /* as agreed, the seed chooses */
	       INI_OUT_IMMEDIATE,   /* as much as may be with the command, the rest solicited */
	       INI_OUT_UNSOLICITED, /* nothing with the command, FirstBurstLength unasked */
	       INI_OUT_R2T,	    /* nothing unasked */
};

enum { INI_MAX_HELD = 8 };

/* The caller's, who keeps it until it is DONE or LOST. */
struct ini_cmd {
	uint8_t cdb[16];
	unsigned lun;
	const uint8_t *out;
	uint32_t out_len;
	uint8_t *in;
	uint32_t in_room;
	bool immediate;
	uint8_t attr; /* enum iscsi_task_attr; 0 = SIMPLE */
	enum ini_out how;
	void (*done)(struct ini_cmd *c); /* may be NULL; also when it is LOST */
	void *owner;

	/* the result */
	enum ini_cmd_state state;
	uint8_t status;
	uint8_t sense[64];
	uint32_t sense_len;
	uint32_t in_len;
	int64_t residual; /* > 0: underflow, < 0: overflow */

	/* private, but a test may look */
	struct list link; /* in ini.queued or ini.sent */
	struct ini *ini;
	uint32_t itt, cmd_sn;
	uint32_t data_sn, r2t_sn, burst_bytes;
	unsigned r2ts_held;
	struct bhs_r2t held[INI_MAX_HELD];
};

/* What is proposed at login; 0 of a number: not said. */
struct ini_offer {
	bool ImmediateData, InitialR2T;
	bool HeaderDigest, DataDigest; /* CRC32C */
	uint32_t FirstBurstLength, MaxBurstLength, MaxRecvDataSegmentLength, MaxOutstandingR2T;
	uint32_t iSCSIProtocolLevel;
	const char *TaskReporting; /* NULL: not said */
};

/* What it knows for CHAP; NULL: not said. */
struct ini_chap {
	const char *methods, *algorithms; /* lists that are offered */
	const char *user, *secret;
	const char *mutual_secret; /* the target's, which must prove itself */
};

struct ini {
	struct list link; /* the rig's */
	struct fake_world *w;
	struct fake_sock *k;
	char name[64];
	uint8_t isid[6];
	struct ini_offer offer;
	bool security_stage;	     /* begin the login with it */
	const struct ini_chap *chap; /* in the security stage; NULL: AuthMethod=None */
	bool hold_response;	     /* to the challenge; ini_prove sends it */
	bool hold_r2ts;		     /* they are counted, not answered */
	bool deaf;		     /* nothing is read from the socket */
	bool mute_pings;	     /* they are not answered */
	/* xored to the next such digest that is sent */
	uint8_t spoil_header, spoil_data;

	enum ini_state state;
	uint16_t login_status;
	char moved_to[64]; /* TargetAddress of a login that was redirected */
	uint16_t tsih;
	bool closed; /* by the target */
	bool logged_out;
	char broken[160];
	bool challenged, target_proved;
	unsigned chap_algorithm;

	/* as agreed */
	bool immediate_data, initial_r2t;
	bool header_digest, data_digest; /* once the login is over */
	uint32_t first_burst, max_burst, target_segment;

	uint32_t cmd_sn, exp_cmd_sn, max_cmd_sn, exp_stat_sn, next_itt;
	bool stat_sn_known;
	struct list queued, sent;
	unsigned nqueued, nsent;

	/* what has come */
	unsigned nops, pings, rejects, asyncs, texts, tmfs, ndone;
	uint8_t tmf_response, reject_reason, async_event;
	uint8_t tmf_info[3];
	unsigned tmfs_rejected;
	unsigned async_lun, async_seconds; /* LUN; Parameter3 */
	char *text;			   /* of Text Responses, joined */
	size_t text_len;
	uint32_t text_ttt;
	uint32_t nop_data_len;
	uint8_t nop_data[256];

	/* private */
	bool header_agreed, data_agreed;
	const char *target;
	bool discovery;
	struct {
		unsigned id;
		char challenge[80], method[16], name[64], response[80];
	} said; /* of CHAP, by the target */
	uint8_t *in;
	size_t in_len, in_cap;
};

/* @isid tells apart sessions of one name. */
void ini_init(struct ini *i, struct fake_world *w, const char *name, uint8_t isid);
/* Forgets all about an older connection: its commands are LOST. */
void ini_connect(struct ini *i, struct fake_sock *k);
/* Sends the first Login Request; @target NULL: discovery. */
void ini_login(struct ini *i, const char *target);
/* Takes what has come, answers, and sends what the window lets through. */
void ini_poll(struct ini *i);
/* Notices that the target has closed; a system call, so not for every turn. */
void ini_look_closed(struct ini *i);
/* Ends the connection from this side; its commands are LOST. */
void ini_close(struct ini *i);
void ini_reset(struct ini *i);
/* Frees what it holds; the socket is the world's. */
void ini_fini(struct ini *i);

void ini_submit(struct ini *i, struct ini_cmd *c);
/* Task management as an immediate command; tmfs counts the answers. @ref may be NULL. */
void ini_tmf(struct ini *i, enum iscsi_tmf function, unsigned lun, const struct ini_cmd *ref);
/* A TMF has taken it: no answer may come any more. */
void ini_forget(struct ini_cmd *c);
/* Those that were held back (hold_r2ts). */
void ini_answer_r2ts(struct ini *i, struct ini_cmd *c);
void ini_nop(struct ini *i, bool immediate, const void *data, uint32_t len);
void ini_text(struct ini *i, const char *text, size_t len, uint32_t ttt);
void ini_logout(struct ini *i);

/* Any PDU, as it is but for its data length. */
void ini_send_pdu(struct ini *i, const void *bhs, const void *data, uint32_t len);
void ini_send_raw(struct ini *i, const void *data, size_t len);
/* The next CmdSN, taken. */
uint32_t ini_take_sn(struct ini *i);
void ini_break(struct ini *i, const char *fmt, ...) PRINTF(2, 3);

/* initiator_login.c */
void ini_prove(struct ini *i);
void ini_on_login(struct ini *i, const struct bhs_login_rsp *h, const uint8_t *data, uint32_t len);

/* initiator_cmd.c: the PDUs of SCSI commands */
void ini_cmd_send(struct ini *i, struct ini_cmd *c);
void ini_on_r2t(struct ini *i, const struct bhs_r2t *h);
void ini_on_data_in(struct ini *i, const struct bhs_data_in *h, const uint8_t *data, uint32_t len);
void ini_on_response(struct ini *i, const struct bhs_scsi_rsp *h, const uint8_t *data,
		     uint32_t len);

/* --- commands: fill in cdb, lengths, buffers (blocks of 512 bytes) --- */
void cmd_read(struct ini_cmd *c, uint64_t lba, uint32_t n, void *buf);
void cmd_write(struct ini_cmd *c, uint64_t lba, uint32_t n, const void *buf, bool fua);
void cmd_flush(struct ini_cmd *c);
/* @list: 24 bytes of the caller's. */
void cmd_unmap(struct ini_cmd *c, uint64_t lba, uint32_t n, uint8_t list[static 24]);
void cmd_test_unit_ready(struct ini_cmd *c);
/* Sense key of a CHECK CONDITION, or -1; and ASC << 8 | ASCQ. */
int cmd_sense_key(const struct ini_cmd *c);
int cmd_sense_code(const struct ini_cmd *c);
