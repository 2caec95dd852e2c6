/* Where RWF_NOWAIT and RWF_DSYNC can be trusted. */
#pragma once

#include <stdbool.h>

/* Some file systems take RWF_NOWAIT and wait all the same: FUSE asks its server for the file's
 * size first, network file systems their server. There every read and write has to go to a
 * worker thread from the start, or a server that hangs would hang the loop. */
bool nowait_is_kept(int fd);

/* ext4 keeps the promise only for what is in memory of its map of the file: for the rest it reads
 * the disk, and waits. So all of the map is fetched before the first request; what is written later
 * adds to it. The kernel gives it up last when it is short of memory. Advice: an error here is met
 * again, and told, by whoever reads there. */
void nowait_prepare(int fd);

/* Nor is a direct RWF_DSYNC write durable everywhere: FUSE with FOPEN_DIRECT_IO tells its server
 * of the flag, who mostly ignores it, and sends no FSYNC; cifs sends the write and no more. There
 * a write has to be followed by an fdatasync. */
bool dsync_is_kept(int fd);
