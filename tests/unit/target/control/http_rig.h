/* A server of HTTP with routes that are made for tests, on a socket in a folder of its own. */
#pragma once

#include "target/control/http.h"
#include "tests/unit/target/control/http_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct rig {
	char dir[64], socket[96];
	struct http *http;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool gate_open;	  /* for those who wait at it */
	unsigned waiting; /* at it */
	unsigned calls;	  /* of "echo" */
	char *answer;
};

static void run_echo(const struct api_call *call, struct api_reply *reply)
{
	struct rig *rig = call->ctx;
	const char *q = call->query(call, "q");

	rig->calls++;
	reply->body = json_pack("{s:s?, s:s?, s:s?, s:O?}", "a", call->args[0], "b", call->args[1],
				"q", q, "body", (json_t *)(uintptr_t)call->body);
}

static void run_fail(const struct api_call *call, struct api_reply *reply)
{
	(void)call;
	reply->body = json_object(); /* is dropped */
	api_fail_errno(&reply->error, -EBUSY, "volume a is in use");
}

static void run_text(const struct api_call *call, struct api_reply *reply)
{
	(void)call;
	reply->status = 202;
	reply->text = strdup("plain\n");
	reply->content_type = "text/plain; version=0.0.4";
}

static void run_nothing(const struct api_call *call, struct api_reply *reply)
{
	(void)call, (void)reply;
}

static void run_gate(const struct api_call *call, struct api_reply *reply)
{
	struct rig *rig = call->ctx;

	pthread_mutex_lock(&rig->lock);
	rig->waiting++;
	pthread_cond_broadcast(&rig->change);
	while (!rig->gate_open)
		pthread_cond_wait(&rig->change, &rig->lock);
	rig->waiting--;
	pthread_cond_broadcast(&rig->change);
	pthread_mutex_unlock(&rig->lock);
	reply->body = json_pack("{s:b, s:s?}", "waited", 1, "q", call->query(call, "q"));
}

static void run_large(const struct api_call *call, struct api_reply *reply)
{
	(void)call;
	reply->text = malloc((4 << 20) + 1);
	assert(reply->text);
	memset(reply->text, 'x', 4 << 20);
	reply->text[4 << 20] = '\0';
}

static const struct api_route rig_routes[] = {
	{ "GET", "/v1/echo", "echo", 0, run_echo, "q" },
	{ "POST", "/v1/echo", "echoBody", API_BODY, run_echo, "q" },
	{ "PUT", "/v1/slow", "slowBody", API_BODY | API_SLOW, run_echo, NULL },
	{ "GET", "/v1/echo/{a}/x/{b}", "echoTwo", 0, run_echo, NULL },
	{ "GET", "/v1/fail", "fail", 0, run_fail, NULL },
	{ "GET", "/v1/fail-slowly", "failSlowly", API_SLOW, run_fail, NULL },
	{ "GET", "/v1/text", "text", 0, run_text, NULL },
	{ "DELETE", "/v1/nothing", "nothing", 0, run_nothing, NULL },
	{ "GET", "/v1/gate", "gate", API_SLOW, run_gate, "q" },
	{ "GET", "/v1/large", "large", API_SLOW, run_large, NULL },
	{ 0 },
};

static inline void gate_set(struct rig *rig, bool open)
{
	pthread_mutex_lock(&rig->lock);
	rig->gate_open = open;
	pthread_cond_broadcast(&rig->change);
	pthread_mutex_unlock(&rig->lock);
}

static inline void gate_await(struct rig *rig, unsigned n)
{
	pthread_mutex_lock(&rig->lock);
	while (rig->waiting != n)
		pthread_cond_wait(&rig->change, &rig->lock);
	pthread_mutex_unlock(&rig->lock);
}

static inline struct rig *rig_make(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	strcpy(rig->dir, "/tmp/ringlun-http.XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->socket, sizeof(rig->socket), "%s/api.sock", rig->dir);
	pthread_mutex_init(&rig->lock, NULL);
	pthread_cond_init(&rig->change, NULL);
	rig->answer = malloc(ANSWER_CAP);
	assert_non_null(rig->answer);
	return rig;
}

static inline void rig_start(struct rig *rig, struct http_config cfg)
{
	char why[400] = "";

	cfg.socket_path = rig->socket;
	cfg.routes = rig_routes;
	cfg.ctx = rig;
	if (http_start(&rig->http, &cfg, why, sizeof(why)))
		fail_msg("%s", why);
}

static inline void rig_free(struct rig *rig)
{
	char path[128];

	if (rig->http)
		assert_int_equal(http_stop(rig->http, 60), 0);
	snprintf(path, sizeof(path), "%s/token", rig->dir);
	unlink(path);
	assert_int_equal(rmdir(rig->dir), 0); /* nothing was left behind */
	pthread_mutex_destroy(&rig->lock);
	pthread_cond_destroy(&rig->change);
	free(rig->answer);
	free(rig);
}
