/* The power goes, or the process dies, at each operation of the disk, under the whole
 * server: commands come through iSCSI, and what was answered there is what must hold.
 *
 *   power loss:  what was flushed is there, what was written with FUA is there
 *   death:       what was answered GOOD is there
 *   both:        nothing that was never written there
 *
 * Then the same with servers that are wrong in one way each: they must be found out. */
#include "tests/fakes/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 64, VOLUME_BYTES = BLOCKS * MODEL_BLOCK, LIVES = 3 };

struct history {
	uint64_t seed;
	uint64_t crash_at; /* of the first life; the others end at random */
	bool kill, buffered, writethrough;
	enum rig_mutant mutant;
	/* out */
	bool crashed; /* in the first life */
	unsigned ngood, ncrashes;
	char wrong[300];
};

/* With the disk standing still now and then, so that aborts leave zombies. */
static void drive(struct load *l, const struct history *h)
{
	struct rig *g = l->g;
	uint64_t release_ns = 0;

	while (!load_is_over(l) && !*l->wrong && !fake_world_is_dead(g->w)) {
		load_turn(l, rig_now(g) + RIG_S);
		if (release_ns && rig_now(g) >= release_ns) {
			fake_file_release(g->v[0].file);
			release_ns = 0;
		} else if (!release_ns && l->abort_permille && !fake_world_random(g->w, 100)) {
			fake_file_stall(g->v[0].file);
			release_ns = rig_now(g) + 30 * RIG_MS;
		}
		if (h->mutant == RIG_ABORT_FORGETS_THE_RANGE)
			rig_forget_fences(g, 0);
	}
	fake_file_release(g->v[0].file);
}

static void check_what_is_left(struct load *l, const struct history *h)
{
	uint8_t all[VOLUME_BYTES];
	bool right;

	if (*l->wrong)
		return;
	if (!fake_world_is_dead(l->g->w)) {
		load_check_all(l); /* all of it was answered: it can be read */
		return;
	}
	fake_file_peek(l->g->v[0].file, 0, all, VOLUME_BYTES);
	right = h->kill ? model_check_death(l->m, all) : model_check_power_loss(l->m, all);
	if (!right)
		snprintf(l->wrong, sizeof(l->wrong), "afterwards %s", model_why(l->m));
}

static void one_life(struct rig *g, struct model *m, struct history *h, uint64_t crash_at,
		     bool aborts)
{
	static struct load l;
	struct fake_knobs *k = fake_world_knobs(g->w);

	l = (struct load){
		.g = g,
		.m = m,
		.ninis = 1 + h->seed % 2,
		.depth = 1 + h->seed % 5,
		.max_blocks = 12,
		.permille = { 150, 400, 150, 150, 150 },
		.abort_permille = aborts ? 30 : 0,
		.left = 30,
	};
	k->crash_at = crash_at;
	k->crash_is_kill = h->kill;
	k->short_permille = h->seed % 3 ? 0 : 150;
	k->eagain_permille = h->seed % 4 ? 0 : 300;
	load_init(&l);
	drive(&l, h);
	k->crash_at = UINT64_MAX;
	check_what_is_left(&l, h);
	h->ngood += l.ngood;
	h->ncrashes += fake_world_is_dead(g->w);
	if (*l.wrong)
		snprintf(h->wrong, sizeof(h->wrong), "%s", l.wrong);
	load_fini(&l);
}

/* Lives on the same disk, one after the other. */
static void run(struct history *h)
{
	struct rig_config cfg = {
		.seed = h->seed,
		.reactors = 1 + h->seed % 2,
		.volume_bytes = VOLUME_BYTES,
		.memory_bytes = 1 << 20,
		.buffered = h->buffered,
		.writethrough = h->writethrough,
		.no_dsync = h->seed % 5 == 4,
		.mutant = h->mutant,
	};
	struct model *m = model_new(BLOCKS);
	struct rig g;
	int keep = rig_hush();

	h->ngood = h->ncrashes = 0;
	*h->wrong = '\0';
	rig_init(&g, &cfg);
	for (unsigned life = 0; life < LIVES && !*h->wrong; life++) {
		one_life(&g, m, h, life ? fake_world_random(g.w, 100) : h->crash_at,
			 h->seed % 3 == 1 || h->mutant == RIG_ABORT_FORGETS_THE_RANGE);
		if (life == 0)
			h->crashed = fake_world_is_dead(g.w);
		rig_shut(&g);
		if (life == LIVES - 1 || *h->wrong)
			break;
		fake_world_restart(g.w);
		rig_serve(&g);
	}
	rig_fini(&g);
	model_free(m);
	rig_unhush(keep);
}

/* A crash at every operation of each history. */
static void at_each_operation(bool kill)
{
	unsigned ngood = 0, ncrashes = 0;

	for (uint64_t seed = 0; seed < 24; seed++) {
		struct history h = {
			.seed = seed,
			.kill = kill,
			.buffered = seed / 2 % 2,
			.writethrough = seed % 8 == 7,
		};

		do {
			run(&h);
			if (*h.wrong)
				fail_msg("seed %llu, crash at %llu: %s", (unsigned long long)seed,
					 (unsigned long long)h.crash_at, h.wrong);
			ngood += h.ngood;
			ncrashes += h.ncrashes;
			h.crash_at++;
		} while (h.crashed);
		assert_true(h.crash_at > 20);
	}
	assert_true(ncrashes > 2000 && ngood > 20000);
}

static void power_is_lost_at_each_operation(void **state)
{
	(void)state;
	at_each_operation(false);
}

static void the_process_dies_at_each_operation(void **state)
{
	(void)state;
	at_each_operation(true);
}

/* True where some history tells the mutant from a sound server. */
static bool is_found_out(enum rig_mutant mutant, bool kill, bool buffered)
{
	for (uint64_t seed = 0; seed < 24; seed++) {
		struct history h = {
			.seed = seed,
			.kill = kill,
			.buffered = buffered,
			.mutant = mutant,
		};

		do {
			run(&h);
			h.crash_at++;
		} while (h.crashed && !*h.wrong);
		if (*h.wrong)
			return true;
	}
	return false;
}

static void a_flush_that_does_nothing_is_found_out(void **state)
{
	(void)state;
	assert_true(is_found_out(RIG_FLUSH_DOES_NOTHING, false, true));
	assert_true(is_found_out(RIG_FLUSH_DOES_NOTHING, false, false));
}

static void fua_that_is_ignored_is_found_out(void **state)
{
	(void)state;
	assert_true(is_found_out(RIG_FUA_IGNORED, false, true));
	assert_true(is_found_out(RIG_FUA_IGNORED, false, false));
}

static void good_before_completion_is_found_out(void **state)
{
	(void)state;
	assert_true(is_found_out(RIG_GOOD_BEFORE_COMPLETION, false, true));
	assert_true(is_found_out(RIG_GOOD_BEFORE_COMPLETION, true, false));
}

static void an_abort_that_forgets_the_range_is_found_out(void **state)
{
	(void)state;
	assert_true(is_found_out(RIG_ABORT_FORGETS_THE_RANGE, false, true));
	assert_true(is_found_out(RIG_ABORT_FORGETS_THE_RANGE, true, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_is_lost_at_each_operation),
		cmocka_unit_test(the_process_dies_at_each_operation),
		cmocka_unit_test(a_flush_that_does_nothing_is_found_out),
		cmocka_unit_test(fua_that_is_ignored_is_found_out),
		cmocka_unit_test(good_before_completion_is_found_out),
		cmocka_unit_test(an_abort_that_forgets_the_range_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
