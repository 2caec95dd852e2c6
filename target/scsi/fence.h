/* Fences: nothing enters the range of a write that the disk still has and that its
 * initiator believes to be over. See fence.c. */
#pragma once

#include "target/scsi/internal.h"

/* True: something that @cmd overlaps is fenced, or waits; @cmd waits now, too, and
 * scsi_cmd_resume is called on its reactor when its turn may have come. */
bool fence_wait_behind(struct scsi_cmd *cmd);

static inline bool fence_wait(struct scsi_cmd *cmd)
{
	return unlikely(atomic_load_explicit(&cmd->lu->nfences, memory_order_seq_cst) != 0) &&
	       fence_wait_behind(cmd);
}

/* In scsi_cmd_resume: true when the command is free to go, and no longer waits. */
bool fence_try_leave(struct scsi_cmd *cmd);
/* A waiting command gives up. True: nobody holds on to it; false: scsi_cmd_resume is
 * on its way to it. */
bool fence_give_up(struct scsi_cmd *cmd);

/* Fences what a running command writes, until fence_lift. On the command's reactor. */
void fence_set(struct scsi_cmd *cmd);
void fence_lift(struct scsi_cmd *cmd);
