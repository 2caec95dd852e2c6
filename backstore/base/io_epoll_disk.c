/* The disk part of the epoll engine.
 *
 *     IO_NOWAIT, no flag ──▶ pending ── once a turn ──▶ libaio, RWF_NOWAIT ──▶ done
 *                                                        │ -EAGAIN, -EOPNOTSUPP, no room
 *                                                        ├─ IO_NOWAIT: that is the answer
 *     IO_BLOCKS, sync, space ─────────▶ helper threads ◀─┴─ no flag
 *
 * Writes to files count as those that block (is_in_fs): libaio is for reads, and for devices.
 * Reads of pages that are cached take the same way: they end within the submission. Where there
 * is no room for one more request, IO_NOWAIT is answered with -EAGAIN rather than
 * kept back: requests that a stalled disk holds must not keep another disk's waiting.
 * Helper threads are as many as are needed; how many that is, their users bound (disk.h). */
#include "backstore/base/io_epoll_aio.h"
#include "backstore/base/io_epoll_parts.h"
#include "backstore/base/log.h"
#include "backstore/base/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	AIO_ROOM = 1024, /* of 65536 that a system usually has */
	HELPERS = 16384, /* see IO_WORKERS in io_uring.c */
	HELPER_IDLE_MS = 5000,
};

/* What an op asks for, in the low byte of op->c; all else about it: */
enum kind {
	DISK_READ,	/* a offset, b iovecs, c also iovcnt and flags, res fd */
	DISK_WRITE,	/* as DISK_READ */
	DISK_FDATASYNC, /* res fd */
	DISK_PUNCH,	/* a offset, b length, res fd */
	DISK_ZERO,	/* as DISK_PUNCH */
};

struct epoll_disk {
	struct io *io;
	struct workers *workers;
	struct aio *aio; /* NULL: there is none here */
	struct list pending;
	unsigned under_way;
};

static enum kind kind_of(const struct io_op *op)
{
	return (enum kind)(op->c & 0xff);
}

static unsigned flags_of(const struct io_op *op)
{
	return op->c >> 8 & 0xff;
}

static const struct iovec *iov_of(const struct io_op *op)
{
	return (const struct iovec *)(uintptr_t)op->b;
}

static int iovcnt_of(const struct io_op *op)
{
	return (int)(op->c >> 16);
}

/* ── on a helper thread ───────────────────────────────────────────────── */

static ssize_t transfer(const struct io_op *op, off_t off)
{
	int durable = flags_of(op) & IO_DSYNC ? RWF_DSYNC : 0;

	if (kind_of(op) == DISK_READ)
		return preadv2(op->res, iov_of(op), iovcnt_of(op), off, 0);
	return pwritev2(op->res, iov_of(op), iovcnt_of(op), off, durable);
}

