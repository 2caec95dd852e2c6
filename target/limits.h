/* How many sessions and connections there may be. */
#pragma once

#include "target/config.h"

struct limits {
	unsigned sessions;
	unsigned connections; /* sessions, and those who log in */
};

/* What @cfg asks for, or less where the limit of open files is lower (logged). To be called when
 * volumes and portals are open; @nreserved descriptors more are to come. -EMFILE where
 * hardly a session would be left, with @why. */
int limits_settle(struct limits *out, const struct config *cfg, unsigned nreserved, char *why,
		  size_t why_cap) MUST_CHECK;

/* Connections of callers of the API, of its socket; a quarter of that more by TCP. Few where few
 * files may be opened: they have their share, and sessions theirs. */
unsigned limits_api_connections(void);
/* Descriptors that they take at most. */
unsigned limits_api_descriptors(const struct config *cfg);
