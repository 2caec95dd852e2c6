/* REPORT SUPPORTED OPERATION CODES: what it says is what the table of operations says. */
#include "tests/unit/target/scsi/params_rig.h"

static const struct scsi_op *action_row(const struct scsi_op *row, uint16_t action)
{
	for (unsigned i = 0; i < row->nactions; i++)
		if (row->actions[i].action == action)
			return &row->actions[i];
	fail_msg("service action %02x is reported, but is not in the table", action);
	return NULL;
}

static void opcodes_all(struct rig *r, bool rctd, bool thin)
{
	struct rig_cmd c;
	unsigned seen = 0, step = rctd ? 20 : 8, last = 0;

	rig_do(r, &c, CDB(0xa3, 0x0c, rctd ? 0x80 : 0, 0, 0, 0, 0, 0, 0xff, 0xff), NULL, 0, 65535);
	rig_expect_good(&c);
	assert_int_equal(get_be32(c.buf), c.cmd.in_bytes - 4);
	for (unsigned at = 4; at < c.cmd.in_bytes; at += step, seen++) {
		const uint8_t *d = c.buf + at;
		const struct scsi_op *row = &scsi_ops[d[0]];

		assert_true(!seen || d[0] >= last);
		last = d[0];
		assert_int_equal(d[5] & 1, row->nactions > 0);
		assert_int_equal(d[5] & 2, rctd ? 2 : 0);
		if (row->nactions)
			row = action_row(row, get_be16(d + 2));
		else
			assert_int_equal(get_be16(d + 2), 0);
		assert_int_equal(get_be16(d + 6), row->cdb_bytes);
		if (rctd)
			assert_int_equal(get_be16(d + 8), 10);
		assert_true(thin || d[0] != 0x42);
	}
	for (unsigned i = 0; i < 256; i++)
		seen -= scsi_ops[i].name != NULL && (thin || i != 0x42);
	assert_int_equal(seen, 4); /* the service actions are left */
	rig_free(&c);
}

static void make_thick(struct backstore *bs)
{
	bs->discard_bytes = 0;
}

static void report_all_opcodes(void **state)
{
	struct rig r;

	opcodes_all(*state, false, true);
	opcodes_all(*state, true, true);
	rig_open(&r, make_thick);
	opcodes_all(&r, false, false);
	rig_shut(&r);
}

static void report_one(struct rig *r, struct rig_cmd *c, uint8_t what, uint8_t opcode,
		       uint16_t action)
{
	rig_do(r, c,
	       CDB(0xa3, 0x0c, what, opcode, (uint8_t)(action >> 8), (uint8_t)action, 0, 0, 0, 64),
	       NULL, 0, 64);
	rig_free(c);
}

static void report_one_opcode(void **state)
{
	static const uint8_t read10[] = { 0,	3,    0,    10,	  0x28, 0x1a, 0xff,
					  0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0 };
	static const uint8_t capacity16[] = { 0x9e, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0 };
	static const uint8_t none[] = { 0, 1, 0, 0 };
	struct rig *r = *state;
	struct rig_cmd c;

	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 1, 0x28 }, 6, 4, read10, sizeof(read10));
	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 3, 0x28 }, 6, 4, read10, sizeof(read10));
	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 1, 0xff }, 6, 4, none, sizeof(none));
	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 2, 0xff }, 6, 4, none, sizeof(none));
	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 3, 0x28, 0, 1 }, 6, 4, none, sizeof(none));
	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 2, 0x9e, 0, 0x11 }, 6, 4, none,
		    sizeof(none));
	expect_data(r, (const uint8_t[16]){ 0xa3, 0x0c, 2, 0x9e, 1, 0x10 }, 6, 4, none,
		    sizeof(none));

	report_one(r, &c, 1, 0x9e, 0x10); /* has service actions */
	rig_expect_cdb_field(&c, 2, 2);
	report_one(r, &c, 2, 0x28, 0); /* has none */
	rig_expect_cdb_field(&c, 2, 2);
	for (uint8_t what = 4; what < 8; what++) {
		report_one(r, &c, what, 0x28, 0);
		rig_expect_cdb_field(&c, 2, 2);
	}
	for (uint8_t what = 2; what <= 3; what++) {
		rig_do(r, &c, CDB(0xa3, 0x0c, 0x80 | what, 0x9e, 0, 0x10, 0, 0, 0, 64), NULL, 0,
		       64);
		rig_expect_good(&c);
		assert_int_equal(c.cmd.in_bytes, 4 + 16 + 12);
		assert_memory_equal(c.buf, "\x00\x83\x00\x10", 4);
		assert_memory_equal(c.buf + 4, capacity16, 16);
		assert_memory_equal(c.buf + 20, "\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
				    12);
		rig_free(&c);
	}
}

static void thick_unit_reports_no_unmap_bit(void **state)
{
	struct rig r;
	struct rig_cmd c;

	rig_do(*state, &c, CDB(0xa3, 0x0c, 1, 0x41, 0, 0, 0, 0, 0, 64), NULL, 0, 64);
	assert_int_equal(c.buf[5], 0x08);
	rig_free(&c);
	rig_open(&r, make_thick);
	rig_do(&r, &c, CDB(0xa3, 0x0c, 1, 0x41, 0, 0, 0, 0, 0, 64), NULL, 0, 64);
	assert_int_equal(c.buf[5], 0);
	rig_free(&c);
	rig_do(&r, &c, CDB(0xa3, 0x0c, 1, 0x42, 0, 0, 0, 0, 0, 64), NULL, 0, 64);
	assert_int_equal(c.buf[1], 1); /* not supported */
	rig_free(&c);
	rig_shut(&r);
}
static void report_task_management(void **state)
{
	static const uint8_t want[2][16] = { { 0xdc, 0x07, 0, 0 }, { 0xdc, 0x07, 0, 12 } };
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned alloc = 0; alloc < 40; alloc++)
		for (unsigned extended = 0; extended < 2; extended++) {
			unsigned n = MIN(alloc, extended ? 16u : 4u);

			rig_do(r, &c,
			       CDB(0xa3, 0x0d, (uint8_t)(extended << 7), 0, 0, 0, 0, 0, 0,
				   (uint8_t)alloc),
			       NULL, 0, alloc);
			if (alloc < 4) {
				rig_expect_cdb_field(&c, 6, 7);
			} else {
				rig_expect_good(&c);
				assert_int_equal(c.cmd.in_bytes, n);
				assert_memory_equal(c.buf, want[extended], n);
			}
			rig_free(&c);
		}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(report_all_opcodes),
		T(report_one_opcode),
		T(report_task_management),
		T(thick_unit_reports_no_unmap_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
