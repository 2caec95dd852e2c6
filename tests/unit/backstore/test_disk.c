/* Requests on a disk: transfers, room, discards, and each operation failed once. */
#include "tests/fakes/bs_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

static _Alignas(4096) uint8_t buf[SIZE], back[SIZE], zeros[SIZE];

static void fill(uint8_t *p, size_t len, unsigned salt)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + i / 512 * 7 + salt);
}

static void make(struct bs_rig *g, struct fake_file **f, struct backstore **bs, uint64_t seed)
{
	bs_rig_init(g, seed, 2);
	*f = fake_file_new(g->w, SIZE);
	*bs = bs_rig_disk(*f);
}

static void end(struct bs_rig *g, struct backstore *bs)
{
	bs_close(bs);
	bs_rig_fini(g);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;
		uint64_t off = seed * 512 % 65536, len = 512 + seed * 1536 % 131072;

		make(&g, &f, &bs, seed);
		fake_world_knobs(g.w)->short_permille = seed % 2 ? 600 : 0;
		fake_world_knobs(g.w)->eagain_permille = seed % 3 ? 500 : 0;
		f->nowait = (enum fake_nowait)(seed % 4);
		f->dio_align = 512;
		fill(buf, len, (unsigned)seed);
		assert_int_equal(bs_call(&g, bs, BS_WRITE, seed % 5 ? 0 : BS_FUA, off, buf, len),
				 0);
		memset(back, 0xee, len);
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, off, back, len), 0);
		assert_memory_equal(back, buf, len);
		end(&g, bs);
	}
}

static void a_file_that_was_cut_off_reads_as_an_error(void **state)
{
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make(&g, &f, &bs, 1);
	f->size_bytes = 8192;
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 0, back, 8192), 0);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 4096, back, 8192), -EIO);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 65536, back, 512), -EIO);
	end(&g, bs);
}

static void no_room_is_said_and_passes(void **state)
{
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make(&g, &f, &bs, 1);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 4096), 0);
	f->full = true;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 8192, buf, 4096), -ENOSPC);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 8192, buf, 4096), -ENOSPC);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 0, buf, 4096), 0);
	f->full = false;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 8192, buf, 4096), 0);
	f->write_errno = EDQUOT;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 8192, buf, 4096), -ENOSPC);
	f->write_errno = ENXIO;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 8192, buf, 4096), -ENODEV);
	f->write_errno = EINVAL;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 8192, buf, 4096), -EIO);
	f->write_errno = 0;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 8192, buf, 4096), 0);
	end(&g, bs);
}

/* ── discards and zeros ── */

static void check_zeroed(struct bs_rig *g, struct backstore *bs, struct fake_file *f,
			 enum bs_kind kind, unsigned flags, uint64_t off, uint64_t len)
{
	fill(buf, SIZE, 9);
	fake_file_poke(f, 0, buf, SIZE);
	assert_int_equal(bs_call(g, bs, kind, flags, off, NULL, len), 0);
	assert_int_equal(bs_call(g, bs, BS_READ, 0, 0, back, SIZE), 0);
	assert_memory_equal(back, buf, off);
	assert_memory_equal(back + off, zeros, len);
	assert_memory_equal(back + off + len, buf + off + len, SIZE - off - len);
}

static void discarded_and_zeroed_ranges_read_zeros_and_no_more(void **state)
{
	static const struct {
		uint64_t off, len;
	} ranges[] = { { 0, SIZE },	    { 0, 512 },	    { 512, 512 },
		       { 3584, 1024 },	    { 512, 65536 }, { 4096, 8192 },
		       { 8704, 3072 },	    { 8192, 4608 }, { 1024, 300000 / 512 * 512 },
		       { SIZE - 512, 512 }, { 4608, 3584 } };

	(void)state;
	for (unsigned mode = 0; mode < 16; mode++) {
		for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
			static const struct {
				enum bs_kind kind;
				unsigned flags;
			} how[] = { { BS_DISCARD, 0 },
				    { BS_WRITE_ZEROES, 0 },
				    { BS_WRITE_ZEROES, BS_MAY_UNMAP } };

			for (unsigned k = 0; k < 3; k++) {
				struct backstore *bs;
				struct fake_file *f;
				struct bs_rig g;

				make(&g, &f, &bs, mode * 100 + i);
				f->no_punch = mode & 1;
				f->no_zero = mode & 2;
				f->dio_align = 512;
				fake_world_knobs(g.w)->short_permille = mode & 4 ? 500 : 0;
				check_zeroed(&g, bs, f, how[k].kind, how[k].flags, ranges[i].off,
					     ranges[i].len);
				/* and once more, now that refusals are known */
				check_zeroed(&g, bs, f, how[k].kind, how[k].flags, ranges[i].off,
					     ranges[i].len);
				if (f->no_punch)
					assert_in_range(f->punches, 0, 1);
				if (f->no_zero)
					assert_in_range(f->zeroes, 0, 1);
				end(&g, bs);
			}
		}
	}
}

