/* Calls that become jobs. */
#include "target/control/op.h"

#include "target/control/model_json.h"
#include "target/control/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- what comes behind the '?' -------------------------------------------------------------- */

bool query_flag(const struct api_call *call, const char *name, bool *out, struct api_error *e)
{
	const char *text = call->query(call, name);

	if (!text || !strcmp(text, "true") || !strcmp(text, "false")) {
		*out = text && !strcmp(text, "true");
		return true;
	}
	api_fail(e, 400, "invalid", "?%s=%.100s: give true or false", name, text);
	return false;
}

bool query_number(const struct api_call *call, const char *name, unsigned max, unsigned *out,
		  struct api_error *e)
{
	const char *text = call->query(call, name);
	unsigned long n;
	char *end;

	if (!text)
		return true;
	n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && n <= max) {
		*out = (unsigned)n;
		return true;
	}
	api_fail(e, 400, "invalid", "?%s=%.100s: give a number from 0 to %u", name, text, max);
	return false;
}

/* --- the job -------------------------------------------------------------------------------- */

static void op_free(void *arg)
{
	struct op *op = arg;

	if (op->body)
		json_wipe(op->body); /* secrets of CHAP */
	json_decref(op->body);
	for (unsigned i = 0; i < API_MAX_ARGS; i++)
		free(op->args[i]);
	free(op);
}

static void op_main(struct job *job, void *arg)
{
	struct op *op = arg;
	bool done = false;

	op->job = job;
	if (op->c->state)
		done = op->run(op);
	else
		api_fail(&op->error, 503, "failed", "%s", op->c->refusal);
	if (done)
		op->error.status = 0; /* of what was tried on the way */
	else if (!op->error.status)   /* an operation that fails has to say why */
		api_fail(&op->error, 500, "failed", "it failed, and nobody knows why");
	job_end(job, done ? op->result : NULL, &op->error);
}

static bool copy_call(struct op *op, const struct api_call *call, struct api_error *e)
{
	op->c = call->ctx;
	op->body = call->body ? json_deep_copy(call->body) : NULL;
	for (unsigned i = 0; i < API_MAX_ARGS; i++) {
		op->args[i] = call->args[i] ? strdup(call->args[i]) : NULL;
		if (call->args[i] && !op->args[i]) {
			api_fail_errno(e, -ENOMEM, "out of memory");
			return false;
		}
	}
	if (call->body && !op->body) {
		api_fail_errno(e, -ENOMEM, "out of memory");
		return false;
	}
	return query_flag(call, "force", &op->force, e) && query_flag(call, "drop", &op->drop, e) &&
	       query_flag(call, "dry_run", &op->dry_run, e) &&
	       query_flag(call, "delete_volumes", &op->delete_volumes, e);
}

static void refuse(struct api_error *e, int rc)
{
	if (rc == -EBUSY)
		api_fail(e, 503, "busy",
			 "%d jobs are under way, which is as many as there may be; try again when "
			 "one has ended (ringlun job list)",
			 JOBS_MAX);
	else if (rc == -ECANCELED)
		api_fail(e, 503, "busy", "the server is stopping");
	else
		api_fail(e, 503, "out_of_memory", "cannot start a job: %s", strerror(-rc));
}

void op_start(const struct api_call *call, struct api_reply *reply, const char *kind,
	      const char *unit, const char *subject, bool (*run)(struct op *op))
{
	struct control *c = call->ctx;
	struct job_spec spec = { kind, subject, unit, op_main, op_free, NULL };
	struct op *op = calloc(1, sizeof(*op));
	unsigned wait_s = OP_WAIT_S;
	struct job *job;
	int rc;

	if (!op) {
		api_fail_errno(&reply->error, -ENOMEM, "out of memory");
		return;
	}
	op->run = run;
	if (!copy_call(op, call, &reply->error) ||
	    !query_number(call, "wait", OP_WAIT_MAX_S, &wait_s, &reply->error)) {
		op_free(op);
		return;
	}
	spec.arg = op;
	rc = jobs_start(c->jobs, &spec, &job);
	if (rc) {
		refuse(&reply->error, rc);
		return;
	}
	if (job_wait(job, wait_s, false)) {
		job_reply(job, reply);
	} else {
		reply->status = 202;
		reply->body = json_pack("{s:o}", "job", job_to_json(job));
	}
	job_put(job);
}

/* --- answers -------------------------------------------------------------------------------- */

/* The only one of @all, as {@what: it}. */
static bool show(struct op *op, const char *what, json_t *all, const char *name)
{
	json_t *one = json_array_get(all, 0);

	if (one)
		op->result = json_pack("{s:O}", what, one);
	else
		api_fail(&op->error, 404, "not_found", "%s %s is gone meanwhile", what, name);
	json_decref(all);
	return one != NULL;
}

bool op_show_volume(struct op *op, const char *name)
{
	return show(op, "volume", view_volumes(op->c, name), name);
}

bool op_show_target(struct op *op, const char *name)
{
	return show(op, "target", view_targets(op->c, name), name);
}

bool target_name(const char *text, char **out, struct api_error *e)
{
	char why[API_WHY_BYTES];
	int rc = model_target_name_parse(out, text, why, sizeof(why));

	if (rc)
		api_fail_errno(e, rc, why);
	return !rc;
}
