/* CRC32C by isa-l, which takes the fastest instructions that the processor has. */
#include "backstore/base/crc32c.h"

#include "backstore/base/compiler.h"

#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c_add(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		size_t n = MIN(len, (size_t)INT_MAX);

		/* only read, whatever the declaration says */
		crc = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)n, crc);
		at += n;
		len -= n;
	}
	return crc;
}

uint32_t crc32c_add_iov(uint32_t crc, const struct iovec *iov, int iovcnt, size_t len)
{
	for (int i = 0; i < iovcnt && len; i++) {
		size_t n = MIN(len, iov[i].iov_len);

		crc = crc32c_add(crc, iov[i].iov_base, n);
		len -= n;
	}
	return crc;
}
