/* VERIFY, WRITE AND VERIFY, PRE-FETCH. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include <errno.h>

static uint8_t pattern[RIG_BUF];

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 9));
	memcpy(r->bs.data, pattern, r->bs.bs.size_bytes);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

static void verify_reads_and_takes_no_data(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_start(r, &c, 0, rig_rw16(0x8f, 0x10, 3, 2000), 16, 512, 0);
	assert_int_equal(c.cmd.buffer_bytes, 0);
	assert_int_equal(c.cmd.transfer_bytes, 0);
	rig_run(&c, NULL);
	rig_finish(r, &c);
	rig_expect_good(&c);
	assert_int_equal(r->bs.kinds[BS_READ], 4); /* 2000 blocks by 512 */
	rig_free(&c);
	rig_start(r, &c, 0, rig_rw16(0x8f, 0, 0, 1024), 16, 0, 0);
	rig_run(&c, NULL);
	rig_complete(&r->bs, 0, 0);
	rig_complete(&r->bs, 0, -EIO);
	rig_expect_sense(&c, KEY_MEDIUM_ERROR, ASC_READ_ERROR);
	rig_free(&c);
}

static void verify_compares_every_byte(void **state)
{
	static const uint32_t at[] = { 0, 511, 512, 262143, 262144, 500 * 512, 1279 * 512 + 511 };
	static uint8_t sent[1280 * 512];
	struct rig *r = *state;
	struct rig_cmd c;

	memcpy(sent, pattern + 7 * 512, sizeof(sent));
	rig_do(r, &c, rig_rw16(0x8f, 0x02, 7, 1280), 16, sent, sizeof(sent), 0);
	rig_expect_good(&c);
	assert_int_equal(c.cmd.transfer_bytes, sizeof(sent));
	rig_free(&c);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		sent[at[i]] ^= 0x40;
		rig_do(r, &c, rig_rw16(0x8f, 0x02, 7, 1280), 16, sent, sizeof(sent), 0);
		rig_expect_sense(&c, KEY_MISCOMPARE, ASC_MISCOMPARE);
		rig_free(&c);
		sent[at[i]] ^= 0x40;
	}
	assert_memory_equal(r->bs.data, pattern, r->bs.bs.size_bytes);
}

static void verify_compares_with_one_block(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned b = 0; b < 600; b++)
		memcpy(r->bs.data + (100 + b) * 512, pattern, 512);
	rig_do(r, &c, rig_rw16(0x8f, 0x06, 100, 600), 16, pattern, 512, 0);
	rig_expect_good(&c);
	rig_free(&c);
	r->bs.data[699 * 512] ^= 1;
	rig_do(r, &c, rig_rw16(0x8f, 0x06, 100, 600), 16, pattern, 512, 0);
	rig_expect_sense(&c, KEY_MISCOMPARE, ASC_MISCOMPARE);
	rig_free(&c);
	rig_do(r, &c, rig_rw16(0x8f, 0x06, 100, 600), 16, pattern, 1024, 0);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_UNIT);
}

static void bad_fields(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_do(r, &c, rig_rw16(0x8f, 0x04, 0, 1), 16, NULL, 512, 0); /* reserved BYTCHK */
	rig_expect_cdb_field(&c, 1, 2);
	rig_do(r, &c, rig_rw16(0x8e, 0x04, 0, 1), 16, NULL, 512, 0);
	rig_expect_cdb_field(&c, 1, 2);
	for (uint8_t op = 0x8e; op <= 0x8f; op++)
		for (uint8_t bytchk = 0; bytchk < 2; bytchk++) {
			uint8_t flags = (uint8_t)(bytchk << 1);

			rig_do(r, &c, rig_rw16(op, flags, 0x3fff, 2), 16, NULL, 1024, 0);
			rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
			rig_do(r, &c, rig_rw16(op, flags, 0x4001, 0), 16, NULL, 0, 0);
			rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
			rig_do(r, &c, rig_rw16(op, flags, 0, 0), 16, NULL, 0, 0);
			rig_expect_good(&c);
			rig_free(&c);
		}
	rig_do(r, &c, rig_rw16(0x8f, 0x02, 0, 8193), 16, NULL, RIG_BUF, 0);
	rig_expect_cdb_field(&c, 10, 7);
	assert_int_equal(r->bs.submitted, 0);
}

