/* Each turn, a connection that got answers is flushed: its free tasks become commands,
 * all in one batch, and one batch is being sent at a time. While it is, what becomes
 * ready waits; so the slower the peer reads, the larger the batches.
 *
 * A command's time begins when its task is free (the answer to the one before is here),
 * not when there is room to send it: a peer that does not read is not fast. */
#include "bench/src/conn.h"

#include "bench/src/stamp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t second_ns = 1000000000;

enum {
	PATIENCE_RUN_S = 30, /* without any answer; sd's own, too */
	PATIENCE_END_S = 10,
};

/* ── beginning and end ────────────────────────────────────────────────── */

static void tx_done(struct ring_op *op, int res, bool more, const uint8_t *data);
static void rx_done(struct ring_op *op, int res, bool more, const uint8_t *data);

int conn_connect(const struct options *o)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list, *a;
	struct timeval patience = { .tv_sec = PATIENCE_RUN_S };
	int ret = getaddrinfo(o->host, o->port, &hints, &list), fd = -1, one = 1;

	if (ret) {
		fprintf(stderr, "load: %s: %s\n", o->host, gai_strerror(ret));
		return -EINVAL;
	}
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		ret = errno;
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			ret = errno == EINPROGRESS ? ETIMEDOUT : errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0) {
		fprintf(stderr, "load: cannot connect to %s port %s: %s\n", o->host, o->port,
			strerror(ret));
		return -ret;
	}
	/* the timeouts are for the blocking part; a ring asks without */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

int conn_init(struct conn *c, const struct proto *proto, struct run *run, unsigned index, int fd)
{
	const struct options *o = run->opt;

	c->proto = proto;
	c->run = run;
	c->index = index;
	c->fd = fd;
	c->rx_op.done = rx_done;
	c->tx_op.done = tx_done;
	list_init(&c->worker_link);
	list_init(&c->dirty_link);
	list_init(&c->ready);
	list_init(&c->retry);
	list_init(&c->linger);
	c->tasks = calloc(o->depth, sizeof(*c->tasks));
	c->batch.headers = malloc(BATCH_HEADER_BYTES);
	if (o->verify)
		c->buffers = malloc(o->depth * o->block_bytes);
	if (!c->tasks || !c->batch.headers || (o->verify && !c->buffers)) {
		fprintf(stderr, "load: no memory for %u commands of %llu bytes\n", o->depth,
			(unsigned long long)o->block_bytes);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < o->depth; i++) {
		struct task *t = &c->tasks[i];

		t->data = c->buffers ? c->buffers + i * o->block_bytes : run->payload;
		list_add_tail(&c->ready, &t->link);
	}
	return 0;
}

void conn_fini(struct conn *c)
{
	close(c->fd);
	picker_fini(&c->picker);
	free(c->tasks);
	free(c->buffers);
	free(c->batch.headers);
}

/* Random I/O that is not verified goes everywhere; else each has a part of its own. */
int conn_set_range(struct conn *c)
{
	const struct options *o = c->run->opt;
	uint64_t range = o->range_bytes ? o->range_bytes : c->run->disk_bytes;
	uint64_t parts = o->verify || !o->random ? o->connections : 1;
	uint64_t slots = range / o->block_bytes / parts;
	uint64_t need = o->verify ? o->depth : 1;
	int ret;

	if (slots < need) {
		fprintf(stderr,
			"load: %llu bytes are too few for %u connection%s of depth %u with blocks "
			"of %llu: lower them, or raise --range\n",
			(unsigned long long)range, o->connections, o->connections == 1 ? "" : "s",
			o->depth, (unsigned long long)o->block_bytes);
		return -EINVAL;
	}
	c->picker.random = o->random;
	c->picker.read_percent = o->read_percent;
	c->picker.rng = c->run->stamp_run + c->index * UINT64_C(0x632be59bd9b4e019);
	ret = picker_init(&c->picker, c->index % parts * slots * o->block_bytes,
			  slots * o->block_bytes, o->block_bytes, o->verify);
	if (ret)
		fprintf(stderr, "load: no memory for a table of %llu blocks: use --range\n",
			(unsigned long long)slots);
	return ret;
}

void conn_done(struct conn *c)
{
	if (c->phase == CONN_DONE)
		return;
	c->phase = CONN_DONE;
	c->worker->live--;
}

void conn_fail(struct conn *c, enum load_error error, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (c->phase == CONN_DONE)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	run_complain(c->run, "connection %u: %s", c->index, text);
	c->worker->counts.errors[error]++;
	run_stop(c->run, RUN_STOP);
	conn_done(c);
}

