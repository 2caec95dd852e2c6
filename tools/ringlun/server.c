/* ringlun metrics, ringlun version. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/text.h"
#include "tools/ringlun/url.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum command_status server_metrics(struct call *c)
{
	char *text, *shown;
	enum command_status status = request_get_text(c, url_format("/metrics"), &text);

	if (status)
		return status;
	shown = isatty(STDOUT_FILENO) ? text_escape(text, "\n") : NULL;
	fputs(shown ? shown : text, stdout);
	free(shown);
	free(text);
	return STATUS_OK;
}

enum command_status server_version(struct call *c)
{
	char human[FORMAT_BYTES];
	json_t *answer;
	enum command_status status;

	if (!c->json)
		table_line(stdout, "ringlun", "%s", RINGLUN_VERSION);
	status = request_get(c, url_format("/v1"), "version", &answer);
	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		table_line(stdout, field_text(answer, "name", "?"),
			   "%s at %s: engine %s, %" PRIu64 " reactors, process %" PRIu64
			   ", up for %s",
			   field_text(answer, "version", "?"), client_where(c->client),
			   field_text(answer, "engine", "?"), field_number(answer, "reactors"),
			   field_number(answer, "pid"),
			   format_duration(field_number(answer, "uptime_s"), human));
	json_decref(answer);
	return STATUS_OK;
}
