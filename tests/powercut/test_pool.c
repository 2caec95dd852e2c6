/* A pool whose process dies, whose disk fails or whose power goes at every operation that changes a
 * file: while it is made, opened, and volumes are created, resized and deleted, with a log that is
 * fresh, or about to be full, and slots that are about to be too small.
 *
 * The next opening is held to a model: what was answered is there, what was under way is there
 * whole or not at all, files and records agree, no number comes twice. What an opening has shown
 * must survive a power cut that follows at once. Then the same with a file system that leaves one
 * step out and says it has done it: each of these must be found out. POOL_SEEDS=100 looks longer.
 */
#include "tests/fakes/pool_world.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = SLOG_BYTES / RECORD_ALIGN_BYTES };

static struct landings landed;

/* ── the pools it begins with ── */

static struct fake_fs *fresh_pool(void)
{
	struct fake_fs *f = fake_fs_new(1);
	char why[512];

	if (vpool_make_on(&f->fs, "/p", NULL, why, sizeof(why)))
		fail_msg("%s", why);
	fake_fs_restart(f, true);
	return f;
}

/* One with a path of so many bytes. */
static void add_elsewhere(struct fake_fs *f, struct vpool *p, unsigned n, size_t path_bytes)
{
	char why[512], path[POOL_PATH_BYTES], name[16];
	struct vpool_spec spec = { .name = name, .path = path, .block_bytes = WORLD_SECTOR };
	struct vpool_volume v;

	snprintf(name, sizeof(name), "b%u", n);
	snprintf(path, sizeof(path), "/%04u%0*d", n, (int)path_bytes - 5, 0);
	fake_fs_put(f, path, WORLD_SECTOR);
	if (vpool_create(p, &spec, &v, NULL, why, sizeof(why)))
		fail_msg("%s", why);
	vpool_volume_fini(&v);
}

/* Until a checkpoint has hardly room in its slot. */
static unsigned fill_slots(struct fake_fs *f)
{
	enum { LONG = 4000, OPS = 8 + 32 + 8 + 50 + 4, LEFT = 400 };
	struct vpool *p;
	char why[512];
	size_t left;
	unsigned n = 0;

	assert_int_equal(vpool_open_on(&p, &f->fs, "/p", "/dev", 0, why, sizeof(why)), 0);
	while ((left = SLOG_BYTES - p->state.encoded_bytes) > 2 * LONG + LEFT)
		add_elsewhere(f, p, n++, LONG);
	add_elsewhere(f, p, n++, left / 2 - OPS);
	left = SLOG_BYTES - p->state.encoded_bytes;
	add_elsewhere(f, p, n++, left - OPS - LEFT);
	assert_in_range(SLOG_BYTES - p->state.encoded_bytes, LEFT - 8, LEFT + 8);
	vpool_close(p);
	fake_fs_restart(f, true);
	assert_int_equal(fake_fs_size(f, "/p/structure.ckpt.a"), SLOG_BYTES);
	return n;
}

static unsigned seeds(void)
{
	const char *n = getenv("POOL_SEEDS");

	return n ? (unsigned)atoi(n) : 2;
}

static void holds(const struct setting *from, uint64_t seed, unsigned modes)
{
	char broken[WHY_BYTES];

	if (crash_everywhere(from, seed, NULL, modes, &landed, broken))
		fail_msg("%s", broken);
}

static void a_fresh_pool(void **state)
{
	struct setting from = { .f = fresh_pool() };

	(void)state;
	for (unsigned seed = 1; seed <= 3 * seeds(); seed++)
		holds(&from, seed, ALL_MODES);
	fake_fs_free(from.f);
}

static void a_log_near_its_end(void **state)
{
	struct setting from = { .f = fresh_pool() };

	(void)state;
	for (unsigned seed = 1; seed <= seeds(); seed++) {
		from.nbefore = RECORDS - 1 - seed % 4;
		holds(&from, seed, ALL_MODES);
	}
	fake_fs_free(from.f);
}

