/* Requests on a file or a device.
 *
 *   read, direct IO_NOWAIT ──ok──────────────▶ end       (file systems that keep its promise)
 *   write            │ -EAGAIN, short
 *                    ▼
 *   buffered or ─▶ lane (per volume and reactor) ──▶ again, may block ──▶ end
 *   ext4's write, discard, zeros
 *
 *   flush     ──▶  syncer: no lane, because it must not wait behind stalled writes,
 *                  which it does not cover anyway
 *
 * What the kernel cannot do without blocking goes to its workers, and all files of a
 * ring share those: hence the lane. FUA is one RWF_DSYNC write where I/O is direct and
 * the file system keeps to it (nowait.h); else, and through the page cache, it is a write
 * and a flush, as others' flushes may then share the fdatasync. A transfer that ends early is
 * continued; a read that meets the end of the file (somebody has truncated it) is an error, never
 * zeros, and ends all writing, as does a sync after which the file is too short: see shrink.h.
 * Flushes still reach the disk then, for what is left, but are answered as failed: something is
 * lost. */
#include "backstore/disk_priv.h"
#include "backstore/kinds.h"
#include "backstore/why.h"

#include "backstore/base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void transfer_go(struct disk *d, struct bs_req *req, unsigned flags);

static bool wants_durable(const struct disk *d, const struct bs_req *req)
{
	return (req->flags & BS_FUA) || d->writethrough;
}

static struct lane *lane_of(struct disk *d, const struct bs_req *req)
{
	struct disk_lanes *lanes = &d->lanes[req->io->index];

	return req->priv.state & REQ_READS ? &lanes->reads : &lanes->writes;
}

static const char *verb(enum bs_kind kind)
{
	static const char *const verbs[] = { "reading", "writing", "flushing", "discarding",
					     "zeroing" };

	return verbs[kind];
}

/* What the layers above know of -errno: see bs_req. */
static int known_errno(int res)
{
	switch (res) {
	case -EDQUOT:
		return -ENOSPC;
	case -ENXIO:
		return -ENODEV;
	case -ENOSPC:
	case -ENODEV:
	case -ENOMEM:
		return res;
	default:
		return -EIO;
	}
}

static void refused_done(struct io_op *op, int res)
{
	disk_end(container_of(op, struct bs_req, priv.op), res);
}

/* The request touches what is no longer there. */
static bool is_lost(struct disk *d, const struct bs_req *req)
{
	return shrink_has_lost(&d->shrink, req->off_bytes + req->len_bytes);
}

static bool is_refused(struct disk *d, const struct bs_req *req)
{
	if (req->kind == BS_READ)
		return is_lost(d, req);
	return syncer_is_latched(&d->syncer) ||
	       (req->kind != BS_FLUSH && shrink_is_seen(&d->shrink));
}

/* The request has its place in the lane. */
static void lane_go(struct disk *d, struct bs_req *req)
{
	req->priv.state |= REQ_IN_LANE;
	if (is_refused(d, req)) {
		req->priv.op.done = refused_done; /* later: a hundred may wait behind it */
		io_defer(req->io, &req->priv.op, -EIO);
	} else if (req->kind == BS_READ || req->kind == BS_WRITE) {
		transfer_go(d, req, IO_BLOCKS);
	} else {
		disk_space_go(d, req);
	}
}

void disk_enter_lane(struct disk *d, struct bs_req *req)
{
	if (req->priv.state & REQ_IN_LANE || lane_enter(lane_of(d, req), &req->priv.link))
		lane_go(d, req);
}

static void lane_free(struct disk *d, struct bs_req *req)
{
	struct list *n;

	if (!(req->priv.state & REQ_IN_LANE))
		return;
	req->priv.state &= ~(unsigned)REQ_IN_LANE;
	n = lane_leave(lane_of(d, req));
	if (n)
		lane_go(d, list_entry(n, struct bs_req, priv.link));
}

void disk_end(struct bs_req *req, int res)
{
	struct disk *d = disk_of(req->priv.bs);

	/* In a file that was cut off there may be zeros now where there was data. */
	if (is_lost(d, req))
		res = -EIO;
	if (res && !syncer_is_latched(&d->syncer) && !shrink_is_seen(&d->shrink))
		log_error("%s: %s %llu bytes at %llu failed: %s", d->name, verb(req->kind),
			  (unsigned long long)req->len_bytes, (unsigned long long)req->off_bytes,
			  strerror(-res));
	lane_free(d, req);
	req->done(req, res ? known_errno(res) : 0);
}

