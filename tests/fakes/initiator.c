/* The initiator's half of a connection: framing, and all PDUs but those of the login
 * (initiator_login.c) and of SCSI commands (initiator_cmd.c).
 *
 * Bytes are taken from the fake socket as they come; whole PDUs are cut from them, their
 * sequence numbers checked, and handed on by opcode. */
#include "tests/fakes/initiator.h"

#include "backstore/base/crc32c.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SEGMENT = 8192 };

void ini_break(struct ini *i, const char *fmt, ...)
{
	va_list ap;

	if (*i->broken)
		return;
	va_start(ap, fmt);
	vsnprintf(i->broken, sizeof(i->broken), fmt, ap);
	va_end(ap);
}

void ini_init(struct ini *i, struct fake_world *w, const char *name, uint8_t isid)
{
	memset(i, 0, sizeof(*i));
	list_init(&i->link);
	list_init(&i->queued);
	list_init(&i->sent);
	i->w = w;
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->isid[0] = 0x80; /* random format (RFC 7143 11.12.5) */
	i->isid[5] = isid;
	i->offer = (struct ini_offer){
		.ImmediateData = true,
		.FirstBurstLength = 65536,
		.MaxBurstLength = 262144,
		.MaxRecvDataSegmentLength = 262144,
		.MaxOutstandingR2T = 4,
	};
	i->closed = true;
}

static void lose(struct ini_cmd *c)
{
	list_del(&c->link);
	c->state = INI_CMD_LOST;
	if (c->done)
		c->done(c);
}

static void lose_all(struct ini *i)
{
	struct list gone;

	list_init(&gone);
	list_splice_tail(&gone, &i->sent);
	list_splice_tail(&gone, &i->queued);
	i->nsent = i->nqueued = 0;
	while (!list_empty(&gone))
		lose(list_first(&gone, struct ini_cmd, link));
}

void ini_forget(struct ini_cmd *c)
{
	if (c->state == INI_CMD_SENT)
		c->ini->nsent--;
	else if (c->state == INI_CMD_QUEUED)
		c->ini->nqueued--;
	else
		return;
	lose(c);
}

void ini_connect(struct ini *i, struct fake_sock *k)
{
	lose_all(i);
	i->k = k;
	i->closed = i->logged_out = i->stat_sn_known = false;
	i->state = INI_CLOSED;
	i->login_status = 0xffff;
	i->in_len = i->text_len = 0;
	i->header_digest = i->data_digest = false;
	i->immediate_data = i->initial_r2t = true; /* the defaults of 13 */
	i->first_burst = 65536;
	i->max_burst = 262144;
	i->target_segment = FIRST_SEGMENT;
}

static void gone(struct ini *i)
{
	i->closed = true;
	if (i->state != INI_REFUSED)
		i->state = INI_CLOSED;
	lose_all(i);
}

void ini_close(struct ini *i)
{
	if (i->k && !i->closed)
		fake_sock_close(i->k);
	gone(i);
}

void ini_reset(struct ini *i)
{
	if (i->k && !i->closed)
		fake_sock_reset(i->k);
	gone(i);
}

void ini_fini(struct ini *i)
{
	lose_all(i);
	free(i->in);
	free(i->text);
	i->in = NULL;
	i->text = NULL;
	i->in_len = i->in_cap = 0;
}

/* --- sending --- */

void ini_send_raw(struct ini *i, const void *data, size_t len)
{
	if (!i->closed)
		fake_sock_write(i->k, data, len);
}

static const uint8_t zeros[4];

static void send_digest(struct ini *i, uint32_t crc, uint8_t *spoil)
{
	uint8_t digest[4];

	crc32c_put(digest, crc);
	digest[1] ^= *spoil;
	*spoil = 0;
	ini_send_raw(i, digest, sizeof(digest));
}

