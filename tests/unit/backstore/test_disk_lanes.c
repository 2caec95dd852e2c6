/* Which requests on a disk may make a worker wait, and how many do at a time. */
#include "tests/fakes/bs_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

static _Alignas(4096) uint8_t buf[SIZE], back[SIZE];

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

static void a_stalled_file_holds_up_no_other(void **state)
{
	static struct bs_call writes[128], reads[40], flush;
	struct backstore *bs, *other_bs;
	struct fake_file *f, *other;
	struct bs_rig g;

	(void)state;
	make(&g, &f, &bs, 7);
	other = fake_file_new(g.w, SIZE);
	other_bs = bs_rig_disk(other);
	f->nowait = FAKE_NOWAIT_EAGAIN;
	fake_world_knobs(g.w)->workers = DISK_DIRECT_WRITE_LANE + DISK_LANE + 2;
	fake_file_stall(f);
	for (unsigned i = 0; i < 128; i++)
		bs_call_start(&writes[i], bs, g.io[0], BS_WRITE, 0, i * 4096, buf, 4096);
	for (unsigned i = 0; i < 40; i++)
		bs_call_start(&reads[i], bs, g.io[0], BS_READ, 0, i * 4096, back + i * 4096, 4096);
	fake_world_run(g.w);
	assert_int_equal(f->punted, DISK_DIRECT_WRITE_LANE + DISK_LANE);
	assert_int_equal(bs_call(&g, other_bs, BS_WRITE, 0, 0, buf, 4096), 0);
	assert_int_equal(bs_call(&g, other_bs, BS_FLUSH, 0, 0, NULL, 0), 0);
	/* nor does a flush of the same one need a place in the lane */
	bs_call_start(&flush, bs, g.io[0], BS_FLUSH, 0, 0, NULL, 0);
	fake_world_run(g.w);
	assert_int_equal(f->syncing, 1);

	fake_file_release(f);
	fake_world_run(g.w);
	assert_true(flush.done && flush.res == 0);
	for (unsigned i = 0; i < 128; i++)
		assert_true(writes[i].done && writes[i].res == 0);
	for (unsigned i = 0; i < 40; i++)
		assert_true(reads[i].done && reads[i].res == 0);
	assert_true(f->punted_max <= DISK_DIRECT_WRITE_LANE + DISK_LANE + 1);
	bs_close(other_bs);
	end(&g, bs);
}

static void what_need_not_block_takes_no_place_in_the_lane(void **state)
{
	static struct bs_call c[64];
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make(&g, &f, &bs, 7);
	fake_file_stall(f);
	for (unsigned i = 0; i < 64; i++)
		bs_call_start(&c[i], bs, g.io[0], i % 2 ? BS_WRITE : BS_READ, 0, i * 4096,
			      buf + i * 4096, 4096);
	fake_world_run(g.w);
	assert_int_equal(f->punted_max, 0);
	assert_int_equal(f->reads + f->writes, 64);
	fake_file_release(f);
	fake_world_run(g.w);
	end(&g, bs);
}

static void a_file_without_nowait_is_asked_once(void **state)
{
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make(&g, &f, &bs, 7);
	f->nowait = FAKE_NOWAIT_EOPNOTSUPP;
	for (int i = 0; i < 10; i++)
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, 0, back, 4096), 0);
	assert_int_equal(f->reads, 11);
	assert_int_equal(f->punted_max, 1);
	end(&g, bs);
}

/* FUSE takes IO_NOWAIT and waits all the same: nothing may be tried on the loop. */
static void where_nowait_is_not_kept_all_goes_to_workers(void **state)
{
	static struct bs_call c[64];
	struct disk_params p;
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 3, 1);
	f = fake_file_new(g.w, SIZE);
	p = bs_rig_params(f);
	p.keeps_nowait = false;
	assert_int_equal(disk_new(&bs, &p), 0);
	f->no_punch = f->no_zero = true;
	fake_file_stall(f);
	for (unsigned i = 0; i < 64; i++)
		bs_call_start(&c[i], bs, g.io[0], i % 2 ? BS_WRITE : BS_READ, 0, i * 4096,
			      buf + i * 4096, 4096);
	fake_world_run(g.w);
	assert_int_equal(f->punted, DISK_DIRECT_WRITE_LANE + DISK_LANE);
	assert_int_equal(f->reads + f->writes, DISK_DIRECT_WRITE_LANE + DISK_LANE);
	fake_file_release(f);
	fake_world_run(g.w);
	assert_int_equal(f->reads + f->writes, 64);
	assert_int_equal(bs_call(&g, bs, BS_DISCARD, 0, 512, NULL, 65536), 0);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 512, buf, 65536), 0);
	assert_int_equal(f->inline_tries, 0);
	end(&g, bs);
}

