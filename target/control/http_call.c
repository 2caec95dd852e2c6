/* A request, from its head to its answer.
 *
 *     head ──▶ who? which route? ──▶ body, piece by piece ──▶ JSON ──▶ run ──▶ answer
 *                 │ no                  │ too large                     │
 *                 └──── the rest of the body is read and dropped ──▶ error
 *
 * A body that will not be used is read all the same: who answers and closes before the peer has
 * sent all makes the peer's kernel drop the answer. Only what is large, of those who may not call
 * at all, is cut off.
 *
 * API_SLOW calls run on a thread of their own, while their connection is suspended: libmicrohttpd
 * does not touch it, and does not notice when its peer goes away, until it is resumed. */
#include "target/control/http_priv.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DROPPED_BODY_MAX = 64 << 10, /* of those who may not call */
	MAX_CALLS = 64,
	ALLOW_BYTES = 64,
};

struct parameter {
	char *name, *value; /* owned */
};

struct request {
	struct http *h;
	struct http_conn *conn;
	struct MHD_Connection *mhd;
	const struct api_route *route;
	const char *method;
	struct http_path path;
	const char *args[API_MAX_ARGS];
	struct parameter query[HTTP_QUERY_MAX];
	unsigned nquery;
	char allow[ALLOW_BYTES];
	struct http_body body;
	json_t *json;
	struct api_reply reply;
	bool is_done;
};

/* ── what may be called ───────────────────────────────────────────────── */

static void refuse_stranger(struct request *r)
{
	if (r->conn->may) {
		api_fail(&r->reply.error, 401, "unauthorized",
			 "this needs the token of the server: the line of its --api-token file, as "
			 "in: Authorization: Bearer TOKEN");
		log_warn("api: %s came without the token", r->conn->peer);
		return;
	}
	api_fail(&r->reply.error, 403, "forbidden",
		 "%s may not call: only root and the user that ringlund runs as may",
		 r->conn->peer);
	log_warn("api: %s was refused: neither root nor our own user", r->conn->peer);
}

static bool is_known(struct request *r)
{
	struct http_conn *c = r->conn;

	if (!c->may)
		return false;
	return !c->is_tcp ||
	       http_token_admits(&r->h->token,
				 MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND,
							     MHD_HTTP_HEADER_AUTHORIZATION));
}

static void find_route(struct request *r, const char *url)
{
	struct api_error *e = &r->reply.error;
	char why[API_WHY_BYTES] = "out of memory";

	switch (http_path_parse(&r->path, url, why, sizeof(why))) {
	case 0:
		break;
	case -EINVAL:
		api_fail(e, 400, "invalid", "%s", why);
		return;
	default:
		api_fail(e, 503, "out_of_memory", "%s", why);
		return;
	}
	r->route = http_route_find(r->h->cfg.routes, r->method, &r->path, r->args, r->allow,
				   sizeof(r->allow));
	if (r->route)
		return;
	if (*r->allow)
		api_fail(e, 405, "method_not_allowed", "%.200s takes %s, and not %.20s", url,
			 r->allow, r->method);
	else
		api_fail(e, 404, "not_found",
			 "there is no %.200s; /v1/openapi.json tells what there is", url);
}

static const char *find_parameter(const struct request *r, const char *name)
{
	for (unsigned i = 0; i < r->nquery; i++)
		if (strcmp(r->query[i].name, name) == 0)
			return r->query[i].value;
	return NULL;
}

/* NULL, or what is wrong with it. */
static const char *add_parameter(struct request *r, const char *name, const char *value)
{
	struct parameter *p = &r->query[r->nquery];

	if (r->nquery == HTTP_QUERY_MAX)
		return "there are too many parameters";
	r->nquery++;
	p->name = strdup(name);
	p->value = strdup(value ? value : "");
	if (!p->name || !p->value)
		return "out of memory";
	if (http_decode(p->name) || http_decode(p->value))
		return "it is not UTF-8 in percent-encoding";
	if (!http_route_takes(r->route, p->name))
		return "the call has no such parameter; /v1/openapi.json tells those it has";
	r->nquery--;
	if (find_parameter(r, p->name)) {
		r->nquery++;
		return "it is given twice";
	}
	r->nquery++;
	return NULL;
}

static enum MHD_Result on_parameter(void *request, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	struct request *r = request;
	const char *wrong = add_parameter(r, name, value);

	(void)kind;
	if (!wrong)
		return MHD_YES;
	api_fail(&r->reply.error, 400, "invalid", "parameter '%.80s': %s", name, wrong);
	return MHD_NO;
}

