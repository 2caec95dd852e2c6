/* READ, WRITE, SYNCHRONIZE CACHE, START STOP UNIT: decoding, limits, residuals, errors. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include <errno.h>

static uint8_t pattern[RIG_BUF];

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 9));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

static void each_length_reads_what_was_written(void **state)
{
	static const struct {
		uint8_t write[16], read[16];
		uint64_t lba;
		uint32_t n;
	} t[] = {
		{ { 0x0a, 0x00, 0x01, 0x02, 3 }, { 0x08, 0x00, 0x01, 0x02, 3 }, 0x102, 3 },
		{ { 0x0a, 0, 0, 1, 0 }, { 0x08, 0, 0, 1, 0 }, 1, 256 },
		{ { 0x2a, 0x1a, 0, 0, 1, 3, 0x1f, 0, 5 },
		  { 0x28, 0x1a, 0, 0, 1, 3, 0x1f, 0, 5 },
		  0x103,
		  5 },
		{ { 0xaa, 0x18, 0, 0, 0x20, 1, 0, 0, 0, 7 },
		  { 0xa8, 0x18, 0, 0, 0x20, 1, 0, 0, 0, 7 },
		  0x2001,
		  7 },
		{ { 0x8a, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0xff, 0, 0, 0, 1 },
		  { 0x88, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0xff, 0, 0, 0, 1 },
		  0x3fff,
		  1 },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t bytes = t[i].n * 512;

		rig_do(r, &c, t[i].write, 16, pattern + i, bytes, 0);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.transfer_bytes, bytes);
		assert_memory_equal(r->bs.data + t[i].lba * 512, pattern + i, bytes);
		rig_free(&c);
		rig_do(r, &c, t[i].read, 16, NULL, 0, bytes);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.in_bytes, bytes);
		assert_int_equal(c.cmd.transfer_bytes, bytes);
		assert_memory_equal(c.buf, pattern + i, bytes);
		rig_free(&c);
	}
}

static void read6_takes_21_bits_of_lba(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_do(r, &c, CDB(0x08, 0x1f, 0xff, 0xff, 1), NULL, 0, 512);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	rig_do(r, &c, CDB(0x08, 0x20, 0, 0, 1), NULL, 0, 512);
	rig_expect_cdb_field(&c, 1, 5);
}

static void range(void **state)
{
	static const struct {
		uint64_t lba;
		uint32_t n;
		bool good;
	} t[] = {
		{ 0x3fff, 1, true },	      { 0x4000, 0, true },
		{ 0x4000, 1, false },	      { 0x4001, 0, false },
		{ 0x3fff, 2, false },	      { UINT64_MAX, 1, false },
		{ UINT64_MAX, 0, false },     { UINT64_C(1) << 63, 0, false },
		{ UINT64_MAX - 3, 8, false },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		for (unsigned op = 0; op < 2; op++) {
			rig_do(r, &c, rig_rw16(op ? 0x8a : 0x88, 0, t[i].lba, t[i].n), 16, pattern,
			       op ? 512 : 0, op ? 0 : 512);
			if (t[i].good)
				rig_expect_good(&c);
			else
				rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
			rig_free(&c);
		}
}

static void nothing_longer_than_told(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;
	uint32_t max = SCSI_MAX_TRANSFER_BYTES / 512;

	rig_do(r, &c, rig_rw16(0x88, 0, 0, max), 16, NULL, 0, SCSI_MAX_TRANSFER_BYTES);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, rig_rw16(0x88, 0, 0, max + 1), 16, NULL, 0, RIG_BUF);
	rig_expect_cdb_field(&c, 10, 7);
	rig_do(r, &c, rig_rw16(0x8a, 0, 0, max + 1), 16, pattern, RIG_BUF, 0);
	rig_expect_cdb_field(&c, 10, 7);
	rig_do(r, &c, CDB(0x28, 0, 0, 0, 0, 0, 0, 0x20, 0x01), NULL, 0, RIG_BUF);
	rig_expect_cdb_field(&c, 7, 7);
	rig_do(r, &c, CDB(0xaa, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x01), pattern, RIG_BUF, 0);
	rig_expect_cdb_field(&c, 6, 7);
}

/* What the backstore is asked for, and what is told. */
static void residuals_of_reads(void **state)
{
	static const struct {
		uint32_t n, room, buffer, in;
	} t[] = {
		{ 1, 512, 512, 512 }, { 1, 0, 0, 0 },	    { 1, 10000, 512, 512 },
		{ 1, 200, 512, 200 }, { 2, 512, 512, 512 }, { 2, 513, 1024, 513 },
		{ 0, 4096, 0, 0 },    { 0, 0, 0, 0 },	    { 4, 1, 512, 1 },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	memcpy(r->bs.data, pattern, 4096);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned before = r->bs.kinds[BS_READ];

		rig_start(r, &c, 0, rig_rw16(0x88, 0, 0, t[i].n), 16, 0, t[i].room);
		assert_int_equal(c.next, SCSI_NEEDS_BUFFER);
		assert_int_equal(c.cmd.dir, SCSI_DIR_IN);
		assert_int_equal(c.cmd.buffer_bytes, t[i].buffer);
		rig_run(&c, NULL);
		rig_finish(r, &c);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.in_bytes, t[i].in);
		assert_int_equal(c.cmd.transfer_bytes, t[i].n * 512);
		assert_memory_equal(c.buf, pattern, t[i].in);
		assert_int_equal(r->bs.kinds[BS_READ] - before, t[i].buffer ? 1 : 0);
		rig_free(&c);
	}
}