/* ── sending ──────────────────────────────────────────────────────────── */

static bool pick(struct conn *c, struct task *t)
{
	if (t->again)
		return true;
	if (c->phase == CONN_RUN)
		return picker_next(&c->picker, &t->pick);
	return c->phase == CONN_READBACK && picker_next_written(&c->picker, &t->pick);
}

static bool issue_next(struct conn *c)
{
	struct task *t;

	if (list_empty(&c->ready) || !batch_room(&c->batch) || !c->proto->may_issue(c))
		return false;
	t = list_first(&c->ready, struct task, link);
	if (!pick(c, t))
		return false;
	list_del(&t->link);
	if (c->buffers && t->pick.is_write && !t->again) {
		struct stamp stamp = { c->run->stamp_run, t->pick.off_bytes, t->pick.generation };

		stamp_fill(t->data, c->run->opt->block_bytes, &stamp);
	}
	t->again = false;
	if (c->outstanding++ == 0)
		c->heard_ns = c->worker->now_ns;
	t->batch_no = c->batch_no;
	c->proto->issue(c, t);
	return true;
}

static void send_batch(struct conn *c)
{
	c->tx_busy = true;
	if (ring_send(&c->worker->ring, &c->tx_op, c->fd, &c->batch.msg) < 0)
		conn_fail(c, LOAD_INTERNAL, "io_uring takes no requests");
}

static void tx_done(struct ring_op *op, int res, bool more MAYBE_UNUSED,
		    const uint8_t *data MAYBE_UNUSED)
{
	struct conn *c = container_of(op, struct conn, tx_op);

	c->tx_busy = false;
	if (c->phase == CONN_DONE)
		return;
	if (res < 0 && res != -EINTR && res != -EAGAIN) {
		conn_fail(c, LOAD_LOST, "lost: %s", strerror(-res));
		return;
	}
	if (batch_advance(&c->batch, res > 0 ? (size_t)res : 0)) {
		send_batch(c);
		return;
	}
	c->batches_sent = c->batch_no;
	list_splice_tail(&c->ready, &c->linger);
	conn_dirty(c);
}

/* ── phases ───────────────────────────────────────────────────────────── */

/* What was refused as busy is not asked for again. */
static void forget_retries(struct conn *c)
{
	list_splice_tail(&c->ready, &c->retry);
	for (unsigned i = 0; i < c->run->opt->depth; i++) {
		if (!c->tasks[i].again)
			continue;
		c->tasks[i].again = false;
		picker_done(&c->picker, &c->tasks[i].pick, PICKER_READ);
	}
}

static void next_phase(struct conn *c)
{
	const struct options *o = c->run->opt;

	if (c->phase == CONN_RUN && c->worker->measured) {
		c->phase = CONN_DRAIN;
		forget_retries(c);
	}
	if (c->phase == CONN_DRAIN && !c->outstanding)
		c->phase = o->verify && !run_stopping(c->run) ? CONN_READBACK : CONN_FINISH;
	else if (c->phase == CONN_READBACK && !c->outstanding && list_empty(&c->retry))
		c->phase = CONN_FINISH;
	else
		return;
	if (c->phase == CONN_READBACK)
		conn_dirty(c);
	if (c->phase == CONN_FINISH) {
		c->heard_ns = c->worker->now_ns;
		c->proto->finish(c);
	}
}

void conn_flush(struct conn *c)
{
	if (c->phase == CONN_DONE || c->tx_busy)
		return;
	batch_clear(&c->batch);
	c->batch_no++;
	if (c->phase == CONN_RUN && c->worker->measured)
		next_phase(c);
	c->proto->pump(c);
	while (issue_next(c))
		;
	if (c->phase != CONN_RUN && !c->outstanding)
		next_phase(c);
	if (!c->batch.iovs || c->phase == CONN_DONE)
		return;
	c->batch.msg = (struct msghdr){ .msg_iov = c->batch.iov, .msg_iovlen = c->batch.iovs };
	send_batch(c);
}

void conn_start(struct conn *c)
{
	c->heard_ns = load_now_ns();
	for (unsigned i = 0; i < c->run->opt->depth; i++)
		c->tasks[i].start_ns = c->heard_ns;
	c->rx_armed = true;
	if (ring_recv(&c->worker->ring, &c->rx_op, c->fd) < 0)
		conn_fail(c, LOAD_INTERNAL, "io_uring takes no requests");
	conn_dirty(c);
}

