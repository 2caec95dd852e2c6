/* What a connection sends next: headers of its own and data of others, in one go.
 *
 * Owns the headers' memory. What was added is lent until the batch has been sent. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	BATCH_IOVS = 256,
	BATCH_HEADER_BYTES = BATCH_IOVS * 64,
	BATCH_FULL_BYTES = 1 << 20,
	/* What batch_room promises. */
	BATCH_ROOM_IOVS = 4,
	BATCH_ROOM_BYTES = 128,
};

struct batch {
	struct iovec iov[BATCH_IOVS];
	unsigned iovs;
	size_t header_bytes, bytes, sent;
	struct msghdr msg; /* what is to be sent */
	uint8_t *headers;
};

static inline void batch_clear(struct batch *b)
{
	b->iovs = 0;
	b->header_bytes = b->bytes = b->sent = 0;
}

/* Another PDU fits: some headers of together BATCH_ROOM_BYTES and as many pieces of
 * data as BATCH_ROOM_IOVS allows. */
static inline bool batch_room(const struct batch *b)
{
	return b->iovs + BATCH_ROOM_IOVS <= BATCH_IOVS &&
	       b->header_bytes + BATCH_ROOM_BYTES <= BATCH_HEADER_BYTES &&
	       b->bytes < BATCH_FULL_BYTES;
}

static inline void batch_data(struct batch *b, void *data, size_t len)
{
	b->iov[b->iovs++] = (struct iovec){ data, len };
	b->bytes += len;
}

/* @len bytes to be filled in by the caller, joined to a header right before them. */
static inline uint8_t *batch_header(struct batch *b, size_t len)
{
	uint8_t *at = b->headers + b->header_bytes;
	struct iovec *last = b->iovs ? &b->iov[b->iovs - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == at)
		last->iov_len += len;
	else
		b->iov[b->iovs++] = (struct iovec){ at, len };
	b->header_bytes += len;
	b->bytes += len;
	return at;
}

/* Makes b->msg the rest after @n more bytes were sent; false: nothing is left. */
static inline bool batch_advance(struct batch *b, size_t n)
{
	struct iovec *iov = b->msg.msg_iov;

	b->sent += n;
	while (n && n >= iov->iov_len)
		n -= iov++->iov_len;
	if (n) {
		iov->iov_base = (uint8_t *)iov->iov_base + n;
		iov->iov_len -= n;
	}
	b->msg.msg_iov = iov;
	b->msg.msg_iovlen = b->iovs - (size_t)(iov - b->iov);
	return b->sent < b->bytes;
}
