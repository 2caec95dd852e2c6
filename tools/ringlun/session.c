/* ringlun session. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/url.h"

#include <string.h>

static void print_list(const json_t *sessions)
{
	static const char *const heads[] = { "ID",	"INITIATOR", "TARGET", "ADDRESS",  "STATE",
					     "DIGESTS", "SINCE",     ">READ",  ">WRITTEN", NULL };
	char room[FIELD_ID_BYTES], human[FORMAT_BYTES];
	const json_t *s;
	struct table t;
	size_t i;

	table_init(&t, heads);
	json_array_foreach(sessions, i, s)
	{
		bool header = strcmp(field_text(s, "header_digest", "None"), "None") != 0;
		bool data = strcmp(field_text(s, "data_digest", "None"), "None") != 0;

		table_add(&t, field_id(s, room));
		table_add(&t, field_text(s, "initiator", "?"));
		table_add(&t, strcmp(field_text(s, "kind", ""), "discovery")
				      ? field_short_target(field_text(s, "target", "-"))
				      : "(discovery)");
		table_add(&t, field_text(s, "address", "?"));
		table_add(&t, field_text(s, "state", "?"));
		table_add(&t, header && data ? "both" : header ? "header" : data ? "data" : "none");
		table_add(&t, field_text(s, "since", "-"));
		table_add(&t, format_size(field_number(s, "read_bytes"), human));
		table_add(&t, format_size(field_number(s, "written_bytes"), human));
	}
	table_print(&t, stdout, 0);
	table_fini(&t);
}

enum command_status session_list(struct call *c)
{
	char *url = url_format("/v1/sessions");
	enum command_status status;
	json_t *answer;

	if (call_has(c, "target"))
		url = url_add(url, "target", call_value(c, "target"));
	status = request_get(c, url, "sessions", &answer);
	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		print_list(json_object_get(answer, "sessions"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status session_drop(struct call *c)
{
	char *url = url_format("/v1/sessions/%s", c->args[0]);
	enum command_status status;

	if (call_has(c, "ask"))
		url = url_add(url, "ask", "true");
	status = request_change_now(c, "DELETE", url, NULL);
	if (!status && !c->json)
		printf("session %s: %s\n", c->args[0],
		       call_has(c, "ask") ? "asked to log out" : "ended");
	return status;
}
