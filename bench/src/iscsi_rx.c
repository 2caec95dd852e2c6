/* What comes under load. The bytes are parsed where they lie; data is copied only to be
 * verified, and digests are computed on the way.
 *
 *     HEADER (48, digest) ─▶ DATA ─▶ TRAILER (padding, digest) ─▶ the PDU is done
 *        └──────────────── no data ─────────────────────────────────▲
 *
 * What a target may do is done; what it may not ends the connection with an error. */
#include "bench/src/iscsi.h"

#include <errno.h>

enum {
	STATUS_GOOD = 0x00,
	STATUS_CHECK = 0x02,
	STATUS_BUSY = 0x08,
	STATUS_TASK_SET_FULL = 0x28,
};

#define broke(ic, ...) (conn_fail(&(ic)->base, LOAD_PROTOCOL, __VA_ARGS__), -EPROTO)

static struct task *find_task(struct iscsi_conn *ic, be32 itt)
{
	uint32_t tag = be32_get(itt), index = tag & ISCSI_TAG_INDEX;
	struct task *t;

	if (index >= ic->base.run->opt->depth)
		return NULL;
	t = &ic->base.tasks[index];
	return t->under_way && t->itt == tag ? t : NULL;
}

/* ── how a command ended ──────────────────────────────────────────────── */

static void end_failed(struct iscsi_conn *ic, struct task *t, unsigned status)
{
	const struct iscsi_rx *rx = &ic->rx;
	unsigned len = rx->small_len > 2 ? rx->small_len - 2 : 0;
	char sense[64] = "";

	if (status == STATUS_CHECK)
		iscsi_sense_text(rx->small + 2, len, sense, sizeof(sense));
	run_complain(ic->base.run, "%s of byte %llu: status 0x%02x %s",
		     t->pick.is_write ? "write" : "read", (unsigned long long)t->pick.off_bytes,
		     status, sense);
	conn_task_failed(&ic->base, t, status == STATUS_CHECK ? LOAD_CHECK : LOAD_STATUS);
}

static int end_good(struct iscsi_conn *ic, struct task *t, uint8_t flags, uint32_t residual)
{
	uint32_t bytes = (uint32_t)ic->base.run->opt->block_bytes;
	bool is_write = t->pick.is_write;

	if ((flags & (ISCSI_RSP_OVERFLOW | ISCSI_RSP_UNDERFLOW) && residual) ||
	    (!is_write && t->got_bytes != bytes)) {
		run_complain(ic->base.run, "%s of byte %llu: good, but %u of %u bytes",
			     is_write ? "write" : "read", (unsigned long long)t->pick.off_bytes,
			     is_write ? bytes - MIN(residual, bytes) : t->got_bytes, bytes);
		conn_task_failed(&ic->base, t, LOAD_SHORT);
		return 0;
	}
	if (is_write &&
	    (t->asked_bytes != bytes || t->burst_off != t->burst_end || t->r2t_off != t->r2t_end))
		return broke(ic, "the target says good to a write before it has all data");
	conn_task_good(&ic->base, t);
	return 0;
}

static int end_task(struct iscsi_conn *ic, struct task *t, const struct bhs_data_in *pdu)
{
	t->under_way = false;
	iscsi_take_status(ic, pdu);
	if (pdu->status == STATUS_GOOD)
		return end_good(ic, t, pdu->flags, be32_get(pdu->residual));
	list_del(&t->link); /* from bursts, where it had data to send */
	if (pdu->status == STATUS_BUSY || pdu->status == STATUS_TASK_SET_FULL)
		conn_task_busy(&ic->base, t);
	else
		end_failed(ic, t, pdu->status);
	return 0;
}

/* ── PDUs ─────────────────────────────────────────────────────────────── */

static int data_in_begins(struct iscsi_conn *ic, const struct bhs_data_in *pdu)
{
	uint32_t len = be24_get(pdu->data_len), off = be32_get(pdu->offset);
	uint32_t bytes = (uint32_t)ic->base.run->opt->block_bytes;
	struct task *t = find_task(ic, pdu->itt);

	if (!t || t->pick.is_write)
		return broke(ic, "Data-In for tag 0x%x, which reads nothing", be32_get(pdu->itt));
	if (len && (off != t->got_bytes || len > bytes - off))
		return broke(ic, "Data-In of %u bytes at %u, of a read of %u that has %u", len, off,
			     bytes, t->got_bytes);
	if (len > ISCSI_OUR_SEGMENT_BYTES)
		return broke(ic, "Data-In of %u bytes, more than our MaxRecvDataSegmentLength",
			     len);
	ic->rx.task = t;
	ic->rx.to = ic->base.buffers ? t->data + off : NULL;
	return 0;
}

