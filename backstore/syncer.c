/* Group commit of one file.
 *
 *   add ──▶ waiting ──(no round under way)──▶ current ──▶ fdatasync by the leader
 *                ▲                                              │
 *                └── those that come meanwhile: next round      ▼
 *                                        each is answered on its own reactor
 *
 * A round covers what had completed before it began: who comes later may have
 * writes that it missed, hence the next round. Only one fdatasync is under way,
 * because Linux reports a write-back error to one of two concurrent callers: the
 * other would answer GOOD for lost data. For the same reason a failure ends it all:
 * the next fdatasync would find clean pages, and succeed. */
#include "backstore/syncer.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <string.h>

static struct bs_req *req_at(struct list *n)
{
	return list_entry(n, struct bs_req, priv.link);
}

void syncer_init(struct syncer *s, int fd, const char *name, struct latch latch, bool latched,
		 void (*ended)(struct bs_req *req, int res), int (*check)(struct syncer *s))
{
	*s = (struct syncer){
		.fd = fd, .name = name, .latch = latch, .ended = ended, .check = check
	};
	atomic_init(&s->latched, latched);
	pthread_mutex_init(&s->lock, NULL);
	list_init(&s->waiting);
	list_init(&s->current);
}

void syncer_fini(struct syncer *s)
{
	latch_close(&s->latch, syncer_is_latched(s));
	pthread_mutex_destroy(&s->lock);
}

void syncer_latch(struct syncer *s, int err)
{
	int rc;

	if (syncer_is_latched(s))
		return;
	/* The file first: who sees the flag may answer at once, and an answer must
	 * not come before the memory that outlives the process. Twice is harmless. */
	rc = latch_set(&s->latch);
	if (atomic_exchange(&s->latched, true))
		return;
	log_error("%s: making data durable failed: %s. What was written since the last "
		  "successful flush may be lost; no more writes are taken. Check the disk, "
		  "then reboot or start the volume once with recover",
		  s->name, strerror(-err));
	if (rc)
		log_error("%s: this cannot be remembered in %s: %s. Do not restart the server "
			  "without checking the data",
			  s->name, s->latch.path, strerror(-rc));
}

static void answer_here(struct bs_req *req)
{
	struct syncer *s = req->priv.ptr;

	s->ended(req, req->priv.res);
}

static void answer_posted(struct io_msg *m)
{
	answer_here(container_of(m, struct bs_req, priv.msg));
}

static void answer_deferred(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);

	req->priv.res = res;
	answer_here(req);
}

static void round_done(struct io_op *op, int res);

static void round_begin(struct bs_req *leader)
{
	struct syncer *s = leader->priv.ptr;

	leader->priv.op.done = round_done;
	if (syncer_is_latched(s))
		io_defer(leader->io, &leader->priv.op, -EIO);
	else
		io_fdatasync(leader->io, &leader->priv.op, s->fd);
}

static void round_posted(struct io_msg *m)
{
	round_begin(container_of(m, struct bs_req, priv.msg));
}

/* With the lock held: those who waited are the next round, or, latched, answered
 * with the last one. Returns the leader, if there is a next round. */
static struct bs_req *round_next(struct syncer *s, struct list *answers)
{
	list_splice_tail(answers, &s->current);
	if (syncer_is_latched(s))
		list_splice_tail(answers, &s->waiting);
	list_splice_tail(&s->current, &s->waiting);
	s->running = !list_empty(&s->current);
	return s->running ? req_at(s->current.next) : NULL;
}

static void round_done(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op), *next;
	struct syncer *s = req->priv.ptr;
	struct io *here = req->io;
	struct list answers, *n;

	list_init(&answers);
	if (res < 0)
		syncer_latch(s, res);
	/* a success counts only where no other sync has failed meanwhile */
	res = syncer_is_latched(s) ? -EIO : s->check(s);
	pthread_mutex_lock(&s->lock);
	next = round_next(s, &answers);
	pthread_mutex_unlock(&s->lock);
	if (next && next->io == here) {
		round_begin(next);
	} else if (next) {
		next->priv.msg.run = round_posted;
		io_post(next->io, &next->priv.msg);
	}
	while ((n = list_pop(&answers))) {
		req = req_at(n);
		req->priv.res = res;
		if (req->io == here) {
			answer_here(req);
			continue;
		}
		req->priv.msg.run = answer_posted;
		io_post(req->io, &req->priv.msg);
	}
}

void syncer_add(struct syncer *s, struct bs_req *req)
{
	bool leads = false, latched;

	req->priv.ptr = s;
	pthread_mutex_lock(&s->lock);
	latched = syncer_is_latched(s);
	if (!latched) {
		leads = !s->running;
		list_add_tail(leads ? &s->current : &s->waiting, &req->priv.link);
		s->running = true;
	}
	pthread_mutex_unlock(&s->lock);
	if (leads) {
		round_begin(req);
	} else if (latched) {
		req->priv.op.done = answer_deferred;
		io_defer(req->io, &req->priv.op, -EIO);
	}
}