void conn_tick(struct conn *c)
{
	unsigned patience = c->phase == CONN_RUN ? PATIENCE_RUN_S : PATIENCE_END_S;
	bool waits = c->outstanding || c->phase == CONN_FINISH;

	if (c->phase == CONN_DONE)
		return;
	if (run_stopping(c->run) == RUN_ABANDON)
		conn_fail(c, LOAD_TIMEOUT, "abandoned with %u commands under way", c->outstanding);
	else if (waits && c->worker->now_ns > c->heard_ns + patience * second_ns)
		conn_fail(c, LOAD_TIMEOUT, "no answer for %u s, %u commands are under way",
			  patience, c->outstanding);
	list_splice_tail(&c->ready, &c->retry);
	conn_dirty(c);
}

/* ── answers ──────────────────────────────────────────────────────────── */

static void rx_done(struct ring_op *op, int res, bool more, const uint8_t *data)
{
	struct conn *c = container_of(op, struct conn, rx_op);

	c->rx_armed = more;
	if (c->phase == CONN_DONE)
		return;
	if (res > 0) {
		c->heard_ns = c->worker->now_ns;
		if (c->proto->feed(c, data, (size_t)res) < 0)
			return;
		conn_dirty(c);
	} else if (res != -ENOBUFS && res != -EINTR && res != -EAGAIN && c->phase == CONN_FINISH &&
		   c->outstanding == 0) {
		conn_done(c); /* some targets close instead of answering the logout */
	} else if (res == 0) {
		conn_fail(c, LOAD_LOST, "closed by the peer with %u commands under way",
			  c->outstanding);
	} else if (res != -ENOBUFS && res != -EINTR && res != -EAGAIN) {
		conn_fail(c, LOAD_LOST, "lost: %s", strerror(-res));
	}
	if (more || c->phase == CONN_DONE)
		return;
	c->rx_armed = true;
	if (ring_recv(&c->worker->ring, &c->rx_op, c->fd) < 0)
		conn_fail(c, LOAD_INTERNAL, "io_uring takes no requests");
}

/* The task is free, unless its data is still being sent. */
static void task_end(struct conn *c, struct task *t)
{
	bool sent = !c->tx_busy || (int32_t)(t->batch_no - c->batches_sent) <= 0;

	c->outstanding--;
	t->start_ns = c->worker->now_ns;
	list_add_tail(sent || !c->buffers ? &c->ready : &c->linger, &t->link);
}

static void verify(struct conn *c, struct task *t)
{
	struct stamp want = { c->run->stamp_run, t->pick.off_bytes, t->pick.generation };
	struct counts *counts = &c->worker->counts;
	struct stamp_report report;

	stamp_check(t->data, c->run->opt->block_bytes, &want, &report);
	counts->verified_bytes += report.good_bytes;
	if (!report.bad)
		return;
	counts->errors[LOAD_MISMATCH]++;
	run_complain(c->run,
		     "MISMATCH: the sector at byte %llu %s (%u of %llu sectors read from byte %llu "
		     "are wrong; wanted write %u there, found write %u of byte %llu)",
		     (unsigned long long)report.first_bad_off_bytes,
		     stamp_verdict_text(report.first_bad), report.bad,
		     (unsigned long long)(c->run->opt->block_bytes / STAMP_SECTOR_BYTES),
		     (unsigned long long)t->pick.off_bytes, want.generation,
		     report.found.generation, (unsigned long long)report.found.off_bytes);
}

void conn_task_good(struct conn *c, struct task *t)
{
	struct worker *w = c->worker;

	if (w->measuring) {
		hist_record(&w->counts.latency_ns, w->now_ns - t->start_ns);
		w->counts.bytes += c->run->opt->block_bytes;
	}
	w->counts.done[t->pick.is_write]++;
	if (c->buffers && !t->pick.is_write)
		verify(c, t);
	picker_done(&c->picker, &t->pick, t->pick.is_write ? PICKER_WRITTEN : PICKER_READ);
	task_end(c, t);
}

void conn_task_busy(struct conn *c, struct task *t)
{
	uint64_t start_ns = t->start_ns;

	c->worker->counts.busy++;
	task_end(c, t);
	t->start_ns = start_ns;
	t->again = true;
	list_del(&t->link);
	list_add_tail(&c->retry, &t->link);
}

void conn_task_failed(struct conn *c, struct task *t, enum load_error error)
{
	c->worker->counts.errors[error]++;
	picker_done(&c->picker, &t->pick, t->pick.is_write ? PICKER_UNKNOWN : PICKER_READ);
	task_end(c, t);
}
