/* Text of Login and Text PDUs: key=value pairs, each ended by NUL (RFC 7143 6.1).
 *
 * Reading borrows the text; writing goes to a buffer with a capacity. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_NAME_MAX = 63,   /* 6.1 */
	KEY_VALUE_MAX = 255, /* 6.1: one value, unless the key says otherwise; a list has many */
	KEY_BINARY_MAX = 2 + 2 * 1024, /* 12.1.3: CHAP_C and CHAP_R, 1024 bytes as hexadecimal */
};

/* Cursor over a whole text (all PDUs of one negotiation joined). */
struct keys_reader {
	const char *at, *end;
};

void keys_read_init(struct keys_reader *r, const void *text, size_t len);
/* The next pair: its name copied, its value where it is in the text; both NUL-ended. Returns 1;
 * 0 at the end; -EPROTO for a pair without '=', with an empty or overlong or ill-formed name, an
 * overlong value, or not ended by NUL. A value may be a list of any length, each element of which
 * is at most KEY_VALUE_MAX long (those of CHAP_C and CHAP_R: KEY_BINARY_MAX). NULs behind the last
 * pair are the end, too: padding that was counted as data. */
int keys_read(struct keys_reader *r, char name[static KEY_NAME_MAX + 1],
	      const char **value) MUST_CHECK;

struct keys_writer {
	char *buf;
	size_t cap, len;
	bool overflow; /* a pair did not fit: nothing of it was written */
};

void keys_write(struct keys_writer *w, const char *name, const char *value);
void keys_write_num(struct keys_writer *w, const char *name, uint32_t value);

/* True where @list (comma separated) has @value as an element. */
bool keys_list_has(const char *list, const char *value);
/* Decimal or 0x hexadecimal (6.1), whole string, no sign. -EINVAL, -ERANGE. */
int keys_number(const char *value, uint32_t *out) MUST_CHECK;

/* A text that comes in several PDUs, joined (6.2). Zeroed = empty. */
struct keys_text {
	char *data; /* owned */
	size_t len;
};

/* -E2BIG where it would be longer than @max, -ENOMEM; unchanged then. */
int keys_text_add(struct keys_text *t, const void *data, size_t len, size_t max) MUST_CHECK;
/* Empties it. */
void keys_text_free(struct keys_text *t);
