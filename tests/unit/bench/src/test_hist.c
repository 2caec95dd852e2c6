/* The histogram against a sorted list of the same values: every percentile within 1.6 %. */
#include "bench/src/hist.h"
#include "tests/unit/backstore/base/unit.h"

#include <stdlib.h>
#include <string.h>

enum { VALUES = 20000 };

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void assert_near(uint64_t got, uint64_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	if ((double)off > 0.016 * (double)want)
		fail_msg("%llu is not near %llu", (unsigned long long)got,
			 (unsigned long long)want);
}

static void check(struct hist *h, uint64_t *values, unsigned n)
{
	static const double percents[] = { 0, 1, 10, 50, 75, 90, 99, 99.9, 99.99, 100 };

	qsort(values, n, sizeof(*values), by_value);
	assert_int_equal(h->count, n);
	assert_int_equal(h->min, values[0]);
	assert_int_equal(h->max, values[n - 1]);
	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		double share = percents[i] / 100 * n;
		unsigned rank = (unsigned)share + ((unsigned)share < share);

		assert_near(hist_percentile(h, percents[i]), values[rank ? rank - 1 : 0]);
	}
}

/* Of all magnitudes: each value has a random number of bits. */
static uint64_t some_value(unsigned i)
{
	uint64_t x = (uint64_t)random() << 40 ^ (uint64_t)random() << 20 ^ (uint64_t)random();

	return x >> (i * 7 % 64);
}

static void test_all_magnitudes(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));
	uint64_t *values = calloc(VALUES, sizeof(*values));

	(void)state;
	srandom(1);
	for (unsigned i = 0; i < VALUES; i++) {
		values[i] = some_value(i);
		hist_record(h, values[i]);
	}
	check(h, values, VALUES);
	free(values);
	free(h);
}

/* Both sides of each power of two, where a wrong bucket would be far off. */
static void test_edges(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int d = -1; d <= 1; d++) {
			uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)d;

			memset(h, 0, sizeof(*h));
			hist_record(h, 0);
			hist_record(h, value);
			hist_record(h, UINT64_MAX);
			if (value)
				assert_near(hist_percentile(h, 50), value);
		}
	}
	free(h);
}

static void test_small_values_are_exact(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));

	(void)state;
	for (uint64_t v = 0; v < 100; v++)
		hist_record(h, v);
	assert_int_equal(hist_percentile(h, 50), 49);
	assert_int_equal(hist_percentile(h, 60), 59);
	assert_int_equal(hist_percentile(h, 0), 0);
	assert_int_equal(hist_percentile(h, 100), 99);
	assert_true(hist_mean(h) > 49.4 && hist_mean(h) < 49.6);
	free(h);
}

static void test_sum_of_two(void **state)
{
	struct hist *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	uint64_t *values = calloc(VALUES, sizeof(*values));

	(void)state;
	srandom(2);
	for (unsigned i = 0; i < VALUES; i++) {
		values[i] = some_value(i);
		hist_record(i % 3 ? a : b, values[i]);
	}
	hist_add(a, b);
	check(a, values, VALUES);
	free(values);
	free(a);
	free(b);
}

static void test_nothing(void **state)
{
	struct hist *empty = calloc(1, sizeof(*empty)), *one = calloc(1, sizeof(*one));

	(void)state;
	assert_int_equal(hist_percentile(empty, 50), 0);
	assert_true(hist_mean(empty) == 0);
	hist_record(one, 77);
	hist_add(one, empty); /* its least, 0, is none */
	assert_int_equal(one->min, 77);
	hist_add(empty, one);
	assert_int_equal(hist_percentile(empty, 50), 77);
	free(empty);
	free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_magnitudes),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_sum_of_two),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
