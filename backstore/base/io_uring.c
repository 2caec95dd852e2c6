/* The real engine: one io_uring per reactor, driven by one thread.
 *
 *     callbacks ──start()──▶ SQ ─┐ one io_uring_enter per turn: hands over what a
 *         ▲                      │ turn has gathered, sleeps if nothing is ready
 *         └── complete() ◀── CQ ◀┘
 *
 * Everything that the kernel is asked for is an io_op whose fields say what (a, b,
 * c, res: see enum uring_kind), embedded in its requester; user_data is its address, 0 for
 * answers that nobody waits for. An op that finds the SQ full, which means that
 * io_uring_submit just failed, waits in the backlog, in order.
 *
 * Order. A cancel names the address of an op, and an address may be used again. It
 * cannot hit a successor, because SQEs are started in the order in which they
 * were queued.
 *
 * Kernel 6.0 at least (multishot receive); DEFER_TASKRUN from 6.1 on. */
#include "backstore/base/io.h"
#include "backstore/base/io_parts.h"
#include "backstore/base/io_uring_parts.h"
#include "backstore/base/log.h"
#include "backstore/base/mailbox.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	SQ_ENTRIES = 1024,
	CQ_ENTRIES = 8192,
	BUF_COUNT = 256, /* a power of two */
	REAP_BATCH = 64,
	/* More than what callers put into the workers' hands at a time, which they bound
	 * per volume (its lanes, see backstore/disk.h), so that some hundred stalled volumes cannot
	 * take the worker another one's flush needs. They are made when there is work. */
	IO_WORKERS = 16384,
};

struct engine {
	struct io io;
	struct io_uring ring;
	struct mailbox box;
	struct list deferred;
	struct list backlog; /* ops without an SQE yet */
	struct list sends;   /* of this turn */
	bool sent_alone;     /* in the last turn, and nothing else was done in it */
	struct io_op wake;
	uint64_t wake_count; /* what the eventfd is read into */
	int wake_error;	     /* it cannot be read: the engine is broken */
	bool wake_armed;
	bool ending; /* it is not read again */
	uint64_t now_ns;
	struct io_uring_buf_ring *buf_ring;
	uint8_t *bufs; /* BUF_COUNT of URING_BUF_BYTES, touched when first used */
};

static struct engine *engine_of(struct io *io)
{
	return container_of(io, struct engine, io);
}

/* ── from ops to SQEs ─────────────────────────────────────────────────── */

/* NULL: the SQ is full and the kernel would not take it. */
static struct io_uring_sqe *get_sqe(struct engine *e)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&e->ring);

	if (sqe)
		return sqe;
	io_uring_submit(&e->ring);
	return io_uring_get_sqe(&e->ring);
}

void uring_start(struct io *io, struct io_op *op)
{
	struct engine *e = engine_of(io);
	struct io_uring_sqe *sqe = list_empty(&e->backlog) ? get_sqe(e) : NULL;

	if (sqe)
		uring_prep(sqe, op);
	else
		list_add_tail(&e->backlog, &op->link);
}

void uring_start_send(struct io *io, struct io_op *op)
{
	list_add_tail(&engine_of(io)->sends, &op->link);
}

/* A send that is alone in its turn is made by a call of its own: through the ring its answer would
 * end the next sleep at once, a system call and a turn for nothing, which at depth 1 is half of
 * them. What the socket does not take is left to the ring. True: callbacks have run. */
static bool send_alone(struct engine *e)
{
	struct io_op *op = list_first(&e->sends, struct io_op, link);
	struct io_send *s = container_of(op, struct io_send, op);
	ssize_t n;

	list_del(&op->link);
	n = sendmsg(s->fd, &s->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN) {
		uring_start(&e->io, op);
		return false;
	}
	uring_send_complete(s, n < 0 ? -errno : (int)n);
	return true;
}

/* Hands over what the turn has gathered. True: callbacks have run, do not sleep. */
static bool send_gathered(struct engine *e)
{
	struct list *l;

	/* Not twice in a row: what has come meanwhile is waiting in the ring. */
	if (!e->sent_alone && !list_empty(&e->sends) && e->sends.next == e->sends.prev)
		return e->sent_alone = send_alone(e);
	e->sent_alone = false;
	while ((l = list_pop(&e->sends)))
		uring_start(&e->io, list_entry(l, struct io_op, link));
	return false;
}

static void drain_backlog(struct engine *e)
{
	while (!list_empty(&e->backlog)) {
		struct io_uring_sqe *sqe = get_sqe(e);

		if (!sqe)
			return;
		uring_prep(sqe, list_entry(list_pop(&e->backlog), struct io_op, link));
	}
}

void uring_start_cancel(struct io *io, struct io_op *cancel_op, struct io_op *target)
{
	list_del(&cancel_op->link); /* from the backlog, perhaps */
	cancel_op->c = URING_CANCEL;
	cancel_op->a = (uintptr_t)target;
	uring_start(io, cancel_op);
}

