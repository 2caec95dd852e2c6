/* A command's way through the device server.
 *
 *    start:  unit? ─▶ unit attention? ─▶ opcode, reserved bits ─▶ ready? ─▶ may write?
 *            ─▶ the operation's check()                   each "no" ends it with a status
 *
 *    run:    parameter data: build() ─────────────────────────────▶ deferred ─▶ done()
 *            blocks: begin() ─▶ fences ─▶ step() ⇄ backstore ─▶ retire ──────▶ done()
 *                                └──▶ waits ──▶ resume ─┘
 *
 * All of a command happens on the reactor it came on; only fence.c looks at it from
 * another, under the unit's lock. A READ or WRITE takes no lock here and allocates
 * nothing: two loads (unit attention, fences), and the request embedded in the command.
 *
 * An aborted command that the backstore has is a zombie: it begins no further step,
 * and what it writes is fenced until the backstore has let go. */
#include "target/scsi/change.h"
#include "target/scsi/fence.h"
#include "target/scsi/sense.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long the disk may have a write before its initiator can have lost the path, noticed,
 * and begun to write by another one. */
#define SLOW_NS UINT64_C(1000000000)

size_t scsi_cmd_put_at(struct scsi_cmd *cmd, size_t at, const void *src, size_t len)
{
	const uint8_t *from = src;
	size_t done = 0;

	for (int i = 0; i < cmd->iovcnt && done < len; i++) {
		size_t room = cmd->iov[i].iov_len, n;

		if (at >= room) {
			at -= room;
			continue;
		}
		n = MIN(room - at, len - done);
		memcpy((uint8_t *)cmd->iov[i].iov_base + at, from + done, n);
		done += n;
		at = 0;
	}
	return done;
}

size_t scsi_cmd_put(struct scsi_cmd *cmd, const void *src, size_t len)
{
	return scsi_cmd_put_at(cmd, 0, src, len);
}

size_t scsi_cmd_get(const struct scsi_cmd *cmd, size_t at, void *dst, size_t len)
{
	uint8_t *to = dst;
	size_t done = 0;

	for (int i = 0; i < cmd->iovcnt && done < len; i++) {
		size_t have = cmd->iov[i].iov_len;
		size_t n;

		if (at >= have) {
			at -= have;
			continue;
		}
		n = MIN(have - at, len - done);
		memcpy(to + done, (const uint8_t *)cmd->iov[i].iov_base + at, n);
		done += n;
		at = 0;
	}
	return done;
}

/* --- start ----------------------------------------------------------------------- */

/* First reserved bit that is set, as (byte << 3 | bit), or -1. */
static int reserved_bit(const struct scsi_cmd *cmd)
{
	const struct scsi_op *op = cmd->op;

	for (unsigned i = 1; i < op->cdb_bytes; i++) {
		unsigned extra = cmd->cdb[i] & ~(unsigned)op->usage[i] & 0xff;

		if (unlikely(extra))
			return (int)(i << 3 | (31 - (unsigned)__builtin_clz(extra)));
	}
	return -1;
}

static bool admit_op(struct scsi_cmd *cmd, bool in_action)
{
	int bit;

	if (!cmd->op) {
		/* SPC-4 leaves open what an unknown service action is; initiators look for
		 * a field pointer to byte 1. */
		if (in_action)
			sense_fail_cdb(cmd, 1, 4);
		else
			sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
		return false;
	}
	bit = reserved_bit(cmd);
	if (bit >= 0)
		sense_fail_cdb(cmd, (unsigned)bit >> 3, (unsigned)bit & 7);
	return bit < 0;
}

