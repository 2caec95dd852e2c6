/* ringlun job. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/url.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "4.2G of 10G", "3 of 7 steps"; "-" for nothing yet. */
static char *how_far(const json_t *job)
{
	uint64_t done = field_number(job, "done"), total = field_number(job, "total");
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	if (!done && !total)
		return mem_copy("-");
	if (!strcmp(field_text(job, "unit", ""), "bytes"))
		return mem_print("%s%s%s", format_size(done, a), total ? " of " : "",
				 total ? format_size(total, b) : "");
	if (!total)
		return mem_print("%" PRIu64 " %s", done, field_text(job, "unit", ""));
	return mem_print("%" PRIu64 " of %" PRIu64 " %s", done, total, field_text(job, "unit", ""));
}

static void print_list(const json_t *jobs)
{
	static const char *const heads[] = { "ID",    "KIND",	 "SUBJECT", "STATE",
					     ">DONE", "STARTED", "ENDED",   NULL };
	char room[FIELD_ID_BYTES];
	const json_t *job;
	struct table t;
	size_t i;

	table_init(&t, heads);
	json_array_foreach(jobs, i, job)
	{
		char *far = how_far(job);

		table_add(&t, field_id(job, room));
		table_add(&t, field_text(job, "kind", "?"));
		table_add(&t, field_text(job, "subject", "-"));
		table_add(&t, field_text(job, "state", "?"));
		table_add(&t, far);
		table_add(&t, field_text(job, "started", "-"));
		table_add(&t, field_text(job, "ended", "-"));
		free(far);
	}
	table_print(&t, stdout, 0);
	table_fini(&t);
}

static void print_job(const json_t *job)
{
	const json_t *error = json_object_get(job, "error");
	char room[FIELD_ID_BYTES], *far = how_far(job);

	table_line(stdout, "job", "%s", field_id(job, room));
	table_line(stdout, "kind", "%s", field_text(job, "kind", "?"));
	table_line(stdout, "subject", "%s", field_text(job, "subject", ""));
	table_line(stdout, "state", "%s", field_text(job, "state", "?"));
	table_line(stdout, "done", "%s", far);
	table_line(stdout, "message", "%s", field_text(job, "message", ""));
	if (json_is_object(error))
		table_line(stdout, "error", "%s (%s)", field_text(error, "message", "?"),
			   field_text(error, "code", "?"));
	table_line(stdout, "started", "%s", field_text(job, "started", ""));
	table_line(stdout, "ended", "%s", field_text(job, "ended", ""));
	free(far);
}

enum command_status job_list(struct call *c)
{
	json_t *answer;
	enum command_status status = request_get(c, url_format("/v1/jobs"), "jobs", &answer);

	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		print_list(json_object_get(answer, "jobs"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status job_show(struct call *c)
{
	json_t *answer;
	enum command_status status =
		request_get(c, url_format("/v1/jobs/%s", c->args[0]), "job", &answer);

	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		print_job(json_object_get(answer, "job"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status job_watch(struct call *c)
{
	json_t *answer, *job;
	enum command_status status =
		request_get(c, url_format("/v1/jobs/%s", c->args[0]), "job", &answer);

	if (status)
		return status;
	job = json_incref(json_object_get(answer, "job"));
	json_decref(answer);
	status = request_await_job(c, &job);
	if (!status && c->json) {
		answer = mem_need(json_pack("{s:O}", "job", job));
		call_print_json(answer);
		json_decref(answer);
	} else if (!status) {
		print_job(job);
	}
	json_decref(job);
	return status;
}

enum command_status job_cancel(struct call *c)
{
	json_t *answer;
	enum command_status status =
		request_change_now(c, "DELETE", url_format("/v1/jobs/%s", c->args[0]), &answer);

	if (status)
		return status;
	if (!c->json)
		printf("job %s: %s\n", c->args[0],
		       field_text(json_object_get(answer, "job"), "state", "cancelled"));
	json_decref(answer);
	return STATUS_OK;
}