static int blocking_call(struct io_op *op)
{
	ssize_t n = -1;

	do {
		switch (kind_of(op)) {
		case DISK_READ:
		case DISK_WRITE:
			n = transfer(op, (off_t)op->a);
			if (n < 0 && errno == ESPIPE) /* as io_uring has it */
				n = transfer(op, -1);
			break;
		case DISK_FDATASYNC:
			n = fdatasync(op->res);
			break;
		case DISK_PUNCH:
			n = fallocate(op->res, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      (off_t)op->a, (off_t)op->b);
			break;
		case DISK_ZERO:
			n = fallocate(op->res, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				      (off_t)op->a, (off_t)op->b);
			break;
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

/* ── libaio ───────────────────────────────────────────────────────────── */

/* Could not be done without waiting: whoever did not ask for that waits. */
static bool is_for_helpers(const struct io_op *op, int res)
{
	return (res == -EAGAIN || res == -EOPNOTSUPP || res == -EINVAL) &&
	       !(flags_of(op) & IO_NOWAIT);
}

/* Ends what was not taken, later: this may be within a callback's call. */
static void refused(struct epoll_disk *d, struct io_op *op, int res)
{
	if (is_for_helpers(op, res))
		workers_put(d->workers, op);
	else
		io_defer(d->io, op, res);
}

static unsigned gather(struct epoll_disk *d, struct aio_req *reqs)
{
	unsigned room = MIN(aio_room(d->aio) - d->under_way, AIO_BATCH), n = 0;

	list_for_each (node, &d->pending) {
		struct io_op *op = list_entry(node, struct io_op, link);

		if (n == room)
			break;
		reqs[n++] = (struct aio_req){
			.tag = op,
			.fd = op->res,
			.is_write = kind_of(op) == DISK_WRITE,
			.is_durable = kind_of(op) == DISK_WRITE && flags_of(op) & IO_DSYNC,
			.iov = iov_of(op),
			.iovcnt = iovcnt_of(op),
			.off_bytes = op->a,
		};
	}
	return n;
}

void epoll_disk_submit(struct epoll_disk *d)
{
	while (!list_empty(&d->pending)) {
		struct aio_req reqs[AIO_BATCH];
		unsigned n = gather(d, reqs);
		int taken = n ? aio_submit(d->aio, reqs, n) : -EAGAIN;

		if (taken <= 0)
			refused(d, list_entry(list_pop(&d->pending), struct io_op, link),
				taken ? taken : -EAGAIN);
		for (int i = 0; i < taken; i++)
			list_pop(&d->pending);
		if (taken > 0)
			d->under_way += (unsigned)taken;
	}
}

void epoll_disk_reap(struct epoll_disk *d)
{
	unsigned left = d->under_way, n = AIO_BATCH;

	while (left && n == AIO_BATCH) {
		struct aio_end ends[AIO_BATCH];

		n = aio_reap(d->aio, ends);
		left -= MIN(n, left);
		d->under_way -= n;
		for (unsigned i = 0; i < n; i++) {
			struct io_op *op = ends[i].tag;

			if (is_for_helpers(op, ends[i].res))
				workers_put(d->workers, op);
			else
				op->done(op, ends[i].res);
		}
	}
}

/* ── starting ─────────────────────────────────────────────────────────── */

/* While a file system is frozen (fsfreeze, an LVM snapshot below it), io_submit of a write
 * to it sleeps, whatever RWF_NOWAIT says; io_uring's does not. Seen in Linux 6.18. */
static bool is_in_fs(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

static void start_rw(struct io *io, struct io_op *op, enum kind kind, int fd,
		     const struct iovec *iov, int iovcnt, uint64_t off_bytes, unsigned flags)
{
	struct epoll_disk *d = epoll_engine_of(io)->disk;

	assert(iovcnt > 0 && iovcnt <= IOV_MAX);
	op->a = off_bytes;
	op->b = (uintptr_t)iov;
	op->c = (uint32_t)kind | (flags & 0xff) << 8 | (uint32_t)iovcnt << 16;
	op->res = fd;
	if (flags & IO_BLOCKS)
		workers_put(d->workers, op);
	else if (d->aio && !(kind == DISK_WRITE && is_in_fs(fd)))
		list_add_tail(&d->pending, &op->link);
	else
		refused(d, op, -EAGAIN);
}

void epoll_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		uint64_t off_bytes, unsigned flags)
{
	start_rw(io, op, DISK_READ, fd, iov, iovcnt, off_bytes, flags);
}

void epoll_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		 uint64_t off_bytes, unsigned flags)
{
	start_rw(io, op, DISK_WRITE, fd, iov, iovcnt, off_bytes, flags);
}

void epoll_fdatasync(struct io *io, struct io_op *op, int fd)
{
	op->c = DISK_FDATASYNC;
	op->res = fd;
	workers_put(epoll_engine_of(io)->disk->workers, op);
}

void epoll_space(struct io *io, struct io_op *op, int fd, enum io_space how, uint64_t off_bytes,
		 uint64_t len_bytes)
{
	op->c = how == IO_SPACE_PUNCH ? DISK_PUNCH : DISK_ZERO;
	op->a = off_bytes;
	op->b = len_bytes;
	op->res = fd;
	workers_put(epoll_engine_of(io)->disk->workers, op);
}

/* ── beginning and end ────────────────────────────────────────────────── */

static void tell_no_aio(const struct io *io, int rc)
{
	if (rc == -EAGAIN)
		log_warn(
			"reactor %u: fs.aio-max-nr is used up, so all its disk requests go through "
			"helper threads, which is slower; raise it: sysctl fs.aio-max-nr=1048576",
			io->index);
	else
		log_warn("reactor %u: no asynchronous disk I/O here (libaio: %s), so all its disk "
			 "requests go through helper threads, which is slower",
			 io->index, strerror(-rc));
}

int epoll_disk_new(struct epoll_disk **out, struct io *io, int *bell_fd)
{
	struct workers_params p = {
		.io = io,
		.work = blocking_call,
		.cap = HELPERS,
		.idle_ms = HELPER_IDLE_MS,
	};
	struct epoll_disk *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->io = io;
	list_init(&d->pending);
	rc = workers_new(&d->workers, &p);
	if (rc) {
		free(d);
		return rc;
	}
	rc = aio_new(&d->aio, AIO_ROOM);
	if (rc)
		tell_no_aio(io, rc);
	*bell_fd = d->aio ? aio_bell_fd(d->aio) : -1;
	*out = d;
	return 0;
}

void epoll_disk_free(struct epoll_disk *d)
{
	assert(!d->under_way && list_empty(&d->pending));
	workers_free(d->workers);
	if (d->aio)
		aio_free(d->aio);
	free(d);
}