static int data_in_came(struct iscsi_conn *ic, const struct bhs_data_in *pdu)
{
	struct task *t = ic->rx.task;

	t->got_bytes += be24_get(pdu->data_len);
	return pdu->flags & ISCSI_DATA_IN_STATUS ? end_task(ic, t, pdu) : 0;
}

static int response_came(struct iscsi_conn *ic, const struct bhs_scsi_rsp *pdu)
{
	struct task *t = find_task(ic, pdu->itt);

	if (!t)
		return broke(ic, "a response for tag 0x%x, which is not under way",
			     be32_get(pdu->itt));
	if (pdu->response)
		return broke(ic, "response code 0x%02x: the target failed", pdu->response);
	return end_task(ic, t, (const struct bhs_data_in *)(const void *)pdu);
}

static int r2t_came(struct iscsi_conn *ic, const struct bhs_r2t *pdu)
{
	uint32_t off = be32_get(pdu->offset), len = be32_get(pdu->length);
	uint32_t bytes = (uint32_t)ic->base.run->opt->block_bytes;
	struct task *t = find_task(ic, pdu->itt);

	if (!t || !t->pick.is_write)
		return broke(ic, "R2T for tag 0x%x, which writes nothing", be32_get(pdu->itt));
	if (off != t->asked_bytes || len == 0 || len > bytes - off || len > ic->params.max_burst)
		return broke(ic, "R2T for %u bytes at %u, of a write of %u that has %u", len, off,
			     bytes, t->asked_bytes);
	if (t->r2t_off != t->r2t_end ||
	    (t->burst_off != t->burst_end && t->burst_ttt != ISCSI_NO_TAG))
		return broke(ic, "more R2Ts at a time than MaxOutstandingR2T");
	t->asked_bytes = off + len;
	if (t->burst_off != t->burst_end) { /* the unsolicited one goes first */
		t->r2t_off = off;
		t->r2t_end = off + len;
		t->r2t_ttt = be32_get(pdu->ttt);
		return 0;
	}
	t->burst_off = off;
	t->burst_end = off + len;
	t->burst_ttt = be32_get(pdu->ttt);
	t->data_sn = 0;
	list_add_tail(&ic->bursts, &t->link);
	return 0;
}

static int ping_came(struct iscsi_conn *ic, const struct bhs_nop_in *pdu)
{
	if (be32_get(pdu->ttt) == ISCSI_NO_TAG)
		return 0; /* tells the command window */
	if (ic->pong_count == ISCSI_MAX_PONGS)
		return broke(ic, "%d pings at a time", (int)ISCSI_MAX_PONGS);
	ic->pongs[ic->pong_count++] = iscsi_pong(ic, pdu);
	return 0;
}

static int async_came(struct iscsi_conn *ic, const struct bhs_async *pdu)
{
	iscsi_take_status(ic, pdu);
	switch (pdu->event) {
	case ISCSI_ASYNC_REQUEST_LOGOUT:
	case ISCSI_ASYNC_DROP_CONN:
	case ISCSI_ASYNC_DROP_ALL:
		conn_fail(&ic->base, LOAD_LOST, "the target ends it (asynchronous event %u)",
			  pdu->event);
		return -EPIPE;
	default:
		run_complain(ic->base.run, "connection %u: asynchronous event %u, ignored",
			     ic->base.index, pdu->event);
		return 0;
	}
}

static int pdu_begins(struct iscsi_conn *ic)
{
	const struct bhs *bhs = (const struct bhs *)(const void *)ic->rx.header;

	ic->rx.to = ic->rx.small;
	ic->rx.small_len = 0;
	if (bhs->ahs_words)
		return broke(ic, "the target sent an additional header segment");
	if (bhs->opcode == ISCSI_DATA_IN)
		return data_in_begins(ic, (const struct bhs_data_in *)(const void *)bhs);
	if (be24_get(bhs->data_len) > ISCSI_OUR_SEGMENT_BYTES)
		return broke(ic, "a PDU of %u bytes, more than our MaxRecvDataSegmentLength",
			     be24_get(bhs->data_len));
	return 0;
}

