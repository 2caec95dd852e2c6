/* The fake's disk operations: when they take effect, and what they answer.
 *
 *   start ──▶ refused at once (bad fd, alignment, EAGAIN, injected): answered soon
 *     │
 *     ▼  without IO_NOWAIT: waits until its io has a worker
 *   issued: the record of a write begins ──▶ half: a part is visible
 *     │
 *     ▼  file stalled: waits for the release
 *   end: the rest is visible (or a part only: short, or failed), done()
 *
 * Reads take their bytes in the same two steps, so overlapping transfers tear. */
#include "tests/fakes/fake_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

enum disk_kind { DISK_READ, DISK_WRITE, DISK_SYNC, DISK_SPACE };

struct disk_op {
	struct event ev;
	struct list link; /* in world.disk_ops */
	struct list wait; /* in fake_io.for_worker or file.stalled, or alone */
	struct io_op *op;
	enum disk_kind kind;
	struct fake_file *f;
	const struct iovec *iov;
	int iovcnt;
	uint64_t off_bytes, len_bytes;
	unsigned flags;
	enum io_space how;
	int fail; /* answered with, if not 0 */
	bool has_worker, issued, half_done;
	uint64_t read_bytes, ends_at_start;
	struct record *rec;
};

static void op_fire(struct event *e);

static struct disk_op *op_at(struct list *n)
{
	return list_entry(n, struct disk_op, link);
}

bool fake_disk_is_under_way(struct fake_world *w, const struct io_op *op)
{
	list_for_each (n, &w->disk_ops)
		if (op_at(n)->op == op)
			return true;
	return false;
}

/* Counts towards crash_at; true when everything has ended. */
static bool disk_tick(struct fake_world *w)
{
	struct fake_knobs *k = &w->knobs;

	if (w->dead || k->crash_at == UINT64_MAX || k->crash_at-- > 0)
		return w->dead;
	if (k->crash_is_kill)
		fake_world_kill(w);
	else
		fake_world_crash(w);
	return true;
}

static bool needs_worker(const struct disk_op *d)
{
	return !(d->flags & IO_NOWAIT);
}

static bool allocates(const struct disk_op *d)
{
	return (d->kind == DISK_WRITE || (d->kind == DISK_SPACE && d->how == IO_SPACE_ZERO)) &&
	       fake_file_has_holes(d->f, d->off_bytes, d->len_bytes);
}

static bool misaligned(const struct disk_op *d)
{
	uint32_t align = d->f->dio_align;

	if (!align)
		return false;
	if (d->off_bytes % align || d->len_bytes % align)
		return true;
	for (int i = 0; i < d->iovcnt; i++)
		if ((uintptr_t)d->iov[i].iov_base % SECTOR || d->iov[i].iov_len % SECTOR)
			return true;
	return false;
}

static int refused_nowait(struct disk_op *d)
{
	struct fake_world *w = d->ev.io->w;

	if (!(d->flags & IO_NOWAIT))
		return 0;
	if (d->f->nowait == FAKE_NOWAIT_EOPNOTSUPP)
		return -EOPNOTSUPP;
	if (d->f->nowait == FAKE_NOWAIT_EAGAIN || fake_chance(w, w->knobs.eagain_permille) ||
	    (d->f->nowait == FAKE_NOWAIT_HOLES_EAGAIN && allocates(d)))
		return -EAGAIN;
	return 0;
}

static int refused(struct disk_op *d)
{
	if (!d->f)
		return -EBADF;
	if (misaligned(d))
		return -EINVAL;
	if (d->kind == DISK_WRITE && d->off_bytes + d->len_bytes > fake_file_capacity_bytes(d->f))
		return -EFBIG;
	if (d->kind == DISK_SPACE && (d->how == IO_SPACE_PUNCH ? d->f->no_punch : d->f->no_zero))
		return -EOPNOTSUPP;
	return refused_nowait(d);
}

/* What the medium says once the operation is at it. */
static int medium_error(const struct disk_op *d)
{
	if (d->kind == DISK_SYNC && d->f->sync_errno)
		return -d->f->sync_errno;
	if (d->kind == DISK_WRITE && d->f->write_errno)
		return -d->f->write_errno;
	if (d->f->full && allocates(d))
		return -ENOSPC;
	return 0;
}

static void count(struct disk_op *d)
{
	struct fake_file *f = d->f;

	switch (d->kind) {
	case DISK_READ:
		f->reads++;
		break;
	case DISK_WRITE:
		f->writes++;
		break;
	case DISK_SYNC:
		f->syncs++;
		f->syncing++;
		f->syncing_max = MAX(f->syncing_max, f->syncing);
		break;
	case DISK_SPACE:
		if (d->how == IO_SPACE_PUNCH)
			f->punches++;
		else
			f->zeroes++;
		break;
	}
	if ((d->kind == DISK_READ || d->kind == DISK_WRITE) &&
	    !(d->flags & (IO_NOWAIT | IO_BLOCKS)))
		f->inline_tries++;
	if (needs_worker(d)) {
		f->punted++;
		f->punted_max = MAX(f->punted_max, f->punted);
	}
}