void disk_written(struct disk *d, struct bs_req *req)
{
	if (!wants_durable(d, req)) {
		disk_end(req, 0);
		return;
	}
	lane_free(d, req);
	syncer_add(&d->syncer, req);
}

/* ── reads and writes ── */

/* The part of @iov after @skip bytes. */
static int iov_rest(const struct iovec *iov, int n, uint64_t skip, struct iovec *out)
{
	int used = 0;

	for (int i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		out[used].iov_base = (uint8_t *)iov[i].iov_base + skip;
		out[used++].iov_len = iov[i].iov_len - skip;
		skip = 0;
	}
	return used;
}

static bool is_dsync(const struct disk *d, const struct bs_req *req)
{
	return req->kind == BS_WRITE && d->dsyncs && wants_durable(d, req);
}

static void transfer_failed(struct disk *d, struct bs_req *req, int res)
{
	if (res == -ENOSPC) /* a device says so behind its end */
		(void)shrink_look(&d->shrink);
	/* Whether the write failed or its sync cannot be told apart, but for a lack
	 * of room: that is found before anything is written. */
	if (is_dsync(d, req) && known_errno(res) != -ENOSPC)
		syncer_latch(&d->syncer, res);
	disk_end(req, res);
}

static void transfer_written(struct disk *d, struct bs_req *req)
{
	if (!is_dsync(d, req)) {
		disk_written(d, req);
		return;
	}
	if (d->writethrough) /* nobody flushes it: no other occasion to look */
		(void)shrink_look(&d->shrink);
	disk_end(req, 0);
}

/* The end of the file, or no way on. */
static void transfer_stuck(struct disk *d, struct bs_req *req, uint64_t got_bytes)
{
	if (req->kind == BS_READ)
		shrink_seen(&d->shrink, req->off_bytes + got_bytes);
	transfer_failed(d, req, -EIO);
}

static void transfer_done(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);
	struct disk *d = disk_of(req->priv.bs);
	uint64_t before = req->priv.progress;

	if ((res == -EAGAIN || res == -EOPNOTSUPP) && !(req->priv.state & REQ_IN_LANE)) {
		if (res == -EOPNOTSUPP)
			atomic_store_explicit(&d->no_nowait, true, memory_order_relaxed);
		disk_enter_lane(d, req);
		return;
	}
	if (res < 0) {
		transfer_failed(d, req, res);
		return;
	}
	req->priv.progress += (uint32_t)res;
	if (req->priv.progress < req->len_bytes && !d->buffered)
		req->priv.progress -= req->priv.progress % d->base.block_bytes;
	if (req->priv.progress == before)
		transfer_stuck(d, req, before + (uint32_t)res);
	else if (req->priv.progress < req->len_bytes)
		disk_enter_lane(d, req);
	else if (req->kind == BS_WRITE)
		transfer_written(d, req);
	else
		disk_end(req, 0);
}

static void transfer_go(struct disk *d, struct bs_req *req, unsigned flags)
{
	const struct iovec *iov = req->iov;
	int n = req->iovcnt;
	uint64_t off = req->off_bytes + req->priv.progress;

	if (req->priv.progress) {
		n = iov_rest(iov, n, req->priv.progress, req->priv.iov);
		iov = req->priv.iov;
	}
	req->priv.op.done = transfer_done;
	if (req->kind == BS_READ)
		io_read(req->io, &req->priv.op, d->fd, iov, n, off, flags);
	else
		io_write(req->io, &req->priv.op, d->fd, iov, n, off,
			 flags | (is_dsync(d, req) ? IO_DSYNC : 0));
}

/* A read through the page cache begins its read-ahead whatever IO_NOWAIT says, and waits where the
 * disk's queue is full: not beside several that wait for the disk already. */
static bool would_fill_queue(struct disk *d, const struct bs_req *req)
{
	return d->buffered && lane_of(d, req)->running >= DISK_LANE / 4;
}

static bool may_block(struct disk *d, const struct bs_req *req)
{
	if (atomic_load_explicit(&d->no_nowait, memory_order_relaxed))
		return true;
	return req->kind == BS_WRITE ? d->writes_block : would_fill_queue(d, req);
}

static void transfer_start(struct disk *d, struct bs_req *req)
{
	if (may_block(d, req))
		disk_enter_lane(d, req);
	else
		transfer_go(d, req, IO_NOWAIT);
}

/* ── the backstore ── */

