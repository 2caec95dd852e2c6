/* At most one helper is on its way to the queue at a time, woken or just being made; it
 * takes one op, and where more wait, sends for the next helper before it begins.
 *
 *     put ──▶ queue ──▶ helper 1: takes an op, sends for ──▶ helper 2: takes one, sends ──▶ …
 *                          │ works, may block                  │
 *                          └──▶ finished ◀─────────────────────┘ ──news──▶ the io's thread: done()
 *
 * So ops that take no time are done by few threads, and ops that hang get one each, the
 * n-th after n thread starts, about 30 us each. Idle helpers are a stack: the one that
 * was last at work is the next to be woken, and those at the bottom get their peace
 * and end.
 *
 * A helper that ends joins the one that ended before it; who frees the pool joins the last. */
#include "backstore/base/workers.h"

#include "backstore/base/io_parts.h"
#include "backstore/base/log.h"
#include "backstore/base/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	STACK_BYTES = 128 << 10, /* a system call needs next to nothing */
	RETRY_MS = 100,		 /* where no thread can be made */
};

struct helper {
	struct list link; /* workers.idle */
	pthread_cond_t wake;
	bool woken;
};

struct workers {
	struct workers_params p;
	pthread_attr_t attr;
	struct io_timer retry; /* of the io's thread */

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t gone;  /* n is 0 */
	struct list queue;    /* ops that nobody has taken */
	struct list finished; /* ops for the io's thread */
	struct list idle;     /* helpers, the latest first */
	struct io_msg news;   /* "look at finished, and at starved" */
	bool told;	      /* it is on its way */
	unsigned n;
	bool coming;  /* a helper is on its way to the queue */
	bool starved; /* no helper could be made */
	bool said;    /* in the log */
	bool ending, any_ended;
	pthread_t ended; /* the last one that did */
};

/* ── helpers ──────────────────────────────────────────────────────────── */

static void *helper_main(void *arg);

/* Sends the news, once for all that has happened until they are read. Lets go of the lock
 * meanwhile: it is a system call. */
static void tell(struct workers *w)
{
	if (w->told)
		return;
	w->told = true;
	pthread_mutex_unlock(&w->lock);
	io_post(w->p.io, &w->news);
	pthread_mutex_lock(&w->lock);
}

/* Called with the lock, but makes the thread without: it takes a while. False: it cannot
 * be made, which is told once until it can again. */
static bool make_helper(struct workers *w)
{
	bool said = w->said;
	pthread_t thread;
	int rc;

	w->n++;
	w->coming = true;
	pthread_mutex_unlock(&w->lock);
	rc = pthread_create(&thread, &w->attr, helper_main, w);
	if (rc && !said)
		log_warn("cannot start a helper thread: %s; disk requests that block wait for "
			 "each other; raise the limit of tasks (ulimit -u, a container's pids.max)",
			 strerror(rc));
	pthread_mutex_lock(&w->lock);
	w->said = rc != 0;
	if (!rc)
		return true;
	w->n--;
	w->coming = false;
	w->starved = true;
	return false;
}

/* Where ops wait, sees to it that a helper is on its way. May let go of the lock. */
static void summon(struct workers *w)
{
	struct list *n;

	if (list_empty(&w->queue) || w->coming)
		return;
	n = list_pop(&w->idle);
	if (n) {
		struct helper *h = list_entry(n, struct helper, link);

		w->coming = h->woken = true;
		pthread_cond_signal(&h->wake);
	} else if (w->n < w->p.cap) { /* else whoever is done first looks at the queue */
		(void)make_helper(w);
	}
}

static void helper_work(struct workers *w, struct io_op *op)
{
	summon(w);
	if (w->starved)
		tell(w);
	pthread_mutex_unlock(&w->lock);
	op->res = w->p.work(op);
	pthread_mutex_lock(&w->lock);
	list_add_tail(&w->finished, &op->link);
	tell(w);
}

static bool is_alone(const struct workers *w)
{
	return w->idle.next == w->idle.prev;
}

/* Sleeps until there may be work: true. False: it is time to end. The only idle one does not end:
 * others may hang, and nobody new can be had. */
