/* Which reactor a new connection goes to. Belongs to the reactor that accepts. */
#pragma once

#include "target/iscsi/node.h"

struct placement {
	struct iscsi_node *node;  /* its reactors */
	unsigned max_connections; /* of all reactors */
	uint64_t rated_ns;
	uint64_t average; /* commands of a connection, at that time */
	struct {
		uint64_t seen_commands;
		uint64_t rate;
	} load[ISCSI_MAX_REACTORS];
};

/* Takes over an accepted socket and hands it to a reactor; closes it where there are too many. */
void placement_take(struct placement *p, uint64_t now_ns, int fd);
