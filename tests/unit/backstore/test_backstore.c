/* The gate before every backstore, memory and null, and what a spec must say. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

static struct backstore *opened(const char *path, bool read_only, uint32_t block)
{
	struct bs_spec spec = { .path = path,
				.size_bytes = SIZE,
				.block_bytes = block,
				.read_only = read_only,
				.reactors = 1 };
	struct backstore *bs;
	char why[512];

	assert_int_equal(backstore_open(&bs, &spec, why, sizeof(why)), 0);
	return bs;
}

static void requests_out_of_shape_are_refused(void **state)
{
	static uint8_t buf[8192];
	static const struct {
		enum bs_kind kind;
		uint64_t off, len;
		int res;
	} rows[] = {
		{ BS_READ, 0, 4096, 0 },
		{ BS_READ, SIZE - 4096, 4096, 0 },
		{ BS_READ, SIZE, 4096, -ERANGE },
		{ BS_READ, SIZE - 4096, 8192, -ERANGE },
		{ BS_READ, UINT64_MAX - 4095, 4096, -ERANGE },
		{ BS_READ, UINT64_MAX - 4095, 8192, -ERANGE },
		{ BS_READ, 512, 4096, -EINVAL },
		{ BS_READ, 0, 512, -EINVAL },
		{ BS_READ, 0, 0, 0 },
		{ BS_WRITE, SIZE, 0, 0 },
		{ BS_WRITE, SIZE + 4096, 0, -ERANGE },
		{ BS_WRITE, SIZE, 4096, -ERANGE },
		{ BS_DISCARD, 0, SIZE + 4096, -ERANGE },
		{ BS_DISCARD, 4096, UINT64_MAX - 4095, -ERANGE },
		{ BS_DISCARD, 100, 4096, -EINVAL },
		{ BS_WRITE_ZEROES, 0, SIZE, 0 },
		{ BS_FLUSH, 0, 0, 0 },
		{ BS_FLUSH, 4096, 0, -EINVAL },
		{ BS_FLUSH, 0, 4096, -EINVAL },
	};
	struct backstore *bs = opened("memory:", false, 4096);
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		void *data = rows[i].kind == BS_READ || rows[i].kind == BS_WRITE ? buf : NULL;

		assert_int_equal(bs_call(&g, bs, rows[i].kind, 0, rows[i].off, data, rows[i].len),
				 rows[i].res);
	}
	bs_close(bs);
	bs_rig_fini(&g);
}

static int with_iov(struct bs_rig *g, struct backstore *bs, const struct iovec *iov, int n,
		    uint64_t len)
{
	struct bs_call c = { .then = NULL };

	bs_call_start(&c, bs, g->io[0], BS_FLUSH, 0, 0, NULL, 0);
	fake_world_run(g->w);
	c.done = false; /* its done() stays */
	c.req.kind = BS_READ;
	c.req.len_bytes = len;
	c.req.iov = iov;
	c.req.iovcnt = n;
	bs_submit(bs, &c.req);
	assert_false(c.done);
	fake_world_run(g->w);
	assert_true(c.done);
	return c.res;
}