static void residuals_of_writes(void **state)
{
	static const struct {
		uint32_t n, offered, written;
	} t[] = {
		{ 1, 512, 512 }, { 1, 0, 0 },	   { 1, 10000, 512 }, { 1, 200, 0 },
		{ 2, 512, 512 }, { 2, 1023, 512 }, { 0, 512, 0 },     { 0, 0, 0 },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		memset(r->bs.data, 'a', 16384);
		rig_start(r, &c, 0, rig_rw16(0x8a, 0, 0, t[i].n), 16, t[i].offered, 0);
		assert_int_equal(c.next, SCSI_NEEDS_BUFFER);
		assert_int_equal(c.cmd.dir, SCSI_DIR_OUT);
		assert_int_equal(c.cmd.buffer_bytes, t[i].written);
		rig_run(&c, pattern);
		rig_finish(r, &c);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.in_bytes, 0);
		assert_int_equal(c.cmd.transfer_bytes, t[i].n * 512);
		assert_memory_equal(r->bs.data, pattern, t[i].written);
		for (unsigned b = t[i].written; b < 16384; b++)
			assert_int_equal(r->bs.data[b], 'a');
		rig_free(&c);
	}
}

/* The initiator sends what the command does not take, or takes what it does not send. */
static void wrong_direction_moves_nothing(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	memset(r->bs.data, 'a', 512);
	rig_do(r, &c, rig_rw16(0x88, 0, 0, 1), 16, NULL, 512, 0);
	rig_expect_good(&c);
	assert_int_equal(c.cmd.in_bytes, 0);
	rig_free(&c);
	rig_do(r, &c, rig_rw16(0x8a, 0, 0, 1), 16, NULL, 0, 512);
	rig_expect_good(&c);
	assert_int_equal(c.cmd.in_bytes, 0);
	assert_int_equal(r->bs.data[0], 'a');
	assert_int_equal(r->bs.submitted, 0);
	rig_free(&c);
}

static void fua(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < 2; i++) { /* FUA, FUA_NV */
		rig_start(r, &c, 0, rig_rw16(0x8a, i ? 0x02 : 0x08, 0, 1), 16, 512, 0);
		rig_run(&c, pattern);
		assert_int_equal(r->bs.reqs[0]->flags, BS_FUA);
		rig_finish(r, &c);
		rig_free(&c);
		rig_start(r, &c, 0, rig_rw16(0x88, i ? 0x02 : 0x08, 0, 1), 16, 0, 512);
		rig_run(&c, NULL);
		assert_int_equal(r->bs.reqs[0]->kind, BS_FLUSH);
		rig_complete(&r->bs, 0, 0);
		assert_false(c.done);
		assert_int_equal(r->bs.reqs[0]->kind, BS_READ);
		rig_finish(r, &c);
		rig_expect_good(&c);
		rig_free(&c);
	}
	r->bs.bs.write_cache = false; /* what was written is on the medium already */
	rig_start(r, &c, 0, rig_rw16(0x88, 0x08, 0, 1), 16, 0, 512);
	rig_run(&c, NULL);
	assert_int_equal(r->bs.reqs[0]->kind, BS_READ);
	rig_finish(r, &c);
	rig_free(&c);
	/* READ(6) has no such bits: byte 1 is part of the LBA */
	rig_start(r, &c, 0, CDB(0x0a, 0, 0x08, 0, 1), 512, 0);
	rig_run(&c, pattern);
	assert_int_equal(r->bs.reqs[0]->flags, 0);
	rig_finish(r, &c);
	rig_free(&c);
}

