/* An owner of a parser that notes what it is told, for test_pdu_rx*.c. */
#pragma once

#include "tests/unit/target/iscsi/pdu_stream.h"

#include <errno.h>

/* What one PDU looked like to the owner. */
struct seen {
	struct bhs bhs;
	uint32_t ahs_len, data_len, placed_len;
	uint8_t ahs[ISCSI_AHS_MAX_BYTES];
	bool corrupt;
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
static inline void place(struct owner *o, int n)
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

static inline int on_header(struct pdu_rx *rx)
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

static inline int on_pdu(struct pdu_rx *rx)
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
	s->corrupt = rx->data_corrupt;
	s->data = malloc(MAX_DATA);
	assert_non_null(s->data);
	memcpy(s->data, o->room, s->placed_len);
	memset(o->room, 0xee, MAX_DATA);
	o->pdus++;
	return 0;
}

static inline struct owner *owner_new(unsigned digests)
{
	struct owner *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->room = malloc(MAX_DATA);
	assert_non_null(o->room);
	o->refuse_header_at = o->refuse_pdu_at = -1;
	o->rx.max_data_bytes = MAX_DATA;
	o->rx.header_digest = digests & HEADER_DIGEST;
	o->rx.data_digest = digests & DATA_DIGEST;
	o->rx.on_header = on_header;
	o->rx.on_pdu = on_pdu;
	pdu_rx_init(&o->rx);
	return o;
}

static inline void owner_free(struct owner *o)
{
	for (int i = 0; i < o->pdus; i++)
		free(o->seen[i].data);
	free(o->room);
	free(o);
}

/* The stream says itself what must have been seen. */
static inline void assert_seen(const struct owner *o, const struct stream *s)
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
		assert_false(x->corrupt);
		assert_memory_equal(x->data, s->bytes + s->data_at[i], x->placed_len);
		at = s->bytes + s->ends[i];
	}
}

static inline size_t cut(size_t left, size_t below)
{
	size_t n = (size_t)rand() % below;

	return MIN(left, n);
}

/* One step of a receiver that takes the parser's offer when it feels like it. */
static inline size_t step(struct owner *o, const uint8_t *at, size_t left)
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
