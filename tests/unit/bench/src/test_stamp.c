/* Stamps: what is right is taken, and every kind of wrong has its verdict. */
#include "bench/src/stamp.h"
#include "tests/unit/backstore/base/unit.h"

#include <string.h>

enum { LEN = 4096 };

static const struct stamp written = { .run = 11, .off_bytes = 1 << 20, .generation = 3 };
static const struct stamp anything = { .run = 11, .off_bytes = 1 << 20, .generation = 0 };

static enum stamp_verdict first_bad(const uint8_t *data, const struct stamp *want)
{
	struct stamp_report report;

	stamp_check(data, LEN, want, &report);
	return report.first_bad;
}

static void test_what_was_written(void **state)
{
	struct stamp_report report;
	uint8_t data[LEN];

	(void)state;
	stamp_fill(data, LEN, &written);
	stamp_check(data, LEN, &written, &report);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.good_bytes, LEN);
	stamp_check(data, LEN, &anything, &report);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.good_bytes, LEN);
}

/* Any single bit, in every byte of a sector. */
static void test_every_bit_counts(void **state)
{
	uint8_t data[LEN];

	(void)state;
	stamp_fill(data, LEN, &written);
	for (unsigned at = STAMP_SECTOR_BYTES; at < 2 * STAMP_SECTOR_BYTES; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct stamp_report report;

			data[at] ^= (uint8_t)(1 << bit);
			stamp_check(data, LEN, &written, &report);
			assert_int_equal(report.bad, 1);
			assert_int_equal(report.first_bad_off_bytes,
					 written.off_bytes + STAMP_SECTOR_BYTES);
			assert_int_equal(report.good_bytes, LEN - STAMP_SECTOR_BYTES);
			/* not knowing the generation: all but the magic number */
			stamp_check(data, LEN, &anything, &report);
			assert_int_equal(report.bad, at >= STAMP_SECTOR_BYTES + 8);
			data[at] ^= (uint8_t)(1 << bit);
		}
	}
}

static void test_other_writes(void **state)
{
	struct stamp older = written, moved = written, other_run = written;
	uint8_t data[LEN];

	(void)state;
	older.generation--;
	moved.off_bytes += STAMP_SECTOR_BYTES;
	other_run.run++;
	stamp_fill(data, LEN, &older);
	assert_int_equal(first_bad(data, &written), STAMP_STALE);
	assert_int_equal(first_bad(data, &anything), STAMP_OK);
	stamp_fill(data, LEN, &other_run);
	assert_int_equal(first_bad(data, &written), STAMP_STALE);
	assert_int_equal(first_bad(data, &anything), STAMP_OK);
	stamp_fill(data, LEN, &moved);
	assert_int_equal(first_bad(data, &written), STAMP_MOVED);
	assert_int_equal(first_bad(data, &anything), STAMP_MOVED);
}

/* The middle of a write that is lost, and what no run has written. */
static void test_holes(void **state)
{
	struct stamp_report report;
	uint8_t data[LEN];

	(void)state;
	stamp_fill(data, LEN, &written);
	memset(data + 1024, 0, 1024);
	stamp_check(data, LEN, &written, &report);
	assert_int_equal(report.bad, 2);
	assert_int_equal(report.first_bad, STAMP_MISSING);
	assert_int_equal(report.first_bad_off_bytes, written.off_bytes + 1024);
	stamp_check(data, LEN, &anything, &report);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.good_bytes, LEN - 1024);
	memset(data, 0x5a, LEN);
	stamp_check(data, LEN, &anything, &report);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.good_bytes, 0);
	assert_int_equal(first_bad(data, &written), STAMP_MISSING);
}

/* Half a sector of one write, half of another. */
static void test_torn(void **state)
{
	struct stamp older = written;
	uint8_t data[LEN], old[LEN];

	(void)state;
	older.generation--;
	stamp_fill(data, LEN, &written);
	stamp_fill(old, LEN, &older);
	memcpy(data + 256, old + 256, 256);
	assert_int_equal(first_bad(data, &written), STAMP_BROKEN);
	assert_int_equal(first_bad(data, &anything), STAMP_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_other_writes),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
