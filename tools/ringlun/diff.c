/* Prints steps. Values that are texts are printed bare, all others as JSON. */
#include "tools/ringlun/diff.h"

#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/text.h"

#include <stdlib.h>
#include <string.h>

static bool is(const json_t *step, const char *key, const char *value)
{
	return !strcmp(field_text(step, key, ""), value);
}

bool diff_deletes_volumes(const json_t *steps)
{
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step) if (is(step, "action", "delete") &&
					       is(step, "kind", "volume")) return true;
	return false;
}

static char *value_text(const json_t *value, const char *what)
{
	char human[FORMAT_BYTES];

	if (!value || json_is_null(value))
		return mem_copy(strcmp(what, "allow") ? "nothing" : "the server's own rules");
	if (json_is_string(value))
		return mem_copy(json_string_value(value));
	if (json_is_integer(value) && !strcmp(what, "size") && json_integer_value(value) >= 0)
		return mem_copy(format_size((uint64_t)json_integer_value(value), human));
	return mem_need(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
}

static void print_change(const json_t *change, bool is_new, FILE *f)
{
	const char *what = field_text(change, "what", "?");
	char *now = value_text(json_object_get(change, "now"), what);
	char *wanted = value_text(json_object_get(change, "wanted"), what);
	char *line = is_new ? mem_print("    %s: %s", what, wanted)
			    : mem_print("    %s: %s -> %s", what, now, wanted);
	char *shown = text_escape(line, NULL);

	fprintf(f, "%s\n", shown);
	free(shown);
	free(line);
	mem_wiping_free(now);
	mem_wiping_free(wanted);
}

void diff_print(const json_t *steps, FILE *f)
{
	const json_t *step, *change;
	size_t i, k;

	json_array_foreach(steps, i, step)
	{
		bool is_new = is(step, "action", "create"), goes = is(step, "action", "delete");
		char *name = text_escape(field_text(step, "name", ""), NULL);
		char *kind = text_escape(field_text(step, "kind", "?"), NULL);

		fprintf(f, "%c %s%s%s\n",
			is_new ? '+'
			: goes ? '-'
			       : '~',
			kind, *name ? " " : "", name);
		if (!goes)
			json_array_foreach(json_object_get(step, "changes"), k, change)
				print_change(change, is_new, f);
		free(name);
		free(kind);
	}
}
