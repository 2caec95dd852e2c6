/* Parameter data, byte for byte: INQUIRY and its pages, MODE SENSE, REPORT LUNS, READ
 * CAPACITY, REQUEST SENSE, GET LBA STATUS. */
#include "tests/unit/target/scsi/params_rig.h"

static void expect_vpd(struct rig *r, uint8_t page, const uint8_t *want, size_t len)
{
	uint8_t cdb[16] = { 0x12, 1, page };

	assert_int_equal(get_be16(want + 2), len - 4);
	expect_data(r, cdb, 3, 2, want, len);
}

static void inquiry_standard(void **state)
{
	uint8_t want[96] = { 0x00, 0x00, 0x06, 0x12, 91, 0, 0, 0x02 };
	uint8_t cdb[16] = { 0x12 };

	memcpy(want + 8, "RINGLUN ringlun disk    " /* revision: */ "0.1 ", 28);
	memcpy(want + 58, "\x00\xa0\x09\x60\x04\x60\x04\xc0", 8);
	expect_data(*state, cdb, 3, 2, want, sizeof(want));
}

static void inquiry_bad_fields(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_do(r, &c, CDB(0x12, 0, 0x80, 0, 96), NULL, 0, 96);
	rig_expect_cdb_field(&c, 2, 7); /* page code without EVPD */
	for (unsigned page = 1; page < 256; page++) {
		if (page == 0x80 || page == 0x83 || (page >= 0xb0 && page <= 0xb2))
			continue;
		rig_do(r, &c, CDB(0x12, 1, (uint8_t)page, 0, 96), NULL, 0, 96);
		rig_expect_cdb_field(&c, 2, 7);
	}
}

static void vpd_pages(void **state)
{
	static const uint8_t p00[] = { 0, 0x00, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };
	uint8_t p80[40] = { 0, 0x80, 0, 36 };
	uint8_t p83[4 + 12 + 48 + 22] = { 0, 0x83, 0, 82 };
	uint8_t pb0[64] = { 0, 0xb0, 0, 60 };
	uint8_t pb1[64] = { 0, 0xb1, 0, 60, 0, 1 };
	uint8_t pb2[8] = { 0, 0xb2, 0, 4, 0, 0xe4, 2 };
	const char *text = "12345678-9abc-4def-8123-456789abcdef";

	memcpy(p80 + 4, text, 36);
	memcpy(p83 + 4, "\x01\x03\x00\x08\x31\x23\x45\x67\x89\xab\xcd\xef", 12);
	memcpy(p83 + 16, "\x02\x01\x00\x2cRINGLUN ", 12);
	memcpy(p83 + 28, text, 36);
	memcpy(p83 + 64, "\x01\x0a\x00\x12\x10\x00", 6);
	memcpy(p83 + 70, rig_uuid, 16);
	put_be16(pb0 + 6, 8);	     /* physical block */
	put_be32(pb0 + 8, 8192);     /* 4 MiB */
	put_be32(pb0 + 20, 1 << 20); /* unmap: blocks */
	put_be32(pb0 + 24, 1024);    /* descriptors */
	put_be32(pb0 + 28, 8);	     /* granularity */
	pb0[32] = 0x80;		     /* alignment 0, valid */
	pb0[4] = 1;		     /* WSNZ */
	put_be64(pb0 + 36, 32768);   /* write same: blocks */
	expect_vpd(*state, 0x00, p00, sizeof(p00));
	expect_vpd(*state, 0x80, p80, sizeof(p80));
	expect_vpd(*state, 0x83, p83, sizeof(p83));
	expect_vpd(*state, 0xb0, pb0, sizeof(pb0));
	expect_vpd(*state, 0xb1, pb1, sizeof(pb1));
	expect_vpd(*state, 0xb2, pb2, sizeof(pb2));
}

static void make_thick_rotating_4k(struct backstore *bs)
{
	bs->discard_bytes = 0;
	bs->rotational = true;
	bs->block_bytes = 4096;
	bs->write_cache = false;
	bs->read_only = true;
}

