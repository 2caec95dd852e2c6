/* Sizes as people type them. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdint.h>

/* Decimal digits, then nothing (bytes) or K, M, G, T, P or E, in either case, which
 * may be written KiB and so on: powers of 1024. "GB" is refused, because half of
 * its readers take it for 10^9. Returns 0, -EINVAL (not a size) or -ERANGE (more
 * than 64 bits), with @out untouched unless 0. */
int size_parse(const char *text, uint64_t *out) MUST_CHECK;
