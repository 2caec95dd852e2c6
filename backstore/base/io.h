/* The waist: every clock, socket and disk of the data path is reached through
 * struct io, one per reactor, and through nothing else.
 *
 * Three engines stand behind it: io_uring.c; io_epoll.c, with libaio, for hosts that
 * refuse io_uring; and a fake with virtual time for tests, tests/fakes/fake_io.c.
 *
 * Rules for all of them:
 *  - An io belongs to one thread; only io_post may be called from another.
 *  - Operations are embedded in their requester, who keeps them alive until the
 *    callback has run. It runs exactly once, on the io's thread, and never from
 *    inside the call that started the operation.
 *  - iovecs and the bytes behind them are lent to the engine until the callback.
 *  - Results are counts or -errno, as in a system call's return.
 *  - Starting an operation never fails: what goes wrong arrives in the callback.
 *  - A callback may start operations and may free what embeds the one it was for. */
#pragma once

#include "backstore/base/compiler.h"
#include "backstore/base/list.h"
#include "backstore/base/timers.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct io;
struct io_op;

typedef void io_done_fn(struct io_op *op, int res);

/* A disk operation, or a deferred call, under way. Needs no initialisation but
 * what the call sets; from the start to done() all of it is the engine's. */
struct io_op {
	io_done_fn *done;
	struct list link; /* engine: queues of its own */
	uint64_t a, b;	  /* engine */
	uint32_t c;	  /* engine */
	int res;	  /* engine */
};

enum {
	IO_DSYNC = 1 << 0, /* this write is durable before done(): RWF_DSYNC */
	/* Rather -EAGAIN (or -EOPNOTSUPP where the file cannot tell) than make the
	 * kernel block a worker thread: RWF_NOWAIT. May also transfer less. */
	IO_NOWAIT = 1 << 1,
	/* It will block: straight to a worker thread, the loop does not even try. */
	IO_BLOCKS = 1 << 2,
};

enum io_space {
	IO_SPACE_PUNCH, /* deallocate; reads zeros afterwards (FALLOC_FL_PUNCH_HOLE) */
	IO_SPACE_ZERO,	/* reads zeros, may stay allocated (FALLOC_FL_ZERO_RANGE) */
};

/* A byte stream being received from a socket. The owner sets the first four
 * fields, zeroes the rest, and keeps it until on_end has run. */
struct io_stream {
	int fd;
	/* @len > 0 bytes have come. They are lent until it returns: take what is
	 * wanted, all of them are consumed. */
	void (*on_bytes)(struct io_stream *s, const uint8_t *data, size_t len);
	/* All bytes asked for by io_stream_exact are in their place. */
	void (*on_exact)(struct io_stream *s);
	/* The last callback, exactly once: 0 = the peer closed, -ECANCELED after
	 * io_stream_stop, another -errno. The fd is the owner's to close, from here on. */
	void (*on_end)(struct io_stream *s, int res);

	struct io *io;
	const struct iovec *exact_iov; /* what io_stream_exact asked for */
	int exact_iovcnt;
	size_t exact_len, exact_done;
	bool stopping, ended;
	/* engine */
	struct io_op op, cancel_op;
	struct msghdr msg;
	struct iovec iov[20];
	unsigned state, credit;
};

/* Bytes on their way to a socket: all of them, or an error. */
struct io_send {
	/* res = total length, or -errno (the stream is then broken: -EPIPE and the like) */
	void (*done)(struct io_send *s, int res);
	/* engine */
	struct io_op op;
	struct msghdr msg;
	size_t sent, total;
	int fd;
	struct io *io;
};

/* A listening socket. The owner sets fd and the callbacks. */
struct io_listener {
	int fd;
	/* A new connection (close-on-exec, the callee's to close), or -errno: -EMFILE
	 * and the like do not end the listener; the engine waits a little and goes on. */
	void (*on_accept)(struct io_listener *l, int fd_or_err);
	/* After io_listen_stop: the last callback, never from inside; no on_accept
	 * comes in between. The fd is the owner's to close. */
	void (*on_end)(struct io_listener *l);
	void *owner; /* the owner's own */
	struct io *io;
	/* engine */
	struct io_op op, cancel_op;
	struct io_timer retry;
	bool stopping;
	unsigned state;
};

/* A call to be made on another reactor's thread; it belongs to that reactor
 * from io_post until run(). */
struct io_msg {
	void (*run)(struct io_msg *m);
	struct io_msg *next;
};

struct io_ops {
	const char *name; /* "io_uring", "epoll", "fake" */
	void (*read)(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		     uint64_t off_bytes, unsigned flags);
	void (*write)(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		      uint64_t off_bytes, unsigned flags);
	void (*fdatasync)(struct io *io, struct io_op *op, int fd);
	void (*space)(struct io *io, struct io_op *op, int fd, enum io_space how,
		      uint64_t off_bytes, uint64_t len_bytes);
	void (*cancel)(struct io *io, struct io_op *op);
	void (*defer)(struct io *io, struct io_op *op, int res);

	void (*stream_start)(struct io *io, struct io_stream *s);
	void (*stream_exact)(struct io *io, struct io_stream *s);
	void (*stream_stop)(struct io *io, struct io_stream *s);
	void (*send)(struct io *io, struct io_send *s);
	void (*listen_start)(struct io *io, struct io_listener *l);
	void (*listen_stop)(struct io *io, struct io_listener *l);

