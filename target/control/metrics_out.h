/* Text that grows while it is written: numbers and escaped strings, without printf, as a scrape of
 * a thousand volumes has a hundred thousand lines. Out of memory shows at the end. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct out {
	char *text;
	size_t len, cap;
	bool failed; /* nothing more is taken */
};

void out_bytes(struct out *o, const void *bytes, size_t len);
static inline void out_str(struct out *o, const char *s)
{
	out_bytes(o, s, strlen(s));
}
void out_u64(struct out *o, uint64_t n);
/* As seconds, with as many of nine digits as it takes. */
void out_ns(struct out *o, uint64_t ns);
void out_uuid(struct out *o, const uint8_t id[static 16]);
/* What stands between the quotes of a label (Prometheus text format 0.0.4) and of a JSON string
 * (RFC 8259 7). Both are UTF-8: what is none becomes U+FFFD. */
void out_label(struct out *o, const char *value);
void out_json(struct out *o, const char *value);
/* To be freed; NULL: out of memory. */
char *out_end(struct out *o) MUST_CHECK;
