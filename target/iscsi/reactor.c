/* A reactor's connections: taking them in, sending once a turn, draining. */
#include "target/iscsi/reactor.h"

#include "target/iscsi/conn.h"
#include "target/iscsi/task.h"

#include <errno.h>
#include <stdlib.h>

/* All that a turn made ready leaves now, one send a connection. */
static void send_gathered(struct io *io, void *arg)
{
	struct iscsi_reactor *r = arg;
	struct list *l;

	task_count_answers(r, io_now_ns(io));
	while ((l = list_pop(&r->dirty)))
		conn_flush(list_entry(l, struct conn, tx.dirty));
}

int iscsi_reactor_new(struct iscsi_reactor **out, struct iscsi_node *node, struct io *io,
		      uint64_t buffer_bytes)
{
	struct iscsi_reactor *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->pool = pool_new(buffer_bytes);
	if (!r->pool) {
		free(r);
		return -ENOMEM;
	}
	r->node = node;
	r->io = io;
	list_init(&r->conns);
	list_init(&r->dirty);
	list_init(&r->free_tasks);
	list_init(&r->task_blocks);
	list_init(&r->busy_units);
	io->before_submit = send_gathered;
	io->before_submit_arg = r;
	*out = r;
	return 0;
}

void iscsi_reactor_free(struct iscsi_reactor *r)
{
	io_timer_clear(r->io, &r->tick);
	io_timer_clear(r->io, &r->drain_limit);
	r->io->before_submit = NULL;
	task_blocks_free(r);
	pool_free(r->pool);
	free(r);
}

void iscsi_reactor_adopt(struct iscsi_reactor *r, int fd)
{
	struct conn *c = conn_new(r, fd);

	if (c && r->draining)
		conn_close(c, "the server is stopping");
}

static void drain_done(struct io_op *op, int res)
{
	struct iscsi_reactor *r = container_of(op, struct iscsi_reactor, drain_op);

	(void)res;
	r->drained(r);
}

static void drain_end(struct iscsi_reactor *r)
{
	if (r->drain_ended)
		return;
	r->drain_ended = true;
	io_timer_clear(r->io, &r->drain_limit);
	io_defer(r->io, &r->drain_op, 0);
}

void iscsi_reactor_settle(struct iscsi_reactor *r)
{
	if (r->draining && list_empty(&r->conns) && !r->nzombies)
		drain_end(r);
}

/* Zombies may never end: their disk is stuck. Whoever stops us must not be. */
static void drain_expired(struct io_timer *t)
{
	struct iscsi_reactor *r = container_of(t, struct iscsi_reactor, drain_limit);

	drain_end(r);
}

void iscsi_reactor_drain(struct iscsi_reactor *r, uint64_t bound_ns,
			 void (*drained)(struct iscsi_reactor *r))
{
	r->draining = true;
	r->drained = drained;
	r->drain_op.done = drain_done;
	r->drain_limit.fire = drain_expired;
	io_timer_set(r->io, &r->drain_limit, io_now_ns(r->io) + bound_ns);
	list_for_each_safe (l, &r->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (conn_is_full_feature(c))
			logout_ask(c, "the server is stopping");
		else
			conn_close(c, "the server is stopping");
	}
	iscsi_reactor_settle(r);
}
