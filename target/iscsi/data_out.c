/* Data-Out: what comes unasked, and what R2Ts ask for (RFC 7143 11.7, 11.8).
 *
 * DataPDUInOrder and DataSequenceInOrder are Yes: within a burst the next offset is the
 * only right one. Anything else is a protocol error, and at ErrorRecoveryLevel 0 that
 * ends the session; no byte of it is placed. A wrong DataSN means that a PDU was lost (7.9), a
 * wrong digest that one was damaged (7.8): the rest of what is under way is received to nowhere,
 * and then the command fails. */
#include "target/iscsi/conn.h"
#include "target/iscsi/task.h"
#include "target/iscsi/who.h"

#include "backstore/base/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Of those that were sent: a tag that was not told yet may still be guessed. */
static struct r2t *find_r2t(struct task *t, uint32_t ttt)
{
	for (unsigned i = 0; i < t->nr2ts - t->r2ts_unsent; i++)
		if (t->r2ts[i].ttt == ttt)
			return &t->r2ts[i];
	return NULL;
}

static const char *check_unsolicited(const struct task *t, const struct bhs_data_out *h,
				     uint32_t len)
{
	uint32_t limit = MIN(t->session->conn->params.FirstBurstLength, t->edtl);

	if (!t->unsolicited)
		return "unsolicited Data-Out after the final one";
	if (be32_get(h->offset) != t->got_bytes)
		return "buffer offset out of order";
	if (t->got_bytes > limit || len > limit - t->got_bytes)
		return "unsolicited data beyond FirstBurstLength or the expected length";
	return NULL;
}

static const char *check_solicited(const struct r2t *r, const struct bhs_data_out *h, uint32_t len)
{
	if (!r)
		return "unknown target transfer tag";
	if (be32_get(h->offset) != r->off_bytes + r->got_bytes)
		return "buffer offset out of order";
	if (len > r->len_bytes - r->got_bytes)
		return "more data than the R2T asked for";
	if (!(h->flags & ISCSI_FINAL) != (len < r->len_bytes - r->got_bytes))
		return "F bit not at the end of the burst";
	return NULL;
}

/* Nothing of its data will reach the disk any more. */
static void fail(struct task *t, const char *what)
{
	if (t->ended)
		return;
	log_warn(WHO ": Data-Out %s, the command fails", WHO_OF(t->session->conn), what);
	scsi_cmd_fail(&t->cmd, 0x0b, 0x47, 0x05); /* protocol service CRC error (11.4.7.2) */
	t->ended = true;
}

int data_out_place(struct task *t, const struct bhs_data_out *h, uint32_t len, struct iovec *dst,
		   int *dst_cnt, const char **why)
{
	bool unsolicited = be32_get(h->ttt) == ISCSI_NO_TAG;
	const struct r2t *r = find_r2t(t, be32_get(h->ttt));

	*why = unsolicited ? check_unsolicited(t, h, len) : check_solicited(r, h, len);
	if (*why)
		return -EPROTO;
	if (be32_get(h->data_sn) != (unsolicited ? t->unsolicited_sn : r->data_sn))
		fail(t, "out of sequence");
	*dst_cnt = t->ended ? 0 : task_slice(t, be32_get(h->offset), len, dst, PDU_RX_MAX_IOV);
	return 0;
}

void data_out_done(struct task *t, const struct bhs_data_out *h, uint32_t len)
{
	struct r2t *r;

	if (be32_get(h->ttt) == ISCSI_NO_TAG) {
		t->unsolicited_sn++;
		t->got_bytes += len;
		t->filled_bytes = MIN(t->got_bytes, t->buffer_bytes);
		t->unsolicited = !(h->flags & ISCSI_FINAL);
		task_advance(t);
		return;
	}
	r = find_r2t(t, be32_get(h->ttt));
	assert(r); /* data_out_place has seen it */
	r->data_sn++;
	r->got_bytes += len;
	t->filled_bytes += len;
	if (!(h->flags & ISCSI_FINAL))
		return;
	t->nr2ts--;
	memmove(r, r + 1, (size_t)(&t->r2ts[t->nr2ts] - r) * sizeof(*r));
	task_advance(t);
}

void data_out_damaged(struct task *t, const struct bhs_data_out *h, uint32_t len)
{
	fail(t, "with a wrong digest");
	data_out_done(t, h, len);
}

void data_out_solicit(struct task *t)
{
	const struct params *p = &t->session->conn->params;

	if (t->asked_bytes < t->filled_bytes)
		t->asked_bytes = t->filled_bytes;
	while (t->nr2ts < MIN(p->MaxOutstandingR2T, TASK_MAX_R2TS) &&
	       t->asked_bytes < t->buffer_bytes) {
		struct r2t *r = &t->r2ts[t->nr2ts++];

		*r = (struct r2t){
			.ttt = session_new_ttt(t->session),
			.off_bytes = t->asked_bytes,
			.len_bytes = MIN(p->MaxBurstLength, t->buffer_bytes - t->asked_bytes),
		};
		t->asked_bytes += r->len_bytes;
		t->r2ts_unsent++;
	}
	if (t->r2ts_unsent && list_empty(&t->tx.link))
		conn_queue(t->session->conn, &t->tx);
}

enum tx_fill data_out_fill(struct task *t, struct tx *tx)
{
	for (; t->r2ts_unsent; t->r2ts_unsent--) {
		const struct r2t *r = &t->r2ts[t->nr2ts - t->r2ts_unsent];
		struct bhs_r2t *h = (struct bhs_r2t *)tx_pdu(tx, NULL, 0, 0);

		if (!h)
			return TX_MORE;
		h->opcode = ISCSI_R2T;
		h->flags = ISCSI_FINAL;
		memcpy(h->lun, t->cmd.lun, sizeof(h->lun));
		h->itt = t->itt;
		h->ttt = be32_of(r->ttt);
		h->r2t_sn = be32_of(t->r2t_sn++);
		h->offset = be32_of(r->off_bytes);
		h->length = be32_of(r->len_bytes);
		conn_stamp(t->session->conn, (struct bhs *)h, false);
	}
	list_del(&t->tx.link);
	return TX_COPIED;
}
