/* The server itself, its jobs and its sessions. */
#include "target/control/op.h"

#include "target/control/target_ops.h"
#include "target/control/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void server_show(const struct api_call *call, struct api_reply *reply)
{
	const struct control *c = call->ctx;
	time_t now = time(NULL);

	reply->body = json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:I}", "name", "ringlund",
				"version", RINGLUN_VERSION, "engine", server_engine(c->server),
				"reactors", (int)c->cfg->reactors, "pid", (int)getpid(), "started",
				view_time((uint64_t)c->started), "uptime_s",
				(json_int_t)(now > c->started ? now - c->started : 0));
}

/* --- jobs ----------------------------------------------------------------------------------- */

void jobs_list(const struct api_call *call, struct api_reply *reply)
{
	const struct control *c = call->ctx;

	reply->body = json_pack("{s:o}", "jobs", jobs_to_json(c->jobs));
}

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !*end && !errno;
}

static struct job *find_job(const struct api_call *call, struct api_reply *reply)
{
	const struct control *c = call->ctx;
	struct job *job = NULL;
	uint64_t id;

	if (parse_number(call->args[0], &id))
		job = jobs_find(c->jobs, id);
	if (!job)
		api_fail(&reply->error, 404, "not_found",
			 "there is no job %.60s (any more: the last %d are kept); ringlun job list "
			 "shows those there are",
			 call->args[0], JOBS_KEPT);
	return job;
}

void jobs_show(const struct api_call *call, struct api_reply *reply)
{
	unsigned wait_s = 0;
	struct job *job;

	if (!query_number(call, "wait", OP_WAIT_MAX_S, &wait_s, &reply->error))
		return;
	job = find_job(call, reply);
	if (!job)
		return;
	if (wait_s)
		(void)job_wait(job, wait_s, true);
	reply->body = json_pack("{s:o}", "job", job_to_json(job));
	job_put(job);
}

void jobs_cancel(const struct api_call *call, struct api_reply *reply)
{
	struct job *job = find_job(call, reply);

	if (!job)
		return;
	job_cancel(job);
	reply->body = json_pack("{s:o}", "job", job_to_json(job));
	job_put(job);
}

/* --- sessions ------------------------------------------------------------------------------- */

static bool is_target(struct control *c, const char *name)
{
	json_t *all = view_targets(c, name);
	bool found = json_array_size(all);

	json_decref(all);
	return found;
}

void sessions_list(const struct api_call *call, struct api_reply *reply)
{
	const char *text = call->query(call, "target");
	json_t *all;
	char *name = NULL;

	if (text && !target_name(text, &name, &reply->error))
		return;
	all = view_sessions(call->ctx, name);
	if (name && !json_array_size(all) && !is_target(call->ctx, name)) {
		target_not_found(name, &reply->error);
		json_decref(all);
		free(name);
		return;
	}
	free(name);
	if (all)
		reply->body = json_pack("{s:o}", "sessions", all);
	else
		api_fail_errno(&reply->error, -ENOMEM, "out of memory");
}

void sessions_drop(const struct api_call *call, struct api_reply *reply)
{
	const struct control *c = call->ctx;
	uint64_t id;
	bool ask;

	if (!query_flag(call, "ask", &ask, &reply->error))
		return;
	if (!parse_number(call->args[0], &id) || iscsi_node_drop_session(c->node, id, ask))
		api_fail(&reply->error, 404, "not_found",
			 "there is no session %.60s; ringlun session list shows those there are",
			 call->args[0]);
	else
		reply->body = json_object();
}