void ini_send_pdu(struct ini *i, const void *bhs, const void *data, uint32_t len)
{
	uint32_t crc;
	struct bhs h;

	memcpy(&h, bhs, sizeof(h));
	h.data_len = be24_of(len);
	ini_send_raw(i, &h, sizeof(h));
	if (i->header_digest)
		send_digest(i, crc32c_add(CRC32C_START, &h, sizeof(h)), &i->spoil_header);
	if (len)
		ini_send_raw(i, data, len);
	if (-len & 3)
		ini_send_raw(i, zeros, -len & 3);
	if (i->data_digest && len) {
		crc = crc32c_add(CRC32C_START, data, len);
		send_digest(i, crc32c_add(crc, zeros, -len & 3), &i->spoil_data);
	}
}

uint32_t ini_take_sn(struct ini *i)
{
	return i->cmd_sn++;
}

void ini_tmf(struct ini *i, enum iscsi_tmf function, unsigned lun, const struct ini_cmd *ref)
{
	struct bhs_tmf_req h = { .opcode = ISCSI_TMF_REQ | ISCSI_IMMEDIATE };

	h.flags = (uint8_t)(ISCSI_FINAL | (unsigned)function);
	h.lun[1] = (uint8_t)lun;
	h.itt = be32_of(i->next_itt++);
	h.ref_itt = be32_of(ref ? ref->itt : ISCSI_NO_TAG);
	h.ref_cmd_sn = be32_of(ref ? ref->cmd_sn : 0);
	h.cmd_sn = be32_of(i->cmd_sn);
	h.exp_stat_sn = be32_of(i->exp_stat_sn);
	ini_send_pdu(i, &h, NULL, 0);
}

void ini_nop(struct ini *i, bool immediate, const void *data, uint32_t len)
{
	struct bhs_nop_out h = { .opcode = ISCSI_NOP_OUT, .flags = ISCSI_FINAL };

	if (immediate)
		h.opcode |= ISCSI_IMMEDIATE;
	h.itt = be32_of(i->next_itt++);
	h.ttt = be32_of(ISCSI_NO_TAG);
	h.cmd_sn = be32_of(immediate ? i->cmd_sn : ini_take_sn(i));
	h.exp_stat_sn = be32_of(i->exp_stat_sn);
	ini_send_pdu(i, &h, data, len);
}

void ini_text(struct ini *i, const char *text, size_t len, uint32_t ttt)
{
	struct bhs_text_req h = { .opcode = ISCSI_TEXT_REQ, .flags = ISCSI_FINAL };

	h.itt = be32_of(0x7e717e71);
	h.ttt = be32_of(ttt);
	h.cmd_sn = be32_of(ini_take_sn(i));
	h.exp_stat_sn = be32_of(i->exp_stat_sn);
	ini_send_pdu(i, &h, text, (uint32_t)len);
}

void ini_logout(struct ini *i)
{
	struct bhs_logout_req h = { .opcode = ISCSI_LOGOUT_REQ | ISCSI_IMMEDIATE,
				    .flags = ISCSI_FINAL };

	h.itt = be32_of(i->next_itt++);
	h.cmd_sn = be32_of(i->cmd_sn);
	h.exp_stat_sn = be32_of(i->exp_stat_sn);
	ini_send_pdu(i, &h, NULL, 0);
}

/* --- receiving --- */

static void on_nop(struct ini *i, const struct bhs_nop_in *h, const uint8_t *data, uint32_t len)
{
	struct bhs_nop_out pong = { .opcode = ISCSI_NOP_OUT | ISCSI_IMMEDIATE,
				    .flags = ISCSI_FINAL };

	if (be32_get(h->itt) != ISCSI_NO_TAG) {
		i->nops++;
		i->nop_data_len = len;
		memcpy(i->nop_data, data, MIN(len, sizeof(i->nop_data)));
		return;
	}
	i->pings++;
	if (be32_get(h->ttt) == ISCSI_NO_TAG || i->mute_pings)
		return;
	pong.itt = be32_of(ISCSI_NO_TAG);
	pong.ttt = h->ttt;
	pong.cmd_sn = be32_of(i->cmd_sn);
	pong.exp_stat_sn = be32_of(i->exp_stat_sn);
	ini_send_pdu(i, &pong, NULL, 0);
}

