/* Logout (RFC 7143 11.14, 11.15), and asking for it (11.9). */
#include "target/iscsi/conn.h"
#include "target/iscsi/who.h"

#include "backstore/base/log.h"

enum logout_reason { LOGOUT_SESSION, LOGOUT_CONNECTION, LOGOUT_FOR_RECOVERY };
enum logout_response { LOGOUT_OK, LOGOUT_NO_CID, LOGOUT_NO_RECOVERY };

static enum logout_response judge(const struct conn *c, const struct bhs_logout_req *h)
{
	switch (h->flags & 0x7f) {
	case LOGOUT_SESSION:
		return LOGOUT_OK;
	case LOGOUT_CONNECTION:
		return be16_get(h->cid) == c->cid ? LOGOUT_OK : LOGOUT_NO_CID;
	default: /* recovery needs ErrorRecoveryLevel 2 */
		return LOGOUT_NO_RECOVERY;
	}
}

int logout_pdu(struct conn *c)
{
	const struct bhs_logout_req *h = (const void *)&c->parser.bhs;
	enum logout_response response = judge(c, h);
	struct tx_pdu *p;
	struct bhs_logout_rsp *rsp;

	if ((h->flags & 0x7f) > LOGOUT_FOR_RECOVERY) /* 7.7 */
		return conn_protocol_error(c, "unknown reason in a Logout Request");
	if (!c->session->target && (h->flags & 0x7f) != LOGOUT_SESSION) /* 4.3 */
		return dispatch_refuse(c, ISCSI_REJECT_PROTOCOL);
	if (response == LOGOUT_OK) {
		if (conn_step(c, EV_LOGOUT_REQ))
			return conn_protocol_error(c, "Logout in the wrong state");
		log_info(WHO ": logged out", WHO_OF(c));
		/* Whoever sees the response may count on being gone: another initiator may come. */
		session_end(c->session);
	}
	p = conn_pdu(c, ISCSI_LOGOUT_RSP, NULL, 0);
	if (!p)
		return -1;
	rsp = (struct bhs_logout_rsp *)&p->h;
	rsp->response = (uint8_t)response;
	rsp->itt = h->itt;
	rsp->time2wait = be16_of((uint16_t)c->params.DefaultTime2Wait);
	rsp->time2retain = be16_of(0);
	conn_send(p);
	if (response == LOGOUT_OK)
		conn_close_when_sent(c);
	return 0;
}

void logout_ask(struct conn *c, const char *why)
{
	uint64_t limit_ns = c->reactor->node->timeouts.logout_ns;
	struct tx_pdu *p;
	struct bhs_async *a;

	if (c->closed || c->state == CONN_LOGOUT_REQUESTED)
		return;
	io_timer_set(c->reactor->io, &c->timer, io_now_ns(c->reactor->io) + limit_ns);
	if (c->last_pdu_queued) /* nothing may follow it */
		return;
	if (conn_step(c, EV_ASK_LOGOUT)) {
		conn_close(c, why);
		return;
	}
	p = conn_pdu(c, ISCSI_ASYNC, NULL, 0);
	if (!p)
		return;
	session_show(c->session, ISCSI_SESSION_ASKED_OUT);
	a = (struct bhs_async *)&p->h;
	a->itt = be32_of(ISCSI_NO_TAG);
	a->event = ISCSI_ASYNC_REQUEST_LOGOUT;
	a->param3 = be16_of((uint16_t)(limit_ns / UINT64_C(1000000000)));
	conn_send(p);
}
