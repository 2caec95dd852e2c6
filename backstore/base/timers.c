/* A pairing heap, smallest at_ns at the root.
 *
 * Chosen for its embedded nodes: setting a timer cannot fail, moving one costs
 * a few pointer writes, and clearing a leaf, which is what nearly all timeouts
 * do, is O(1). Ties run in no particular order.
 *
 * While timers_run is at work, a timer set for the past goes to a list beside the
 * heap and joins it at the end: so a timer that sets itself for "now" cannot keep
 * the loop from its sockets. */
#include "backstore/base/timers.h"

static struct io_timer *meld(struct io_timer *a, struct io_timer *b)
{
	struct io_timer *top, *sub;

	if (!a || !b)
		return a ? a : b;
	top = b->at_ns < a->at_ns ? b : a;
	sub = top == a ? b : a;
	sub->prev = top;
	sub->next = top->child;
	if (sub->next)
		sub->next->prev = sub;
	top->child = sub;
	return top;
}

/* Two passes: meld neighbours from the left, then the pairs from the right. The
 * pairs are chained through prev meanwhile, so nothing recurses. */
static struct io_timer *meld_children(struct io_timer *t)
{
	struct io_timer *pairs = NULL, *root = NULL;

	while (t) {
		struct io_timer *a = t, *b = t->next;

		t = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->prev = pairs;
		pairs = a;
	}
	while (pairs) {
		struct io_timer *a = pairs;

		pairs = a->prev;
		a->prev = NULL;
		root = meld(root, a);
	}
	return root;
}

/* Takes @t out of its siblings, its children with it; not for a root. */
static void cut(struct io_timer *t)
{
	if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = t->prev = NULL;
}

void timers_clear(struct timers *ts, struct io_timer *t)
{
	if (!t->set)
		return;
	t->set = false;
	if (t == ts->late) {
		ts->late = t->next;
		if (ts->late)
			ts->late->prev = NULL;
	} else if (t == ts->root) {
		ts->root = meld_children(t->child);
	} else {
		cut(t); /* in the list there are no children, and nothing to meld */
		if (t->child)
			ts->root = meld(ts->root, meld_children(t->child));
	}
	t->child = t->next = t->prev = NULL;
}

void timers_set(struct timers *ts, struct io_timer *t, uint64_t at_ns)
{
	timers_clear(ts, t);
	t->at_ns = at_ns;
	t->set = true;
	t->child = t->next = t->prev = NULL;
	if (!ts->running || at_ns > ts->run_ns) {
		ts->root = meld(ts->root, t);
		return;
	}
	t->next = ts->late;
	if (t->next)
		t->next->prev = t;
	ts->late = t;
}

uint64_t timers_next_ns(const struct timers *ts)
{
	uint64_t next_ns = ts->root ? ts->root->at_ns : UINT64_MAX;

	for (const struct io_timer *t = ts->late; t; t = t->next)
		next_ns = MIN(next_ns, t->at_ns);
	return next_ns;
}

unsigned timers_run(struct timers *ts, uint64_t now_ns)
{
	unsigned n = 0;

	assert(!ts->running);
	ts->running = true;
	ts->run_ns = now_ns;
	while (ts->root && ts->root->at_ns <= now_ns) {
		struct io_timer *t = ts->root;

		timers_clear(ts, t);
		t->fire(t);
		n++;
	}
	ts->running = false;
	while (ts->late) {
		struct io_timer *t = ts->late;

		timers_set(ts, t, t->at_ns);
	}
	return n;
}