static void on_text(struct ini *i, const struct bhs_text_rsp *h, const uint8_t *data, uint32_t len)
{
	i->text = realloc(i->text, i->text_len + len + 1);
	assert(i->text);
	memcpy(i->text + i->text_len, data, len);
	i->text_len += len;
	i->text_ttt = be32_get(h->ttt);
	i->texts++;
}

static void on_pdu(struct ini *i, const struct bhs *h, const uint8_t *data, uint32_t len)
{
	switch (h->opcode) {
	case ISCSI_LOGIN_RSP:
		ini_on_login(i, (const void *)h, data, len);
		break;
	case ISCSI_SCSI_RSP:
		ini_on_response(i, (const void *)h, data, len);
		break;
	case ISCSI_DATA_IN:
		ini_on_data_in(i, (const void *)h, data, len);
		break;
	case ISCSI_R2T:
		ini_on_r2t(i, (const void *)h);
		break;
	case ISCSI_NOP_IN:
		on_nop(i, (const void *)h, data, len);
		break;
	case ISCSI_TEXT_RSP:
		on_text(i, (const void *)h, data, len);
		break;
	case ISCSI_TMF_RSP:
		i->tmfs++;
		i->tmf_response = ((const struct bhs_tmf_rsp *)h)->response;
		i->tmfs_rejected += i->tmf_response == ISCSI_TMF_REJECTED;
		memcpy(i->tmf_info, ((const struct bhs_tmf_rsp *)h)->additional, 3);
		break;
	case ISCSI_LOGOUT_RSP:
		i->logged_out = true;
		break;
	case ISCSI_REJECT:
		i->rejects++;
		i->reject_reason = ((const struct bhs_reject *)h)->reason;
		break;
	case ISCSI_ASYNC:
		i->asyncs++;
		i->async_event = ((const struct bhs_async *)h)->event;
		i->async_lun = h->lun[1];
		i->async_seconds = be16_get(((const struct bhs_async *)h)->param3);
		break;
	default:
		ini_break(i, "opcode %#x from a target", h->opcode);
	}
}

/* Whether this PDU takes a StatSN of its own (11.4.8 and the like). */
static bool has_status(const struct bhs *h)
{
	switch (h->opcode) {
	case ISCSI_R2T:
		return false;
	case ISCSI_DATA_IN:
		return h->flags & ISCSI_DATA_IN_STATUS;
	case ISCSI_NOP_IN:
		return be32_get(h->itt) != ISCSI_NO_TAG;
	default:
		return true;
	}
}

static void check_numbers(struct ini *i, const struct bhs *h)
{
	const struct bhs_nop_in *n = (const void *)h; /* all have them at the same place */
	uint32_t stat_sn = be32_get(n->stat_sn), exp = be32_get(n->exp_cmd_sn);
	uint32_t max = be32_get(n->max_cmd_sn);

	if (!i->stat_sn_known)
		i->exp_stat_sn = stat_sn;
	i->stat_sn_known = true;
	if (has_status(h)) {
		if (stat_sn != i->exp_stat_sn)
			ini_break(i, "opcode %#x: StatSN %u, expected %u", h->opcode, stat_sn,
				  i->exp_stat_sn);
		i->exp_stat_sn = stat_sn + 1;
	}
	if (h->opcode == ISCSI_LOGIN_RSP && ((const struct bhs_login_rsp *)h)->status_class)
		return;
	if (sn_before(exp, i->exp_cmd_sn) || sn_before(i->cmd_sn, exp))
		ini_break(i, "opcode %#x: ExpCmdSN %u after %u, CmdSN %u", h->opcode, exp,
			  i->exp_cmd_sn, i->cmd_sn);
	if (sn_before(max, i->max_cmd_sn) || sn_before(max, exp - 1))
		ini_break(i, "opcode %#x: MaxCmdSN %u after %u, ExpCmdSN %u", h->opcode, max,
			  i->max_cmd_sn, exp);
	i->exp_cmd_sn = exp;
	i->max_cmd_sn = max;
}

