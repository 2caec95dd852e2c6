/* The bare server's protocol: what iSCSI's reads and writes would be if nothing but their
 * bytes were wanted.
 *
 *     request   48 bytes, in_bytes of them follow
 *     answer    the same 48 bytes, out_bytes of data follow
 *
 * Any number of requests may be under way; answers keep their order. */
#pragma once

#include "backstore/base/bytes.h"

#include <assert.h>
#include <stdint.h>

enum {
	BARE_MAGIC = 0x62617265,
	BARE_MAX_BYTES = 16 << 20, /* of data, either way */
};

struct bare_head {
	be32 magic;
	be32 tag;
	be32 in_bytes;
	be32 out_bytes;
	uint8_t rest[32];
};
static_assert(sizeof(struct bare_head) == 48, "as many as an iSCSI header");
