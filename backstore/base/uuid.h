/* UUIDs (RFC 4122): random ones made, and all of them read and written as text. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdint.h>

enum {
	UUID_BYTES = 16,
	UUID_TEXT_BYTES = 37, /* with the final NUL */
};

/* Version 4, from the kernel's random numbers. Returns 0 or -errno. */
int uuid_generate(uint8_t out[static UUID_BYTES]) MUST_CHECK;

/* Exactly "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", any case. Returns 0, or -EINVAL
 * with @out untouched. */
int uuid_parse(const char *text, uint8_t out[static UUID_BYTES]) MUST_CHECK;

/* Lower case. */
void uuid_format(const uint8_t uuid[static UUID_BYTES], char out[static UUID_TEXT_BYTES]);