static void uncount(struct disk_op *d)
{
	if (d->kind == DISK_SYNC)
		d->f->syncing--;
	if (needs_worker(d))
		d->f->punted--;
}

static void op_issue(struct disk_op *d)
{
	struct fake_world *w = d->ev.io->w;
	uint64_t unit = d->f->dio_align ? d->f->dio_align : SECTOR; /* of what is short */

	d->issued = true;
	if (!d->fail && !w->dead)
		d->fail = medium_error(d);
	if ((d->kind == DISK_READ || d->kind == DISK_WRITE) && d->len_bytes > unit &&
	    fake_chance(w, w->knobs.short_permille))
		d->len_bytes = (1 + fake_random(w) % (d->len_bytes / unit - 1)) * unit;
	if ((d->kind == DISK_WRITE || d->kind == DISK_SPACE) && d->fail != -ENOSPC &&
	    d->fail != -EOPNOTSUPP && !w->dead)
		d->rec = fake_record_new(d->f, d->off_bytes, d->len_bytes,
					 d->kind == DISK_WRITE ? d->iov : NULL,
					 d->kind == DISK_SPACE && d->how == IO_SPACE_PUNCH);
	fake_event_add(d->ev.io, &d->ev, fake_latency_ns(w) / 2 + 1);
}

static void op_start(struct io *io, struct io_op *op, int fd, struct disk_op d0)
{
	struct fake_io *f = fake_of(io);
	struct disk_op *d = malloc(sizeof(*d));

	assert(d && !fake_disk_is_under_way(f->w, op) && "started again while under way");
	disk_tick(f->w);
	*d = d0;
	d->op = op;
	d->f = fake_fd_get(f->w, fd, FAKE_FD_FILE);
	d->ev.io = f;
	d->ev.fire = op_fire;
	d->ends_at_start = f->w->ends;
	list_init(&d->wait);
	for (int i = 0; i < d->iovcnt; i++)
		d->len_bytes += d->iov[i].iov_len;
	assert(d->kind == DISK_SYNC ||
	       (d->len_bytes && d->off_bytes % SECTOR == 0 && d->len_bytes % SECTOR == 0));
	list_add_tail(&f->w->disk_ops, &d->link);
	d->fail = refused(d);
	if (d->f)
		count(d);
	if (d->fail || f->w->dead) { /* no worker ever sees it */
		fake_event_add(f, &d->ev, 1 + fake_latency_ns(f->w) / 8);
		return;
	}
	d->fail = fake_count_op(f->w);
	if (needs_worker(d) && f->workers_busy >= f->w->knobs.workers) {
		list_add_tail(&f->for_worker, &d->wait);
		return;
	}
	d->has_worker = needs_worker(d);
	f->workers_busy += d->has_worker;
	op_issue(d);
}

/* ── the end ── */

static void next_for_worker(struct fake_io *f)
{
	struct list *n;

	f->workers_busy--;
	n = list_pop(&f->for_worker);
	if (!n)
		return;
	struct disk_op *d = list_entry(n, struct disk_op, wait);

	d->has_worker = true;
	f->workers_busy++;
	op_issue(d);
}

static void read_up_to(struct disk_op *d, uint64_t len_bytes)
{
	uint64_t at = 0;

	for (const struct iovec *v = d->iov; at < len_bytes; at += v->iov_len, v++) {
		uint64_t from = MAX(at, d->read_bytes), to = MIN(at + v->iov_len, len_bytes);

		if (from < to)
			fake_file_peek(d->f, d->off_bytes + from,
				       (uint8_t *)v->iov_base + (from - at), to - from);
	}
	d->read_bytes = MAX(d->read_bytes, len_bytes);
}

static uint64_t up_to_eof(const struct disk_op *d)
{
	uint64_t size = d->f->size_bytes;

	return d->off_bytes >= size ? 0 : MIN(d->len_bytes, size - d->off_bytes);
}

static void op_half(struct disk_op *d)
{
	uint64_t part = fake_random(d->ev.io->w) % (d->len_bytes / SECTOR + 1) * SECTOR;

	d->half_done = true;
	if (d->rec && !d->fail)
		fake_record_apply(d->rec, part);
	else if (d->kind == DISK_READ && !d->fail)
		read_up_to(d, MIN(part, up_to_eof(d)));
	fake_event_add(d->ev.io, &d->ev, fake_latency_ns(d->ev.io->w) / 2 + 1);
}

