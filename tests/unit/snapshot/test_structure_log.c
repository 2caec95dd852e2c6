/* The structure log read from hands of strangers: what is damaged is told with its place, what a
 * crash may leave is passed over, what a newer version has made is refused and left alone. */
#include "snapshot/structure_log.h"
#include "tests/fakes/fake_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FAR = RECORD_ALIGN_BYTES, N = 5 };

static const uint8_t pool[16] = "pool of the test", boot[16] = "boot";
static const char log_path[] = "/p/structure.log", a_path[] = "/p/structure.ckpt.a",
		  b_path[] = "/p/structure.ckpt.b";
static char why[1024];

struct rig {
	struct fake_fs *f;
	struct slog log;
	struct pool_state state;
};

static int open_log(struct rig *r)
{
	int rc;

	pool_state_init(&r->state);
	why[0] = '\0';
	rc = slog_open(&r->log, &r->f->fs, "/p", pool, false, &r->state, why, sizeof(why));
	if (rc) {
		slog_close(&r->log);
		pool_state_fini(&r->state);
	}
	return rc;
}

static void shut(struct rig *r)
{
	slog_close(&r->log);
	pool_state_fini(&r->state);
	fake_fs_restart(r->f, true);
}

static void refused(struct rig *r, int rc, const char *says)
{
	int is = open_log(r);

	if (is != rc || !strstr(why, says))
		fail_msg("%d: \"%s\" does not say \"%s\"", is, why, says);
	fake_fs_restart(r->f, true);
}

static struct pool_op volume(unsigned n)
{
	static char names[64][8];
	struct pool_op op = {
		.type = OP_PUT_VOLUME, .number = n, .size_bytes = 4096, .block_bytes = 512
	};

	op.id[0] = (uint8_t)n;
	snprintf(names[n], sizeof(names[n]), "v%u", n);
	op.name = (struct pool_text){ names[n], strlen(names[n]) };
	return op;
}

static struct pool_op layer(unsigned n)
{
	return (struct pool_op){ .type = OP_PUT_LAYER, .number = n, .size_bytes = 4096 };
}

static void add(struct record *r, struct pool_op op)
{
	record_add(r, &op);
}

static int apply(void *arg, const struct pool_op *op)
{
	return pool_state_apply(arg, op, why, sizeof(why));
}

static void append(struct rig *g, unsigned n)
{
	struct record_head head;
	struct record r;

	record_begin(&r);
	add(&r, layer(n));
	add(&r, volume(n));
	if (slog_append(&g->log, &g->state, &r, why, sizeof(why)))
		fail_msg("%s", why);
	assert_true(record_decode(r.buf, r.len, &head));
	assert_int_equal(record_each(r.buf, &head, apply, &g->state, why, sizeof(why)), 0);
	record_fini(&r);
}

/* Writes a record of one's own at @off. */
static void put_record(struct rig *g, const char *path, uint64_t off, enum record_kind kind,
		       uint64_t sequence, uint64_t generation, struct record *r)
{
	int fd = g->f->fs.open(&g->f->fs, path, O_RDWR);

	assert_int_equal(record_end(r, kind, sequence, generation, pool), 0);
	assert_int_equal(pool_fs_write_all(&g->f->fs, fd, r->buf, r->len, off), 0);
	assert_int_equal(g->f->fs.sync(&g->f->fs, fd), 0);
	g->f->fs.close(&g->f->fs, fd);
	record_fini(r);
}

/* An opening of generation 2 with N records behind its checkpoint, which is in slot b; shut. */
static int make(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->f = fake_fs_new(1);
	if (slog_make(&r->f->fs, "/p", pool, why, sizeof(why)) ||
	    pool_fs_sync_dir(&r->f->fs, "/p") || open_log(r) ||
	    slog_begin(&r->log, &r->state, boot, why, sizeof(why)))
		fail_msg("%s", why);
	for (unsigned n = 1; n <= N; n++)
		append(r, n);
	shut(r);
	*state = r;
	return 0;
}

