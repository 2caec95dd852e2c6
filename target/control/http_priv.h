/* The parts of the HTTP server, as they know each other. */
#pragma once

#include "backstore/base/list.h"
#include "target/control/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	HTTP_TOKEN_MIN = 16,
	HTTP_TOKEN_CAP = 256,
	HTTP_PEER_BYTES = 80,
	HTTP_SEGMENTS_MAX = 12,
	HTTP_QUERY_MAX = 8,
};

struct http_token {
	char text[HTTP_TOKEN_CAP]; /* padded with zeros: compared as a whole */
};

struct http_listener {
	struct http *h;
	struct MHD_Daemon *daemon; /* NULL: it is none */
	int fd;
	bool is_tcp, is_quiesced;
};

/* What a connection is at: each but RUNS has its time. */
enum http_phase { HTTP_RECEIVES, HTTP_RUNS, HTTP_SENDS };

struct http_conn {
	struct list link; /* http.conns */
	int fd;		  /* libmicrohttpd's; open until on_notify_connection has said CLOSED */
	enum http_phase phase;
	uint64_t deadline_ns;
	bool is_tcp, may;
	char peer[HTTP_PEER_BYTES]; /* "uid 0, pid 4711", "192.0.2.1:40000" */
};

struct http {
	struct http_config cfg;
	char *socket_path;
	dev_t socket_dev;
	ino_t socket_ino; /* to unlink our own only */
	struct http_token token;
	struct http_listener local, tcp;
	pthread_t sweeper;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;  /* the sweeper: a deadline where there was none, or is_over */
	pthread_cond_t less;  /* a call has ended, an answer has left */
	struct list conns;
	size_t body_bytes;   /* of all requests */
	unsigned ncalls;     /* threads of them */
	unsigned nbusy;	     /* connections that do not receive */
	bool sweeper_sleeps; /* without a deadline */
	bool is_stopping, is_over;
};

/* --- http_listen.c --- */

/* An fd that listens, or -errno with @why. */
int http_listen_unix(struct http *h, const char *path, char *why, size_t why_cap) MUST_CHECK;
int http_listen_tcp(const char *text, char *why, size_t why_cap) MUST_CHECK;
void http_unlink_socket(const struct http *h);

/* --- http_token.c --- */

int http_token_read(struct http_token *t, const char *path, char *why, size_t why_cap) MUST_CHECK;
/* @header: what came as Authorization; NULL: nothing. In the same time, wrong or right. */
bool http_token_admits(const struct http_token *t, const char *header);

/* --- http_conn.c --- */

void http_on_connection(void *listener, struct MHD_Connection *mhd, void **context,
			enum MHD_ConnectionNotificationCode what);
void http_conn_enter(struct http *h, struct http_conn *c, enum http_phase phase);
void *http_sweeper_main(void *h);

/* --- http_route.c: pure --- */

struct http_path {
	char *storage; /* owned */
	const char *segments[HTTP_SEGMENTS_MAX];
	unsigned n;
};

/* Splits at '/', then decodes each part. -EINVAL: @why says where it is no URL. */
int http_path_parse(struct http_path *p, const char *url, char *why, size_t why_cap) MUST_CHECK;
void http_path_fini(struct http_path *p);
/* Undoes %XX in place. -EINVAL: it is cut short, no hexadecimal digit, zero, or what comes of it
 * is not UTF-8. */
int http_decode(char *s) MUST_CHECK;
/* The route, and in @args what stands for its {names}. NULL: none; @allow is empty then, or has
 * the methods that the path knows, as Allow: has them. HEAD is GET. */
const struct api_route *http_route_find(const struct api_route *routes, const char *method,
					const struct http_path *p, const char *args[API_MAX_ARGS],
					char *allow, size_t allow_cap);
/* Is @name among the words of route->query? */
bool http_route_takes(const struct api_route *route, const char *name);

/* --- http_call.c --- */

enum MHD_Result http_on_request(void *listener, struct MHD_Connection *mhd, const char *url,
				const char *method, const char *version, const char *data,
				size_t *size, void **request);
void http_on_completed(void *listener, struct MHD_Connection *mhd, void **request,
		       enum MHD_RequestTerminationCode why);

/* --- http_body.c --- */

enum { HTTP_BODY_MAX = 8 << 20 };

struct http_body {
	char *data;
	size_t len, cap;
};

/* -EFBIG, -ENOMEM, or -EAGAIN where the bodies of all requests take too much. */
int http_body_add(struct http *h, struct http_body *b, const char *data, size_t len) MUST_CHECK;
void http_body_fini(struct http *h, struct http_body *b);
/* An object, or NULL with @e. Where there was nothing but space: NULL, and e->status is 0. */
json_t *http_body_parse(const struct http_body *b, struct api_error *e);
