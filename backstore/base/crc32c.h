/* CRC32C, the checksum of iSCSI's digests and of our own records. */
#pragma once

#include "backstore/base/bytes.h"

#include <stddef.h>
#include <sys/uio.h>

#define CRC32C_START UINT32_C(0xffffffff)

/* Of bytes that come in pieces: begin with CRC32C_START, end with crc32c_end. */
uint32_t crc32c_add(uint32_t crc, const void *data, size_t len);
/* The first @len bytes of @iov, or all of it where it is shorter. */
uint32_t crc32c_add_iov(uint32_t crc, const struct iovec *iov, int iovcnt, size_t len);

static inline uint32_t crc32c_end(uint32_t crc)
{
	return ~crc;
}

/* The four bytes of a digest: the CRC's least significant byte first, as the examples of RFC 7143
 * (appendix A.4) show it. */
static inline void crc32c_put(uint8_t out[4], uint32_t crc)
{
	uint32_t v = crc32c_end(crc);

	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> 8 * i);
}