static int unmake(void **state)
{
	struct rig *r = *state;

	fake_fs_free(r->f);
	free(r);
	return 0;
}

static void has(struct rig *r, unsigned n)
{
	if (open_log(r))
		fail_msg("%s", why);
	assert_int_equal(r->state.nvolumes, n);
	for (unsigned i = 1; i <= n; i++)
		assert_non_null(pool_state_find_layer(&r->state, i));
	shut(r);
}

static void it_is_as_it_was(void **state)
{
	struct rig *r = *state;

	has(r, N);
	assert_int_equal(open_log(r), 0);
	assert_int_equal(r->log.generation, 2);
	assert_int_equal(r->log.sequence, 2 + N);
	assert_int_equal(r->state.next, N + 1);
	shut(r);
}

/* ── damage ── */

static void the_last_record_may_be_torn(void **state)
{
	struct rig *r = *state;

	fake_fs_damage(r->f, log_path, (N - 1) * FAR + 60);
	has(r, N - 1);
}

static void every_record_before_it_must_be_whole(void **state)
{
	struct rig *r = *state;

	for (unsigned n = 0; n < N - 1; n++)
		for (unsigned at = 0; at < 100; at += 7) {
			char place[64];

			fake_fs_damage(r->f, log_path, n * FAR + at);
			snprintf(place, sizeof(place), "the record at byte %u", n * FAR);
			refused(r, -EBADMSG, place);
			fake_fs_damage(r->f, log_path, n * FAR + at);
		}
	has(r, N);
}

static void a_damaged_checkpoint_is_not_passed_over(void **state)
{
	struct rig *r = *state;

	fake_fs_damage(r->f, b_path, 50); /* a is whole, but older */
	refused(r, -EBADMSG, "or a checkpoint");
	fake_fs_damage(r->f, a_path, 50);
	refused(r, -EBADMSG, "neither /p/structure.ckpt.a nor structure.ckpt.b");
}

static void the_older_checkpoint_does_not_matter(void **state)
{
	struct rig *r = *state;

	fake_fs_damage(r->f, a_path, 50);
	has(r, N);
}

static void files_must_be_there_and_whole(void **state)
{
	struct rig *r = *state;

	fake_fs_put(r->f, log_path, SLOG_BYTES / 2);
	refused(r, -EBADMSG, "524288 bytes, and must have 1048576");
	fake_fs_remove(r->f, log_path);
	refused(r, -ENOENT, "structure.log cannot be opened");
	fake_fs_remove(r->f, a_path);
	refused(r, -ENOENT, "structure.ckpt.a cannot be opened");
}

static void another_pools_files_are_none(void **state)
{
	struct rig *r = *state;
	uint8_t other[16] = "another";
	int rc;

	pool_state_init(&r->state);
	rc = slog_open(&r->log, &r->f->fs, "/p", other, false, &r->state, why, sizeof(why));
	assert_int_equal(rc, -EBADMSG);
	assert_non_null(strstr(why, "this pool's"));
	shut(r);
}

/* ── ghosts ── */

/* A record of an earlier opening with just the right number is none of ours. */
static void replay_stops_where_the_generation_falls(void **state)
{
	struct rig *r = *state;
	struct record rec;

	record_begin(&rec);
	add(&rec, layer(N + 1));
	add(&rec, volume(N + 1));
	put_record(r, log_path, N * FAR, RECORD_CHANGE, 2 + N + 1, 1, &rec);
	has(r, N);
}

static void a_record_that_is_too_old_stops_it(void **state)
{
	struct rig *r = *state;
	struct record rec;

	record_begin(&rec);
	add(&rec, layer(N + 1));
	add(&rec, volume(N + 1));
	put_record(r, log_path, N * FAR, RECORD_CHANGE, 2 + N, 2, &rec);
	has(r, N);
}

