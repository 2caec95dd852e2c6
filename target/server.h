/* The server: reactors as threads, the portals, the volumes; started, drained, stopped.
 *
 * Called from the main thread; each reactor runs on a thread of its own. */
#pragma once

#include "target/config.h"

struct server;

/* Serves when it returns 0. On failure -errno, nothing is left behind, and @why has
 * the sentence. */
int server_start(struct server **out, const struct config *cfg, char *why,
		 size_t why_cap) MUST_CHECK;

/* Takes no new connections, asks sessions to log out, flushes every volume, ends. Returns
 * 0; -EIO where a flush failed (it has been logged); -ETIMEDOUT where a disk did not
 * let go within the bound: the process has to be ended then, its memory is in use. */
int server_stop(struct server *s) MUST_CHECK;
