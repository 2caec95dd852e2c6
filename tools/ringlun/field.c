/* A server of another version may say more, less or something else. */
#include "tools/ringlun/field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *field_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

uint64_t field_number(const json_t *object, const char *key)
{
	const json_t *j = json_object_get(object, key);

	if (json_is_real(j)) {
		double d = json_real_value(j);

		return d >= 0 && d < 1.8e19 ? (uint64_t)d : 0;
	}
	return json_integer_value(j) > 0 ? (uint64_t)json_integer_value(j) : 0;
}

const char *field_id(const json_t *object, char room[static FIELD_ID_BYTES])
{
	const char *text = field_text(object, "id", NULL);

	if (text)
		return text;
	snprintf(room, FIELD_ID_BYTES, "%" PRIu64, field_number(object, "id"));
	return room;
}

bool field_is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

bool field_is_given(const json_t *object, const char *key)
{
	const json_t *j = json_object_get(object, key);

	return j && !json_is_null(j);
}

const char *field_short_target(const char *name)
{
	static const char prefix[] = "iqn.2026-11.io.ringlun:";

	return !strncasecmp(name, prefix, sizeof(prefix) - 1) && name[sizeof(prefix) - 1]
		       ? name + sizeof(prefix) - 1
		       : name;
}
