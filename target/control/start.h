/* What a start does with the state file. */
#pragma once

#include "target/control/control_priv.h"

/* Lists the volumes of the command line, opens the pools and their volumes, ends what a crash has
 * interrupted, and puts targets into the node, whose reactors do not run yet. Things that cannot be
 * opened are errors, logged; the rest is served. */
int start_serving(struct control *c, char *why, size_t why_cap) MUST_CHECK;
