/* The one sentence that says why something was refused: it names the thing, the
 * value and the way out. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>

/* Writes the sentence (unless @why is NULL) and returns @err, for
 * "return why_say(…)". */
int why_say(char *why, size_t cap, int err, const char *fmt, ...) PRINTF(4, 5);
