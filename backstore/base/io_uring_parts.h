/* Between the parts of the io_uring engine: io_uring.c hands ops to the kernel, in the words
 * of io_uring_prep.c, and turns answers into calls; io_uring_net.c knows what a stream, a send or a
 * listener does next, io_uring_disk.c what a disk operation is. For them only. */
#pragma once

#include "backstore/base/io.h"

enum {
	URING_BUF_BYTES = 8192, /* of one of the buffers that receives share */
	URING_BUF_GROUP = 0,
};

struct io_uring_sqe;

/* What an op asks for, in the low byte of op->c; all else about it: */
enum uring_kind {
	URING_READ,	  /* a offset, b iovecs, c also iovcnt and flags, res fd */
	URING_WRITE,	  /* as URING_READ */
	URING_FDATASYNC,  /* res fd */
	URING_PUNCH,	  /* a offset, b length, res fd */
	URING_ZERO,	  /* as URING_PUNCH */
	URING_RECV_MULTI, /* in the io_stream around it */
	URING_RECV_ONE,	  /* the same */
	URING_RECV_EXACT, /* the same */
	URING_SEND,	  /* in the io_send around it */
	URING_ACCEPT,	  /* in the io_listener around it */
	URING_CANCEL,	  /* a the op to be cancelled */
	URING_WAKE,	  /* res the mailbox's eventfd, a the place of its count */
};

static inline enum uring_kind uring_kind(const struct io_op *op)
{
	return (enum uring_kind)(op->c & 0xff);
}

/* Writes what @op asks for into @sqe. */
void uring_prep(struct io_uring_sqe *sqe, struct io_op *op);

/* Asks the kernel for what @op says, in the order of the calls. */
void uring_start(struct io *io, struct io_op *op);

/* The same for a send, at the end of this turn. */
void uring_start_send(struct io *io, struct io_op *op);

/* Asks it to end @target, by means of @cancel_op, whose link is initialised. That
 * may be reused at once: an older request of it has become pointless. No answer. */
void uring_start_cancel(struct io *io, struct io_op *cancel_op, struct io_op *target);

/* The kernel's answers. @more: not the last for this op. @data: @res bytes in a
 * buffer of the engine's, or NULL. */
void uring_stream_complete(struct io_stream *s, int res, bool more, const uint8_t *data);
void uring_send_complete(struct io_send *s, int res);
void uring_accept_complete(struct io_listener *l, int res, bool more);

/* For struct io_ops. */
void uring_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		uint64_t off_bytes, unsigned flags);
void uring_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		 uint64_t off_bytes, unsigned flags);
void uring_fdatasync(struct io *io, struct io_op *op, int fd);
void uring_space(struct io *io, struct io_op *op, int fd, enum io_space how, uint64_t off_bytes,
		 uint64_t len_bytes);
void uring_stream_start(struct io *io, struct io_stream *s);
void uring_stream_exact(struct io *io, struct io_stream *s);
void uring_stream_stop(struct io *io, struct io_stream *s);
void uring_send(struct io *io, struct io_send *s);
void uring_listen_start(struct io *io, struct io_listener *l);
void uring_listen_stop(struct io *io, struct io_listener *l);
