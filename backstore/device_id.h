/* What a block device is, whatever its name is today: for noticing another one behind
 * the same path.
 *
 *   dm:LVM-mTzn2…               device mapper's UUID
 *   wwid:naa.5000c500a1b2c3d4   as the disk tells it; or serial:…, cid:… (MMC)
 *   loop:/srv/x.img@0           a loop device's file and offset
 *   unknown                     none of these
 *   … part:2 partuuid:…         a partition of it
 *
 * Blocking: for opening. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { DEVICE_ID_BYTES = 512 };

/* @sys: "/sys". Printable, never empty; cut where it is too long. */
void device_id_read(char out[static DEVICE_ID_BYTES], const char *sys, dev_t dev);
/* A partition's UUID, which not all kernels tell, counts only where both have it. */
bool device_id_is_same(const char *a, const char *b);
