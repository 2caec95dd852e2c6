/* Reads and writes of all sizes through the whole server, against a model, with many
 * seeds: latencies, cuts, short transfers, answers out of order, several sessions on
 * several reactors, connections that break, commands that are aborted. */
#include "tests/fakes/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t pick(struct fake_world *w, uint32_t n)
{
	return (uint32_t)fake_world_random(w, n);
}

static void random_offer(struct fake_world *w, struct ini *i)
{
	static const uint32_t sizes[] = { 512, 4096, 8192, 65536, 262144, 1 << 20 };

	i->offer.ImmediateData = pick(w, 4);
	i->offer.InitialR2T = !pick(w, 3);
	i->offer.MaxBurstLength = sizes[pick(w, 6)];
	i->offer.FirstBurstLength = MIN(sizes[pick(w, 5)], i->offer.MaxBurstLength);
	i->offer.MaxRecvDataSegmentLength = sizes[pick(w, 5)];
	i->offer.MaxOutstandingR2T = 1 + pick(w, 8);
	i->security_stage = pick(w, 2);
}

static struct rig_config config_of(uint64_t seed)
{
	return (struct rig_config){
		.seed = seed,
		.reactors = 1 + seed % 3,
		.buffered = seed / 3 % 2,
		.writethrough = seed % 7 == 0,
		.volume_bytes = seed % 5 ? 128 << 10 : 4 << 20,
		.memory_bytes = 32 << 20,
	};
}

/* The disk stops for a while, so that what is aborted or lost meanwhile is still there. */
struct stall {
	uint64_t until_ns;
	unsigned n;
};

static void sometimes_stall(struct rig *g, struct stall *s)
{
	if (s->until_ns && rig_now(g) >= s->until_ns) {
		fake_file_release(g->v[0].file);
		s->until_ns = 0;
	} else if (!s->until_ns && !pick(g->w, 800)) {
		fake_file_stall(g->v[0].file);
		s->until_ns = rig_now(g) + (1 + pick(g->w, 3000)) * RIG_MS;
		s->n++;
	}
}

static void roughen(struct load *l, bool forget)
{
	struct rig *g = l->g;
	struct fake_knobs *k = fake_world_knobs(g->w);
	struct stall stall = { 0 };

	k->short_permille = 100;
	k->eagain_permille = 200;
	l->abort_permille = 20;
	g->v[0].file->nowait = pick(g->w, 4);
	while (!load_is_over(l) && !*l->wrong && rig_now(g) < 6000 * RIG_S) {
		load_turn(l, rig_now(g) + RIG_S);
		if (!pick(g->w, 1500))
			ini_reset(&l->inis[pick(g->w, l->ninis)]);
		sometimes_stall(g, &stall);
		if (forget)
			rig_forget_fences(g, 0);
	}
	fake_file_release(g->v[0].file);
}

/* Leaves in @l how it went. */
static void run_seed(struct load *l, uint64_t seed, bool rough, bool forget)
{
	struct rig g;
	struct rig_config cfg = config_of(seed);

	*l = (struct load){
		.g = &g,
		.ninis = 1 + seed % 4,
		.depth = 1 + seed % 17,
		.max_blocks = seed % 5 ? 64 : 2048,
		.permille = { 400, 350, 100, 50, 100 },
		.left = 120,
	};
	rig_init(&g, &cfg);
	if (seed % 3)
		fake_world_knobs(g.w)->latency_max_ns = 20000;
	l->m = model_new((uint32_t)(cfg.volume_bytes / MODEL_BLOCK));
	load_init(l);
	for (unsigned n = 0; n < l->ninis; n++)
		random_offer(g.w, &l->inis[n]);
	if (rough)
		roughen(l, forget);
	else
		load_run(l, 6000 * RIG_S);
	if (!*l->wrong && !load_is_over(l))
		fail_msg("seed %llu: it does not come to an end", (unsigned long long)seed);
	if (!*l->wrong && !load_check_all(l) && !*l->wrong)
		fail_msg("seed %llu: it cannot be read", (unsigned long long)seed);
	load_fini(l);
	rig_fini(&g);
	model_free(l->m);
}

static void what_is_written_is_read(void **state)
{
	static struct load l;

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		run_seed(&l, seed, false, false);
		if (*l.wrong)
			fail_msg("seed %llu: %s", (unsigned long long)seed, l.wrong);
		assert_int_equal(l.nlost, 0);
		assert_int_equal(l.nfailed, l.ninis); /* the unit attentions */
		assert_int_equal(l.ngood + l.nbusy, 120 - l.ninis);
		assert_true(seed % 5 == 0 || l.nbusy == 0);
	}
}

/* Aborts, broken connections, a disk that stops for seconds: what was aborted or lost never
 * lands on what was written later. */
static void also_when_the_going_is_rough(void **state)
{
	static struct load l;
	unsigned good = 0, lost = 0, aborted = 0;

	(void)state;
	for (uint64_t seed = 1000; seed < 1080; seed++) {
		run_seed(&l, seed, true, false);
		if (*l.wrong)
			fail_msg("seed %llu: %s", (unsigned long long)seed, l.wrong);
		good += l.ngood;
		lost += l.nlost;
		aborted += l.naborted;
	}
	assert_true(good > 4000 && lost > 150 && aborted > 400);
}

static void a_server_without_fences_is_found_out(void **state)
{
	static struct load l;
	unsigned found = 0;

	(void)state;
	for (uint64_t seed = 1000; seed < 1080 && !found; seed++) {
		run_seed(&l, seed, true, true);
		found += *l.wrong != 0;
	}
	assert_int_equal(found, 1);
}

/* With a number: that rough seed alone, and how it went. */
static int run_one(uint64_t seed)
{
	static struct load l;

	run_seed(&l, seed, true, false);
	printf("good %u, failed %u, busy %u, lost %u, aborted %u, logins %u: %s\n", l.ngood,
	       l.nfailed, l.nbusy, l.nlost, l.naborted, l.nlogins, l.wrong);
	return *l.wrong != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(also_when_the_going_is_rough),
		cmocka_unit_test(a_server_without_fences_is_found_out),
	};

	if (argc > 1)
		return run_one(strtoull(argv[1], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
