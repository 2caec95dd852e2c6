/* Numbers as people read them. */
#include "tools/ringlun/format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ 1023, "1023" },
		{ 1024, "1K" },
		{ 1025, "1.0K" },
		{ 1536, "1.5K" },
		{ 1048575, "1.0M" }, /* not 1024.0K */
		{ 1048576, "1M" },
		{ 100ull << 30, "100G" },
		{ (100ull << 30) - 512, "100.0G" },
		{ 1536ull << 30, "1.5T" },
		{ (1ull << 60) - 1, "1.0E" },
		{ UINT64_MAX, "16.0E" },
	};
	char out[FORMAT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format_size(rows[i].bytes, out), rows[i].text);
	assert_string_equal(format_exact_size(100ull << 30, out), "100G (107374182400 bytes)");
	assert_string_equal(format_exact_size(7, out), "7 bytes");
	assert_string_equal(format_exact_size(UINT64_MAX, out),
			    "16.0E (18446744073709551615 bytes)");
}

static void latencies(void **state)
{
	static const struct {
		double ns;
		const char *text;
	} rows[] = {
		{ -1, "-" },	      { 0, "0 ns" },	     { 999, "999 ns" },
		{ 999.6, "1.00 us" }, { 1000, "1.00 us" },   { 12500, "12.5 us" },
		{ 192000, "192 us" }, { 999900, "1.00 ms" }, { 1.2e6, "1.20 ms" },
		{ 3.4e9, "3.40 s" },
	};
	char out[FORMAT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format_latency(rows[i].ns, out), rows[i].text);
	assert_string_equal(format_latency(NAN, out), "-");
}

static void rates_and_durations(void **state)
{
	char out[FORMAT_BYTES];

	(void)state;
	assert_string_equal(format_rate(0, out), "0");
	assert_string_equal(format_rate(NAN, out), "0");
	assert_string_equal(format_rate(0.517, out), "0.52");
	assert_string_equal(format_rate(17.34, out), "17.3");
	assert_string_equal(format_rate(99.96, out), "100");
	assert_string_equal(format_rate(18250.4, out), "18250");
	assert_string_equal(format_duration(0, out), "0 s");
	assert_string_equal(format_duration(59, out), "59 s");
	assert_string_equal(format_duration(60, out), "1 min");
	assert_string_equal(format_duration(7500, out), "2 h 5 min");
	assert_string_equal(format_duration(3 * 86400 + 4 * 3600, out), "3 d 4 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(latencies),
		cmocka_unit_test(rates_and_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
