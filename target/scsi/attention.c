/* Telling of unit attentions without taking them (SAM-5 7.9). */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

enum { DEPTH_ONE = 1 << 4, DEPTH_MORE = 2 << 4 }; /* UADE DEPTH */

bool scsi_nexus_event(const struct scsi_nexus *n, const uint8_t lun[8], uint8_t info[static 3])
{
	int place = scsi_map_place(n->map, lun);
	unsigned all = place < 0 ? 0 : atomic_load(&n->luns[place].ua);
	unsigned first = all & -all; /* the enum is in falling priority */

	if (!all)
		return false;
	info[0] = (uint8_t)((all == first ? DEPTH_ONE : DEPTH_MORE) | KEY_UNIT_ATTENTION);
	put_be16(info + 1, (uint16_t)sense_ua_code(first));
	return true;
}
