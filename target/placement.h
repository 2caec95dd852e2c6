/* Which reactor a new connection goes to. Belongs to the reactor that accepts. */
#pragma once

#include "target/iscsi/node.h"

struct placement {
	struct iscsi_node *node; /* its reactors */
	uint64_t rated_ns;
	struct {
		uint64_t seen_commands;
		uint64_t rate;
	} load[ISCSI_MAX_REACTORS];
};

/* Takes over an accepted socket and hands it to a reactor; closes it where that fails. */
void placement_take(struct placement *p, uint64_t now_ns, int fd);
