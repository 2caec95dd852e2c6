/* Passes requests on as copies of its own, so that it can answer the originals when it
 * likes. See cheat_bs.h. */
#include "tests/fakes/cheat_bs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct cheat_bs {
	struct backstore base, *next;
	enum cheat how;
	uint64_t max_bytes;
	struct list joined; /* flushes answered with the one under way */
	bool flushing;
};

struct passed {
	struct bs_req req; /* first */
	struct cheat_bs *ch;
	struct bs_req *parent;
	uint8_t *copy;
	struct iovec iov;
};

static void answered(struct io_op *io_op, int res)
{
	struct bs_req *req = container_of(io_op, struct bs_req, priv.op);

	req->done(req, res);
}

static void answer(struct bs_req *req, int res)
{
	req->priv.op.done = answered;
	io_defer(req->io, &req->priv.op, res);
}

static void answer_posted(struct io_msg *m)
{
	struct bs_req *req = container_of(m, struct bs_req, priv.msg);

	req->done(req, req->priv.res);
}

static void answer_joined(struct cheat_bs *ch, int res)
{
	struct list *n;

	ch->flushing = false;
	while ((n = list_pop(&ch->joined))) {
		struct bs_req *req = list_entry(n, struct bs_req, priv.link);

		req->priv.res = res;
		req->priv.msg.run = answer_posted;
		io_post(req->io, &req->priv.msg);
	}
}

static void passed_done(struct bs_req *req, int res)
{
	struct passed *p = container_of(req, struct passed, req);
	struct bs_req *parent = p->parent;
	struct cheat_bs *ch = p->ch;

	if (ch->how == CHEAT_SYNC_ERRORS_ARE_HIDDEN && req->kind == BS_FLUSH)
		res = 0;
	if (ch->how == CHEAT_LATE_FLUSH_JOINS_THE_ONE_UNDER_WAY && req->kind == BS_FLUSH)
		answer_joined(ch, res);
	free(p->copy);
	free(p);
	if (parent)
		parent->done(parent, res);
}

static void pass_on(struct cheat_bs *ch, struct bs_req *req, bool answer_now)
{
	struct passed *p = calloc(1, sizeof(*p));
	size_t at = 0;

	assert(p);
	p->ch = ch;
	p->parent = answer_now ? NULL : req;
	p->req = *req;
	p->req.done = passed_done;
	if (ch->how == CHEAT_FUA_IS_IGNORED)
		p->req.flags &= ~(unsigned)BS_FUA;
	if (answer_now) {
		p->copy = aligned_alloc(4096, (ch->max_bytes + 4095) / 4096 * 4096);
		for (int i = 0; i < req->iovcnt; at += req->iov[i++].iov_len)
			memcpy(p->copy + at, req->iov[i].iov_base, req->iov[i].iov_len);
		p->iov = (struct iovec){ p->copy, at };
		p->req.iov = &p->iov;
		p->req.iovcnt = 1;
		answer(req, 0);
	}
	bs_submit(ch->next, &p->req);
}

static void cheat_submit(struct backstore *bs, struct bs_req *req)
{
	struct cheat_bs *ch = container_of(bs, struct cheat_bs, base);

	if ((ch->how == CHEAT_FLUSH_DOES_NOTHING && req->kind == BS_FLUSH) ||
	    (ch->how == CHEAT_DISCARD_DOES_NOTHING && req->kind == BS_DISCARD)) {
		answer(req, 0);
		return;
	}
	if (ch->how == CHEAT_LATE_FLUSH_JOINS_THE_ONE_UNDER_WAY && req->kind == BS_FLUSH) {
		if (ch->flushing) {
			list_add_tail(&ch->joined, &req->priv.link);
			return;
		}
		ch->flushing = true;
	}
	pass_on(ch, req, ch->how == CHEAT_GOOD_BEFORE_COMPLETION && req->kind == BS_WRITE);
}

static void cheat_close(struct backstore *bs)
{
	struct cheat_bs *ch = container_of(bs, struct cheat_bs, base);

	bs_close(ch->next);
	free(ch);
}

struct backstore *cheat_bs_new(struct backstore *next, enum cheat how, uint64_t max_bytes)
{
	static const struct bs_ops ops = { "cheat", cheat_submit, cheat_close, NULL };
	struct cheat_bs *ch = calloc(1, sizeof(*ch));

	assert(ch);
	ch->base = *next;
	ch->base.ops = &ops;
	ch->next = next;
	ch->how = how;
	ch->max_bytes = max_bytes;
	list_init(&ch->joined);
	return &ch->base;
}