	uint64_t (*now_ns)(struct io *io);
	void (*post)(struct io *io, struct io_msg *m);
	int (*turn)(struct io *io, bool wait);
	void (*free)(struct io *io);
};

/* Base of every engine. */
struct io {
	const struct io_ops *ops;
	unsigned index; /* of the reactor, 0..n-1: an index into per-reactor arrays */
	struct timers timers;
	/* Called in every turn, after the callbacks and before what they started is
	 * handed to the kernel: the place to send what a turn has gathered. */
	void (*before_submit)(struct io *io, void *arg);
	void *before_submit_arg;
};

/* The real engines. @index as in struct io. Return 0, or -errno (-EPERM, -ENOSYS: io_uring
 * is refused here). To be called on the thread that will run it. */
int io_uring_engine_new(struct io **out, unsigned index) MUST_CHECK;
int io_epoll_engine_new(struct io **out, unsigned index) MUST_CHECK;

/* One turn: hands over what was started, waits (if asked to and nothing else is
 * ready) for a completion, message or timer, and runs the callbacks. Returns 0, or
 * -errno when the engine itself is broken. */
static inline int io_turn(struct io *io, bool wait)
{
	return io->ops->turn(io, wait);
}

/* Nothing may be under way. */
static inline void io_free(struct io *io)
{
	io->ops->free(io);
}

/* Monotonic. As of the start of this turn or later. */
static inline uint64_t io_now_ns(struct io *io)
{
	return io->ops->now_ns(io);
}

/* done(res): bytes transferred, possibly fewer than asked for (a read's 0 = end
 * of file), or -errno. @iovcnt at most IOV_MAX. */
static inline void io_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov,
			   int iovcnt, uint64_t off_bytes, unsigned flags)
{
	io->ops->read(io, op, fd, iov, iovcnt, off_bytes, flags);
}
static inline void io_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov,
			    int iovcnt, uint64_t off_bytes, unsigned flags)
{
	io->ops->write(io, op, fd, iov, iovcnt, off_bytes, flags);
}
/* done(0 or -errno). The kernel always blocks a worker thread for these two:
 * whoever calls them bounds how many are under way. */
static inline void io_fdatasync(struct io *io, struct io_op *op, int fd)
{
	io->ops->fdatasync(io, op, fd);
}
static inline void io_space(struct io *io, struct io_op *op, int fd, enum io_space how,
			    uint64_t off_bytes, uint64_t len_bytes)
{
	io->ops->space(io, op, fd, how, off_bytes, len_bytes);
}

/* Advice that the result is no longer wanted. done() comes all the same, with
 * the result or -ECANCELED; what the disk already has is not recalled. */
static inline void io_cancel(struct io *io, struct io_op *op)
{
	io->ops->cancel(io, op);
}

/* done(res) later in this turn, or in the next. */
static inline void io_defer(struct io *io, struct io_op *op, int res)
{
	io->ops->defer(io, op, res);
}

static inline void io_stream_start(struct io *io, struct io_stream *s)
{
	s->io = io;
	io->ops->stream_start(io, s);
}

/* The next @len bytes (> 0, the sum of the iovecs) go straight to @iov, then
 * on_exact. Only from within on_bytes or on_exact: the bytes meant are those
 * after the ones just lent. The iovec array and its bytes are lent until
 * on_exact or on_end. */
static inline void io_stream_exact(struct io_stream *s, const struct iovec *iov, int iovcnt,
				   size_t len)
{
	s->exact_iov = iov;
	s->exact_iovcnt = iovcnt;
	s->exact_len = len;
	s->exact_done = 0;
	s->io->ops->stream_exact(s->io, s);
}

/* No on_bytes or on_exact from now on; on_end follows, never from inside. Harmless
 * when called again or after on_end is due. */
static inline void io_stream_stop(struct io_stream *s)
{
	s->io->ops->stream_stop(s->io, s);
}

/* The iovec array is lent too, and may be changed by the engine; @iovcnt at most
 * IOV_MAX. One at a time per socket. */
static inline void io_send(struct io *io, struct io_send *s, int fd, struct iovec *iov, int iovcnt)
{
	s->io = io;
	s->fd = fd;
	s->sent = 0;
	s->msg = (struct msghdr){ .msg_iov = iov, .msg_iovlen = (size_t)iovcnt };
	io->ops->send(io, s);
}

static inline void io_listen_start(struct io *io, struct io_listener *l)
{
	l->io = io;
	io->ops->listen_start(io, l);
}
static inline void io_listen_stop(struct io_listener *l)
{
	l->io->ops->listen_stop(l->io, l);
}

/* Clearing is certain: a cleared timer does not fire. */
static inline void io_timer_set(struct io *io, struct io_timer *t, uint64_t at_ns)
{
	timers_set(&io->timers, t, at_ns);
}
static inline void io_timer_clear(struct io *io, struct io_timer *t)
{
	timers_clear(&io->timers, t);
}

/* Runs m->run on @to's thread, in the order of posting. From any thread; the only
 * call that may come from another. Takes no lock, allocates nothing. */
static inline void io_post(struct io *to, struct io_msg *m)
{
	to->ops->post(to, m);
}
