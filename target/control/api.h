/* The API as the HTTP server sees it: a table of routes, each with a function. http.c knows no
 * volume, the functions know no HTTP. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	API_MAX_ARGS = 3,
	API_WHY_BYTES = 960,
};

/* A failure, as everybody passes it on: status 0 means none. As JSON:
 * {"error": {"code": "volume_in_use", "message": "...", "status": 409}} */
struct api_error {
	unsigned status;  /* of HTTP */
	const char *code; /* of snake_case words, static */
	char message[API_WHY_BYTES];
};

struct api_call {
	void *ctx;			/* of http_config */
	const char *args[API_MAX_ARGS]; /* what stands for each {name} of the path, decoded */
	const json_t *body;		/* an object; NULL: none came */
	const char *(*query)(const struct api_call *call, const char *name); /* NULL: not given */
	void *priv;							     /* of http.c */
};

struct api_reply {
	unsigned status;	  /* 200 unless it is set */
	json_t *body;		  /* given away */
	char *text;		  /* instead, given away (malloc) */
	const char *content_type; /* of text; static */
	struct api_error error;	  /* instead, where its status is set */
};

typedef void api_fn(const struct api_call *call, struct api_reply *reply);

enum api_flags {
	API_SLOW =
		1
		<< 0, /* may block: runs on a thread of its own, and others are served meanwhile */
	API_BODY = 1 << 1, /* takes a JSON object */
};

struct api_route {
	const char *method;
	const char *path;      /* "/v1/volumes/{volume}/expose" */
	const char *operation; /* operationId in openapi.json */
	unsigned flags;
	api_fn *run;
	const char *query; /* parameters that it takes, "wait force"; NULL: none. Others are
			      refused: a "dryrun" that is passed over would change things */
};

void api_fail(struct api_error *e, unsigned status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
json_t *api_error_to_json(const struct api_error *e);

/* What errno means to a caller: ENOENT 404 not_found, EEXIST 409 exists, EBUSY 409 in_use, EINVAL
 * 400 invalid (as are ENOTDIR and other faults of a path), ENOSPC 507 no_space, ECANCELED 409
 * cancelled, others 500 failed. */
void api_fail_errno(struct api_error *e, int rc, const char *why);

extern const struct api_route api_routes[]; /* routes.c; the last has no method */

/* GET /v1/openapi.json: the file as it was when this was built. */
api_fn api_show_openapi;
extern const char api_openapi_begin[], api_openapi_end[];
