/* Receiving: the same for every engine. */
#pragma once

#include "tests/unit/backstore/base/engine_rig.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

/* Two connected sockets. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&a, sizeof(a)), 0);
	fds[0] = accept(l, NULL, NULL);
	assert_true(fds[0] >= 0);
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(l);
}

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void put_bytes(int fd, uint64_t pos, size_t len)
{
	uint8_t buf[4096];

	while (len) {
		size_t n = MIN(len, sizeof(buf));

		fill_bytes(buf, pos, n);
		assert_int_equal(write(fd, buf, n), n);
		pos += n;
		len -= n;
	}
}

enum {
	MAX_PIECES = 30, /* more than an engine's own array holds */
	GUARD = 64,
	GUARD_BYTE = 0xee,
};

/* A receiver that checks every byte, and asks for exact pieces as told. */
struct sink {
	struct io_stream s;
	uint64_t pos; /* bytes so far */
	uint64_t seed;
	/* The next exact pieces, longest first served; 0-terminated. Or at random. */
	size_t plan[4];
	bool random;
	unsigned stop_in_bytes, stop_in_exact; /* stop in the n-th call, 0 = never */

	uint8_t *mem; /* of the exact piece */
	size_t mem_len;
	struct iovec iov[MAX_PIECES];
	unsigned bytes_calls, exact_calls, ends;
	bool stopped;
	int res;
	void *neighbours; /* for tests of more than one */
};

static void sink_ask(struct sink *k, size_t len)
{
	size_t at = 0;
	int n = 0;

	k->mem = malloc(len + 2 * GUARD);
	k->mem_len = len;
	memset(k->mem, GUARD_BYTE, len + 2 * GUARD);
	while (at < len) {
		size_t piece = n == MAX_PIECES - 1 ? len - at : 1 + rnd(&k->seed) % (len - at);

		if (k->seed & 0x100000 && piece > len / 16 && n < MAX_PIECES - 1)
			piece = MIN(len - at, len / 16 + 1);
		k->iov[n++] = (struct iovec){ k->mem + GUARD + at, piece };
		at += piece;
	}
	io_stream_exact(&k->s, k->iov, n, len);
}

static void sink_maybe_ask(struct sink *k)
{
	size_t len = k->plan[0];

	if (k->random && rnd(&k->seed) % 3 == 0)
		len = 1 + rnd(&k->seed) % (rnd(&k->seed) % 4 ? 20000 : 300000);
	memmove(k->plan, k->plan + 1, sizeof(k->plan) - sizeof(k->plan[0]));
	k->plan[3] = 0;
	if (len)
		sink_ask(k, len);
}

static void sink_stop(struct sink *k)
{
	k->stopped = true;
	io_stream_stop(&k->s);
	assert_int_equal(k->ends, 0); /* never from inside */
}

static void sink_bytes(struct io_stream *s, const uint8_t *data, size_t len)
{
	struct sink *k = container_of(s, struct sink, s);

	assert_true(len > 0);
	assert_false(k->stopped || k->ends);
	assert_null(k->mem);
	check_bytes(data, k->pos, len);
	k->pos += len;
	sink_maybe_ask(k);
	if (++k->bytes_calls == k->stop_in_bytes)
		sink_stop(k);
}

static void sink_check_guards(const struct sink *k)
{
	for (size_t i = 0; i < GUARD; i++) {
		assert_int_equal(k->mem[i], GUARD_BYTE);
		assert_int_equal(k->mem[GUARD + k->mem_len + i], GUARD_BYTE);
	}
}

static void sink_exact(struct io_stream *s)
{
	struct sink *k = container_of(s, struct sink, s);

	assert_false(k->stopped || k->ends);
	check_bytes(k->mem + GUARD, k->pos, k->mem_len);
	sink_check_guards(k);
	k->pos += k->mem_len;
	free(k->mem);
	k->mem = NULL;
	sink_maybe_ask(k);
	if (++k->exact_calls == k->stop_in_exact)
		sink_stop(k);
}

static void sink_end(struct io_stream *s, int res)
{
	struct sink *k = container_of(s, struct sink, s);

	k->ends++;
	k->res = res;
}

static struct sink sink_of(int fd)
{
	return (struct sink){ .s = { .fd = fd,
				     .on_bytes = sink_bytes,
				     .on_exact = sink_exact,
				     .on_end = sink_end } };
}

struct source {
	int fd;
	uint64_t total, seed;
	size_t max_cut;
	pthread_t thread;
};

static void *source_main(void *arg)
{
	struct source *src = arg;

	for (uint64_t pos = 0; pos < src->total;) {
		size_t n = 1 + rnd(&src->seed) % src->max_cut;

		n = MIN(n, src->total - pos);
		put_bytes(src->fd, pos, n);
		pos += n;
		if (rnd(&src->seed) % 16 == 0)
			usleep(rnd(&src->seed) % 500);
	}
	shutdown(src->fd, SHUT_WR);
	return NULL;
}

