/* The parser must not care how the stream is cut.
 *
 * A stream of many PDUs (all lengths mod 4, with and without AHS, places cut in pieces,
 * too short, missing) is fed whole; then byte by byte, in random cuts, and with parts received
 * straight into their places. What the callbacks see must be the same each time. */
#include "tests/unit/target/iscsi/pdu_owner.h"

#include <errno.h>

static void test_whole(void **state)
{
	struct stream *s = mixed_stream(0);
	struct owner *o = owner_new(0);

	(void)state;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len), 0);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static void test_byte_by_byte(void **state)
{
	struct stream *s = mixed_stream(0);
	struct owner *o = owner_new(0);
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

static void test_random_cuts(void **state)
{
	struct stream *s = mixed_stream(0);

	(void)state;
	for (unsigned seed = 0; seed < 60; seed++) {
		struct owner *o = owner_new(0);
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

static void test_placed_mixed_in(void **state)
{
	struct stream *s = mixed_stream(0);

	(void)state;
	for (unsigned seed = 0; seed < 60; seed++) {
		struct owner *o = owner_new(0);
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
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);
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
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);

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
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);

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
		struct stream *s = stream_new(0);
		struct owner *o = owner_new(0);
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
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);

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
	struct stream *s = mixed_stream(0);

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct owner *o = owner_new(0);

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
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);

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
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);

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
	struct owner *o = owner_new(0);

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
