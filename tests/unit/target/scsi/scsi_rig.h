/* What the tests of target/scsi stand on: a reactor that turns when told, and a
 * backstore of memory that completes requests when told, in any order. A write
 * lands when it completes, not when it is submitted: the worst disk there is. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backstore/base/bytes.h"
#include "target/scsi/fence.h"
#include "target/scsi/sense.h"

enum { RIG_MAX_REQS = 64, RIG_BUF = 8 << 20 };

/* --- reactor --- */

struct rig_io {
	struct io io;
	uint64_t now_ns;
	struct list deferred;
	struct io_msg *msgs, **msgs_tail;
};

static inline void rig_defer(struct io *io, struct io_op *op, int res)
{
	struct rig_io *r = container_of(io, struct rig_io, io);

	op->res = res;
	list_add_tail(&r->deferred, &op->link);
}

static inline uint64_t rig_now(struct io *io)
{
	return container_of(io, struct rig_io, io)->now_ns;
}

static inline void rig_post(struct io *io, struct io_msg *m)
{
	struct rig_io *r = container_of(io, struct rig_io, io);

	m->next = NULL;
	*r->msgs_tail = m;
	r->msgs_tail = &m->next;
}

static const struct io_ops rig_io_ops = {
	.name = "rig",
	.defer = rig_defer,
	.now_ns = rig_now,
	.post = rig_post,
};

static inline void rig_io_init(struct rig_io *r, unsigned index)
{
	memset(r, 0, sizeof(*r));
	r->io.ops = &rig_io_ops;
	r->io.index = index;
	r->now_ns = 1000;
	list_init(&r->deferred);
	r->msgs_tail = &r->msgs;
}

/* Runs what is there; what that brings up waits for the next turn. */
static inline void rig_turn(struct rig_io *r)
{
	struct list batch;
	struct io_msg *m = r->msgs;
	struct list *at;

	list_init(&batch);
	list_splice_tail(&batch, &r->deferred);
	r->msgs = NULL;
	r->msgs_tail = &r->msgs;
	while (m) {
		struct io_msg *next = m->next;

		m->run(m);
		m = next;
	}
	while ((at = list_pop(&batch))) {
		struct io_op *op = list_entry(at, struct io_op, link);

		op->done(op, op->res);
	}
}

/* --- backstore --- */

struct rig_bs {
	struct backstore bs;
	struct bs_req *reqs[RIG_MAX_REQS]; /* under way, oldest first */
	int nreqs;
	unsigned submitted; /* since the beginning */
	unsigned kinds[5];
	uint8_t *data;
	bool closed;
};

static inline void rig_submit(struct backstore *bs, struct bs_req *req)
{
	struct rig_bs *r = container_of(bs, struct rig_bs, bs);

	assert_true(r->nreqs < RIG_MAX_REQS);
	if (req->kind != BS_FLUSH)
		assert_true(req->off_bytes <= bs->size_bytes &&
			    req->len_bytes <= bs->size_bytes - req->off_bytes &&
			    req->len_bytes > 0);
	r->reqs[r->nreqs++] = req;
	r->submitted++;
	r->kinds[req->kind]++;
}

static inline void rig_close(struct backstore *bs)
{
	container_of(bs, struct rig_bs, bs)->closed = true;
}

static const struct bs_ops rig_bs_ops = { "rig", rig_submit, rig_close, NULL };

static inline void rig_move(struct rig_bs *r, const struct bs_req *req)
{
	uint64_t at = req->off_bytes, len = 0;

	if (req->kind == BS_FLUSH)
		return;
	if (req->kind == BS_DISCARD || req->kind == BS_WRITE_ZEROES) {
		memset(r->data + at, 0, req->len_bytes);
		return;
	}
	for (int i = 0; i < req->iovcnt; i++) {
		if (req->kind == BS_WRITE)
			memcpy(r->data + at + len, req->iov[i].iov_base, req->iov[i].iov_len);
		else
			memcpy(req->iov[i].iov_base, r->data + at + len, req->iov[i].iov_len);
		len += req->iov[i].iov_len;
	}
	assert_int_equal(len, req->len_bytes);
}

