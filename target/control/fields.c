/* Strictness at the door: what is misspelt must not be taken for what was left out.
 *
 * A document that says "read-only" is refused, and the sentence has "read_only" in it: the known
 * key with the fewest letters to change (Levenshtein), as long as that is less than half of them.
 */
#include "target/control/fields.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_KEY = 32 }; /* a longer one is like none of ours */

/* --- places ---------------------------------------------------------------------- */

static size_t put(char *out, size_t cap, size_t len, const char *format, ...) PRINTF(4, 5);

static size_t put(char *out, size_t cap, size_t len, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(len < cap ? out + len : NULL, len < cap ? cap - len : 0, format, args);
	va_end(args);
	return n < 0 ? len : len + (size_t)n;
}

/* Returns the length, also where there is no room for it. */
static size_t put_place(char *out, size_t cap, const struct place *at)
{
	size_t len = at->in ? put_place(out, cap, at->in) : 0;

	if (!at->name)
		return put(out, cap, len, "[%zu]", at->index);
	return put(out, cap, len, "%s%.80s", len && *at->name ? "." : "", at->name);
}

int place_refuse(const struct place *at, const char *format, ...)
{
	size_t len = put_place(at->why, at->why_cap, at);
	va_list args;

	len = put(at->why, at->why_cap, len, "%s: ", len ? "" : "the document");
	if (len >= at->why_cap)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(at->why + len, at->why_cap - len, format, args);
	va_end(args);
	return -EINVAL;
}

int place_no_memory(const struct place *at)
{
	snprintf(at->why, at->why_cap, "out of memory");
	return -ENOMEM;
}

/* --- keys ------------------------------------------------------------------------ */

/* Letters to insert, remove or change. */
static size_t distance(const char *a, const char *b)
{
	size_t row[MAX_KEY + 1], n = strlen(b), above, left;

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		above = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			left = MIN(row[j], row[j + 1]) + 1;
			left = MIN(left, above + (a[i] != b[j]));
			above = row[j + 1];
			row[j + 1] = left;
		}
	}
	return row[n];
}

static const char *nearest(const char *key, const struct field *fields, size_t n)
{
	size_t best = strlen(key), len = best;
	const char *name = NULL;

	if (len > MAX_KEY)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(key, fields[i].name);

		if (d < best) {
			best = d;
			name = fields[i].name;
		}
	}
	return best * 2 < len + 1 ? name : NULL;
}

static int unknown(const struct place *at, const char *key, const struct field *fields, size_t n)
{
	const char *meant = nearest(key, fields, n);
	char all[400] = "";
	size_t len = 0;

	if (meant)
		return place_refuse(at, "there is no \"%.60s\"; did you mean \"%s\"?", key, meant);
	for (size_t i = 0; i < n && len < sizeof(all); i++)
		len = put(all, sizeof(all), len, "%s%s", i ? ", " : "", fields[i].name);
	return place_refuse(at, "there is no \"%.60s\"; leave it out (there are %s)", key, all);
}

/* --- types ----------------------------------------------------------------------- */

static const char *type_that_came(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
		return "a number";
	case JSON_REAL:
		return "a number with a fraction or an exponent";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static bool is_of_type(const json_t *j, enum field_type type)
{
	switch (type) {
	case FIELD_TEXT:
		return json_is_string(j);
	case FIELD_FLAG:
		return json_is_boolean(j);
	case FIELD_NUMBER:
		return json_is_integer(j) && json_integer_value(j) >= 0;
	case FIELD_LIST:
		return json_is_array(j);
	case FIELD_OBJECT:
		break;
	}
	return json_is_object(j);
}

static int check_type(const json_t *j, const struct place *at, const struct field *f)
{
	static const char *const expected[] = {
		[FIELD_TEXT] = "a text in quotation marks", [FIELD_FLAG] = "true or false",
		[FIELD_NUMBER] = "a whole number from 0",   [FIELD_LIST] = "a list, [...]",
		[FIELD_OBJECT] = "an object, {...}",
	};
	struct place here = place_key(at, f->name);

	if (is_of_type(j, f->type) || (json_is_null(j) && f->flags & FIELD_NULL))
		return 0;
	if (f->type == FIELD_NUMBER && json_is_integer(j))
		return place_refuse(&here, "%lld is negative; give a number from 0",
				    json_integer_value(j));
	return place_refuse(&here, "this is %s; give %s%s", type_that_came(j), expected[f->type],
			    f->flags & FIELD_NULL ? ", or null" : "");
}

int fields_check(const json_t *j, const struct place *at, const struct field *fields, size_t n)
{
	const char *key;
	json_t *value;
	size_t i;
	int rc;

	if (!json_is_object(j))
		return place_refuse(at, "this is %s; give an object, {...}",
				    j ? type_that_came(j) : "nothing");
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{ /* only read */
		for (i = 0; i < n && strcmp(fields[i].name, key) != 0; i++)
			;
		rc = i == n ? unknown(at, key, fields, n) : check_type(value, at, &fields[i]);
		if (rc)
			return rc;
	}
	for (i = 0; i < n; i++)
		if (fields[i].flags & FIELD_NEEDED && !json_object_get(j, fields[i].name))
			return place_refuse(at, "\"%s\" is missing; add it", fields[i].name);
	return 0;
}

const char *fields_text(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

bool fields_flag(const json_t *j, const char *name)
{
	return json_is_true(json_object_get(j, name));
}

uint64_t fields_number(const json_t *j, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(j, name));
}

bool fields_has(const json_t *j, const char *name)
{
	return json_object_get(j, name) != NULL;
}
