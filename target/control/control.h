/* The control plane: what is served, and how that changes.
 *
 *   API ─▶ routes ─▶ jobs ─▶ operations ─▶ state file, pools ─▶ node
 *
 * control_new, _start, _stop, _free: from the main thread. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct scsi_lu;
struct server;
struct iscsi_node;

/* Reads the state file, opens pools and their volumes, and puts them into the node of @server,
 * which has not been started. Where there is no use of the state directory, it warns if the command
 * line has volumes, and refuses changes later; else that is a failure. */
int control_new(struct control **out, struct server *server, char *why, size_t why_cap) MUST_CHECK;
/* The server has been started: listens at the portals of the state file, and serves the API. */
int control_start(struct control *c, char *why, size_t why_cap) MUST_CHECK;
/* Takes no more calls, ends jobs. -ETIMEDOUT: a disk holds one up, and nothing can be freed. */
int control_stop(struct control *c) MUST_CHECK;
/* No reactor runs any more; before the server is freed. */
void control_free(struct control *c);

struct server *control_server(struct control *c);
struct iscsi_node *control_node(struct control *c);

/* For whoever counts: all volumes, one after the other, with a lock that @fn must not hold up. */
struct control_volume {
	const char *name;
	const uint8_t *uuid;
	const char *pool; /* NULL: of the command line */
	const char *state;
	uint64_t size_bytes;
	const struct scsi_lu *lu; /* NULL: it is not open */
};
void control_each_volume(struct control *c, void (*fn)(void *arg, const struct control_volume *v),
			 void *arg);
