/* See bs_rig.h. */
#include "tests/fakes/bs_rig.h"

#include <assert.h>
#include <string.h>

static void reactors_new(struct bs_rig *g)
{
	for (unsigned i = 0; i < BS_RIG_REACTORS; i++)
		if (g->io[i])
			g->io[i] = fake_io_new(g->w, i);
}

static void reactors_free(struct bs_rig *g)
{
	for (unsigned i = 0; i < BS_RIG_REACTORS; i++)
		if (g->io[i])
			io_free(g->io[i]);
}

void bs_rig_init(struct bs_rig *g, uint64_t seed, unsigned reactors)
{
	memset(g, 0, sizeof(*g));
	g->w = fake_world_new(seed);
	for (unsigned i = 0; i < reactors; i++)
		g->io[i] = fake_io_new(g->w, i);
}

void bs_rig_fini(struct bs_rig *g)
{
	reactors_free(g);
	fake_world_free(g->w);
}

void bs_rig_restart(struct bs_rig *g)
{
	reactors_free(g);
	fake_world_restart(g->w);
	reactors_new(g);
}

struct disk_params bs_rig_params(struct fake_file *f)
{
	return (struct disk_params){
		.type = "file",
		.name = "fake",
		.fd = fake_file_open(f),
		.size_bytes = f->size_bytes,
		.block_bytes = 512,
		.physical_bytes = 4096,
		.align_bytes = 512,
		.discard_bytes = 4096,
		.punch_bytes = 4096,
		.keeps_nowait = true,
		.keeps_nowait_writes = true,
		.keeps_dsync = true,
		.reactors = BS_RIG_REACTORS,
		.latch = LATCH_NONE,
	};
}

struct backstore *bs_rig_disk(struct fake_file *f)
{
	struct disk_params p = bs_rig_params(f);
	struct backstore *bs;
	int rc = disk_new(&bs, &p);

	assert(rc == 0);
	(void)rc;
	return bs;
}

static void on_done(struct bs_req *req, int res)
{
	struct bs_call *c = container_of(req, struct bs_call, req);

	assert(!c->done && "done() twice");
	c->done = true;
	c->res = res;
	if (c->counter)
		c->order = (*c->counter)++;
	if (c->then)
		c->then(c);
}

void bs_call_start(struct bs_call *c, struct backstore *bs, struct io *io, enum bs_kind kind,
		   unsigned flags, uint64_t off_bytes, void *buf, uint64_t len_bytes)
{
	bool whole = off_bytes % 8192 == 0 && len_bytes % 4096 == 0; /* what a bounce passes on */
	uint64_t unit = whole ? 4096 : MAX(bs->block_bytes, bs->align_bytes), at = 0;
	uint64_t cut = len_bytes / unit / 3 * unit + off_bytes % (2 * unit) / unit * unit;
	int n = 0;

	c->done = false;
	c->res = 1;
	for (; buf && at < len_bytes; n++) {
		uint64_t piece = n == 2 || !cut ? len_bytes - at : MIN(cut, len_bytes - at);

		c->iov[n] = (struct iovec){ (uint8_t *)buf + at, piece };
		at += piece;
	}
	c->req.io = io;
	c->req.kind = kind;
	c->req.flags = flags;
	c->req.off_bytes = off_bytes;
	c->req.len_bytes = len_bytes;
	c->req.iov = c->iov;
	c->req.iovcnt = n;
	c->req.done = on_done;
	/* what the fields hold between two requests must not matter */
	memset(&c->req.priv, 0xa5, sizeof(c->req.priv));
	bs_submit(bs, &c->req);
	assert(!c->done && "done() from inside submit");
}

int bs_call(struct bs_rig *g, struct backstore *bs, enum bs_kind kind, unsigned flags,
	    uint64_t off_bytes, void *buf, uint64_t len_bytes)
{
	struct bs_call c = { .then = NULL };

	bs_call_start(&c, bs, g->io[0], kind, flags, off_bytes, buf, len_bytes);
	fake_world_run(g->w);
	assert(c.done);
	return c.res;
}
