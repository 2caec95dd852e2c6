/* Sending and listening: the same for every engine. */
#pragma once

#include "tests/unit/backstore/base/engine_stop_tests.h"
#include "tests/unit/backstore/base/engine_stream_tests.h"

#include <signal.h>
#include <sys/resource.h>

struct send_result {
	struct io_send snd;
	unsigned calls;
	int res;
};

static void send_done(struct io_send *s, int res)
{
	struct send_result *x = container_of(s, struct send_result, snd);

	x->calls++;
	x->res = res;
}

struct reader {
	int fd;
	uint64_t total;
	bool slow;
	pthread_t thread;
};

static void *reader_main(void *arg)
{
	struct reader *rd = arg;
	uint8_t buf[30000];

	for (uint64_t pos = 0; pos < rd->total;) {
		ssize_t n = read(rd->fd, buf, sizeof(buf));

		if (n <= 0)
			return NULL;
		check_bytes(buf, pos, (size_t)n);
		pos += (uint64_t)n;
		if (rd->slow && pos % 7 == 0)
			usleep(1000);
	}
	return arg; /* all of it, and all right */
}

static inline void a_send_is_whole_to_a_slow_reader(void **state)
{
	enum { TOTAL = 8 << 20, PIECES = 1000 };
	struct rig *r = *state;
	uint8_t *buf = malloc(TOTAL);
	struct iovec *iov = calloc(PIECES, sizeof(*iov));
	struct send_result x = { .snd.done = send_done };
	struct reader rd = { .total = TOTAL, .slow = true };
	int fds[2], small = 20000;
	void *ok;

	fill_bytes(buf, 0, TOTAL);
	for (int i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ buf + i * 8000, 8000 };
	iov[PIECES - 1].iov_len = TOTAL - (PIECES - 1) * 8000;
	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rd.fd = fds[1];
	io_send(r->io, &x.snd, fds[0], iov, PIECES);
	assert_int_equal(x.calls, 0);
	turn_for(r, 20); /* full now */
	assert_int_equal(x.calls, 0);
	assert_int_equal(pthread_create(&rd.thread, NULL, reader_main, &rd), 0);
	TURN_UNTIL(r, x.calls);
	assert_int_equal(x.res, TOTAL);
	pthread_join(rd.thread, &ok);
	assert_non_null(ok);
	assert_int_equal(x.calls, 1);
	close(fds[0]);
	close(fds[1]);
	free(buf);
	free(iov);
}

/* And no signal: that would end this program. */
static inline void a_send_to_nobody_is_an_error(void **state)
{
	struct rig *r = *state;
	uint8_t *buf = calloc(1, 1 << 20);
	struct iovec v = { buf, 1 << 20 };
	struct send_result x = { .snd.done = send_done };
	int fds[2];

	signal(SIGPIPE, SIG_DFL);
	unix_pair(fds);
	io_send(r->io, &x.snd, fds[0], &v, 1);
	turn_for(r, 5);
	assert_int_equal(x.calls, 0);
	close(fds[1]);
	TURN_UNTIL(r, x.calls);
	assert_int_equal(x.res, -EPIPE);
	v = (struct iovec){ buf, 10 };
	x.calls = 0;
	io_send(r->io, &x.snd, fds[0], &v, 1);
	assert_int_equal(x.calls, 0);
	TURN_UNTIL(r, x.calls);
	assert_int_equal(x.res, -EPIPE);
	close(fds[0]);
	free(buf);
}

/* An echo: what comes is kept and sent back, one send at a time. */
struct echo {
	struct io_stream s;
	struct send_result x;
	struct io *io;
	struct iovec iov;
	uint8_t *kept;
	size_t kept_len, sent;
	bool sending, ended;
};

enum { CLIENTS = 8, ECHO_BYTES = 600000 };

struct echo_server {
	struct io_listener l;
	struct rig *r;
	struct echo conn[CLIENTS];
	unsigned accepted, ended, listener_ends, errors;
	unsigned stop_when; /* so many have come */
};

static void echo_more(struct echo *c)
{
	if (c->sending || c->sent == c->kept_len)
		return;
	c->sending = true;
	c->iov = (struct iovec){ c->kept + c->sent, c->kept_len - c->sent };
	io_send(c->io, &c->x.snd, c->s.fd, &c->iov, 1);
}

static void echo_sent(struct io_send *s, int res)
{
	struct echo *c = container_of(s, struct echo, x.snd);

	assert_true(res > 0);
	c->sending = false;
	c->sent += (size_t)res;
	echo_more(c);
}

