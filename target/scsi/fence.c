/* Fences.
 *
 * Nothing can recall a write that the disk has. When its command is aborted, or the
 * unit reset, the answer must not wait for the disk; but then the initiator may
 * write the same block again, by any path, and the old write must not land on top
 * of the new one when the disk wakes up. So the aborted write becomes a zombie, and
 * the blocks it may still change are fenced: a command that overlaps them waits
 * until the disk has let go.
 *
 *    A: WRITE lba 8 ──▶ disk ················(stalls)·············▶ done ─▶ lift
 *       ABORT A ──▶ fence [8,9) ─▶ answer                             │
 *                       B: WRITE lba 8 ──▶ waits ················────┴▶ posted ─▶ disk
 *
 * The waiters are one list per unit, oldest first. A command waits for every fence
 * that it overlaps, and for every older waiter that it conflicts with (they overlap,
 * and one of them writes), so conflicting waiters enter in the order in which they
 * came. When something leaves, those who are free now are posted a message each;
 * they stay in the list until it has run on their own reactor, where they look again:
 * another fence may have come up in between.
 *
 * Why one load of nfences is enough on the common path, without a lock. Say reactor 1
 * sets a fence for A while reactor 2 runs B, which overlaps A.
 *   - B was sent after the abort of A was answered (or after whatever made the initiator
 *     believe that A is over): fence_set had stored nfences before reactor 1 handed the
 *     answer to the kernel; B's bytes came out of the kernel on reactor 2 after
 *     that, caused by the answer. Store, send, receive, load: the load sees it. The
 *     accesses are seq_cst, so the compiler keeps them on their sides of the system
 *     calls, which order the rest.
 *   - B was sent before: then A and B were under way at the same time, the initiator
 *     asked for no order between them and knows none (SAM-5 8.6, SIMPLE task attribute),
 *     and either may land last, fence or not.
 * A command that has passed is not looked at again: each of its later steps (UNMAP,
 * WRITE SAME) belongs to the same moment. */
#include "target/scsi/fence.h"

static bool ranges_overlap(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	/* all are within the unit: the sums do not wrap */
	return an && bn && a < b + bn && b < a + an;
}

/* Either the extents, or the one range. */
static const struct scsi_extent *cmd_extents(const struct scsi_cmd *cmd, struct scsi_extent *one,
					     uint32_t *n)
{
	if (cmd->extents) {
		*n = cmd->nextents;
		return cmd->extents;
	}
	*one = (struct scsi_extent){ cmd->lba, cmd->nblocks };
	*n = 1;
	return one;
}

static bool cmds_overlap(const struct scsi_cmd *a, const struct scsi_cmd *b)
{
	struct scsi_extent one_a, one_b;
	uint32_t na, nb;
	const struct scsi_extent *ea = cmd_extents(a, &one_a, &na);
	const struct scsi_extent *eb = cmd_extents(b, &one_b, &nb);

	/* both ascend: whichever ends first has nothing more to meet */
	for (uint32_t i = 0, j = 0; i < na && j < nb;) {
		if (ranges_overlap(ea[i].lba, ea[i].nblocks, eb[j].lba, eb[j].nblocks))
			return true;
		if (ea[i].lba + ea[i].nblocks <= eb[j].lba + eb[j].nblocks)
			i++;
		else
			j++;
	}
	return false;
}

static bool is_blocked(struct scsi_lu *lu, const struct scsi_cmd *cmd)
{
	list_for_each (at, &lu->fences) {
		if (cmds_overlap(cmd, list_entry(at, struct scsi_cmd, fence)))
			return true;
	}
	list_for_each (at, &lu->waiters) {
		const struct scsi_cmd *older = list_entry(at, struct scsi_cmd, link);

		if (older == cmd)
			break;
		if ((scsi_cmd_writes(cmd) || scsi_cmd_writes(older)) && cmds_overlap(cmd, older))
			return true;
	}
	return false;
}

static void resume_msg(struct io_msg *m)
{
	scsi_cmd_resume(container_of(m, struct scsi_cmd, msg));
}

/* With the lock held: posts those whose turn has come now that @gone is out of the way. Only
 * who overlaps it can have waited for it; to look at all would take minutes where thousands wait.
 */
static void wake(struct scsi_lu *lu, const struct scsi_cmd *gone)
{
	list_for_each (at, &lu->waiters) {
		struct scsi_cmd *cmd = list_entry(at, struct scsi_cmd, link);

		if (cmd->posted || !cmds_overlap(cmd, gone) || is_blocked(lu, cmd))
			continue;
		cmd->posted = true;
		cmd->msg.run = resume_msg;
		io_post(cmd->io, &cmd->msg);
	}
}

bool fence_wait_behind(struct scsi_cmd *cmd)
{
	struct scsi_lu *lu = cmd->lu;
	bool waits;

	pthread_mutex_lock(&lu->fence_lock);
	waits = is_blocked(lu, cmd);
	if (waits) {
		cmd->state = CMD_WAITING;
		cmd->posted = false;
		list_add_tail(&lu->waiters, &cmd->link);
		atomic_fetch_add(&lu->nfences, 1);
	}
	pthread_mutex_unlock(&lu->fence_lock);
	return waits;
}

/* With the lock held. */
static void leave(struct scsi_lu *lu, struct scsi_cmd *cmd)
{
	list_del(&cmd->link);
	atomic_fetch_sub(&lu->nfences, 1);
	wake(lu, cmd);
}

bool fence_try_leave(struct scsi_cmd *cmd)
{
	struct scsi_lu *lu = cmd->lu;
	bool blocked;

	pthread_mutex_lock(&lu->fence_lock);
	cmd->posted = false;
	blocked = is_blocked(lu, cmd);
	if (!blocked)
		leave(lu, cmd);
	pthread_mutex_unlock(&lu->fence_lock);
	return !blocked;
}

bool fence_give_up(struct scsi_cmd *cmd)
{
	struct scsi_lu *lu = cmd->lu;
	bool posted;

	pthread_mutex_lock(&lu->fence_lock);
	posted = cmd->posted;
	leave(lu, cmd);
	pthread_mutex_unlock(&lu->fence_lock);
	return !posted;
}

void fence_set(struct scsi_cmd *cmd)
{
	struct scsi_lu *lu = cmd->lu;

	assert(!cmd->fenced);
	cmd->fenced = true;
	pthread_mutex_lock(&lu->fence_lock);
	list_add_tail(&lu->fences, &cmd->fence);
	atomic_fetch_add(&lu->nfences, 1);
	pthread_mutex_unlock(&lu->fence_lock);
}

void fence_lift(struct scsi_cmd *cmd)
{
	struct scsi_lu *lu = cmd->lu;

	assert(cmd->fenced);
	cmd->fenced = false;
	pthread_mutex_lock(&lu->fence_lock);
	list_del(&cmd->fence);
	atomic_fetch_sub(&lu->nfences, 1);
	wake(lu, cmd);
	pthread_mutex_unlock(&lu->fence_lock);
}
