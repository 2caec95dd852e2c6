/* The bare server as one would build it on io_uring: multishot accept and receive, what a
 * turn has brought is answered in one send per peer, all handed over in one call. */
#include "bench/src/bare.h"
#include "bench/src/ring.h"

#include "backstore/base/list.h"

#include <errno.h>
#include <stdlib.h>

enum { BUF_COUNT = 64, BUF_BYTES = 64 << 10 };

struct server {
	struct ring ring;
	struct ring_op accept_op;
	int listener;
	uint8_t *payload;
	struct list dirty;
	int error;
};

struct uring_peer {
	struct server *server;
	struct bare_peer *bare;
	struct ring_op rx_op, tx_op;
	struct list dirty_link;
	bool rx_busy, tx_busy, ended;
};

static void peer_end(struct uring_peer *p)
{
	p->ended = true;
	shutdown(p->bare->fd, SHUT_RDWR); /* ends what is still asked for */
	if (p->rx_busy || p->tx_busy)
		return;
	list_del(&p->dirty_link);
	bare_peer_free(p->bare);
	free(p);
}

static void peer_send(struct uring_peer *p)
{
	p->tx_busy = true;
	if (ring_send(&p->server->ring, &p->tx_op, p->bare->fd, &p->bare->batch.msg) < 0)
		p->server->error = -EBUSY;
}

static void tx_done(struct ring_op *op, int res, bool more MAYBE_UNUSED,
		    const uint8_t *data MAYBE_UNUSED)
{
	struct uring_peer *p = container_of(op, struct uring_peer, tx_op);

	p->tx_busy = false;
	if (p->ended || (res < 0 && res != -EINTR && res != -EAGAIN))
		peer_end(p);
	else if (batch_advance(&p->bare->batch, res > 0 ? (size_t)res : 0))
		peer_send(p);
	else if (list_empty(&p->dirty_link))
		list_add_tail(&p->server->dirty, &p->dirty_link);
}

static void rx_arm(struct uring_peer *p)
{
	p->rx_busy = true;
	if (ring_recv(&p->server->ring, &p->rx_op, p->bare->fd) < 0)
		p->server->error = -EBUSY;
}

static void rx_done(struct ring_op *op, int res, bool more, const uint8_t *data)
{
	struct uring_peer *p = container_of(op, struct uring_peer, rx_op);
	bool again = res == -ENOBUFS || res == -EINTR || res == -EAGAIN;

	p->rx_busy = more;
	if (res > 0 && !p->ended && bare_peer_feed(p->bare, data, (size_t)res) < 0)
		res = -EPROTO;
	if (p->ended || (res <= 0 && !again)) {
		peer_end(p);
		return;
	}
	if (!more)
		rx_arm(p);
	if (list_empty(&p->dirty_link))
		list_add_tail(&p->server->dirty, &p->dirty_link);
}

static void accepted(struct ring_op *op, int res, bool more, const uint8_t *data MAYBE_UNUSED)
{
	struct server *s = container_of(op, struct server, accept_op);
	struct uring_peer *p;

	if (!more && ring_accept(&s->ring, &s->accept_op, s->listener) < 0)
		s->error = -EBUSY;
	if (res == -EMFILE || res == -ENFILE || res == -ENOMEM)
		s->error = res;
	if (res < 0)
		return;
	p = calloc(1, sizeof(*p));
	if (p)
		p->bare = bare_peer_new(res, s->payload);
	if (!p || !p->bare) {
		s->error = -ENOMEM;
		free(p);
		return;
	}
	p->server = s;
	p->rx_op.done = rx_done;
	p->tx_op.done = tx_done;
	list_init(&p->dirty_link);
	rx_arm(p);
}

static void answer(struct server *s)
{
	struct list now = LIST_INIT(now), *l;

	list_splice_tail(&now, &s->dirty);
	while ((l = list_pop(&now))) {
		struct uring_peer *p = list_entry(l, struct uring_peer, dirty_link);

		if (!p->ended && !p->tx_busy && bare_peer_answer(p->bare))
			peer_send(p);
	}
}

int bare_uring(int listener, uint8_t *payload)
{
	struct server *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->listener = listener;
	s->payload = payload;
	s->accept_op.done = accepted;
	list_init(&s->dirty);
	ret = ring_init(&s->ring, BUF_COUNT, BUF_BYTES);
	if (ret == 0)
		ret = ring_accept(&s->ring, &s->accept_op, listener);
	while (ret == 0 && s->error == 0) {
		answer(s);
		ret = ring_turn(&s->ring, true, NULL, NULL);
	}
	return ret ? ret : s->error; /* the process ends, and all with it */
}