static void write_and_verify(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	for (uint8_t bytchk = 0; bytchk < 2; bytchk++) {
		memset(r->bs.data, 0, 4096);
		rig_start(r, &c, 0, rig_rw16(0x8e, (uint8_t)(bytchk << 1), 0, 2), 16, 1024, 0);
		rig_run(&c, pattern);
		assert_int_equal(r->bs.reqs[0]->kind, BS_WRITE);
		assert_int_equal(r->bs.reqs[0]->flags, BS_FUA);
		rig_complete(&r->bs, 0, 0);
		assert_int_equal(r->bs.reqs[0]->kind, BS_READ);
		rig_complete(&r->bs, 0, 0);
		rig_expect_good(&c);
		assert_memory_equal(r->bs.data, pattern, 1024);
		rig_free(&c);
	}
	/* the disk does not give back what it took */
	rig_start(r, &c, 0, rig_rw16(0x8e, 0x02, 0, 1000), 16, 512000, 0);
	rig_run(&c, pattern + 1);
	rig_complete(&r->bs, 0, 0);
	r->bs.data[800 * 512] ^= 1;
	rig_complete(&r->bs, 0, 0);
	assert_false(c.done);
	rig_complete(&r->bs, 0, 0);
	rig_expect_sense(&c, KEY_MISCOMPARE, ASC_MISCOMPARE);
	assert_int_equal(c.cmd.transfer_bytes, 512000);
	rig_free(&c);
	/* fewer bytes than blocks: as WRITE */
	rig_do(r, &c, rig_rw16(0x8e, 0x02, 0, 2), 16, pattern, 512, 0);
	rig_expect_good(&c);
	assert_int_equal(c.cmd.transfer_bytes, 1024);
	rig_free(&c);
}

/* It writes: aborted, it is fenced; and nothing is read back any more. */
static void aborted_write_and_verify_is_fenced(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, c;

	rig_start(r, &zombie, 0, rig_rw16(0x8e, 0x02, 5, 1), 16, 512, 0);
	rig_run(&zombie, pattern);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	rig_start(r, &c, 1, rig_rw16(0x8f, 0, 5, 1), 16, 0, 0);
	rig_run(&c, NULL);
	assert_int_equal(c.cmd.state, CMD_WAITING);
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	assert_int_equal(r->bs.nreqs, 0);
	rig_finish(r, &c);
	rig_expect_good(&c);
	rig_free(&zombie);
	rig_free(&c);
}

static void prefetch(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_do(r, &c, CDB(0x34, 0x02, 0, 0, 0, 1, 3, 0, 9), NULL, 0, 0);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, rig_rw16(0x90, 0, 0x4000, 0), 16, NULL, 0, 0);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, rig_rw16(0x90, 0, 0x3fff, 2), 16, NULL, 0, 0);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(r->bs.submitted, 0);
}

/* Its memory is of the budget, and never of the last half. */
static void no_room_is_busy(void **state)
{
	struct rig *r = *state;
	struct iovec taken[9];
	struct rig_cmd c;
	int n = pool_get(r->pool, 8 << 20, taken, 9);

	assert_in_range(n, 1, 9);
	rig_do(r, &c, rig_rw16(0x8f, 0, 0, 8), 16, NULL, 0, 0);
	assert_int_equal(c.cmd.status, SCSI_BUSY);
	rig_free(&c);
	pool_put(r->pool, taken, n);
	rig_do(r, &c, rig_rw16(0x8f, 0, 0, 8), 16, NULL, 0, 0);
	rig_expect_good(&c);
	rig_free(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(no_room_is_busy),
		T(verify_reads_and_takes_no_data),
		T(verify_compares_every_byte),
		T(verify_compares_with_one_block),
		T(bad_fields),
		T(write_and_verify),
		T(aborted_write_and_verify_is_fenced),
		T(prefetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
