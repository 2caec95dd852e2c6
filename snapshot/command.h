/* Another program, run to its end: without a shell, with nothing on its input. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>

enum { COMMAND_ERROR_BYTES = 512 };

struct command_result {
	int status;		       /* as of waitpid */
	char *out;		       /* what it wrote; free() */
	char err[COMMAND_ERROR_BYTES]; /* the beginning of what it complained, on one line */
};

/* 0: it has run, whatever it said; -errno: it could not, @r needs no free. Blocking. @argv[0] is
 * looked for in PATH. */
int command_run(const char *const argv[], struct command_result *r) MUST_CHECK;
