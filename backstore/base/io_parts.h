/* What the engines behind struct io have in common: the bookkeeping of streams,
 * sends and deferred calls that does not depend on how the kernel is asked.
 *
 * For engines only. */
#pragma once

#include "backstore/base/io.h"

/* Hands @len received bytes to the owner: to the exact iovecs while some are
 * wanted, the rest to on_bytes. Stops, and drops what is left, when the owner
 * stops the stream. */
void stream_feed(struct io_stream *s, const uint8_t *data, size_t len);

/* @len bytes have been received straight into the exact iovecs. */
void stream_exact_received(struct io_stream *s, size_t len);

/* Where the rest of what io_stream_exact asked for goes: fills @out with at most
 * @cap pieces and returns how many. */
int stream_exact_rest(const struct io_stream *s, struct iovec *out, int cap);

static inline bool stream_wants_exact(const struct io_stream *s)
{
	return s->exact_len != 0;
}

static inline size_t iov_bytes(const struct iovec *iov, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* Takes @bytes, at most what is there, off the front; changes the iovecs. */
void msg_advance(struct msghdr *msg, size_t bytes);

/* True for an errno of accept4 that concerns one connection or one moment, so
 * that the next attempt may as well be at once. */
bool accept_error_is_transient(int err);

/* Runs what was on the list when it was called. */
void deferred_run(struct list *deferred);

uint64_t clock_now_ns(void);
