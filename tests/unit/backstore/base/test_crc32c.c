/* CRC32C against the published examples, and in pieces. */
#include "backstore/base/compiler.h"
#include "backstore/base/crc32c.h"
#include "tests/unit/backstore/base/unit.h"

#define LONG ((size_t)70000)

/* RFC 7143 appendix A.4 (RFC 3720 B.4): the bytes as they follow the data on the wire. */
static const struct {
	uint8_t data[48];
	size_t len;
	uint8_t digest[4];
} rows[] = {
	{ { 0 }, 32, { 0xaa, 0x36, 0x91, 0x8a } },
	{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	  32,
	  { 0x43, 0xab, 0xa8, 0x62 } },
	{ { 0,	1,  2,	3,  4,	5,  6,	7,  8,	9,  10, 11, 12, 13, 14, 15,
	    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 },
	  32,
	  { 0x4e, 0x79, 0xdd, 0x46 } },
	{ { 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
	    15, 14, 13, 12, 11, 10, 9,	8,  7,	6,  5,	4,  3,	2,  1,	0 },
	  32,
	  { 0x5c, 0xdb, 0x3f, 0x11 } },
	/* a SCSI Command PDU, READ(10) */
	{ { 0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,	 0, 0, 0, 0,
	    0x14, 0,	0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
	    0x28, 0,	0, 0, 0, 0, 0, 0, 2, 0, 0, 0,	 0, 0, 0, 0 },
	  48,
	  { 0x56, 0x3a, 0x96, 0xd9 } },
};

static void published_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t out[4];

		crc32c_put(out, crc32c_add(CRC32C_START, rows[i].data, rows[i].len));
		assert_memory_equal(out, rows[i].digest, 4);
	}
}

/* "123456789": the check value that catalogues of CRCs name. */
static void check_value(void **state)
{
	(void)state;
	assert_int_equal(crc32c_end(crc32c_add(CRC32C_START, "123456789", 9)), 0xe3069283);
	assert_int_equal(crc32c_add(1234, NULL, 0), 1234);
}

static void in_pieces(void **state)
{
	uint8_t *data = malloc(LONG);
	uint32_t whole;

	(void)state;
	assert_non_null(data);
	srand(3);
	for (size_t i = 0; i < LONG; i++)
		data[i] = (uint8_t)(rand() >> 7);
	whole = crc32c_add(CRC32C_START, data, LONG);
	for (unsigned seed = 0; seed < 100; seed++) {
		uint32_t crc = CRC32C_START;
		size_t at = 0;

		srand(seed);
		while (at < LONG) {
			size_t cut = (size_t)rand() % (seed % 2 ? 30 : 9000);
			size_t n = MIN(LONG - at, cut);

			crc = crc32c_add(crc, data + at, n);
			at += n;
		}
		assert_int_equal(crc, whole);
	}
	free(data);
}

/* As much as is asked for, over empty pieces, and no more than there is. */
static void over_iovecs(void **state)
{
	uint8_t data[100];
	struct iovec iov[4] = { { data, 7 }, { data + 7, 0 }, { data + 7, 50 }, { data + 57, 43 } };

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n <= sizeof(data); n++)
		assert_int_equal(crc32c_add_iov(CRC32C_START, iov, 4, n),
				 crc32c_add(CRC32C_START, data, n));
	assert_int_equal(crc32c_add_iov(CRC32C_START, iov, 4, SIZE_MAX),
			 crc32c_add(CRC32C_START, data, sizeof(data)));
	assert_int_equal(crc32c_add_iov(5, iov, 0, 10), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_examples),
		cmocka_unit_test(check_value),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(over_iovecs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
