/* Reading and writing of key=value texts, at every edge of their form. */
#include "target/iscsi/keys.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct reading {
	char name[KEY_NAME_MAX + 1], value[4096];
};

/* From a copy of the exact length, so that ASan sees a byte too far. Returns the number of
 * pairs, or what keys_read said. */
static int read_all(const char *text, size_t len, struct reading *out, int cap)
{
	struct keys_reader r;
	const char *value;
	char *copy = malloc(len ? len : 1);
	int n = 0, rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	keys_read_init(&r, copy, len);
	for (;;) {
		struct reading x;

		memset(&x, 0x55, sizeof(x));
		rc = keys_read(&r, x.name, &value);
		if (rc <= 0)
			break;
		assert_int_equal(rc, 1);
		assert_true(memchr(x.name, '\0', sizeof(x.name)) != NULL);
		assert_true(strlen(value) < sizeof(x.value));
		strcpy(x.value, value);
		if (n < cap)
			out[n] = x;
		n++;
	}
	free(copy);
	return rc < 0 ? rc : n;
}

#define READ(text, out) read_all(text, sizeof(text) - 1, out, ARRAY_SIZE(out))

static void test_pairs(void **state)
{
	struct reading got[4];

	(void)state;
	assert_int_equal(READ("A=1\0Bee=two three\0C-.+@_#9=\0", got), 3);
	assert_string_equal(got[0].name, "A");
	assert_string_equal(got[0].value, "1");
	assert_string_equal(got[1].name, "Bee");
	assert_string_equal(got[1].value, "two three");
	assert_string_equal(got[2].name, "C-.+@_#9");
	assert_string_equal(got[2].value, "");
	assert_int_equal(READ("A==b=\0", got), 1);
	assert_string_equal(got[0].value, "=b=");
	assert_int_equal(read_all("", 0, got, 4), 0);
	assert_int_equal(READ("A=1\0\0\0\0", got), 1);
}

static void test_ill_formed(void **state)
{
	struct reading got[4];

	(void)state;
	assert_int_equal(READ("A", got), -EPROTO);
	assert_int_equal(READ("A=1", got), -EPROTO);
	assert_int_equal(READ("A=1\0B=2", got), -EPROTO);
	assert_int_equal(READ("A\0", got), -EPROTO);
	assert_int_equal(READ("=\0", got), -EPROTO);
	assert_int_equal(READ("=1\0", got), -EPROTO);
	assert_int_equal(READ("A=1\0\0B=2\0", got), -EPROTO);
	assert_int_equal(READ("A B=1\0", got), -EPROTO);
	assert_int_equal(READ(" A=1\0", got), -EPROTO);
	assert_int_equal(READ("A\n=1\0", got), -EPROTO);
	assert_int_equal(READ("A\x80=1\0", got), -EPROTO);
	assert_int_equal(READ("1A=1\0", got), -EPROTO);
	assert_int_equal(READ("-A=1\0", got), -EPROTO);
	assert_int_equal(READ("A/B=1\0", got), -EPROTO);
	/* no pair before the bad one is lost, none after it appears */
	struct keys_reader r;
	char name[KEY_NAME_MAX + 1];
	const char *value;

	keys_read_init(&r, "A=1\0bad\0C=3\0", 12);
	assert_int_equal(keys_read(&r, name, &value), 1);
	assert_int_equal(keys_read(&r, name, &value), -EPROTO);
	assert_int_equal(keys_read(&r, name, &value), -EPROTO);
}

static void test_lengths(void **state)
{
	struct reading got[1];

	(void)state;
	for (size_t name_len = 1; name_len < 70; name_len++)
		for (size_t value_len = 0; value_len < 260; value_len += value_len < 250 ? 83 : 1) {
			char text[400];

			memset(text, 'n', name_len);
			text[name_len] = '=';
			memset(text + name_len + 1, 'v', value_len);
			text[name_len + 1 + value_len] = '\0';
			assert_int_equal(read_all(text, name_len + value_len + 2, got, 1),
					 name_len <= 63 && value_len <= 255 ? 1 : -EPROTO);
			if (name_len <= 63 && value_len <= 255) {
				assert_int_equal(strlen(got[0].name), name_len);
				assert_int_equal(strlen(got[0].value), value_len);
			}
		}
}

