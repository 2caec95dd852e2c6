/* Data-In PDUs and the SCSI Response (RFC 7143 11.4, 11.7).
 *
 * Data is sent from the buffer that the disk filled. GOOD status travels in the last
 * Data-In; anything else, and commands without data, get a SCSI Response. */
#include "target/iscsi/conn.h"
#include "target/iscsi/task.h"

#include <string.h>

/* 11.4.5: what the CDB moves against what the initiator expected. Returns the flag. */
static uint8_t residual(const struct task *t, be32 *count)
{
	uint64_t expected = t->flags & (ISCSI_CMD_READ | ISCSI_CMD_WRITE) ? t->edtl : 0;
	uint64_t moved = t->cmd.transfer_bytes;

	if (moved > expected) {
		*count = be32_of((uint32_t)MIN(moved - expected, UINT32_MAX));
		return ISCSI_RSP_OVERFLOW;
	}
	if (moved < expected) {
		*count = be32_of((uint32_t)(expected - moved));
		return ISCSI_RSP_UNDERFLOW;
	}
	return 0;
}

/* The initiator is free to send one more as soon as it sees this status. */
static void take_status(struct task *t, struct conn *c, struct bhs *h)
{
	task_leave_session(t);
	conn_stamp(c, h, true);
}

/* One Data-In. Returns false where the batch has no room. */
static bool data_in(struct task *t, struct conn *c, struct tx *tx)
{
	uint32_t left = t->cmd.in_bytes - t->sent_bytes;
	uint32_t len = MIN(left, c->params.MaxRecvDataSegmentLength);
	struct iovec iov[TASK_MAX_IOV];
	struct bhs_data_in *h;
	bool last;
	int n;

	len = MIN(len, c->params.MaxBurstLength - t->burst_bytes);
	if (len < left && len > 3)
		len &= ~3u; /* only the last one is padded (11.7.7) */
	last = len == left;
	n = task_slice(t, t->sent_bytes, len, iov, TASK_MAX_IOV);
	h = (struct bhs_data_in *)tx_pdu(tx, iov, n, len);
	if (!h)
		return false;
	h->opcode = ISCSI_DATA_IN;
	h->itt = t->itt;
	h->ttt = be32_of(ISCSI_NO_TAG);
	h->data_sn = be32_of(t->data_sn++);
	h->offset = be32_of(t->sent_bytes);
	t->sent_bytes += len;
	t->burst_bytes += len;
	if (last || t->burst_bytes == c->params.MaxBurstLength) {
		h->flags = ISCSI_FINAL;
		t->burst_bytes = 0;
	}
	if (last && t->cmd.status == SCSI_GOOD) {
		h->status = t->cmd.status;
		h->flags |= ISCSI_DATA_IN_STATUS | residual(t, &h->residual);
		take_status(t, c, (struct bhs *)h);
	} else {
		conn_stamp(c, (struct bhs *)h, false);
		h->stat_sn = be32_of(0); /* reserved without status (11.7.4) */
	}
	return true;
}

static bool response(struct task *t, struct conn *c, struct tx *tx)
{
	struct iovec iov = { t->sense_segment, 0 };
	struct bhs_scsi_rsp *h;

	if (t->cmd.sense_len) {
		put_be16(t->sense_segment, t->cmd.sense_len);
		memcpy(t->sense_segment + 2, t->cmd.sense, t->cmd.sense_len);
		iov.iov_len = 2u + t->cmd.sense_len;
	}
	h = (struct bhs_scsi_rsp *)tx_pdu(tx, &iov, iov.iov_len > 0, (uint32_t)iov.iov_len);
	if (!h)
		return false;
	h->opcode = ISCSI_SCSI_RSP;
	h->flags = ISCSI_FINAL | residual(t, &h->residual);
	h->status = t->cmd.status;
	h->itt = t->itt;
	h->exp_data_sn = be32_of(t->cmd.dir == SCSI_DIR_OUT ? t->r2t_sn : t->data_sn);
	take_status(t, c, (struct bhs *)h);
	return true;
}

enum tx_fill data_in_fill(struct task *t, struct tx *tx)
{
	struct conn *c = t->session->conn;

	while (t->sent_bytes < t->cmd.in_bytes)
		if (!data_in(t, c, tx))
			return TX_MORE;
	if (t->session && !response(t, c, tx))
		return TX_MORE;
	if (t->sent_bytes || t->cmd.sense_len)
		return TX_HOLD;
	task_free(t);
	return TX_COPIED;
}