/* How much body the head promises; UINT64_MAX: it does not say. */
static uint64_t promised(struct MHD_Connection *mhd)
{
	const char *length =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return UINT64_MAX;
	return length ? strtoull(length, NULL, 10) : 0;
}

/* ── running ──────────────────────────────────────────────────────────── */

static const char *query(const struct api_call *call, const char *name)
{
	return find_parameter(call->priv, name);
}

/* Leaves the answer as text. */
static void render(struct api_reply *p)
{
	json_t *j = p->error.status ? api_error_to_json(&p->error) : p->body;

	if (p->error.status) {
		json_decref(p->body);
		free(p->text);
		p->text = NULL;
		p->status = p->error.status;
	}
	p->body = NULL;
	if (!p->status)
		p->status = MHD_HTTP_OK;
	if (p->text) {
		json_decref(j);
		return;
	}
	p->content_type = "application/json";
	p->text = j ? json_dumps(j, JSON_COMPACT) : strdup("{}");
	json_decref(j);
}

static void run(struct request *r)
{
	struct api_call call = { .ctx = r->h->cfg.ctx, .body = r->json, .query = query, .priv = r };

	memcpy(call.args, r->args, sizeof(call.args));
	r->route->run(&call, &r->reply);
	json_decref(r->json);
	r->json = NULL;
	render(&r->reply);
}

static void *call_main(void *request)
{
	struct request *r = request;
	struct http *h = r->h;

	pthread_setname_np(pthread_self(), "api-call");
	run(r);
	r->is_done = true;
	MHD_resume_connection(r->mhd); /* @r may be gone from here on */
	pthread_mutex_lock(&h->lock);
	h->ncalls--;
	pthread_cond_broadcast(&h->less);
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* One more API_SLOW call may run. */
static bool take_place(struct http *h)
{
	bool ok;

	pthread_mutex_lock(&h->lock);
	ok = h->ncalls < (h->cfg.max_calls ? h->cfg.max_calls : MAX_CALLS) && !h->is_stopping;
	if (ok)
		h->ncalls++;
	pthread_mutex_unlock(&h->lock);
	return ok;
}

static int start_thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc = -pthread_attr_init(&attr);

	if (rc)
		return rc;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = -pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return rc;
}

/* True: the connection is suspended, or was, and http_on_request will be called again. */
static bool run_aside(struct request *r)
{
	struct api_error *e = &r->reply.error;
	struct http *h = r->h;
	int rc;

	if (!take_place(h)) {
		api_fail(e, 503, "busy", "too many calls are under way; try again in a moment");
		return false;
	}
	MHD_suspend_connection(r->mhd);
	rc = start_thread(call_main, r);
	if (!rc)
		return true;
	api_fail(e, 503, "busy", "no thread can be made for the call: %s", strerror(-rc));
	render(&r->reply);
	r->is_done = true;
	MHD_resume_connection(r->mhd);
	pthread_mutex_lock(&h->lock);
	h->ncalls--;
	pthread_mutex_unlock(&h->lock);
	return true;
}

/* ── the answer ───────────────────────────────────────────────────────── */

static struct MHD_Response *make_response(struct api_reply *p)
{
	static const char sorry[] =
		"{\"error\":{\"code\":\"out_of_memory\",\"message\":\"out of memory\","
		"\"status\":503}}";
	struct MHD_Response *response;

	if (!p->text) {
		p->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		return MHD_create_response_from_buffer(sizeof(sorry) - 1, (void *)(uintptr_t)sorry,
						       MHD_RESPMEM_PERSISTENT);
	}
	response = MHD_create_response_from_buffer(strlen(p->text), p->text, MHD_RESPMEM_MUST_FREE);
	if (response)
		p->text = NULL;
	return response;
}

static void tell_log(const struct request *r, const char *url)
{
	const struct api_reply *p = &r->reply;

	if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
		log_debug("api: %s %.200s: %u (%s)", r->method, url, p->status, r->conn->peer);
	else if (p->status < 300)
		log_record("api: %s %.200s: %u (%s)", r->method, url, p->status, r->conn->peer);
	else
		log_info("api: %s %.200s: %u (%s)", r->method, url, p->status, r->conn->peer);
}

