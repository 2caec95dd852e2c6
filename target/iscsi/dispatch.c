/* From a received PDU to whoever handles it.
 *
 * A PDU comes in two steps: after its header (is it allowed, is it its turn, where do its
 * data go) and when it is whole. Non-immediate PDUs are delivered in the order of CmdSN; one
 * that comes early waits in parked.c. */
#include "target/iscsi/conn.h"
#include "target/iscsi/parked.h"
#include "target/iscsi/who.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdlib.h>

enum {
	MAX_TEXT_BYTES = 64 << 10,	 /* of one Text PDU's data segment */
	FAIR_STAGED_BYTES = 64 << 10,	 /* of any PDU; pings may have more, where all together */
	REACTOR_STAGED_BYTES = 32 << 20, /* have no more than this */
};

static int stage(struct conn *c, uint32_t max)
{
	struct pdu_rx *rx = &c->parser;

	if (!rx->data_len)
		return 0;
	if (rx->data_len > max)
		return conn_protocol_error(c, "data segment too long for this PDU");
	if (rx->data_len > FAIR_STAGED_BYTES &&
	    c->reactor->staged_bytes + rx->data_len > REACTOR_STAGED_BYTES) {
		conn_close(c, "too many long pings are under way");
		return -ENOMEM;
	}
	c->staged = malloc(rx->data_len);
	if (!c->staged) {
		conn_close(c, "out of memory");
		return -ENOMEM;
	}
	c->staged_bytes = rx->data_len;
	c->reactor->staged_bytes += c->staged_bytes;
	rx->dst[0] = (struct iovec){ c->staged, rx->data_len };
	rx->dst_cnt = 1;
	return 0;
}

void dispatch_drop_staged(struct conn *c)
{
	free(c->staged);
	c->staged = NULL;
	c->reactor->staged_bytes -= c->staged_bytes;
	c->staged_bytes = 0;
}

static int stage_text(struct conn *c)
{
	return stage(c, MAX_TEXT_BYTES);
}

static int stage_ping(struct conn *c)
{
	return stage(c, c->parser.max_data_bytes);
}

/* --- SCSI commands and their data -------------------------------------------------- */

/* What 11.3 and 13.x allow of a command's header and immediate data. */
static const char *check_command(const struct conn *c, const struct bhs_scsi_cmd *h, uint32_t len)
{
	const struct params *p = &c->params;
	bool write = h->flags & ISCSI_CMD_WRITE;

	if (!write && !(h->flags & ISCSI_FINAL))
		return "a command with neither F nor W"; /* 11.3.1 */
	if (!(h->flags & (ISCSI_CMD_READ | ISCSI_CMD_WRITE)) && be32_get(h->edtl))
		return "data expected, but neither R nor W"; /* 11.3.1 */
	if (len && !write)
		return "immediate data with a command that does not write";
	if (len && !p->ImmediateData)
		return "immediate data, but ImmediateData=No was agreed";
	if (len > p->FirstBurstLength || (write && len > be32_get(h->edtl)))
		return "immediate data beyond FirstBurstLength or the expected length";
	if (write && !(h->flags & ISCSI_FINAL) && p->InitialR2T)
		return "unsolicited data announced, but InitialR2T=Yes was agreed";
	return NULL;
}

static int command_header(struct conn *c)
{
	const struct bhs_scsi_cmd *h = (const void *)&c->parser.bhs;
	const char *wrong = check_command(c, h, c->parser.data_len);
	struct session *s = c->session;
	struct task *t;

	if (wrong)
		return conn_protocol_error(c, wrong);
	if (session_find(s, h->itt))
		return dispatch_refuse(c, ISCSI_REJECT_TASK_IN_PROGRESS);
	if (h->opcode & ISCSI_IMMEDIATE && s->nimmediate >= SESSION_MAX_IMMEDIATE)
		return dispatch_refuse(c, ISCSI_REJECT_TOO_MANY_IMMEDIATE);
	t = task_new(s, h);
	if (!t) {
		conn_close(c, "out of memory");
		return -ENOMEM;
	}
	task_start(t);
	c->rx_task = t;
	if (!t->ended)
		c->parser.dst_cnt =
			task_slice(t, 0, c->parser.data_len, c->parser.dst, PDU_RX_MAX_IOV);
	return 0;
}

/* The task whose data have just come; NULL where it was aborted meanwhile. */
static struct task *received_task(struct conn *c)
{
	struct task *t = c->rx_task;