static void errors_become_sense(void **state)
{
	static const struct {
		uint8_t opcode;
		int err;
		unsigned key, asc;
	} t[] = {
		{ 0x88, -EIO, KEY_MEDIUM_ERROR, ASC_READ_ERROR },
		{ 0x8a, -EIO, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR },
		{ 0x91, -EIO, KEY_HARDWARE_ERROR, ASC_INTERNAL },
		{ 0x8a, -ENOSPC, KEY_DATA_PROTECT, ASC_NO_SPACE },
		{ 0x8a, -EROFS, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED },
		{ 0x88, -ERANGE, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE },
		{ 0x88, -ENODEV, KEY_NOT_READY, ASC_NEEDS_A_HUMAN },
		{ 0x88, -ESHUTDOWN, KEY_NOT_READY, ASC_NEEDS_A_HUMAN },
		{ 0x88, -EINVAL, KEY_HARDWARE_ERROR, ASC_INTERNAL },
		{ 0x8a, -ECANCELED, KEY_ABORTED_COMMAND, ASC_NONE },
		{ 0x8a, -ETIMEDOUT, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		bool out = t[i].opcode == 0x8a;

		rig_start(r, &c, 0, rig_rw16(t[i].opcode, 0, 0, 1), 16, out ? 512 : 0,
			  out ? 0 : 512);
		rig_run(&c, pattern);
		rig_complete(&r->bs, 0, t[i].err);
		rig_expect_sense(&c, t[i].key, t[i].asc);
		assert_int_equal(c.cmd.sense[0] & 0x80, 0); /* no LBA is told */
		assert_int_equal(c.cmd.transfer_bytes, out ? 512 : 0);
		rig_free(&c);
	}
	rig_start(r, &c, 0, rig_rw16(0x88, 0, 0, 1), 16, 0, 512);
	rig_run(&c, NULL);
	rig_complete(&r->bs, 0, -ENOMEM);
	assert_true(c.done);
	assert_int_equal(c.cmd.status, SCSI_BUSY);
	assert_int_equal(c.cmd.sense_len, 0);
	rig_free(&c);
	/* the flush of a FUA read fails: nothing is read */
	rig_start(r, &c, 0, rig_rw16(0x88, 0x08, 0, 1), 16, 0, 512);
	rig_run(&c, NULL);
	rig_complete(&r->bs, 0, -EIO);
	rig_expect_sense(&c, KEY_HARDWARE_ERROR, ASC_INTERNAL);
	rig_free(&c);
}

static void synchronize_cache(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned immed = 0; immed < 2; immed++) {
		rig_start(r, &c, 0, rig_rw16(0x91, immed ? 0x06 : 0, 0x4000, 0), 16, 0, 0);
		rig_run(&c, NULL);
		assert_int_equal(r->bs.nreqs, 1);
		assert_int_equal(r->bs.reqs[0]->kind, BS_FLUSH);
		assert_int_equal(r->bs.reqs[0]->len_bytes, 0);
		rig_turn(&r->io[0]);
		assert_false(c.done); /* not before it is true, IMMED or not */
		rig_complete(&r->bs, 0, 0);
		rig_expect_good(&c);
		rig_free(&c);
	}
	rig_do(r, &c, CDB(0x35, 0, 0, 0, 0x40, 0x01, 0, 0, 0), NULL, 0, 0);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	r->bs.bs.write_cache = false;
	rig_do(r, &c, CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0), NULL, 0, 0);
	rig_expect_good(&c);
	assert_int_equal(r->bs.kinds[BS_FLUSH], 2);
	rig_free(&c);
}

