/* What is served, as the API shows it. Each may block for as long as the node's lock is held. */
#pragma once

#include "target/control/control_priv.h"

/* An array, by name; @only: the one of this name or UUID. NULL: no memory. */
json_t *view_volumes(struct control *c, const char *only);
/* Likewise, of targets; @only is a whole name. */
json_t *view_targets(struct control *c, const char *only);
json_t *view_pools(struct control *c, const char *only);
json_t *view_portals(struct control *c);
/* @target NULL: all. */
json_t *view_sessions(struct control *c, const char *target);
json_t *view_time(uint64_t at_s); /* 0: null */

/* Its volumes as a model has them, which are added to @m. */
int view_add_volumes(struct control *c, struct model *m) MUST_CHECK;