	c->rx_task = NULL;
	if (t && t->state == TASK_DROPPED) {
		task_free(t);
		return NULL;
	}
	return t;
}

static int command_pdu(struct conn *c)
{
	struct task *t = received_task(c);

	if (!t)
		return 0;
	t->got_bytes = c->parser.data_len;
	t->filled_bytes = MIN(t->got_bytes, t->buffer_bytes);
	task_advance(t);
	return 0;
}

static int data_out_header(struct conn *c)
{
	const struct bhs_data_out *h = (const void *)&c->parser.bhs;
	struct task *t = session_find(c->session, h->itt);
	const char *why;

	/* Of a task that was aborted or answered: received to nowhere (11.5.1). */
	if (!t || t->state != TASK_COLLECTING)
		return 0;
	if (data_out_place(t, h, c->parser.data_len, c->parser.dst, &c->parser.dst_cnt, &why))
		return conn_protocol_error(c, why);
	c->rx_task = t;
	return 0;
}

static int data_out_pdu(struct conn *c)
{
	struct task *t = received_task(c);

	if (t)
		data_out_done(t, (const void *)&c->parser.bhs, c->parser.data_len);
	return 0;
}

/* --- the table --------------------------------------------------------------------- */

static const struct {
	int (*header)(struct conn *c); /* where the data go; NULL: they are dropped */
	int (*pdu)(struct conn *c);
	bool numbered;	   /* carries CmdSN */
	bool in_discovery; /* allowed in a discovery session (4.3) */
	bool tagged;	   /* must have an ITT (11.2.1.8) */
	bool bare;	   /* must have neither data nor additional headers (11.5.2, 11.14.2) */
} table[64] = {
	[ISCSI_NOP_OUT] = { stage_ping, nop_out_pdu, true, true, false, false },
	[ISCSI_SCSI_CMD] = { command_header, command_pdu, true, false, true, false },
	[ISCSI_TMF_REQ] = { NULL, tmf_pdu, true, false, true, true },
	[ISCSI_TEXT_REQ] = { stage_text, text_pdu, true, true, true, false },
	[ISCSI_DATA_OUT] = { data_out_header, data_out_pdu, false, false, true, false },
	[ISCSI_LOGOUT_REQ] = { NULL, logout_pdu, true, true, true, true },
};

static unsigned opcode(const struct conn *c)
{
	return c->parser.bhs.opcode & ISCSI_OPCODE_MASK;
}

enum session_order dispatch_take_turn(struct conn *c, const struct bhs *h)
{
	enum session_order order = session_take_sn(c->session, bhs_cmd_sn(h));

	/* What needs no task gives its place in the window back at once. */
	if (order == SESSION_NOW && (h->opcode & ISCSI_OPCODE_MASK) != ISCSI_SCSI_CMD)
		session_credit(c->session);
	return order;
}

int dispatch_refuse(struct conn *c, enum iscsi_reject reason)
{
	struct session *s = c->session;
	bool has_task = opcode(c) == ISCSI_SCSI_CMD;

	if (!(c->parser.bhs.opcode & ISCSI_IMMEDIATE)) {
		bool untaken = session_untake_sn(s);

		/* The place in the window: of a command it was not given back yet. */
		if (untaken && !has_task)
			s->max_cmd_sn--;
		else if (!untaken && has_task)
			session_credit(s);
	}
	conn_reject(c, &c->parser.bhs, reason);
	return c->closed ? -EPROTO : 0;
}

int dispatch_run_header(struct conn *c)
{
	return table[opcode(c)].header ? table[opcode(c)].header(c) : 0;
}

int dispatch_run_pdu(struct conn *c)
{
	int rc = table[opcode(c)].pdu(c);

	dispatch_drop_staged(c);
	return rc;
}

/* --- digests ------------------------------------------------------------------------- */

/* 7.8: what came is not used, and the initiator hears so. A Data-Out's task fails once all of its
 * data has come. Anything else is as though it had never come: that leaves a hole in the row of
 * CmdSNs, which would hold up all that follows, in silence, until the initiator gave up; so then
 * the session ends (what 7.8 allows always), and the initiator begins anew at once. The same for
 * commands that take no number: they may have used up a unit attention. */
