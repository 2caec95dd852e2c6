/* The life of a task, and where its buffer comes from.
 *
 * Buffers come from the reactor's share of one budget. A target may take as much of
 * it as it leaves free (a dynamic threshold): one stalled volume gets half, two get a
 * third each, and there is always something for the others. A session may take twice as much
 * of its target's part as it leaves there: alone it gets two fifths of all, and one that sends no
 * data or reads none leaves something for those beside it. A command that gets none
 * is answered TASK SET FULL (BUSY where the nexus has no other task, SAM-5 5.3.1), and
 * what it sends unasked is received to nowhere: the socket is always read, the command window never
 * shrinks. */
#include "target/iscsi/task.h"

#include "target/iscsi/conn.h"
#include "target/iscsi/reactor.h"
#include "target/scsi/change.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	TASKS_PER_BLOCK = 32,
	MAX_ZOMBIES = 4096, /* per reactor; beyond, new commands are told BUSY */
	TICK_NS = 500000000,
};

struct task_block {
	struct list link;
	struct task tasks[TASKS_PER_BLOCK];
};

/* Off the common path: a reactor keeps the tasks that it has once needed. */
static bool more_tasks(struct iscsi_reactor *r)
{
	struct task_block *b = calloc(1, sizeof(*b));

	if (!b)
		return false;
	list_add(&r->task_blocks, &b->link);
	for (int i = 0; i < TASKS_PER_BLOCK; i++)
		list_add(&r->free_tasks, &b->tasks[i].link);
	return true;
}

void task_blocks_free(struct iscsi_reactor *r)
{
	struct list *l;

	while ((l = list_pop(&r->task_blocks)))
		free(list_entry(l, struct task_block, link));
}

static enum tx_fill task_fill(struct tx_item *it, struct tx *tx)
{
	struct task *t = container_of(it, struct task, tx);

	return t->state == TASK_ANSWERING ? data_in_fill(t, tx) : data_out_fill(t, tx);
}

static void task_release(struct tx_item *it)
{
	struct task *t = container_of(it, struct task, tx);

	/* A queued R2T of a connection that is gone: the task goes with its session. */
	if (t->state == TASK_ANSWERING)
		task_free(t);
}

static void command_done(struct scsi_cmd *cmd);

static inline struct task *task_take(struct iscsi_reactor *r)
{
	struct list *l;
	struct task *t;

	if (list_empty(&r->free_tasks) && !more_tasks(r))
		return NULL;
	l = list_pop(&r->free_tasks);
	assert(l);
	t = list_entry(l, struct task, link);
	memset(t, 0, sizeof(*t));
	list_init(&t->link);
	t->state = TASK_COLLECTING;
	t->reactor = r;
	t->tx.fill = task_fill;
	t->tx.release = task_release;
	list_init(&t->tx.link);
	return t;
}

struct task *task_new(struct session *s, const struct bhs_scsi_cmd *h)
{
	struct iscsi_reactor *r = s->reactor;
	unsigned bucket = session_bucket(be32_get(h->itt));
	struct task *t = task_take(r);

	if (!t)
		return NULL;
	t->session = s;
	t->itt = h->itt;
	t->cmd_sn = be32_get(h->cmd_sn);
	t->edtl = be32_get(h->edtl);
	t->flags = h->flags;
	t->immediate = h->opcode & ISCSI_IMMEDIATE;
	t->unsolicited = (h->flags & ISCSI_CMD_WRITE) && !(h->flags & ISCSI_FINAL);
	t->used_bytes = &s->target->accounts[r->io->index].used_bytes;
	t->cmd.nexus = s->nexus;
	t->cmd.io = r->io;
	t->cmd.pool = r->pool;
	t->cmd.busy = &r->busy_units;
	t->cmd.done = command_done;
	memcpy(t->cmd.lun, h->lun, sizeof(t->cmd.lun));
	memcpy(t->cmd.cdb, h->cdb, sizeof(t->cmd.cdb));