static void slots_that_are_nearly_full(void **state)
{
	struct setting from = { .f = fresh_pool() };

	(void)state;
	from.nbulk = fill_slots(from.f);
	for (unsigned seed = 1; seed <= (seeds() + 1) / 2; seed++)
		holds(&from, seed, 1 << POWER | 1 << TWICE);
	fake_fs_free(from.f);
}

/* A checkpoint of several sectors, so that it can be torn. */
static unsigned add_some(struct fake_fs *f)
{
	struct vpool *p;
	char why[512];
	unsigned n = 0;

	assert_int_equal(vpool_open_on(&p, &f->fs, "/p", "/dev", 0, why, sizeof(why)), 0);
	while (n < 20)
		add_elsewhere(f, p, n++, 100);
	vpool_close(p);
	fake_fs_restart(f, true);
	return n;
}

static void checkpoints_that_can_be_torn(void **state)
{
	struct setting from = { .f = fresh_pool() };

	(void)state;
	from.nbulk = add_some(from.f);
	for (unsigned seed = 1; seed <= 8 * seeds(); seed++)
		holds(&from, seed, 1 << TWICE);
	fake_fs_free(from.f);
}

/* ── the table ── */

/* Where a crash must have landed at least once. */
static const struct {
	enum doing doing;
	enum fs_op op;
	enum fs_file file;
} steps[] = {
	{ OPENING, FS_SYNC, FS_LOG },	    { OPENING, FS_SYNC, FS_SLOT },
	{ OPENING, FS_WRITE, FS_SLOT },	    { CREATING, FS_CREATE, FS_DATA },
	{ CREATING, FS_TRUNCATE, FS_DATA }, { CREATING, FS_ALLOCATE, FS_DATA },
	{ CREATING, FS_SYNC, FS_DATA },	    { CREATING, FS_SYNC, FS_LAYERS },
	{ CREATING, FS_WRITE, FS_LOG },	    { CREATING, FS_SYNC, FS_LOG },
	{ CREATING, FS_WRITE, FS_SLOT },    { CREATING, FS_SYNC, FS_SLOT },
	{ RESIZING, FS_TRUNCATE, FS_DATA }, { RESIZING, FS_ALLOCATE, FS_DATA },
	{ RESIZING, FS_SYNC, FS_DATA },	    { RESIZING, FS_WRITE, FS_LOG },
	{ RESIZING, FS_SYNC, FS_LOG },	    { DELETING, FS_WRITE, FS_LOG },
	{ DELETING, FS_SYNC, FS_LOG },	    { DELETING, FS_UNLINK, FS_DATA },
	{ DELETING, FS_SYNC, FS_LAYERS },   { MAKING, FS_WRITE, FS_SLOT },
	{ MAKING, FS_SYNC, FS_SLOT },	    { MAKING, FS_SYNC, FS_LOG },
	{ MAKING, FS_MKDIR, FS_LAYERS },    { MAKING, FS_SYNC, FS_TOP },
	{ MAKING, FS_WRITE, FS_JSON },	    { MAKING, FS_SYNC, FS_JSON },
	{ MAKING, FS_RENAME, FS_JSON },
};

static void a_crash_has_landed_on_each_step(void **state)
{
	(void)state;
	print_message("%u runs; crashes and errors that landed:\n", landed.runs);
	for (unsigned d = 0; d < DOINGS; d++)
		for (unsigned op = 0; op < FS_OPS; op++)
			for (unsigned file = 0; file < FS_FILES; file++)
				if (landed.at[d][op][file])
					print_message("%-8s %-8s %-6s %6u\n", doing_names[d],
						      fs_op_names[op], fs_file_names[file],
						      landed.at[d][op][file]);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (!landed.at[steps[i].doing][steps[i].op][steps[i].file])
			fail_msg("none on %s: %s of %s", doing_names[steps[i].doing],
				 fs_op_names[steps[i].op], fs_file_names[steps[i].file]);
}

