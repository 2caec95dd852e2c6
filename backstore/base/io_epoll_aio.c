/* The kernel copies an iocb when it is submitted, so those of one batch are all there are.
 * Ended requests are seen in memory that it shares (libaio looks there first), so asking
 * when there are none is no system call. */
#include "backstore/base/io_epoll_aio.h"

#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { LEAST_ROOM = 32 };

struct aio {
	io_context_t ctx;
	unsigned room;
	int bell_fd;
	struct iocb cbs[AIO_BATCH];
};

/* A filter of system calls may have the one and not the other; with nothing to do each of them is
 * a question only. */
static int ask_for_all(io_context_t ctx)
{
	struct io_event ev;
	int rc = io_submit(ctx, 0, NULL);

	return rc < 0 ? rc : io_getevents(ctx, 0, 1, &ev, NULL);
}

static int setup(struct aio *a, unsigned want)
{
	int rc = -ENOMEM;

	for (a->room = want; a->room >= LEAST_ROOM; a->room /= 2) {
		rc = io_setup((int)a->room, &a->ctx);
		if (rc != -EAGAIN && rc != -ENOMEM)
			break;
	}
	if (rc < 0)
		return rc;
	rc = ask_for_all(a->ctx);
	if (rc < 0)
		io_destroy(a->ctx);
	return rc;
}

int aio_new(struct aio **out, unsigned want)
{
	struct aio *a = calloc(1, sizeof(*a));
	int rc = -ENOMEM;

	if (!a)
		return rc;
	a->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->bell_fd < 0) {
		rc = -errno;
		free(a);
		return rc;
	}
	rc = setup(a, want);
	if (rc < 0) {
		close(a->bell_fd);
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void aio_free(struct aio *a)
{
	io_destroy(a->ctx);
	close(a->bell_fd);
	free(a);
}

unsigned aio_room(const struct aio *a)
{
	return a->room;
}

int aio_bell_fd(const struct aio *a)
{
	return a->bell_fd;
}

static void prep(struct aio *a, struct iocb *cb, const struct aio_req *r)
{
	long long off = (long long)r->off_bytes;

	if (r->iovcnt == 1 && r->is_write)
		io_prep_pwrite(cb, r->fd, r->iov->iov_base, r->iov->iov_len, off);
	else if (r->iovcnt == 1)
		io_prep_pread(cb, r->fd, r->iov->iov_base, r->iov->iov_len, off);
	else if (r->is_write)
		io_prep_pwritev(cb, r->fd, r->iov, r->iovcnt, off);
	else
		io_prep_preadv(cb, r->fd, r->iov, r->iovcnt, off);
	cb->data = r->tag;
	cb->aio_rw_flags = (unsigned)(RWF_NOWAIT | (r->is_durable ? RWF_DSYNC : 0));
	io_set_eventfd(cb, a->bell_fd);
}

int aio_submit(struct aio *a, const struct aio_req *reqs, unsigned n)
{
	struct iocb *cbs[AIO_BATCH];

	assert(n > 0 && n <= AIO_BATCH);
	for (unsigned i = 0; i < n; i++) {
		cbs[i] = &a->cbs[i];
		prep(a, cbs[i], &reqs[i]);
	}
	return io_submit(a->ctx, n, cbs);
}

unsigned aio_reap(struct aio *a, struct aio_end *ends)
{
	struct timespec now = { 0 };
	struct io_event ev[AIO_BATCH];
	int n;

	do
		n = io_getevents(a->ctx, 0, AIO_BATCH, ev, &now);
	while (n == -EINTR);
	for (int i = 0; i < n; i++) {
		ends[i].tag = ev[i].data;
		ends[i].res = (int)(long)ev[i].res;
	}
	return n < 0 ? 0 : (unsigned)n;
}
