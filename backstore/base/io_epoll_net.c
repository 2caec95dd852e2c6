/* The network part of the epoll engine.
 *
 * Receiving. A ready stream is read into the engine's one scratch buffer and lends it to its
 * owner. When the owner wants the next bytes in a place of its own (io_stream_exact), they
 * are received there, and behind them what comes after into the scratch buffer, with one
 * call. A stream that did that is given less of the scratch buffer for a while: what
 * lands there of the next long piece has to be copied.
 *
 * Ends that are not the socket's doing (a stop, an error of the start) are deferred calls, as
 * are the ends of sends that need not wait. */
#include "backstore/base/io_epoll_parts.h"

#include "backstore/base/io_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum {
	ROUNDS = 4,	   /* receives from one stream per turn, while it has more */
	EXACT_CREDIT = 32, /* short receives after an exact one */
	SHORT_BYTES = 8 << 10,
	ACCEPTS = 32, /* from one listener per turn */
	ACCEPT_RETRY_NS = 100 * 1000 * 1000,
};

/* ── streams ──────────────────────────────────────────────────────────── */

static int watch_stream(struct epoll_engine *e, struct io_stream *s)
{
	int rc;
	struct epoll_slot *slot = epoll_slot(e, s->fd, &rc);

	if (!slot)
		return rc;
	assert(!slot->stream && !slot->listener);
	slot->stream = s;
	rc = epoll_slot_update(e, s->fd);
	if (rc)
		slot->stream = NULL;
	return rc;
}

static void unwatch_stream(struct io_stream *s)
{
	struct epoll_engine *e = epoll_engine_of(s->io);

	e->slots[s->fd].stream = NULL;
	(void)epoll_slot_update(e, s->fd);
}

static void stream_ended(struct io_op *op, int res)
{
	struct io_stream *s = container_of(op, struct io_stream, op);

	s->ended = true;
	s->on_end(s, res);
}

void epoll_stream_start(struct io *io, struct io_stream *s)
{
	int rc;

	s->exact_len = s->exact_done = 0;
	s->stopping = s->ended = false;
	s->credit = 0;
	s->op.done = stream_ended;
	rc = watch_stream(epoll_engine_of(io), s);
	if (rc) {
		s->stopping = true; /* its end is due */
		io_defer(io, &s->op, rc);
	}
}

void epoll_stream_exact(struct io *io MAYBE_UNUSED, struct io_stream *s)
{
	s->credit = EXACT_CREDIT;
}

void epoll_stream_stop(struct io *io, struct io_stream *s)
{
	if (s->ended || s->stopping)
		return;
	s->stopping = true;
	unwatch_stream(s);
	io_defer(io, &s->op, -ECANCELED);
}