static enum MHD_Result answer(struct request *r, const char *url)
{
	struct api_reply *p = &r->reply;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!r->is_done)
		render(p);
	response = make_response(p);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				p->content_type ? p->content_type : "text/plain");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (p->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
	if (p->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	http_conn_enter(r->h, r->conn, HTTP_SENDS);
	tell_log(r, url);
	result = MHD_queue_response(r->mhd, p->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ── what libmicrohttpd calls ─────────────────────────────────────────── */

static bool is_stopping(struct http *h)
{
	bool yes;

	pthread_mutex_lock(&h->lock);
	yes = h->is_stopping;
	pthread_mutex_unlock(&h->lock);
	return yes;
}

/* The head is there. */
static enum MHD_Result take_head(struct request *r, const char *url)
{
	struct api_error *e = &r->reply.error;

	if (!is_known(r)) {
		refuse_stranger(r);
		return promised(r->mhd) > DROPPED_BODY_MAX ? answer(r, url) : MHD_YES;
	}
	if (is_stopping(r->h))
		api_fail(e, 503, "busy", "the server is being stopped");
	else
		find_route(r, url);
	if (r->route)
		MHD_get_connection_values(r->mhd, MHD_GET_ARGUMENT_KIND, on_parameter, r);
	if (!e->status && promised(r->mhd) != UINT64_MAX && promised(r->mhd) > HTTP_BODY_MAX)
		api_fail(e, 413, "too_large", "a body may have %d bytes", HTTP_BODY_MAX);
	return MHD_YES;
}

static void take_body(struct request *r, const char *data, size_t size)
{
	struct api_error *e = &r->reply.error;

	if (!e->status) {
		switch (http_body_add(r->h, &r->body, data, size)) {
		case 0:
			break;
		case -EFBIG:
			api_fail(e, 413, "too_large", "a body may have %d bytes", HTTP_BODY_MAX);
			break;
		case -EAGAIN:
			api_fail(e, 503, "busy", "too many large bodies at once; try again");
			break;
		default:
			api_fail(e, 503, "out_of_memory", "out of memory for the body");
		}
	}
	if (e->status)
		http_body_fini(r->h, &r->body);
	/* the buffer of the connection is ours until we return, but for its type */
	explicit_bzero((void *)(uintptr_t)data, size);
}

/* All of it is there. */
static enum MHD_Result take_call(struct request *r, const char *url)
{
	struct api_error *e = &r->reply.error;

	if (!e->status)
		r->json = http_body_parse(&r->body, e);
	http_body_fini(r->h, &r->body);
	if (!e->status && !(r->route->flags & API_BODY) && json_object_size(r->json))
		api_fail(e, 400, "invalid", "%s takes no body", r->route->operation);
	if (!e->status) {
		http_conn_enter(r->h, r->conn, HTTP_RUNS);
		if (r->route->flags & API_SLOW) {
			if (run_aside(r))
				return MHD_YES;
		} else {
			run(r);
			r->is_done = true;
		}
	}
	return answer(r, url);
}

static const char *intern_method(const char *method)
{
	static const char *const known[] = { "GET",   "HEAD",	"POST",	  "PUT",
					     "PATCH", "DELETE", "OPTIONS" };

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i], method) == 0)
			return known[i];
	return "of that method"; /* no route has it */
}

enum MHD_Result http_on_request(void *listener, struct MHD_Connection *mhd, const char *url,
				const char *method, const char *version, const char *data,
				size_t *size, void **request)
{
	struct http_listener *l = listener;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *r = *request;

	(void)version;
	if (!r) {
		if (!info || !info->socket_context)
			return MHD_NO;
		r = calloc(1, sizeof(*r));
		if (!r)
			return MHD_NO;
		*request = r;
		r->h = l->h;
		r->mhd = mhd;
		r->conn = info->socket_context;
		r->method = intern_method(method);
		return take_head(r, url);
	}
	if (*size) {
		take_body(r, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return r->is_done ? answer(r, url) : take_call(r, url);
}

void http_on_completed(void *listener, struct MHD_Connection *mhd, void **request,
		       enum MHD_RequestTerminationCode why)
{
	struct request *r = *request;

	(void)listener, (void)mhd, (void)why;
	if (!r)
		return;
	http_conn_enter(r->h, r->conn, HTTP_RECEIVES);
	http_body_fini(r->h, &r->body);
	http_path_fini(&r->path);
	for (unsigned i = 0; i < r->nquery; i++) {
		free(r->query[i].name);
		free(r->query[i].value);
	}
	json_decref(r->json);
	json_decref(r->reply.body);
	free(r->reply.text);
	free(r);
	*request = NULL;
}
