/* A backstore that breaks one promise of those above the one that it owns: a power-cut
 * test that does not catch each of them is no test. */
#pragma once

#include "backstore/backstore.h"

enum cheat {
	CHEAT_NOT,
	CHEAT_FLUSH_DOES_NOTHING,
	CHEAT_FUA_IS_IGNORED,
	CHEAT_GOOD_BEFORE_COMPLETION,
	CHEAT_LATE_FLUSH_JOINS_THE_ONE_UNDER_WAY,
	CHEAT_SYNC_ERRORS_ARE_HIDDEN,
	CHEAT_DISCARD_DOES_NOTHING,
	/* the test's to do, when it opens the store again */
	CHEAT_LATCH_DIES_WITH_THE_PROCESS,
	CHEATS,
};

/* Takes @next. Requests of at most @max_bytes. */
struct backstore *cheat_bs_new(struct backstore *next, enum cheat how, uint64_t max_bytes);
