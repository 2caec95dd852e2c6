/* An iSCSI session of one connection, as the initiator: for the iscsi_*.c only. */
#pragma once

#include "backstore/base/crc32c.h"
#include "bench/src/conn.h"
#include "target/iscsi/proto.h"

enum {
	/* What open-iscsi offers, so that a target does here what it does for Linux. */
	ISCSI_OUR_SEGMENT_BYTES = 262144,
	ISCSI_OUR_FIRST_BURST = 262144,
	ISCSI_OUR_MAX_BURST = 16776192,
	ISCSI_SENSE_BYTES = 252,
	ISCSI_MAX_PONGS = 16,
	ISCSI_TAG_INDEX = 0xfff, /* of a task tag: which task */
};

struct iscsi_params {
	bool header_digest, data_digest, initial_r2t, immediate_data;
	uint32_t segment_bytes; /* the most that the target takes in one PDU */
	uint32_t max_burst, first_burst;
};

enum iscsi_rx_state { RX_HEADER, RX_DATA, RX_TRAILER };

/* The PDU that is coming. */
struct iscsi_rx {
	enum iscsi_rx_state state;
	uint8_t header[ISCSI_BHS_BYTES + 4]; /* and its digest */
	unsigned have;			     /* of the header, or the trailer */
	uint32_t data_left, crc;
	uint8_t *to; /* where the data goes; NULL: nowhere */
	uint8_t trailer[8];
	unsigned pad;
	struct task *task;		      /* a Data-In's */
	uint8_t small[2 + ISCSI_SENSE_BYTES]; /* data of other PDUs, its beginning */
	unsigned small_len;
};

struct iscsi_conn {
	struct conn base;
	struct iscsi_params params;
	uint8_t isid[6], lun[8];
	uint16_t tsih;
	uint32_t itt, cmd_sn, exp_stat_sn, max_cmd_sn;
	uint32_t disk_block_bytes;
	uint64_t disk_blocks;
	struct list bursts; /* tasks with data to be sent, in order */
	struct bhs_nop_out pongs[ISCSI_MAX_PONGS];
	unsigned pong_count;
	struct bhs_scsi_cmd read_head, write_head;   /* what is the same in all */
	uint32_t immediate_bytes, unsolicited_bytes; /* of a write; the latter with the former */
	struct iscsi_rx rx;
};

static inline struct iscsi_conn *iscsi_of(struct conn *c)
{
	return container_of(c, struct iscsi_conn, base);
}

/* @in: as it stands on the wire. */
bool iscsi_digest_ok(const uint8_t in[4], uint32_t crc);

/* ── blocking, before the load (iscsi_sync.c) ─────────────────────────── */

/* @bhs: its data_len is set here. Both return 0 or -errno after saying why. */
int iscsi_sync_send(struct iscsi_conn *ic, void *bhs, const void *data, uint32_t len) MUST_CHECK;
/* Of the data the first @cap bytes; @len is all of it. Pings are answered on the way. */
int iscsi_sync_recv(struct iscsi_conn *ic, struct bhs *bhs, void *data, uint32_t cap,
		    uint32_t *len) MUST_CHECK;

/* ── login (iscsi_login.c), disk (iscsi_disk.c) ───────────────────────── */

int iscsi_login(struct iscsi_conn *ic) MUST_CHECK;
int iscsi_disk_ready(struct iscsi_conn *ic) MUST_CHECK;
void iscsi_sense_text(const uint8_t *sense, unsigned len, char *out, size_t cap);

/* ── the load (iscsi_cmd.c, iscsi_rx.c) ───────────────────────────────── */

void iscsi_prepare(struct iscsi_conn *ic);
bool iscsi_may_issue(struct conn *c);
void iscsi_issue(struct conn *c, struct task *t);
void iscsi_pump(struct conn *c);
void iscsi_finish(struct conn *c);
int iscsi_feed(struct conn *c, const uint8_t *data, size_t len);

/* The NOP-Out that answers a ping. */
struct bhs_nop_out iscsi_pong(const struct iscsi_conn *ic, const struct bhs_nop_in *ping);

/* ExpStatSN and MaxCmdSN from a PDU of the target's, which all have them in one place. */
static inline void iscsi_take_window(struct iscsi_conn *ic, const void *bhs)
{
	uint32_t max = be32_get(((const struct bhs_scsi_rsp *)bhs)->max_cmd_sn);

	if (sn_before(ic->max_cmd_sn, max))
		ic->max_cmd_sn = max;
}
static inline void iscsi_take_status(struct iscsi_conn *ic, const void *bhs)
{
	ic->exp_stat_sn = be32_get(((const struct bhs_scsi_rsp *)bhs)->stat_sn) + 1;
}
