#pragma once

#include "target/control/api.h"
#include "target/control/model.h"

/* The users and the mutual secret of a target, or of discovery (NULL), that @next has and @now has
 * not: nobody in @next may have one of their secrets in the other direction. */
bool directions_check(const struct model *next, const struct model *now, const char *target,
		      struct api_error *e) MUST_CHECK;
