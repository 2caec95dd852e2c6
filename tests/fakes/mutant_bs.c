/* Wrong in one way each; in all others the backstore below. */
#include "tests/fakes/mutant_bs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct mutant {
	struct backstore base;
	struct backstore *next; /* owned */
	enum rig_mutant kind;
};

/* A write that was answered already. */
struct late {
	struct bs_req req;
	struct iovec iov;
	uint8_t data[];
};

static void answered(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);

	req->done(req, res);
}

static void answer_now(struct bs_req *req)
{
	req->priv.op.done = answered;
	io_defer(req->io, &req->priv.op, 0);
}

static void late_done(struct bs_req *req, int res)
{
	(void)res;
	free(container_of(req, struct late, req));
}

static void write_late(struct mutant *m, struct bs_req *req)
{
	struct late *l = malloc(sizeof(*l) + req->len_bytes);
	size_t at = 0;

	assert(l);
	memset(&l->req, 0, sizeof(l->req));
	for (int i = 0; i < req->iovcnt; i++) {
		memcpy(l->data + at, req->iov[i].iov_base, req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
	l->iov = (struct iovec){ l->data, at };
	l->req.io = req->io;
	l->req.kind = req->kind;
	l->req.flags = req->flags;
	l->req.off_bytes = req->off_bytes;
	l->req.len_bytes = req->len_bytes;
	l->req.iov = &l->iov;
	l->req.iovcnt = 1;
	l->req.done = late_done;
	bs_submit(m->next, &l->req);
	answer_now(req);
}

static void submit(struct backstore *bs, struct bs_req *req)
{
	struct mutant *m = container_of(bs, struct mutant, base);

	if (m->kind == RIG_FLUSH_DOES_NOTHING && req->kind == BS_FLUSH) {
		answer_now(req);
		return;
	}
	if (m->kind == RIG_GOOD_BEFORE_COMPLETION && req->kind == BS_WRITE) {
		write_late(m, req);
		return;
	}
	if (m->kind == RIG_FUA_IGNORED)
		req->flags &= ~(unsigned)BS_FUA;
	bs_submit(m->next, req);
}

static void close_both(struct backstore *bs)
{
	struct mutant *m = container_of(bs, struct mutant, base);

	bs_close(m->next);
	free(m);
}

static const struct bs_ops mutant_ops = { "mutant", submit, close_both, NULL };

struct backstore *mutant_bs_new(struct backstore *next, enum rig_mutant kind)
{
	struct mutant *m;

	if (kind == RIG_SOUND || kind == RIG_ABORT_FORGETS_THE_RANGE)
		return next;
	m = calloc(1, sizeof(*m));
	assert(m);
	m->base = *next;
	m->base.ops = &mutant_ops;
	m->next = next;
	m->kind = kind;
	return &m->base;
}
