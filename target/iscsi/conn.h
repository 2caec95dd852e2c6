/* A connection: a socket, a parser, a sender, and the state of RFC 7143 section 8.1. */
#pragma once

#include "target/iscsi/pdu_rx.h"
#include "target/iscsi/reactor.h"
#include "target/iscsi/session.h"
#include "target/iscsi/sockaddr.h"
#include "target/iscsi/task.h"
#include "target/iscsi/tx.h"

enum conn_state { /* RFC 7143 8.1.3, as the target sees them */
		  CONN_XPT_UP = 3,
		  CONN_IN_LOGIN,
		  CONN_LOGGED_IN,
		  CONN_IN_LOGOUT,
		  CONN_LOGOUT_REQUESTED,
		  CONN_CLEANUP_WAIT,
};

enum conn_event { EV_LOGIN_REQ, EV_LOGIN_DONE, EV_LOGOUT_REQ, EV_ASK_LOGOUT, EV_LOST };

struct login;

/* A text negotiation in full feature phase: SendTargets and the like (11.10). */
struct text_exchange {
	struct keys_text in;
	char *out;
	size_t out_len, out_at;
	be32 itt;
	uint32_t ttt; /* of the answer's continuation; ISCSI_NO_TAG: none */
	bool final;   /* the initiator has no more to ask */
};

struct conn {
	struct list link; /* in the reactor's connections */
	struct iscsi_reactor *reactor;
	int fd;
	enum conn_state state;
	struct sockaddr_storage peer_addr; /* AF_UNSPEC where it has none */
	char peer[SOCKADDR_TEXT_BYTES];	   /* ADDR:PORT, for the log */
	struct login_source *source; /* where it counts, while it serves no volume; NULL: nowhere */
	bool one_too_many;	     /* from its address: its login is refused */

	struct io_stream rx;
	struct pdu_rx parser;
	struct task *rx_task; /* whose data segment is being received */
	struct iovec exact_iov[PDU_RX_MAX_IOV];
	size_t exact_len;
	uint8_t *staged; /* data segment of a PDU that is no SCSI data, */
	uint32_t staged_bytes;
	enum session_order rx_order;
	bool rx_ended;

	struct tx tx;
	unsigned npdus;	  /* tx_pdus that are queued, */
	size_t pdu_bytes; /* and their data */
	uint32_t stat_sn;
	uint16_t cid;

	struct session *session;
	struct login *login; /* until full feature phase */
	struct params params;
	struct text_exchange text;
	struct list parked; /* PDUs that came before their turn */
	size_t parked_bytes;
	unsigned nparked;
	uint32_t parked_sn;  /* ExpCmdSN when their turns were last looked at, */
	bool parked_skipped; /* and a number has been skipped since */

	struct io_timer timer; /* login limit, then keep-alive, then linger */
	uint64_t heard_ns;
	uint64_t pdu_since_ns;	   /* when the PDU that is being received could have begun */
	uint64_t sending_since_ns; /* of the batch under way */
	bool pinged;
	bool last_pdu_queued; /* close once all is sent */
	bool lingering;
	bool closed;	/* conn_close has run; waits for the engine to let go */
	unsigned holds; /* messages under way that will come back to us */
};

/* Takes the socket; NULL: no memory, it is closed. */
struct conn *conn_new(struct iscsi_reactor *r, int fd);
/* Ends session and connection; the memory goes when the engine has let go. Harmless when
 * repeated. @why is a clause for the log; NULL where it was logged, or is normal. */
void conn_close(struct conn *c, const char *why);
/* Frees it if it is closed and nothing is under way any more. */
void conn_release(struct conn *c);
/* Whatever is queued is the last of this connection. */
void conn_close_when_sent(struct conn *c);
/* The address of ours that the peer has connected to; AF_UNSPEC where there is none. */
void conn_here(const struct conn *c, struct sockaddr_storage *sa);
/* -EPROTO where the state has no such transition. */
int conn_step(struct conn *c, enum conn_event ev);
static inline bool conn_is_full_feature(const struct conn *c)
{
	return c->state == CONN_LOGGED_IN || c->state == CONN_LOGOUT_REQUESTED;
}

/* Hands what is queued to the engine; called once a turn. */
void conn_flush(struct conn *c);
/* Queues an item; it is sent at the end of this turn. */
void conn_queue(struct conn *c, struct tx_item *it);
/* StatSN (taken when @with_status), ExpCmdSN and MaxCmdSN into a header at their usual places (24,
 * 28, 32). */
void conn_stamp(struct conn *c, struct bhs *h, bool with_status);

/* A PDU that is no SCSI command's: owns a copy of its data. NULL: no memory, the
 * connection is closed. Fill in h, then queue with conn_send. */
struct tx_pdu {
	struct tx_item item;
	struct conn *conn;
	bool with_status;
	bool ends_login; /* digests begin behind it (13.1) */
	struct bhs h;
	uint32_t len;
	uint8_t data[];
};
struct tx_pdu *conn_pdu(struct conn *c, uint8_t opcode, const void *data, uint32_t len);
void conn_send(struct tx_pdu *p);
/* The peer broke the protocol: Reject, then the connection ends (ErrorRecoveryLevel 0, 7.x).
 * Returns negative. */
int conn_protocol_error(struct conn *c, const char *why);
/* 11.17: the header at fault goes back. */
void conn_reject(struct conn *c, const struct bhs *bad, enum iscsi_reject reason);

/* Handlers of PDUs: return 0, or negative after conn_close. */
int dispatch_header(struct pdu_rx *rx); /* dispatch.c */
int dispatch_pdu(struct pdu_rx *rx);
void dispatch_drop_staged(struct conn *c);
/* Rejects the PDU; its CmdSN has not been received then (7.3), and the initiator fills the gap. */
int dispatch_refuse(struct conn *c, enum iscsi_reject reason);
int login_pdu(struct conn *c); /* login.c */
void login_free(struct conn *c);
int text_pdu(struct conn *c); /* text.c */
void text_reset(struct conn *c);
/* Appends the answer; @w->buf is malloc's, and may become another. 0 or -ENOMEM. */
int send_targets(struct conn *c, struct keys_writer *w); /* send_targets.c */
int nop_out_pdu(struct conn *c);			 /* nop.c */
void nop_ping(struct conn *c);
int logout_pdu(struct conn *c); /* logout.c */
/* Harmless where it was asked already; @why as in conn_close, where it cannot be asked. */
void logout_ask(struct conn *c, const char *why);
int tmf_pdu(struct conn *c); /* tmf.c */
/* An immediate one that has just come: SESSION_EARLY where it is for commands that may still come
 * before it; those of them that are here already will not run. */
enum session_order tmf_order(struct conn *c);
