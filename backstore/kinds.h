/* The constructors behind backstore_open: one per kind. Each returns 0, or -errno
 * with a sentence in @why. */
#pragma once

#include "backstore/backstore.h"

/* A regular file; base.block_bytes may come out larger than asked for, where direct
 * I/O cannot do less. @wait_ms: for the lock. */
int file_open(struct backstore **out, const struct bs_spec *spec, unsigned wait_ms, char *why,
	      size_t why_cap) MUST_CHECK;
/* A block device; likewise. */
int block_open(struct backstore **out, const struct bs_spec *spec, unsigned wait_ms, char *why,
	       size_t why_cap) MUST_CHECK;
/* Lost when the process ends, whatever was flushed. */
int memory_open(struct backstore **out, const struct bs_spec *spec, char *why,
		size_t why_cap) MUST_CHECK;
/* Reads zeros, forgets what is written: for measuring what is above. */
int null_open(struct backstore **out, const struct bs_spec *spec, char *why,
	      size_t why_cap) MUST_CHECK;
/* Puts blocks of @block_bytes on top of @next's larger ones. @next is taken on success. */
int bounce_new(struct backstore **out, struct backstore *next, uint32_t block_bytes) MUST_CHECK;

/* For the grow of a kind: the size goes up to @size_bytes, never down. Any thread. */
void bs_raise_size(struct backstore *bs, uint64_t size_bytes);

/* What file_open and block_open end with: direct I/O where possible, the latch, the
 * backstore. @fd is taken, on failure too. */
struct disk_found {
	const char *type;
	int fd;
	uint64_t size_bytes;
	uint32_t sector_bytes; /* of a device; 0 */
	uint32_t physical_bytes, discard_bytes, punch_bytes;
	bool rotational;
};
int disk_finish(struct backstore **out, const struct bs_spec *spec, const struct disk_found *found,
		char *why, size_t why_cap) MUST_CHECK;
