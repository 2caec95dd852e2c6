/* The parser must not care how the stream is cut.
 *
 * A stream of many PDUs (all lengths mod 4, with and without AHS, places cut in pieces,
 * too short, missing) is fed whole; then byte by byte, in random cuts, and with parts received
 * straight into their places. What the callbacks see must be the same each time. */
#include "tests/unit/target/iscsi/pdu_stream.h"

#include <errno.h>

/* What one PDU looked like to the owner. */
struct seen {
	struct bhs bhs;
	uint32_t ahs_len, data_len, placed_len;
	uint8_t ahs[ISCSI_AHS_MAX_BYTES];
	uint8_t *data; /* MAX_DATA: what arrived in the places, joined */
};

struct owner {
	struct pdu_rx rx;
	struct seen seen[MAX_PDUS];
	int headers, pdus;
	int refuse_header_at, refuse_pdu_at; /* -1: never */
	uint8_t *room;			     /* the places */
};

/* How the owner places the data of PDU @n is a function of @n: pieces, and how much. */
static void place(struct owner *o, int n)
{
	struct pdu_rx *rx = &o->rx;
	uint32_t want = n % 5 == 0 ? rx->data_len / 2 : n % 7 == 3 ? 0 : rx->data_len;
	uint32_t at = 0;
	int pieces = 1 + n % PDU_RX_MAX_IOV;

	o->seen[n].placed_len = want;
	rx->dst_cnt = 0;
	if (!want)
		return;
	for (int i = 0; i < pieces; i++) {
		uint32_t len = i == pieces - 1 ? want - at : (i == 1 ? 0 : (want - at) / 3);

		rx->dst[rx->dst_cnt++] = (struct iovec){ .iov_base = o->room + at, .iov_len = len };
		at += len;
	}
	assert_int_equal(at, want);
}

static int on_header(struct pdu_rx *rx)
{
	struct owner *o = container_of(rx, struct owner, rx);
	struct seen *s = &o->seen[o->headers];

	assert_int_equal(o->headers, o->pdus);
	assert_true(o->headers < MAX_PDUS);
	assert_true(rx->data_len <= rx->max_data_bytes);
	assert_int_equal(rx->dst_cnt, 0);
	if (o->headers == o->refuse_header_at)
		return -EACCES;
	s->bhs = rx->bhs;
	s->ahs_len = rx->ahs_len;
	s->data_len = rx->data_len;
	memcpy(s->ahs, rx->ahs, rx->ahs_len);
	place(o, o->headers++);
	return 0;
}

static int on_pdu(struct pdu_rx *rx)
{
	struct owner *o = container_of(rx, struct owner, rx);
	struct seen *s = &o->seen[o->pdus];
	struct iovec iov[PDU_RX_MAX_IOV];
	int cnt;

	assert_int_equal(o->headers, o->pdus + 1);
	assert_memory_equal(&s->bhs, &rx->bhs, sizeof(rx->bhs));
	assert_int_equal(pdu_rx_wants(rx, iov, &cnt), 0);
	if (o->pdus == o->refuse_pdu_at)
		return -ECONNREFUSED;
	s->data = malloc(MAX_DATA);
	assert_non_null(s->data);
	memcpy(s->data, o->room, s->placed_len);
	memset(o->room, 0xee, MAX_DATA);
	o->pdus++;
	return 0;
}

static struct owner *owner_new(void)
{
	struct owner *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->room = malloc(MAX_DATA);
	assert_non_null(o->room);
	o->refuse_header_at = o->refuse_pdu_at = -1;
	o->rx.max_data_bytes = MAX_DATA;
	o->rx.on_header = on_header;
	o->rx.on_pdu = on_pdu;
	pdu_rx_init(&o->rx);
	return o;
}

static void owner_free(struct owner *o)
{
	for (int i = 0; i < o->pdus; i++)
		free(o->seen[i].data);
	free(o->room);
	free(o);
}

/* The stream says itself what must have been seen. */
static void assert_seen(const struct owner *o, const struct stream *s)
{
	const uint8_t *at = s->bytes;

	assert_int_equal(o->headers, s->pdus);
	assert_int_equal(o->pdus, s->pdus);
	for (int i = 0; i < s->pdus; i++) {
		const struct seen *x = &o->seen[i];

		assert_memory_equal(&x->bhs, at, 48);
		assert_int_equal(x->ahs_len, at[4] * 4);
		assert_int_equal(x->data_len, get_be24(at + 5));
		assert_memory_equal(x->ahs, at + 48, x->ahs_len);
		assert_memory_equal(x->data, at + 48 + x->ahs_len, x->placed_len);
		at = s->bytes + s->ends[i];
	}
}