/* True: @cmd->op may be checked further. */
static bool admit(struct scsi_cmd *cmd)
{
	struct scsi_lu *lu = cmd->lu;
	bool in_action = false;
	const struct scsi_op *op = scsi_op_find(lu, cmd->cdb, &in_action);

	cmd->op = op;
	if (!lu && !(op && op->flags & OP_ANY_LUN)) {
		sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
		return false;
	}
	if (lu && !(op && op->flags & OP_NO_UA) &&
	    unlikely(atomic_load_explicit(&cmd->nexus->luns[cmd->lu_place].ua,
					  memory_order_relaxed))) {
		sense_fail_ua(cmd, scsi_nexus_take_ua(cmd->nexus, cmd->lu_place));
		return false;
	}
	if (!admit_op(cmd, in_action))
		return false;
	if (op->flags & OP_MEDIUM &&
	    unlikely(atomic_load_explicit(&lu->stopped, memory_order_relaxed))) {
		sense_fail(cmd, KEY_NOT_READY, ASC_NEEDS_START);
		return false;
	}
	if (op->flags & OP_WRITES && unlikely(lu->bs->read_only)) {
		sense_fail(cmd, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
		return false;
	}
	return true;
}

static uint32_t allocation_length(const struct scsi_cmd *cmd)
{
	const uint8_t *at = cmd->cdb + cmd->op->alloc_at;

	switch (cmd->op->alloc_bytes) {
	case 0:
		return UINT32_MAX;
	case 1:
		return *at;
	case 2:
		return get_be16(at);
	default:
		return get_be32(at);
	}
}

/* Once for the length, so that the transport knows what room to bring. */
static __attribute__((noinline)) bool param_check(struct scsi_cmd *cmd)
{
	uint8_t buf[SCSI_PARAM_BYTES];
	int len = cmd->op->build(cmd, buf);

	if (len < 0)
		return false;
	assert(len <= SCSI_PARAM_BYTES);
	cmd->dir = SCSI_DIR_IN;
	cmd->transfer_bytes = MIN((uint32_t)len, allocation_length(cmd));
	cmd->buffer_bytes = (uint32_t)MIN(cmd->transfer_bytes, cmd->in_room);
	return true;
}

static void param_run(struct scsi_cmd *cmd)
{
	uint8_t buf[SCSI_PARAM_BYTES];
	int len = cmd->op->build(cmd, buf);

	if (len >= 0)
		cmd->in_bytes =
			(uint32_t)scsi_cmd_put(cmd, buf, MIN((uint32_t)len, cmd->buffer_bytes));
}

static void reset_result(struct scsi_cmd *cmd)
{
	cmd->dir = SCSI_DIR_NONE;
	cmd->buffer_bytes = 0;
	cmd->iov = NULL;
	cmd->iovcnt = 0;
	cmd->status = SCSI_GOOD;
	cmd->sense_len = 0;
	cmd->in_bytes = 0;
	cmd->transfer_bytes = 0;
	cmd->lba = cmd->nblocks = 0;
	cmd->bs_flags = 0;
	cmd->state = CMD_NEW;
	cmd->zombie = cmd->posted = cmd->fenced = false;
	cmd->step = 0;
	cmd->scratch = NULL;
	cmd->work = (struct iovec){ 0 };
	cmd->extents = NULL;
	cmd->nextents = 0;
}

enum scsi_next scsi_cmd_start(struct scsi_cmd *cmd)
{
	const struct scsi_map *map = cmd->nexus->map;
	int place = scsi_map_place(map, cmd->lun);
	const struct scsi_op *op;

	reset_result(cmd);
	cmd->lu = place < 0 ? NULL : map->lus[place];
	cmd->lu_place = (unsigned)MAX(place, 0);
	if (cmd->lu)
		scsi_cmd_count_in(cmd);
	if (!admit(cmd))
		goto ended;
	op = cmd->op;
	if ((op->check && !op->check(cmd)) || (op->build && !param_check(cmd)))
		goto ended;
	return SCSI_NEEDS_BUFFER;
ended:
	cmd->state = CMD_ENDED;
	cmd->buffer_bytes = 0;
	return SCSI_ENDED;
}

/* --- run ---------------------------------------------------------------------------- */

static void drop_memory(struct scsi_cmd *cmd)
{
	free(cmd->scratch);
	cmd->scratch = NULL;
	if (cmd->work.iov_len)
		pool_put(cmd->pool, &cmd->work, 1);
	cmd->work.iov_len = 0;
}

bool scsi_cmd_take_work(struct scsi_cmd *cmd, uint32_t len)
{
	/* Never the last half: it is for what the initiators send and read. */
	if (pool_free_bytes(cmd->pool) >= pool_size_bytes(cmd->pool) / 2 + len &&
	    pool_get(cmd->pool, len, &cmd->work, 1) == 1)
		return true;
	cmd->work.iov_len = 0;
	sense_fail_errno(cmd, BS_READ, -ENOMEM);
	return false;
}

static void end(struct scsi_cmd *cmd)
{
	drop_memory(cmd);
	cmd->extents = NULL;
	cmd->state = CMD_ENDED;
	cmd->done(cmd);
}

static void deferred_done(struct io_op *op, int res)
{
	(void)res;
	end(container_of(op, struct scsi_cmd, req.priv.op));
}

static void end_later(struct scsi_cmd *cmd)
{
	cmd->state = CMD_DEFERRED;
	cmd->req.priv.op.done = deferred_done;
	io_defer(cmd->io, &cmd->req.priv.op, 0);
}

/* The backstore has nothing of it any more. */
static void retire(struct scsi_cmd *cmd)
{
	lu_reactor(cmd->lu, cmd->io)->running--;
	if (scsi_cmd_writes(cmd))
		list_del(&cmd->link);
	if (unlikely(cmd->fenced))
		fence_lift(cmd);
}

static void step_done(struct bs_req *req, int res)
{
	struct scsi_cmd *cmd = container_of(req, struct scsi_cmd, req);

	if (unlikely(res < 0))
		sense_fail_errno(cmd, req->kind, res);
	else if (likely(!cmd->zombie) && cmd->op->step(cmd))
		return;
	retire(cmd);
	end(cmd);
}

void scsi_cmd_submit(struct scsi_cmd *cmd, enum bs_kind kind, uint64_t lba, uint64_t nblocks,
		     unsigned flags, const struct iovec *iov, int iovcnt)
{
	struct bs_req *req = &cmd->req;

	req->io = cmd->io;
	req->kind = kind;
	req->flags = flags;
	req->off_bytes = lba << cmd->lu->shift;
	req->len_bytes = nblocks << cmd->lu->shift;
	req->iov = iov;
	req->iovcnt = iovcnt;
	req->done = step_done;
	bs_submit(cmd->lu->bs, req);
}

static void go(struct scsi_cmd *cmd)
{
	struct lu_reactor *r = lu_reactor(cmd->lu, cmd->io);

	cmd->state = CMD_RUNNING;
	cmd->started_ns = io_now_ns(cmd->io);
	r->running++;
	if (scsi_cmd_writes(cmd)) {
		list_add_tail(&r->writes, &cmd->link);
		if (unlikely(list_empty(&r->busy)))
			list_add_tail(cmd->busy, &r->busy);
	}
	if (!cmd->op->step(cmd)) {
		retire(cmd);
		end_later(cmd);
	}
}

void scsi_cmd_run(struct scsi_cmd *cmd)
{
	const struct scsi_op *op = cmd->op;

	if (op->build) {
		cmd->state = CMD_DEFERRED;
		param_run(cmd);
		end_later(cmd);
	} else if ((op->begin && !op->begin(cmd)) || !op->step) {
		end_later(cmd);
	} else if (!(op->flags & OP_RANGE) || !fence_wait(cmd)) {
		go(cmd);
	}
}

void scsi_cmd_resume(struct scsi_cmd *cmd)
{
	if (cmd->zombie)
		end(cmd); /* aborted while this was on its way: it has left already */
	else if (fence_try_leave(cmd))
		go(cmd);
}

/* --- abort ---------------------------------------------------------------------------- */

bool scsi_cmd_abort(struct scsi_cmd *cmd)
{
	assert(cmd->state == CMD_WAITING || cmd->state == CMD_RUNNING ||
	       cmd->state == CMD_DEFERRED);
	cmd->zombie = true;
	cmd->nexus = NULL;
	if (cmd->state == CMD_WAITING && fence_give_up(cmd)) {
		drop_memory(cmd);
		cmd->state = CMD_ENDED;
		return true;
	}
	if (cmd->state == CMD_RUNNING && scsi_cmd_writes(cmd) && !cmd->fenced)
		fence_set(cmd);
	return false;
}

void scsi_cmd_leave(struct scsi_cmd *cmd)
{
	scsi_cmd_dropped(cmd);
	cmd->lu = NULL;
}

void scsi_cmd_lose_lu(struct scsi_cmd *cmd)
{
	sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
	scsi_cmd_leave(cmd);
}

bool scsi_cmd_is_on(const struct scsi_cmd *cmd, const struct scsi_lu *lu)
{
	return cmd->lu == lu;
}

void scsi_lu_fence_slow(struct scsi_lu *lu, struct io *io, uint64_t now_ns)
{
	list_for_each (at, &lu_reactor(lu, io)->writes) {
		struct scsi_cmd *cmd = list_entry(at, struct scsi_cmd, link);

		if (now_ns - cmd->started_ns < SLOW_NS || now_ns < cmd->started_ns)
			break;
		if (!cmd->fenced)
			fence_set(cmd);
	}
}

void scsi_fence_slow(struct list *busy, struct io *io, uint64_t now_ns)
{
	list_for_each_safe (at, busy) {
		struct lu_reactor *r = list_entry(at, struct lu_reactor, busy);

		if (list_empty(&r->writes))
			list_del(&r->busy); /* here and not with each write that ends */
		else
			scsi_lu_fence_slow(r->lu, io, now_ns);
	}
}
