/* UUIDs: text both ways, and what version 4 fixes. */
#include "backstore/base/uuid.h"
#include "tests/unit/backstore/base/unit.h"

static const uint8_t sample[UUID_BYTES] = { 0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0,
					    0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6 };

/* The example of RFC 4122 section 3. */
static void text_and_back(void **state)
{
	uint8_t u[UUID_BYTES];
	char text[UUID_TEXT_BYTES];

	(void)state;
	assert_int_equal(uuid_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", u), 0);
	assert_memory_equal(u, sample, sizeof(u));
	memset(u, 0, sizeof(u));
	assert_int_equal(uuid_parse("F81D4FAE-7DEC-11D0-A765-00a0c91e6bf6", u), 0);
	assert_memory_equal(u, sample, sizeof(u));
	uuid_format(u, text);
	assert_string_equal(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

static void all_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"f",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf61",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ",
		" f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}",
		"f81d4fae7dec11d0a76500a0c91e6bf6",
		"f81d4fae-7dec-11d0-a76500a0c91e6bf6-",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bg6",
		"f81d4fae-7dec-11d0--765-00a0c91e6bf6",
		"f81d4fae 7dec 11d0 a765 00a0c91e6bf6",
	};
	uint8_t u[UUID_BYTES];

	(void)state;
	memset(u, 0x77, sizeof(u));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* on the heap, so that reading past the end shows */
		char *copy = strdup(bad[i]);

		assert_int_equal(uuid_parse(copy, u), -EINVAL);
		free(copy);
	}
	for (size_t i = 0; i < sizeof(u); i++)
		assert_int_equal(u[i], 0x77);
}

static void made_ones_are_version_4_and_differ(void **state)
{
	uint8_t u[64][UUID_BYTES], any = 0, all = 0xff;

	(void)state;
	for (int i = 0; i < 64; i++) {
		assert_int_equal(uuid_generate(u[i]), 0);
		assert_int_equal(u[i][6] >> 4, 4);
		assert_int_equal(u[i][8] >> 6, 2);
		any |= u[i][15];
		all &= u[i][15];
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(u[i], u[j], UUID_BYTES);
	}
	assert_int_equal(any, 0xff);
	assert_int_equal(all, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(all_else_is_refused),
		cmocka_unit_test(made_ones_are_version_4_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
