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
	/* 0: as http.c has it */
	unsigned max_connections; /* of the socket, and a quarter of that of TCP; more wait */
	unsigned max_calls;	  /* API_SLOW ones under way; more are answered "busy" */
	unsigned request_ms;	  /* in which a request has to be there */
};

struct http;

int http_start(struct http **out, const struct http_config *cfg, char *why,
	       size_t why_cap) MUST_CHECK;
/* Takes no more calls: new connections are not answered, requests on old ones are told "busy".
 * Those under way go on; who makes them wait for something wakes them after this. */
void http_quiesce(struct http *h);
/* http_quiesce, waits for calls under way and, a second at most, for their answers to leave.
 * -ETIMEDOUT: a call has not ended in that time, and nothing can be freed. */
int http_stop(struct http *h, unsigned seconds) MUST_CHECK;