static void vpd_and_capacity_of_another_unit(void **state)
{
	uint8_t pb0[64] = { 0, 0xb0, 0, 60, 1, 0, 0, 1 };
	uint8_t pb1[64] = { 0, 0xb1, 0, 60 };
	uint8_t pb2[8] = { 0, 0xb2, 0, 4 };
	uint8_t capacity[32] = { [6] = 0x07, [7] = 0xff, [10] = 0x10 };
	uint8_t mode[] = { 43 + 4, 0, 0x90, 0 };
	struct rig r;
	struct rig_cmd c;

	(void)state;
	rig_open(&r, make_thick_rotating_4k);
	put_be32(pb0 + 8, 1024);
	put_be64(pb0 + 36, 32768);
	expect_vpd(&r, 0xb0, pb0, sizeof(pb0));
	expect_vpd(&r, 0xb1, pb1, sizeof(pb1));
	expect_vpd(&r, 0xb2, pb2, sizeof(pb2));
	expect_data(&r, (const uint8_t[16]){ 0x9e, 0x10 }, 10, 4, capacity, sizeof(capacity));
	rig_do(&r, &c, CDB(0x1a, 0x08, 0x3f, 0, 255), NULL, 0, 255);
	rig_expect_good(&c);
	assert_memory_equal(c.buf, mode, 4); /* WP, DPOFUA */
	assert_int_equal(c.buf[4], 0x08);
	assert_int_equal(c.buf[6], 0); /* WCE is not lied about */
	rig_free(&c);
	rig_shut(&r);
}

static void capacity(void **state)
{
	uint8_t want[32] = { [6] = 0x3f, [7] = 0xff, [10] = 0x02, [13] = 3, [14] = 0xc0 };
	struct rig *r = *state;
	struct rig_cmd c;

	expect_data(r, (const uint8_t[16]){ 0x9e, 0x10 }, 10, 4, want, sizeof(want));
	rig_do(r, &c, CDB(0x25), NULL, 0, 8);
	rig_expect_good(&c);
	assert_int_equal(c.cmd.in_bytes, 8);
	assert_memory_equal(c.buf, "\x00\x00\x3f\xff\x00\x00\x02\x00", 8);
	rig_free(&c);
	rig_do(r, &c, CDB(0x25, 0, 0, 0, 0, 1), NULL, 0, 8);
	rig_expect_cdb_field(&c, 2, 7);
	rig_do(r, &c, CDB(0x25, 0, 0, 0, 0, 1, 0, 0, 1), NULL, 0, 8);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 32, 0), NULL, 0, 32);
	rig_expect_cdb_field(&c, 2, 7);
	rig_do(r, &c, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 32, 1), NULL, 0, 32);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, CDB(0x9e, 0x11), NULL, 0, 32);
	rig_expect_cdb_field(&c, 1, 4);
}

static void make_huge(struct backstore *bs)
{
	bs->size_bytes = UINT64_C(3) << 40;
}

static void capacity_beyond_2_tib(void **state)
{
	struct rig r;
	struct rig_cmd c;

	(void)state;
	rig_open(&r, make_huge);
	rig_do(&r, &c, CDB(0x25), NULL, 0, 8);
	assert_memory_equal(c.buf, "\xff\xff\xff\xff\x00\x00\x02\x00", 8);
	rig_free(&c);
	rig_do(&r, &c, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), NULL, 0, 32);
	assert_int_equal(get_be64(c.buf), (UINT64_C(3) << 31) - 1);
	rig_free(&c);
	rig_do(&r, &c, CDB(0x1a, 0, 0x3f, 0, 255), NULL, 0, 255); /* short descriptor */
	assert_int_equal(c.buf[3], 8);
	assert_memory_equal(c.buf + 4, "\xff\xff\xff\xff\x00\x00\x02\x00", 8);
	rig_free(&c);
	rig_do(&r, &c, CDB(0x5a, 0x10, 0x3f, 0, 0, 0, 0, 0, 255), NULL, 0, 255); /* long */
	assert_int_equal(c.buf[4], 1);
	assert_int_equal(get_be16(c.buf + 6), 16);
	assert_int_equal(get_be64(c.buf + 8), UINT64_C(3) << 31);
	assert_int_equal(get_be32(c.buf + 20), 512);
	rig_free(&c);
	rig_shut(&r);
}

/* --- MODE SENSE --- */

static const uint8_t caching[20] = { 0x08, 0x12, 0x04 }; /* WCE */
static const uint8_t control[12] = { 0x0a, 0x0a, 0, 0x10 };
static const uint8_t exceptions[12] = { 0x1c, 0x0a, 0x08 };

/* What the pages of @cdb's page code are, behind both headers and all descriptors. */
static void expect_modes(struct rig *r, uint8_t byte2, uint8_t subpage, const uint8_t *pages,
			 uint8_t len)
{
	static const uint8_t block[8] = { 0, 0, 0x40, 0, 0, 0, 2, 0 };
	uint8_t want[128];

	for (unsigned dbd = 0; dbd < 2; dbd++) {
		uint8_t d = dbd ? 0 : 8;
		uint8_t six[16] = { 0x1a, (uint8_t)(dbd ? 8 : 0), byte2, subpage };
		uint8_t ten[16] = { 0x5a, (uint8_t)(dbd ? 8 : 0), byte2, subpage };

		memcpy(want, (uint8_t[]){ (uint8_t)(3 + d + len), 0, 0x10, d }, 4);
		memcpy(want + 4, block, d);
		memcpy(want + 4 + d, pages, len);
		expect_data(r, six, 4, 1, want, 4u + d + len);
		memcpy(want, (uint8_t[]){ 0, (uint8_t)(6 + d + len), 0, 0x10, 0, 0, 0, d }, 8);
		memcpy(want + 8, block, d);
		memcpy(want + 8 + d, pages, len);
		expect_data(r, ten, 7, 2, want, 8u + d + len);
	}
}

