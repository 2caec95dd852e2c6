/* Requests.
 *
 * A changing call waits a second at the server (?wait=1), which is enough for nearly all of them;
 * what takes longer is a job from then on, which is watched. Ctrl-C while it is watched ends the
 * watching: the job runs on. */
#include "tools/ringlun/request.h"

#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/progress.h"
#include "tools/ringlun/url.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TIMEOUT_S = 60, /* of a call, beside what the server is asked to wait */
	WAIT_S = 1,
	WATCH_S = 10, /* for news of a job */
	LONGEST_S = 365 * 86400,
};

static const double LOOK_S = 0.1;

/* The one thing that a signal handler can reach. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

struct handlers {
	struct sigaction on_int, on_term;
};

static void catch_signals(struct handlers *was)
{
	struct sigaction on = { .sa_handler = interrupt };

	sigaction(SIGINT, &on, &was->on_int);
	sigaction(SIGTERM, &on, &was->on_term);
}

static void restore_signals(const struct handlers *was)
{
	sigaction(SIGINT, &was->on_int, NULL);
	sigaction(SIGTERM, &was->on_term, NULL);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum command_status request_status_of(const char *code, unsigned http_status)
{
	static const struct {
		const char *code;
		enum command_status status;
	} codes[] = {
		{ "not_found", STATUS_NOT_FOUND },	 { "exists", STATUS_CONFLICT },
		{ "in_use", STATUS_CONFLICT },		 { "busy", STATUS_CONFLICT },
		{ "read_only_config", STATUS_CONFLICT }, { "cancelled", STATUS_FAILED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (!strcmp(code, codes[i].code))
			return codes[i].status;
	return http_status == 404   ? STATUS_NOT_FOUND
	       : http_status == 409 ? STATUS_CONFLICT
				    : STATUS_FAILED;
}

/* --- one call ----------------------------------------------------------------------------------
 */

enum command_status request_open(struct call *c)
{
	const char *socket_path = call_value(c, "socket"), *api = call_value(c, "api");
	const char *token_file = call_value(c, "token-file");
	char why[CLIENT_WHY_BYTES];
	struct client_config cfg;
	int rc;

	if (c->client)
		return STATUS_OK;
	if (!socket_path && !api) {
		socket_path = getenv("RINGLUN_SOCKET");
		api = getenv("RINGLUN_API");
		socket_path = socket_path && *socket_path ? socket_path : NULL;
		api = api && *api ? api : NULL;
	}
	cfg = (struct client_config){
		.socket_path = socket_path ? socket_path
			       : api	   ? NULL
					   : "/run/ringlun/api.sock",
		.api = api,
		.token_file = token_file ? token_file : getenv("RINGLUN_TOKEN_FILE"),
	};
	rc = client_open(&c->client, &cfg, why, sizeof(why));
	if (!rc)
		return STATUS_OK;
	c->client = NULL;
	return rc == -EINVAL ? call_usage(c, "%s", why) : call_fail(STATUS_FAILED, "%s", why);
}

/* What the server says against it. */
static enum command_status refused(struct call *c, const struct client_answer *a)
{
	const json_t *error = json_object_get(a->json, "error");
	const char *message = field_text(error, "message", NULL);
	const char *code = field_text(error, "code", "");

	if (c->json && a->json)
		call_print_json(a->json);
	if (message && *message)
		return call_fail(request_status_of(code, a->status), "%s", message);
	return call_fail(STATUS_FAILED,
			 "%s answers with HTTP status %u, and without a reason that we know: "
			 "%.200s%sis it a ringlund?",
			 client_where(c->client), a->status, a->text ? a->text : "",
			 a->text && *a->text ? ": " : "");
}

static enum command_status call_server(struct call *c, const struct client_request *request,
				       struct client_answer *a)
{
	enum command_status status = request_open(c);
	char why[CLIENT_WHY_BYTES];
	int rc;