/* Completes the @nth of those under way. */
static inline void rig_complete(struct rig_bs *r, int nth, int res)
{
	struct bs_req *req = r->reqs[nth];

	assert_true(nth < r->nreqs);
	memmove(r->reqs + nth, r->reqs + nth + 1, (size_t)(--r->nreqs - nth) * sizeof(r->reqs[0]));
	if (!res)
		rig_move(r, req);
	req->done(req, res);
}

/* --- all of it --- */

struct rig {
	struct pool *pool;
	struct list busy[2]; /* of each io */
	struct rig_io io[2];
	struct rig_bs bs;
	struct scsi_lu *lu;
	struct scsi_target *target;
	struct scsi_nexus *nexus, *other;
};

/* A command with its buffer. */
struct rig_cmd {
	struct scsi_cmd cmd;
	struct iovec iov[2];
	uint8_t *buf;
	enum scsi_next next;
	bool done;
};

static inline void rig_done(struct scsi_cmd *cmd)
{
	struct rig_cmd *c = container_of(cmd, struct rig_cmd, cmd);

	assert_false(c->done);
	c->done = true;
}

static const uint8_t rig_uuid[16] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef,
				      0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

/* Changes to the backstore before the unit is made: @tune, may be NULL. */
static inline void rig_open(struct rig *r, void (*tune)(struct backstore *bs))
{
	struct scsi_lu_config cfg = { .name = "vol", .reactors = 2, .bs = &r->bs.bs };

	memset(r, 0, sizeof(*r));
	rig_io_init(&r->io[0], 0);
	rig_io_init(&r->io[1], 1);
	list_init(&r->busy[0]);
	list_init(&r->busy[1]);
	r->pool = pool_new(16 << 20);
	assert_non_null(r->pool);
	r->bs.bs = (struct backstore){ .ops = &rig_bs_ops,
				       .size_bytes = 8 << 20,
				       .block_bytes = 512,
				       .physical_bytes = 4096,
				       .align_bytes = 1,
				       .discard_bytes = 4096,
				       .write_cache = true };
	if (tune)
		tune(&r->bs.bs);
	r->bs.data = calloc(1, 16 << 20);
	memcpy(cfg.uuid, rig_uuid, 16);
	assert_int_equal(scsi_lu_new(&r->lu, &cfg), 0);
	assert_int_equal(scsi_target_new(&r->target), 0);
	assert_int_equal(scsi_target_add(r->target, 0, r->lu), 0);
	assert_int_equal(scsi_nexus_new(&r->nexus, r->target), 0);
	assert_int_equal(scsi_nexus_new(&r->other, r->target), 0);
	scsi_nexus_clear_ua(r->nexus, ~0u);
	scsi_nexus_clear_ua(r->other, ~0u);
}

static inline void rig_shut(struct rig *r)
{
	assert_int_equal(r->bs.nreqs, 0);
	assert_int_equal(atomic_load(&r->lu->nfences), 0);
	assert_false(scsi_lu_is_busy(r->lu, &r->io[0].io));
	assert_false(scsi_lu_is_busy(r->lu, &r->io[1].io));
	scsi_nexus_free(r->nexus);
	scsi_nexus_free(r->other);
	scsi_target_free(r->target);
	scsi_lu_free(r->lu);
	assert_true(r->bs.closed);
	assert_int_equal(pool_free_bytes(r->pool), pool_size_bytes(r->pool));
	pool_free(r->pool);
	free(r->bs.data);
}

/* Starts; the buffer has exactly the size asked for, in two pieces, so that ASan sees
 * every byte too many. */
