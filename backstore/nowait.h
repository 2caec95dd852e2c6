/* Where RWF_NOWAIT and RWF_DSYNC can be trusted. */
#pragma once

#include <stdbool.h>

/* Some file systems take RWF_NOWAIT and wait all the same: FUSE asks its server for the file's
 * size first, network file systems their server. There every read and write has to go to a
 * worker thread from the start, or a server that hangs would hang the loop. */
bool nowait_is_kept(int fd);

/* Nor is a direct RWF_DSYNC write durable everywhere: FUSE with FOPEN_DIRECT_IO tells its server
 * of the flag, who mostly ignores it, and sends no FSYNC; cifs sends the write and no more. There
 * a write has to be followed by an fdatasync. */
bool dsync_is_kept(int fd);