static void a_record_after_a_gap_is_damage(void **state)
{
	struct rig *r = *state;
	struct record rec;

	record_begin(&rec);
	add(&rec, layer(N + 1));
	put_record(r, log_path, (N + 3) * FAR, RECORD_CHANGE, 2 + N + 2, 2, &rec);
	refused(r, -EBADMSG, "record 9 of opening 2, at byte 32768");
}

static void what_was_lost_does_not_come_back(void **state)
{
	struct rig *r = *state;

	fake_fs_damage(r->f, log_path, (N - 1) * FAR + 60); /* torn: lost */
	assert_int_equal(open_log(r), 0);
	assert_int_equal(slog_begin(&r->log, &r->state, boot, why, sizeof(why)), 0);
	assert_int_equal(r->log.generation, 3);
	append(r, 10);
	shut(r);
	fake_fs_damage(r->f, log_path, (N - 1) * FAR + 60); /* and whole again */
	assert_int_equal(open_log(r), 0);
	assert_int_equal(r->state.nvolumes, N);
	assert_non_null(pool_state_find_layer(&r->state, 10));
	assert_null(pool_state_find_layer(&r->state, N));
	shut(r);
}

/* ── other versions, other minds ── */

static void with_record(struct rig *r, int rc, const char *says, const struct pool_op *ops,
			size_t n)
{
	struct record rec;

	record_begin(&rec);
	for (size_t i = 0; i < n; i++)
		record_add(&rec, &ops[i]);
	put_record(r, log_path, N * FAR, RECORD_CHANGE, 2 + N + 1, 2, &rec);
	refused(r, rc, says);
}

static void what_does_not_fit_is_damage(void **state)
{
	struct rig *r = *state;
	struct pool_op ops[2] = { layer(9), volume(9) };

	with_record(r, -EBADMSG, "a layer that is not there", &ops[1], 1);
	ops[1].name = volume(1).name;
	with_record(r, -EBADMSG, "the name of another one", ops, 2);
	ops[1] = volume(9);
	ops[1].number = 1;
	with_record(r, -EBADMSG, "the layer of another one", ops, 2);
	ops[1] = volume(9);
	ops[1].size_bytes = 8192;
	with_record(r, -EBADMSG, "cannot have its size", ops, 2);
	ops[1] = volume(9);
	ops[1].block_bytes = 1000;
	with_record(r, -EBADMSG, "cannot have its block size", ops, 2);
	ops[0] = (struct pool_op){ .type = OP_DEL_LAYER, .number = 1 };
	with_record(r, -EBADMSG, "goes before its volume", ops, 1);
	ops[0].number = 77;
	with_record(r, -EBADMSG, "goes and was not there", ops, 1);
	ops[0] = (struct pool_op){ .type = OP_DEL_VOLUME, .id = { 99 } };
	with_record(r, -EBADMSG, "goes and was not there", ops, 1);
	ops[0] = layer(0);
	with_record(r, -EBADMSG, "cannot have that number", ops, 1);
	ops[0] = layer(0);
	ops[0].number = INT64_MAX; /* no number would be left */
	with_record(r, -EBADMSG, "cannot have that number", ops, 1);
	ops[0] = layer(1);
	ops[0].kind = VPOOL_LV;
	ops[0].path = (struct pool_text){ "vg/lv", 5 };
	with_record(r, -EBADMSG, "changes its kind", ops, 1);
	ops[0] = layer(9);
	ops[0].path = (struct pool_text){ "/x", 2 };
	with_record(r, -EBADMSG, "a path that its kind cannot have", ops, 1);
}

static void a_newer_version_is_refused_and_nothing_is_changed(void **state)
{
	struct rig *r = *state;
	struct pool_op op = { .type = (enum pool_op_type)6 };
	struct pool_op flagged = volume(1), stacked = layer(9);

	flagged.flags = VOLUME_ALL_FLAGS + 1;
	stacked.parent = 1;
	with_record(r, -EPROTONOSUPPORT, "operation 0 of record 8 was made by a newer version", &op,
		    1);
	with_record(r, -EPROTONOSUPPORT, "newer", &flagged, 1);
	with_record(r, -EPROTONOSUPPORT, "newer", &stacked, 1);
	assert_int_equal(open_log(r), -EPROTONOSUPPORT);
	assert_int_equal(r->f->ops, 3); /* syncs, before it was read */
}

