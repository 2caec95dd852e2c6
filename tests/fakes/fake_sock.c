/* The fake's sockets: two byte queues each, and a stream that is fed from one.
 *
 *   fake_sock_write ──▶ to_server ──(delivery: cut anywhere)──▶ on_bytes / exact iov
 *   fake_sock_read  ◀── to_test ◀──(pieces, while the window has room)── io_send
 *
 * The server's descriptor is one end of a real socket pair through which no byte
 * goes: close, shutdown and getpeername work on it, and the other end tells
 * whether it was closed. */
#include "tests/fakes/fake_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bytes {
	uint8_t *data;
	size_t len, cap;
};

struct fake_sock {
	struct fake_world *w;
	struct list link; /* in world.socks, or in listener.waiting before */
	int fd, probe_fd;
	struct bytes to_server, to_test;
	size_t window_bytes;
	bool closed, reset; /* by the test */
	/* the receiving side */
	struct io_stream *s; /* under way */
	struct event delivery;
	bool delivering, lending; /* the event is in the heap; a callback is running */
	/* the sending side */
	struct io_send *send;
	struct event sending;
	int send_fail;
};

struct listener {
	struct fake_world *w;
	struct list link, waiting; /* fake_sock.link */
	int fd;
	struct io_listener *l;
	struct event accept;
	bool accepting;
};

