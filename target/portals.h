/* The listening sockets. */
#pragma once

#include "target/config.h"
#include "target/iscsi/node.h"

struct portals {
	int fds[CONFIG_MAX_LISTEN];
	unsigned n;
};

/* Binds and listens, waiting up to 10 s for a port that a dead process still holds; tells
 * @node where. On failure @why has the sentence, and portals_close is still to be called. */
int portals_open(struct portals *ps, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap) MUST_CHECK;
/* Where the others go on. */
void portals_close_one(struct portals *ps, unsigned i);
void portals_close(struct portals *ps);