static void echo_bytes(struct io_stream *s, const uint8_t *data, size_t len)
{
	struct echo *c = container_of(s, struct echo, s);

	assert_true(len <= ECHO_BYTES - c->kept_len);
	memcpy(c->kept + c->kept_len, data, len);
	c->kept_len += len;
	echo_more(c);
}

static void echo_end(struct io_stream *s, int res)
{
	assert_int_equal(res, 0);
	container_of(s, struct echo, s)->ended = true;
}

static void echo_accept(struct io_listener *l, int fd)
{
	struct echo_server *srv = container_of(l, struct echo_server, l);
	struct echo *c = &srv->conn[srv->accepted];

	if (fd < 0) {
		srv->errors++;
		return;
	}
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(srv->accepted < CLIENTS);
	*c = (struct echo){ .io = srv->r->io, .kept = malloc(ECHO_BYTES) };
	c->s = (struct io_stream){ .fd = fd, .on_bytes = echo_bytes, .on_end = echo_end };
	c->x.snd.done = echo_sent;
	io_stream_start(c->io, &c->s);
	if (++srv->accepted == srv->stop_when)
		io_listen_stop(l);
}

/* From here on the listener's memory is its owner's, to be spoilt at once. */
static void echo_listener_end(struct io_listener *l)
{
	container_of(l, struct echo_server, l)->listener_ends++;
	close(l->fd);
	memset(l, 0x5a, sizeof(*l));
}

static void echo_listen(struct echo_server *srv, struct rig *r, struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	*srv = (struct echo_server){ .r = r };
	assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof(*a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	getsockname(fd, (struct sockaddr *)a, &len);
	srv->l = (struct io_listener){ .fd = fd,
				       .on_accept = echo_accept,
				       .on_end = echo_listener_end };
	io_listen_start(r->io, &srv->l);
}

static int dial(const struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)a, sizeof(*a)), 0);
	return fd;
}

static inline void many_connections_are_echoed(void **state)
{
	struct rig *r = *state;
	struct echo_server *srv = malloc(sizeof(*srv));
	struct source src[CLIENTS];
	struct reader rd[CLIENTS];
	struct sockaddr_in a;

	echo_listen(srv, r, &a);
	srv->stop_when = CLIENTS;
	for (int i = 0; i < CLIENTS; i++) {
		int fd = dial(&a);

		src[i] = (struct source){ .fd = fd,
					  .total = ECHO_BYTES,
					  .seed = (uint64_t)i,
					  .max_cut = i % 2 ? 3000 : 100000 };
		rd[i] = (struct reader){ .fd = fd, .total = ECHO_BYTES };
		pthread_create(&src[i].thread, NULL, source_main, &src[i]);
		pthread_create(&rd[i].thread, NULL, reader_main, &rd[i]);
	}
	for (int i = 0; i < CLIENTS; i++) {
		void *ok;

		TURN_UNTIL(r, srv->accepted == CLIENTS && srv->conn[i].ended &&
				      srv->conn[i].sent == ECHO_BYTES);
		pthread_join(src[i].thread, NULL);
		pthread_join(rd[i].thread, &ok);
		assert_non_null(ok);
		close(srv->conn[i].s.fd);
		close(src[i].fd);
		free(srv->conn[i].kept);
	}
	TURN_UNTIL(r, srv->listener_ends);
	assert_int_equal(srv->listener_ends, 1);
	free(srv);
}

static void drop(struct rig *r, struct echo_server *srv)
{
	for (unsigned i = 0; i < srv->accepted; i++) {
		TURN_UNTIL(r, srv->conn[i].ended);
		close(srv->conn[i].s.fd);
		free(srv->conn[i].kept);
	}
}

static inline void listeners_stop_in_any_state(void **state)
{
	struct rig *r = *state;
	struct echo_server *srv = malloc(sizeof(*srv));
	struct sockaddr_in a;

	for (int how = 0; how < 3; how++) {
		int client = -1;

		echo_listen(srv, r, &a);
		if (how > 0)
			turn_for(r, 2);
		if (how > 1) /* stopped with a connection at the door */
			client = dial(&a);
		io_listen_stop(&srv->l);
		io_listen_stop(&srv->l);
		assert_int_equal(srv->listener_ends, 0);
		TURN_UNTIL(r, srv->listener_ends);
		close(client);
		turn_for(r, 2);
		assert_int_equal(srv->listener_ends, 1);
		assert_int_equal(srv->accepted, 0);
	}
	free(srv);
}