static void put(struct bytes *b, const void *data, size_t len)
{
	if (b->len + len > b->cap) {
		b->cap = (b->len + len) * 2;
		b->data = realloc(b->data, b->cap);
		assert(b->data);
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void drop(struct bytes *b, size_t len)
{
	b->len -= len;
	if (b->len)
		memmove(b->data, b->data + len, b->len);
}

static void send_resume(struct fake_sock *k);

/* ── receiving ── */

static void stream_end(struct fake_sock *k, int res)
{
	struct io_stream *s = k->s;

	k->s = NULL;
	fake_of(s->io)->streams--;
	s->ended = true;
	s->on_end(s, res);
}

static void deliver_exact(struct fake_sock *k, size_t n)
{
	struct io_stream *s = k->s;
	size_t skip = s->exact_done, at = 0;

	n = MIN(n, s->exact_len - s->exact_done);
	for (const struct iovec *v = s->exact_iov; at < n; v++) {
		size_t room = v->iov_len > skip ? v->iov_len - skip : 0;
		size_t take = MIN(room, n - at);

		if (take)
			memcpy((uint8_t *)v->iov_base + skip, k->to_server.data + at, take);
		at += take;
		skip -= MIN(skip, v->iov_len);
	}
	drop(&k->to_server, n);
	s->exact_done += n;
	if (s->exact_done < s->exact_len)
		return;
	s->exact_len = s->exact_done = 0;
	s->on_exact(s);
}

static void deliver_bytes(struct fake_sock *k, size_t n)
{
	/* an allocation of its own, so that a sanitizer sees who keeps it too long */
	uint8_t *lent = malloc(n);

	assert(lent);
	memcpy(lent, k->to_server.data, n);
	drop(&k->to_server, n);
	k->s->on_bytes(k->s, lent, n);
	free(lent);
}

static void want_delivery(struct fake_sock *k)
{
	if (!k->s || k->delivering)
		return;
	if (!k->s->stopping && !k->to_server.len && !k->closed && !k->reset)
		return;
	k->delivering = true;
	fake_event_add(fake_of(k->s->io), &k->delivery, fake_latency_ns(k->w));
}

/* All, one byte, or a part. */
static size_t random_cut(struct fake_world *w, size_t len)
{
	switch (fake_random(w) % 4) {
	case 0:
		return 1;
	case 1:
		return 1 + fake_random(w) % len;
	default:
		return len;
	}
}

static void deliver(struct event *e)
{
	struct fake_sock *k = container_of(e, struct fake_sock, delivery);
	int fail;

	k->delivering = false;
	if (!k->s)
		return;
	fail = k->s->stopping ? -ECANCELED : k->reset ? -ECONNRESET : fake_count_op(k->w);
	if (fail || !k->to_server.len) {
		stream_end(k, fail);
		return;
	}
	k->lending = true;
	if (k->s->exact_len)
		deliver_exact(k, random_cut(k->w, k->to_server.len));
	else
		deliver_bytes(k, random_cut(k->w, k->to_server.len));
	k->lending = false;
	want_delivery(k);
}

void fake_stream_start(struct io *io, struct io_stream *s)
{
	struct fake_sock *k = fake_fd_get(fake_of(io)->w, s->fd, FAKE_FD_SOCK);

	assert(k && !k->s && "one stream per socket");
	assert(s->on_bytes && s->on_end);
	k->s = s;
	s->stopping = s->ended = false;
	s->exact_len = s->exact_done = 0;
	fake_of(io)->streams++;
	want_delivery(k);
}

void fake_stream_exact(struct io *io, struct io_stream *s)
{
	struct fake_sock *k = fake_fd_get(fake_of(io)->w, s->fd, FAKE_FD_SOCK);
	size_t sum = 0;

	assert(k && k->s == s && k->lending && "only from on_bytes and on_exact");
	for (int i = 0; i < s->exact_iovcnt; i++)
		sum += s->exact_iov[i].iov_len;
	assert(s->exact_len && sum == s->exact_len && s->on_exact);
}

void fake_stream_stop(struct io *io, struct io_stream *s)
{
	struct fake_sock *k;

	if (s->ended || s->stopping)
		return;
	s->stopping = true;
	k = fake_fd_get(fake_of(io)->w, s->fd, FAKE_FD_SOCK);
	assert(k && k->s == s);
	want_delivery(k);
	send_resume(k);
}

/* ── sending ── */

static void send_piece(struct fake_sock *k)
{
	struct io_send *s = k->send;
	size_t room = k->window_bytes - MIN(k->window_bytes, k->to_test.len);
	size_t cut = random_cut(k->w, s->total - s->sent), n = MIN(cut, room), skip = s->sent;

	s->sent += n;
	for (size_t i = 0; n; i++) {
		const struct iovec *v = &s->msg.msg_iov[i];
		size_t take = v->iov_len > skip ? MIN(v->iov_len - skip, n) : 0;

		put(&k->to_test, (const uint8_t *)v->iov_base + skip, take);
		skip -= MIN(skip, v->iov_len);
		n -= take;
	}
}

static void send_go_on(struct event *e)
{
	struct fake_sock *k = container_of(e, struct fake_sock, sending);
	struct io_send *s = k->send;
	bool is_full = k->to_test.len >= k->window_bytes;
	int res = 0;

	/* a send that waits for room ends when its own side shuts down */
	if (k->closed || k->reset || k->send_fail || (is_full && fake_sock_is_closed_by_server(k)))
		res = k->send_fail ? k->send_fail : -EPIPE;
	else
		send_piece(k);
	if (res || s->sent == s->total) {
		k->send = NULL;
		k->send_fail = 0;
		s->done(s, res ? res : (int)s->total);
		return;
	}
	if (k->to_test.len >= k->window_bytes)
		k->sending.io = NULL; /* until the test reads */
	else
		fake_event_add(fake_of(s->io), &k->sending, fake_latency_ns(k->w));
}

static void send_resume(struct fake_sock *k)
{
	if (k->send && !k->sending.io)
		fake_event_add(fake_of(k->send->io), &k->sending, fake_latency_ns(k->w));
}

void fake_send(struct io *io, struct io_send *s)
{
	struct fake_sock *k = fake_fd_get(fake_of(io)->w, s->fd, FAKE_FD_SOCK);

	assert(k && !k->send && "one send at a time per socket");
	s->total = 0;
	for (size_t i = 0; i < s->msg.msg_iovlen; i++)
		s->total += s->msg.msg_iov[i].iov_len;
	assert(s->total);
	k->send = s;
	k->send_fail = fake_count_op(k->w);
	fake_event_add(fake_of(io), &k->sending, fake_latency_ns(k->w));
}

/* ── the test's end ── */

static struct fake_sock *sock_new(struct fake_world *w)
{
	struct fake_sock *k = calloc(1, sizeof(*k));
	int pair[2];

	assert(k);
	int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);

	assert(rc == 0);
	(void)rc;
	k->w = w;
	k->fd = pair[0];
	k->probe_fd = pair[1];
	k->window_bytes = SIZE_MAX;
	k->delivery.fire = deliver;
	k->sending.fire = send_go_on;
	fake_fd_set(w, k->fd, FAKE_FD_SOCK, k);
	return k;
}

struct fake_sock *fake_sock_new(struct fake_world *w, int *server_fd)
{
	struct fake_sock *k = sock_new(w);

	list_add_tail(&w->socks, &k->link);
	*server_fd = k->fd;
	return k;
}

void fake_sock_write(struct fake_sock *k, const void *data, size_t len)
{
	assert(!k->closed);
	put(&k->to_server, data, len);
	want_delivery(k);
}

size_t fake_sock_readable(const struct fake_sock *k)
{
	return k->to_test.len;
}

size_t fake_sock_read(struct fake_sock *k, void *buf, size_t cap)
{
	size_t n = MIN(cap, k->to_test.len);

	if (n)
		memcpy(buf, k->to_test.data, n);
	drop(&k->to_test, n);
	if (k->to_test.len < k->window_bytes)
		send_resume(k);
	return n;
}

void fake_sock_set_window(struct fake_sock *k, size_t bytes)
{
	k->window_bytes = bytes;
	if (k->to_test.len < bytes)
		send_resume(k);
}

void fake_sock_close(struct fake_sock *k)
{
	k->closed = true;
	want_delivery(k);
	send_resume(k);
}

void fake_sock_reset(struct fake_sock *k)
{
	k->reset = true;
	want_delivery(k);
	send_resume(k);
}

bool fake_sock_is_closed_by_server(struct fake_sock *k)
{
	uint8_t byte;

	return recv(k->probe_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ── listening ── */

static void want_accept(struct listener *a);

static void accept_one(struct event *e)
{
	struct listener *a = container_of(e, struct listener, accept);
	struct io_listener *l = a->l;
	struct list *n;
	int fail;

	a->accepting = false;
	if (l->stopping) {
		a->l = NULL;
		fake_of(l->io)->listeners--;
		l->on_end(l);
		return;
	}
	fail = fake_count_op(a->w);
	if (fail) {
		l->on_accept(l, fail);
	} else {
		n = list_pop(&a->waiting);
		assert(n);
		list_add_tail(&a->w->socks, n);
		l->on_accept(l, list_entry(n, struct fake_sock, link)->fd);
	}
	want_accept(a);
}

static void want_accept(struct listener *a)
{
	if (!a->l || a->accepting || (list_empty(&a->waiting) && !a->l->stopping))
		return;
	a->accepting = true;
	fake_event_add(fake_of(a->l->io), &a->accept, fake_latency_ns(a->w));
}

int fake_listener_new(struct fake_world *w)
{
	struct listener *a = calloc(1, sizeof(*a));

	assert(a);
	a->w = w;
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(a->fd >= 0);
	a->accept.fire = accept_one;
	list_init(&a->waiting);
	list_add_tail(&w->listeners, &a->link);
	fake_fd_set(w, a->fd, FAKE_FD_LISTENER, a);
	return a->fd;
}

struct fake_sock *fake_connect(struct fake_world *w, int listener_fd)
{
	struct listener *a = fake_fd_get(w, listener_fd, FAKE_FD_LISTENER);
	struct fake_sock *k = sock_new(w);

	assert(a);
	list_add_tail(&a->waiting, &k->link);
	want_accept(a);
	return k;
}

void fake_listen_start(struct io *io, struct io_listener *l)
{
	struct listener *a = fake_fd_get(fake_of(io)->w, l->fd, FAKE_FD_LISTENER);

	assert(a && !a->l);
	a->l = l;
	l->stopping = false;
	fake_of(io)->listeners++;
	want_accept(a);
}

void fake_listen_stop(struct io *io, struct io_listener *l)
{
	struct listener *a = fake_fd_get(fake_of(io)->w, l->fd, FAKE_FD_LISTENER);

	assert(a && a->l == l);
	l->stopping = true;
	want_accept(a);
}

/* ── the end ── */

static void sock_free(struct fake_sock *k, bool accepted)
{
	assert(!k->s && !k->send);
	if (!accepted)
		close(k->fd);
	close(k->probe_fd);
	free(k->to_server.data);
	free(k->to_test.data);
	free(k);
}

void fake_socks_free_all(struct fake_world *w)
{
	struct list *n, *m;

	while ((n = list_pop(&w->socks)))
		sock_free(list_entry(n, struct fake_sock, link), true);
	while ((n = list_pop(&w->listeners))) {
		struct listener *a = list_entry(n, struct listener, link);

		while ((m = list_pop(&a->waiting)))
			sock_free(list_entry(m, struct fake_sock, link), false);
		free(a);
	}
}

void fake_socks_reset_all(struct fake_world *w)
{
	list_for_each (n, &w->socks)
		fake_sock_reset(list_entry(n, struct fake_sock, link));
}
