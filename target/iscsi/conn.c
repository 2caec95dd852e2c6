/* A connection's life: accepted, login, full feature, closed.
 *
 * Closing has two halves. conn_close ends the session at once: what runs is aborted,
 * what the disk has is fenced, others may log in. The memory goes when the engine has given back
 * the receive and the send that were under way (conn_release). */
#include "target/iscsi/conn.h"
#include "target/iscsi/parked.h"
#include "target/iscsi/sockaddr.h"
#include "target/iscsi/who.h"

#include "backstore/base/log.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	UNREAD_QUIETS =
		4, /* one batch unread for so many quiet times: buffers are not held longer */
	EXACT_MIN_BYTES = 8192,		 /* from here on bytes are received to their final place */
	MAX_QUEUED_PDUS = 512,		 /* a peer that asks and does not read is dropped, */
	MAX_QUEUED_BYTES = 4 << 20,	 /* whether it asks often or for much; */
	FAIR_QUEUED_BYTES = 64 << 10,	 /* less is enough, where a crowd of such peers holds */
	REACTOR_QUEUED_BYTES = 32 << 20, /* so much */
	LOGIN_DATA_BYTES = 8192,	 /* before anything is declared (13.12) */
};

static const struct {
	enum conn_state from;
	enum conn_event on;
	enum conn_state to;
} transitions[] = {
	/* RFC 7143 8.1.4 */
	{ CONN_XPT_UP, EV_LOGIN_REQ, CONN_IN_LOGIN },			 /* T4 */
	{ CONN_IN_LOGIN, EV_LOGIN_DONE, CONN_LOGGED_IN },		 /* T5 */
	{ CONN_XPT_UP, EV_LOST, CONN_CLEANUP_WAIT },			 /* T6 */
	{ CONN_IN_LOGIN, EV_LOST, CONN_CLEANUP_WAIT },			 /* T7 */
	{ CONN_LOGGED_IN, EV_LOGOUT_REQ, CONN_IN_LOGOUT },		 /* T9 */
	{ CONN_LOGOUT_REQUESTED, EV_LOGOUT_REQ, CONN_IN_LOGOUT },	 /* T10 */
	{ CONN_LOGGED_IN, EV_ASK_LOGOUT, CONN_LOGOUT_REQUESTED },	 /* T11 */
	{ CONN_LOGOUT_REQUESTED, EV_ASK_LOGOUT, CONN_LOGOUT_REQUESTED }, /* T12 */
	{ CONN_LOGGED_IN, EV_LOST, CONN_CLEANUP_WAIT },			 /* T15 */
	{ CONN_LOGOUT_REQUESTED, EV_LOST, CONN_CLEANUP_WAIT },		 /* T16 */
	{ CONN_IN_LOGOUT, EV_LOST, CONN_CLEANUP_WAIT },			 /* T13 */
};

int conn_step(struct conn *c, enum conn_event ev)
{
	for (size_t i = 0; i < ARRAY_SIZE(transitions); i++)
		if (transitions[i].from == c->state && transitions[i].on == ev) {
			c->state = transitions[i].to;
			return 0;
		}
	return -EPROTO;
}

static void ask_exact(struct conn *c)
{
	int n = 0;

	if (c->closed)
		return;
	c->exact_len = pdu_rx_wants(&c->parser, c->exact_iov, &n);
	if (c->exact_len >= EXACT_MIN_BYTES)
		io_stream_exact(&c->rx, c->exact_iov, n, c->exact_len);
}

static void heard(struct conn *c)
{
	c->heard_ns = io_now_ns(c->reactor->io);
	c->pinged = false;
}

static void fed(struct conn *c, int rc)
{
	if (likely(!rc))
		ask_exact(c);
	else if (rc == -EBADMSG) /* no Reject: whose it was cannot be known (7.8) */
		conn_close(c, "header digest error: a PDU was damaged on its way");
	else
		conn_close(c, "the byte stream cannot be framed");
}