static int data_digest_error(struct conn *c)
{
	const struct bhs *h = &c->parser.bhs;
	bool hole = c->rx_order == SESSION_EARLY ||
		    (c->rx_order == SESSION_NOW && table[opcode(c)].numbered &&
		     (!(h->opcode & ISCSI_IMMEDIATE) || opcode(c) == ISCSI_SCSI_CMD));
	struct task *t;

	log_warn(WHO ": data digest error in a PDU with opcode %#x%s", WHO_OF(c), opcode(c),
		 hole ? ", the session ends" : "");
	dispatch_drop_staged(c);
	conn_reject(c, h, ISCSI_REJECT_DATA_DIGEST);
	if (c->closed)
		return -EPROTO;
	if (hole) {
		conn_close_when_sent(c);
		return 0;
	}
	t = received_task(c);
	if (t)
		data_out_damaged(t, (const void *)h, c->parser.data_len);
	return 0;
}

/* --- the parser's callbacks ---------------------------------------------------------- */

static enum session_order order_of(struct conn *c)
{
	const struct bhs *h = &c->parser.bhs;

	if (!table[opcode(c)].numbered)
		return parked_has(c, h->itt) ? SESSION_EARLY : SESSION_NOW;
	if (h->opcode & ISCSI_IMMEDIATE)
		return opcode(c) == ISCSI_TMF_REQ ? tmf_order(c) : SESSION_NOW;
	return dispatch_take_turn(c, h);
}

/* What ends the session for its form alone (7.7). */
static const char *check_format(const struct conn *c)
{
	const struct pdu_rx *rx = &c->parser;

	if (table[opcode(c)].tagged && be32_get(rx->bhs.itt) == ISCSI_NO_TAG)
		return "a request without a task tag";
	if (table[opcode(c)].bare && (rx->data_len || rx->ahs_len))
		return "data or additional headers where there must be none";
	return NULL;
}

static int full_feature_header(struct conn *c)
{
	const char *wrong = check_format(c);

	if (wrong)
		return conn_protocol_error(c, wrong);
	if (opcode(c) == ISCSI_LOGIN_REQ)
		return conn_protocol_error(c, "Login Request in full feature phase");
	if (!table[opcode(c)].pdu) {
		c->rx_order = SESSION_NOW;
		return 0; /* rejected when it is whole */
	}
	if (!c->session->target && !table[opcode(c)].in_discovery)
		return conn_protocol_error(c, "not allowed in a discovery session");
	c->rx_order = order_of(c);
	switch (c->rx_order) {
	case SESSION_EARLY:
		return parked_add(c);
	case SESSION_IGNORE:
		log_debug(WHO ": CmdSN %u outside of the window, ignored", WHO_OF(c),
			  bhs_cmd_sn(&c->parser.bhs));
		return 0;
	case SESSION_NOW:
	default:
		return dispatch_run_header(c);
	}
}

int dispatch_header(struct pdu_rx *rx)
{
	struct conn *c = container_of(rx, struct conn, parser);

	rx->dst_cnt = 0;
	if (unlikely(c->closed)) /* by what came before it in the same bytes */
		return -EPROTO;
	if (c->last_pdu_queued)
		return 0;
	if (conn_is_full_feature(c))
		return full_feature_header(c);
	if (opcode(c) != ISCSI_LOGIN_REQ) {
		conn_close(c, "the first PDU is no Login Request");
		return -EPROTO;
	}
	return stage_text(c);
}

int dispatch_pdu(struct pdu_rx *rx)
{
	struct conn *c = container_of(rx, struct conn, parser);
	int rc;

	c->pdu_since_ns = c->heard_ns; /* the next one can begin */
	if (unlikely(rx->data_corrupt) && !c->last_pdu_queued)
		return data_digest_error(c);
	if (c->last_pdu_queued || (conn_is_full_feature(c) && c->rx_order != SESSION_NOW)) {
		dispatch_drop_staged(c);
		return 0;
	}
	if (!conn_is_full_feature(c)) {
		rc = login_pdu(c);
		dispatch_drop_staged(c);
		return rc;
	}
	if (opcode(c) == ISCSI_LOGIN_REQ) { /* its header came while the last one waited */
		dispatch_drop_staged(c);
		return conn_protocol_error(c, "Login Request before the last one was answered");
	}
	if (!table[opcode(c)].pdu) {
		conn_reject(c, &rx->bhs,
			    opcode(c) == ISCSI_SNACK_REQ ? ISCSI_REJECT_SNACK
							 : ISCSI_REJECT_UNSUPPORTED);
		return c->closed ? -EPROTO : 0;
	}
	rc = dispatch_run_pdu(c);
	if (!rc && unlikely(!list_empty(&c->parked)))
		rc = parked_replay(c);
	return rc;
}
