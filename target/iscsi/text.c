/* Text requests in full feature phase (RFC 7143 11.10): late declarations, SendTargets
 * (send_targets.c). Requests and answers longer than a PDU go in pieces. */
#include "target/iscsi/conn.h"
#include "target/iscsi/who.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_TEXT_BYTES = 64 << 10, /* of one request, all its PDUs */
	NEGOTIATION_BYTES = 8192,
};

static void drop_texts(struct text_exchange *x)
{
	keys_text_free(&x->in);
	free(x->out);
	x->out = NULL;
	x->out_len = x->out_at = 0;
}

void text_reset(struct conn *c)
{
	drop_texts(&c->text);
	c->text = (struct text_exchange){ .ttt = ISCSI_NO_TAG };
}

/* --- requests and answers in pieces ------------------------------------------------------ */

/* The next piece of the answer. With the last one the exchange is over, if the initiator has said
 * that it has no more to ask (F); else its next request goes on (11.11.1). */
static int send_piece(struct conn *c, be32 itt)
{
	struct text_exchange *x = &c->text;
	uint32_t len = (uint32_t)MIN(x->out_len - x->out_at, c->params.MaxRecvDataSegmentLength);
	bool last = x->out_at + len == x->out_len;
	bool over = last && x->final;
	struct tx_pdu *p = conn_pdu(c, ISCSI_TEXT_RSP, x->out + x->out_at, len);
	struct bhs_text_rsp *h;

	if (!p)
		return -1;
	x->out_at += len;
	x->ttt = over ? ISCSI_NO_TAG : session_new_ttt(c->session);
	h = (struct bhs_text_rsp *)&p->h;
	h->flags = over ? ISCSI_FINAL : last ? 0 : ISCSI_CONTINUE;
	h->itt = itt;
	h->ttt = be32_of(x->ttt);
	conn_send(p);
	if (over)
		text_reset(c);
	else if (last)
		drop_texts(x);
	return 0;
}

/* 6.2: an empty answer with a tag asks for the rest of the request. */
static int ask_for_more(struct conn *c, be32 itt)
{
	struct tx_pdu *p = conn_pdu(c, ISCSI_TEXT_RSP, NULL, 0);
	struct bhs_text_rsp *h;

	if (!p)
		return -1;
	c->text.ttt = session_new_ttt(c->session);
	h = (struct bhs_text_rsp *)&p->h;
	h->flags = 0;
	h->itt = itt;
	h->ttt = be32_of(c->text.ttt);
	conn_send(p);
	return 0;
}

/* The exchange ends, and nothing of this request has had effect. */
static int refuse(struct conn *c, const char *why)
{
	log_warn(WHO ": text request rejected: %s", WHO_OF(c), why);
	text_reset(c);
	return dispatch_refuse(c, ISCSI_REJECT_PROTOCOL);
}

static bool has_key(const struct keys_text *t, const char *want)
{
	char name[KEY_NAME_MAX + 1];
	struct keys_reader r;
	const char *value;

	keys_read_init(&r, t->data, t->len);
	while (keys_read(&r, name, &value) > 0)
		if (!strcmp(name, want))
			return true;
	return false;
}

static int negotiate(struct conn *c, be32 itt)
{
	struct keys_writer w = { .cap = NEGOTIATION_BYTES };
	char why[256] = "";
	int rc = 0;

	if (!c->session->target && c->text.in.len && !has_key(&c->text.in, "SendTargets"))
		return refuse(c, "no SendTargets, in a discovery session (4.3)");
	c->text.out = w.buf = malloc(w.cap);
	if (!w.buf) {
		conn_close(c, "out of memory");
		return -ENOMEM;
	}
	c->params.send_targets = false;
	if (params_negotiate(&c->params, &c->reactor->node->offer, PARAMS_FULL_FEATURE,
			     c->text.in.data, c->text.in.len, &w, why, sizeof(why)) != PARAMS_OK)
		return refuse(c, *why ? why : "the answers are too long");
	if (c->params.send_targets)
		rc = send_targets(c, &w);
	c->text.out = w.buf;
	c->text.out_len = w.len;
	if (rc) {
		conn_close(c, "out of memory");
		return rc;
	}
	return send_piece(c, itt);
}

int text_pdu(struct conn *c)
{
	const struct bhs_text_req *h = (const void *)&c->parser.bhs;
	struct text_exchange *x = &c->text;
	uint32_t ttt = be32_get(h->ttt);

	if ((h->flags & ISCSI_FINAL) && (h->flags & ISCSI_CONTINUE)) /* 11.10.2 */
		return conn_protocol_error(c, "Text Request with both F and C");
	if (ttt == ISCSI_NO_TAG) {
		text_reset(c); /* a new exchange ends an old one (11.10.4) */
		x->itt = h->itt;
	} else if (ttt != x->ttt || be32_get(h->itt) != be32_get(x->itt)) {
		return refuse(c, "it goes on with what is not under way");
	}
	x->final = h->flags & ISCSI_FINAL;
	if (x->out && c->parser.data_len)
		return refuse(c, "keys before the answer to the last ones was whole (6.2)");
	if (x->out)
		return send_piece(c, h->itt);
	if (keys_text_add(&x->in, c->staged, c->parser.data_len, MAX_TEXT_BYTES))
		return refuse(c, "too long");
	if (h->flags & ISCSI_CONTINUE)
		return ask_for_more(c, h->itt);
	return negotiate(c, h->itt);
}
