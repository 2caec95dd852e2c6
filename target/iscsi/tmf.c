/* Task management (RFC 7143 11.5, 11.6, 4.2.3; RFC 7144; SAM-5 7).
 *
 * Answered in bounded time, whatever the disk does: nobody waits for I/O. What the disk has
 * becomes a zombie behind a fence, so that by the time of the answer no old write can land on a
 * later one.
 *
 *    request ─▶ its turn? ─▶ this session's tasks end, now ─▶ ABORT ...: answer
 *                 no: it waits for the gap         └─▶ others' (reset.c) ─▶ answer
 *
 * A function on a set of tasks is for the commands that were sent before it, and no others. So
 * even as an immediate command it waits for those whose CmdSN comes first (11.6.1: MUST), and takes
 * this session's tasks before the next PDU is looked at; of other sessions it takes what is there
 * when their reactor hears of it. R2Ts of a task that ended are forgotten rather than waited for
 * (4.2.3.3): an answer must not depend on what an initiator sends, and late Data-Outs are received
 * to nowhere.
 *
 * Whoever may log in may use them all, TARGET COLD RESET too: a volume that is not `shared` has
 * but one initiator. */
#include "target/iscsi/tmf.h"

#include "backstore/base/log.h"
#include "target/iscsi/parked.h"
#include "target/iscsi/who.h"

#include <string.h>

int tmf_respond_with(struct conn *c, be32 itt, enum iscsi_tmf_response response,
		     const uint8_t info[static 3])
{
	struct tx_pdu *p = conn_pdu(c, ISCSI_TMF_RSP, NULL, 0);
	struct bhs_tmf_rsp *h;

	if (!p)
		return -1;
	h = (struct bhs_tmf_rsp *)&p->h;
	h->response = (uint8_t)response;
	h->itt = itt;
	memcpy(h->additional, info, sizeof(h->additional));
	conn_send(p);
	return 0;
}

int tmf_respond(struct conn *c, be32 itt, enum iscsi_tmf_response response)
{
	static const uint8_t nothing[3];

	return tmf_respond_with(c, itt, response, nothing);
}

bool tmf_is_abortable(const struct task *t)
{
	return t->state == TASK_COLLECTING || t->state == TASK_HELD || t->state == TASK_RUNNING;
}

bool tmf_covers(const struct tmf_scope *scope, const struct task *t)
{
	if (scope->lu)
		return scsi_cmd_is_on(&t->cmd, scope->lu);
	return t->session->target == scope->target || scsi_map_shares(scope->map, t->cmd.lu);
}

/* The newest first: an older one that goes would let those run that wait for it. */
unsigned tmf_abort(struct conn *c, const struct tmf_scope *scope)
{
	struct list *tasks = &c->session->tasks, *older;
	unsigned n = 0;

	for (struct list *l = tasks->prev; l != tasks; l = older) {
		struct task *t = list_entry(l, struct task, link);

		older = l->prev;
		if (!tmf_is_abortable(t) || !tmf_covers(scope, t))
			continue;
		task_abort(t);
		n++;
	}
	return n;
}

/* --- ABORT TASK ---------------------------------------------------------------------- */

/* Answered already, waiting for its turn, or never come. In the last case, where it could still
 * come, its number counts as received from now on (11.6.1). */
static enum iscsi_tmf_response abort_missing(struct conn *c, const struct bhs_tmf_req *h)
{
	const struct session *s = c->session;
	uint32_t sn = be32_get(h->ref_cmd_sn);

	/* 11.5.1: task management cannot be aborted */
	if (tmf_is_resetting(s, h->ref_itt) || parked_has_tmf(c, h->ref_itt))
		return ISCSI_TMF_REJECTED;
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
	struct task *t = session_find(c->session, h->ref_itt);

	if (!t)
		return abort_missing(c, h);
	if (!tmf_is_abortable(t) || memcmp(t->cmd.lun, h->lun, sizeof(h->lun)) != 0)
		return ISCSI_TMF_NO_TASK;
	task_abort(t);
	return ISCSI_TMF_COMPLETE;
}

/* --- the table ----------------------------------------------------------------------- */

enum {
	OF_LUN = 1 << 0,      /* the LUN field counts */
	OF_SET = 1 << 1,      /* for all commands before it, so after them */
	BY_REACTORS = 1 << 2, /* others' commands, too */
	IS_NEW = 1 << 3,      /* RFC 7144 */
};

