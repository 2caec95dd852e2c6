/* CLEAR TASK SET and the resets, over all reactors and sessions (SAM-5 7.5 to 7.8, RFC 7143
 * 11.5.1).
 *
 *    issuing reactor ──a message each──▶ every reactor: ends the tasks of its sessions in scope,
 *          ▲                             tells their initiators; COLD: closes the target's
 *          └──── the last one back ◀──── connections
 *    unit attentions ─▶ answer ─▶ COLD: the issuing connection ends, too
 *
 * One round for all units of a target. Nobody waits for a disk, a lock that is held for long, or a
 * peer, so it takes what messages take. Rounds may overlap: each does all of its work, and what one
 * finds done is done. The issuing connection is held until its round is over, also when it closes
 * meanwhile; a session that logs in behind the round's back is a new one, with nothing to reset. */
#include "target/iscsi/tmf.h"

#include <stdlib.h>
#include <string.h>

struct reset {
	struct list link;  /* in the issuing session's resets */
	struct conn *conn; /* held; on its reactor the rest is counted */
	be32 itt;
	enum iscsi_tmf function;
	struct tmf_scope scope; /* its map and unit are ours to let go */
	unsigned left;
	struct reset_part {
		struct io_msg msg;
		struct reset *reset;
		struct iscsi_reactor *where;
	} parts[];
};

bool tmf_is_resetting(const struct session *s, be32 itt)
{
	list_for_each (l, &s->resets)
		if (be32_get(list_entry(l, struct reset, link)->itt) == be32_get(itt))
			return true;
	return false;
}

/* --- on every reactor ------------------------------------------------------------------ */

/* 4.2.3.4, 11.9: one message for each LUN that loses tasks. */
static void say_terminated(struct conn *c, const uint8_t lun[8])
{
	struct tx_pdu *p = conn_pdu(c, ISCSI_ASYNC, NULL, 0);
	struct bhs_async *a;

	if (!p)
		return;
	a = (struct bhs_async *)&p->h;
	memcpy(a->lun, lun, sizeof(a->lun));
	a->itt = be32_of(ISCSI_NO_TAG);
	a->event = ISCSI_ASYNC_TERMINATED;
	conn_send(p);
}

static bool is_first_on_lun(const struct task *t, const struct tmf_scope *scope)
{
	list_for_each (l, &t->session->tasks) {
		const struct task *earlier = list_entry(l, struct task, link);

		if (earlier == t)
			return true;
		if (tmf_is_abortable(earlier) && tmf_covers(scope, earlier) &&
		    !memcmp(earlier->cmd.lun, t->cmd.lun, sizeof(t->cmd.lun)))
			return false;
	}
	return true;
}

static void warn_of_abort(struct conn *c, const struct tmf_scope *scope)
{
	list_for_each (l, &c->session->tasks) {
		const struct task *t = list_entry(l, struct task, link);

		if (tmf_is_abortable(t) && tmf_covers(scope, t) && is_first_on_lun(t, scope))
			say_terminated(c, t->cmd.lun);
		if (c->closed)
			return;
	}
}

/* A session other than the one that asks. */
static void reset_session(struct conn *c, const struct reset *r)
{
	bool fast = c->params.TaskReporting == TASK_REPORTING_FAST_ABORT && conn_is_full_feature(c);

	if (r->function == ISCSI_TMF_TARGET_COLD_RESET && c->session->target == r->scope.target) {
		conn_close(c, "its target was reset (TARGET COLD RESET)");
		return;
	}
	if (fast)
		warn_of_abort(c, &r->scope);
	if (c->closed || !tmf_abort(c, &r->scope))
		return;
	/* Only who lost something is told (SAM-5 5.14); in time, as its commands come to this
	 * reactor, too. */
	if (r->function == ISCSI_TMF_CLEAR_TASK_SET && c->session->nexus)
		scsi_nexus_attention(c->session->nexus, r->scope.lu, SCSI_UA_COMMANDS_CLEARED);
	/* One whose window was full of them would wait for ever: it hears MaxCmdSN so. */
	if (!fast && conn_is_full_feature(c))
		nop_ping(c);
}

static void reset_back(struct io_msg *m);

static void reset_here(struct io_msg *m)
{
	struct reset_part *part = container_of(m, struct reset_part, msg);
	const struct reset *r = part->reset;

	list_for_each_safe (l, &part->where->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (c->session && !c->closed && c != r->conn)
			reset_session(c, r);
	}
	m->run = reset_back;
	io_post(r->conn->reactor->io, m);
}

/* --- on the issuing one ------------------------------------------------------------------ */

/* Only now: a command that was told of the reset before its reactor aborted would be sent again,
 * and aborted in silence. */
static void tell_all(const struct reset *r)
{
	if (!r->scope.lu)
		scsi_target_attention(r->scope.target->scsi, SCSI_UA_LU_RESET);
	else if (r->function == ISCSI_TMF_LU_RESET)
		scsi_lu_attention(r->scope.lu, SCSI_UA_LU_RESET, NULL);
}

static void answer(struct conn *c, const struct reset *r)
{
	bool cold = r->function == ISCSI_TMF_TARGET_COLD_RESET;

	if (c->last_pdu_queued) /* logged out meanwhile: nothing may follow that answer */
		return;
	/* As in a logout: who sees the answer may count on the session being gone. */
	if (cold && conn_step(c, EV_LOGOUT_REQ) == 0)
		session_end(c->session);
	if (tmf_respond(c, r->itt, ISCSI_TMF_COMPLETE) == 0 && cold)
		conn_close_when_sent(c);
}

static void reset_free(struct reset *r)
{
	scsi_map_put(r->scope.map);
	if (r->scope.lu)
		scsi_lu_release(r->scope.lu);
	free(r);
}

static void reset_back(struct io_msg *m)
{
	struct reset *r = container_of(m, struct reset_part, msg)->reset;
	struct conn *c = r->conn;

	if (--r->left)
		return;
	tell_all(r);
	list_del(&r->link);
	c->session->nresets--;
	c->holds--;
	if (c->closed)
		conn_release(c);
	else
		answer(c, r);
	reset_free(r);
}

int tmf_reset(struct conn *c, be32 itt, enum iscsi_tmf function, const struct tmf_scope *scope)
{
	const struct iscsi_node *node = c->reactor->node;
	struct session *s = c->session;
	struct reset *r = NULL;

	if (s->nresets < SESSION_MAX_RESETS)
		r = calloc(1, sizeof(*r) + node->nreactors * sizeof(r->parts[0]));
	if (!r) /* and nothing has ended */
		return tmf_respond(c, itt, ISCSI_TMF_REJECTED);
	tmf_abort(c, scope);
	r->conn = c;
	r->itt = itt;
	r->function = function;
	r->scope = *scope;
	(void)scsi_map_get(scope->map);
	if (scope->lu)
		scsi_lu_hold(scope->lu); /* its LUN may go meanwhile */
	r->left = node->nreactors;
	list_add_tail(&s->resets, &r->link);
	s->nresets++;
	c->holds++;
	for (unsigned i = 0; i < node->nreactors; i++) {
		struct reset_part *part = &r->parts[i];

		part->reset = r;
		part->where = node->reactors[i];
		part->msg.run = reset_here;
		io_post(part->where->io, &part->msg);
	}
	return 0;
}