static void test_whole(void **state)
{
	struct stream *s = mixed_stream();
	struct owner *o = owner_new();

	(void)state;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len), 0);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static void test_byte_by_byte(void **state)
{
	struct stream *s = mixed_stream();
	struct owner *o = owner_new();
	int done = 0;

	(void)state;
	for (size_t i = 0; i < s->len; i++) {
		uint8_t *one = malloc(1);

		assert_non_null(one);
		*one = s->bytes[i];
		assert_int_equal(pdu_rx_feed(&o->rx, one, 1), 0);
		free(one);
		if (i + 1 == s->ends[done])
			done++;
		assert_int_equal(o->pdus, done); /* at the last byte, padding too, not before */
	}
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static size_t cut(size_t left, size_t below)
{
	size_t n = (size_t)rand() % below;

	return MIN(left, n);
}

static void test_random_cuts(void **state)
{
	struct stream *s = mixed_stream();

	(void)state;
	for (unsigned seed = 0; seed < 60; seed++) {
		struct owner *o = owner_new();
		size_t at = 0;

		srand(seed);
		while (at < s->len) {
			size_t most = seed % 3 ? 200 : 20000;
			size_t n = cut(s->len - at, most);

			assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + at, n), 0);
			at += n;
		}
		assert_seen(o, s);
		owner_free(o);
	}
	stream_free(s);
}

/* One step of a receiver that takes the parser's offer when it feels like it. */
static size_t step(struct owner *o, const uint8_t *at, size_t left)
{
	struct iovec iov[PDU_RX_MAX_IOV];
	int cnt;
	size_t wants = pdu_rx_wants(&o->rx, iov, &cnt), n, sum = 0, done = 0;

	assert_in_range(cnt, 0, PDU_RX_MAX_IOV);
	for (int i = 0; i < cnt; i++) {
		assert_true(iov[i].iov_len > 0);
		sum += iov[i].iov_len;
	}
	assert_int_equal(sum, wants);
	if (!wants || rand() % 2) {
		n = cut(left, 3000);
		assert_int_equal(pdu_rx_feed(&o->rx, at, n), 0);
		return n;
	}
	n = cut(left, wants + 1);
	for (int i = 0; i < cnt && done < n; i++) {
		size_t part = MIN(n - done, iov[i].iov_len);

		memcpy(iov[i].iov_base, at + done, part);
		done += part;
	}
	assert_int_equal(pdu_rx_placed(&o->rx, n), 0);
	return n;
}

static void test_placed_mixed_in(void **state)
{
	struct stream *s = mixed_stream();

	(void)state;
	for (unsigned seed = 0; seed < 60; seed++) {
		struct owner *o = owner_new();
		size_t at = 0;

		srand(seed);
		while (at < s->len)
			at += step(o, s->bytes + at, s->len - at);
		assert_seen(o, s);
		owner_free(o);
	}
	stream_free(s);
}

/* wants covers payload with a place, nothing else. */
static void test_wants_exactly(void **state)
{
	struct stream *s = stream_new();
	struct owner *o = owner_new();
	struct iovec iov[PDU_RX_MAX_IOV];
	int cnt;

	(void)state;
	stream_add(s, 1, 101); /* PDU 0 has places for the first half: 50 bytes */
	stream_add(s, 0, 6);
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 0);
	assert_int_equal(cnt, 0);
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, 51), 0);
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 0); /* in the AHS */
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + 51, 1), 0);
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 50);
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + 52, 10), 0);
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 40);
	memcpy(iov[0].iov_base, s->bytes + 62, 40);
	assert_int_equal(pdu_rx_placed(&o->rx, 0), 0);
	assert_int_equal(pdu_rx_placed(&o->rx, 40), 0);
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 0); /* the rest has no place */
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + 102, 51 + 2), 0);
	assert_int_equal(o->pdus, 0); /* a byte of padding is missing */
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + 155, 1 + 48), 0);
	assert_int_equal(o->pdus, 1);
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 6);
	assert_int_equal(cnt, 2);
	memcpy(iov[0].iov_base, s->bytes + s->ends[0] + 48, 2);
	memcpy(iov[1].iov_base, s->bytes + s->ends[0] + 50, 4);
	assert_int_equal(pdu_rx_placed(&o->rx, 6), 0);
	assert_int_equal(o->pdus, 1); /* never the padding */
	assert_int_equal(pdu_rx_wants(&o->rx, iov, &cnt), 0);
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + s->len - 2, 2), 0);
	assert_int_equal(o->pdus, 2);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static void test_placed_too_much(void **state)
{
	struct stream *s = stream_new();
	struct owner *o = owner_new();

	(void)state;
	stream_add(s, 0, 100);
	assert_int_equal(pdu_rx_placed(&o->rx, 1), -EINVAL);
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, 48), 0);
	assert_int_equal(pdu_rx_placed(&o->rx, 51), -EINVAL); /* places for half */
	assert_int_equal(pdu_rx_placed(&o->rx, SIZE_MAX), -EINVAL);
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + 48, 100), 0);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

