/* Kept apart from the engines so that they cannot differ in what an owner sees:
 * which byte goes where, and who is called when, is decided here. */
#include "backstore/base/io_parts.h"

#include <errno.h>
#include <string.h>
#include <time.h>

int stream_exact_rest(const struct io_stream *s, struct iovec *out, int cap)
{
	size_t skip = s->exact_done, left = s->exact_len - s->exact_done;
	int n = 0;

	for (int i = 0; i < s->exact_iovcnt && n < cap && left; i++) {
		const struct iovec *v = &s->exact_iov[i];
		size_t bytes;

		if (skip >= v->iov_len) {
			skip -= v->iov_len;
			continue;
		}
		bytes = MIN(v->iov_len - skip, left);
		out[n++] = (struct iovec){ (uint8_t *)v->iov_base + skip, bytes };
		skip = 0;
		left -= bytes;
	}
	return n;
}

void stream_exact_received(struct io_stream *s, size_t len)
{
	s->exact_done += len;
	if (s->exact_done < s->exact_len)
		return;
	/* Cleared first: on_exact may ask for the next segment. */
	s->exact_len = s->exact_done = 0;
	s->exact_iov = NULL;
	if (!s->stopping)
		s->on_exact(s);
}

static size_t copy_to_exact(const struct io_stream *s, const uint8_t *data, size_t len)
{
	size_t copied = 0, skip = s->exact_done;

	for (int i = 0; i < s->exact_iovcnt && copied < len; i++) {
		const struct iovec *v = &s->exact_iov[i];
		size_t n;

		if (skip >= v->iov_len) {
			skip -= v->iov_len;
			continue;
		}
		n = MIN(v->iov_len - skip, len - copied);
		memcpy((uint8_t *)v->iov_base + skip, data + copied, n);
		skip = 0;
		copied += n;
	}
	return copied;
}

void stream_feed(struct io_stream *s, const uint8_t *data, size_t len)
{
	while (len && !s->stopping) {
		size_t n = MIN(len, s->exact_len - s->exact_done);

		if (!stream_wants_exact(s)) {
			s->on_bytes(s, data, len);
			return;
		}
		n = copy_to_exact(s, data, n);
		assert(n > 0); /* else the iovecs are shorter than exact_len */
		data += n;
		len -= n;
		stream_exact_received(s, n);
	}
}

void msg_advance(struct msghdr *msg, size_t bytes)
{
	while (msg->msg_iovlen && bytes >= msg->msg_iov->iov_len) {
		bytes -= msg->msg_iov->iov_len;
		msg->msg_iov++;
		msg->msg_iovlen--;
	}
	if (!msg->msg_iovlen)
		return;
	msg->msg_iov->iov_base = (uint8_t *)msg->msg_iov->iov_base + bytes;
	msg->msg_iov->iov_len -= bytes;
}

bool accept_error_is_transient(int err)
{
	/* accept(2): errors already pending on the new socket count as EAGAIN */
	switch (err) {
	case -EAGAIN:
	case -EINTR:
	case -ECANCELED:
	case -ECONNABORTED:
	case -ENETDOWN:
	case -EPROTO:
	case -ENOPROTOOPT:
	case -EHOSTDOWN:
	case -ENONET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return true;
	default:
		return false;
	}
}

void deferred_run(struct list *deferred)
{
	struct list now = LIST_INIT(now), *n;

	list_splice_tail(&now, deferred);
	while ((n = list_pop(&now))) {
		struct io_op *op = list_entry(n, struct io_op, link);

		op->done(op, op->res);
	}
}

uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