	list_add_tail(&s->tasks, &t->link);
	t->itt_next = s->by_itt[bucket];
	s->by_itt[bucket] = t;
	s->ntasks++;
	s->nimmediate += t->immediate;
	task_order_enter(t);
	atomic_store_explicit(&r->ncommands,
			      atomic_load_explicit(&r->ncommands, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return t;
}

static void put_buffer(struct task *t)
{
	if (!t->buffer_bytes)
		return;
	pool_put(t->reactor->pool, t->iov, t->iovcnt);
	*t->used_bytes -= t->cost_bytes;
	if (t->payer)
		t->payer->used_bytes -= t->cost_bytes;
	t->payer = NULL;
	t->buffer_bytes = 0;
	t->iovcnt = 0;
}

void task_leave_session(struct task *t)
{
	struct session *s = t->session;
	struct task **at;

	if (!s)
		return;
	at = &s->by_itt[session_bucket(be32_get(t->itt))];
	while (*at != t)
		at = &(*at)->itt_next;
	*at = t->itt_next;
	list_del(&t->link);
	s->ntasks--;
	s->nimmediate -= t->immediate;
	if (!t->immediate)
		session_credit(s);
	s->nheld -= t->state == TASK_HELD;
	t->session = NULL;
	task_order_leave(s, t);
}

static void forget_answer(struct task *t)
{
	struct task **at = &t->reactor->answered;

	while (*at != t)
		at = &(*at)->answered_next;
	*at = t->answered_next;
	t->answered_now = false;
}

void task_free(struct task *t)
{
	assert(t->state != TASK_FREE && t->state != TASK_RUNNING);
	task_leave_session(t);
	list_del(&t->tx.link);
	if (unlikely(t->answered_now)) /* its connection went in the same turn */
		forget_answer(t);
	scsi_cmd_dropped(&t->cmd);
	put_buffer(t);
	iscsi_target_put(t->target);
	t->target = NULL;
	t->state = TASK_FREE;
	list_add(&t->reactor->free_tasks, &t->link);
}

/* Is @cost within what the target and the session may have, once it is taken? Also for the first of
 * a session: long commands of many would leave nothing for the short ones of others. */
static bool may_take(const struct task *t, uint64_t cost)
{
	uint64_t left = pool_free_bytes(t->reactor->pool);

	if (*t->used_bytes + cost > left)
		return false;
	left -= *t->used_bytes; /* of the target's part: it shrinks by twice what is taken */
	return left >= 2 * cost && t->session->used_bytes + cost <= 2 * (left - 2 * cost);
}

static bool get_buffer(struct task *t, uint32_t len)
{
	struct pool *pool = t->reactor->pool;
	uint64_t cost = pool_cost_bytes(len);
	int n;

	if (!may_take(t, cost))
		return false;
	n = pool_get(pool, len, t->iov, TASK_MAX_IOV);
	if (n < 0)
		return false;
	t->iovcnt = n;
	t->buffer_bytes = len;
	t->cost_bytes = cost;
	*t->used_bytes += cost;
	t->payer = t->session;
	t->payer->used_bytes += cost;
	return true;
}

/* TASK SET FULL lowers the initiator's queue depth; without another task it would
 * never be raised again, so then it is BUSY. */
static void refuse(struct task *t)
{
	t->cmd.status = t->session->ntasks > 1 ? SCSI_TASK_SET_FULL : SCSI_BUSY;
	t->cmd.sense_len = 0;
	t->cmd.transfer_bytes = 0;
	t->ended = true;
	t->buffer_refused = true;
}

void task_start(struct task *t)
{
	/* Bidirectional commands do not exist for a disk: with both bits the header's
	 * length is the Data-Out's (11.3.4). */
	t->cmd.out_offered = t->flags & ISCSI_CMD_WRITE ? t->edtl : 0;
	t->cmd.in_room =
		(t->flags & (ISCSI_CMD_READ | ISCSI_CMD_WRITE)) == ISCSI_CMD_READ ? t->edtl : 0;
	if (t->reactor->nzombies >= MAX_ZOMBIES) {
		scsi_cmd_arrived(&t->cmd);
		refuse(t);
		return;
	}
	if (scsi_cmd_start(&t->cmd) == SCSI_ENDED) {
		t->ended = true;
		return;
	}
	if (t->cmd.buffer_bytes && !get_buffer(t, t->cmd.buffer_bytes)) {
		refuse(t);
		return;
	}
	t->cmd.iov = t->iov;
	t->cmd.iovcnt = t->iovcnt;
}

static void answer(struct task *t)
{
	t->state = TASK_ANSWERING;
	t->answered_now = true;
	t->answered_next = t->reactor->answered;
	t->reactor->answered = t;
	conn_queue(t->session->conn, &t->tx);
}

static void add(_Atomic uint64_t *count, uint64_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* All of a turn at once, because the time is new then: the engine looks at the clock at the end of
 * a turn anyway, and during it only knows when it began. */
void task_count_answers(struct iscsi_reactor *r, uint64_t now_ns)
{
	struct task *next;

	for (struct task *t = r->answered; t; t = next) {
		struct session *s = t->session;

		next = t->answered_next;
		t->answered_now = false;
		add(&s->commands, 1);
		add(t->cmd.dir == SCSI_DIR_OUT ? &s->written_bytes : &s->read_bytes,
		    scsi_cmd_moved_bytes(&t->cmd));
		scsi_cmd_answered(&t->cmd, now_ns);
	}
	r->answered = NULL;
}

static void tick(struct io_timer *timer)
{
	struct iscsi_reactor *r = container_of(timer, struct iscsi_reactor, tick);
	uint64_t now = io_now_ns(r->io);

	scsi_fence_slow(&r->busy_units, r->io, now);
	if (r->nrunning)
		io_timer_set(r->io, timer, now + TICK_NS);
}

void task_run(struct task *t)
{
	struct iscsi_reactor *r = t->reactor;

	t->state = TASK_RUNNING;
	r->nrunning++;
	if (!r->tick.set) {
		r->tick.fire = tick;
		io_timer_set(r->io, &r->tick, io_now_ns(r->io) + TICK_NS);
	}
	scsi_cmd_run(&t->cmd);
}

static void hold(struct task *t)
{
	t->state = TASK_HELD;
	t->session->nheld++;
}

void task_advance(struct task *t)
{
	if (t->unsolicited)
		return; /* more is coming unasked */
	if (t->ended && t->nr2ts)
		return; /* asked for before it failed: all of it comes before the answer (7.8) */
	if (t->ended)
		answer(t);
	else if (t->cmd.dir == SCSI_DIR_OUT && t->filled_bytes < t->buffer_bytes)
		data_out_solicit(t);
	else if (likely(task_may_run(t)))
		task_run(t);
	else
		hold(t);
}

static void command_done(struct scsi_cmd *cmd)
{
	struct task *t = container_of(cmd, struct task, cmd);
	struct iscsi_reactor *r = t->reactor;

	r->nrunning--;
	if (t->state == TASK_ZOMBIE) {
		r->nzombies--;
		task_free(t);
		iscsi_reactor_settle(r);
		return;
	}
	answer(t);
}

/* It may outlive its session, and its target's place in the register. */
static void become_zombie(struct task *t)
{
	if (t->payer)
		t->payer->used_bytes -= t->cost_bytes;
	t->payer = NULL;
	t->target = iscsi_target_get(t->session->target);
	t->state = TASK_ZOMBIE;
	scsi_cmd_dropped(&t->cmd);
	t->reactor->nzombies++;
}

void task_abort(struct task *t)
{
	struct iscsi_reactor *r = t->reactor;
	struct conn *c = t->session->conn;

	assert(t->state != TASK_ANSWERING);
	if (t->state != TASK_RUNNING) {
		list_del(&t->tx.link);
		if (c->rx_task == t) {
			/* its bytes are being received this moment: freed after them */
			t->state = TASK_DROPPED;
			scsi_cmd_leave(&t->cmd);
			return;
		}
		task_free(t);
		return;
	}
	if (scsi_cmd_abort(&t->cmd)) {
		r->nrunning--;
		t->state = TASK_DROPPED;
		task_free(t);
		return;
	}
	become_zombie(t);
	task_leave_session(t);
}

/* --- a unit that goes -------------------------------------------------------------------- */

/* @s takes the place of @t in its session: tag, number and all. */
static void stand_in(struct task *s, struct task *t)
{
	struct task **at = &t->session->by_itt[session_bucket(be32_get(t->itt))];

	s->session = t->session;
	s->itt = t->itt;
	s->cmd_sn = t->cmd_sn;
	s->edtl = t->edtl;
	s->flags = t->flags;
	s->immediate = t->immediate;
	s->r2t_sn = t->r2t_sn;
	s->cmd.dir = t->cmd.dir;
	memcpy(s->cmd.lun, t->cmd.lun, sizeof(s->cmd.lun));
	list_add_between(&s->link, t->link.prev, t->link.next);
	list_init(&t->link);
	while (*at != t)
		at = &(*at)->itt_next;
	*at = s;
	s->itt_next = t->itt_next;
	t->session = NULL;
}

/* The disk may have its memory for long: another task carries the answer then. */
static void lose_running(struct task *t)
{
	struct iscsi_reactor *r = t->reactor;
	struct task *s = task_take(r);

	if (!s) {
		conn_close(t->session->conn, "out of memory");
		return;
	}
	if (scsi_cmd_abort(&t->cmd)) {
		r->nrunning--;
		s->state = TASK_FREE;
		list_add(&r->free_tasks, &s->link);
		s = t;
	} else {
		become_zombie(t);
		stand_in(s, t);
	}
	scsi_cmd_lose_lu(&s->cmd);
	answer(s);
}

void task_lose_lu(struct task *t)
{
	if (t->state == TASK_RUNNING) {
		lose_running(t);
		return;
	}
	if (t->ended || t->state == TASK_DROPPED)
		scsi_cmd_leave(&t->cmd);
	else
		scsi_cmd_lose_lu(&t->cmd);
	if (t->state == TASK_DROPPED)
		return;
	t->session->nheld -= t->state == TASK_HELD;
	t->state = TASK_COLLECTING;
	t->ended = true;
	if (t->session->conn->rx_task != t) /* else its bytes are being received this moment */
		task_advance(t);
}

int task_slice(const struct task *t, uint32_t off, uint32_t len, struct iovec *iov, int max)
{
	int n = 0;

	if (off >= t->buffer_bytes)
		return 0;
	len = MIN(len, t->buffer_bytes - off);
	for (int i = 0; i < t->iovcnt && len && n < max; i++) {
		size_t here = t->iov[i].iov_len;

		if (off >= here) {
			off -= (uint32_t)here;
			continue;
		}
		here = MIN(here - off, len);
		iov[n++] = (struct iovec){ (char *)t->iov[i].iov_base + off, here };
		len -= (uint32_t)here;
		off = 0;
	}
	return n;
}
