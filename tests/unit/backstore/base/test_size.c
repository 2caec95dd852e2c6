/* Sizes as typed: a table. */
#include "backstore/base/size.h"
#include "tests/unit/backstore/base/unit.h"

static const struct {
	const char *text;
	int ret;
	uint64_t bytes;
} rows[] = {
	{ "0", 0, 0 },
	{ "1048576", 0, 1048576 },
	{ "64K", 0, 65536 },
	{ "512M", 0, 512u << 20 },
	{ "1G", 0, 1u << 30 },
	{ "1g", 0, 1u << 30 },
	{ "100GiB", 0, 100ull << 30 },
	{ "3kib", 0, 3072 },
	{ "16T", 0, 16ull << 40 },
	{ "2P", 0, 2ull << 50 },
	{ "15E", 0, 15ull << 60 },
	{ "007", 0, 7 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "99999999999999999999999999999999999999", -ERANGE, 0 },
	{ "18446744073709551616K", -ERANGE, 0 },
	{ "16E", -ERANGE, 0 },
	{ "18014398509481984K", -ERANGE, 0 },
	{ "18014398509481983K", 0, 18014398509481983ull << 10 },
	{ "", -EINVAL, 0 },
	{ "G", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "1 G", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1.5G", -EINVAL, 0 },
	{ "1GB", -EINVAL, 0 },
	{ "1Gi", -EINVAL, 0 },
	{ "1GiBs", -EINVAL, 0 },
	{ "1KK", -EINVAL, 0 },
	{ "1B", -EINVAL, 0 },
	{ "1iB", -EINVAL, 0 },
	{ "1Z", -EINVAL, 0 },
	{ "99999999999999999999Z", -EINVAL, 0 },
};

static void the_table_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = 4711;
		int ret = size_parse(rows[i].text, &bytes);

		if (ret != rows[i].ret || bytes != (ret ? 4711 : rows[i].bytes))
			fail_msg("\"%s\": %d, %llu", rows[i].text, ret, (unsigned long long)bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_table_holds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
