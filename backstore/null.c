/* Reads zeros and forgets what is written: the cost of everything above a disk. */
#include "backstore/kinds.h"
#include "backstore/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void answer(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);

	req->done(req, res);
}

static void null_submit(struct backstore *bs, struct bs_req *req)
{
	(void)bs;
	if (req->kind == BS_READ)
		for (int i = 0; i < req->iovcnt; i++)
			memset(req->iov[i].iov_base, 0, req->iov[i].iov_len);
	req->priv.op.done = answer;
	io_defer(req->io, &req->priv.op, 0);
}

static void null_close(struct backstore *bs)
{
	free(bs);
}

int null_open(struct backstore **out, const struct bs_spec *spec, char *why, size_t why_cap)
{
	static const struct bs_ops ops = { "null", null_submit, null_close, NULL };
	struct backstore *bs;

	if (!spec->size_bytes)
		return why_say(why, why_cap, -EINVAL, "null: needs a size, for example 1T");
	bs = calloc(1, sizeof(*bs));
	if (!bs)
		return why_say(why, why_cap, -ENOMEM, "null: no memory");
	*bs = (struct backstore){
		.ops = &ops,
		.size_bytes = spec->size_bytes,
		.block_bytes = spec->block_bytes,
		.physical_bytes = MAX(spec->block_bytes, 4096),
		.align_bytes = 1,
		.discard_bytes = 4096,
		.read_only = spec->read_only,
	};
	*out = bs;
	return 0;
}