static void disk_submit(struct backstore *bs, struct bs_req *req)
{
	struct disk *d = disk_of(bs);

	assert(req->io->index < d->reactors);
	req->priv.bs = bs;
	req->priv.progress = 0;
	req->priv.state = req->kind == BS_READ ? REQ_READS : 0;
	if (unlikely(is_refused(d, req))) {
		req->priv.op.done = refused_done;
		io_defer(req->io, &req->priv.op, -EIO);
		return;
	}
	switch (req->kind) {
	case BS_READ:
	case BS_WRITE:
		transfer_start(d, req);
		break;
	case BS_FLUSH:
		syncer_add(&d->syncer, req);
		break;
	case BS_DISCARD:
	case BS_WRITE_ZEROES:
		disk_enter_lane(d, req);
		break;
	}
}

static int synced(struct syncer *s)
{
	struct disk *d = container_of(s, struct disk, syncer);

	return shrink_look(&d->shrink) ? -EIO : 0;
}

static void disk_close(struct backstore *bs)
{
	struct disk *d = disk_of(bs);

	for (unsigned i = 0; i < d->reactors; i++)
		assert(!d->lanes[i].writes.running && !d->lanes[i].reads.running);
	syncer_fini(&d->syncer);
	close(d->fd); /* lets go of the lock */
	free(d->name);
	free(d);
}

static int64_t size_now(struct disk *d)
{
	if (d->shrink.size_now)
		return d->shrink.size_now(d->fd);
	return strcmp(d->base.ops->type, "block") ? shrink_file_size(d->fd)
						  : shrink_device_size(d->fd);
}

static int disk_grow(struct backstore *bs, char *why, size_t why_cap)
{
	struct disk *d = disk_of(bs);
	uint64_t was = bs->size_bytes; /* before it is asked: see shrink_look */
	int64_t now = size_now(d);

	if (now < 0)
		return why_say(why, why_cap, (int)now, "%s does not tell its size: %s", d->name,
			       strerror((int)-now));
	if ((uint64_t)now < was)
		shrink_seen(&d->shrink, (uint64_t)now);
	if (shrink_is_seen(&d->shrink))
		return why_say(why, why_cap, -EIO,
			       "%s was made smaller while it is served, and cannot grow before the "
			       "server has been started anew with its data brought back",
			       d->name);
	now -= now % bs->block_bytes;
	bs_raise_size(bs, (uint64_t)now);
	shrink_grown(&d->shrink, (uint64_t)now);
	return 0;
}

int disk_new(struct backstore **out, const struct disk_params *p)
{
	static const struct bs_ops file_ops = { "file", disk_submit, disk_close, disk_grow };
	static const struct bs_ops block_ops = { "block", disk_submit, disk_close, disk_grow };
	struct disk *d = calloc(1, sizeof(*d) + p->reactors * sizeof(d->lanes[0]));

	if (!d)
		return -ENOMEM;
	d->name = strdup(p->name);
	if (!d->name) {
		free(d);
		return -ENOMEM;
	}
	d->base = (struct backstore){
		.ops = !strcmp(p->type, "block") ? &block_ops : &file_ops,
		.size_bytes = p->size_bytes,
		.block_bytes = p->block_bytes,
		.physical_bytes = MAX(p->physical_bytes, p->block_bytes),
		.align_bytes = MAX(p->align_bytes, 1),
		.discard_bytes = p->discard_bytes,
		.read_only = p->read_only,
		.write_cache = !p->writethrough,
		.rotational = p->rotational,
	};
	d->fd = p->fd;
	d->buffered = p->buffered;
	d->writethrough = p->writethrough;
	d->writes_block = p->buffered || !p->keeps_nowait_writes;
	d->dsyncs = p->keeps_dsync && !p->buffered;
	atomic_init(&d->no_nowait, !p->keeps_nowait);
	d->punch_bytes = MAX(p->punch_bytes, p->block_bytes);
	d->reactors = p->reactors;
	for (unsigned i = 0; i < p->reactors; i++) {
		lane_init(&d->lanes[i].writes, p->buffered ? DISK_LANE : DISK_DIRECT_WRITE_LANE);
		lane_init(&d->lanes[i].reads, DISK_LANE);
	}
	syncer_init(&d->syncer, d->fd, d->name, p->latch, p->latched, disk_end, synced);
	shrink_init(&d->shrink, d->name, p->size_bytes, d->fd, p->size_now);
	*out = &d->base;
	return 0;
}