	if (status)
		return status;
	rc = client_call(c->client, request, a, why, sizeof(why));
	if (rc == -ECANCELED)
		return STATUS_UNFINISHED;
	if (rc == -EINVAL)
		return call_usage(c, "%s", why);
	if (rc)
		return call_fail(rc == -EPROTO ? STATUS_FAILED : STATUS_NOT_REACHED, "%s", why);
	if (a->status < 200 || a->status > 299) {
		status = refused(c, a);
		client_answer_fini(a);
	}
	return status;
}

static enum command_status need(struct call *c, const struct client_answer *a, const char *key)
{
	if (a->json && (!key || json_object_get(a->json, key)))
		return STATUS_OK;
	return call_fail(STATUS_FAILED,
			 "what answers at %s is no ringlund of our version: there is no \"%s\" in "
			 "its answer",
			 client_where(c->client), key ? key : "{");
}

enum command_status request_get(struct call *c, char *url, const char *key, json_t **out)
{
	struct client_request request = { .method = "GET", .path = url, .timeout_s = TIMEOUT_S };
	struct client_answer a = { 0 };
	enum command_status status = call_server(c, &request, &a);

	free(url);
	if (status)
		return status;
	status = need(c, &a, key);
	*out = status ? NULL : json_incref(a.json);
	client_answer_fini(&a);
	return status;
}

enum command_status request_get_text(struct call *c, char *url, char **out)
{
	struct client_request request = { .method = "GET", .path = url, .timeout_s = TIMEOUT_S };
	struct client_answer a = { 0 };
	enum command_status status = call_server(c, &request, &a);

	free(url);
	*out = status ? NULL : a.text ? a.text : mem_copy("");
	a.text = NULL;
	client_answer_fini(&a);
	return status;
}

/* --- jobs --------------------------------------------------------------------------------------
 */

static bool is_running(const json_t *job)
{
	return !strcmp(field_text(job, "state", ""), "running");
}

static void print_job(json_t *job)
{
	json_t *answer = mem_need(json_pack("{s:O}", "job", job));

	call_print_json(answer);
	json_decref(answer);
}

static enum command_status left_running(struct call *c, json_t *job, const char *because)
{
	char room[FIELD_ID_BYTES];
	const char *id = field_id(job, room);

	call_fail(STATUS_UNFINISHED,
		  "%sjob %s (%s %s) runs on: ringlun job watch %s waits for it, ringlun job cancel "
		  "%s ends it",
		  because, id, field_text(job, "kind", "job"), field_text(job, "subject", ""), id,
		  id);
	if (c->json)
		print_job(job);
	return STATUS_UNFINISHED;
}

static enum command_status ended(struct call *c, json_t *job)
{
	const json_t *error = json_object_get(job, "error");
	const char *state = field_text(job, "state", "");

	if (!strcmp(state, "done"))
		return STATUS_OK;
	if (c->json)
		print_job(job);
	if (!strcmp(state, "cancelled"))
		return call_fail(STATUS_FAILED, "%s %s: %s", field_text(job, "kind", "job"),
				 field_text(job, "subject", ""),
				 field_text(error, "message", "cancelled"));
	return call_fail(request_status_of(field_text(error, "code", ""), 500), "%s",
			 field_text(error, "message", "the job has failed, without a reason"));
}

/* The next news of it, in the place of *@job. */
static enum command_status follow(struct call *c, json_t **job, unsigned wait_s)
{
	char room[FIELD_ID_BYTES];
	char *url = url_format("/v1/jobs/%s?wait=%u", field_id(*job, room), wait_s);
	struct client_request request = { .method = "GET",
					  .path = url,
					  .timeout_s = wait_s + TIMEOUT_S,
					  .given_up = &interrupted };
	struct client_answer a = { 0 };
	enum command_status status = call_server(c, &request, &a);

	free(url);
	if (status)
		return status;
	status = need(c, &a, "job");
	if (!status) {
		json_t *next = json_incref(json_object_get(a.json, "job"));

		json_decref(*job);
		*job = next;
	}
	client_answer_fini(&a);
	return status;
}

