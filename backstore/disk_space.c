/* Discards and writes of zeros: both must read as zeros afterwards (LBPRZ is told).
 *
 *   discard, zeros that may unmap:   punch ─refused─▶ zero range ─refused─▶ write zeros
 *   zeros:                                            zero range ─refused─▶ write zeros
 *
 * A piece that is no whole block of the file system (512-byte blocks on a 4 KiB file
 * system) is zeroed by writing: the kernel would do it through the page cache, beside
 * direct I/O. BLKDISCARD is never used: what it leaves behind is anyone's guess. The
 * whole request holds one place in its lane. */
#include "backstore/disk_priv.h"

#include <errno.h>

enum { ZEROS_BYTES = 64 * 1024 };

/* never written, and aligned for direct I/O */
static const _Alignas(4096) uint8_t zeros[ZEROS_BYTES];

static void *zeros_for_iov(void)
{
	union {
		const void *in;
		void *out;
	} u = { .in = zeros };

	return u.out; /* an iovec cannot say const; only written from */
}

static void space_done(struct io_op *op, int res);

static bool may_punch(struct disk *d, const struct bs_req *req)
{
	return (req->kind == BS_DISCARD || (req->flags & BS_MAY_UNMAP)) &&
	       !(req->priv.state & REQ_NO_PUNCH) &&
	       !atomic_load_explicit(&d->no_punch, memory_order_relaxed);
}

static bool may_zero(struct disk *d, const struct bs_req *req)
{
	return !(req->priv.state & REQ_NO_ZERO) &&
	       !atomic_load_explicit(&d->no_zero, memory_order_relaxed);
}

static void write_zeros(struct disk *d, struct bs_req *req, uint64_t at, uint64_t len)
{
	int n = 0;

	for (; len && n < BS_MAX_IOV; n++) {
		req->priv.iov[n].iov_base = zeros_for_iov();
		req->priv.iov[n].iov_len = MIN(len, ZEROS_BYTES);
		len -= req->priv.iov[n].iov_len;
	}
	io_write(req->io, &req->priv.op, d->fd, req->priv.iov, n, at, IO_BLOCKS);
}

/* The next piece: aligned ones by a space operation, the rest by writing. */
void disk_space_go(struct disk *d, struct bs_req *req)
{
	uint64_t at = req->off_bytes + req->priv.progress;
	uint64_t end = req->off_bytes + req->len_bytes;
	uint64_t aligned_end = end - end % d->punch_bytes;
	uint64_t skew = at % d->punch_bytes;

	req->priv.op.done = space_done;
	req->priv.state &= ~(unsigned)(REQ_PUNCHES | REQ_ZEROES);
	if (!may_punch(d, req) && !may_zero(d, req)) {
		write_zeros(d, req, at, end - at);
	} else if (skew || at >= aligned_end) {
		write_zeros(d, req, at, MIN(end - at, d->punch_bytes - skew));
	} else {
		req->priv.state |= may_punch(d, req) ? REQ_PUNCHES : REQ_ZEROES;
		io_space(req->io, &req->priv.op, d->fd,
			 req->priv.state & REQ_PUNCHES ? IO_SPACE_PUNCH : IO_SPACE_ZERO, at,
			 aligned_end - at);
	}
}

/* The way that was tried is closed: for good, so nobody tries it again. */
static void space_refused(struct disk *d, struct bs_req *req)
{
	if (req->priv.state & REQ_PUNCHES) {
		atomic_store_explicit(&d->no_punch, true, memory_order_relaxed);
		req->priv.state |= REQ_NO_PUNCH;
	} else {
		atomic_store_explicit(&d->no_zero, true, memory_order_relaxed);
		req->priv.state |= REQ_NO_ZERO;
	}
	disk_space_go(d, req);
}

/* How much of it is done, after a result that is no error. */
static uint64_t progress_after(const struct disk *d, const struct bs_req *req, int res)
{
	uint64_t end = req->off_bytes + req->len_bytes, progress;

	if (req->priv.state & (REQ_PUNCHES | REQ_ZEROES))
		return end - end % d->punch_bytes - req->off_bytes;
	progress = req->priv.progress + (uint32_t)res;
	if (!d->buffered)
		progress -= progress % d->base.block_bytes;
	return progress;
}

static void space_done(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);
	struct disk *d = disk_of(req->priv.bs);
	uint64_t before = req->priv.progress;

	if (res == -EOPNOTSUPP && (req->priv.state & (REQ_PUNCHES | REQ_ZEROES))) {
		space_refused(d, req);
		return;
	}
	if (res >= 0)
		req->priv.progress = progress_after(d, req, res);
	if (res < 0 || req->priv.progress == before)
		disk_end(req, res < 0 ? res : -EIO);
	else if (req->priv.progress < req->len_bytes)
		disk_enter_lane(d, req); /* it has its place; but may it still? */
	else
		disk_written(d, req);
}