static bool helper_idle(struct workers *w, struct helper *h)
{
	struct timespec until;
	bool is_time = false;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += w->p.idle_ms / 1000;
	until.tv_nsec += (long)(w->p.idle_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	h->woken = false;
	list_add(&w->idle, &h->link);
	while (!h->woken && !w->ending && (!is_time || is_alone(w)))
		if (is_time)
			pthread_cond_wait(&h->wake, &w->lock);
		else
			is_time = pthread_cond_timedwait(&h->wake, &w->lock, &until) == ETIMEDOUT;
	if (!h->woken) {
		list_del(&h->link);
		return false;
	}
	w->coming = false;
	return true;
}

/* With the lock, which it lets go of for good. */
static void helper_end(struct workers *w)
{
	bool any = w->any_ended;
	pthread_t before = w->ended;

	w->ended = pthread_self();
	w->any_ended = true;
	if (!--w->n)
		pthread_cond_signal(&w->gone);
	pthread_mutex_unlock(&w->lock);
	if (any)
		pthread_join(before, NULL);
}

static int cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	rc = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -rc;
}

static void *helper_main(void *arg)
{
	struct workers *w = arg;
	struct helper h = { .link = LIST_INIT(h.link) };
	struct list *n;

	pthread_setname_np(pthread_self(), "disk-helper");
	(void)cond_init(&h.wake); /* cannot fail with glibc */
	pthread_mutex_lock(&w->lock);
	w->coming = false;
	do {
		while ((n = list_pop(&w->queue)))
			helper_work(w, list_entry(n, struct io_op, link));
	} while (helper_idle(w, &h));
	helper_end(w);
	pthread_cond_destroy(&h.wake);
	return NULL;
}

/* ── the io's thread ──────────────────────────────────────────────────── */

static void retry_if_starved(struct workers *w, bool starved)
{
	if (starved)
		io_timer_set(w->p.io, &w->retry, io_now_ns(w->p.io) + RETRY_MS * UINT64_C(1000000));
}

void workers_put(struct workers *w, struct io_op *op)
{
	bool starved;

	pthread_mutex_lock(&w->lock);
	list_add_tail(&w->queue, &op->link);
	summon(w);
	starved = w->starved;
	pthread_mutex_unlock(&w->lock);
	if (unlikely(starved))
		retry_if_starved(w, !w->retry.set);
}

static void retry(struct io_timer *t)
{
	struct workers *w = container_of(t, struct workers, retry);
	bool starved;

	pthread_mutex_lock(&w->lock);
	w->starved = false;
	summon(w);
	starved = w->starved;
	pthread_mutex_unlock(&w->lock);
	retry_if_starved(w, starved);
}

static void news(struct io_msg *m)
{
	struct workers *w = container_of(m, struct workers, news);
	struct list finished = LIST_INIT(finished);
	bool starved;

	pthread_mutex_lock(&w->lock);
	w->told = false;
	list_splice_tail(&finished, &w->finished);
	starved = w->starved;
	pthread_mutex_unlock(&w->lock);
	retry_if_starved(w, starved && !w->retry.set);
	deferred_run(&finished);
}

/* ── beginning and end ────────────────────────────────────────────────── */

static int attr_init(pthread_attr_t *attr)
{
	sigset_t all;
	int rc = pthread_attr_init(attr);

	if (rc)
		return -rc;
	signals_of_others(&all);
	rc = pthread_attr_setsigmask_np(attr, &all);
	if (!rc)
		rc = pthread_attr_setstacksize(attr, STACK_BYTES);
	if (rc)
		pthread_attr_destroy(attr);
	return -rc;
}

int workers_new(struct workers **out, const struct workers_params *p)
{
	struct workers *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->p = *p;
	w->retry.fire = retry;
	w->news.run = news;
	list_init(&w->queue);
	list_init(&w->finished);
	list_init(&w->idle);
	pthread_mutex_init(&w->lock, NULL);
	(void)cond_init(&w->gone);
	rc = attr_init(&w->attr);
	if (rc)
		goto fail;
	pthread_mutex_lock(&w->lock);
	if (make_helper(w))
		*out = w;
	else
		rc = -EAGAIN;
	pthread_mutex_unlock(&w->lock);
	if (!rc)
		return 0;
	pthread_attr_destroy(&w->attr);
fail:
	pthread_cond_destroy(&w->gone);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return rc;
}

void workers_free(struct workers *w)
{
	io_timer_clear(w->p.io, &w->retry);
	pthread_mutex_lock(&w->lock);
	assert(list_empty(&w->queue) && list_empty(&w->finished));
	w->ending = true;
	list_for_each (n, &w->idle)
		pthread_cond_signal(&list_entry(n, struct helper, link)->wake);
	while (w->n)
		pthread_cond_wait(&w->gone, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->ended, NULL);
	pthread_attr_destroy(&w->attr);
	pthread_cond_destroy(&w->gone);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
