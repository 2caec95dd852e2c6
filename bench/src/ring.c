/* One io_uring_enter per turn: it hands over all requests and waits in the same call.
 *
 * The receive buffers lie in a ring that the kernel takes from at one end and we
 * give back to at the other. They are few, because all of them are used in turn: what
 * does not fit the cache costs more than being asked again after -ENOBUFS. */
#include "bench/src/ring.h"

#include <errno.h>
#include <sys/mman.h>

enum {
	SQ_ENTRIES = 512,
	CQ_ENTRIES = 8192,
	REAP_BATCH = 64,
	BUF_GROUP = 0,
};

static void return_buf(struct ring *r, unsigned id)
{
	io_uring_buf_ring_add(r->bufs, r->buf_mem + (size_t)id * r->buf_bytes,
			      (unsigned)r->buf_bytes, (unsigned short)id,
			      io_uring_buf_ring_mask(r->buf_count), 0);
	io_uring_buf_ring_advance(r->bufs, 1);
}

static int bufs_init(struct ring *r)
{
	size_t ring_bytes = (r->buf_count * sizeof(struct io_uring_buf) + 4095) & ~(size_t)4095;
	struct io_uring_buf_reg reg = { .ring_entries = r->buf_count, .bgid = BUF_GROUP };
	void *map;
	int ret;

	r->map_bytes = ring_bytes + r->buf_count * r->buf_bytes;
	map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	reg.ring_addr = (uintptr_t)map;
	ret = io_uring_register_buf_ring(&r->uring, &reg, 0);
	if (ret < 0) {
		munmap(map, r->map_bytes);
		return ret;
	}
	r->bufs = map;
	r->buf_mem = (uint8_t *)map + ring_bytes;
	io_uring_buf_ring_init(r->bufs);
	for (unsigned i = 0; i < r->buf_count; i++)
		return_buf(r, i);
	return 0;
}

int ring_init(struct ring *r, unsigned buf_count, size_t buf_bytes)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, /* Linux 6.0 */
	};
	int ret = -EINVAL;

	r->buf_count = buf_count;
	r->buf_bytes = buf_bytes;
	for (unsigned i = 0; i < ARRAY_SIZE(flags) && ret == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = flags[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
			.cq_entries = CQ_ENTRIES,
		};

		ret = io_uring_queue_init_params(SQ_ENTRIES, &r->uring, &p);
	}
	if (ret < 0)
		return ret;
	ret = bufs_init(r);
	if (ret < 0) {
		io_uring_queue_exit(&r->uring);
		return ret;
	}
	io_uring_register_ring_fd(&r->uring); /* spares a look-up per turn, where it can */
	return 0;
}

void ring_fini(struct ring *r)
{
	io_uring_queue_exit(&r->uring);
	munmap(r->bufs, r->map_bytes);
}

static struct io_uring_sqe *get_sqe(struct ring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

	if (likely(sqe))
		return sqe;
	io_uring_submit(&r->uring);
	return io_uring_get_sqe(&r->uring);
}

int ring_recv(struct ring *r, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUF_GROUP;
	sqe->user_data = (uintptr_t)op;
	return 0;
}

int ring_accept(struct ring *r, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	sqe->user_data = (uintptr_t)op;
	return 0;
}

int ring_send(struct ring *r, struct ring_op *op, int fd, const struct msghdr *msg)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	if (!sqe)
		return -EBUSY;
	if (msg->msg_iovlen == 1) /* spares the kernel a copy of the array */
		io_uring_prep_send(sqe, fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len,
				   MSG_WAITALL | MSG_NOSIGNAL);
	else
		io_uring_prep_sendmsg(sqe, fd, msg, MSG_WAITALL | MSG_NOSIGNAL);
	sqe->user_data = (uintptr_t)op;
	return 0;
}

int ring_timer(struct ring *r, struct ring_op *op, struct __kernel_timespec *at)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_timeout(sqe, at, 0, IORING_TIMEOUT_ABS);
	sqe->user_data = (uintptr_t)op;
	return 0;
}

static void complete(struct ring *r, const struct io_uring_cqe *cqe)
{
	struct ring_op *op = (struct ring_op *)(uintptr_t)cqe->user_data;
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	const uint8_t *data = NULL;

	if (cqe->flags & IORING_CQE_F_BUFFER)
		data = r->buf_mem + (size_t)id * r->buf_bytes;
	op->done(op, cqe->res, cqe->flags & IORING_CQE_F_MORE, data);
	if (data)
		return_buf(r, id);
}

static void reap(struct ring *r)
{
	struct io_uring_cqe *cqes[REAP_BATCH];
	unsigned left = io_uring_cq_ready(&r->uring);

	while (left) {
		unsigned n = io_uring_peek_batch_cqe(&r->uring, cqes, MIN(left, REAP_BATCH));

		for (unsigned i = 0; i < n; i++)
			complete(r, cqes[i]);
		io_uring_cq_advance(&r->uring, n);
		left -= n;
	}
}

int ring_turn(struct ring *r, bool sleep, void (*before)(void *arg), void *arg)
{
	int ret = sleep ? io_uring_submit_and_wait(&r->uring, 1)
			: io_uring_submit_and_get_events(&r->uring);

	/* the last two: there are answers to be taken first */
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
		return ret;
	if (before)
		before(arg);
	reap(r);
	return 0;
}
