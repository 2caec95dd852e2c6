/* UNMAP and WRITE SAME: parameter lists good and hostile, pieces, limits. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include <errno.h>

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	memset(r->bs.data, 'a', r->bs.bs.size_bytes);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

static uint8_t list[65536];

/* A parameter list of @n descriptors, its lengths right; returns its length. */
static uint16_t unmap_list(unsigned n, uint64_t (*lba_n)[2])
{
	memset(list, 0, sizeof(list));
	put_be16(list, (uint16_t)(6 + 16 * n));
	put_be16(list + 2, (uint16_t)(16 * n));
	for (unsigned i = 0; i < n; i++) {
		put_be64(list + 8 + 16 * i, lba_n[i][0]);
		put_be32(list + 16 + 16 * i, (uint32_t)lba_n[i][1]);
	}
	return (uint16_t)(8 + 16 * n);
}

static void unmap(struct rig *r, struct rig_cmd *c, uint16_t told, uint32_t offered)
{
	uint8_t cdb[16] = { 0x42 };

	put_be16(cdb + 7, told);
	rig_do(r, c, cdb, 16, list, offered, 0);
	rig_free(c);
}

static void expect_bytes(const struct rig *r, uint64_t lba, uint64_t n, uint8_t byte)
{
	for (uint64_t i = lba * 512; i < (lba + n) * 512; i++)
		assert_int_equal(r->bs.data[i], byte);
}

static void unmap_goes_upwards_and_over_each_block_once(void **state)
{
	static uint64_t d[][2] = { { 100, 1 }, { 0, 8 }, { 7, 0 },  { 0x3fff, 1 },
				   { 4, 8 },   { 2, 1 }, { 101, 1 } };
	static const uint64_t want[][2] = { { 0, 12 }, { 100, 1 }, { 101, 1 }, { 0x3fff, 1 } };
	struct rig *r = *state;
	struct rig_cmd c;
	uint8_t cdb[16] = { 0x42 };
	uint16_t len = unmap_list(ARRAY_SIZE(d), d);

	put_be16(cdb + 7, len);
	rig_start(r, &c, 0, cdb, 16, len, 0);
	assert_int_equal(c.cmd.buffer_bytes, len);
	assert_int_equal(c.cmd.transfer_bytes, len);
	rig_run(&c, list);
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(r->bs.nreqs, 1); /* one after another */
		assert_int_equal(r->bs.reqs[0]->kind, BS_DISCARD);
		assert_int_equal(r->bs.reqs[0]->off_bytes, want[i][0] * 512);
		assert_int_equal(r->bs.reqs[0]->len_bytes, want[i][1] * 512);
		assert_false(c.done);
		rig_complete(&r->bs, 0, 0);
	}
	rig_expect_good(&c);
	expect_bytes(r, 0, 12, 0);
	expect_bytes(r, 12, 88, 'a');
	expect_bytes(r, 102, 2, 'a');
	expect_bytes(r, 0x3fff, 1, 0);
	rig_free(&c);
}

static void unmap_of_nothing_is_good(void **state)
{
	static uint64_t none[][2] = { { 5, 0 }, { 0x4000, 0 } };
	struct rig *r = *state;
	struct rig_cmd c;

	unmap(r, &c, 0, 0);
	rig_expect_good(&c);
	unmap(r, &c, unmap_list(0, NULL), 8);
	rig_expect_good(&c);
	unmap(r, &c, unmap_list(2, none), 40);
	rig_expect_good(&c);
	assert_int_equal(r->bs.submitted, 0);
}

static void unmap_ignores_part_of_a_descriptor(void **state)
{
	static uint64_t d[][2] = { { 0, 1 }, { 1, 1 } };
	struct rig *r = *state;
	struct rig_cmd c;

	unmap_list(2, d);
	put_be16(list, 6 + 31);
	put_be16(list + 2, 31);
	unmap(r, &c, 39, 39);
	rig_expect_good(&c);
	expect_bytes(r, 0, 1, 0);
	expect_bytes(r, 1, 1, 'a');
}

static void unmap_refuses_what_is_cut(void **state)
{
	static uint64_t d[][2] = { { 0, 1 }, { 1, 1 } };
	struct rig *r = *state;
	struct rig_cmd c;

	for (uint16_t len = 1; len < 40; len++) { /* by the CDB */
		unmap_list(2, d);
		unmap(r, &c, len, 40);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_PARAM_LENGTH);
	}
	for (uint16_t len = 0; len < 40; len++) { /* by the initiator */
		unmap_list(2, d);
		unmap(r, &c, 40, len);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_PARAM_LENGTH);
	}
	assert_int_equal(r->bs.submitted, 0);
	unmap_list(2, d); /* longer inside than outside */
	put_be16(list, 0xffff);
	unmap(r, &c, 40, 40);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_PARAM_LENGTH);
	unmap_list(2, d);
	put_be16(list + 2, 0xffff);
	unmap(r, &c, 40, 40);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_PARAM_LENGTH);
	unmap_list(2, d); /* the descriptors longer than the data that holds them */
	put_be16(list, 6 + 16);
	unmap(r, &c, 40, 40);
	rig_expect_list_field(&c, 2);
	put_be16(list, 0);
	unmap(r, &c, 40, 40);
	rig_expect_list_field(&c, 2);
	assert_int_equal(r->bs.submitted, 0);
}

