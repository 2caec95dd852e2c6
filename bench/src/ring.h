/* An io_uring for one thread that talks to sockets only: multishot receives into
 * buffers of its own, sends, one timer.
 *
 * Owns the ring and the receive buffers. Operations are embedded in their requester,
 * who keeps them alive until ring_fini. To be made on the thread that runs it. */
#pragma once

#include "backstore/base/compiler.h"

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ring_op {
	/* @res: as the system call would return. @more: the operation goes on. @data: what a
	 * receive brought, @res bytes, lent until it returns. */
	void (*done)(struct ring_op *op, int res, bool more, const uint8_t *data);
};

struct ring {
	struct io_uring uring;
	struct io_uring_buf_ring *bufs; /* and behind it the buffers themselves */
	uint8_t *buf_mem;
	unsigned buf_count;
	size_t buf_bytes, map_bytes;
};

/* @buf_count: a power of two, at most 32768. Returns 0 or -errno. */
int ring_init(struct ring *r, unsigned buf_count, size_t buf_bytes) MUST_CHECK;
void ring_fini(struct ring *r);

/* These return 0, or -EBUSY when the kernel takes no requests at present. */

/* done() for every piece that comes, until one without @more: res 0 = the peer closed,
 * -ENOBUFS = to be asked for again. */
int ring_recv(struct ring *r, struct ring_op *op, int fd) MUST_CHECK;
/* One connection, to be closed by the callee, per done(). */
int ring_accept(struct ring *r, struct ring_op *op, int fd) MUST_CHECK;
/* May send less than asked for. @msg and all behind it is lent until done(). */
int ring_send(struct ring *r, struct ring_op *op, int fd, const struct msghdr *msg) MUST_CHECK;
/* done(-ETIME) once the monotonic clock shows @at, which is lent until then. */
int ring_timer(struct ring *r, struct ring_op *op, struct __kernel_timespec *at) MUST_CHECK;

/* Hands over what was asked for, waits for an answer if @sleep, and calls done() for
 * all that are there. @before (may be NULL) is called when it has woken up, before the
 * first of them. Returns 0 or -errno. */
int ring_turn(struct ring *r, bool sleep, void (*before)(void *arg), void *arg) MUST_CHECK;
