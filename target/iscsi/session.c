/* Sessions: the command window and the tasks by their tags.
 *
 * MaxCmdSN moves on when a command is answered, not when it comes, so that a session
 * never has more than the window of commands here; and it never moves back (4.2.2.1). */
#include "target/iscsi/session.h"

#include "target/iscsi/conn.h"
#include "target/iscsi/reactor.h"
#include "target/iscsi/task.h"
#include "target/scsi/change.h"

#include <stdlib.h>
#include <string.h>

struct session *session_new(struct conn *conn)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	list_init(&s->link);
	list_init(&s->tasks);
	list_init(&s->resets);
	s->conn = conn;
	s->reactor = conn->reactor;
	return s;
}

void session_end(struct session *s)
{
	if (s->ended)
		return;
	s->ended = true;
	list_for_each_safe (l, &s->tasks) {
		struct task *t = list_entry(l, struct task, link);

		/* What is being received or sent is let go with the connection. */
		if (t->state == TASK_RUNNING)
			task_abort(t);
		else if (t->state != TASK_ANSWERING)
			scsi_cmd_leave(&t->cmd);
	}
	if (s->nexus)
		scsi_nexus_free(s->nexus);
	s->nexus = NULL;
	iscsi_node_leave(s->reactor->node, s);
	session_drop_policies(s);
}

void session_drop_policies(struct session *s)
{
	policy_put(s->policy);
	policy_put(s->defaults);
	s->policy = s->defaults = NULL;
}

void session_free(struct session *s)
{
	struct list *l;

	session_end(s);
	while ((l = list_pop(&s->tasks)))
		task_free(list_entry(l, struct task, link));
	iscsi_target_put(s->target);
	free(s);
}

enum session_order session_take_sn(struct session *s, uint32_t cmd_sn)
{
	if (sn_before(cmd_sn, s->exp_cmd_sn) || sn_before(s->max_cmd_sn, cmd_sn))
		return SESSION_IGNORE;
	if (cmd_sn != s->exp_cmd_sn)
		return SESSION_EARLY;
	s->exp_cmd_sn++;
	return SESSION_NOW;
}

bool session_untake_sn(struct session *s)
{
	if (s->told_cmd_sn == s->exp_cmd_sn)
		return false;
	s->exp_cmd_sn--;
	return true;
}

struct task *session_find(const struct session *s, be32 itt)
{
	uint32_t tag = be32_get(itt);
	struct task *t = s->by_itt[session_bucket(tag)];

	while (t && be32_get(t->itt) != tag)
		t = t->itt_next;
	return t;
}

uint32_t session_new_ttt(struct session *s)
{
	if (++s->last_ttt == ISCSI_NO_TAG)
		s->last_ttt = 1;
	return s->last_ttt;
}