static int pdu_came(struct iscsi_conn *ic)
{
	const void *bhs = ic->rx.header;

	iscsi_take_window(ic, bhs);
	switch (ic->rx.header[0]) {
	case ISCSI_DATA_IN:
		return data_in_came(ic, bhs);
	case ISCSI_SCSI_RSP:
		return response_came(ic, bhs);
	case ISCSI_R2T:
		return r2t_came(ic, bhs);
	case ISCSI_NOP_IN:
		return ping_came(ic, bhs);
	case ISCSI_ASYNC:
		return async_came(ic, bhs);
	case ISCSI_REJECT:
		return broke(ic, "the target rejects a PDU of opcode 0x%02x: reason 0x%02x",
			     (unsigned)(ic->rx.small[0] & ISCSI_OPCODE_MASK),
			     ((const struct bhs_reject *)bhs)->reason);
	case ISCSI_LOGOUT_RSP:
		if (ic->base.phase != CONN_FINISH)
			return broke(ic, "a logout response unasked");
		conn_done(&ic->base);
		return -ESHUTDOWN;
	default:
		return broke(ic, "a PDU of opcode 0x%02x", ic->rx.header[0]);
	}
}

/* ── bytes ────────────────────────────────────────────────────────────── */

static int header_done(struct iscsi_conn *ic)
{
	struct iscsi_rx *rx = &ic->rx;
	uint32_t len = get_be24(rx->header + 5);

	rx->have = 0;
	if (ic->params.header_digest &&
	    !iscsi_digest_ok(rx->header + ISCSI_BHS_BYTES,
			     crc32c_add(CRC32C_START, rx->header, ISCSI_BHS_BYTES)))
		return broke(ic, "a wrong header digest");
	if (pdu_begins(ic) < 0)
		return -EPROTO;
	if (!len)
		return pdu_came(ic);
	rx->state = RX_DATA;
	rx->data_left = len;
	rx->pad = -len & 3;
	rx->crc = CRC32C_START;
	return 0;
}

static void take_data(struct iscsi_conn *ic, const uint8_t *data, uint32_t n)
{
	struct iscsi_rx *rx = &ic->rx;

	if (ic->params.data_digest)
		rx->crc = crc32c_add(rx->crc, data, n);
	if (rx->to == rx->small) {
		uint32_t keep = MIN(n, (uint32_t)sizeof(rx->small) - rx->small_len);

		memcpy(rx->small + rx->small_len, data, keep);
		rx->small_len += keep;
	} else if (rx->to) {
		memcpy(rx->to, data, n);
		rx->to += n;
	}
	rx->data_left -= n;
}

static int trailer_done(struct iscsi_conn *ic)
{
	struct iscsi_rx *rx = &ic->rx;

	rx->state = RX_HEADER;
	rx->have = 0;
	if (ic->params.data_digest &&
	    !iscsi_digest_ok(rx->trailer + rx->pad, crc32c_add(rx->crc, rx->trailer, rx->pad)))
		return broke(ic, "a wrong data digest");
	return pdu_came(ic);
}

int iscsi_feed(struct conn *c, const uint8_t *data, size_t len)
{
	struct iscsi_conn *ic = iscsi_of(c);
	struct iscsi_rx *rx = &ic->rx;
	const size_t header_bytes = ISCSI_BHS_BYTES + (ic->params.header_digest ? 4 : 0);
	const size_t digest_bytes = ic->params.data_digest ? 4 : 0;
	int ret = 0;

	while (len && ret == 0) {
		size_t n;

		switch (rx->state) {
		case RX_HEADER:
			n = MIN(len, header_bytes - rx->have);
			memcpy(rx->header + rx->have, data, n);
			rx->have += (unsigned)n;
			if (rx->have == header_bytes)
				ret = header_done(ic);
			break;
		case RX_DATA:
			n = MIN(len, rx->data_left);
			take_data(ic, data, (uint32_t)n);
			if (!rx->data_left) {
				rx->state = RX_TRAILER;
				if (rx->pad + digest_bytes == 0)
					ret = trailer_done(ic);
			}
			break;
		case RX_TRAILER:
		default:
			n = MIN(len, rx->pad + digest_bytes - rx->have);
			memcpy(rx->trailer + rx->have, data, n);
			rx->have += (unsigned)n;
			if (rx->have == rx->pad + digest_bytes)
				ret = trailer_done(ic);
			break;
		}
		data += n;
		len -= n;
	}
	return ret;
}
