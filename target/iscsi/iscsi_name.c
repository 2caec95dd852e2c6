/* What a name may look like.
 *
 * RFC 3722 asks for stringprep: case folding, NFKC, and a list of forbidden characters.
 * For ASCII, which is all that anybody uses, that is: lower case; letters, digits,
 * '-', '.', ':'. We let '_' pass, too: RFC 3722 forbids it, but Windows makes names from
 * host names that have it, and no harm is known. Gap: non-ASCII UTF-8 is checked for
 * its form and compared as it is, unfolded and not normalised. */
#include "target/iscsi/iscsi_name.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c) /* after lower-casing */
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Length of the UTF-8 sequence that begins at @s (RFC 3629: shortest form, no
 * surrogates, nothing past U+10FFFF), or 0. */
static unsigned utf8_sequence(const uint8_t *s)
{
	uint8_t lo = 0x80, hi = 0xbf;
	unsigned len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (unsigned i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool text_is_utf8(const char *text)
{
	const uint8_t *s = (const uint8_t *)text;

	while (*s) {
		unsigned len = utf8_sequence(s);

		if (!len)
			return false;
		s += len;
	}
	return true;
}

static bool all_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_hex(s[i]))
			return false;
	return true;
}

/* iqn.yyyy-mm.reversed.domain[:anything] */
static bool iqn_is_valid(const char *s, size_t len)
{
	static const char form[] = "dddd-dd.";

	if (len <= sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !is_digit(s[i]) : s[i] != form[i])
			return false;
	return s[sizeof(form) - 1] != ':';
}

static bool form_is_valid(const char *name, size_t len)
{
	if (len < 4)
		return false;
	if (memcmp(name, "iqn.", 4) == 0)
		return iqn_is_valid(name + 4, len - 4);
	if (memcmp(name, "eui.", 4) == 0)
		return len == 4 + 16 && all_hex(name + 4, len - 4);
	if (memcmp(name, "naa.", 4) == 0)
		return (len == 4 + 16 || len == 4 + 32) && all_hex(name + 4, len - 4);
	return false;
}

static bool char_is_allowed(char c) /* after lower-casing */
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' || c == ':' ||
	       c == '_' || (c & 0x80);
}

int iscsi_name_normalise(char out[static ISCSI_NAME_MAX + 1], const char *name)
{
	char low[ISCSI_NAME_MAX + 1];
	size_t len = strnlen(name, ISCSI_NAME_MAX + 1);

	if (len > ISCSI_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		bool upper = name[i] >= 'A' && name[i] <= 'Z';

		low[i] = upper ? (char)(name[i] - 'A' + 'a') : name[i];
		if (!char_is_allowed(low[i]))
			return -EINVAL;
	}
	low[len] = '\0';
	if (!form_is_valid(low, len) || !text_is_utf8(low))
		return -EINVAL;
	memcpy(out, low, len + 1);
	return 0;
}
