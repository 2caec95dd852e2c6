/* What calls that change a target have in common. */
#pragma once

#include "target/control/op.h"

void target_not_found(const char *name, struct api_error *e);
/* The "name" of a target in a document may be the end of it; what is none is left as it is. */
void target_name_whole(json_t *target);
/* Changes the target of op->args[0] in the next model by @change, makes it so, and has the target
 * as the result. */
bool target_change(struct op *op, bool (*change)(struct op *op, struct change *ch,
						 struct model_target *t)) MUST_CHECK;
/* Its volumes are there, and not the command line's; what @old (or NULL) shows and @t does not is
 * used by nobody. */
bool target_check_luns(struct change *ch, const struct model_target *t,
		       const struct model_target *old, struct api_error *e) MUST_CHECK;
/* Ends sessions of @target that its rules do not admit (any more). */
bool target_drop_others(struct control *c, const char *target, struct api_error *e) MUST_CHECK;
