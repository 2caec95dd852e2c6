/* Commands at the device server: several at a time, from two reactors, over a disk of 1 MiB that
 * completes, fails and delays as the input says; some are aborted.
 *
 * Input: records of 24 bytes, one step each:
 *
 *    0  what: 0-3 a command, 4 abort, 5 complete, 6 fail, 7 turn (modulo 8)
 *    1  which slot, request or reactor it is about
 *    2  LUN (0 is there, 1 is read-only and thick, others are not there)
 *    3  byte that Data-Out is filled with
 *    4  Data-Out offered, 2 bytes      6  room for Data-In, 2 bytes      8  CDB, 16 bytes
 *
 * Checked: every command ends, once, with a status that goes with its sense data, within its
 * room; the disk is asked for nothing outside it; no fence is left at the end. */
#include "target/scsi/internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SLOTS = 8, RECORD = 24, DISK_BYTES = 1 << 20, REACTORS = 2 };

struct disk {
	struct backstore bs;
	struct bs_req *reqs[SLOTS];
	unsigned nreqs;
};

struct reactor {
	struct io io;
	struct list deferred;
	struct io_msg *msgs, **tail;
};

struct slot {
	struct scsi_cmd cmd;
	struct iovec iov;
	bool used, running, aborted;
	struct world *world;
};

struct world {
	struct reactor reactors[REACTORS];
	struct disk disks[2];
	struct scsi_lu *lus[2];
	struct scsi_target *target;
	struct scsi_nexus *nexus;
	struct slot slots[SLOTS];
	struct pool *pools[REACTORS];
	struct list busy[REACTORS];
};

/* --- the waist --- */

static void defer(struct io *io, struct io_op *op, int res)
{
	op->res = res;
	list_add_tail(&container_of(io, struct reactor, io)->deferred, &op->link);
}

static uint64_t now_ns(struct io *io)
{
	(void)io;
	return 1;
}

static void post(struct io *io, struct io_msg *m)
{
	struct reactor *r = container_of(io, struct reactor, io);

	m->next = NULL;
	*r->tail = m;
	r->tail = &m->next;
}

static const struct io_ops io_ops = { .defer = defer, .now_ns = now_ns, .post = post };