/* ── the cheats ── */

static void are_found_out(struct setting *from, struct cheat *cheats, size_t n, unsigned nseeds)
{
	static struct landings ignored;

	for (size_t i = 0; i < n; i++) {
		char broken[WHY_BYTES];
		bool found = false;

		for (unsigned seed = 1; seed <= nseeds && !found; seed++) {
			if (from->nbefore)
				from->nbefore = RECORDS - 1 - seed % 4;
			found = crash_everywhere(from, seed, &cheats[i], ALL_MODES, &ignored,
						 broken);
		}
		if (!found)
			fail_msg("nobody noticed: %s", cheats[i].name);
		print_message("noticed: %s\n", cheats[i].name);
	}
	fake_fs_free(from->f);
}

#define ALWAYS 0, UINT_MAX, NULL

static void who_leaves_out_a_step_of_a_change_is_found_out(void **state)
{
	static struct cheat cheats[] = {
		{ "a new file is not synced", CREATING, FS_SYNC, FS_DATA, ALWAYS },
		{ "its name is not synced", CREATING, FS_SYNC, FS_LAYERS, ALWAYS },
		{ "its record is not synced", CREATING, FS_SYNC, FS_LOG, ALWAYS },
		{ "its record is not written", CREATING, FS_WRITE, FS_LOG, ALWAYS },
		{ "a larger file is not synced", RESIZING, FS_SYNC, FS_DATA, ALWAYS },
		{ "its new size is not written", RESIZING, FS_WRITE, FS_LOG, ALWAYS },
		{ "its new size is not synced", RESIZING, FS_SYNC, FS_LOG, ALWAYS },
		{ "a deletion is not written", DELETING, FS_WRITE, FS_LOG, ALWAYS },
		{ "a deletion is not synced", DELETING, FS_SYNC, FS_LOG, ALWAYS },
		{ "a name is not removed", DELETING, FS_UNLINK, FS_DATA, ALWAYS },
		{ "the loss of a name is not synced", DELETING, FS_SYNC, FS_LAYERS, ALWAYS },
	};
	struct setting from = { .f = fresh_pool() };

	(void)state;
	are_found_out(&from, cheats, ARRAY_SIZE(cheats), 12);
}

static void who_leaves_out_a_step_of_an_opening_is_found_out(void **state)
{
	static struct cheat cheats[] = {
		{ "the base is not written again", OPENING, FS_WRITE, FS_SLOT, 0, 1, NULL },
		{ "the checkpoint is not written", OPENING, FS_WRITE, FS_SLOT, 1, 2, NULL },
		{ "the checkpoint is not synced", OPENING, FS_SYNC, FS_SLOT, 3, 4, NULL },
		{ "a completed resize is not synced", OPENING, FS_SYNC, FS_DATA, ALWAYS },
		{ "a completed deletion is not synced", OPENING, FS_SYNC, FS_LAYERS, ALWAYS },
		{ "an orphan is not removed", OPENING, FS_UNLINK, FS_DATA, ALWAYS },
	};
	struct setting from = { .f = fresh_pool() };

	(void)state;
	from.nbulk = add_some(from.f);
	are_found_out(&from, cheats, ARRAY_SIZE(cheats), 40);
}

static void who_leaves_out_a_step_of_a_checkpoint_is_found_out(void **state)
{
	static struct cheat cheats[] = {
		{ "it is not written, in a creation", CREATING, FS_WRITE, FS_SLOT, ALWAYS },
		{ "it is not synced, in a creation", CREATING, FS_SYNC, FS_SLOT, ALWAYS },
		{ "it is not synced, in a deletion", DELETING, FS_SYNC, FS_SLOT, ALWAYS },
	};
	struct setting from = { .f = fresh_pool(), .nbefore = RECORDS };

	(void)state;
	are_found_out(&from, cheats, ARRAY_SIZE(cheats), 12);
}

/* ── making ── */

