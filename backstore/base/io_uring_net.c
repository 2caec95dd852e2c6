/* The network part of the io_uring engine: what to ask for next.
 *
 * Receiving. A stream is usually armed once (multishot) and takes buffers from a
 * ring shared by all streams, so idle connections hold no memory. A buffer is lent to
 * the owner during the callback and goes straight back. When the owner wants the
 * next bytes in a place of its own (io_stream_exact), a multishot that is armed must
 * first be cancelled; what comes in until it has ended is copied, the rest is one
 * recvmsg. A stream that did that is armed for one receive at a time for a while, so
 * that the next exact receive needs no cancelling.
 *
 *                 ┌──────────── bytes ───────────┐
 *                 ▼                              │
 *     start ─▶ [multi] ── exact ─▶ [multi, cancelled] ── ended ─▶ [exact] ─▶ [one] × credit
 *                 ▲                                                  ▲         │  │
 *                 └────────────────── credit used up ────────────────┼─────────┘  │
 *                                                                    └── exact ───┘
 *
 * One answer is always outstanding, except inside the stream's own callbacks; so a
 * stop ends either what is armed, or what the callback returns to. */
#include "backstore/base/io_uring_parts.h"

#include "backstore/base/io_parts.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum {
	/* Receives armed one by one after an exact one. */
	EXACT_CREDIT = 32,
	ACCEPT_RETRY_NS = 100 * 1000 * 1000,
};

/* io_stream.state, io_listener.state */
enum {
	ARMED = 1 << 0,	    /* the kernel will answer for .op */
	CANCELLED = 1 << 1, /* a cancel for this arming is on its way */
};

/* ── streams ──────────────────────────────────────────────────────────── */

static void stream_arm(struct io_stream *s)
{
	if (stream_wants_exact(s)) {
		s->op.c = URING_RECV_EXACT;
	} else if (s->credit) {
		s->credit--;
		s->op.c = URING_RECV_ONE;
	} else {
		s->op.c = URING_RECV_MULTI;
	}
	s->state = ARMED;
	uring_start(s->io, &s->op);
}

static void stream_cancel(struct io_stream *s)
{
	if (s->state != ARMED)
		return;
	s->state |= CANCELLED;
	uring_start_cancel(s->io, &s->cancel_op, &s->op);
}

void uring_stream_start(struct io *io MAYBE_UNUSED, struct io_stream *s)
{
	s->exact_len = s->exact_done = 0;
	s->stopping = s->ended = false;
	s->credit = 0;
	list_init(&s->cancel_op.link);
	stream_arm(s);
}

/* Called from within a callback of @s: stream_complete goes on from there. */
void uring_stream_exact(struct io *io MAYBE_UNUSED, struct io_stream *s)
{
	s->credit = EXACT_CREDIT;
}

void uring_stream_stop(struct io *io MAYBE_UNUSED, struct io_stream *s)
{
	if (s->ended || s->stopping)
		return;
	s->stopping = true;
	/* Not armed: then this is one of its own callbacks, and stream_settle is next. */
	stream_cancel(s);
}

static void stream_end(struct io_stream *s, int res)
{
	s->ended = true;
	list_del(&s->cancel_op.link);
	s->on_end(s, res);
}

/* Nothing is armed: goes on, or ends. @res is the last answer. */
static void stream_settle(struct io_stream *s, int res, bool cancelled)
{
	if (s->stopping)
		stream_end(s, -ECANCELED);
	else if (res > 0 || (res == -ECANCELED && cancelled))
		stream_arm(s);
	else if (res == -ENOBUFS || res == -EINTR || res == -EAGAIN)
		/* Buffers ran out: all that completions of this turn hold are back before
		 * this is handed to the kernel. */
		stream_arm(s);
	else
		stream_end(s, res);
}

void uring_stream_complete(struct io_stream *s, int res, bool more, const uint8_t *data)
{
	bool cancelled = s->state & CANCELLED;

	if (!more)
		s->state = 0;
	if (data && res > 0)
		stream_feed(s, data, (size_t)res);
	else if (res > 0)
		stream_exact_received(s, (size_t)res);
	if (!more)
		stream_settle(s, res, cancelled);
	else if (stream_wants_exact(s))
		stream_cancel(s);
}

/* ── sends ────────────────────────────────────────────────────────────── */

void uring_send(struct io *io MAYBE_UNUSED, struct io_send *s)
{
	s->total = iov_bytes(s->msg.msg_iov, s->msg.msg_iovlen);
	assert(s->total > 0 && s->total <= INT_MAX);
	s->op.c = URING_SEND;
	uring_start_send(s->io, &s->op);
}

void uring_send_complete(struct io_send *s, int res)
{
	if (res <= 0 && res != -EINTR && res != -EAGAIN) {
		s->done(s, res ? res : -EPIPE); /* 0 would be asked for again for ever */
		return;
	}
	if (res > 0) {
		s->sent += (size_t)res;
		if (s->sent == s->total) {
			s->done(s, (int)s->total);
			return;
		}
		msg_advance(&s->msg, (size_t)res);
	}
	uring_start(s->io, &s->op);
}

/* ── listeners ────────────────────────────────────────────────────────── */

static void listener_arm(struct io_listener *l)
{
	l->op.c = URING_ACCEPT;
	l->state = ARMED;
	uring_start(l->io, &l->op);
}

static void listener_retry(struct io_timer *t)
{
	struct io_listener *l = container_of(t, struct io_listener, retry);

	listener_arm(l);
}

static void listener_end(struct io_op *op, int res MAYBE_UNUSED)
{
	struct io_listener *l = container_of(op, struct io_listener, op);

	list_del(&l->cancel_op.link);
	l->on_end(l);
}

void uring_listen_start(struct io *io MAYBE_UNUSED, struct io_listener *l)
{
	l->stopping = false;
	l->retry = (struct io_timer){ .fire = listener_retry };
	list_init(&l->cancel_op.link);
	listener_arm(l);
}

void uring_listen_stop(struct io *io, struct io_listener *l)
{
	if (l->stopping)
		return;
	l->stopping = true;
	if (l->state & ARMED) {
		l->state |= CANCELLED;
		uring_start_cancel(io, &l->cancel_op, &l->op);
	} else if (l->retry.set) {
		io_timer_clear(io, &l->retry);
		l->op.done = listener_end;
		io_defer(io, &l->op, 0);
	} /* else this is its on_accept, and accept_complete ends it */
}

void uring_accept_complete(struct io_listener *l, int res, bool more)
{
	bool pause = res < 0 && !accept_error_is_transient(res);

	if (!more)
		l->state = 0;
	if (res >= 0 && l->stopping)
		close(res);
	else if ((res >= 0 || pause) && !l->stopping)
		l->on_accept(l, res);
	if (more)
		return;
	if (l->stopping)
		listener_end(&l->op, 0);
	else if (pause)
		io_timer_set(l->io, &l->retry, io_now_ns(l->io) + ACCEPT_RETRY_NS);
	else
		listener_arm(l);
}
