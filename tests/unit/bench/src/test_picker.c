/* Which blocks are picked: none twice at a time, all of them in the end, and generations
 * that say what a read must find. */
#include "bench/src/picker.h"
#include "tests/unit/backstore/base/unit.h"

#include <string.h>

enum { BLOCK = 4096, FIRST = 1 << 20 };

static void begin(struct picker *p, unsigned slots, unsigned read_percent, bool random, bool verify)
{
	*p = (struct picker){ .rng = 7, .read_percent = read_percent, .random = random };
	/* what is left over of a block is not used */
	assert_int_equal(picker_init(p, FIRST, slots * (uint64_t)BLOCK + 512, BLOCK, verify), 0);
}

static void test_seq_wraps(void **state)
{
	struct picker p;
	struct pick pick;

	(void)state;
	begin(&p, 3, 100, false, false);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(picker_next(&p, &pick));
		assert_int_equal(pick.off_bytes, FIRST + i % 3 * BLOCK);
		assert_false(pick.is_write);
		picker_done(&p, &pick, PICKER_READ);
	}
	picker_fini(&p);
}

static void test_none_is_picked_twice(void **state)
{
	struct pick picks[8], more;
	bool seen[8] = { false };
	struct picker p;

	(void)state;
	begin(&p, 8, 50, true, true);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t slot;

		assert_true(picker_next(&p, &picks[i]));
		slot = (picks[i].off_bytes - FIRST) / BLOCK;
		assert_true(slot < 8 && !seen[slot]);
		seen[slot] = true;
	}
	assert_false(picker_next(&p, &more));
	picker_done(&p, &picks[5], PICKER_READ);
	assert_true(picker_next(&p, &more));
	assert_int_equal(more.off_bytes, picks[5].off_bytes);
	picker_fini(&p);
}

static void test_random_reaches_all_evenly(void **state)
{
	unsigned seen[64] = { 0 };
	struct picker p;
	struct pick pick;

	(void)state;
	begin(&p, 64, 100, true, false);
	for (unsigned i = 0; i < 64 * 1000; i++) {
		assert_true(picker_next(&p, &pick));
		assert_true(pick.off_bytes >= FIRST && pick.off_bytes < FIRST + 64 * BLOCK);
		seen[(pick.off_bytes - FIRST) / BLOCK]++;
	}
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(seen[i], 800, 1200);
	picker_fini(&p);
}

static void test_mix(void **state)
{
	unsigned writes = 0;
	struct picker p;
	struct pick pick;

	(void)state;
	begin(&p, 1000, 70, true, false);
	for (unsigned i = 0; i < 10000; i++) {
		assert_true(picker_next(&p, &pick));
		writes += pick.is_write;
	}
	assert_in_range(writes, 2800, 3200);
	picker_fini(&p);
}

/* What a read is told to expect, after a write that went well, and after one that failed. */
static void test_generations(void **state)
{
	struct picker p;
	struct pick pick;

	(void)state;
	begin(&p, 1, 0, false, true);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(picker_next(&p, &pick));
		assert_int_equal(pick.generation, i);
		picker_done(&p, &pick, PICKER_WRITTEN);
	}
	p.read_percent = 100;
	assert_true(picker_next(&p, &pick));
	assert_false(pick.is_write);
	assert_int_equal(pick.generation, 3);
	picker_done(&p, &pick, PICKER_READ);

	p.read_percent = 0;
	assert_true(picker_next(&p, &pick));
	picker_done(&p, &pick, PICKER_UNKNOWN);
	p.read_percent = 100;
	assert_true(picker_next(&p, &pick));
	assert_int_equal(pick.generation, 0);
	picker_done(&p, &pick, PICKER_READ);

	/* the failed write may have been made, or not: the next one is of neither's number */
	p.read_percent = 0;
	assert_true(picker_next(&p, &pick));
	assert_int_equal(pick.generation, 5);
	/* a busy one that is given up leaves things as they were */
	picker_done(&p, &pick, PICKER_READ);
	p.read_percent = 100;
	assert_true(picker_next(&p, &pick));
	assert_int_equal(pick.generation, 0);
	picker_fini(&p);
}

static void test_read_back(void **state)
{
	struct pick pick, written[3];
	struct picker p;

	(void)state;
	begin(&p, 10, 0, false, true);
	assert_false(picker_next_written(&p, &pick));
	p.readback_slot = 0;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(picker_next(&p, &written[i]));
		picker_done(&p, &written[i], i == 1 ? PICKER_UNKNOWN : PICKER_WRITTEN);
	}
	for (unsigned i = 0; i < 3; i += 2) {
		assert_true(picker_next_written(&p, &pick));
		assert_int_equal(pick.off_bytes, written[i].off_bytes);
		assert_int_equal(pick.generation, 1);
		assert_false(pick.is_write);
	}
	assert_false(picker_next_written(&p, &pick));
	picker_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seq_wraps),
		cmocka_unit_test(test_none_is_picked_twice),
		cmocka_unit_test(test_random_reaches_all_evenly),
		cmocka_unit_test(test_mix),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