static void pieces_must_add_up(void **state)
{
	static uint8_t buf[64 * 512];
	struct backstore *bs = opened("null:", false, 512);
	struct iovec iov[40];
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	for (int i = 0; i < 40; i++)
		iov[i] = (struct iovec){ buf + i * 512, 512 };
	assert_int_equal(with_iov(&g, bs, iov, 2, 1024), 0);
	assert_int_equal(with_iov(&g, bs, iov, 2, 512), -EINVAL);
	assert_int_equal(with_iov(&g, bs, iov, 2, 1536), -EINVAL);
	assert_int_equal(with_iov(&g, bs, iov, 0, 512), -EINVAL);
	assert_int_equal(with_iov(&g, bs, iov, -1, 512), -EINVAL);
	assert_int_equal(with_iov(&g, bs, iov, 32, 32 * 512), 0);
	assert_int_equal(with_iov(&g, bs, iov, 33, 33 * 512), -EINVAL);
	iov[0].iov_len = SIZE_MAX - 511;
	assert_int_equal(with_iov(&g, bs, iov, 2, 512), -EINVAL);
	iov[0].iov_len = 512;
	bs->align_bytes = 512; /* as for direct I/O */
	assert_int_equal(with_iov(&g, bs, iov, 2, 1024), -((uintptr_t)buf % 512 ? EINVAL : 0));
	iov[0].iov_base = buf + 1 + (512 - (uintptr_t)buf % 512) % 512;
	assert_int_equal(with_iov(&g, bs, iov, 1, 512), -EINVAL);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void read_only_is_read_only(void **state)
{
	static uint8_t buf[4096];
	struct backstore *bs = opened("memory:", true, 512);
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 0, buf, 4096), 0);
	assert_int_equal(bs_call(&g, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 4096), -EROFS);
	assert_int_equal(bs_call(&g, bs, BS_DISCARD, 0, 0, NULL, 4096), -EROFS);
	assert_int_equal(bs_call(&g, bs, BS_WRITE_ZEROES, 0, 0, NULL, 4096), -EROFS);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void memory_remembers_and_forgets_what_is_discarded(void **state)
{
	static uint8_t buf[65536], back[65536], want[65536];
	static const uint64_t ranges[][2] = { { 0, 65536 },	{ 512, 512 },	{ 512, 8192 },
					      { 4096, 4096 },	{ 3584, 1024 }, { 8192, 57344 },
					      { 8704, 512 * 9 } };
	struct backstore *bs = opened("memory:", false, 512);
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	assert_false(bs->write_cache);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + i / 512 + 1);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(ranges); i++) {
		const uint64_t *r = ranges[i / 2];

		assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 1024, buf, 65536), 0);
		assert_int_equal(bs_call(&g, bs, i % 2 ? BS_DISCARD : BS_WRITE_ZEROES, 0,
					 1024 + r[0], NULL, r[1]),
				 0);
		memcpy(want, buf, sizeof(want));
		memset(want + r[0], 0, r[1]);
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, 1024, back, 65536), 0);
		assert_memory_equal(back, want, sizeof(want));
	}
	bs_close(bs);
	bs_rig_fini(&g);
}

static void null_reads_zeros(void **state)
{
	static uint8_t buf[4096], zeros[4096];
	struct backstore *bs = opened("null:", false, 512);
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 4096), 0);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 0, buf, 4096), 0);
	assert_memory_equal(buf, zeros, 4096);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void a_wrong_spec_is_refused_with_a_reason(void **state)
{
	static const struct {
		struct bs_spec spec;
		int rc;
		const char *says;
	} rows[] = {
		{ { .path = "memory:", .block_bytes = 512 }, -EINVAL, "needs a size" },
		{ { .path = "null:", .block_bytes = 512 }, -EINVAL, "needs a size" },
		{ { .path = "memory:", .block_bytes = 512, .size_bytes = 1000 }, -EINVAL, "1000" },
		{ { .path = "memory:", .block_bytes = 1024, .size_bytes = 4096 }, -EINVAL, "1024" },
		{ { .path = "", .block_bytes = 512, .size_bytes = 4096 }, -EINVAL, "no path" },
		{ { .path = "memory:", .block_bytes = 512, .size_bytes = UINT64_MAX - 511 },
		  -EFBIG,
		  "8 EiB" },
		{ { .path = "memory:", .block_bytes = 512, .size_bytes = INT64_MAX - 511 },
		  -ENOMEM,
		  "smaller" },
		{ { .path = "/dev/null", .block_bytes = 512 }, -EINVAL, "/dev/null" },
		{ { .path = "/tmp", .block_bytes = 512 }, -EINVAL, "/tmp" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct backstore *bs;
		char why[512] = "";

		assert_int_equal(backstore_open(&bs, &rows[i].spec, why, sizeof(why)), rows[i].rc);
		assert_non_null(strstr(why, rows[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_out_of_shape_are_refused),
		cmocka_unit_test(pieces_must_add_up),
		cmocka_unit_test(read_only_is_read_only),
		cmocka_unit_test(memory_remembers_and_forgets_what_is_discarded),
		cmocka_unit_test(null_reads_zeros),
		cmocka_unit_test(a_wrong_spec_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