static inline void a_stop_in_on_accept_leaves_the_rest_out(void **state)
{
	struct rig *r = *state;
	struct echo_server *srv = malloc(sizeof(*srv));
	struct sockaddr_in a;
	int client[4];
	char c;

	echo_listen(srv, r, &a);
	srv->stop_when = 2;
	turn_for(r, 2);
	for (int i = 0; i < 4; i++)
		client[i] = dial(&a);
	TURN_UNTIL(r, srv->listener_ends);
	assert_int_equal(srv->accepted, 2);
	assert_true(read(client[2], &c, 1) <= 0 && read(client[3], &c, 1) <= 0);
	for (int i = 0; i < 4; i++)
		close(client[i]);
	drop(r, srv);
	free(srv);
}

/* A listener with a client at the door and no descriptor for it. io_uring looks at
 * the limit when it is armed, so that is lowered before the first turn. */
static int listen_without_fds(struct echo_server *srv, struct rig *r, struct rlimit *was)
{
	struct rlimit none;
	struct sockaddr_in a;
	int client;

	echo_listen(srv, r, &a);
	client = dial(&a);
	getrlimit(RLIMIT_NOFILE, was);
	none = *was;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	return client;
}

static inline void a_listener_outlives_emfile(void **state)
{
	struct rig *r = *state;
	struct echo_server *srv = malloc(sizeof(*srv));
	struct rlimit was;
	uint64_t start_ns;
	int client = listen_without_fds(srv, r, &was);

	start_ns = io_now_ns(r->io);
	TURN_UNTIL(r, srv->errors == 3);
	assert_true(io_now_ns(r->io) - start_ns >= ms(150)); /* no busy loop */
	assert_int_equal(srv->accepted, 0);
	setrlimit(RLIMIT_NOFILE, &was);
	TURN_UNTIL(r, srv->accepted == 1);
	close(client);
	drop(r, srv);
	io_listen_stop(&srv->l);
	TURN_UNTIL(r, srv->listener_ends);

	/* It can be stopped while it waits for better times. */
	client = listen_without_fds(srv, r, &was);
	TURN_UNTIL(r, srv->errors == 1);
	setrlimit(RLIMIT_NOFILE, &was);
	io_listen_stop(&srv->l);
	assert_int_equal(srv->listener_ends, 0);
	TURN_UNTIL(r, srv->listener_ends);
	turn_for(r, 150);
	assert_int_equal(srv->listener_ends, 1);
	assert_int_equal(srv->accepted, 0);
	close(client);
	free(srv);
}

struct hook {
	unsigned calls;
	struct send_result x;
	struct iovec v;
	int fd;
};

static void hook_sends(struct io *io, void *arg)
{
	struct hook *h = arg;

	if (++h->calls == 1)
		io_send(io, &h->x.snd, h->fd, &h->v, 1);
}

static inline void the_hook_runs_once_a_turn_and_may_start_things(void **state)
{
	struct rig *r = *state;
	char text[] = "x", got;
	struct hook h = { .x.snd.done = send_done, .v = { text, 1 } };
	int fds[2];

	unix_pair(fds);
	h.fd = fds[0];
	r->io->before_submit = hook_sends;
	r->io->before_submit_arg = &h;
	assert_int_equal(io_turn(r->io, false), 0);
	assert_int_equal(h.calls, 1);
	/* handed to the kernel in that same turn */
	assert_int_equal(recv(fds[1], &got, 1, MSG_DONTWAIT), 1);
	TURN_UNTIL(r, h.x.calls);
	assert_int_equal(h.x.res, 1);
	h.calls = 10;
	assert_int_equal(io_turn(r->io, false), 0);
	assert_int_equal(h.calls, 11);
	r->io->before_submit = NULL;
	close(fds[0]);
	close(fds[1]);
}

#define NET_TESTS                                                                                  \
	cmocka_unit_test(bytes_arrive_whole_and_in_order),                                         \
		cmocka_unit_test(exact_pieces_land_in_place_however_cut),                          \
		cmocka_unit_test(exact_takes_what_is_already_received),                            \
		cmocka_unit_test(the_end_tells_why),                                               \
		cmocka_unit_test(many_streams_all_get_their_bytes),                                \
		cmocka_unit_test(stop_ends_a_stream_in_any_state),                                 \
		cmocka_unit_test(a_callback_may_stop_another_stream),                              \
		cmocka_unit_test(a_stop_in_on_accept_leaves_the_rest_out),                         \
		cmocka_unit_test(a_send_is_whole_to_a_slow_reader),                                \
		cmocka_unit_test(a_send_to_nobody_is_an_error),                                    \
		cmocka_unit_test(many_connections_are_echoed),                                     \
		cmocka_unit_test(listeners_stop_in_any_state),                                     \
		cmocka_unit_test(a_listener_outlives_emfile),                                      \
		cmocka_unit_test(the_hook_runs_once_a_turn_and_may_start_things)
