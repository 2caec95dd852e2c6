/* Counting.
 *
 *   reactor 0: counts ─┐  each has one writer, its reactor: a load, an add and a store, relaxed, on
 *   reactor 1: counts ─┼─▶ scsi_lu_stats   a cache line that is its own
 *   reactor n: counts ─┘
 *
 * So the common path pays no atomic read-modify-write, no shared line, and no reading of a clock:
 * both ends of a latency are times that the engine knows already (answers are counted all at once
 * when a turn hands them over, see target/iscsi/task.c). A reader may see a command's bucket and
 * not its bytes yet; each number by itself only grows, but for the queue. */
#include "target/scsi/stats.h"

#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

#include <string.h>

static uint64_t load(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* By the one writer that there is. */
static void add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, load(c) + n, memory_order_relaxed);
}

static struct lu_counts *counts_of(const struct scsi_cmd *cmd)
{
	return &lu_reactor(cmd->lu, cmd->io)->counts;
}

/* --- arriving ------------------------------------------------------------------------ */

void scsi_cmd_count_in(struct scsi_cmd *cmd)
{
	_Atomic unsigned *queue = &counts_of(cmd)->queue;

	cmd->counted = true;
	cmd->arrived_ns = io_now_ns(cmd->io);
	atomic_store_explicit(queue, atomic_load_explicit(queue, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

void scsi_cmd_arrived(struct scsi_cmd *cmd)
{
	cmd->lu = scsi_nexus_lu(cmd->nexus, cmd->lun);
	if (cmd->lu)
		scsi_cmd_count_in(cmd);
}

/* --- leaving ------------------------------------------------------------------------- */

/* The last look at the unit: whoever sees the queue empty (with acquire) may free it. */
static void count_out(struct lu_counts *c)
{
	atomic_store_explicit(&c->queue, atomic_load_explicit(&c->queue, memory_order_relaxed) - 1,
			      memory_order_release);
}

static unsigned bucket_of(uint64_t latency_ns)
{
	uint64_t n = latency_ns / SCSI_STAT_FIRST_NS;
	unsigned bits = n ? 64 - (unsigned)__builtin_clzll(n) : 0;

	return MIN(bits, SCSI_STAT_BUCKETS - 1u);
}

static enum scsi_stat_dir dir_of(const struct scsi_cmd *cmd)
{
	const struct scsi_op *op = cmd->op;

	if (!op)
		return SCSI_STAT_OTHER;
	if (op->step == scsi_step_read)
		return SCSI_STAT_READ;
	if (op->step == scsi_step_write || (op->step == scsi_step_verify && scsi_cmd_writes(cmd)))
		return SCSI_STAT_WRITE;
	return SCSI_STAT_OTHER;
}

static void count_kind(struct lu_counts *c, const struct scsi_op *op)
{
	if (op->step == scsi_step_sync)
		add(&c->flushes, 1);
	else if (op->step == scsi_step_unmap || op->step == scsi_step_write_same)
		add(&c->unmaps, 1);
}

/* Sense data are in fixed format (sense.c). */
static bool is_error(const struct scsi_cmd *cmd)
{
	return cmd->status != SCSI_CHECK_CONDITION || cmd->sense_len < 3 ||
	       (cmd->sense[2] & 0x0f) != KEY_UNIT_ATTENTION;
}

uint64_t scsi_cmd_moved_bytes(const struct scsi_cmd *cmd)
{
	if (cmd->status != SCSI_GOOD)
		return 0;
	return cmd->dir == SCSI_DIR_OUT ? cmd->buffer_bytes : cmd->in_bytes;
}

static void count_end(struct lu_counts *c, const struct scsi_cmd *cmd, uint64_t took_ns)
{
	enum scsi_stat_dir dir = dir_of(cmd);
	struct lu_stat *s = &c->dir[dir];

	add(&s->buckets[bucket_of(took_ns)], 1);
	add(&s->latency_ns, took_ns);
	add(&s->bytes, scsi_cmd_moved_bytes(cmd));
	if (unlikely(cmd->status != SCSI_GOOD) && is_error(cmd))
		add(&s->errors, 1);
	if (dir == SCSI_STAT_OTHER && cmd->op)
		count_kind(c, cmd->op);
}

void scsi_cmd_answered(struct scsi_cmd *cmd, uint64_t now_ns)
{
	struct lu_counts *c;

	if (!cmd->counted)
		return;
	cmd->counted = false;
	c = counts_of(cmd);
	if (unlikely(cmd->status == SCSI_BUSY || cmd->status == SCSI_TASK_SET_FULL))
		add(&c->refused, 1);
	else
		count_end(c, cmd, now_ns > cmd->arrived_ns ? now_ns - cmd->arrived_ns : 0);
	count_out(c);
}

void scsi_cmd_dropped(struct scsi_cmd *cmd)
{
	if (!cmd->counted)
		return;
	cmd->counted = false;
	add(&counts_of(cmd)->aborted, 1);
	count_out(counts_of(cmd));
}

/* --- adding up ----------------------------------------------------------------------- */

static void add_stat(struct scsi_stat *out, const struct lu_stat *s)
{
	out->bytes += load(&s->bytes);
	out->errors += load(&s->errors);
	out->latency_ns += load(&s->latency_ns);
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS; i++) {
		uint64_t n = load(&s->buckets[i]);

		out->buckets[i] += n;
		out->ops += n;
	}
}

void scsi_lu_stats(const struct scsi_lu *lu, struct scsi_stats *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < lu->nreactors; i++) {
		const struct lu_counts *c = &lu->reactors[i].counts;

		for (unsigned dir = 0; dir < SCSI_STAT_DIRS; dir++)
			add_stat(&out->dir[dir], &c->dir[dir]);
		out->flushes += load(&c->flushes);
		out->unmaps += load(&c->unmaps);
		out->refused += load(&c->refused);
		out->aborted += load(&c->aborted);
		out->queue += atomic_load_explicit(&c->queue, memory_order_relaxed);
	}
}
