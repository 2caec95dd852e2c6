/* No strtoull: it takes signs, blanks and "0x", and a size with a minus is a bug
 * that an operator should hear of. */
#include "backstore/base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <strings.h>

/* The power of two that a suffix stands for, or -EINVAL. */
static int suffix_shift(const char *s)
{
	static const char units[] = "kmgtpe";

	if (!*s)
		return 0;
	for (int i = 0; units[i]; i++) {
		if ((*s | 0x20) != units[i])
			continue;
		if (s[1] && strcasecmp(s + 1, "ib") != 0)
			return -EINVAL;
		return 10 * (i + 1);
	}
	return -EINVAL;
}

int size_parse(const char *text, uint64_t *out)
{
	uint64_t n = 0;
	bool too_large = false;
	const char *s = text;
	int shift;

	for (; *s >= '0' && *s <= '9'; s++) {
		too_large |= __builtin_mul_overflow(n, 10, &n);
		too_large |= __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n);
	}
	if (s == text)
		return -EINVAL;
	shift = suffix_shift(s);
	if (shift < 0)
		return shift;
	if (too_large || n > UINT64_MAX >> shift)
		return -ERANGE;
	*out = n << shift;
	return 0;
}
