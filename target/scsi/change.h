/* What of units and targets changes while reactors run. */
#pragma once

#include "target/scsi/scsi.h"

struct scsi_map;

/* --- a unit ----------------------------------------------------------------------------- */

/* The backstore has become larger (bs_grow): takes the new capacity, and tells every nexus. From
 * any thread. */
void scsi_lu_grown(struct scsi_lu *lu);

/* It is behind a LUN of some target. */
bool scsi_lu_is_shown(const struct scsi_lu *lu);
/* Somebody who has no command there keeps it, so that it is not freed: a reset. From any thread. */
void scsi_lu_hold(struct scsi_lu *lu);
void scsi_lu_release(struct scsi_lu *lu);
bool scsi_lu_is_held(const struct scsi_lu *lu);
/* Of a unit that no nexus of this reactor has any more, on the reactor. True: nothing here looks at
 * it any more; false: there are commands, aborted ones that its disk has among them. */
bool scsi_lu_leave(struct scsi_lu *lu, const struct io *io);

/* --- a target's LUNs --------------------------------------------------------------------- */

/* -ENOENT, -ENOMEM: nothing has changed. */
int scsi_target_remove(struct scsi_target *t, unsigned lun) MUST_CHECK;
/* All of them, for good. */
void scsi_target_clear(struct scsi_target *t);

/* On its reactor: takes the target's LUNs as they are now. Units that were there already hear of
 * it, new ones have POWER ON pending. -ENOMEM: it has the old ones. */
int scsi_nexus_update(struct scsi_nexus *n, struct scsi_target *t) MUST_CHECK;
/* The LUN of a command of this nexus is another unit's now, or nobody's. */
bool scsi_cmd_is_stray(const struct scsi_cmd *cmd);
/* Ends it, if it is not running: LOGICAL UNIT NOT SUPPORTED. It looks at its unit no more. */
void scsi_cmd_lose_lu(struct scsi_cmd *cmd);
/* The same without a status: nobody will be told. */
void scsi_cmd_leave(struct scsi_cmd *cmd);

/* The LUNs of a nexus at one time, to compare with; on its reactor. */
struct scsi_map *scsi_nexus_map(struct scsi_nexus *n);
struct scsi_map *scsi_map_get(struct scsi_map *m);
void scsi_map_put(struct scsi_map *m);
/* Whether a unit that another target shows is among them, too; @lu may be NULL. */
bool scsi_map_shares(const struct scsi_map *m, const struct scsi_lu *lu);
