/* Linux's asynchronous disk I/O, as the epoll engine uses it: requests that rather fail
 * with -EAGAIN than wait (RWF_NOWAIT), and an eventfd that says when some have ended.
 *
 * In a file of its own because <libaio.h> and io.h both have an io_cancel. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum { AIO_BATCH = 64 };

struct aio;

struct aio_req {
	void *tag;
	int fd;
	bool is_write, is_durable; /* RWF_DSYNC */
	const struct iovec *iov;   /* needed until aio_submit */
	int iovcnt;
	uint64_t off_bytes;
};

struct aio_end {
	void *tag;
	int res; /* bytes or -errno */
};

/* Room for @want requests under way, or less where the system has no more: aio_room tells.
 * Returns 0 or -errno: -EAGAIN where fs.aio-max-nr is used up. */
int aio_new(struct aio **out, unsigned want) MUST_CHECK;
/* Waits for what is under way. */
void aio_free(struct aio *a);
unsigned aio_room(const struct aio *a);
/* Edge-triggered use only: never read. */
int aio_bell_fd(const struct aio *a);

/* Hands over the first of @n requests (at most AIO_BATCH), in one system call. Returns how many,
 * at least one, or -errno: what is wrong with the first. */
int aio_submit(struct aio *a, const struct aio_req *reqs, unsigned n);
/* Takes up to AIO_BATCH of those that have ended. Returns how many. */
unsigned aio_reap(struct aio *a, struct aio_end *ends);
