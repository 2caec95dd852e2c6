/* ORDERED and HEAD OF QUEUE tasks (SAM-5 8.6): an ORDERED one runs when all that came before it
 * on its unit has ended, and what comes after it waits for it.
 *
 * Kept within a session, where order can be observed. SIMPLE tasks run in any order (the
 * control mode page says so); where no ORDERED one is around, this costs a comparison. */
#include "target/iscsi/task.h"

static bool is_ordered(const struct task *t)
{
	return (t->flags & ISCSI_CMD_ATTR_MASK) == ISCSI_ATTR_ORDERED;
}

/* Whether @t may overtake @earlier. */
static bool passes(const struct task *t, const struct task *earlier)
{
	if (earlier->state == TASK_DROPPED || t->cmd.lu != earlier->cmd.lu)
		return true;
	return !is_ordered(t) && !is_ordered(earlier);
}

bool task_may_run(const struct task *t)
{
	const struct session *s = t->session;

	if (likely(!s->nordered) || (t->flags & ISCSI_CMD_ATTR_MASK) == ISCSI_ATTR_HEAD_OF_QUEUE)
		return true;
	list_for_each (l, &s->tasks) {
		const struct task *earlier = list_entry(l, struct task, link);

		if (earlier == t)
			return true;
		if (!passes(t, earlier))
			return false;
	}
	return true;
}

void task_order_enter(struct task *t)
{
	t->session->nordered += is_ordered(t);
}

void task_order_leave(struct session *s, const struct task *left)
{
	bool was_ordered = is_ordered(left);

	s->nordered -= was_ordered;
	if (s->ended || !s->nheld)
		return;
	list_for_each (l, &s->tasks) {
		struct task *t = list_entry(l, struct task, link);

		if (t->state == TASK_HELD && task_may_run(t)) {
			s->nheld--;
			task_run(t);
		}
	}
}
