/* A reactor's share of the data buffers: one arena, handed out in powers of two
 * (a buddy allocator), so that --memory is a bound and never a guess.
 *
 * Belongs to one thread. Blocks are aligned to their size up to 1 MiB, hence
 * fit for direct I/O. Memory is touched only when used. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	POOL_MIN_BYTES = 4096,
	POOL_MAX_BYTES = 1 << 20,
};

struct pool;

/* @bytes is rounded down to whole POOL_MAX_BYTES (at least one); NULL: no memory. */
struct pool *pool_new(uint64_t bytes);
/* All blocks must have been put back. */
void pool_free(struct pool *p);

/* Buffers for @len bytes (> 0) as at most @max pieces, all but the last a power
 * of two; the pieces' lengths add up to exactly @len. Returns the number of
 * pieces, or -ENOMEM (nothing is taken) when the arena has no room or is too
 * fragmented for @max pieces. */
int pool_get(struct pool *p, uint64_t len, struct iovec *iov, int max) MUST_CHECK;
/* Gives back what one pool_get returned: the same iovecs, unchanged. */
void pool_put(struct pool *p, const struct iovec *iov, int n);

uint64_t pool_size_bytes(const struct pool *p);
/* Bytes not handed out (each piece counts as its power of two). */
uint64_t pool_free_bytes(const struct pool *p);
/* What pool_get(len) would take from the arena where it is not fragmented. */
uint64_t pool_cost_bytes(uint64_t len);
