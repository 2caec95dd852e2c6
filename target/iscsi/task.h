/* A task: one SCSI command from its PDU to its response.
 *
 *    COLLECTING ──all Data-Out is here──▶ RUNNING ──done──▶ ANSWERING ──sent──▶ (free)
 *        │ └─ an ORDERED task is in the way ─▶ HELD ──┘ (▲)
 *        │ abort                             │ abort, disk has it
 *        ▼                                   ▼
 *     DROPPED (data in flight is               ZOMBIE (no session; its range is fenced)
 *     received to nowhere, no answer)
 *
 * Tasks belong to a reactor and are reused; a zombie outlives its session. */
#pragma once

#include "target/iscsi/session.h"
#include "target/iscsi/tx.h"
#include "target/scsi/scsi.h"
#include "target/scsi/stats.h"

enum {
	TASK_MAX_IOV = 16,
	TASK_MAX_R2TS = 8,
};

enum task_state {
	TASK_FREE,
	TASK_COLLECTING,
	TASK_HELD,
	TASK_RUNNING,
	TASK_ANSWERING,
	TASK_DROPPED,
	TASK_ZOMBIE,
};

/* One burst that was asked for (11.8). */
struct r2t {
	uint32_t ttt;
	uint32_t off_bytes, len_bytes;
	uint32_t got_bytes;
	uint32_t data_sn; /* expected next */
};

struct task {
	struct scsi_cmd cmd;
	struct tx_item tx;
	struct list link;	    /* in session->tasks, or the reactor's free list */
	struct task *answered_next; /* in the reactor's, in the turn in which it was */
	struct task *itt_next;
	struct iscsi_reactor *reactor;
	struct session *session;     /* NULL: zombie, or free */
	struct iscsi_target *target; /* of a zombie, counted: used_bytes is there */
	enum task_state state;

	be32 itt;
	uint32_t cmd_sn;
	uint32_t edtl;
	uint8_t flags; /* of the command's header: R, W, attributes */
	bool immediate;
	bool answered_now;   /* is among the reactor's answered */
	bool ended;	     /* status is set; the answer waits for unsolicited data */
	bool buffer_refused; /* no memory: Data-Out goes nowhere */

	struct iovec iov[TASK_MAX_IOV];
	int iovcnt;
	uint32_t buffer_bytes; /* allocated, 0 = none */
	uint64_t cost_bytes;
	uint64_t *used_bytes;  /* the target's account */
	struct session *payer; /* whose account has it, too; NULL: no buffer, or a zombie */

	/* Data-Out */
	bool unsolicited; /* Data-Out with F=0 so far: more will come unasked */
	uint32_t unsolicited_sn;
	uint32_t got_bytes;    /* unsolicited, immediate ones included: also the next offset */
	uint32_t asked_bytes;  /* up to here R2Ts have been made, or data came unasked */
	uint32_t filled_bytes; /* in the buffer */
	unsigned nr2ts;
	struct r2t r2ts[TASK_MAX_R2TS];
	uint32_t r2t_sn;      /* next to be sent */
	unsigned r2ts_unsent; /* the last so many of r2ts are yet to be sent */

	/* Data-In */
	uint32_t sent_bytes, burst_bytes;
	uint32_t data_sn;
	uint8_t sense_segment[2 + SCSI_SENSE_BYTES]; /* 11.4.7.2 */
};

/* A task for the command PDU, in the session's list. NULL: no memory. */
struct task *task_new(struct session *s, const struct bhs_scsi_cmd *h);
/* Not in use by the device server or the sender. */
void task_free(struct task *t);
/* Its status is on its way: its tag is free, and the initiator may send one more. */
void task_leave_session(struct task *t);
/* Counts what this turn has answered; once a turn, before any of it is sent. */
void task_count_answers(struct iscsi_reactor *r, uint64_t now_ns);
/* The memory of all tasks of a reactor, none in use. */
void task_blocks_free(struct iscsi_reactor *r);

/* After the header: decodes, gets the buffer. */
void task_start(struct task *t);
/* Goes on after Data-Out (or the header) is complete: asks for more, runs, or answers. */
void task_advance(struct task *t);
/* Hands it to the device server: all its data are here, and it is its turn. */
void task_run(struct task *t);
/* Ends it without an answer, because of a TMF or the end of its session. In bounded
 * time: what the disk has becomes a zombie. Not for tasks that are ANSWERING. */
void task_abort(struct task *t);

/* Ends it because its LUN is gone, with an answer that says so; its session must not wait for the
 * disk. Not for tasks that are ANSWERING. Without memory the connection closes. */
void task_lose_lu(struct task *t);

/* The part of the buffer at [off, off+len), cut at the buffer's end. Returns the number of iovecs.
 */
int task_slice(const struct task *t, uint32_t off, uint32_t len, struct iovec *iov, int max);

/* data_out.c */
/* A place for a Data-Out's bytes. Returns 0, or -EPROTO with *@why set. */
int data_out_place(struct task *t, const struct bhs_data_out *h, uint32_t len, struct iovec *dst,
		   int *dst_cnt, const char **why);
/* They are there. */
void data_out_done(struct task *t, const struct bhs_data_out *h, uint32_t len);
/* They came with a wrong digest: the command will fail. */
void data_out_damaged(struct task *t, const struct bhs_data_out *h, uint32_t len);
/* Makes R2Ts up to MaxOutstandingR2T and queues them. */
void data_out_solicit(struct task *t);
enum tx_fill data_out_fill(struct task *t, struct tx *tx);

/* data_in.c: Data-In PDUs and the SCSI Response. */
enum tx_fill data_in_fill(struct task *t, struct tx *tx);

/* task_order.c */
bool task_may_run(const struct task *t);
void task_order_enter(struct task *t);
/* @left has just left the session's list; runs what waited for it. */
void task_order_leave(struct session *s, const struct task *left);
