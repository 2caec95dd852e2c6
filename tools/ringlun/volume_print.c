/* Tables and pages of volumes. */
#include "tools/ringlun/volume_print.h"

#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/portal.h"
#include "tools/ringlun/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "db1:0, host1:3"; "-" for none; to be freed. */
static char *places(const json_t *volume)
{
	char *text = mem_copy("");
	const json_t *place;
	size_t i;

	json_array_foreach(json_object_get(volume, "exposed"), i, place)
	{
		char *more = mem_print("%s%s%s:%" PRIu64, text, i ? ", " : "",
				       field_short_target(field_text(place, "target", "?")),
				       field_number(place, "lun"));

		free(text);
		text = more;
	}
	if (*text)
		return text;
	free(text);
	return mem_copy("-");
}

void volume_print_list(const json_t *volumes)
{
	static const char *const heads[] = { "NAME", "STATE",	   ">SIZE",	">USED", "POOL",
					     "KIND", "TARGET:LUN", ">SESSIONS", NULL };
	char human[FORMAT_BYTES];
	const json_t *v;
	struct table t;
	size_t i;

	table_init(&t, heads);
	json_array_foreach(volumes, i, v)
	{
		char *where = places(v);

		table_add(&t, field_text(v, "name", "?"));
		table_add(&t, field_text(v, "state", "?"));
		table_add(&t, format_size(field_number(v, "size"), human));
		table_add(&t, field_is_given(v, "allocated")
				      ? format_size(field_number(v, "allocated"), human)
				      : "-");
		table_add(&t, field_text(v, "pool", "-"));
		table_add(&t, field_text(v, "kind", "?"));
		table_add(&t, where);
		table_addf(&t, "%" PRIu64, field_number(v, "sessions"));
		free(where);
	}
	table_print(&t, stdout, 0);
	table_fini(&t);
	json_array_foreach(volumes, i, v) if (field_is_given(v, "error"))
		table_line(stdout, "error:", "%s: %s", field_text(v, "name", "?"),
			   field_text(v, "error", "?"));
}

void volume_print(const json_t *v)
{
	char human[FORMAT_BYTES], used[FORMAT_BYTES];
	char *where = places(v);
	const char *cache = field_text(v, "cache", "?");

	table_line(stdout, "name", "%s", field_text(v, "name", "?"));
	table_line(stdout, "id", "%s", field_text(v, "id", ""));
	table_line(stdout, "state", "%s", field_text(v, "state", "?"));
	table_line(stdout, "error", "%s", field_text(v, "error", ""));
	table_line(stdout, "size", "%s", format_exact_size(field_number(v, "size"), human));
	if (field_is_given(v, "allocated"))
		table_line(stdout, "used", "%s",
			   format_exact_size(field_number(v, "allocated"), used));
	table_line(stdout, "block size", "%" PRIu64, field_number(v, "block_size"));
	table_line(stdout, "kind", "%s", field_text(v, "kind", "?"));
	table_line(stdout, "pool", "%s", field_text(v, "pool", "-"));
	table_line(stdout, "path", "%s", field_text(v, "path", ""));
	table_line(stdout, "cache", "%s%s%s", cache,
		   field_is_true(v, "writethrough") ? ", writethrough" : "",
		   field_is_true(v, "read_only") ? ", read-only" : "");
	table_line(stdout, "target:lun", "%s", where);
	table_line(stdout, "sessions", "%" PRIu64, field_number(v, "sessions"));
	table_line(stdout, "created", "%s", field_text(v, "created", ""));
	if (!strcmp(field_text(v, "origin", ""), "command-line"))
		table_line(stdout, "origin", "ringlund's command line: it cannot be changed here");
	free(where);
}

void volume_print_places(const json_t *volume)
{
	const json_t *place;
	size_t i;

	json_array_foreach(json_object_get(volume, "exposed"), i, place)
		table_line(stdout, "target", "%s, LUN %" PRIu64, field_text(place, "target", "?"),
			   field_number(place, "lun"));
}

void volume_print_next(const struct call *c, const json_t *v, const json_t *portals)
{
	const json_t *place = json_array_get(json_object_get(v, "exposed"), 0);
	const char *target = field_text(place, "target", "?");
	char human[FORMAT_BYTES];
	char *portal;

	printf("volume %s: %s\n", c->args[0], format_size(field_number(v, "size"), human));
	if (field_is_given(v, "error"))
		table_line(stdout, "error", "%s", field_text(v, "error", "?"));
	if (!place) {
		printf("No target shows it yet: ringlun volume expose %s\n", c->args[0]);
		return;
	}
	volume_print_places(v);
	portal = portal_for_people(portals, client_where(c->client), client_is_local(c->client));
	if (!portal) {
		puts("No initiator can reach it yet: ringlun portal add ADDRESS:3260");
		return;
	}
	table_line(stdout, "portal", "%s", portal);
	puts("At an initiator:");
	table_line(stdout, "", "iscsiadm -m discovery -t sendtargets -p %s", portal);
	table_line(stdout, "", "iscsiadm -m node -T %s -p %s --login", target, portal);
	if (portal_is_loopback(portal))
		puts("Only this host can reach that portal: ringlun portal add ADDRESS:3260 lets "
		     "others in.");
	free(portal);
}
