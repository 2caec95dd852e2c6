/* Streams of PDUs for test_pdu_rx.c, made with a seed. */
#pragma once

#include "target/iscsi/pdu_rx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_DATA = 70000, MAX_PDUS = 64, STREAM_CAP = 1 << 20 };

struct stream {
	uint8_t *bytes;
	size_t len;
	int pdus;
	size_t ends[MAX_PDUS];
};

/* One PDU of random content. */
static void stream_add(struct stream *s, unsigned ahs_words, uint32_t data_len)
{
	struct bhs bhs;
	uint8_t *at = s->bytes + s->len;
	size_t len = sizeof(bhs) + ahs_words * 4 + ((data_len + 3) & ~3u);

	assert_true(s->len + len <= STREAM_CAP);
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(rand() >> 7);
	memcpy(&bhs, at, sizeof(bhs));
	bhs.ahs_words = (uint8_t)ahs_words;
	bhs.data_len = be24_of(data_len);
	memcpy(at, &bhs, sizeof(bhs));
	s->len += len;
	s->ends[s->pdus++] = s->len;
}

static struct stream *stream_new(void)
{
	struct stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
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
static struct stream *mixed_stream(void)
{
	struct stream *s = stream_new();

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
