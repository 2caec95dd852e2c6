/* NOP-Out and NOP-In, both ways (RFC 7143 11.18, 11.19). */
#include "target/iscsi/conn.h"

int nop_out_pdu(struct conn *c)
{
	const struct bhs_nop_out *h = (const void *)&c->parser.bhs;
	uint32_t len = MIN(c->parser.data_len, c->params.MaxRecvDataSegmentLength);
	struct tx_pdu *p;
	struct bhs_nop_in *in;

	/* The answer to our ping, or a bare sign of life. */
	if (be32_get(h->itt) == ISCSI_NO_TAG)
		return 0;
	if (!c->session->target) /* 4.3: SendTargets and logout, nothing else */
		return dispatch_refuse(c, ISCSI_REJECT_PROTOCOL);
	p = conn_pdu(c, ISCSI_NOP_IN, c->staged, len);
	if (!p)
		return -1;
	in = (struct bhs_nop_in *)&p->h;
	in->itt = h->itt;
	in->ttt = be32_of(ISCSI_NO_TAG);
	conn_send(p);
	return 0;
}

void nop_ping(struct conn *c)
{
	struct tx_pdu *p = conn_pdu(c, ISCSI_NOP_IN, NULL, 0);
	struct bhs_nop_in *in;

	if (!p)
		return;
	p->with_status = false; /* StatSN is not advanced (11.19.2) */
	in = (struct bhs_nop_in *)&p->h;
	in->itt = be32_of(ISCSI_NO_TAG);
	in->ttt = be32_of(session_new_ttt(c->session));
	conn_send(p);
}
