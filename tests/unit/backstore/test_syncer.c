/* Flushes as a group, and the latch: what cannot be made durable is never GOOD. */
#include "tests/fakes/bs_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1 << 18 };

static _Alignas(4096) uint8_t buf[65536];
static const uint8_t uuid[16] = { 0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void flushes_share_fdatasyncs(void **state)
{
	static struct bs_call c[100];

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;

		bs_rig_init(&g, seed, 4);
		f = fake_file_new(g.w, SIZE);
		bs = bs_rig_disk(f);
		for (unsigned i = 0; i < 100; i++)
			bs_call_start(&c[i], bs, g.io[i % 4], BS_FLUSH, 0, 0, NULL, 0);
		fake_world_run(g.w);
		for (unsigned i = 0; i < 100; i++)
			assert_true(c[i].done && c[i].res == 0);
		assert_int_equal(f->syncs, 2); /* the first alone, the others together */
		assert_int_equal(f->syncing_max, 1);
		assert_int_equal(bs_call(&g, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
		assert_int_equal(f->syncs, 3);
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

/* Each flush that ends starts a write and, when that has ended, the next flush. */
struct chain {
	struct bs_call c;
	struct backstore *bs;
	unsigned left;
	bool flush;
};

static void chain_next(struct bs_call *c)
{
	struct chain *ch = c->arg;

	assert_int_equal(c->res, 0);
	if (!ch->left)
		return;
	ch->flush = !ch->flush;
	ch->left -= ch->flush;
	if (ch->flush)
		bs_call_start(c, ch->bs, c->req.io, BS_FLUSH, 0, 0, NULL, 0);
	else
		bs_call_start(c, ch->bs, c->req.io, BS_WRITE, 0, 4096, buf, 4096);
}

static void rounds_go_round_the_reactors(void **state)
{
	static struct chain ch[12];

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;

		bs_rig_init(&g, seed, 4);
		f = fake_file_new(g.w, SIZE);
		bs = bs_rig_disk(f);
		for (unsigned i = 0; i < 12; i++) {
			ch[i] = (struct chain){ .bs = bs, .left = 20, .flush = true };
			ch[i].c.then = chain_next;
			ch[i].c.arg = &ch[i];
			bs_call_start(&ch[i].c, bs, g.io[i % 4], BS_FLUSH, 0, 0, NULL, 0);
		}
		fake_world_run(g.w);
		for (unsigned i = 0; i < 12; i++)
			assert_int_equal(ch[i].left, 0);
		assert_in_range(f->syncs, 21, 12 * 21 - 50);
		assert_int_equal(f->syncing_max, 1);
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

static void check_latched(struct bs_rig *g, struct backstore *bs, struct fake_file *f)
{
	uint64_t syncs = f->syncs, writes = f->writes, space = f->punches + f->zeroes;

	f->sync_errno = 0;
	assert_int_equal(bs_call(g, bs, BS_FLUSH, 0, 0, NULL, 0), -EIO);
	assert_int_equal(bs_call(g, bs, BS_WRITE, 0, 0, buf, 4096), -EIO);
	assert_int_equal(bs_call(g, bs, BS_WRITE, BS_FUA, 0, buf, 4096), -EIO);
	assert_int_equal(bs_call(g, bs, BS_DISCARD, 0, 0, NULL, 4096), -EIO);
	assert_int_equal(bs_call(g, bs, BS_WRITE_ZEROES, 0, 0, NULL, 4096), -EIO);
	assert_int_equal(bs_call(g, bs, BS_READ, 0, 0, buf, 4096), 0);
	assert_int_equal(f->syncs, syncs);
	assert_int_equal(f->writes, writes);
	assert_int_equal(f->punches + f->zeroes, space);
}

static void a_failed_sync_fails_all_who_wait_and_ends_writing(void **state)
{
	static struct bs_call c[8];

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;

		bs_rig_init(&g, seed, 4);
		f = fake_file_new(g.w, SIZE);
		bs = bs_rig_disk(f);
		assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 4096), 0);
		/* the next operation, the first fdatasync, fails; a second would not */
		fake_world_knobs(g.w)->fail_at = 0;
		for (unsigned i = 0; i < 8; i++)
			bs_call_start(&c[i], bs, g.io[i % 4], BS_FLUSH, 0, 0, NULL, 0);
		fake_world_run(g.w);
		for (unsigned i = 0; i < 8; i++)
			assert_true(c[i].done && c[i].res == -EIO);
		assert_int_equal(f->syncs, 1);
		check_latched(&g, bs, f);
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

static void a_failed_fua_write_ends_writing(void **state)
{
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	f = fake_file_new(g.w, SIZE);
	bs = bs_rig_disk(f);
	f->write_errno = EIO;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 4096), -EIO); /* told: no latch */
	f->write_errno = 0;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 4096), 0);
	f->write_errno = EIO;
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 0, buf, 4096), -EIO);
	f->write_errno = 0;
	check_latched(&g, bs, f);
	bs_close(bs);
	bs_rig_fini(&g);
}