static inline enum scsi_next rig_start(struct rig *r, struct rig_cmd *c, unsigned io,
				       const uint8_t *cdb, size_t cdb_len, uint32_t out,
				       uint32_t in)
{
	memset(c, 0, sizeof(*c));
	c->cmd.nexus = r->nexus;
	c->cmd.io = &r->io[io].io;
	c->cmd.pool = r->pool;
	c->cmd.busy = &r->busy[io];
	memcpy(c->cmd.cdb, cdb, cdb_len);
	c->cmd.out_offered = out;
	c->cmd.in_room = in;
	c->cmd.done = rig_done;
	c->next = scsi_cmd_start(&c->cmd);
	if (c->next == SCSI_ENDED)
		c->done = true;
	return c->next;
}

/* The Data-Out bytes are @data (as much of it as is asked for). */
static inline void rig_run(struct rig_cmd *c, const void *data)
{
	uint32_t n = c->cmd.buffer_bytes, cut = n / 2 & ~511u;

	c->buf = malloc(n ? n : 1);
	memset(c->buf, 0xee, n);
	if (data && c->cmd.dir == SCSI_DIR_OUT)
		memcpy(c->buf, data, n);
	c->iov[0] = (struct iovec){ c->buf, cut };
	c->iov[1] = (struct iovec){ c->buf + cut, n - cut };
	c->cmd.iov = cut ? c->iov : c->iov + 1;
	c->cmd.iovcnt = cut ? 2 : n ? 1 : 0;
	scsi_cmd_run(&c->cmd);
	assert_false(c->done); /* never from inside */
}

static inline void rig_free(struct rig_cmd *c)
{
	free(c->buf);
	c->buf = NULL;
}

static inline void rig_finish(struct rig *r, struct rig_cmd *c)
{
	for (int i = 0; !c->done; i++) {
		assert_true(i < 2000);
		while (r->bs.nreqs)
			rig_complete(&r->bs, 0, 0);
		rig_turn(&r->io[0]);
		rig_turn(&r->io[1]);
	}
}

/* From start to end, everything succeeding. rig_free() is the caller's. */
static inline void rig_do(struct rig *r, struct rig_cmd *c, const uint8_t *cdb, size_t cdb_len,
			  const void *data, uint32_t out, uint32_t in)
{
	if (rig_start(r, c, 0, cdb, cdb_len, out, in) == SCSI_ENDED)
		return;
	rig_run(c, data);
	rig_finish(r, c);
}

#define CDB(...) ((const uint8_t[16]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static inline void rig_expect_good(const struct rig_cmd *c)
{
	assert_true(c->done);
	assert_int_equal(c->cmd.status, SCSI_GOOD);
	assert_int_equal(c->cmd.sense_len, 0);
}

static inline void rig_expect_sense(const struct rig_cmd *c, unsigned key, unsigned asc)
{
	assert_true(c->done);
	assert_int_equal(c->cmd.status, SCSI_CHECK_CONDITION);
	assert_int_equal(c->cmd.sense_len, 18);
	assert_int_equal(c->cmd.sense[0], 0x70);
	assert_int_equal(c->cmd.sense[7], 10);
	assert_int_equal(c->cmd.sense[2], key);
	assert_int_equal(get_be16(c->cmd.sense + 12), asc);
	assert_int_equal(c->cmd.in_bytes, 0);
}

static inline void rig_expect_cdb_field(const struct rig_cmd *c, unsigned byte, unsigned bit)
{
	rig_expect_sense(c, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(c->cmd.sense[15], 0xc8 | bit);
	assert_int_equal(get_be16(c->cmd.sense + 16), byte);
}

static inline void rig_expect_list_field(const struct rig_cmd *c, unsigned byte)
{
	rig_expect_sense(c, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_LIST);
	assert_int_equal(c->cmd.sense[15], 0x80);
	assert_int_equal(get_be16(c->cmd.sense + 16), byte);
}

/* CDBs that tests use most. */
static inline const uint8_t *rig_rw16(uint8_t opcode, uint8_t flags, uint64_t lba, uint32_t n)
{
	static uint8_t cdb[16];

	memset(cdb, 0, sizeof(cdb));
	cdb[0] = opcode;
	cdb[1] = flags;
	put_be64(cdb + 2, lba);
	put_be32(cdb + 10, n);
	return cdb;
}
