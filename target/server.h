/* The server: reactors as threads, the portals, the volumes; made, started, drained, stopped.
 *
 * Called from the main thread, but for what says otherwise; each reactor runs on a thread of its
 * own. On failure -errno, and @why has the sentence. */
#pragma once

#include "target/config.h"

#include <signal.h>

struct server;
struct iscsi_node;
struct volumes;

/* Opens the volumes of the command line; nobody is served yet: more may be put into the node. */
int server_new(struct server **out, const struct config *cfg, char *why, size_t why_cap) MUST_CHECK;
/* One that does not run: not yet, or not any more. */
void server_free(struct server *s);

/* Serves when it returns 0, and the signals that stop it are blocked then, from before the first
 * connection: the caller waits for them. Until it serves they end the process at once, even while
 * it waits for a lock or a port. */
int server_start(struct server *s, char *why, size_t why_cap) MUST_CHECK;
/* Logs that all is ready, which those who started us may wait for. */
void server_say_ready(struct server *s);

/* A reactor's engine has failed, and has sent SIGTERM to have the process ended: it cannot be
 * stopped in good order any more. */
bool server_has_failed(const struct server *s);

/* SIGTERM, SIGINT, and SIGHUP unless that was ignored when we were started (nohup). */
void server_stop_signals(sigset_t *set);

/* Takes no new connections, asks sessions to log out, flushes every volume, ends all threads.
 * Returns 0; -EIO where a flush failed (it has been logged); -ETIMEDOUT where a disk did not let go
 * within the bound: the process has to be ended then, its memory is in use. */
int server_stop(struct server *s) MUST_CHECK;

/* From any thread. */
const struct config *server_config(const struct server *s);
struct iscsi_node *server_node(struct server *s);
struct volumes *server_volumes(struct server *s);
const char *server_engine(const struct server *s); /* "io_uring" or "epoll"; it is started */
/* Another portal, and one less: see portals.h. Before the server is started, too. */
int server_listen(struct server *s, const char *text, struct sockaddr_storage *sa, char *why,
		  size_t why_cap) MUST_CHECK;
int server_unlisten(struct server *s, const char *text, char *why, size_t why_cap) MUST_CHECK;
