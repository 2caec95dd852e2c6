/* 512-byte blocks above 4 KiB ones: nobody's sector is lost to a neighbour's write. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 65536, SECTORS = SIZE / 512, UNIT = 4096, WRITERS = 24 };

static uint8_t back[SIZE];

static struct backstore *bounced(struct fake_file *f)
{
	struct disk_params p = bs_rig_params(f);
	struct backstore *disk, *bs;

	p.block_bytes = p.align_bytes = f->dio_align = UNIT;
	assert_int_equal(disk_new(&disk, &p), 0);
	assert_int_equal(bounce_new(&bs, disk, 512), 0);
	assert_int_equal(bs->block_bytes, 512);
	assert_int_equal(bs->physical_bytes, UNIT);
	return bs;
}

/* One writer per sector range that no other touches: all must land, whatever else
 * shares their blocks. */
struct writer {
	struct bs_call c;
	uint64_t first, n;
	bool zeroes;
	uint8_t *data;
};

static uint64_t cut_into_writers(struct fake_world *w, struct writer *writers)
{
	uint64_t at = 0, count = 0;

	while (at < SECTORS && count < WRITERS) {
		struct writer *wr = &writers[count];
		uint64_t kind = fake_world_random(w, 4);

		/* often one sector, sometimes whole aligned blocks or across some */
		wr->first = at;
		wr->n = kind < 2 ? 1 : kind == 2 ? 1 + fake_world_random(w, 20) : 8 - at % 8;
		wr->n = MIN(wr->n, SECTORS - at);
		wr->zeroes = fake_world_random(w, 6) == 0;
		wr->data = malloc(wr->n * 512);
		memset(wr->data, wr->zeroes ? 0 : (int)(count + 1), wr->n * 512);
		at += wr->n + (fake_world_random(w, 5) == 0);
		count++;
	}
	return count;
}

static void start_writer(struct bs_rig *g, struct backstore *bs, struct writer *wr)
{
	struct io *io = g->io[fake_world_random(g->w, 3)];
	unsigned flags = fake_world_random(g->w, 3) ? 0 : BS_FUA;

	if (wr->zeroes)
		bs_call_start(&wr->c, bs, io, flags ? BS_DISCARD : BS_WRITE_ZEROES, 0,
			      wr->first * 512, NULL, wr->n * 512);
	else
		bs_call_start(&wr->c, bs, io, BS_WRITE, flags, wr->first * 512, wr->data,
			      wr->n * 512);
}

