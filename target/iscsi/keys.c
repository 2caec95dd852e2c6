/* Reading and writing of key=value texts.
 *
 * The reader is strict about the form, because everything that follows trusts it: a name
 * is letters, digits and . - + @ _ (6.1), and # for the registered X# keys (13.26); it
 * begins with a letter (6.1 wants a capital one, yet 13.24 itself names a key
 * iSCSIProtocolLevel). What stands in a value is judged by who knows the key. One mercy:
 * NULs after the last pair end the text; some initiators count the padding as data. */
#include "target/iscsi/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void keys_read_init(struct keys_reader *r, const void *text, size_t len)
{
	r->at = text;
	r->end = len ? r->at + len : r->at;
}

/* Not isalpha() and its kin: they know locales. */
static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool name_is_valid(const char *name, size_t len)
{
	if (len == 0 || len > KEY_NAME_MAX || !is_letter(name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter(name[i]) && !is_digit(name[i]) &&
		    (name[i] == '\0' || !strchr(".-+@_#", name[i])))
			return false;
	return true;
}

static bool only_nuls_left(const struct keys_reader *r)
{
	for (const char *c = r->at; c < r->end; c++)
		if (*c)
			return false;
	return true;
}

static size_t value_max(const char *name, size_t len)
{
	bool binary = len == 6 && (!memcmp(name, "CHAP_C", 6) || !memcmp(name, "CHAP_R", 6));

	return binary ? KEY_BINARY_MAX : KEY_VALUE_MAX;
}

static bool value_is_valid(const char *value, size_t max)
{
	for (;;) {
		size_t len = strcspn(value, ",");

		if (len > max)
			return false;
		if (value[len] == '\0')
			return true;
		value += len + 1;
	}
}

int keys_read(struct keys_reader *r, char name[static KEY_NAME_MAX + 1], const char **value)
{
	const char *nul, *equals;
	size_t name_len;

	if (only_nuls_left(r)) {
		r->at = r->end;
		return 0;
	}
	nul = memchr(r->at, '\0', (size_t)(r->end - r->at));
	if (!nul)
		return -EPROTO;
	equals = memchr(r->at, '=', (size_t)(nul - r->at));
	if (!equals)
		return -EPROTO;
	name_len = (size_t)(equals - r->at);
	if (!name_is_valid(r->at, name_len) ||
	    !value_is_valid(equals + 1, value_max(r->at, name_len)))
		return -EPROTO;
	memcpy(name, r->at, name_len);
	name[name_len] = '\0';
	*value = equals + 1;
	r->at = nul + 1;
	return 1;
}

void keys_write(struct keys_writer *w, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	size_t room = w->cap - w->len;
	char *at = w->buf + w->len;

	/* After one pair was left out no later one may slip in: an answer with a gap
	 * looks like a whole one. */
	if (w->overflow || name_len >= room || value_len >= room - name_len ||
	    room - name_len - value_len < 2) {
		w->overflow = true;
		return;
	}
	memcpy(at, name, name_len);
	at[name_len] = '=';
	memcpy(at + name_len + 1, value, value_len + 1);
	w->len += name_len + value_len + 2;
}

void keys_write_num(struct keys_writer *w, const char *name, uint32_t value)
{
	char text[11];

	snprintf(text, sizeof(text), "%u", value);
	keys_write(w, name, text);
}

bool keys_list_has(const char *list, const char *value)
{
	size_t value_len = strlen(value);

	for (;;) {
		size_t len = strcspn(list, ",");

		if (len == value_len && memcmp(list, value, len) == 0)
			return true;
		if (list[len] == '\0')
			return false;
		list += len + 1;
	}
}

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 6.1: a decimal constant is "0" or begins with another digit, so that nobody can take
 * it for octal; a hexadecimal one may have leading zeros. */
int keys_number(const char *value, uint32_t *out)
{
	bool hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
	unsigned base = hex ? 16 : 10;
	const char *at = hex ? value + 2 : value;
	uint64_t sum = 0;
	bool too_large = false;

	if (*at == '\0' || (!hex && at[0] == '0' && at[1] != '\0'))
		return -EINVAL;
	for (; *at; at++) {
		int digit = digit_value(*at);

		if (digit < 0 || digit >= (int)base)
			return -EINVAL;
		sum = sum * base + (unsigned)digit;
		if (sum > UINT32_MAX) {
			too_large = true;
			sum = 0;
		}
	}
	if (too_large)
		return -ERANGE;
	*out = (uint32_t)sum;
	return 0;
}

int keys_text_add(struct keys_text *t, const void *data, size_t len, size_t max)
{
	char *joined;

	if (len > max || t->len > max - len)
		return -E2BIG;
	if (!len)
		return 0;
	joined = realloc(t->data, t->len + len);
	if (!joined)
		return -ENOMEM;
	memcpy(joined + t->len, data, len);
	t->data = joined;
	t->len += len;
	return 0;
}

void keys_text_free(struct keys_text *t)
{
	free(t->data);
	*t = (struct keys_text){ 0 };
}