static const struct function {
	const char *name;
	unsigned flags;
} functions[] = {
	[ISCSI_TMF_ABORT_TASK] = { "ABORT TASK", OF_LUN },
	[ISCSI_TMF_ABORT_TASK_SET] = { "ABORT TASK SET", OF_LUN | OF_SET },
	[ISCSI_TMF_CLEAR_TASK_SET] = { "CLEAR TASK SET", OF_LUN | OF_SET | BY_REACTORS },
	[ISCSI_TMF_LU_RESET] = { "LOGICAL UNIT RESET", OF_LUN | OF_SET | BY_REACTORS },
	[ISCSI_TMF_TARGET_WARM_RESET] = { "TARGET WARM RESET", OF_SET | BY_REACTORS },
	[ISCSI_TMF_TARGET_COLD_RESET] = { "TARGET COLD RESET", OF_SET | BY_REACTORS },
	[ISCSI_TMF_QUERY_TASK] = { "QUERY TASK", OF_LUN | IS_NEW },
	[ISCSI_TMF_QUERY_TASK_SET] = { "QUERY TASK SET", OF_LUN | IS_NEW },
	[ISCSI_TMF_NEXUS_RESET] = { "I_T NEXUS RESET", OF_SET | IS_NEW },
	[ISCSI_TMF_QUERY_EVENT] = { "QUERY ASYNCHRONOUS EVENT", OF_LUN | IS_NEW },
};

static enum iscsi_tmf function_of(const struct bhs_tmf_req *h)
{
	return (enum iscsi_tmf)(h->flags & 0x7f);
}

/* NULL: not known, or not agreed on. */
static const struct function *find(const struct conn *c, enum iscsi_tmf function)
{
	const struct function *f;

	if (function >= ARRAY_SIZE(functions))
		return NULL;
	f = &functions[function];
	return f->name && !(f->flags & IS_NEW && c->params.iSCSIProtocolLevel < 2) ? f : NULL;
}

static void scope_of(const struct conn *c, const struct bhs_tmf_req *h, const struct function *f,
		     struct tmf_scope *scope)
{
	scope->target = c->session->target;
	scope->map = scsi_nexus_map(c->session->nexus);
	scope->lu = f->flags & OF_LUN ? scsi_nexus_lu(c->session->nexus, h->lun) : NULL;
}

enum session_order tmf_order(struct conn *c)
{
	const struct bhs_tmf_req *h = (const void *)&c->parser.bhs;
	const struct function *f = find(c, function_of(h));
	const struct session *s = c->session;
	uint32_t sn = be32_get(h->cmd_sn);
	struct tmf_scope scope;

	/* What is missing before it may come; a number beyond the window is nonsense. */
	if (!f || !(f->flags & OF_SET) || !sn_before(s->exp_cmd_sn, sn) ||
	    sn_before(s->max_cmd_sn + 1, sn))
		return SESSION_NOW;
	scope_of(c, h, f, &scope);
	if (scope.lu || !(f->flags & OF_LUN))
		parked_forget_before(c, scope.lu, sn);
	return SESSION_EARLY;
}

/* I_T NEXUS RESET: the session and its connection go on (SAM-5 6.3.4). */
static int nexus_reset(struct conn *c, be32 itt)
{
	scsi_nexus_attention(c->session->nexus, NULL, SCSI_UA_NEXUS_LOST);
	return tmf_respond(c, itt, ISCSI_TMF_COMPLETE);
}

static int run(struct conn *c, const struct bhs_tmf_req *h, const struct function *f)
{
	enum iscsi_tmf function = function_of(h);
	struct tmf_scope scope;

	scope_of(c, h, f, &scope);
	if (f->flags & OF_LUN && !scope.lu)
		return tmf_respond(c, h->itt, ISCSI_TMF_NO_LUN);
	if (function == ISCSI_TMF_ABORT_TASK)
		return tmf_respond(c, h->itt, abort_task(c, h));
	if (!(f->flags & OF_SET))
		return tmf_query(c, h, scope.lu);
	if (f->flags & BY_REACTORS)
		return tmf_reset(c, h->itt, function, &scope);
	tmf_abort(c, &scope);
	if (function == ISCSI_TMF_NEXUS_RESET)
		return nexus_reset(c, h->itt);
	return tmf_respond(c, h->itt, ISCSI_TMF_COMPLETE);
}

int tmf_pdu(struct conn *c)
{
	const struct bhs_tmf_req *h = (const void *)&c->parser.bhs;
	enum iscsi_tmf function = function_of(h);
	const struct function *f = find(c, function);

	if (function == ISCSI_TMF_TASK_REASSIGN) /* needs ErrorRecoveryLevel 2 */
		return tmf_respond(c, h->itt, ISCSI_TMF_NO_REASSIGN);
	if (!f) {
		log_info(WHO ": task management function %u is not supported", WHO_OF(c),
			 (unsigned)function);
		return tmf_respond(c, h->itt, ISCSI_TMF_NOT_SUPPORTED);
	}
	log_info(WHO ": task management: %s", WHO_OF(c), f->name);
	return run(c, h, f);
}