static void on_bytes(struct io_stream *s, const uint8_t *data, size_t len)
{
	struct conn *c = container_of(s, struct conn, rx);

	heard(c);
	if (pdu_rx_is_between(&c->parser))
		c->pdu_since_ns = c->heard_ns;
	if (!c->closed && !c->lingering)
		fed(c, pdu_rx_feed(&c->parser, data, len));
}

static void on_exact(struct io_stream *s)
{
	struct conn *c = container_of(s, struct conn, rx);

	heard(c);
	if (!c->closed)
		fed(c, pdu_rx_placed(&c->parser, c->exact_len));
}

static void on_end(struct io_stream *s, int res)
{
	struct conn *c = container_of(s, struct conn, rx);

	c->rx_ended = true;
	if (res && res != -ECANCELED)
		conn_close(c, strerror(-res));
	else
		conn_close(c, res || c->lingering ? NULL : "the peer closed the connection");
	conn_release(c);
}

static void on_timer(struct io_timer *timer)
{
	struct conn *c = container_of(timer, struct conn, timer);
	const struct iscsi_timeouts *limit = &c->reactor->node->timeouts;
	uint64_t now = io_now_ns(c->reactor->io);

	if (c->lingering) {
		conn_close(c, NULL);
	} else if (c->last_pdu_queued) {
		conn_close(c, "the peer does not read its last answer");
	} else if (!conn_is_full_feature(c)) {
		login_count_refused(&c->reactor->node->logins.counts, REFUSED_TIMEOUT);
		conn_close(c, "no login within the time limit");
	} else if (c->state == CONN_LOGOUT_REQUESTED) {
		conn_close(c, "it was asked to log out and did not");
	} else if (c->tx.sending && now - c->sending_since_ns > UNREAD_QUIETS * limit->quiet_ns) {
		conn_close(c, "the peer does not read its answers");
	} else if (!pdu_rx_is_between(&c->parser) &&
		   now - c->pdu_since_ns > UNREAD_QUIETS * limit->quiet_ns) {
		conn_close(c, "the peer began a PDU and does not end it");
	} else if (now - c->heard_ns < limit->quiet_ns) {
		io_timer_set(c->reactor->io, timer, c->heard_ns + limit->quiet_ns);
	} else if (!c->pinged) {
		c->pinged = true;
		io_timer_set(c->reactor->io, timer, now + limit->quiet_ns);
		nop_ping(c); /* last: where there is no room for it, the connection closes */
	} else {
		conn_close(c, "the peer does not answer pings");
	}
}

static struct sockaddr_storage peer_of(int fd)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len))
		sa.ss_family = AF_UNSPEC;
	return sa;
}

void conn_here(const struct conn *c, struct sockaddr_storage *sa)
{
	socklen_t len = sizeof(*sa);

	memset(sa, 0, sizeof(*sa));
	if (getsockname(c->fd, (struct sockaddr *)sa, &len) ||
	    (sa->ss_family != AF_INET && sa->ss_family != AF_INET6))
		sa->ss_family = AF_UNSPEC;
}

/* Not even a connection comes of it. */
static struct conn *turn_away(struct iscsi_reactor *r, int fd, struct login_source *source)
{
	logins_leave(&r->node->logins, source);
	close(fd);
	atomic_fetch_sub_explicit(&r->nconns, 1, memory_order_relaxed);
	return NULL;
}

struct conn *conn_new(struct iscsi_reactor *r, int fd)
{
	const struct sockaddr_storage peer = peer_of(fd);
	struct login_source *source;
	enum login_verdict verdict = logins_enter(&r->node->logins, &peer, &source);
	struct conn *c = verdict == LOGIN_CLOSE ? NULL : calloc(1, sizeof(*c));
	char text[SOCKADDR_TEXT_BYTES];
	int one = 1;

