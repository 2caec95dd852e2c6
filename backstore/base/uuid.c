/* The 16 bytes are kept in the order in which the text shows them (RFC 4122
 * section 4.1.2: most significant byte first), so both directions are one pass. */
#include "backstore/base/uuid.h"

#include "backstore/base/bytes.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

int uuid_generate(uint8_t out[static UUID_BYTES])
{
	uint8_t u[UUID_BYTES];
	size_t have = 0;

	while (have < sizeof(u)) {
		ssize_t n = getrandom(u + have, sizeof(u) - have, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			have += (size_t)n;
	}
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40); /* version 4, section 4.1.3 */
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80); /* variant 10, section 4.1.1 */
	memcpy(out, u, sizeof(u));
	return 0;
}

/* Whether the text has a hyphen before this byte. */
static bool after_hyphen(unsigned i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

int uuid_parse(const char *text, uint8_t out[static UUID_BYTES])
{
	uint8_t u[UUID_BYTES];

	for (unsigned i = 0; i < UUID_BYTES; i++) {
		int hi, lo;

		if (after_hyphen(i) && *text++ != '-')
			return -EINVAL;
		hi = hex_digit(text[0]);
		lo = hi < 0 ? -1 : hex_digit(text[1]); /* never past the end of the text */
		if (lo < 0)
			return -EINVAL;
		u[i] = (uint8_t)(hi << 4 | lo);
		text += 2;
	}
	if (*text)
		return -EINVAL;
	memcpy(out, u, sizeof(u));
	return 0;
}

void uuid_format(const uint8_t uuid[static UUID_BYTES], char out[static UUID_TEXT_BYTES])
{
	static const char digits[16] = "0123456789abcdef";

	for (unsigned i = 0; i < UUID_BYTES; i++) {
		if (after_hyphen(i))
			*out++ = '-';
		*out++ = digits[uuid[i] >> 4];
		*out++ = digits[uuid[i] & 15];
	}
	*out = '\0';
}
