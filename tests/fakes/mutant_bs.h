/* A backstore that passes requests on, wrongly on request: for tests of tests. */
#pragma once

#include "backstore/backstore.h"

/* What a test may break on purpose. */
enum rig_mutant {
	RIG_SOUND,
	RIG_FLUSH_DOES_NOTHING,
	RIG_FUA_IGNORED,
	RIG_GOOD_BEFORE_COMPLETION,
	RIG_ABORT_FORGETS_THE_RANGE, /* by rig_forget_fences, which the test calls */
};

/* @next is taken over. @kind: enum rig_mutant; where it does not concern backstores, @next itself
 * is returned. */
struct backstore *mutant_bs_new(struct backstore *next, enum rig_mutant kind);
