/* The server's API, asked over its unix socket or TCP: one call at a time. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { CLIENT_WHY_BYTES = 1200 };

struct client_config {
	const char *socket_path; /* NULL: @api */
	const char *api;	 /* ADDR:PORT */
	const char *token_file;	 /* with @api */
};

struct client_request {
	const char *method, *path;
	const json_t *body;		       /* NULL: none */
	unsigned timeout_s;		       /* of the whole call */
	const volatile sig_atomic_t *given_up; /* set by a signal; NULL: by none */
};

struct client_answer {
	unsigned status;
	json_t *json; /* NULL: there is none */
	char *text;
	size_t len;
};

struct client;

/* Once, before the first is opened. -ENOMEM or the like. */
int client_init(void) MUST_CHECK;
/* -EINVAL, or what became of the token file, with @why. Does not connect. */
int client_open(struct client **out, const struct client_config *cfg, char *why,
		size_t why_cap) MUST_CHECK;
/* 0: there is an answer, be it a refusal. -ENOTCONN: the server is not reached; -ETIMEDOUT: it does
 * not answer; -EPROTO: what answers is no ringlund; -ECANCELED: given up. */
int client_call(struct client *c, const struct client_request *request, struct client_answer *out,
		char *why, size_t why_cap) MUST_CHECK;
void client_answer_fini(struct client_answer *a);
const char *client_where(const struct client *c); /* "/run/ringlun/api.sock" */
bool client_is_local(const struct client *c);
void client_close(struct client *c);