/* Between two looks at a job that always has news; Ctrl-C ends it. */
static void breathe(double since_s)
{
	double left_s = LOOK_S - (now_s() - since_s);
	struct timespec t = { .tv_nsec = (long)(left_s * 1e9) };

	if (left_s > 0)
		nanosleep(&t, NULL);
}

static enum command_status watch(struct call *c, json_t **job, double end_s)
{
	enum command_status status = STATUS_OK;
	struct progress progress;
	char room[FIELD_ID_BYTES];

	progress_init(&progress);
	while (!status && !interrupted && is_running(*job)) {
		double now = now_s();

		if (now >= end_s)
			break;
		progress_show(&progress, *job, now);
		status = follow(c, job, (unsigned)MIN((double)WATCH_S, end_s - now + 1));
		if (!status && is_running(*job))
			breathe(now);
	}
	progress_end(&progress);
	if (interrupted)
		return left_running(c, *job, "given up; ");
	if (status)
		return call_fail(status, "what has become of job %s (%s %s) is not known",
				 field_id(*job, room), field_text(*job, "kind", ""),
				 field_text(*job, "subject", ""));
	return is_running(*job) ? left_running(c, *job, "--timeout is over; ") : ended(c, *job);
}

enum command_status request_await_job(struct call *c, json_t **job)
{
	uint64_t seconds = LONGEST_S;
	enum command_status status;
	struct handlers was;

	if (!call_number(c, "timeout", 0, LONGEST_S, &seconds))
		return STATUS_USAGE;
	catch_signals(&was);
	status = watch(c, job, now_s() + (double)seconds);
	restore_signals(&was);
	return status;
}

/* --- changes -----------------------------------------------------------------------------------
 */

static enum command_status take_job(struct call *c, json_t *answer)
{
	json_t *job = json_incref(json_object_get(answer, "job"));
	enum command_status status;

	if (!json_is_object(job))
		status = call_fail(STATUS_FAILED,
				   "%s says that it goes on, but not which job does it",
				   client_where(c->client));
	else if (call_has(c, "no-wait"))
		status = left_running(c, job, "");
	else
		status = request_await_job(c, &job);
	if (json_is_object(job))
		json_object_set_new(answer, "job", job);
	else
		json_decref(job);
	return status;
}

/* @url and @body are taken over. */
static enum command_status change(struct call *c, struct client_request *request, char *url,
				  json_t *body, json_t **out)
{
	struct client_answer a = { 0 };
	enum command_status status;
	struct handlers was;

	request->path = url;
	request->body = body;
	request->given_up = &interrupted;
	catch_signals(&was);
	status = call_server(c, request, &a);
	restore_signals(&was);
	free(url);
	json_decref(body);
	if (status == STATUS_UNFINISHED)
		call_fail(status, "given up; if the server was asked, it goes on: ringlun job list "
				  "shows what it does");
	if (!status && a.status == 202)
		status = take_job(c, a.json);
	if (!status && c->json && a.json)
		call_print_json(a.json);
	if (!status && out)
		*out = a.json ? json_incref(a.json) : mem_need(json_object());
	client_answer_fini(&a);
	return status;
}

enum command_status request_change(struct call *c, const char *method, char *url, json_t *body,
				   json_t **out)
{
	struct client_request request = { .method = method };
	uint64_t wait_s = WAIT_S;
	char wait[8];

	if (!call_number(c, "timeout", 0, LONGEST_S, &wait_s)) {
		free(url);
		json_decref(body);
		return STATUS_USAGE;
	}
	wait_s = call_has(c, "no-wait") ? 0 : MIN(wait_s, (uint64_t)WAIT_S);
	snprintf(wait, sizeof(wait), "%u", (unsigned)wait_s);
	request.timeout_s = TIMEOUT_S + (unsigned)wait_s;
	return change(c, &request, url_add(url, "wait", wait), body, out);
}

enum command_status request_change_now(struct call *c, const char *method, char *url, json_t **out)
{
	struct client_request request = { .method = method, .timeout_s = TIMEOUT_S };

	return change(c, &request, url, NULL, out);
}