static void turn(struct reactor *r)
{
	struct list batch, *at;
	struct io_msg *m = r->msgs;

	list_init(&batch);
	list_splice_tail(&batch, &r->deferred);
	r->msgs = NULL;
	r->tail = &r->msgs;
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

/* --- the disk --- */

static void submit(struct backstore *bs, struct bs_req *req)
{
	struct disk *d = container_of(bs, struct disk, bs);
	uint64_t sum = 0;

	for (int i = 0; i < req->iovcnt; i++)
		sum += req->iov[i].iov_len;
	if (req->kind == BS_READ || req->kind == BS_WRITE)
		assert(sum == req->len_bytes);
	assert(d->nreqs < SLOTS); /* one at a time per command */
	d->reqs[d->nreqs++] = req;
}

static void close_disk(struct backstore *bs)
{
	(void)bs;
}

static const struct bs_ops bs_ops = { "fuzz", submit, close_disk, NULL };

static void complete(struct disk *d, unsigned which, int res)
{
	struct bs_req *req;

	if (!d->nreqs)
		return;
	which %= d->nreqs;
	req = d->reqs[which];
	d->reqs[which] = d->reqs[--d->nreqs];
	if (req->kind == BS_READ && !res) /* every byte that it was lent */
		for (int i = 0; i < req->iovcnt; i++)
			memset(req->iov[i].iov_base, 0x11, req->iov[i].iov_len);
	req->done(req, res);
}

/* --- commands --- */

static void forget(struct slot *s)
{
	free(s->iov.iov_base);
	memset(s, 0, sizeof(*s));
}

static void check_result(const struct scsi_cmd *cmd)
{
	assert(cmd->in_bytes <= cmd->in_room);
	assert(cmd->in_bytes <= cmd->transfer_bytes);
	assert((cmd->status == SCSI_CHECK_CONDITION) == (cmd->sense_len > 0));
	assert(cmd->status == SCSI_GOOD || !cmd->in_bytes);
}

static void done(struct scsi_cmd *cmd)
{
	struct slot *s = container_of(cmd, struct slot, cmd);

	assert(s->running);
	if (!s->aborted)
		check_result(cmd);
	forget(s);
}

/* Filled with one byte, Data-Out is rarely a list that UNMAP takes: every other is made one, of
 * the ranges that the fill byte leads to. */
static void fill_list(uint8_t *list, uint32_t len, const uint8_t *rec)
{
	if (!(rec[3] & 1) || len < 8)
		return;
	memset(list, 0, len);
	put_be16(list, (uint16_t)(len - 2));
	put_be16(list + 2, (uint16_t)(len - 8));
	for (uint32_t at = 8; at + 16 <= len; at += 16) {
		put_be64(list + at, (uint64_t)rec[3] * at / 8);
		put_be32(list + at + 8, rec[3] >> 5);
	}
}

static void start(struct world *w, const uint8_t *rec)
{
	struct slot *s = &w->slots[rec[1] % SLOTS];
	struct scsi_cmd *cmd = &s->cmd;

	if (s->used)
		return;
	memset(s, 0, sizeof(*s));
	cmd->nexus = w->nexus;
	cmd->io = &w->reactors[rec[1] / SLOTS % REACTORS].io;
	cmd->pool = w->pools[rec[1] / SLOTS % REACTORS];
	cmd->busy = &w->busy[rec[1] / SLOTS % REACTORS];
	cmd->lun[1] = rec[2];
	memcpy(cmd->cdb, rec + 8, 16);
	cmd->out_offered = get_be16(rec + 4);
	cmd->in_room = get_be16(rec + 6);
	cmd->done = done;
	if (scsi_cmd_start(cmd) == SCSI_ENDED) {
		check_result(cmd);
		assert(cmd->status != SCSI_GOOD);
		return;
	}
	assert(cmd->dir != SCSI_DIR_OUT || cmd->buffer_bytes <= cmd->out_offered);
	s->iov = (struct iovec){ malloc(cmd->buffer_bytes + 1), cmd->buffer_bytes };
	memset(s->iov.iov_base, rec[3], cmd->buffer_bytes);
	if (cmd->dir == SCSI_DIR_OUT)
		fill_list(s->iov.iov_base, cmd->buffer_bytes, rec);
	cmd->iov = &s->iov;
	cmd->iovcnt = cmd->buffer_bytes ? 1 : 0;
	s->used = s->running = true;
	scsi_cmd_run(cmd);
	assert(s->used); /* done() never comes from inside */
}

static void step(struct world *w, const uint8_t *rec)
{
	struct slot *s = &w->slots[rec[1] % SLOTS];
	struct disk *d = &w->disks[rec[2] & 1];

	switch (rec[0] % 8) {
	case 4:
		if (!s->used || s->aborted)
			break;
		s->aborted = true;
		if (scsi_cmd_abort(&s->cmd))
			forget(s);
		break;
	case 5:
		complete(d, rec[1], 0);
		break;
	case 6:
		complete(d, rec[1], -(int)rec[3] - 1);
		break;
	case 7:
		scsi_fence_slow(&w->busy[rec[2] & 1], &w->reactors[rec[2] & 1].io,
				UINT64_C(1) << 40);
		scsi_lu_attention(w->lus[rec[2] & 1], rec[3] & 0x3f, NULL);
		turn(&w->reactors[rec[1] % REACTORS]);
		break;
	default:
		start(w, rec);
	}
}

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; i < REACTORS; i++) {
		struct reactor *r = &w->reactors[i];

		r->io.ops = &io_ops;
		r->io.index = i;
		list_init(&r->deferred);
		r->tail = &r->msgs;
		list_init(&w->busy[i]);
		w->pools[i] = pool_new(1 << 20); /* little: some find no room */
		if (!w->pools[i])
			abort();
	}
	if (scsi_target_new(&w->target))
		abort();
	for (unsigned i = 0; i < 2; i++) {
		struct backstore *bs = &w->disks[i].bs;
		struct scsi_lu_config cfg = { .name = "fuzz", .bs = bs, .reactors = REACTORS };

		*bs = (struct backstore){ .ops = &bs_ops,
					  .size_bytes = DISK_BYTES,
					  .block_bytes = i ? 4096 : 512,
					  .physical_bytes = 4096,
					  .align_bytes = 1,
					  .discard_bytes = i ? 0 : 4096,
					  .read_only = i,
					  .write_cache = true };
		if (scsi_lu_new(&w->lus[i], &cfg) || scsi_target_add(w->target, i, w->lus[i]))
			abort();
	}
	if (scsi_nexus_new(&w->nexus, w->target))
		abort();
	scsi_nexus_clear_ua(w->nexus, ~0u);
}

static void close_world(struct world *w)
{
	scsi_nexus_free(w->nexus);
	scsi_target_free(w->target);
	for (unsigned i = 0; i < REACTORS; i++) {
		assert(pool_free_bytes(w->pools[i]) == pool_size_bytes(w->pools[i]));
		pool_free(w->pools[i]);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert(!atomic_load(&w->lus[i]->nfences));
		scsi_lu_free(w->lus[i]);
	}
}

static bool is_busy(const struct world *w)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (w->slots[i].used)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = malloc(sizeof(*w));

	open_world(w);
	for (; len >= RECORD; data += RECORD, len -= RECORD)
		step(w, data);
	/* a VERIFY of a whole disk takes DISK_BYTES / 256 KiB requests */
	for (unsigned i = 0; is_busy(w); i++) {
		assert(i < 10000);
		complete(&w->disks[0], i, 0);
		complete(&w->disks[1], i, 0);
		turn(&w->reactors[i % REACTORS]);
	}
	close_world(w);
	free(w);
	return 0;
}
