/* What tests of parameter data share: a unit for each test, and every allocation length. */
#pragma once

#include "tests/unit/target/scsi/scsi_rig.h"

static inline int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	*state = r;
	return 0;
}

static inline int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

/* Runs @cdb with the room that its allocation length (at @at, @bytes long) asks for, for every
 * length from 0 to well past the end: always a prefix of @want, never a byte more. */
static inline void expect_data(struct rig *r, const uint8_t *cdb, unsigned at, unsigned bytes,
			       const uint8_t *want, size_t len)
{
	struct rig_cmd c;

	for (size_t alloc = 0; alloc <= MIN(len + 3, bytes == 1 ? 255u : 65535u); alloc++) {
		uint8_t with[16];
		size_t n = MIN(alloc, len);

		memcpy(with, cdb, 16);
		for (unsigned i = 0; i < bytes; i++)
			with[at + bytes - 1 - i] = (uint8_t)(alloc >> 8 * i);
		rig_do(r, &c, with, 16, NULL, 0, 4096);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.buffer_bytes, n);
		assert_int_equal(c.cmd.in_bytes, n);
		assert_int_equal(c.cmd.transfer_bytes, n);
		assert_memory_equal(c.buf, want, n);
		rig_free(&c);
		/* and as the initiator has less room than it says */
		rig_do(r, &c, with, 16, NULL, 0, (uint32_t)n / 2);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.in_bytes, n / 2);
		assert_int_equal(c.cmd.transfer_bytes, n);
		assert_memory_equal(c.buf, want, n / 2);
		rig_free(&c);
	}
}