/* Nothing placed is nothing done, in every part of a PDU. */
static void test_placed_nothing(void **state)
{
	struct stream *s = stream_new();
	struct owner *o = owner_new();

	(void)state;
	stream_add(s, 1, 0);
	stream_add(s, 1, 1);
	for (size_t i = 0; i < s->len; i++) {
		assert_int_equal(pdu_rx_placed(&o->rx, 0), 0);
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + i, 1), 0);
	}
	assert_int_equal(pdu_rx_placed(&o->rx, 0), 0);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static void test_too_long(void **state)
{
	(void)state;
	for (uint32_t excess = 1; excess < 1u << 24; excess <<= 1) {
		struct stream *s = stream_new();
		struct owner *o = owner_new();
		uint32_t len = MAX_DATA + excess;

		stream_add(s, 3, 10);
		stream_add(s, 3, 10);
		if (len >= 1u << 24)
			len = (1u << 24) - 1;
		put_be24(s->bytes + s->ends[0] + 5, len);
		/* said at the 48th byte of the header, before the AHS */
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->ends[0] + 47), 0);
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + s->ends[0] + 47, 1), -EPROTO);
		assert_int_equal(o->headers, 1);
		/* and for ever */
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->ends[0]), -EPROTO);
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, 0), -EPROTO);
		assert_int_equal(pdu_rx_placed(&o->rx, 0), -EPROTO);
		assert_int_equal(o->headers, 1);
		owner_free(o);
		stream_free(s);
	}
}

static void test_limit_changes_between_pdus(void **state)
{
	struct stream *s = stream_new();
	struct owner *o = owner_new();

	(void)state;
	stream_add(s, 0, 512);
	stream_add(s, 0, 513);
	o->rx.max_data_bytes = 512;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->ends[0]), 0);
	o->rx.max_data_bytes = 513;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + s->ends[0], s->len - s->ends[0]), 0);
	assert_int_equal(o->pdus, 2);
	o->rx.max_data_bytes = 0;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, 48), -EPROTO);
	owner_free(o);
	stream_free(s);
}

static void test_callbacks_refuse(void **state)
{
	struct stream *s = mixed_stream();

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct owner *o = owner_new();

		if (i % 2)
			o->refuse_header_at = i;
		else
			o->refuse_pdu_at = i;
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len),
				 i % 2 ? -EACCES : -ECONNREFUSED);
		assert_int_equal(o->pdus, i);
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len), -EPROTO);
		assert_int_equal(o->pdus, i);
		owner_free(o);
	}
	stream_free(s);
}

static void test_refusal_through_placed(void **state)
{
	struct stream *s = stream_new();
	struct owner *o = owner_new();

	(void)state;
	stream_add(s, 0, 0);
	stream_add(s, 0, 8); /* PDU 1: all placed, and nothing to pad */
	o->refuse_pdu_at = 1;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->ends[0] + 48), 0);
	assert_int_equal(pdu_rx_placed(&o->rx, 8), -ECONNREFUSED);
	assert_int_equal(pdu_rx_placed(&o->rx, 0), -EPROTO);
	owner_free(o);
	stream_free(s);
}

/* An owner's mistake must not become a write past the segment. */
static int greedy_header(struct pdu_rx *rx)
{
	static uint8_t room[64];

	rx->dst_cnt = 1;
	rx->dst[0] = (struct iovec){ .iov_base = room, .iov_len = rx->data_len + 1 };
	return 0;
}

static void test_places_beyond_the_data(void **state)
{
	struct stream *s = stream_new();
	struct owner *o = owner_new();

	(void)state;
	stream_add(s, 0, 10);
	o->rx.on_header = greedy_header;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len), -EINVAL);
	owner_free(o);
	stream_free(s);
}

static int count_header(struct pdu_rx *rx)
{
	container_of(rx, struct owner, rx)->headers++;
	return 0;
}

static int count_pdu(struct pdu_rx *rx)
{
	container_of(rx, struct owner, rx)->pdus++;
	return 0;
}

static void test_header_flood(void **state)
{
	enum { N = 100000 };
	uint8_t *flood = calloc(N, 48);
	struct owner *o = owner_new();

	(void)state;
	assert_non_null(flood);
	o->rx.on_header = count_header;
	o->rx.on_pdu = count_pdu;
	assert_int_equal(pdu_rx_feed(&o->rx, flood, (size_t)N * 48), 0);
	assert_int_equal(o->headers, N);
	assert_int_equal(o->pdus, N);
	o->pdus = 0; /* nothing in seen to free */
	owner_free(o);
	free(flood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_random_cuts),
		cmocka_unit_test(test_placed_mixed_in),
		cmocka_unit_test(test_wants_exactly),
		cmocka_unit_test(test_placed_too_much),
		cmocka_unit_test(test_placed_nothing),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_limit_changes_between_pdus),
		cmocka_unit_test(test_callbacks_refuse),
		cmocka_unit_test(test_refusal_through_placed),
		cmocka_unit_test(test_places_beyond_the_data),
		cmocka_unit_test(test_header_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
