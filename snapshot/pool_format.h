/* Records of a pool, as bytes: see FORMAT.md. No file is touched here. */
#pragma once

#include "snapshot/volume_pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_ALIGN_BYTES = 4096,
	RECORD_HEAD_BYTES = 48,
	RECORD_MAX_BYTES = 1 << 30, /* of a checkpoint; one of the log: what fits */
	POOL_PATH_BYTES = 4096,	    /* with the final NUL */
	POOL_FILE_BYTES = 1280,	    /* a file of the pool itself */
	POOL_DEVICE_BYTES = 512,
};

enum record_kind { RECORD_CHANGE, RECORD_CHECKPOINT };

enum pool_op_type {
	OP_OPEN = 1,
	OP_PUT_LAYER,
	OP_DEL_LAYER,
	OP_PUT_VOLUME,
	OP_DEL_VOLUME,
};

enum {
	VOLUME_BUFFERED = 1 << 0,
	VOLUME_WRITETHROUGH = 1 << 1,
	VOLUME_READ_ONLY = 1 << 2,
	VOLUME_PREALLOCATED = 1 << 3,
	VOLUME_DELETING = 1 << 4,
	VOLUME_ALL_FLAGS = (1 << 5) - 1,
};

/* Not ended by a NUL; without one inside; borrowed. */
struct pool_text {
	const char *s;
	size_t len;
};

struct pool_op {
	enum pool_op_type type;
	uint64_t number, parent; /* of a layer; of a volume: number is its top */
	uint64_t size_bytes;
	uint64_t generation, next; /* OPEN */
	uint8_t id[16];		   /* UUID of a volume; boot id */
	enum vpool_kind kind;
	uint64_t made_s;
	uint32_t block_bytes, flags;
	struct pool_text name, path, device;
};

/* In a record. */
size_t pool_op_bytes(const struct pool_op *op);

/* A record being written. */
struct record {
	uint8_t *buf;
	size_t len, cap; /* after record_end: with the zeros behind it */
	uint32_t nops;
	bool failed; /* no memory */
};

void record_begin(struct record *r);
void record_add(struct record *r, const struct pool_op *op);
/* 0 or -ENOMEM. */
int record_end(struct record *r, enum record_kind kind, uint64_t sequence, uint64_t generation,
	       const uint8_t pool[static 16]) MUST_CHECK;
void record_fini(struct record *r);

struct record_head {
	enum record_kind kind;
	uint32_t length_bytes, nops;
	uint64_t sequence, generation;
	uint8_t pool[16];
};

/* The length that the first bytes tell, or 0 where no record begins here. Not to be trusted. */
size_t record_length(const uint8_t head[static RECORD_HEAD_BYTES]);
/* Whether @buf begins with a whole record: magic, length, checksum. */
bool record_decode(const uint8_t *buf, size_t len, struct record_head *out);
/* Of one that record_decode has found good. 0; -EPROTONOSUPPORT: from a newer version; -EBADMSG;
 * or what @each returns, if that is not 0. */
int record_each(const uint8_t *buf, const struct record_head *head,
		int (*each)(void *arg, const struct pool_op *op), void *arg, char *why,
		size_t why_cap) MUST_CHECK;