/* Where the next bytes go: *exact of them to the owner's place, in all *asked. */
static int receive(struct epoll_engine *e, struct io_stream *s, size_t *exact, size_t *asked)
{
	struct msghdr msg = { .msg_iov = s->iov };
	int n = stream_exact_rest(s, s->iov, ARRAY_SIZE(s->iov) - 1);
	ssize_t got;

	*exact = *asked = iov_bytes(s->iov, (size_t)n);
	if (*exact == s->exact_len - s->exact_done) { /* there is nothing between */
		size_t room = s->credit ? SHORT_BYTES : EPOLL_SCRATCH_BYTES;

		s->iov[n++] = (struct iovec){ e->scratch, room };
		*asked += room;
	}
	msg.msg_iovlen = (size_t)n;
	do
		got = recvmsg(s->fd, &msg, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : (int)got;
}

/* False: no more for now. */
static bool stream_round(struct epoll_engine *e, struct io_stream *s)
{
	size_t exact, asked, len;
	int got = receive(e, s, &exact, &asked);

	if (got == -EAGAIN)
		return false;
	if (got <= 0) {
		unwatch_stream(s);
		stream_ended(&s->op, got);
		return false;
	}
	len = (size_t)got;
	if (exact)
		stream_exact_received(s, MIN(len, exact));
	else if (s->credit)
		s->credit--;
	if (len > exact)
		stream_feed(s, e->scratch, len - exact);
	return len == asked && !s->stopping;
}

/* ── sends ────────────────────────────────────────────────────────────── */

static void send_ended(struct io_op *op, int res)
{
	struct io_send *s = container_of(op, struct io_send, op);

	s->done(s, res);
}

/* The result, or 0: the socket takes no more now. */
static int send_some(struct io_send *s)
{
	ssize_t n;

	do
		n = sendmsg(s->fd, &s->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (!n)
		return -EPIPE; /* would be asked for again for ever */
	s->sent += (size_t)n;
	if (s->sent == s->total)
		return (int)s->total;
	msg_advance(&s->msg, (size_t)n);
	return 0;
}

static int watch_send(struct epoll_engine *e, struct io_send *s)
{
	int rc;
	struct epoll_slot *slot = epoll_slot(e, s->fd, &rc);

	if (!slot)
		return rc;
	assert(!slot->send);
	slot->send = s;
	rc = epoll_slot_update(e, s->fd);
	if (rc)
		slot->send = NULL;
	return rc;
}

void epoll_send(struct io *io, struct io_send *s)
{
	int rc;

	s->total = iov_bytes(s->msg.msg_iov, s->msg.msg_iovlen);
	assert(s->total > 0 && s->total <= INT_MAX);
	s->op.done = send_ended;
	rc = send_some(s);
	if (!rc)
		rc = watch_send(epoll_engine_of(io), s);
	if (rc)
		io_defer(io, &s->op, rc);
}

void epoll_writable(struct epoll_engine *e, int fd)
{
	struct io_send *s = (unsigned)fd < e->nslots ? e->slots[fd].send : NULL;
	int rc = s ? send_some(s) : 0;

	if (!rc)
		return;
	e->slots[fd].send = NULL;
	(void)epoll_slot_update(e, fd);
	s->done(s, rc);
}

/* ── listeners ────────────────────────────────────────────────────────── */

static void listener_ended(struct io_op *op, int res MAYBE_UNUSED)
{
	struct io_listener *l = container_of(op, struct io_listener, op);

	l->on_end(l);
}

static void unwatch_listener(struct io_listener *l)
{
	struct epoll_engine *e = epoll_engine_of(l->io);

	if ((unsigned)l->fd >= e->nslots || e->slots[l->fd].listener != l)
		return;
	e->slots[l->fd].listener = NULL;
	(void)epoll_slot_update(e, l->fd);
}

static void listener_pause(struct io_listener *l)
{
	unwatch_listener(l);
	io_timer_set(l->io, &l->retry, io_now_ns(l->io) + ACCEPT_RETRY_NS);
}

static void watch_listener(struct io_listener *l)
{
	struct epoll_engine *e = epoll_engine_of(l->io);
	int rc;
	struct epoll_slot *slot = epoll_slot(e, l->fd, &rc);

	if (slot) {
		slot->listener = l;
		rc = epoll_slot_update(e, l->fd);
	}
	if (!rc)
		return;
	listener_pause(l);
	l->on_accept(l, rc);
}

static void listener_retry(struct io_timer *t)
{
	watch_listener(container_of(t, struct io_listener, retry));
}

void epoll_listen_start(struct io *io, struct io_listener *l)
{
	int flags = fcntl(l->fd, F_GETFL);

	/* A connection may be gone before it is accepted, and accept4 has no DONTWAIT. */
	if (flags >= 0)
		(void)fcntl(l->fd, F_SETFL, flags | O_NONBLOCK);
	l->stopping = false;
	l->op.done = listener_ended;
	l->retry = (struct io_timer){ .fire = listener_retry };
	io_timer_set(io, &l->retry, 0); /* what goes wrong must not be told from inside */
}

void epoll_listen_stop(struct io *io, struct io_listener *l)
{
	if (l->stopping)
		return;
	l->stopping = true;
	io_timer_clear(io, &l->retry);
	unwatch_listener(l);
	io_defer(io, &l->op, 0);
}

static void accept_some(struct io_listener *l)
{
	for (unsigned i = 0; i < ACCEPTS && !l->stopping; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			fd = -errno;
		if (fd < 0 && accept_error_is_transient(fd))
			continue;
		if (fd < 0)
			listener_pause(l);
		l->on_accept(l, fd);
		if (fd < 0)
			return;
	}
}

/* ── both ─────────────────────────────────────────────────────────────── */

void epoll_readable(struct epoll_engine *e, int fd)
{
	struct io_stream *s;

	if ((unsigned)fd >= e->nslots)
		return;
	if (e->slots[fd].listener)
		accept_some(e->slots[fd].listener);
	s = e->slots[fd].stream;
	for (unsigned i = 0; s && i < ROUNDS; i++)
		if (!stream_round(e, s))
			return;
}
