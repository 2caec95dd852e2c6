/* The volumes that are served: each a backstore, its identity and its logical unit; and the targets
 * that show them. */
#pragma once

#include "target/config.h"
#include "target/iscsi/node.h"
#include "target/scsi/scsi.h"

struct volume {
	uint8_t uuid[16];
	struct scsi_lu *lu;
};

struct volumes {
	struct volume *all;
	unsigned n;
	struct scsi_target **targets;
	unsigned ntargets;
};

/* Opens them all and adds their targets to @node. On failure @why has the sentence, and
 * volumes_close is still to be called. */
int volumes_open(struct volumes *vs, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap) MUST_CHECK;
/* No reactor runs any more. */
void volumes_close(struct volumes *vs);
