/* A buffer that doubles, and what is put into it. */
#include "target/control/metrics_out.h"

#include "backstore/base/uuid.h"

#include <stdlib.h>

static char *reserve(struct out *o, size_t len)
{
	size_t cap = o->cap ? o->cap : 4096;
	char *more;

	if (o->failed)
		return NULL;
	if (o->cap - o->len >= len)
		return o->text + o->len;
	while (cap - o->len < len)
		cap *= 2;
	more = realloc(o->text, cap);
	if (!more) {
		o->failed = true;
		return NULL;
	}
	o->text = more;
	o->cap = cap;
	return more + o->len;
}

void out_bytes(struct out *o, const void *bytes, size_t len)
{
	char *to = reserve(o, len);

	if (!to)
		return;
	memcpy(to, bytes, len);
	o->len += len;
}

/* @width digits at least. */
static void digits(struct out *o, uint64_t n, unsigned width)
{
	char buf[20];
	unsigned at = sizeof(buf);

	do {
		buf[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n || sizeof(buf) - at < width);
	out_bytes(o, buf + at, sizeof(buf) - at);
}

void out_u64(struct out *o, uint64_t n)
{
	digits(o, n, 1);
}

void out_ns(struct out *o, uint64_t ns)
{
	uint64_t rest = ns % 1000000000;
	unsigned width = 9;

	out_u64(o, ns / 1000000000);
	if (!rest)
		return;
	for (; rest % 10 == 0; rest /= 10)
		width--;
	out_bytes(o, ".", 1);
	digits(o, rest, width);
}

void out_uuid(struct out *o, const uint8_t id[static 16])
{
	char text[UUID_TEXT_BYTES];

	uuid_format(id, text);
	out_str(o, text);
}

/* --- strings ------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at @s, 0 where there is none (RFC 3629 4). The string ends with a
 * NUL, which continues nothing. */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char first, last; /* of the first byte, */
		unsigned char low, high;   /* and what the second may be */
		size_t len;
	} rows[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (*s < rows[i].first || *s > rows[i].last)
			continue;
		if (rows[i].len > 1 && (s[1] < rows[i].low || s[1] > rows[i].high))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if (s[k] >> 6 != 2)
				return 0;
		return rows[i].len;
	}
	return 0;
}

static void escape(struct out *o, char c, bool json)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = { '\\', c };
	char code[] = { '\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15] };

	if (c == '\n')
		text[1] = 'n';
	if (c == '\n' || c == '"' || c == '\\')
		out_bytes(o, text, sizeof(text));
	else if (json && (unsigned char)c < ' ')
		out_bytes(o, code, sizeof(code));
	else
		out_bytes(o, &c, 1);
}

static void escaped(struct out *o, const char *value, bool json)
{
	for (const char *s = value; *s;) {
		size_t len = utf8_len((const unsigned char *)s);

		if (!len)
			out_str(o, "\xef\xbf\xbd"); /* U+FFFD */
		else if (len == 1)
			escape(o, *s, json);
		else
			out_bytes(o, s, len);
		s += MAX(len, (size_t)1);
	}
}

void out_label(struct out *o, const char *value)
{
	escaped(o, value, false);
}

void out_json(struct out *o, const char *value)
{
	escaped(o, value, true);
}

char *out_end(struct out *o)
{
	char *text;

	out_bytes(o, "", 1);
	text = o->text;
	if (o->failed) {
		free(text);
		text = NULL;
	}
	*o = (struct out){ 0 };
	return text;
}