static void do_cancel(struct io *io, struct io_op *op)
{
	struct engine *e = engine_of(io);
	struct io_uring_sqe *sqe = list_empty(&e->backlog) ? get_sqe(e) : NULL;

	if (!sqe)
		return; /* it is advice */
	io_uring_prep_cancel64(sqe, (uintptr_t)op, 0);
	sqe->user_data = 0;
}

static void do_defer(struct io *io, struct io_op *op, int res)
{
	op->res = res;
	list_add_tail(&engine_of(io)->deferred, &op->link);
}

/* ── turns ────────────────────────────────────────────────────────────── */

static void return_buf(struct engine *e, unsigned id)
{
	io_uring_buf_ring_add(e->buf_ring, e->bufs + (size_t)id * URING_BUF_BYTES, URING_BUF_BYTES,
			      (unsigned short)id, io_uring_buf_ring_mask(BUF_COUNT), 0);
	io_uring_buf_ring_advance(e->buf_ring, 1);
}

/* The buffer is the owner's during the callback. It may end with freeing @s. */
static void recv_complete(struct engine *e, struct io_stream *s, int res, unsigned flags)
{
	unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
	const uint8_t *data = NULL;

	if (flags & IORING_CQE_F_BUFFER)
		data = e->bufs + (size_t)id * URING_BUF_BYTES;
	uring_stream_complete(s, res, flags & IORING_CQE_F_MORE, data);
	if (data)
		return_buf(e, id);
}

static void wake_complete(struct engine *e, int res)
{
	e->wake_armed = false;
	if (e->ending)
		return;
	if (res == sizeof(e->wake_count) || res == -EINTR || res == -EAGAIN) {
		e->wake_armed = true;
		uring_start(&e->io, &e->wake);
	} else {
		e->wake_error = res < 0 ? res : -EIO;
	}
}

static void complete(struct engine *e, uint64_t user_data, int res, unsigned flags)
{
	struct io_op *op = (struct io_op *)(uintptr_t)user_data;

	if (!op)
		return;
	switch (uring_kind(op)) {
	case URING_READ:
	case URING_WRITE:
	case URING_FDATASYNC:
	case URING_PUNCH:
	case URING_ZERO:
		op->done(op, res);
		break;
	case URING_RECV_MULTI:
	case URING_RECV_ONE:
	case URING_RECV_EXACT:
		recv_complete(e, container_of(op, struct io_stream, op), res, flags);
		break;
	case URING_SEND:
		uring_send_complete(container_of(op, struct io_send, op), res);
		break;
	case URING_ACCEPT:
		uring_accept_complete(container_of(op, struct io_listener, op), res,
				      flags & IORING_CQE_F_MORE);
		break;
	case URING_WAKE:
		wake_complete(e, res);
		break;
	case URING_CANCEL:
		break;
	}
}

/* Runs the callbacks of the completions that were there when it was called. */
static void reap(struct engine *e)
{
	struct io_uring_cqe *cqes[REAP_BATCH];
	unsigned left = io_uring_cq_ready(&e->ring);

	while (left) {
		unsigned n = io_uring_peek_batch_cqe(&e->ring, cqes, MIN(left, REAP_BATCH));

		for (unsigned i = 0; i < n; i++)
			complete(e, cqes[i]->user_data, cqes[i]->res, cqes[i]->flags);
		io_uring_cq_advance(&e->ring, n);
		left -= n;
	}
}

/* One io_uring_enter. Returns 0 or -errno. */
static int enter(struct engine *e, bool sleep)
{
	uint64_t next_ns = timers_next_ns(&e->io.timers), rest_ns;
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;
	int ret;

	if (!sleep || next_ns <= e->now_ns) {
		ret = io_uring_submit_and_get_events(&e->ring);
	} else if (next_ns == UINT64_MAX) {
		ret = io_uring_submit_and_wait(&e->ring, 1);
	} else {
		rest_ns = next_ns - e->now_ns;
		ts.tv_sec = (long long)(rest_ns / 1000000000);
		ts.tv_nsec = (long long)(rest_ns % 1000000000);
		ret = io_uring_submit_and_wait_timeout(&e->ring, &cqe, 1, &ts, NULL);
	}
	if (ret == -EAGAIN || ret == -EBUSY) {
		/* No memory, or completions wait to be reaped. In the first case only time
		 * helps; do not burn it. */
		if (!io_uring_cq_ready(&e->ring))
			usleep(1000);
		return 0;
	}
	return ret >= 0 || ret == -EINTR || ret == -ETIME ? 0 : ret;
}

static int turn(struct io *io, bool wait)
{
	struct engine *e = engine_of(io);
	bool sleep;
	int ret;

	e->now_ns = clock_now_ns();
	if (io->before_submit)
		io->before_submit(io, io->before_submit_arg);
	if (send_gathered(e))
		return 0;
	drain_backlog(e);
	sleep = wait && list_empty(&e->deferred) && list_empty(&e->backlog) &&
		mailbox_sleep(&e->box);
	ret = enter(e, sleep);
	if (sleep)
		mailbox_wake(&e->box);
	e->now_ns = clock_now_ns();
	if (ret)
		return ret;
	reap(e);
	mailbox_run(&e->box);
	deferred_run(&e->deferred);
	timers_run(&io->timers, e->now_ns);
	return e->wake_error;
}