static void check_digest(struct ini *i, const char *what, const uint8_t *from, size_t len)
{
	uint8_t right[4];

	crc32c_put(right, crc32c_add(CRC32C_START, from, len));
	if (memcmp(right, from + len, sizeof(right)) != 0)
		ini_break(i, "opcode %#x: wrong %s digest", i->in[0], what);
}

/* One PDU off the front of what has come. */
static bool next_pdu(struct ini *i)
{
	struct bhs h;
	uint32_t len;
	size_t header_len, padded_len, whole;
	bool signed_data;

	if (i->in_len < sizeof(h))
		return false;
	memcpy(&h, i->in, sizeof(h));
	len = be24_get(h.data_len);
	header_len = sizeof(h) + (i->header_digest ? 4 : 0);
	padded_len = ((size_t)len + 3) / 4 * 4;
	signed_data = i->data_digest && len;
	whole = header_len + padded_len + (signed_data ? 4 : 0);
	if (h.ahs_words || len > MAX(i->offer.MaxRecvDataSegmentLength, FIRST_SEGMENT))
		ini_break(i, "opcode %#x: segment of %u bytes, AHS of %u words", h.opcode, len,
			  h.ahs_words);
	if (i->in_len < whole)
		return false;
	if (i->header_digest)
		check_digest(i, "header", i->in, sizeof(h));
	if (signed_data)
		check_digest(i, "data", i->in + header_len, padded_len);
	check_numbers(i, &h);
	on_pdu(i, &h, i->in + header_len, len);
	i->in_len -= whole;
	memmove(i->in, i->in + whole, i->in_len);
	return true;
}

static void send_queued(struct ini *i)
{
	while (!list_empty(&i->queued)) {
		struct ini_cmd *c = list_first(&i->queued, struct ini_cmd, link);

		if (!c->immediate && sn_before(i->max_cmd_sn, i->cmd_sn))
			return;
		list_del(&c->link);
		i->nqueued--;
		list_add_tail(&i->sent, &c->link);
		i->nsent++;
		c->state = INI_CMD_SENT;
		ini_cmd_send(i, c);
	}
}

void ini_poll(struct ini *i)
{
	size_t n;

	if (!i->k || i->closed || i->deaf)
		return;
	n = fake_sock_readable(i->k);
	if (i->in_len + n > i->in_cap) {
		i->in_cap = (i->in_len + n) * 2;
		i->in = realloc(i->in, i->in_cap);
		assert(i->in);
	}
	if (n)
		i->in_len += fake_sock_read(i->k, i->in + i->in_len, n);
	while (n && next_pdu(i))
		;
	if (i->state == INI_FULL && !i->logged_out)
		send_queued(i);
}

void ini_look_closed(struct ini *i)
{
	if (!i->k || i->closed || i->deaf || fake_sock_readable(i->k) ||
	    !fake_sock_is_closed_by_server(i->k))
		return;
	fake_sock_close(i->k);
	gone(i);
}

void ini_submit(struct ini *i, struct ini_cmd *c)
{
	c->ini = i;
	c->status = 0xff;
	c->sense_len = c->in_len = 0;
	c->residual = 0;
	c->data_sn = c->r2t_sn = c->burst_bytes = c->r2ts_held = 0;
	c->state = INI_CMD_QUEUED;
	list_add_tail(&i->queued, &c->link);
	i->nqueued++;
	if (i->closed)
		lose_all(i);
	else if (i->state == INI_FULL && !i->logged_out)
		send_queued(i);
}