static void write_end(struct disk_op *d)
{
	struct fake_world *w = d->ev.io->w;
	uint64_t len = d->len_bytes;

	assert((d->kind == DISK_SPACE || fake_record_matches(d->rec, d->iov, d->iovcnt)) &&
	       "lent bytes were changed");
	if (d->fail) /* it may have landed in part all the same */
		len = fake_random(w) % (len / SECTOR + 1) * SECTOR;
	fake_record_end(d->rec, len);
	if (d->fail)
		return;
	if (d->kind == DISK_WRITE)
		d->f->size_bytes = MAX(d->f->size_bytes, d->off_bytes + len);
	if (d->flags & IO_DSYNC)
		fake_record_harden(d->rec);
}

/* The effect, and the result. */
static int op_end(struct disk_op *d)
{
	if (d->rec)
		write_end(d);
	if (d->kind == DISK_SYNC)
		fake_file_sync(d->f, d->ends_at_start, !d->fail);
	if (d->fail)
		return d->fail;
	if (d->kind == DISK_READ) {
		read_up_to(d, up_to_eof(d));
		return (int)up_to_eof(d);
	}
	return d->kind == DISK_WRITE ? (int)d->len_bytes : 0;
}

static void op_fire(struct event *e)
{
	struct disk_op *d = container_of(e, struct disk_op, ev);
	struct fake_io *f = d->ev.io;
	struct io_op *op = d->op;
	bool is_stalled = false;
	struct list *stalled = d->f ? fake_file_stalled(d->f, &is_stalled) : NULL;
	int res;

	if (!f->w->dead && d->issued && !d->half_done) {
		op_half(d);
		return;
	}
	if (!f->w->dead && d->issued && is_stalled) {
		list_add_tail(stalled, &d->wait);
		return;
	}
	if (disk_tick(f->w)) {
		res = -ECANCELED;
	} else {
		f->w->ends++;
		res = d->issued ? op_end(d) : d->fail;
	}
	list_del(&d->link);
	if (d->f)
		uncount(d);
	if (d->has_worker)
		next_for_worker(f);
	free(d);
	op->done(op, res);
}

static void release(struct list *waiting)
{
	struct list *n;

	while ((n = list_pop(waiting))) {
		struct disk_op *d = list_entry(n, struct disk_op, wait);

		fake_event_add(d->ev.io, &d->ev, fake_latency_ns(d->ev.io->w));
	}
}

void fake_disk_release(struct list *stalled)
{
	release(stalled);
}

void fake_disk_end_all(struct fake_world *w)
{
	list_for_each (n, &w->disk_ops)
		op_at(n)->rec = NULL;
	list_for_each (n, &w->ios)
		release(&list_entry(n, struct fake_io, link)->for_worker);
	list_for_each (n, &w->disk_ops) {
		struct disk_op *d = op_at(n);
		bool is;

		if (d->f)
			release(fake_file_stalled(d->f, &is));
	}
}

/* ── what struct io_ops asks for ── */

void fake_disk_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		    uint64_t off_bytes, unsigned flags)
{
	op_start(io, op, fd,
		 (struct disk_op){ .kind = DISK_READ,
				   .iov = iov,
				   .iovcnt = iovcnt,
				   .off_bytes = off_bytes,
				   .flags = flags });
}

void fake_disk_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		     uint64_t off_bytes, unsigned flags)
{
	op_start(io, op, fd,
		 (struct disk_op){ .kind = DISK_WRITE,
				   .iov = iov,
				   .iovcnt = iovcnt,
				   .off_bytes = off_bytes,
				   .flags = flags });
}

void fake_disk_fdatasync(struct io *io, struct io_op *op, int fd)
{
	op_start(io, op, fd, (struct disk_op){ .kind = DISK_SYNC });
}

void fake_disk_space(struct io *io, struct io_op *op, int fd, enum io_space how, uint64_t off_bytes,
		     uint64_t len_bytes)
{
	op_start(io, op, fd,
		 (struct disk_op){ .kind = DISK_SPACE,
				   .how = how,
				   .off_bytes = off_bytes,
				   .len_bytes = len_bytes });
}

/* Sometimes in time for what no worker has seen yet; never for what the disk has. */
void fake_disk_cancel(struct io *io, struct io_op *op)
{
	struct fake_io *f = fake_of(io);

	list_for_each_safe (n, &f->for_worker) {
		struct disk_op *d = list_entry(n, struct disk_op, wait);

		if (d->op != op || !fake_chance(f->w, 500))
			continue;
		list_del(&d->wait);
		d->fail = -ECANCELED;
		fake_event_add(f, &d->ev, 1);
	}
}
