/* The HTTP server: a unix socket for root and our own user, TCP for whoever has the token.
 *
 * One thread of libmicrohttpd's, and one for each API_SLOW call that is under way. */
#pragma once

#include "target/control/api.h"

struct http_config {
	const char *socket_path; /* made 0600, in the place of a dead server's */
	const char *tcp;	 /* ADDR:PORT; NULL: none */
	const char *token_file;	 /* 0600, of its first line; with tcp */
	const struct api_route *routes;
	void *ctx; /* for api_call.ctx */
};

struct http;

int http_start(struct http **out, const struct http_config *cfg, char *why,
	       size_t why_cap) MUST_CHECK;
/* Takes no more calls, waits for those under way. */
void http_stop(struct http *h);