/* ── failures of the disk ── */

static void a_failed_sync_latches(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(open_log(r), 0);
	assert_int_equal(slog_begin(&r->log, &r->state, boot, why, sizeof(why)), 0);
	record_begin(&rec);
	add(&rec, layer(9));
	r->f->fail_at = r->f->ops + 2; /* the write goes well */
	r->f->fail_err = -EIO;
	assert_int_equal(slog_append(&r->log, &r->state, &rec, why, sizeof(why)), -EIO);
	assert_non_null(strstr(why, "syncing structure.log failed"));
	record_fini(&rec);
	record_begin(&rec);
	add(&rec, layer(9));
	assert_int_equal(slog_append(&r->log, &r->state, &rec, why, sizeof(why)), -EIO);
	assert_non_null(strstr(why, "takes no more changes"));
	record_fini(&rec);
	shut(r);
	has(r, N); /* it was never on the disk */
}

/* The checkpoint of an opening is in the page cache alone, as its sync has failed; the next opening
 * believes it, and must not overwrite the other slot before this one is on the disk. */
static void a_checkpoint_that_never_reached_the_disk_is_written_again(void **state)
{
	enum { LAST = 4 + 4 }; /* three syncs; base, sync, checkpoint, sync; one more */
	struct rig *r = *state, run;

	for (unsigned seed = 1; seed <= 20; seed++)
		for (unsigned nth = 1; nth <= LAST; nth++) {
			run = (struct rig){ .f = fake_fs_copy(r->f, seed * 100 + nth) };
			assert_int_equal(open_log(&run), 0);
			run.f->fail_at = run.f->ops + 4;
			run.f->fail_err = -EIO;
			assert_int_equal(slog_begin(&run.log, &run.state, boot, why, sizeof(why)),
					 -EIO);
			assert_int_equal(run.f->last_file, FS_SLOT);
			slog_close(&run.log);
			pool_state_fini(&run.state);
			fake_fs_restart(run.f, false);
			run.f->die_at = nth;
			if (!open_log(&run)) {
				int rc = slog_begin(&run.log, &run.state, boot, why, sizeof(why));

				assert_true(rc || nth == LAST);
				shut(&run);
			} else {
				fake_fs_restart(run.f, true);
			}
			has(&run, N);
			fake_fs_free(run.f);
		}
}

static void one_record_can_be_too_large(void **state)
{
	struct rig *r = *state;
	struct record rec;

	assert_int_equal(open_log(r), 0);
	assert_int_equal(slog_begin(&r->log, &r->state, boot, why, sizeof(why)), 0);
	record_begin(&rec);
	for (unsigned i = 0; i < 40000; i++)
		add(&rec, layer(i + 100));
	assert_int_equal(slog_append(&r->log, &r->state, &rec, why, sizeof(why)), -E2BIG);
	record_fini(&rec);
	append(r, 9); /* no harm was done */
	shut(r);
	assert_int_equal(open_log(r), 0);
	assert_int_equal(r->state.nvolumes, N + 1);
	shut(r);
}

#define test(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(it_is_as_it_was),
		test(the_last_record_may_be_torn),
		test(every_record_before_it_must_be_whole),
		test(a_damaged_checkpoint_is_not_passed_over),
		test(the_older_checkpoint_does_not_matter),
		test(files_must_be_there_and_whole),
		test(another_pools_files_are_none),
		test(replay_stops_where_the_generation_falls),
		test(a_record_that_is_too_old_stops_it),
		test(a_record_after_a_gap_is_damage),
		test(what_was_lost_does_not_come_back),
		test(what_does_not_fit_is_damage),
		test(a_newer_version_is_refused_and_nothing_is_changed),
		test(a_failed_sync_latches),
		test(a_checkpoint_that_never_reached_the_disk_is_written_again),
		test(one_record_can_be_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
