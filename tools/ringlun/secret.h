/* Secrets: from a file that only its owner can read, or from standard input; never from the command
 * line, where every user of the machine can see them. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>

enum { SECRET_BYTES = 1024 }; /* with its NUL; a CHAP secret has at most 255 */

/* The one line of the file @path, or the next line of standard input where it is "-" (asked for
 * without echo, twice, on a terminal; @what names it). Returns 0 or -errno with @why: -EPERM where
 * others may read the file. */
int secret_read(char out[static SECRET_BYTES], const char *path, const char *what, char *why,
		size_t why_cap) MUST_CHECK;
