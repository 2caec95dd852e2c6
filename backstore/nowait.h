/* Where RWF_NOWAIT can be trusted. */
#pragma once

#include <stdbool.h>

/* Some file systems take RWF_NOWAIT and wait all the same: FUSE asks its server for the file's
 * size first, network file systems their server. There every read and write has to go to a
 * worker thread from the start, or a server that hangs would hang the loop. */
bool nowait_is_kept(int fd);