static void a_discard_gives_space_back(void **state)
{
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make(&g, &f, &bs, 7);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 65536), 0);
	assert_int_equal(fake_file_allocated_bytes(f), 65536);
	assert_int_equal(bs_call(&g, bs, BS_DISCARD, 0, 512, NULL, 65536 - 512), 0);
	assert_int_equal(fake_file_allocated_bytes(f), 4096);
	assert_int_equal(bs_call(&g, bs, BS_WRITE_ZEROES, 0, 8192, NULL, 8192), 0);
	assert_int_equal(fake_file_allocated_bytes(f), 4096 + 8192);
	assert_int_equal(bs_call(&g, bs, BS_WRITE_ZEROES, BS_MAY_UNMAP, 8192, NULL, 8192), 0);
	assert_int_equal(fake_file_allocated_bytes(f), 4096);
	end(&g, bs);
}

static void two_reactors_refused_at_once_both_fall_back(void **state)
{
	static struct bs_call c[2];

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;

		make(&g, &f, &bs, seed);
		f->no_punch = true;
		fill(buf, 65536, 1);
		fake_file_poke(f, 0, buf, 65536);
		bs_call_start(&c[0], bs, g.io[0], BS_DISCARD, 0, 0, NULL, 32768);
		bs_call_start(&c[1], bs, g.io[1], BS_DISCARD, 0, 32768, NULL, 32768);
		fake_world_run(g.w);
		assert_true(c[0].res == 0 && c[1].res == 0);
		fake_file_peek(f, 0, back, 65536);
		assert_memory_equal(back, zeros, 65536);
		assert_int_equal(f->writes, 0); /* a zero range does it */
		end(&g, bs);
	}
}

/* ── each operation failed once ── */

/* Returns how many of its requests have failed. */
static unsigned scenario(struct bs_rig *g, struct fake_file *f, struct backstore *bs)
{
	static struct bs_call c[6];
	unsigned failed = 0;

	fill(buf, 65536, 3);
	bs_call_start(&c[0], bs, g->io[0], BS_WRITE, 0, 0, buf, 16384);
	bs_call_start(&c[1], bs, g->io[1], BS_WRITE, BS_FUA, 16384, buf + 16384, 16384);
	bs_call_start(&c[2], bs, g->io[0], BS_FLUSH, 0, 0, NULL, 0);
	bs_call_start(&c[3], bs, g->io[1], BS_DISCARD, 0, 32768 + 512, NULL, 8192);
	bs_call_start(&c[4], bs, g->io[1], BS_READ, 0, 65536, back, 16384);
	bs_call_start(&c[5], bs, g->io[1], BS_FLUSH, 0, 0, NULL, 0);
	fake_world_run(g->w);
	for (unsigned i = 0; i < 6; i++) {
		assert_true(c[i].done && (c[i].res == 0 || c[i].res == -EIO));
		failed += c[i].res != 0;
	}
	fake_file_peek(f, 0, back, 32768);
	if (c[0].res == 0)
		assert_memory_equal(back, buf, 16384);
	if (c[1].res == 0)
		assert_memory_equal(back + 16384, buf + 16384, 16384);
	return failed;
}

static void each_operation_failed_once_is_reported(void **state)
{
	bool fired = true;
	uint64_t nth = 0;

	(void)state;
	for (; fired; nth++) {
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;
		unsigned failed;

		make(&g, &f, &bs, 11);
		fake_world_knobs(g.w)->fail_at = nth;
		fake_world_knobs(g.w)->eagain_permille = 300;
		failed = scenario(&g, f, bs);
		fired = fake_world_knobs(g.w)->fired;
		assert_true(fired ? failed >= 1 : failed == 0);
		end(&g, bs);
	}
	assert_in_range(nth, 9, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_file_that_was_cut_off_reads_as_an_error),
		cmocka_unit_test(no_room_is_said_and_passes),
		cmocka_unit_test(discarded_and_zeroed_ranges_read_zeros_and_no_more),
		cmocka_unit_test(a_discard_gives_space_back),
		cmocka_unit_test(two_reactors_refused_at_once_both_fall_back),
		cmocka_unit_test(each_operation_failed_once_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