/* True: something was wrong. What a crash leaves must be a pool, or be made one by the next try. */
static bool make_and_die(unsigned nth, bool power, uint64_t seed, struct cheat *cheat,
			 char broken[static WHY_BYTES])
{
	struct world w = { .f = fake_fs_new(seed), .doing = MAKING };
	const char *wrong_at = NULL;
	int rc;

	if (cheat) {
		cheat->w = &w;
		w.f->cheat = world_cheats;
		w.f->cheat_arg = cheat;
	}
	w.f->die_at = nth;
	rc = vpool_make_on(&w.f->fs, "/p", NULL, w.why, sizeof(w.why));
	if (w.f->dead)
		landed.at[MAKING][w.f->last_op][w.f->last_file]++;
	fake_fs_restart(w.f, power);
	w.f->cheat = NULL;
	if (rc) { /* it was not answered: it may be there */
		rc = vpool_make_on(&w.f->fs, "/p", NULL, w.why, sizeof(w.why));
		if (rc && rc != -EEXIST)
			wrong_at = "making it again";
		fake_fs_restart(w.f, !rc);
	}
	for (unsigned i = 0; i < 2 && !wrong_at; i++) {
		if (vpool_open_on(&w.p, &w.f->fs, "/p", "/dev", 0, w.why, sizeof(w.why)))
			wrong_at = i ? "opening it again" : "opening it";
		if (w.p)
			vpool_close(w.p);
		w.p = NULL;
		fake_fs_restart(w.f, true); /* what was opened is there */
	}
	if (wrong_at)
		snprintf(broken, WHY_BYTES, "%.20s: %.900s", wrong_at, w.why);
	fake_fs_free(w.f);
	return wrong_at;
}

static bool make_everywhere(struct cheat *cheat, unsigned nseeds)
{
	char broken[WHY_BYTES];

	for (unsigned seed = 1; seed <= nseeds; seed++)
		for (unsigned nth = 1; nth <= 80; nth++)
			for (unsigned power = 0; power < 2; power++) {
				if (!make_and_die(nth, power, seed * 1009 + nth, cheat, broken))
					continue;
				if (!cheat)
					fail_msg("seed %u, operation %u, %s: %s", seed, nth,
						 power ? "power cut" : "death", broken);
				return true;
			}
	return false;
}

static void a_pool_is_made_whole_or_not_at_all(void **state)
{
	static struct cheat cheats[] = {
		{ "the slots are not synced", MAKING, FS_SYNC, FS_SLOT, ALWAYS },
		{ "the log is not synced", MAKING, FS_SYNC, FS_LOG, ALWAYS },
		{ "the names are not synced", MAKING, FS_SYNC, FS_TOP, 0, 1, NULL },
		{ "its head is not synced", MAKING, FS_SYNC, FS_JSON, ALWAYS },
		{ "the name of its head is not synced", MAKING, FS_SYNC, FS_TOP, 1, 2, NULL },
		{ "its head is not renamed", MAKING, FS_RENAME, FS_JSON, ALWAYS },
	};

	(void)state;
	make_everywhere(NULL, 10 * seeds());
	for (size_t i = 0; i < ARRAY_SIZE(cheats); i++) {
		if (!make_everywhere(&cheats[i], 40))
			fail_msg("nobody noticed: %s", cheats[i].name);
		print_message("noticed: %s\n", cheats[i].name);
	}
}

#define test(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_fresh_pool),
		test(a_log_near_its_end),
		test(slots_that_are_nearly_full),
		test(checkpoints_that_can_be_torn),
		test(a_pool_is_made_whole_or_not_at_all),
		test(a_crash_has_landed_on_each_step),
		test(who_leaves_out_a_step_of_a_change_is_found_out),
		test(who_leaves_out_a_step_of_an_opening_is_found_out),
		test(who_leaves_out_a_step_of_a_checkpoint_is_found_out),
	};

	log_set_level(getenv("POOL_LOG") ? LOG_INFO : LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
