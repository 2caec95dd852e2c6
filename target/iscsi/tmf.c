/* Task management (RFC 7143 11.5, 11.6; SAM-5 7).
 *
 * Answered in bounded time, whatever the disk does: nobody waits for I/O. What the
 * disk has becomes a zombie behind a fence, so that by the time of the answer no old write can land
 * on a later one. A reset reaches the tasks of every session on every reactor by a message each;
 * the last one to come back sends the answer. */
#include "target/iscsi/conn.h"
#include "target/iscsi/parked.h"

#include "backstore/base/log.h"

#include <stdlib.h>
#include <string.h>

static int respond(struct conn *c, be32 itt, enum iscsi_tmf_response response)
{
	struct tx_pdu *p = conn_pdu(c, ISCSI_TMF_RSP, NULL, 0);
	struct bhs_tmf_rsp *h;

	if (!p)
		return -1;
	h = (struct bhs_tmf_rsp *)&p->h;
	h->response = (uint8_t)response;
	h->itt = itt;
	conn_send(p);
	return 0;
}

static bool is_abortable(const struct task *t)
{
	return t->state == TASK_COLLECTING || t->state == TASK_HELD || t->state == TASK_RUNNING;
}

/* The newest first: an older one that goes would let those run that wait for it. */
static unsigned abort_on(struct conn *c, const struct scsi_lu *lu)
{
	struct list *tasks = &c->session->tasks, *older;
	unsigned n = 0;

	for (struct list *l = tasks->prev; l != tasks; l = older) {
		struct task *t = list_entry(l, struct task, link);

		older = l->prev;
		if (!is_abortable(t) || !scsi_cmd_is_on(&t->cmd, lu))
			continue;
		task_abort(t);
		n++;
	}
	parked_forget_all(c, lu);
	return n;
}

/* Answered already, waiting for its turn, or never come. In the last case, where it could still
 * come, its number counts as received from now on (11.6.1). */
static enum iscsi_tmf_response abort_missing(struct conn *c, const struct bhs_tmf_req *h)
{
	const struct session *s = c->session;
	uint32_t sn = be32_get(h->ref_cmd_sn);

	if (parked_forget(c, h->ref_itt))
		return ISCSI_TMF_COMPLETE;
	if (sn_before(sn, s->exp_cmd_sn) || sn_before(s->max_cmd_sn, sn) ||
	    !sn_before(sn, be32_get(h->cmd_sn)))
		return ISCSI_TMF_NO_TASK;
	parked_skip(c, sn);
	return ISCSI_TMF_COMPLETE;
}

static enum iscsi_tmf_response abort_task(struct conn *c, const struct bhs_tmf_req *h)
{
	struct session *s = c->session;
	struct task *t = session_find(s, h->ref_itt);

	if (!t)
		return abort_missing(c, h);
	if (!is_abortable(t) || memcmp(t->cmd.lun, h->lun, sizeof(h->lun)) != 0)
		return ISCSI_TMF_NO_TASK;
	task_abort(t);
	return ISCSI_TMF_COMPLETE;
}

/* --- over all reactors ------------------------------------------------------------------- */

struct reset {
	struct conn *conn; /* held; on its reactor the rest is counted */
	be32 itt;
	struct scsi_lu *lu;
	enum iscsi_tmf function;
	unsigned left;
	struct reset_part {
		struct io_msg msg;
		struct reset *reset;
		struct iscsi_reactor *where;
	} parts[];
};

/* SAM-5 6.3.3, 5.14: a reset is told to all, a cleared task set to the others. Only now: a command
 * that was told before its reactor aborted would be sent again, and aborted in silence. */
static void tell_others(const struct reset *r)
{
	if (r->function == ISCSI_TMF_LU_RESET)
		scsi_lu_attention(r->lu, SCSI_UA_LU_RESET, NULL);
	else
		scsi_lu_attention(r->lu, SCSI_UA_COMMANDS_CLEARED, r->conn->session->nexus);
}

static void reset_back(struct io_msg *m)
{
	struct reset *r = container_of(m, struct reset_part, msg)->reset;
	struct conn *c = r->conn;

	if (--r->left)
		return;
	tell_others(r);
	c->holds--;
	if (c->closed)
		conn_release(c);
	else
		respond(c, r->itt, ISCSI_TMF_COMPLETE);
	free(r);
}

static void reset_here(struct io_msg *m)
{
	struct reset_part *part = container_of(m, struct reset_part, msg);

	list_for_each_safe (l, &part->where->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (!c->session || c->closed)
			continue;
		/* One whose window was full of them would wait for ever: it hears MaxCmdSN so. */
		if (abort_on(c, part->reset->lu) && c != part->reset->conn &&
		    conn_is_full_feature(c))
			nop_ping(c);
	}
	m->run = reset_back;
	io_post(part->reset->conn->reactor->io, m);
}

static int reset_everywhere(struct conn *c, const struct bhs_tmf_req *h, struct scsi_lu *lu,
			    enum iscsi_tmf function)
{
	const struct iscsi_node *node = c->reactor->node;
	struct reset *r = calloc(1, sizeof(*r) + node->nreactors * sizeof(r->parts[0]));

	if (!r)
		return respond(c, h->itt, ISCSI_TMF_REJECTED);
	r->conn = c;
	r->itt = h->itt;
	r->lu = lu;
	r->left = node->nreactors;
	c->holds++;
	r->function = function;
	for (unsigned i = 0; i < node->nreactors; i++) {
		struct reset_part *part = &r->parts[i];

		part->reset = r;
		part->where = node->reactors[i];
		part->msg.run = reset_here;
		io_post(part->where->io, &part->msg);
	}
	return 0;
}

int tmf_pdu(struct conn *c)
{
	const struct bhs_tmf_req *h = (const void *)&c->parser.bhs;
	enum iscsi_tmf function = (enum iscsi_tmf)(h->flags & 0x7f);
	struct scsi_lu *lu = scsi_nexus_lu(c->session->nexus, h->lun);

	log_info("%s %s: task management function %u", c->peer, c->session->initiator,
		 (unsigned)function);
	switch (function) {
	case ISCSI_TMF_ABORT_TASK:
		if (!lu)
			return respond(c, h->itt, ISCSI_TMF_NO_LUN);
		return respond(c, h->itt, abort_task(c, h));
	case ISCSI_TMF_ABORT_TASK_SET:
		if (!lu)
			return respond(c, h->itt, ISCSI_TMF_NO_LUN);
		abort_on(c, lu);
		return respond(c, h->itt, ISCSI_TMF_COMPLETE);
	case ISCSI_TMF_CLEAR_TASK_SET:
	case ISCSI_TMF_LU_RESET:
		if (!lu)
			return respond(c, h->itt, ISCSI_TMF_NO_LUN);
		return reset_everywhere(c, h, lu, function);
	case ISCSI_TMF_TASK_REASSIGN: /* needs ErrorRecoveryLevel 2 */
		return respond(c, h->itt, ISCSI_TMF_NO_REASSIGN);
	case ISCSI_TMF_CLEAR_ACA:
	case ISCSI_TMF_TARGET_WARM_RESET:
	case ISCSI_TMF_TARGET_COLD_RESET:
	default:
		return respond(c, h->itt, ISCSI_TMF_NOT_SUPPORTED);
	}
}
