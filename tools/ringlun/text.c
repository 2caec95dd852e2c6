/* UTF-8 by itself, whatever the locale: names come from a server and from its initiators, and any
 * of them may be hostile to the terminal of who lists them. */
#include "tools/ringlun/text.h"

#include "tools/ringlun/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t text_next(const char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = (uint8_t)*s;
	size_t len = first < 0x80	? 1
		     : first >> 5 == 6	? 2
		     : first >> 4 == 14 ? 3
		     : first >> 3 == 30 ? 4
					: 0;
	uint32_t c = len == 1 ? first : first & (0x7fu >> len);

	*code = UINT32_MAX;
	if (!len)
		return 1;
	for (size_t i = 1; i < len; i++) {
		if (((uint8_t)s[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | ((uint8_t)s[i] & 0x3f);
	}
	if ((len > 1 && c < least[len]) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 1;
	*code = c;
	return len;
}

bool text_is_good_utf8(const char *s)
{
	uint32_t code;

	for (; *s; s += text_next(s, &code))
		if (text_next(s, &code) && code == UINT32_MAX)
			return false;
	return true;
}

static bool is_harmless(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} bad[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	/* control characters */
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, /* invisible; lines; direction */
		{ 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (c >= bad[i].first && c <= bad[i].last)
			return false;
	return c != UINT32_MAX;
}

char *text_escape(const char *s, const char *keep)
{
	size_t bytes;
	char *out = NULL;
	FILE *f = mem_need(open_memstream(&out, &bytes));

	while (*s) {
		uint32_t c;
		size_t len = text_next(s, &c);

		if (is_harmless(c) || (len == 1 && keep && strchr(keep, *s)))
			fwrite(s, 1, len, f);
		else if (len == 1)
			fprintf(f, "\\x%02x", (unsigned)(uint8_t)*s);
		else
			fprintf(f, "\\u%04x", c);
		s += len;
	}
	fclose(f);
	return mem_need(out);
}

static unsigned columns_of(uint32_t c)
{
	int n = c == UINT32_MAX ? 1 : wcwidth((wchar_t)c);

	return n < 0 ? 1 : (unsigned)n;
}

unsigned text_width(const char *s)
{
	unsigned n = 0;
	uint32_t c;

	while (*s) {
		s += text_next(s, &c);
		n += columns_of(c);
	}
	return n;
}

size_t text_fit(const char *s, unsigned columns)
{
	unsigned n = 0;
	size_t at = 0;
	uint32_t c;

	while (s[at]) {
		size_t len = text_next(s + at, &c);

		n += columns_of(c);
		if (n > columns)
			break;
		at += len;
	}
	return at;
}
