/* The gate in front of every backstore: what is refused here, no backstore has to
 * check again. A refusal takes the same way as any failure: done(), later. */
#include "backstore/kinds.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

static bool writes(enum bs_kind kind)
{
	return kind == BS_WRITE || kind == BS_DISCARD || kind == BS_WRITE_ZEROES;
}

/* The pieces must add up, and suit the medium below (direct I/O). */
static int check_iov(const struct backstore *bs, const struct bs_req *req)
{
	uint64_t sum = 0;

	if (req->iovcnt < 0 || req->iovcnt > BS_MAX_IOV)
		return -EINVAL;
	for (int i = 0; i < req->iovcnt; i++) {
		if ((uintptr_t)req->iov[i].iov_base % bs->align_bytes ||
		    req->iov[i].iov_len % bs->align_bytes)
			return -EINVAL;
		if (req->iov[i].iov_len > req->len_bytes - sum)
			return -EINVAL;
		sum += req->iov[i].iov_len;
	}
	return sum == req->len_bytes ? 0 : -EINVAL;
}

static int check(const struct backstore *bs, const struct bs_req *req)
{
	uint64_t size = atomic_load_explicit(&bs->size_bytes, memory_order_acquire);

	if (req->kind == BS_FLUSH)
		return req->off_bytes || req->len_bytes ? -EINVAL : 0;
	if (bs->read_only && writes(req->kind))
		return -EROFS;
	if (req->off_bytes % bs->block_bytes || req->len_bytes % bs->block_bytes)
		return -EINVAL;
	if (req->len_bytes > size || req->off_bytes > size - req->len_bytes)
		return -ERANGE;
	if (req->kind == BS_READ || req->kind == BS_WRITE)
		return check_iov(bs, req);
	return 0;
}

static void answered_here(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);

	req->done(req, res);
}

void bs_submit(struct backstore *bs, struct bs_req *req)
{
	int rc = check(bs, req);

	assert(req->io && req->done);
	if (rc || (req->kind != BS_FLUSH && !req->len_bytes)) {
		req->priv.op.done = answered_here;
		io_defer(req->io, &req->priv.op, rc);
		return;
	}
	bs->ops->submit(bs, req);
}

void bs_raise_size(struct backstore *bs, uint64_t size_bytes)
{
	uint64_t was = atomic_load(&bs->size_bytes);

	while (was < size_bytes && !atomic_compare_exchange_weak(&bs->size_bytes, &was, size_bytes))
		;
}

int bs_grow(struct backstore *bs, char *why, size_t why_cap)
{
	return bs->ops->grow ? bs->ops->grow(bs, why, why_cap) : 0;
}

void bs_close(struct backstore *bs)
{
	bs->ops->close(bs);
}