static void neighbours_both_land(void **state)
{
	static struct writer writers[WRITERS];
	static uint8_t model[SIZE];

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct bs_rig g;
		struct fake_file *f;
		struct backstore *bs;
		uint64_t n;

		bs_rig_init(&g, seed, 3);
		f = fake_file_new(g.w, SIZE);
		bs = bounced(f);
		fake_world_knobs(g.w)->eagain_permille = 300;
		for (unsigned i = 0; i < SIZE; i++)
			model[i] = (uint8_t)(0x80 | i % 97);
		fake_file_poke(f, 0, model, SIZE);
		n = cut_into_writers(g.w, writers);
		for (uint64_t i = 0; i < n; i++) {
			struct writer *wr = &writers[(i * 7) % n];

			if (n % 7 == 0)
				wr = &writers[i];
			start_writer(&g, bs, wr);
			memcpy(model + wr->first * 512, wr->data, wr->n * 512);
		}
		fake_world_run(g.w);
		for (uint64_t i = 0; i < n; i++) {
			assert_true(writers[i].c.done && writers[i].c.res == 0);
			free(writers[i].data);
		}
		fake_file_peek(f, 0, back, SIZE);
		assert_memory_equal(back, model, SIZE);
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

/* One sector and the whole block around it, at once: which of them has the sector is
 * nobody's promise, but the rest of the block is the whole write's. */
static void a_whole_block_is_not_undone_by_a_sector_in_it(void **state)
{
	static struct bs_call whole, one;
	static _Alignas(4096) uint8_t a[2 * UNIT], b[512];

	(void)state;
	memset(a, 0xaa, sizeof(a));
	memset(b, 0xbb, sizeof(b));
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct bs_rig g;
		struct fake_file *f;
		struct backstore *bs;
		uint64_t sector = seed % 16;

		bs_rig_init(&g, seed, 2);
		f = fake_file_new(g.w, SIZE);
		bs = bounced(f);
		bs_call_start(&one, bs, g.io[0], BS_WRITE, 0, 8192 + sector * 512, b, 512);
		bs_call_start(&whole, bs, g.io[1], BS_WRITE, 0, 8192, a, sizeof(a));
		fake_world_run(g.w);
		assert_true(one.done && one.res == 0 && whole.done && whole.res == 0);
		fake_file_peek(f, 8192, back, sizeof(a));
		for (uint64_t i = 0; i < sizeof(a); i++)
			assert_true(back[i] == 0xaa || (back[i] == 0xbb && i / 512 == sector));
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

static void reads_of_any_sector(void **state)
{
	struct bs_rig g;
	struct fake_file *f;
	struct backstore *bs;
	static uint8_t model[SIZE], odd[SIZE + 1];

	(void)state;
	bs_rig_init(&g, 5, 1);
	f = fake_file_new(g.w, SIZE);
	bs = bounced(f);
	for (unsigned i = 0; i < SIZE; i++)
		model[i] = (uint8_t)(i / 512 * 3 + i);
	fake_file_poke(f, 0, model, SIZE);
	for (uint64_t first = 0; first < SECTORS; first += 3) {
		uint64_t len = (1 + first % 30) * 512;

		len = MIN(len, SIZE - first * 512);
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, first * 512, back, len), 0);
		assert_memory_equal(back, model + first * 512, len);
		/* memory that direct I/O would refuse is copied */
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, first * 512, odd + 1, len), 0);
		assert_memory_equal(odd + 1, model + first * 512, len);
	}
	memset(odd, 0x77, sizeof(odd));
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 8192, odd + 1, 4096), 0);
	fake_file_peek(f, 8192, back, 4096);
	assert_memory_equal(back, odd, 4096);
	assert_int_equal(bs_call(&g, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void fua_reaches_the_medium(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct bs_rig g;
		struct fake_file *f;
		struct backstore *bs;
		static uint8_t data[12288], got[12288];
		uint64_t off = 512 * (1 + seed % 9), len = 512 * (1 + seed % 15);

		bs_rig_init(&g, seed, 1);
		f = fake_file_new(g.w, SIZE);
		bs = bounced(f);
		memset(data, (int)(seed | 1), sizeof(data));
		assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, off, data, len), 0);
		fake_world_crash(g.w);
		fake_file_peek(f, off, got, len);
		assert_memory_equal(got, data, len);
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

static void each_operation_failed_once_is_reported(void **state)
{
	static struct bs_call c[5];
	static uint8_t data[SIZE];
	bool fired = true;
	uint64_t nth = 0;

	(void)state;
	for (; fired; nth++) {
		struct bs_rig g;
		struct fake_file *f;
		struct backstore *bs;
		unsigned failed = 0;

		bs_rig_init(&g, 3, 2);
		f = fake_file_new(g.w, SIZE);
		bs = bounced(f);
		fake_world_knobs(g.w)->fail_at = nth;
		bs_call_start(&c[0], bs, g.io[0], BS_WRITE, 0, 512, data, 512);
		bs_call_start(&c[1], bs, g.io[1], BS_WRITE, 0, 1024, data, 8192);
		bs_call_start(&c[2], bs, g.io[0], BS_DISCARD, 0, 3584, NULL, 16384);
		bs_call_start(&c[3], bs, g.io[1], BS_READ, 0, 512, back, 512);
		bs_call_start(&c[4], bs, g.io[1], BS_WRITE, BS_FUA, 4096, data, 4096);
		fake_world_run(g.w);
		for (unsigned i = 0; i < 5; i++) {
			assert_true(c[i].done);
			failed += c[i].res != 0;
		}
		fired = fake_world_knobs(g.w)->fired;
		assert_true(fired ? failed >= 1 : failed == 0);
		bs_close(bs);
		bs_rig_fini(&g);
	}
	assert_in_range(nth, 12, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_both_land),
		cmocka_unit_test(a_whole_block_is_not_undone_by_a_sector_in_it),
		cmocka_unit_test(reads_of_any_sector),
		cmocka_unit_test(fua_reaches_the_medium),
		cmocka_unit_test(each_operation_failed_once_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
