/* Which block next, and whether to read or to write it. One per connection.
 *
 * Owns, when verifying, the table of what was written: then no block is under way
 * twice, and no other connection's picker has the same blocks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pick {
	uint64_t off_bytes;
	uint64_t slot;
	uint32_t generation; /* written, or expected of a read; 0 = not known */
	bool is_write;
};

struct picker {
	uint64_t rng;
	uint64_t first_off_bytes, slots, next_slot;
	uint64_t readback_slot;
	uint64_t block_bytes;
	unsigned read_percent;
	bool random;
	uint32_t *states; /* per slot, or NULL: see picker.c */
};

enum picker_end {
	PICKER_READ, /* read, or a write that was surely not begun */
	PICKER_WRITTEN,
	PICKER_UNKNOWN, /* a write failed: its block may hold either */
};

/* The blocks of @block_bytes in [@off_bytes, @off_bytes + @len_bytes), of which there
 * is at least one. @verify: keep the table. Returns 0 or -ENOMEM. */
int picker_init(struct picker *p, uint64_t off_bytes, uint64_t len_bytes, uint64_t block_bytes,
		bool verify);
void picker_fini(struct picker *p);

/* False: all blocks are under way. */
bool picker_next(struct picker *p, struct pick *pick);

/* Each block whose content is known, once, as a read. False: there are no more. */
bool picker_next_written(struct picker *p, struct pick *pick);

/* The pick is no longer under way. */
void picker_done(struct picker *p, const struct pick *pick, enum picker_end end);
