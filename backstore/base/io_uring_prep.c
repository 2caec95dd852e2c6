/* From ops to requests to the kernel: what each kind asks for, in the kernel's words. */
#include "backstore/base/io_uring_parts.h"

#include "backstore/base/io_parts.h"

#include <liburing.h>
#include <limits.h>
#include <linux/falloc.h>

static void prep_disk(struct io_uring_sqe *sqe, const struct io_op *op)
{
	const struct iovec *iov = (const struct iovec *)(uintptr_t)op->b;
	unsigned iovcnt = op->c >> 16, flags = op->c >> 8 & 0xff;
	bool is_read = uring_kind(op) == URING_READ;

	if (iovcnt == 1) { /* spares the kernel a copy of the array */
		unsigned len = (unsigned)MIN(iov->iov_len, (size_t)INT_MAX & ~(size_t)4095);

		io_uring_prep_rw(is_read ? IORING_OP_READ : IORING_OP_WRITE, sqe, op->res,
				 iov->iov_base, len, op->a);
	} else {
		io_uring_prep_rw(is_read ? IORING_OP_READV : IORING_OP_WRITEV, sqe, op->res, iov,
				 iovcnt, op->a);
	}
	if (flags & IO_NOWAIT)
		sqe->rw_flags |= RWF_NOWAIT;
	if (flags & IO_DSYNC && !is_read)
		sqe->rw_flags |= RWF_DSYNC;
	if (flags & IO_BLOCKS)
		sqe->flags |= IOSQE_ASYNC;
}

static void prep_recv(struct io_uring_sqe *sqe, struct io_op *op)
{
	struct io_stream *s = container_of(op, struct io_stream, op);

	if (uring_kind(op) == URING_RECV_EXACT) { /* into the owner's memory, all of it */
		s->msg = (struct msghdr){ .msg_iov = s->iov };
		s->msg.msg_iovlen = (size_t)stream_exact_rest(s, s->iov, ARRAY_SIZE(s->iov));
		io_uring_prep_recvmsg(sqe, s->fd, &s->msg, MSG_WAITALL);
		return;
	}
	if (uring_kind(op) == URING_RECV_MULTI)
		io_uring_prep_recv_multishot(sqe, s->fd, NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, s->fd, NULL, URING_BUF_BYTES, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = URING_BUF_GROUP;
}

void uring_prep(struct io_uring_sqe *sqe, struct io_op *op)
{
	struct io_send *snd;

	switch (uring_kind(op)) {
	case URING_READ:
	case URING_WRITE:
		prep_disk(sqe, op);
		break;
	case URING_FDATASYNC:
		io_uring_prep_fsync(sqe, op->res, IORING_FSYNC_DATASYNC);
		break;
	case URING_PUNCH:
		io_uring_prep_fallocate(sqe, op->res, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)op->a, (off_t)op->b);
		break;
	case URING_ZERO:
		io_uring_prep_fallocate(sqe, op->res, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
					(off_t)op->a, (off_t)op->b);
		break;
	case URING_RECV_MULTI:
	case URING_RECV_ONE:
	case URING_RECV_EXACT:
		prep_recv(sqe, op);
		break;
	case URING_SEND:
		snd = container_of(op, struct io_send, op);
		io_uring_prep_sendmsg(sqe, snd->fd, &snd->msg, MSG_WAITALL | MSG_NOSIGNAL);
		break;
	case URING_ACCEPT:
		io_uring_prep_multishot_accept(sqe, container_of(op, struct io_listener, op)->fd,
					       NULL, NULL, SOCK_CLOEXEC);
		break;
	case URING_CANCEL:
		io_uring_prep_cancel64(sqe, op->a, 0);
		sqe->user_data = 0;
		return;
	case URING_WAKE:
		io_uring_prep_read(sqe, op->res, (void *)(uintptr_t)op->a, sizeof(uint64_t), 0);
		break;
	}
	sqe->user_data = (uintptr_t)op;
}
