/* Unit attentions of whole targets and of one nexus, for resets, and telling of them without
 * taking them. Those of one unit are in lu.c. */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

enum { DEPTH_ONE = 1 << 4, DEPTH_MORE = 2 << 4 }; /* UADE DEPTH */

bool scsi_target_has(const struct scsi_target *t, const struct scsi_lu *lu)
{
	/* A reset asks for each command of the server: most units have but one LUN. */
	if (!lu || lu->nluns <= 1 || lu->target == t)
		return lu && lu->target == t;
	for (unsigned i = 0; i < t->nlus; i++)
		if (t->lus[i] == lu)
			return true;
	return false;
}

void scsi_target_attention(struct scsi_target *t, unsigned ua)
{
	for (unsigned i = 0; i < t->nlus; i++)
		scsi_lu_attention(t->lus[i], ua, NULL);
}

void scsi_nexus_attention(struct scsi_nexus *n, const struct scsi_lu *lu, unsigned ua)
{
	for (unsigned i = 0; i < n->target->nlus; i++)
		if (!lu || n->target->lus[i] == lu)
			atomic_fetch_or(&n->luns[i].ua, ua);
}

bool scsi_nexus_event(const struct scsi_nexus *n, const uint8_t lun[8], uint8_t info[static 3])
{
	int place = scsi_target_place(n->target, lun);
	unsigned all = place < 0 ? 0 : atomic_load(&n->luns[place].ua);
	unsigned first = all & -all; /* the enum is in falling priority */

	if (!all)
		return false;
	info[0] = (uint8_t)((all == first ? DEPTH_ONE : DEPTH_MORE) | KEY_UNIT_ATTENTION);
	put_be16(info + 1, (uint16_t)sense_ua_code(first));
	return true;
}
