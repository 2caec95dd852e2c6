/* The parser with digests: the same PDUs however the stream is cut, and no bit can be wrong
 * without being seen. */
#include "tests/unit/target/iscsi/pdu_owner.h"

/* --- streams without a fault, in all combinations of digests --- */

static void byte_by_byte(unsigned digests)
{
	struct stream *s = mixed_stream(digests);
	struct owner *o = owner_new(digests);
	int done = 0;

	for (size_t i = 0; i < s->len; i++) {
		assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + i, 1), 0);
		if (i + 1 == s->data_at[done]) /* told of the header at its last byte, not before */
			assert_int_equal(o->headers, done + 1);
		if (i + 1 == s->ends[done])
			done++;
		assert_int_equal(o->pdus, done); /* at the digest's last byte, not before */
	}
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static void at_once(unsigned digests)
{
	struct stream *s = mixed_stream(digests);
	struct owner *o = owner_new(digests);

	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len), 0);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

static void in_random_cuts(unsigned digests)
{
	struct stream *s = mixed_stream(digests);

	for (unsigned seed = 0; seed < 30; seed++) {
		struct owner *o = owner_new(digests);
		size_t at = 0;

		srand(seed);
		while (at < s->len)
			at += step(o, s->bytes + at, s->len - at);
		assert_seen(o, s);
		owner_free(o);
	}
	stream_free(s);
}

static void however_it_is_cut(void **state)
{
	(void)state;
	for (unsigned digests = 0; digests < DIGESTS; digests++) {
		at_once(digests);
		byte_by_byte(digests);
		in_random_cuts(digests);
	}
}

/* --- faults --- */

static int feed_somehow(struct owner *o, const struct stream *s, unsigned seed)
{
	size_t at = 0;

	srand(seed);
	while (at < s->len) {
		size_t n = seed ? 1 + cut(s->len - at - 1, 90) : s->len;
		int rc = pdu_rx_feed(&o->rx, s->bytes + at, n);

		if (rc)
			return rc;
		at += n;
	}
	return 0;
}

/* A few PDUs; the second is looked at. */
static struct stream *short_stream(unsigned digests, unsigned ahs_words, uint32_t len)
{
	struct stream *s = stream_new(digests);

	srand(len);
	stream_add(s, 0, 5);
	stream_add(s, ahs_words, len);
	stream_add(s, 1, 7);
	return s;
}

/* Each bit of BHS, AHS and their digest: nothing of that PDU is told, nor of what follows. */
static void a_wrong_header_is_never_believed(void **state)
{
	(void)state;
	for (unsigned ahs_words = 0; ahs_words < 3; ahs_words++)
		for (unsigned digests = HEADER_DIGEST; digests < DIGESTS; digests += DATA_DIGEST) {
			struct stream *s = short_stream(digests, ahs_words, 10);

			for (size_t bit = s->ends[0] * 8; bit < s->data_at[1] * 8; bit++) {
				struct owner *o = owner_new(digests);
				int rc;

				s->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
				rc = feed_somehow(o, s, bit % 3);
				/* a wrong TotalAHSLength may ask for more than there is */
				if (bit / 8 != s->ends[0] + 4 || rc)
					assert_int_equal(rc, -EBADMSG);
				assert_int_equal(o->headers, 1);
				assert_int_equal(o->pdus, 1);
				if (rc)
					assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, 1), -EPROTO);
				s->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
				owner_free(o);
			}
			stream_free(s);
		}
}

/* Each bit of data, padding and their digest: that PDU is corrupt, and no other. */
static void wrong_data_are_told(void **state)
{
	(void)state;
	for (uint32_t len = 1; len < 40; len += 3)
		for (unsigned digests = DATA_DIGEST; digests < DIGESTS; digests++) {
			struct stream *s = short_stream(digests, 1, len);

			for (size_t bit = s->data_at[1] * 8; bit < s->ends[1] * 8; bit++) {
				struct owner *o = owner_new(digests);

				s->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
				assert_int_equal(feed_somehow(o, s, bit % 3), 0);
				assert_int_equal(o->pdus, 3);
				assert_false(o->seen[0].corrupt);
				assert_true(o->seen[1].corrupt);
				assert_false(o->seen[2].corrupt);
				s->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
				owner_free(o);
			}
			stream_free(s);
		}
}

/* Received straight into their places, or partly; dropped for want of one; all counts. */
static void wrong_data_are_told_wherever_they_went(void **state)
{
	struct stream *s = mixed_stream(HEADER_DIGEST | DATA_DIGEST);

	(void)state;
	for (unsigned seed = 1; seed < 200; seed++) {
		struct owner *o = owner_new(HEADER_DIGEST | DATA_DIGEST);
		int bad = (int)seed % s->pdus;
		size_t len = s->ends[bad] - s->data_at[bad], at = 0, where;

		srand(seed);
		where = s->data_at[bad] + (len ? (size_t)rand() % len : 0);
		if (len)
			s->bytes[where] ^= 0x20;
		while (at < s->len)
			at += step(o, s->bytes + at, s->len - at);
		assert_int_equal(o->pdus, s->pdus);
		for (int i = 0; i < s->pdus; i++)
			assert_int_equal(o->seen[i].corrupt, i == bad && len);
		if (len)
			s->bytes[where] ^= 0x20;
		owner_free(o);
	}
	stream_free(s);
}

/* The length is believed only behind the digest; but then it is held to the limit. */
static void too_long_with_a_right_digest(void **state)
{
	struct stream *s = stream_new(HEADER_DIGEST);
	struct owner *o = owner_new(HEADER_DIGEST);

	(void)state;
	stream_add(s, 2, 100);
	o->rx.max_data_bytes = 99;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->data_at[0] - 1), 0);
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes + s->data_at[0] - 1, 1), -EPROTO);
	assert_int_equal(o->headers, 0);
	owner_free(o);
	stream_free(s);
}

/* Digests begin between two PDUs: when the first has been told of. */
static int begin_digests(struct pdu_rx *rx)
{
	rx->header_digest = rx->data_digest = true;
	return on_pdu(rx);
}

static void from_the_next_pdu_on(void **state)
{
	struct stream *s = stream_new(0);
	struct owner *o = owner_new(0);

	(void)state;
	stream_add(s, 0, 21);
	s->digests = HEADER_DIGEST | DATA_DIGEST;
	stream_add(s, 1, 22);
	stream_add(s, 0, 0);
	o->rx.on_pdu = begin_digests;
	assert_int_equal(pdu_rx_feed(&o->rx, s->bytes, s->len), 0);
	assert_seen(o, s);
	owner_free(o);
	stream_free(s);
}

/* The examples of RFC 7143 A.4: a READ(10) as it stands there. */
static void published_example(void **state)
{
	static const uint8_t read10[52] = {
		0x01, 0xc0,	[16] = 0x14, [22] = 4, [27] = 0x14, [31] = 0x18,
		0x28, [40] = 2, [48] = 0x56, 0x3a,     0x96,	    0xd9,
	};
	struct owner *o = owner_new(HEADER_DIGEST);

	(void)state;
	assert_int_equal(pdu_rx_feed(&o->rx, read10, sizeof(read10)), 0);
	assert_int_equal(o->pdus, 1);
	owner_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(however_it_is_cut),
		cmocka_unit_test(a_wrong_header_is_never_believed),
		cmocka_unit_test(wrong_data_are_told),
		cmocka_unit_test(wrong_data_are_told_wherever_they_went),
		cmocka_unit_test(too_long_with_a_right_digest),
		cmocka_unit_test(from_the_next_pdu_on),
		cmocka_unit_test(published_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
