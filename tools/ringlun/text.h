/* Text from elsewhere, made fit for a terminal: what could move its cursor, change its colours or
 * turn the direction of writing is shown as \x1b or \u202e. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the first character of @s (not empty), and its code; 1 and UINT32_MAX where it is no
 * UTF-8. */
size_t text_next(const char *s, uint32_t *code);
bool text_is_good_utf8(const char *s);
/* To be freed. @keep: characters that stay as they are all the same, as "\n"; NULL: none. */
char *text_escape(const char *s, const char *keep);
/* Columns of a terminal that it takes (LC_CTYPE is UTF-8). */
unsigned text_width(const char *s);
/* How many bytes of @s fit @columns. */
size_t text_fit(const char *s, unsigned columns);
