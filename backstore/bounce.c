/* 512-byte blocks above a backstore with larger ones (4 KiB direct I/O).
 *
 *   aligned   ──▶ straight through (a write: holding its range)
 *   read      ──▶ whole blocks into a buffer, the part that was meant copied out
 *   write     ──▶ range held: read the first and last block where they are cut,
 *                 put the new bytes over, write whole blocks
 *   discard,  ──▶ range held: cut blocks as a write of zeros, whole ones as they are
 *   zeros
 *
 * The range is held by writers only, across all reactors: so that two sectors of one
 * block, written at the same time, both land. Readers need not: the neighbour's bytes
 * are rewritten as they were. Off the fast path, so it may allocate. */
#include "backstore/kinds.h"
#include "backstore/range_lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bounce {
	struct backstore base;
	struct backstore *next; /* owned */
	struct range_lock lock;
};

struct job {
	struct bs_req child;
	struct range_hold hold;
	struct bounce *b;
	struct bs_req *parent;
	void (*go)(struct job *j); /* the next step */
	uint64_t lo, hi;	   /* whole blocks around the request */
	bool holds;
	uint8_t *buf; /* for lo..hi; or NULL */
	struct iovec iov;
};

static struct bounce *bounce_of(struct backstore *bs)
{
	return container_of(bs, struct bounce, base);
}

static uint32_t unit_of(const struct job *j)
{
	return j->b->next->block_bytes;
}

static void job_end(struct job *j, int res)
{
	struct bs_req *parent = j->parent;

	if (j->holds)
		range_lock_drop(&j->b->lock, &j->hold);
	free(j->buf);
	free(j);
	parent->done(parent, res);
}

static void step_done(struct bs_req *child, int res)
{
	struct job *j = container_of(child, struct job, child);

	if (res)
		job_end(j, res);
	else
		j->go(j);
}

/* Does the step and then calls @go. */
static void step(struct job *j, enum bs_kind kind, uint64_t off, uint64_t len, void *buf,
		 void (*go)(struct job *j))
{
	j->iov = (struct iovec){ buf, len };
	j->go = go;
	j->child.io = j->parent->io;
	j->child.kind = kind;
	j->child.flags = kind == BS_READ ? 0 : j->parent->flags;
	j->child.off_bytes = off;
	j->child.len_bytes = len;
	j->child.iov = &j->iov;
	j->child.iovcnt = buf ? 1 : 0;
	j->child.done = step_done;
	bs_submit(j->b->next, &j->child);
}

static void finished(struct job *j)
{
	job_end(j, 0);
}

static uint64_t end_of(const struct bs_req *req)
{
	return req->off_bytes + req->len_bytes;
}