static unsigned receive_all(struct rig *r, void (*pair)(int[2]), bool exact, uint64_t seed)
{
	struct source src = { .total = 2000000, .seed = seed, .max_cut = seed % 3 ? 70000 : 600 };
	struct sink *k = malloc(sizeof(*k));
	unsigned exact_calls;
	int fds[2];

	if (src.max_cut == 600)
		src.total = 200000;
	pair(fds);
	*k = sink_of(fds[0]);
	k->random = exact;
	k->seed = seed;
	src.fd = fds[1];
	assert_int_equal(pthread_create(&src.thread, NULL, source_main, &src), 0);
	io_stream_start(r->io, &k->s);
	TURN_UNTIL(r, k->ends);
	pthread_join(src.thread, NULL);
	assert_int_equal(k->res, 0);
	/* Where the peer closed within an exact piece, that is not complete. */
	if (k->mem) {
		check_bytes(k->mem + GUARD, k->pos, src.total - k->pos);
		sink_check_guards(k);
	} else {
		assert_int_equal(k->pos, src.total);
	}
	turn_for(r, 1);
	assert_int_equal(k->ends, 1);
	exact_calls = k->exact_calls;
	free(k->mem);
	free(k);
	close(fds[0]);
	close(fds[1]);
	return exact_calls;
}

static inline void bytes_arrive_whole_and_in_order(void **state)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		receive_all(*state, tcp_pair, false, seed);
		receive_all(*state, unix_pair, false, seed);
	}
}

static inline void exact_pieces_land_in_place_however_cut(void **state)
{
	unsigned exact_calls = 0;

	for (uint64_t seed = 1; seed <= 24; seed++) {
		exact_calls += receive_all(*state, tcp_pair, true, seed);
		exact_calls += receive_all(*state, unix_pair, true, seed + 1000);
	}
	assert_true(exact_calls > 100);
}

/* The first chunk asks for a piece; of it, more chunks are already on their way. */
static inline void exact_takes_what_is_already_received(void **state)
{
	static const size_t before[] = { 100, 8192, 8193, 20000, 60000 };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		struct sink k;
		int fds[2];

		tcp_pair(fds);
		k = sink_of(fds[0]);
		k.seed = i;
		/* then two pieces right after another, the second a tiny one, then bytes */
		k.plan[0] = 30000;
		k.plan[1] = 9000;
		k.plan[2] = 1;
		put_bytes(fds[1], 0, before[i]);
		io_stream_start(r->io, &k.s);
		TURN_UNTIL(r, k.pos + k.s.exact_done >= before[i]);
		put_bytes(fds[1], before[i], 100000 - before[i]);
		TURN_UNTIL(r, k.pos == 100000);
		assert_int_equal(k.exact_calls, 3);
		/* again: now the stream is armed in another way */
		k.plan[0] = 50000;
		put_bytes(fds[1], 100000, 60000);
		TURN_UNTIL(r, k.pos == 160000);
		assert_int_equal(k.exact_calls, 4);
		shutdown(fds[1], SHUT_WR);
		TURN_UNTIL(r, k.ends);
		assert_int_equal(k.res, 0);
		close(fds[0]);
		close(fds[1]);
	}
}

static inline void the_end_tells_why(void **state)
{
	struct rig *r = *state;
	struct linger hard = { 1, 0 };
	struct sink k;
	int fds[2];

	tcp_pair(fds); /* closed within an exact piece */
	k = sink_of(fds[0]);
	k.plan[0] = 10000;
	put_bytes(fds[1], 0, 500);
	io_stream_start(r->io, &k.s);
	TURN_UNTIL(r, k.pos == 500);
	put_bytes(fds[1], 500, 5000);
	close(fds[1]);
	TURN_UNTIL(r, k.ends);
	assert_int_equal(k.res, 0);
	assert_int_equal(k.exact_calls, 0);
	check_bytes(k.mem + GUARD, 500, 5000);
	free(k.mem);
	close(fds[0]);

	tcp_pair(fds); /* reset */
	k = sink_of(fds[0]);
	io_stream_start(r->io, &k.s);
	turn_for(r, 5);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fds[1]);
	TURN_UNTIL(r, k.ends);
	assert_int_equal(k.res, -ECONNRESET);
	io_stream_stop(&k.s); /* harmless */
	turn_for(r, 2);
	assert_int_equal(k.ends, 1);
	close(fds[0]);

	k = sink_of(9999);
	io_stream_start(r->io, &k.s);
	assert_int_equal(k.ends, 0);
	TURN_UNTIL(r, k.ends);
	assert_int_equal(k.res, -EBADF);
}

/* More data at once than there are buffers, on more streams than buffers. */
static inline void many_streams_all_get_their_bytes(void **state)
{
	enum { STREAMS = 300, EACH = 40000 };
	struct rig *r = *state;
	struct sink *k = calloc(STREAMS, sizeof(*k));
	int(*fds)[2] = calloc(STREAMS, sizeof(*fds));

	for (int i = 0; i < STREAMS; i++) {
		unix_pair(fds[i]);
		k[i] = sink_of(fds[i][0]);
		k[i].random = i % 2;
		k[i].seed = (uint64_t)i;
		put_bytes(fds[i][1], 0, EACH);
		shutdown(fds[i][1], SHUT_WR);
		io_stream_start(r->io, &k[i].s);
	}
	for (int i = 0; i < STREAMS; i++) {
		TURN_UNTIL(r, k[i].ends);
		assert_int_equal(k[i].res, 0);
		if (k[i].mem)
			check_bytes(k[i].mem + GUARD, k[i].pos, EACH - k[i].pos);
		else
			assert_int_equal(k[i].pos, EACH);
		free(k[i].mem);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	free(k);
	free(fds);
}