	sockaddr_text(&peer, sockaddr_port(&peer), text);
	if (verdict == LOGIN_CLOSE) {
		log_warn("%s: connection closed: far more than %u connections of this address have "
			 "not logged in (--max-logins-per-address)",
			 text, r->node->logins.max);
		login_count_refused(&r->node->logins.counts, REFUSED_TURNED_AWAY);
		return turn_away(r, fd, source);
	}
	if (!c) {
		log_error("out of memory for a connection");
		return turn_away(r, fd, source);
	}
	c->source = source;
	c->one_too_many = verdict == LOGIN_REFUSE;
	c->peer_addr = peer;
	strcpy(c->peer, text);
	c->reactor = r;
	c->fd = fd;
	c->state = CONN_XPT_UP;
	/* Not fatal: a socket that is no TCP socket works, too. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	list_init(&c->parked);
	tx_init(&c->tx);
	params_init(&c->params);
	pdu_rx_init(&c->parser);
	c->parser.max_data_bytes = LOGIN_DATA_BYTES;
	c->parser.on_header = dispatch_header;
	c->parser.on_pdu = dispatch_pdu;
	c->text.ttt = ISCSI_NO_TAG;
	c->rx = (struct io_stream){
		.fd = fd,
		.on_bytes = on_bytes,
		.on_exact = on_exact,
		.on_end = on_end,
	};
	c->timer.fire = on_timer;
	list_add_tail(&r->conns, &c->link);
	heard(c);
	io_timer_set(r->io, &c->timer, c->heard_ns + r->node->timeouts.login_ns);
	io_stream_start(r->io, &c->rx);
	return c;
}

void conn_close(struct conn *c, const char *why)
{
	if (c->closed)
		return;
	c->closed = true;
	if (why)
		log_info(WHO ": connection closed: %s", WHO_OF(c), why);
	(void)conn_step(c, EV_LOST); /* every state but the last has this row */
	if (c->session)
		session_end(c->session);
	io_timer_clear(c->reactor->io, &c->timer);
	shutdown(c->fd, SHUT_RDWR); /* what is being sent ends now */
	io_stream_stop(&c->rx);
}

void conn_release(struct conn *c)
{
	struct iscsi_reactor *r = c->reactor;

	if (!c->closed || !c->rx_ended || c->tx.sending || c->holds)
		return;
	tx_drop(&c->tx);
	list_del(&c->tx.dirty);
	parked_drop(c);
	login_free(c);
	text_reset(c);
	dispatch_drop_staged(c);
	if (c->session)
		session_free(c->session);
	logins_leave(&r->node->logins, c->source);
	close(c->fd);
	list_del(&c->link);
	free(c);
	atomic_fetch_sub_explicit(&r->nconns, 1, memory_order_relaxed);
	iscsi_reactor_settle(r);
}

static void linger(struct conn *c)
{
	/* Closing at once would reset the connection while the peer still reads. */
	c->lingering = true;
	shutdown(c->fd, SHUT_WR);
	io_timer_set(c->reactor->io, &c->timer,
		     io_now_ns(c->reactor->io) + c->reactor->node->timeouts.linger_ns);
}

void conn_close_when_sent(struct conn *c)
{
	c->last_pdu_queued = true;
}

/* --- sending --------------------------------------------------------------------- */

static void sent(struct io_send *s, int res)
{
	struct conn *c = container_of(s, struct conn, tx.send);

	tx_sent(&c->tx);
	if (res < 0)
		conn_close(c, strerror(-res));
	if (c->closed) {
		conn_release(c);
		return;
	}
	if (!list_empty(&c->tx.queue))
		list_add_tail(&c->reactor->dirty, &c->tx.dirty);
	else if (c->last_pdu_queued)
		linger(c);
}

void conn_flush(struct conn *c)
{
	if (c->tx.sending || c->closed || c->lingering || !tx_gather(&c->tx))
		return;
	c->tx.sending = true;
	c->sending_since_ns = io_now_ns(c->reactor->io);
	c->tx.send.done = sent;
	io_send(c->reactor->io, &c->tx.send, c->fd, c->tx.iov, (int)c->tx.niov);
}