/* Between the parent's bytes and the buffer. */
static void copy(struct job *j, bool out)
{
	uint8_t *at = j->buf + (j->parent->off_bytes - j->lo);

	for (int i = 0; i < j->parent->iovcnt; i++) {
		const struct iovec *v = &j->parent->iov[i];

		if (out)
			memcpy(v->iov_base, at, v->iov_len);
		else
			memcpy(at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
}

/* ── reads ── */

static void read_finished(struct job *j)
{
	copy(j, true);
	job_end(j, 0);
}

static void read_begin(struct job *j)
{
	step(j, BS_READ, j->lo, j->hi - j->lo, j->buf, read_finished);
}

/* ── writes ── */

static void write_merged(struct job *j)
{
	copy(j, false);
	step(j, BS_WRITE, j->lo, j->hi - j->lo, j->buf, finished);
}

static void write_read_tail(struct job *j)
{
	uint64_t tail = j->hi - unit_of(j);

	if (end_of(j->parent) == j->hi || (tail == j->lo && j->parent->off_bytes != j->lo))
		write_merged(j); /* it ends with its block, or that one is here already */
	else
		step(j, BS_READ, tail, unit_of(j), j->buf + (tail - j->lo), write_merged);
}

static void write_begin(struct job *j)
{
	if (j->parent->off_bytes == j->lo)
		write_read_tail(j);
	else
		step(j, BS_READ, j->lo, unit_of(j), j->buf, write_read_tail);
}

static void write_straight(struct job *j)
{
	j->go = finished;
	j->child.io = j->parent->io;
	j->child.kind = j->parent->kind;
	j->child.flags = j->parent->flags;
	j->child.off_bytes = j->parent->off_bytes;
	j->child.len_bytes = j->parent->len_bytes;
	j->child.iov = j->parent->iov;
	j->child.iovcnt = j->parent->iovcnt;
	j->child.done = step_done;
	bs_submit(j->b->next, &j->child);
}

/* ── discards and zeros: head, middle, tail ── */

static uint64_t head_end(const struct job *j)
{
	return j->parent->off_bytes == j->lo && end_of(j->parent) >= j->lo + unit_of(j)
		       ? j->lo
		       : j->lo + unit_of(j);
}

static void zero_tail_write(struct job *j)
{
	uint64_t tail = j->hi - unit_of(j);

	memset(j->buf, 0, end_of(j->parent) - tail);
	step(j, BS_WRITE, tail, unit_of(j), j->buf, finished);
}

static void zero_tail(struct job *j)
{
	uint64_t tail = j->hi - unit_of(j);

	if (end_of(j->parent) == j->hi || tail < head_end(j))
		finished(j);
	else
		step(j, BS_READ, tail, unit_of(j), j->buf, zero_tail_write);
}

static void zero_middle(struct job *j)
{
	uint64_t from = head_end(j), to = end_of(j->parent) - end_of(j->parent) % unit_of(j);

	if (from < to)
		step(j, j->parent->kind, from, to - from, NULL, zero_tail);
	else
		zero_tail(j);
}

static void zero_head_write(struct job *j)
{
	uint64_t from = j->parent->off_bytes - j->lo;

	memset(j->buf + from, 0, MIN(j->parent->len_bytes, unit_of(j) - from));
	step(j, BS_WRITE, j->lo, unit_of(j), j->buf, zero_middle);
}

static void zero_begin(struct job *j)
{
	if (head_end(j) == j->lo)
		zero_middle(j);
	else
		step(j, BS_READ, j->lo, unit_of(j), j->buf, zero_head_write);
}

/* ── the way of each request ── */

static bool is_aligned(const struct bounce *b, const struct bs_req *req)
{
	uint32_t unit = b->next->block_bytes, align = b->next->align_bytes;

	if (req->off_bytes % unit || req->len_bytes % unit)
		return false;
	if (req->kind != BS_READ && req->kind != BS_WRITE)
		return true;
	for (int i = 0; i < req->iovcnt; i++)
		if ((uintptr_t)req->iov[i].iov_base % align || req->iov[i].iov_len % unit)
			return false;
	return true;
}

static void granted(struct range_hold *h)
{
	struct job *j = container_of(h, struct job, hold);

	j->holds = true;
	j->go(j);
}

static void answer(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);

	req->done(req, res);
}

static struct job *job_new(struct bounce *b, struct bs_req *req, bool aligned)
{
	uint32_t unit = b->next->block_bytes;
	struct job *j = calloc(1, sizeof(*j));
	uint64_t len;

	if (!j)
		return NULL;
	j->b = b;
	j->parent = req;
	j->lo = req->off_bytes - req->off_bytes % unit;
	j->hi = (end_of(req) + unit - 1) / unit * unit;
	if (aligned)
		return j;
	len = req->kind == BS_READ || req->kind == BS_WRITE ? j->hi - j->lo : unit;
	j->buf = aligned_alloc(4096, (len + 4095) / 4096 * 4096);
	if (j->buf)
		return j;
	free(j);
	return NULL;
}

static void job_begin(struct job *j)
{
	j->hold = (struct range_hold){ .off_bytes = j->lo,
				       .len_bytes = j->hi - j->lo,
				       .io = j->parent->io,
				       .granted = granted };
	if (!range_lock_take(&j->b->lock, &j->hold))
		return;
	j->holds = true;
	j->go(j);
}

static void bounce_submit(struct backstore *bs, struct bs_req *req)
{
	struct bounce *b = bounce_of(bs);
	bool aligned = is_aligned(b, req);
	struct job *j;

	if (req->kind == BS_FLUSH || (req->kind == BS_READ && aligned)) {
		bs_submit(b->next, req);
		return;
	}
	j = job_new(b, req, aligned);
	if (!j) {
		req->priv.op.done = answer;
		io_defer(req->io, &req->priv.op, -ENOMEM);
		return;
	}
	if (req->kind == BS_READ) {
		read_begin(j);
		return;
	}
	j->go = aligned ? write_straight : req->kind == BS_WRITE ? write_begin : zero_begin;
	job_begin(j);
}

static void bounce_close(struct backstore *bs)
{
	struct bounce *b = bounce_of(bs);

	bs_close(b->next);
	range_lock_fini(&b->lock);
	free(b);
}

static int bounce_grow(struct backstore *bs, char *why, size_t why_cap)
{
	struct bounce *b = bounce_of(bs);
	int rc = bs_grow(b->next, why, why_cap);

	if (!rc)
		bs_raise_size(bs, b->next->size_bytes);
	return rc;
}

int bounce_new(struct backstore **out, struct backstore *next, uint32_t block_bytes)
{
	static const struct bs_ops ops = { "bounce", bounce_submit, bounce_close, bounce_grow };
	struct bounce *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->base = *next;
	b->base.ops = &ops;
	b->base.block_bytes = block_bytes;
	b->base.physical_bytes = MAX(next->physical_bytes, next->block_bytes);
	b->base.align_bytes = 1;
	b->next = next;
	range_lock_init(&b->lock);
	*out = &b->base;
	return 0;
}