static void mode_sense(void **state)
{
	uint8_t all[44], none[44] = { 0x08, 0x12 };

	memcpy(all, caching, 20);
	memcpy(all + 20, control, 12);
	memcpy(all + 32, exceptions, 12);
	memcpy(none + 20, control, 2);
	memcpy(none + 32, exceptions, 2);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t sub = i ? 0xff : 0;

		expect_modes(*state, 0x08, sub, caching, 20);
		expect_modes(*state, 0x0a, sub, control, 12);
		expect_modes(*state, 0x1c, sub, exceptions, 12);
		expect_modes(*state, 0x3f, sub, all, 44);
		expect_modes(*state, 0x80 | 0x3f, sub, all, 44);  /* default */
		expect_modes(*state, 0x40 | 0x3f, sub, none, 44); /* changeable: nothing */
	}
}

static void mode_sense_bad_fields(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_do(r, &c, CDB(0x1a, 0, 0xff, 0, 255), NULL, 0, 255); /* saved */
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_NO_SAVED_PAGES);
	rig_do(r, &c, CDB(0x1a, 0, 0x3f, 1, 255), NULL, 0, 255);
	rig_expect_cdb_field(&c, 3, 7);
	rig_do(r, &c, CDB(0x1a, 0, 0x0a, 1, 255), NULL, 0, 255);
	rig_expect_cdb_field(&c, 3, 7);
	for (uint8_t page = 0; page < 0x3f; page++) {
		if (page == 0x08 || page == 0x0a || page == 0x1c)
			continue;
		rig_do(r, &c, CDB(0x1a, 0, page, 0, 255), NULL, 0, 255);
		rig_expect_cdb_field(&c, 2, 5);
		rig_do(r, &c, CDB(0x5a, 0, page, 0xff, 0, 0, 0, 0, 255), NULL, 0, 255);
		rig_expect_cdb_field(&c, 2, 5);
	}
}

/* --- REPORT LUNS --- */

static void report_luns(void **state)
{
	static const uint8_t want[56] = {
		0, 0, 0, 48, [17] = 3, [25] = 255, [32] = 0x41, [40] = 0x42, 1, [48] = 0x7f, 0xff,
	};
	static const uint8_t none[8];
	struct rig *r = *state;
	struct scsi_target *t;
	struct scsi_nexus *n, *was = r->nexus;
	struct rig_cmd c;

	assert_int_equal(scsi_target_new(&t), 0);
	assert_int_equal(scsi_target_add(t, 0, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 513, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 3, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 16383, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 256, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 255, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 3, r->lu), -EEXIST);
	assert_int_equal(scsi_target_add(t, 16383, r->lu), -EEXIST);
	assert_int_equal(scsi_target_add(t, 16384, r->lu), -ERANGE);
	assert_int_equal(scsi_nexus_new(&n, t), 0);
	r->nexus = n;
	expect_data(r, (const uint8_t[16]){ 0xa0, 0, 0 }, 6, 4, want, sizeof(want));
	expect_data(r, (const uint8_t[16]){ 0xa0, 0, 2 }, 6, 4, want, sizeof(want));
	expect_data(r, (const uint8_t[16]){ 0xa0, 0, 1 }, 6, 4, none, sizeof(none));
	rig_do(r, &c, CDB(0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 64), NULL, 0, 64);
	rig_expect_cdb_field(&c, 2, 7);
	r->nexus = was;
	scsi_nexus_free(n);
	scsi_target_free(t);
}

