/* Two lists under one mutex: few requests are in them at any time. */
#include "backstore/range_lock.h"

#include <assert.h>

static struct range_hold *hold_at(struct list *n)
{
	return list_entry(n, struct range_hold, link);
}

static bool overlaps(const struct range_hold *a, const struct range_hold *b)
{
	return a->off_bytes < b->off_bytes + b->len_bytes &&
	       b->off_bytes < a->off_bytes + a->len_bytes;
}

/* Whether @h must wait for one of @l, up to @end. */
static bool is_behind(struct list *l, const struct list *end, const struct range_hold *h)
{
	for (struct list *n = l->next; n != end; n = n->next)
		if (overlaps(hold_at(n), h))
			return true;
	return false;
}

void range_lock_init(struct range_lock *l)
{
	pthread_mutex_init(&l->mutex, NULL);
	list_init(&l->held);
	list_init(&l->waiting);
}

void range_lock_fini(struct range_lock *l)
{
	assert(list_empty(&l->held) && list_empty(&l->waiting));
	pthread_mutex_destroy(&l->mutex);
}

bool range_lock_take(struct range_lock *l, struct range_hold *h)
{
	bool wait;

	pthread_mutex_lock(&l->mutex);
	wait = is_behind(&l->held, &l->held, h) || is_behind(&l->waiting, &l->waiting, h);
	list_add_tail(wait ? &l->waiting : &l->held, &h->link);
	pthread_mutex_unlock(&l->mutex);
	return !wait;
}

static void grant(struct io_msg *m)
{
	struct range_hold *h = container_of(m, struct range_hold, msg);

	h->granted(h);
}

void range_lock_drop(struct range_lock *l, struct range_hold *h)
{
	pthread_mutex_lock(&l->mutex);
	list_del(&h->link);
	list_for_each_safe (n, &l->waiting) {
		struct range_hold *w = hold_at(n);

		if (!overlaps(h, w) || /* then it waits for others: looked at first, it is cheap */
		    is_behind(&l->held, &l->held, w) || is_behind(&l->waiting, n, w))
			continue;
		list_del(n);
		list_add_tail(&l->held, n);
		w->msg.run = grant;
		io_post(w->io, &w->msg);
	}
	pthread_mutex_unlock(&l->mutex);
}
