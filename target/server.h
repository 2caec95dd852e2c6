/* The server: reactors as threads, the portals, the volumes; started, drained, stopped.
 *
 * Called from the main thread; each reactor runs on a thread of its own. */
#pragma once

#include "target/config.h"

#include <signal.h>

struct server;

/* Serves when it returns 0, and the signals that stop it are blocked then, from before the first
 * connection: the caller waits for them. Until it serves they end the process at once, even while
 * it waits for a lock or a port. On failure -errno, nothing is left behind, and @why has the
 * sentence. */
int server_start(struct server **out, const struct config *cfg, char *why,
		 size_t why_cap) MUST_CHECK;

/* SIGTERM, SIGINT, and SIGHUP unless that was ignored when we were started (nohup). */
void server_stop_signals(sigset_t *set);

/* Takes no new connections, asks sessions to log out, flushes every volume, ends. Returns
 * 0; -EIO where a flush failed (it has been logged); -ETIMEDOUT where a disk did not
 * let go within the bound: the process has to be ended then, its memory is in use. */
int server_stop(struct server *s) MUST_CHECK;