/* More than fits in a buffer on a stack, and to little room, the length is that of all. */
static void report_a_thousand_luns(void **state)
{
	enum { LUNS = 1000, ALL = 8 + 8 * LUNS };
	static const uint32_t rooms[] = { 0, 4, 8, 15, 16, 4096, 4100, ALL - 1, ALL, ALL + 1 };
	struct rig *r = *state;
	struct scsi_nexus *n, *was = r->nexus;
	struct scsi_target *t;
	uint8_t want[ALL] = { 0 };
	struct rig_cmd c;

	assert_int_equal(scsi_target_new(&t), 0);
	put_be32(want, 8 * LUNS);
	for (unsigned i = LUNS; i--;) {
		unsigned lun = 3 * i;

		assert_int_equal(scsi_target_add(t, lun, r->lu), 0);
		put_be16(want + 8 + 8 * i, (uint16_t)(lun < 256 ? lun : 0x4000 + lun));
	}
	assert_int_equal(scsi_nexus_new(&n, t), 0);
	r->nexus = n;
	for (unsigned i = 0; i < ARRAY_SIZE(rooms); i++) {
		uint8_t cdb[12] = { 0xa0 };
		uint32_t all = MIN(rooms[i], (uint32_t)ALL);

		put_be32(cdb + 6, rooms[i]); /* the initiator's room is as large, then half */
		for (unsigned half = 0; half < 2; half++) {
			rig_do(r, &c, cdb, sizeof(cdb), NULL, 0, rooms[i] >> half);
			rig_expect_good(&c);
			assert_int_equal(c.cmd.transfer_bytes, all);
			assert_int_equal(c.cmd.in_bytes, MIN(all, rooms[i] >> half));
			assert_memory_equal(c.buf, want, c.cmd.in_bytes);
			rig_free(&c);
		}
	}
	r->nexus = was;
	scsi_nexus_free(n);
	scsi_target_free(t);
}

static void defect_data(void **state)
{
	struct rig *r = *state;
	uint8_t ten[4] = { 0, 0x1d }, twelve[8] = { 0, 0x0d };

	expect_data(r, (const uint8_t[16]){ 0x37, 0, 0x1d }, 7, 2, ten, 4);
	expect_data(r, (const uint8_t[16]){ 0xb7, 0x0d }, 6, 4, twelve, 8);
}

/* --- REQUEST SENSE --- */

static void request_sense(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;
	uint8_t fixed[18] = { 0x70, [7] = 10 }, descriptor[8] = { 0x72 };

	expect_data(r, (const uint8_t[16]){ 0x03 }, 4, 1, fixed, 18);
	expect_data(r, (const uint8_t[16]){ 0x03, 1 }, 4, 1, descriptor, 8);
	scsi_lu_attention(r->lu, SCSI_UA_LU_RESET, NULL);
	rig_do(r, &c, CDB(0x03, 0, 0, 0, 252), NULL, 0, 252);
	rig_expect_good(&c);
	assert_int_equal(c.cmd.in_bytes, 18);
	assert_memory_equal(c.buf, "\x70\x00\x06\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x29\x03", 14);
	rig_free(&c);
	rig_do(r, &c, CDB(0x03, 0, 0, 0, 252), NULL, 0, 252); /* cleared */
	assert_memory_equal(c.buf, fixed, 18);
	rig_free(&c);
	scsi_lu_attention(r->lu, SCSI_UA_CAPACITY, NULL);
	rig_do(r, &c, CDB(0x03, 1, 0, 0, 252), NULL, 0, 252);
	assert_int_equal(c.cmd.in_bytes, 8);
	assert_memory_equal(c.buf, "\x72\x06\x2a\x09\x00\x00\x00\x00", 8);
	rig_free(&c);
}

/* --- GET LBA STATUS --- */

static void lba_status(void **state)
{
	struct rig *r = *state;
	uint64_t last = r->lu->nblocks - 1;
	uint8_t want[24] = { 0, 0, 0, 20 };
	uint8_t cdb[16] = { 0x9e, 0x12 };
	struct rig_cmd c;

	put_be64(cdb + 2, 3);
	put_be64(want + 8, 3);
	put_be32(want + 16, (uint32_t)(r->lu->nblocks - 3));
	expect_data(r, cdb, 10, 4, want, sizeof(want));
	put_be64(cdb + 2, last);
	put_be64(want + 8, last);
	put_be32(want + 16, 1);
	expect_data(r, cdb, 10, 4, want, sizeof(want));
	for (unsigned i = 0; i < 2; i++) {
		put_be64(cdb + 2, i ? UINT64_MAX : last + 1);
		put_be32(cdb + 10, 24);
		rig_do(r, &c, cdb, sizeof(cdb), NULL, 0, 24);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	}
}
int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(inquiry_standard),
		T(inquiry_bad_fields),
		T(vpd_pages),
		cmocka_unit_test(vpd_and_capacity_of_another_unit),
		T(capacity),
		T(lba_status),
		cmocka_unit_test(capacity_beyond_2_tib),
		T(mode_sense),
		T(mode_sense_bad_fields),
		T(report_luns),
		T(report_a_thousand_luns),
		T(defect_data),
		T(request_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