void conn_queue(struct conn *c, struct tx_item *it)
{
	list_add_tail(&c->tx.queue, &it->link);
	if (list_empty(&c->tx.dirty) && !c->tx.sending)
		list_add_tail(&c->reactor->dirty, &c->tx.dirty);
}

void conn_stamp(struct conn *c, struct bhs *h, bool with_status)
{
	struct bhs_nop_in *n = (struct bhs_nop_in *)h; /* all have them at the same place */

	n->stat_sn = be32_of(c->stat_sn);
	c->stat_sn += with_status;
	n->exp_cmd_sn = be32_of(c->session ? c->session->exp_cmd_sn : 0);
	n->max_cmd_sn = be32_of(c->session ? c->session->max_cmd_sn : 0);
	if (c->session)
		c->session->told_cmd_sn = c->session->exp_cmd_sn;
}

static enum tx_fill pdu_fill(struct tx_item *it, struct tx *tx)
{
	struct tx_pdu *p = container_of(it, struct tx_pdu, item);
	struct iovec iov = { p->data, p->len };
	struct bhs *h = tx_pdu(tx, &iov, p->len > 0, p->len);

	if (!h)
		return TX_MORE;
	*h = p->h;
	h->data_len = be24_of(p->len);
	conn_stamp(p->conn, h, p->with_status);
	if (p->ends_login) {
		tx->header_digest = p->conn->params.header_digest;
		tx->data_digest = p->conn->params.data_digest;
	}
	return TX_HOLD;
}

static void pdu_release(struct tx_item *it)
{
	struct tx_pdu *p = container_of(it, struct tx_pdu, item);

	p->conn->npdus--;
	p->conn->pdu_bytes -= p->len;
	p->conn->reactor->queued_bytes -= p->len;
	free(p);
}

static bool may_queue(const struct conn *c, uint32_t len)
{
	size_t bytes = c->pdu_bytes + len;

	return c->npdus < MAX_QUEUED_PDUS && bytes <= MAX_QUEUED_BYTES &&
	       (bytes <= FAIR_QUEUED_BYTES || !c->npdus ||
		c->reactor->queued_bytes + len <= REACTOR_QUEUED_BYTES);
}

struct tx_pdu *conn_pdu(struct conn *c, uint8_t opcode, const void *data, uint32_t len)
{
	bool has_room = may_queue(c, len);
	struct tx_pdu *p = has_room ? calloc(1, sizeof(*p) + len) : NULL;

	if (!p) {
		conn_close(c, has_room ? "out of memory" : "the peer does not read its answers");
		return NULL;
	}
	p->item.fill = pdu_fill;
	p->item.release = pdu_release;
	p->conn = c;
	p->with_status = true;
	p->h.opcode = opcode;
	p->h.flags = ISCSI_FINAL;
	p->len = len;
	if (len)
		memcpy(p->data, data, len);
	c->npdus++;
	c->pdu_bytes += len;
	c->reactor->queued_bytes += len;
	return p;
}

void conn_send(struct tx_pdu *p)
{
	conn_queue(p->conn, &p->item);
}

void conn_reject(struct conn *c, const struct bhs *bad, enum iscsi_reject reason)
{
	struct tx_pdu *p = conn_pdu(c, ISCSI_REJECT, bad, sizeof(*bad));
	struct bhs_reject *h;

	if (!p)
		return;
	h = (struct bhs_reject *)&p->h;
	h->reason = (uint8_t)reason;
	h->itt = be32_of(ISCSI_NO_TAG);
	conn_send(p);
}

int conn_protocol_error(struct conn *c, const char *why)
{
	log_warn(WHO ": protocol error, the session ends: %s", WHO_OF(c), why);
	conn_reject(c, &c->parser.bhs, ISCSI_REJECT_PROTOCOL);
	if (c->closed)
		return -EPROTO;
	conn_close_when_sent(c);
	return 0;
}
