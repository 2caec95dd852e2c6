/* Where RWF_NOWAIT and RWF_DSYNC can be trusted. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>

/* Some file systems take RWF_NOWAIT and wait all the same: FUSE asks its server for the file's
 * size first, network file systems their server. There every read and write has to go to a
 * worker thread from the start, or a server that hangs would hang the loop. */
bool nowait_is_kept(int fd);
/* ext4 keeps it for reads only: a write updates the file's time, at each tick of the clock, and
 * waits for the journal where that is just being written, to a disk that may have stalled. The way
 * through a worker thread costs up to half as much processor time again, and where more writes
 * wait than a lane takes some throughput (15 % were seen). */
bool nowait_is_kept_for_writes(int fd);

/* Nor is a direct RWF_DSYNC write durable everywhere: FUSE with FOPEN_DIRECT_IO tells its server
 * of the flag, who mostly ignores it, and sends no FSYNC; cifs sends the write and no more. There
 * a write has to be followed by an fdatasync. */
bool dsync_is_kept(int fd);

/* Two things that a read waits for whatever RWF_NOWAIT says. ext4 reads the disk for what is not in
 * memory of its map of the file: so all of it is fetched before the first request; what is written
 * later adds to it, and the kernel gives it up last when it is short of memory. (Advice: an error
 * is met again, and told, by whoever reads there.) And where a read updates the file's access time,
 * it may have to wait for the journal: so there are none of these.
 *
 * Returns 0, or -errno where access times go on: -EPERM, the file is another user's. */
int nowait_prepare(int fd) MUST_CHECK;