/* 6.1 limits one value; a list may go on. */
static void test_long_lists(void **state)
{
	struct reading got[1];
	char text[4096] = "A=";

	(void)state;
	for (int n = 0; n < 10; n++) {
		size_t len = strlen(text);

		memset(text + len, 'v', 255);
		strcpy(text + len + 255, n < 9 ? "," : "");
	}
	assert_int_equal(read_all(text, strlen(text) + 1, got, 1), 1);
	assert_string_equal(got[0].value, text + 2);
	assert_true(keys_list_has(got[0].value, text + strlen(text) - 255));
	strcat(text, "v");
	assert_int_equal(read_all(text, strlen(text) + 1, got, 1), -EPROTO);
}

static void test_all_bytes_in_names(void **state)
{
	struct reading got[1];

	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[] = { 'A', (char)c, '=', '1', '\0' };
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || strchr(".-+@_#", c);

		if (c == '=') /* then it is name "A" and value "=1" */
			ok = true;
		assert_int_equal(read_all(text, sizeof(text), got, 1), ok ? 1 : -EPROTO);
	}
}

static void test_write(void **state)
{
	char buf[16];
	struct keys_writer w = { .buf = buf, .cap = sizeof(buf) };

	(void)state;
	keys_write(&w, "A", "bc");
	assert_false(w.overflow);
	assert_int_equal(w.len, 5);
	assert_memory_equal(buf, "A=bc", 5);
	keys_write_num(&w, "N", 42);
	assert_false(w.overflow);
	keys_write(&w, "Long", "value");
	assert_true(w.overflow);
	assert_int_equal(w.len, 10);
	/* after a gap nothing more, though it would fit */
	keys_write(&w, "A", "");
	assert_int_equal(w.len, 10);
	assert_memory_equal(buf, "A=bc\0N=42\0", 10);
}

static void test_write_every_room(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 12; cap++) {
		char *buf = malloc(cap ? cap : 1);
		struct keys_writer w = { .buf = buf, .cap = cap };

		assert_non_null(buf);
		keys_write(&w, "abc", "def"); /* 8 bytes */
		assert_int_equal(w.overflow, cap < 8);
		assert_int_equal(w.len, cap < 8 ? 0 : 8);
		free(buf);
	}
}

static void test_list(void **state)
{
	(void)state;
	assert_true(keys_list_has("None", "None"));
	assert_true(keys_list_has("CRC32C,None", "None"));
	assert_true(keys_list_has("None,CRC32C", "None"));
	assert_true(keys_list_has("a,None,b", "None"));
	assert_true(keys_list_has(",None,", "None"));
	assert_false(keys_list_has("", "None"));
	assert_false(keys_list_has("none", "None"));
	assert_false(keys_list_has("NoneX", "None"));
	assert_false(keys_list_has("XNone", "None"));
	assert_false(keys_list_has("No,ne", "None"));
	assert_false(keys_list_has(" None", "None"));
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t value;
	} rows[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "4294967295", 0, 4294967295u },
		{ "0x0", 0, 0 },
		{ "0xFfFfFfFf", 0, 4294967295u },
		{ "0X10", 0, 16 },
		{ "0x00000000000000000000010", 0, 16 },
		{ "4294967296", -ERANGE, 0 },
		{ "0x100000000", -ERANGE, 0 },
		{ "99999999999999999999999999999999", -ERANGE, 0 },
		{ "0xffffffffffffffffffffffffffffffffffff", -ERANGE, 0 },
		{ "42949672960", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "x1", -EINVAL, 0 },
		{ "00", -EINVAL, 0 },
		{ "01", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "a", -EINVAL, 0 },
		{ "0xg", -EINVAL, 0 },
		{ "0x-1", -EINVAL, 0 },
		{ "1\x80", -EINVAL, 0 },
		{ "99999999999999999999x", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t value = 77;

		assert_int_equal(keys_number(rows[i].text, &value), rows[i].rc);
		assert_int_equal(value, rows[i].rc ? 77 : rows[i].value);
	}
}

static void text_is_joined_up_to_its_limit(void **state)
{
	struct keys_text t = { 0 };

	(void)state;
	assert_int_equal(keys_text_add(&t, NULL, 0, 8), 0);
	assert_int_equal(keys_text_add(&t, "abc", 3, 8), 0);
	assert_int_equal(keys_text_add(&t, "defgh", 5, 8), 0);
	assert_int_equal(keys_text_add(&t, "i", 1, 8), -E2BIG);
	assert_int_equal(keys_text_add(&t, "i", SIZE_MAX, 8), -E2BIG);
	assert_int_equal(t.len, 8);
	assert_memory_equal(t.data, "abcdefgh", 8);
	keys_text_free(&t);
	assert_null(t.data);
	assert_int_equal(t.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_joined_up_to_its_limit),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_ill_formed),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_all_bytes_in_names),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_every_room),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
