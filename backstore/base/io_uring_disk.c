/* The disk part of the io_uring engine: requests are written into the op, from which
 * io_uring.c makes the SQE, now or when there is room. The answer is the caller's. */
#include "backstore/base/io_uring_parts.h"

#include <limits.h>

static void start_rw(struct io *io, struct io_op *op, enum uring_kind kind, int fd,
		     const struct iovec *iov, int iovcnt, uint64_t off_bytes, unsigned flags)
{
	assert(iovcnt > 0 && iovcnt <= IOV_MAX);
	op->a = off_bytes;
	op->b = (uintptr_t)iov;
	op->c = (uint32_t)kind | (flags & 0xff) << 8 | (uint32_t)iovcnt << 16;
	op->res = fd;
	uring_start(io, op);
}

void uring_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		uint64_t off_bytes, unsigned flags)
{
	start_rw(io, op, URING_READ, fd, iov, iovcnt, off_bytes, flags);
}

void uring_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		 uint64_t off_bytes, unsigned flags)
{
	start_rw(io, op, URING_WRITE, fd, iov, iovcnt, off_bytes, flags);
}

void uring_fdatasync(struct io *io, struct io_op *op, int fd)
{
	op->c = URING_FDATASYNC;
	op->res = fd;
	uring_start(io, op);
}

void uring_space(struct io *io, struct io_op *op, int fd, enum io_space how, uint64_t off_bytes,
		 uint64_t len_bytes)
{
	op->c = how == IO_SPACE_PUNCH ? URING_PUNCH : URING_ZERO;
	op->a = off_bytes;
	op->b = len_bytes;
	op->res = fd;
	uring_start(io, op);
}