static void stopped_unit_needs_start(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;
	const uint8_t *read = rig_rw16(0x88, 0, 0, 1);

	rig_start(r, &c, 0, CDB(0x1b, 0, 0, 0, 0), 0, 0);
	rig_run(&c, NULL);
	assert_int_equal(r->bs.reqs[0]->kind, BS_FLUSH);
	rig_finish(r, &c);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, CDB(0x00, 0, 0, 0, 0), NULL, 0, 0);
	rig_expect_sense(&c, KEY_NOT_READY, ASC_NEEDS_START);
	rig_do(r, &c, read, 16, NULL, 0, 512);
	rig_expect_sense(&c, KEY_NOT_READY, ASC_NEEDS_START);
	rig_do(r, &c, CDB(0x12, 0, 0, 0, 96), NULL, 0, 96);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, CDB(0x03, 0, 0, 0, 18), NULL, 0, 18);
	rig_expect_good(&c);
	assert_int_equal(c.buf[2], KEY_NOT_READY);
	assert_int_equal(get_be16(c.buf + 12), ASC_NEEDS_START);
	rig_free(&c);
	rig_do(r, &c, CDB(0x1b, 0, 0, 0, 3), NULL, 0, 0); /* load and start */
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, read, 16, NULL, 0, 512);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, CDB(0x1b, 0, 0, 0, 2), NULL, 0, 0);
	rig_expect_cdb_field(&c, 4, 1); /* ejecting: no */
	rig_do(r, &c, CDB(0x1b, 0, 0, 0, 0x10), NULL, 0, 0);
	rig_expect_cdb_field(&c, 4, 4); /* power conditions: no */
	/* a flush that fails stops nothing */
	rig_start(r, &c, 0, CDB(0x1b, 0, 0, 0, 0), 0, 0);
	rig_run(&c, NULL);
	rig_complete(&r->bs, 0, -EIO);
	rig_expect_sense(&c, KEY_HARDWARE_ERROR, ASC_INTERNAL);
	rig_free(&c);
	rig_do(r, &c, CDB(0x00, 0, 0, 0, 0), NULL, 0, 0);
	rig_expect_good(&c);
	rig_free(&c);
	/* NO_FLUSH */
	rig_do(r, &c, CDB(0x1b, 0, 0, 0, 4), NULL, 0, 0);
	rig_expect_good(&c);
	rig_free(&c);
	assert_true(atomic_load(&r->lu->stopped));
	assert_int_equal(r->bs.kinds[BS_FLUSH], 2);
}

static void make_read_only(struct backstore *bs)
{
	bs->read_only = true;
}

static void read_only_unit_takes_no_writes(void **state)
{
	static const uint8_t writes[][16] = {
		{ 0x0a, 0, 0, 0, 1 },
		{ 0x2a, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0xaa, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x41, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x41, 0x08, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x42, 0, 0, 0, 0, 0, 0, 0, 24 },
		{ 0x2e, 0, 0, 0, 0, 0, 0, 0, 1 },
	};
	struct rig r;
	struct rig_cmd c;

	(void)state;
	rig_open(&r, make_read_only);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
		rig_do(&r, &c, writes[i], 16, NULL, 512, 0);
		rig_expect_sense(&c, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	}
	rig_do(&r, &c, rig_rw16(0x88, 0x08, 0, 1), 16, NULL, 0, 512);
	rig_expect_good(&c);
	rig_free(&c);
	assert_int_equal(r.bs.submitted, 1); /* no flush either */
	rig_shut(&r);
}

static void make_4k(struct backstore *bs)
{
	bs->block_bytes = 4096;
}

static void blocks_of_4k(void **state)
{
	struct rig r;
	struct rig_cmd c;

	(void)state;
	rig_open(&r, make_4k);
	rig_do(&r, &c, rig_rw16(0x8a, 0, 3, 2), 16, pattern, 8192 + 100, 0);
	rig_expect_good(&c);
	assert_memory_equal(r.bs.data + 3 * 4096, pattern, 8192);
	rig_free(&c);
	rig_do(&r, &c, rig_rw16(0x88, 0, 2047, 2), 16, NULL, 0, 8192);
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	rig_do(&r, &c, rig_rw16(0x88, 0, 0, 1025), 16, NULL, 0, RIG_BUF);
	rig_expect_cdb_field(&c, 10, 7);
	rig_shut(&r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_length_reads_what_was_written),
		T(read6_takes_21_bits_of_lba),
		T(range),
		T(nothing_longer_than_told),
		T(residuals_of_reads),
		T(residuals_of_writes),
		T(wrong_direction_moves_nothing),
		T(fua),
		T(errors_become_sense),
		T(synchronize_cache),
		T(stopped_unit_needs_start),
		cmocka_unit_test(read_only_unit_takes_no_writes),
		cmocka_unit_test(blocks_of_4k),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