static uint64_t now_ns(struct io *io)
{
	return engine_of(io)->now_ns;
}

static void post(struct io *io, struct io_msg *m)
{
	mailbox_post(&engine_of(io)->box, m);
}

/* ── beginning and end ────────────────────────────────────────────────── */

/* One mapping: the ring's own pages, then the buffers, which stay untouched. */
static const size_t buf_ring_bytes = BUF_COUNT * sizeof(struct io_uring_buf);
static const size_t buf_map_bytes =
	BUF_COUNT * sizeof(struct io_uring_buf) + (size_t)BUF_COUNT * URING_BUF_BYTES;

static int bufs_init(struct engine *e)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUF_COUNT, .bgid = URING_BUF_GROUP };
	void *map = mmap(NULL, buf_map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	int ret;

	if (map == MAP_FAILED)
		return -errno;
	reg.ring_addr = (uintptr_t)map;
	ret = io_uring_register_buf_ring(&e->ring, &reg, 0);
	if (ret < 0) {
		munmap(map, buf_map_bytes);
		return ret;
	}
	e->buf_ring = map;
	e->bufs = (uint8_t *)map + buf_ring_bytes;
	io_uring_buf_ring_init(e->buf_ring);
	for (unsigned i = 0; i < BUF_COUNT; i++)
		return_buf(e, i);
	return 0;
}

static int ring_init(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, /* 6.0 */
	};
	int ret = -EINVAL;

	for (unsigned i = 0; i < ARRAY_SIZE(flags) && ret == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = flags[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
			.cq_entries = CQ_ENTRIES,
		};

		ret = io_uring_queue_init_params(SQ_ENTRIES, ring, &p);
	}
	return ret == -EINVAL ? -ENOSYS : ret; /* older than 6.0 */
}

static void engine_free(struct io *io)
{
	struct engine *e = engine_of(io);
	struct io_op cancel = { .link = LIST_INIT(cancel.link) };

	/* The eventfd's read ends first: it writes into *e. By the cancel, or by a bell that
	 * comes late: then there is nobody to cancel a second one. */
	e->ending = true;
	if (e->wake_armed)
		uring_start_cancel(io, &cancel, &e->wake);
	while (e->wake_armed) {
		drain_backlog(e);
		if (enter(e, true) < 0)
			break;
		reap(e);
	}
	io_uring_unregister_buf_ring(&e->ring, URING_BUF_GROUP);
	io_uring_queue_exit(&e->ring);
	munmap(e->buf_ring, buf_map_bytes);
	mailbox_fini(&e->box);
	free(e);
}

static const struct io_ops uring_ops = {
	.name = "io_uring",
	.read = uring_read,
	.write = uring_write,
	.fdatasync = uring_fdatasync,
	.space = uring_space,
	.cancel = do_cancel,
	.defer = do_defer,
	.stream_start = uring_stream_start,
	.stream_exact = uring_stream_exact,
	.stream_stop = uring_stream_stop,
	.send = uring_send,
	.listen_start = uring_listen_start,
	.listen_stop = uring_listen_stop,
	.now_ns = now_ns,
	.post = post,
	.turn = turn,
	.free = engine_free,
};

int io_uring_engine_new(struct io **out, unsigned index)
{
	unsigned workers[2] = { IO_WORKERS, 0 }; /* bounded; 0 leaves the other as it is */
	struct engine *e = calloc(1, sizeof(*e));
	int ret;

	if (!e)
		return -ENOMEM;
	e->io.ops = &uring_ops;
	e->io.index = index;
	list_init(&e->deferred);
	list_init(&e->backlog);
	list_init(&e->sends);
	e->now_ns = clock_now_ns();
	ret = ring_init(&e->ring);
	if (ret < 0)
		goto fail;
	ret = bufs_init(e);
	if (ret < 0)
		goto fail_ring;
	ret = mailbox_init(&e->box);
	if (ret < 0)
		goto fail_bufs;
	if (io_uring_register_iowq_max_workers(&e->ring, workers) < 0)
		log_warn("io_uring: cannot raise the number of worker threads");
	io_uring_register_ring_fd(&e->ring); /* saves a lookup per turn, where it can */
	e->wake.c = URING_WAKE;
	e->wake.res = e->box.wake_fd;
	e->wake.a = (uintptr_t)&e->wake_count;
	e->wake_armed = true;
	uring_start(&e->io, &e->wake);
	*out = &e->io;
	return 0;

fail_bufs:
	io_uring_unregister_buf_ring(&e->ring, URING_BUF_GROUP);
	munmap(e->buf_ring, buf_map_bytes);
fail_ring:
	io_uring_queue_exit(&e->ring);
fail:
	free(e);
	return ret;
}
