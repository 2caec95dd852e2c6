/* Connections: who is at the other end, and how long they may take.
 *
 * A request has to be there in a minute, an answer has to be taken in five; how long a call runs is
 * its own affair. libmicrohttpd's timeouts are of silence only: one byte a minute would hold a
 * connection for days, and there are few. So a thread of ours sleeps until the next deadline, and
 * shuts down what is late; without connections it sleeps for good. */
#include "target/control/http_priv.h"

#include "backstore/base/log.h"
#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	REQUEST_MS = 60000,
	TCP_REQUEST_MS = 15000, /* may be anybody, until the token is there */
	ANSWER_MS = 300000,
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t deadline_ns(const struct http *h, const struct http_conn *c)
{
	uint64_t ms = ANSWER_MS;

	if (c->phase == HTTP_RUNS)
		return UINT64_MAX;
	if (c->phase == HTTP_RECEIVES)
		ms = h->cfg.request_ms ? h->cfg.request_ms
		     : c->is_tcp       ? TCP_REQUEST_MS
				       : REQUEST_MS;
	return now_ns() + ms * 1000000;
}

static void set_phase(struct http *h, struct http_conn *c, enum http_phase phase)
{
	if (c->phase != HTTP_RECEIVES)
		h->nbusy--;
	c->phase = phase;
	if (phase != HTTP_RECEIVES)
		h->nbusy++;
	else if (!h->nbusy)
		pthread_cond_broadcast(&h->less);
	c->deadline_ns = deadline_ns(h, c);
	if (h->sweeper_sleeps && phase != HTTP_RUNS)
		pthread_cond_signal(&h->wake);
}

void http_conn_enter(struct http *h, struct http_conn *c, enum http_phase phase)
{
	pthread_mutex_lock(&h->lock);
	set_phase(h, c, phase);
	pthread_mutex_unlock(&h->lock);
}

/* ── who is there ─────────────────────────────────────────────────────── */

static void know_local(struct http_conn *c)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
		snprintf(c->peer, sizeof(c->peer), "an unknown user");
		return;
	}
	c->may = cred.uid == 0 || cred.uid == geteuid();
	snprintf(c->peer, sizeof(c->peer), "uid %u, pid %d", cred.uid, cred.pid);
}

static void know_remote(struct http_conn *c)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	c->may = true; /* with the token: requests tell */
	if (getpeername(c->fd, (struct sockaddr *)&sa, &len))
		snprintf(c->peer, sizeof(c->peer), "?");
	else
		sockaddr_text(&sa, sockaddr_port(&sa), c->peer);
}

static void begin(struct http_listener *l, struct MHD_Connection *mhd, void **context)
{
	struct http_conn *c = calloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	*context = c;
	if (!c || !info) {
		log_error("api: out of memory for a connection; it is closed");
		free(c);
		*context = NULL; /* http_on_request closes it */
		return;
	}
	c->fd = info->connect_fd;
	c->is_tcp = l->is_tcp;
	if (l->is_tcp)
		know_remote(c);
	else
		know_local(c);
	pthread_mutex_lock(&l->h->lock);
	list_add_tail(&l->h->conns, &c->link);
	set_phase(l->h, c, HTTP_RECEIVES);
	pthread_mutex_unlock(&l->h->lock);
}

static void end(struct http *h, struct http_conn *c)
{
	pthread_mutex_lock(&h->lock);
	set_phase(h, c, HTTP_RECEIVES);
	list_del(&c->link);
	pthread_mutex_unlock(&h->lock);
	free(c);
}

void http_on_connection(void *listener, struct MHD_Connection *mhd, void **context,
			enum MHD_ConnectionNotificationCode what)
{
	struct http_listener *l = listener;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		begin(l, mhd, context);
	else if (*context)
		end(l->h, *context);
}

/* ── how long they take ───────────────────────────────────────────────── */

/* Ends what is late; the next deadline, UINT64_MAX: there is none. */
static uint64_t sweep(struct http *h)
{
	uint64_t now = now_ns(), next = UINT64_MAX;

	list_for_each (n, &h->conns) {
		struct http_conn *c = list_entry(n, struct http_conn, link);

		if (c->deadline_ns <= now) {
			log_debug("api: %s takes too long; the connection is closed", c->peer);
			shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end, and closes it */
			c->deadline_ns = UINT64_MAX;
		}
		next = MIN(next, c->deadline_ns);
	}
	return next;
}

void *http_sweeper_main(void *arg)
{
	struct http *h = arg;

	pthread_mutex_lock(&h->lock);
	while (!h->is_over) {
		uint64_t next = sweep(h);
		struct timespec at = { .tv_sec = (time_t)(next / 1000000000),
				       .tv_nsec = (long)(next % 1000000000) };

		h->sweeper_sleeps = next == UINT64_MAX;
		if (h->sweeper_sleeps)
			pthread_cond_wait(&h->wake, &h->lock);
		else
			pthread_cond_timedwait(&h->wake, &h->lock, &at);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}
