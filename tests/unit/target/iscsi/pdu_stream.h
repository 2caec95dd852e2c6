/* Streams of PDUs for test_pdu_rx.c, made with a seed. */
#pragma once

#include "target/iscsi/pdu_rx.h"

#include "backstore/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_DATA = 70000, MAX_PDUS = 64, STREAM_CAP = 1 << 20 };

/* Digests in the stream: bits. */
enum { HEADER_DIGEST = 1, DATA_DIGEST = 2, DIGESTS = 4 };

struct stream {
	unsigned digests;
	uint8_t *bytes;
	size_t len;
	int pdus;
	size_t ends[MAX_PDUS];
	size_t data_at[MAX_PDUS]; /* behind the header and its digest */
};

static void stream_sign(struct stream *s, size_t from)
{
	crc32c_put(s->bytes + s->len, crc32c_add(CRC32C_START, s->bytes + from, s->len - from));
	s->len += 4;
}

/* One PDU of random content. */
static void stream_add(struct stream *s, unsigned ahs_words, uint32_t data_len)
{
	struct bhs bhs;
	uint8_t *at = s->bytes + s->len;
	size_t header_len = sizeof(bhs) + ahs_words * 4, start = s->len;
	size_t padded_len = (data_len + 3) & ~3u;

	assert_true(s->len + header_len + padded_len + 8 <= STREAM_CAP);
	for (size_t i = 0; i < header_len; i++)
		at[i] = (uint8_t)(rand() >> 7);
	memcpy(&bhs, at, sizeof(bhs));
	bhs.ahs_words = (uint8_t)ahs_words;
	bhs.data_len = be24_of(data_len);
	memcpy(at, &bhs, sizeof(bhs));
	s->len += header_len;
	if (s->digests & HEADER_DIGEST)
		stream_sign(s, start);
	s->data_at[s->pdus] = start = s->len;
	for (size_t i = 0; i < padded_len; i++)
		s->bytes[s->len++] = (uint8_t)(rand() >> 7);
	if (s->digests & DATA_DIGEST && data_len)
		stream_sign(s, start);
	s->ends[s->pdus++] = s->len;
}

static struct stream *stream_new(unsigned digests)
{
	struct stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->digests = digests;
	s->bytes = malloc(STREAM_CAP);
	assert_non_null(s->bytes);
	return s;
}

static void stream_free(struct stream *s)
{
	free(s->bytes);
	free(s);
}

/* All lengths mod 4, no AHS, little and most AHS, and the longest data. */
static struct stream *mixed_stream(unsigned digests)
{
	struct stream *s = stream_new(digests);

	srand(7);
	for (unsigned i = 0; i < 18; i++)
		stream_add(s, i % 3 ? 0 : i, i);
	stream_add(s, 255, 0);
	stream_add(s, 255, 1);
	stream_add(s, 1, 4096);
	for (unsigned i = 0; i < 20; i++)
		stream_add(s, i == 9 ? 2 : 0, (uint32_t)rand() % 9000);
	stream_add(s, 0, MAX_DATA);
	stream_add(s, 0, 0);
	stream_add(s, 0, MAX_DATA - 1);
	return s;
}
