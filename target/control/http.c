/* Start and stop.
 *
 *     unix socket ─▶ libmicrohttpd's thread ─┬─▶ calls that do not block
 *     TCP (--api) ─▶ another one of its ─────┤
 *                                            └─▶ a thread per API_SLOW call; the connection is
 *                                                suspended meanwhile
 *     sweeper: ends connections that take too long (http_conn.c)
 *
 * Its threads use poll: with epoll, which it has the kernel tell each change once only, it misses
 * the end of some when hundreds end at once, and their places are lost.
 *
 * TCP has a thread and connections of its own: whoever fills those keeps nobody from the socket.
 * All threads sleep in the kernel while nothing comes. */
#include "target/control/http_priv.h"

#include "backstore/base/log.h"
#include "backstore/base/signals.h"
#include "target/control/model_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS = 256,
	CONNECTION_BYTES = 32 << 10, /* of buffers; a head has to fit */
	LAST_ANSWERS_MS = 1000,
};

static void on_log(void *ctx, const char *fmt, va_list args) PRINTF(2, 0);

static void on_log(void *ctx, const char *fmt, va_list args)
{
	char text[256];

	(void)ctx;
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	log_debug("api: %s", text);
}

static size_t leave_encoded(void *ctx, struct MHD_Connection *mhd, char *s)
{
	(void)ctx, (void)mhd;
	return strlen(s);
}

static int start_listener(struct http_listener *l, struct http *h, int fd, char *why,
			  size_t why_cap)
{
	unsigned limit = h->cfg.max_connections ? h->cfg.max_connections : CONNECTIONS;
	unsigned of_one = 0;
	sigset_t others, was;

	if (l->is_tcp) {
		limit = MAX(limit / 4, 1);
		of_one = MAX(limit * 3 / 4, 1); /* some are left for others */
	}
	l->h = h;
	l->fd = fd;
	signals_of_others(&others);
	pthread_sigmask(SIG_BLOCK, &others, &was); /* its threads inherit that */
	l->daemon = MHD_start_daemon(
		MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
			MHD_USE_ERROR_LOG,
		0, NULL, NULL, http_on_request, l, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, limit,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, of_one, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
		MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, l, MHD_OPTION_NOTIFY_COMPLETED,
		http_on_completed, l, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (l->daemon)
		return 0;
	/* whether @fd is still open only libmicrohttpd knows; the process is about to end */
	snprintf(why, why_cap,
		 "cannot serve the API: no memory, descriptor or thread is left "
		 "for it");
	return -ENOMEM;
}

/* From then on the socket is ours to close; who waits in its queue waits until then. */
static void quiesce_listener(struct http_listener *l)
{
	if (l->daemon && !l->is_quiesced)
		MHD_quiesce_daemon(l->daemon);
	l->is_quiesced = true;
}

static void stop_listener(struct http_listener *l)
{
	if (!l->daemon)
		return;
	quiesce_listener(l);
	MHD_stop_daemon(l->daemon);
	close(l->fd);
	l->daemon = NULL;
}

static int start_sweeper(struct http *h)
{
	sigset_t others, was;
	int rc;

	signals_of_others(&others);
	pthread_sigmask(SIG_BLOCK, &others, &was);
	rc = -pthread_create(&h->sweeper, NULL, http_sweeper_main, h);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (!rc)
		pthread_setname_np(h->sweeper, "api-sweeper");
	return rc;
}

static void stop_sweeper(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	h->is_over = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->sweeper, NULL);
}

static struct http *new_http(const struct http_config *cfg)
{
	struct http *h = calloc(1, sizeof(*h));
	pthread_condattr_t monotonic;

	if (!h)
		return NULL;
	h->cfg = *cfg;
	h->tcp.is_tcp = true;
	h->socket_path = strdup(cfg->socket_path);
	if (!h->socket_path || pthread_condattr_init(&monotonic)) {
		free(h->socket_path);
		free(h);
		return NULL;
	}
	list_init(&h->conns);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, &monotonic);
	pthread_cond_init(&h->less, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return h;
}

static void free_http(struct http *h)
{
	explicit_bzero(&h->token, sizeof(h->token));
	pthread_cond_destroy(&h->less);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h->socket_path);
	free(h);
}

static int start_tcp(struct http *h, char *why, size_t why_cap)
{
	int rc;

	if (!h->cfg.tcp)
		return 0;
	if (!h->cfg.token_file) {
		snprintf(why, why_cap,
			 "--api %s: whoever reached it could do anything; give --api-token FILE, "
			 "too, with a token that callers have to know",
			 h->cfg.tcp);
		return -EINVAL;
	}
	rc = http_token_read(&h->token, h->cfg.token_file, why, why_cap);
	if (rc)
		return rc;
	rc = http_listen_tcp(h->cfg.tcp, why, why_cap);
	if (rc < 0)
		return rc;
	rc = start_listener(&h->tcp, h, rc, why, why_cap);
	if (!rc)
		log_info("api: listening on %s, for callers with the token", h->cfg.tcp);
	return rc;
}

int http_start(struct http **out, const struct http_config *cfg, char *why, size_t why_cap)
{
	struct http *h = new_http(cfg);
	int rc;

	if (!h) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	json_wipe_always(); /* bodies have secrets, and a parser copies them about */
	rc = start_sweeper(h);
	if (rc) {
		snprintf(why, why_cap, "cannot start a thread: %s", strerror(-rc));
		goto err_free;
	}
	rc = start_tcp(h, why, why_cap);
	if (rc)
		goto err_sweeper;
	rc = http_listen_unix(h, cfg->socket_path, why, why_cap);
	if (rc >= 0)
		rc = start_listener(&h->local, h, rc, why, why_cap);
	if (rc)
		goto err_tcp;
	log_info("api: listening on %s", cfg->socket_path);
	*out = h;
	return 0;

err_tcp:
	stop_listener(&h->tcp);
err_sweeper:
	stop_sweeper(h);
err_free:
	free_http(h);
	return rc;
}

void http_quiesce(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	h->is_stopping = true;
	pthread_mutex_unlock(&h->lock);
	http_unlink_socket(h);
	quiesce_listener(&h->local);
	quiesce_listener(&h->tcp);
}

/* Waits until @n is 0, at most that long; false: it is not. */
static bool await_none(struct http *h, const unsigned *n, unsigned ms)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	while (*n && !rc)
		rc = pthread_cond_timedwait(&h->less, &h->lock, &end);
	return !*n;
}

int http_stop(struct http *h, unsigned seconds)
{
	bool done;

	http_quiesce(h);
	pthread_mutex_lock(&h->lock);
	done = await_none(h, &h->ncalls, seconds * 1000);
	if (done)
		(void)await_none(h, &h->nbusy, LAST_ANSWERS_MS);
	pthread_mutex_unlock(&h->lock);
	if (!done)
		return -ETIMEDOUT;
	stop_listener(&h->tcp);
	stop_listener(&h->local);
	stop_sweeper(h);
	free_http(h);
	return 0;
}