/* ENOSPC of a sync is a loss, too, unlike that of a write. */
static void a_sync_without_room_ends_writing(void **state)
{
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	f = fake_file_new(g.w, SIZE);
	bs = bs_rig_disk(f);
	f->sync_errno = ENOSPC;
	assert_int_equal(bs_call(&g, bs, BS_FLUSH, 0, 0, NULL, 0), -EIO);
	check_latched(&g, bs, f);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void those_who_wait_in_the_lane_fail_with_the_latch(void **state)
{
	enum { WRITES = 3 * DISK_DIRECT_WRITE_LANE };
	static struct bs_call c[WRITES], flush;
	unsigned failed = 0;
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;

	(void)state;
	bs_rig_init(&g, 1, 1);
	f = fake_file_new(g.w, SIZE);
	bs = bs_rig_disk(f);
	f->nowait = FAKE_NOWAIT_EAGAIN;
	fake_world_knobs(g.w)->latency_min_ns = fake_world_knobs(g.w)->latency_max_ns = 100000;
	f->sync_errno = EIO;
	for (unsigned i = 0; i < WRITES; i++)
		bs_call_start(&c[i], bs, g.io[0], BS_WRITE, 0, i % 32 * 4096, buf, 4096);
	bs_call_start(&flush, bs, g.io[0], BS_FLUSH, 0, 0, NULL, 0);
	fake_world_run(g.w);
	for (unsigned i = 0; i < WRITES; i++) {
		assert_true(c[i].done && (c[i].res == 0 || c[i].res == -EIO));
		failed += c[i].res != 0;
	}
	assert_true(failed >= WRITES - 2 * DISK_DIRECT_WRITE_LANE);
	assert_int_equal(flush.res, -EIO);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void writethrough_makes_everything_durable(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct disk_params p;
		struct backstore *bs;
		struct fake_file *f;
		struct bs_rig g;
		uint8_t now[12288], then[12288];

		bs_rig_init(&g, seed, 1);
		f = fake_file_new(g.w, SIZE);
		p = bs_rig_params(f);
		p.writethrough = true;
		p.buffered = seed % 2;
		assert_int_equal(disk_new(&bs, &p), 0);
		assert_false(bs->write_cache);
		memset(buf, 0x5a, sizeof(buf));
		assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 12288), 0);
		assert_int_equal(bs_call(&g, bs, BS_DISCARD, 0, 512, NULL, 8192), 0);
		assert_int_equal(bs_call(&g, bs, BS_WRITE_ZEROES, 0, 10240, NULL, 512), 0);
		fake_file_peek(f, 0, now, sizeof(now));
		fake_world_crash(g.w);
		fake_file_peek(f, 0, then, sizeof(then));
		assert_memory_equal(now, then, sizeof(now));
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

/* ── the latch outlives the process ── */

static char dir[] = "/tmp/ringlun-latch-XXXXXX";
static char path[128];

static struct backstore *open_latched(struct fake_file *f, bool recover, bool *was_set)
{
	struct disk_params p = bs_rig_params(f);
	struct backstore *bs;
	char why[512];

	assert_int_equal(latch_open(&p.latch, dir, uuid, recover, was_set, why, sizeof(why)), 0);
	p.latched = *was_set && !recover;
	assert_int_equal(disk_new(&bs, &p), 0);
	return bs;
}

static void check_file_is_set(struct bs_call *c)
{
	char line[64] = { 0 };
	int fd = open(path, O_RDONLY);

	assert_int_equal(c->res, -EIO);
	assert_int_equal(read(fd, line, sizeof(line)), 64);
	assert_memory_equal(line, "failed ", 7);
	close(fd);
}

static void the_latch_survives_a_restart_but_not_a_boot(void **state)
{
	static const char other_boot[] =
		"failed 00000000-0000-4000-8000-000000000000                    \n";
	static struct bs_call c;
	struct backstore *bs;
	struct fake_file *f;
	struct bs_rig g;
	bool was_set;
	int fd;

	(void)state;
	assert_int_equal(sizeof(other_boot), 65);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ab0102030405060708090a0b0c0d0e0f.latch", dir);
	bs_rig_init(&g, 1, 1);
	f = fake_file_new(g.w, SIZE);

	/* opened and closed cleanly: nothing stays */
	bs = open_latched(f, false, &was_set);
	assert_false(was_set);
	assert_int_equal(access(path, F_OK), 0);
	bs_close(bs);
	assert_int_equal(access(path, F_OK), -1);

	/* set before the first waiter is answered */
	bs = open_latched(f, false, &was_set);
	f->sync_errno = EIO;
	c.then = check_file_is_set;
	bs_call_start(&c, bs, g.io[0], BS_FLUSH, 0, 0, NULL, 0);
	fake_world_run(g.w);
	assert_true(c.done);
	bs_close(bs);

	/* the next start finds it, and the one after that */
	for (int i = 0; i < 2; i++) {
		bs = open_latched(f, false, &was_set);
		assert_true(was_set);
		check_latched(&g, bs, f);
		bs_close(bs);
	}

	/* the way out */
	bs = open_latched(f, true, &was_set);
	assert_true(was_set);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, 0, buf, 4096), 0);
	bs_close(bs);
	assert_int_equal(access(path, F_OK), -1);

	/* another boot's is void; what is not ours counts */
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, other_boot, 64), 64);
	bs = open_latched(f, false, &was_set);
	assert_false(was_set);
	bs_close(bs);
	close(fd);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "what is this", 12), 12);
	close(fd);
	bs = open_latched(f, false, &was_set);
	assert_true(was_set);
	bs_close(bs);
	bs = open_latched(f, true, &was_set);
	bs_close(bs);

	bs_rig_fini(&g);
	assert_int_equal(rmdir(dir), 0);
}

static void a_missing_runtime_directory_is_refused(void **state)
{
	struct latch l;
	char why[512];
	bool was_set;

	(void)state;
	assert_int_equal(
		latch_open(&l, "/nonexistent/dir", uuid, false, &was_set, why, sizeof(why)),
		-ENOENT);
	assert_non_null(strstr(why, "/nonexistent/dir"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flushes_share_fdatasyncs),
		cmocka_unit_test(rounds_go_round_the_reactors),
		cmocka_unit_test(a_failed_sync_fails_all_who_wait_and_ends_writing),
		cmocka_unit_test(a_failed_fua_write_ends_writing),
		cmocka_unit_test(a_sync_without_room_ends_writing),
		cmocka_unit_test(those_who_wait_in_the_lane_fail_with_the_latch),
		cmocka_unit_test(writethrough_makes_everything_durable),
		cmocka_unit_test(the_latch_survives_a_restart_but_not_a_boot),
		cmocka_unit_test(a_missing_runtime_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