/* Nothing is unmapped when any descriptor is bad. */
static void unmap_checks_before_it_runs(void **state)
{
	static uint64_t bad[][2][2] = {
		{ { 0, 1 }, { 0x4000, 1 } },
		{ { 0, 1 }, { 0x4001, 0 } },
		{ { 0, 1 }, { UINT64_MAX, 2 } },
		{ { 0, 1 }, { UINT64_MAX - 0xfffffffe, 0xffffffff } },
		{ { 0, 1 }, { 1, 0x4000 } },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		uint16_t len = unmap_list(2, bad[i]);

		unmap(r, &c, len, len);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	}
	assert_int_equal(r->bs.submitted, 0);
}

static void unmap_keeps_its_limits(void **state)
{
	static uint64_t many[1025][2];
	struct rig *r = *state;
	struct rig_cmd c;
	uint16_t len;

	for (unsigned i = 0; i < 1025; i++) {
		many[i][0] = i;
		many[i][1] = 1;
	}
	len = unmap_list(1024, many);
	unmap(r, &c, len, len);
	rig_expect_good(&c);
	assert_int_equal(r->bs.kinds[BS_DISCARD], 1024);
	len = unmap_list(1025, many);
	unmap(r, &c, len, len);
	rig_expect_list_field(&c, 2);
	/* overlapping is allowed, but each block counts each time: 64 x 16384 = 2^20 */
	for (unsigned i = 0; i < 65; i++) {
		many[i][0] = 0;
		many[i][1] = 0x4000;
	}
	len = unmap_list(64, many);
	unmap(r, &c, len, len);
	rig_expect_good(&c);
	len = unmap_list(65, many);
	unmap(r, &c, len, len);
	rig_expect_list_field(&c, 8 + 64 * 16 + 8);
}

static void unmap_stops_at_an_error(void **state)
{
	static uint64_t d[][2] = { { 0, 1 }, { 1, 1 }, { 2, 1 } };
	struct rig *r = *state;
	struct rig_cmd c;
	uint8_t cdb[16] = { 0x42, 0, 0, 0, 0, 0, 0, 0, 56 };

	unmap_list(3, d);
	rig_start(r, &c, 0, cdb, 16, 56, 0);
	rig_run(&c, list);
	rig_complete(&r->bs, 0, 0);
	rig_complete(&r->bs, 0, -EIO);
	rig_expect_sense(&c, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	assert_int_equal(r->bs.nreqs, 0);
	expect_bytes(r, 2, 1, 'a');
	rig_free(&c);
}

static void make_thick(struct backstore *bs)
{
	bs->discard_bytes = 0;
}

static void thick_unit_has_no_unmap(void **state)
{
	struct rig r;
	struct rig_cmd c;

	(void)state;
	rig_open(&r, make_thick);
	rig_do(&r, &c, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 0), NULL, 0, 0);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	rig_do(&r, &c, CDB(0x41, 0x08, 0, 0, 0, 0, 0, 0, 1), NULL, 512, 0);
	rig_expect_cdb_field(&c, 1, 3);
	rig_do(&r, &c, CDB(0x93, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), NULL, 0, 0);
	rig_expect_cdb_field(&c, 1, 3);
	rig_shut(&r);
}

/* --- WRITE SAME -------------------------------------------------------------------- */

static uint8_t block[4096];

static void same_zeros_are_one_request(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t offered;
		unsigned bs_flags;
	} t[] = { { 0x00, 512, 0 },
		  { 0x08, 512, BS_MAY_UNMAP },
		  { 0x01, 0, 0 },
		  { 0x09, 0, BS_MAY_UNMAP } };
	struct rig *r = *state;
	struct rig_cmd c;

	memset(block, 0, sizeof(block));
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		memset(r->bs.data, 'a', 100 * 512);
		rig_start(r, &c, 0, rig_rw16(0x93, t[i].flags, 3, 50), 16, t[i].offered, 0);
		assert_int_equal(c.cmd.buffer_bytes, t[i].offered);
		assert_int_equal(c.cmd.transfer_bytes, t[i].offered);
		rig_run(&c, block);
		assert_int_equal(r->bs.nreqs, 1);
		assert_int_equal(r->bs.reqs[0]->kind, BS_WRITE_ZEROES);
		assert_int_equal(r->bs.reqs[0]->flags, t[i].bs_flags);
		rig_finish(r, &c);
		rig_expect_good(&c);
		expect_bytes(r, 0, 3, 'a');
		expect_bytes(r, 3, 50, 0);
		expect_bytes(r, 53, 10, 'a');
		rig_free(&c);
	}
}

