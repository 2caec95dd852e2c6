/* Reading a JSON object strictly: which keys it may have, and of which type; and places in a
 * document, for messages. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "targets[3].luns[0].lun", on the stack of whoever reads it, and where to complain. */
struct place {
	const struct place *in; /* NULL: the top */
	const char *name;	/* of a key; "" at the top: the document; NULL: an element */
	size_t index;
	char *why;
	size_t why_cap;
};

static inline struct place place_top(const char *where, char *why, size_t why_cap)
{
	return (struct place){ .name = where, .why = why, .why_cap = why_cap };
}

static inline struct place place_key(const struct place *in, const char *name)
{
	return (struct place){ .in = in, .name = name, .why = in->why, .why_cap = in->why_cap };
}

static inline struct place place_element(const struct place *in, size_t index)
{
	return (struct place){ .in = in, .index = index, .why = in->why, .why_cap = in->why_cap };
}

/* Writes "PLACE: SENTENCE"; returns -EINVAL. */
int place_refuse(const struct place *at, const char *format, ...) PRINTF(2, 3);
/* Writes it and returns -ENOMEM. */
int place_no_memory(const struct place *at);

enum field_type {
	FIELD_TEXT,
	FIELD_FLAG,
	FIELD_NUMBER, /* an integer, not negative */
	FIELD_LIST,
	FIELD_OBJECT,
};

enum field_flags {
	FIELD_NEEDED = 1 << 0,
	FIELD_NULL = 1 << 1, /* null is as good */
};

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
};

/* 0, or -EINVAL: no object, an unknown key (and the nearest known one), a wrong type (what was
 * expected, and what came), one that is needed and missing. */
int fields_check(const json_t *j, const struct place *at, const struct field *fields,
		 size_t n) MUST_CHECK;
/* Of an object that was checked: what is absent or null is NULL, false, 0. */
const char *fields_text(const json_t *j, const char *name);
bool fields_flag(const json_t *j, const char *name);
uint64_t fields_number(const json_t *j, const char *name);
/* It is there, if as null. */
bool fields_has(const json_t *j, const char *name);
