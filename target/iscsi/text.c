/* Text requests in full feature phase: SendTargets, late declarations (RFC 7143 11.10,
 * appendix C). Requests and answers longer than a PDU go in pieces. */
#include "target/iscsi/conn.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	MAX_TEXT_BYTES = 64 << 10, /* of one request, all its PDUs */
	ADDRESS_BYTES = 96,	   /* of one TargetAddress pair, at most */
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

/* --- SendTargets -------------------------------------------------------------------- */

static bool is_any(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ((const struct sockaddr_in *)sa)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static void write_address(struct keys_writer *w, const struct sockaddr_storage *sa, in_port_t port)
{
	char addr[SOCKADDR_TEXT_BYTES], value[ADDRESS_BYTES];

	sockaddr_text(sa, port, addr);
	snprintf(value, sizeof(value), "%s,%d", addr, ISCSI_PORTAL_GROUP);
	keys_write(w, "TargetAddress", value);
}

/* Every portal by which this peer could come: a wildcard stands for the address that it
 * used, and loopback is of no use to whoever came from outside. */
static void write_addresses(struct conn *c, struct keys_writer *w)
{
	const struct iscsi_node *node = c->reactor->node;
	struct sockaddr_storage here = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(here);
	bool known = !getsockname(c->fd, (struct sockaddr *)&here, &len) &&
		     (here.ss_family == AF_INET || here.ss_family == AF_INET6);

	for (unsigned i = 0; i < node->nportals; i++) {
		const struct sockaddr_storage *sa = &node->portals[i].addr;

		if (is_any(sa)) {
			if (known)
				write_address(w, &here, sockaddr_port(sa));
		} else if (!known || sockaddr_is_loopback(&here) || !sockaddr_is_loopback(sa)) {
			write_address(w, sa, sockaddr_port(sa));
		}
	}
}

/* Appendix C: All in discovery sessions only, an empty value in normal ones only; a name in both.
 */
static bool is_asked_for(const struct conn *c, const struct iscsi_target *t)
{
	const char *wanted = c->params.SendTargets;

	if (c->session->target)
		return t == c->session->target && (!*wanted || !strcasecmp(wanted, t->name));
	return !strcmp(wanted, "All") || !strcasecmp(wanted, t->name);
}

static void send_targets(struct conn *c, struct keys_writer *w)
{
	struct iscsi_node *node = c->reactor->node;
	bool all = !strcmp(c->params.SendTargets, "All");

	if (c->session->target ? all : !*c->params.SendTargets) {
		keys_write(w, "SendTargets", "Reject");
		return;
	}
	if (!iscsi_node_allows(node, c->session->initiator))
		return;
	list_for_each (l, &node->targets) {
		const struct iscsi_target *t = list_entry(l, struct iscsi_target, link);

		if (!is_asked_for(c, t))
			continue;
		keys_write(w, "TargetName", t->name);
		write_addresses(c, w);
	}
}

static size_t answer_room(const struct iscsi_node *node)
{
	size_t ntargets = 0;

	list_for_each (l, &node->targets)
		ntargets++;
	return NEGOTIATION_BYTES +
	       ntargets * (ISCSI_NAME_BYTES + 16 + (size_t)node->nportals * ADDRESS_BYTES);
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
	log_warn("%s %s: text request rejected: %s", c->peer, c->session->initiator, why);
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
	struct keys_writer w = { .cap = answer_room(c->reactor->node) };
	char why[256] = "";

	if (!c->session->target && c->text.in.len && !has_key(&c->text.in, "SendTargets"))
		return refuse(c, "no SendTargets, in a discovery session (4.3)");
	w.buf = malloc(w.cap);
	if (!w.buf) {
		conn_close(c, "out of memory");
		return -ENOMEM;
	}
	c->text.out = w.buf;
	c->params.send_targets = false;
	if (params_negotiate(&c->params, &c->reactor->node->offer, PARAMS_FULL_FEATURE,
			     c->text.in.data, c->text.in.len, &w, why, sizeof(why)) != PARAMS_OK)
		return refuse(c, *why ? why : "the answers are too long");
	if (c->params.send_targets)
		send_targets(c, &w);
	c->text.out_len = w.len;
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