static void same_pattern_is_repeated_in_pieces(void **state)
{
	static const uint32_t counts[] = { 1, 2, 127, 128, 129, 511, 512, 513, 2047, 2049, 5000 };
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 13 + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		uint32_t n = counts[i];
		unsigned before = r->bs.kinds[BS_WRITE];

		memset(r->bs.data, 'a', r->bs.bs.size_bytes);
		/* UNMAP makes no difference: what is not zeros has to be written */
		rig_do(r, &c, rig_rw16(0x93, i & 1 ? 0x08 : 0, 9, n), 16, block, 512, 0);
		rig_expect_good(&c);
		expect_bytes(r, 0, 9, 'a');
		for (uint32_t b = 0; b < n; b++)
			assert_memory_equal(r->bs.data + (9 + b) * 512, block, 512);
		expect_bytes(r, 9 + n, 3, 'a');
		assert_int_equal(r->bs.kinds[BS_WRITE] - before, (n + 511) / 512);
		rig_free(&c);
	}
	/* one byte that is not zero, at the end */
	memset(block, 0, sizeof(block));
	block[511] = 1;
	rig_do(r, &c, rig_rw16(0x93, 0, 0, 1), 16, block, 512, 0);
	assert_memory_equal(r->bs.data, block, 512);
	rig_free(&c);
}

static void same_of_no_blocks_is_refused(void **state)
{
	static const uint64_t beyond[] = { 0x4001, UINT64_C(1) << 63, UINT64_MAX };
	struct rig *r = *state;
	struct rig_cmd c;

	memset(block, 0, sizeof(block));
	rig_do(r, &c, rig_rw16(0x93, 0, 0x3ff0, 0), 16, block, 512, 0);
	rig_expect_cdb_field(&c, 10, 7);
	rig_do(r, &c, CDB(0x41, 0x08, 0, 0, 0x3f, 0x00, 0, 0, 0), block, 512, 0);
	rig_expect_cdb_field(&c, 7, 7);
	for (unsigned i = 0; i < ARRAY_SIZE(beyond); i++)
		for (uint32_t n = 0; n < 2; n++) {
			rig_do(r, &c, rig_rw16(0x93, 0, beyond[i], n), 16, block, 512, 0);
			rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
		}
	rig_do(r, &c, rig_rw16(0x93, 0, 0x3fff, 2), 16, block, 512, 0);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(r->bs.submitted, 0);
}

static void same_wants_one_block_of_data(void **state)
{
	static const uint32_t wrong[] = { 0, 1, 256, 511, 513, 1024 };
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		rig_do(r, &c, rig_rw16(0x93, 0x08, 0, 1), 16, block, wrong[i], 0);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_UNIT);
		rig_do(r, &c, CDB(0x41, 0, 0, 0, 0, 0, 0, 0, 1), block, wrong[i], 0);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_UNIT);
	}
	assert_int_equal(r->bs.submitted, 0);
}

static void make_large(struct backstore *bs)
{
	bs->size_bytes = UINT64_C(4) << 40;
}

static void same_keeps_its_limit(void **state)
{
	struct rig r;
	struct rig_cmd c;
	uint32_t max = 32768;

	(void)state;
	rig_open(&r, make_large);
	memset(block, 0, sizeof(block));
	rig_do(&r, &c, rig_rw16(0x93, 0, 0, max + 1), 16, block, 512, 0);
	rig_expect_cdb_field(&c, 10, 7);
	rig_do(&r, &c, CDB(0x41, 0, 0, 0, 0, 0, 0, 0x80, 1), block, 512, 0);
	rig_expect_cdb_field(&c, 7, 7);
	rig_start(&r, &c, 0, rig_rw16(0x93, 0, 5, max), 16, 512, 0);
	rig_run(&c, block);
	assert_int_equal(r.bs.reqs[0]->len_bytes, max * 512);
	rig_complete(&r.bs, 0, -EIO);
	rig_expect_sense(&c, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	rig_free(&c);
	rig_shut(&r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(unmap_goes_upwards_and_over_each_block_once),
		T(unmap_of_nothing_is_good),
		T(unmap_ignores_part_of_a_descriptor),
		T(unmap_refuses_what_is_cut),
		T(unmap_checks_before_it_runs),
		T(unmap_keeps_its_limits),
		T(unmap_stops_at_an_error),
		cmocka_unit_test(thick_unit_has_no_unmap),
		T(same_zeros_are_one_request),
		T(same_pattern_is_repeated_in_pieces),
		T(same_of_no_blocks_is_refused),
		T(same_wants_one_block_of_data),
		cmocka_unit_test(same_keeps_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