/* There the kernel takes RWF_DSYNC, and nothing becomes durable. */
static void where_dsync_is_not_kept_fua_is_a_write_and_a_sync(void **state)
{
	(void)state;
	for (int writethrough = 0; writethrough < 2; writethrough++) {
		struct disk_params p;
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;

		bs_rig_init(&g, 3, 1);
		f = fake_file_new(g.w, SIZE);
		p = bs_rig_params(f);
		p.keeps_dsync = false;
		p.writethrough = writethrough;
		assert_int_equal(disk_new(&bs, &p), 0);
		assert_int_equal(
			bs_call(&g, bs, BS_WRITE, writethrough ? 0 : BS_FUA, 512, buf, 65536), 0);
		assert_int_equal(f->syncs, 1);
		f->sync_errno = EIO;
		assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 512, buf, 65536), -EIO);
		assert_int_equal(f->syncs, 2);
		end(&g, bs);
	}
}

/* ext4: a write waits for the journal whatever IO_NOWAIT says, a read does not. */
static void where_nowait_is_kept_for_reads_only_writes_use_the_lane(void **state)
{
	static struct bs_call writes[DISK_DIRECT_WRITE_LANE + 8];
	struct disk_params p;
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 3, 1);
	f = fake_file_new(g.w, SIZE);
	p = bs_rig_params(f);
	p.keeps_nowait_writes = false;
	assert_int_equal(disk_new(&bs, &p), 0);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 0, back, 4096), 0);
	assert_int_equal(f->punted_max, 0);
	fake_file_stall(f);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		bs_call_start(&writes[i], bs, g.io[0], BS_WRITE, i % 2 ? BS_FUA : 0, i * 4096, buf,
			      4096);
	fake_world_run(g.w);
	assert_int_equal(f->punted, DISK_DIRECT_WRITE_LANE);
	fake_file_release(f);
	fake_world_run(g.w);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		assert_true(writes[i].done && writes[i].res == 0);
	assert_int_equal(f->writes, ARRAY_SIZE(writes)); /* none was tried first */
	end(&g, bs);
}

static void make_buffered(struct bs_rig *g, struct fake_file **f, struct backstore **bs)
{
	struct disk_params p;

	bs_rig_init(g, 3, 2);
	*f = fake_file_new(g->w, SIZE);
	p = bs_rig_params(*f);
	p.buffered = true;
	assert_int_equal(disk_new(bs, &p), 0);
}

/* Each read that is tried begins a read-ahead, and the disk's queue is full in the end. */
static void buffered_reads_are_not_tried_beside_several_that_wait(void **state)
{
	static struct bs_call c[32];
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make_buffered(&g, &f, &bs);
	f->nowait = FAKE_NOWAIT_EAGAIN; /* not in the cache */
	fake_file_stall(f);
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		bs_call_start(&c[i], bs, g.io[0], BS_READ, 0, i * 4096, back, 4096);
		fake_world_run(g.w);
	}
	assert_int_equal(f->punted, DISK_LANE);
	assert_int_equal(f->reads, DISK_LANE / 4 + DISK_LANE);
	fake_file_release(f);
	fake_world_run(g.w);
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++)
		assert_true(c[i].done && c[i].res == 0);
	assert_int_equal(f->reads, DISK_LANE / 4 + ARRAY_SIZE(c));
	/* and are again when those have ended */
	f->reads = 0;
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, 0, back, 4096), 0);
	assert_int_equal(f->reads, 2);
	end(&g, bs);
}

static void buffered_writes_always_use_the_lane(void **state)
{
	static struct bs_call c[64];
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	make_buffered(&g, &f, &bs);
	fake_file_stall(f);
	for (unsigned i = 0; i < 64; i++)
		bs_call_start(&c[i], bs, g.io[i % 2], BS_WRITE, 0, i * 4096, buf, 4096);
	fake_world_run(g.w);
	assert_int_equal(f->punted, 2 * DISK_LANE); /* two reactors */
	fake_file_release(f);
	fake_world_run(g.w);
	for (unsigned i = 0; i < 64; i++)
		assert_true(c[i].done && c[i].res == 0);
	assert_int_equal(f->writes, 64);
	/* FUA through the cache: a write, then a sync that others may share */
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 0, buf, 4096), 0);
	assert_int_equal(f->syncs, 1);
	end(&g, bs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stalled_file_holds_up_no_other),
		cmocka_unit_test(what_need_not_block_takes_no_place_in_the_lane),
		cmocka_unit_test(a_file_without_nowait_is_asked_once),
		cmocka_unit_test(where_nowait_is_not_kept_all_goes_to_workers),
		cmocka_unit_test(where_dsync_is_not_kept_fua_is_a_write_and_a_sync),
		cmocka_unit_test(where_nowait_is_kept_for_reads_only_writes_use_the_lane),
		cmocka_unit_test(buffered_reads_are_not_tried_beside_several_that_wait),
		cmocka_unit_test(buffered_writes_always_use_the_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
