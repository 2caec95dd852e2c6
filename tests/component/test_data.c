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
	i->offer.HeaderDigest = !pick(w, 3);
	i->offer.DataDigest = !pick(w, 3);
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
	k->nap_permille = pick(g->w, 3) * 50;
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
	for (uint64_t seed = 0; seed < 40; seed++) {
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
	for (uint64_t seed = 1000; seed < 1050; seed++) {
		run_seed(&l, seed, true, false);
		if (*l.wrong)
			fail_msg("seed %llu: %s", (unsigned long long)seed, l.wrong);
		good += l.ngood;
		lost += l.nlost;
		aborted += l.naborted;
	}
	assert_true(good > 2500 && lost > 80 && aborted > 200);
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

/* --- one command at a time --- */

static void one_size(struct rig *g, struct ini *i, uint32_t n, enum ini_out how, uint8_t *data,
		     uint8_t *back)
{
	struct ini_cmd c;

	for (size_t k = 0; k < (size_t)n * 512; k++)
		data[k] = (uint8_t)(k * 7 + k / 512 + n + how);
	cmd_write(&c, 5, n, data, false);
	c.how = how;
	assert_true(rig_good(g, i, &c));
	assert_int_equal(c.residual, 0);
	memset(back, 0, (size_t)n * 512);
	cmd_read(&c, 5, n, back);
	assert_true(rig_good(g, i, &c));
	assert_int_equal(c.residual, 0);
	assert_int_equal(c.in_len, n * 512);
	assert_memory_equal(back, data, (size_t)n * 512);
}

/* Around every limit there is: segments, bursts, pages, the longest command. */
static void every_size(void **state)
{
	static const uint32_t sizes[] = { 1,   2,   7,	 8,    9,    15,   16,	 17,  63,
					  64,  65,  127, 128,  129,  255,  256,	 257, 511,
					  512, 513, 800, 2047, 2048, 2049, 8191, 8192 };
	uint8_t *data = malloc(4 << 20), *back = malloc(4 << 20);

	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct rig_config cfg = { .seed = seed,
					  .volume_bytes = 8 << 20,
					  .buffered = seed % 2 };
		struct rig g;
		struct ini i;

		rig_init(&g, &cfg);
		fake_world_knobs(g.w)->latency_max_ns = 20000;
		ini_init(&i, g.w, "iqn.2026-11.io.ringlun.test:one", 1);
		if (seed > 1)
			random_offer(g.w, &i);
		i.offer.HeaderDigest = i.offer.DataDigest = seed % 2;
		assert_true(rig_login(&g, &i, 0, 0));
		for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++)
			one_size(&g, &i, sizes[n], (enum ini_out)((n + seed) % 4), data, back);
		assert_string_equal(i.broken, "");
		rig_fini(&g);
	}
	free(data);
	free(back);
}

/* What the initiator expects against what the CDB says (RFC 7143 11.4.5). */
static void more_or_less_than_expected(void **state)
{
	static const struct {
		uint32_t expected, blocks;
		int64_t residual;
		uint32_t moved;
	} t[] = {
		{ 4096, 8, 0, 4096 },	     { 8192, 8, 4096, 4096 },	{ 4096, 16, -4096, 4096 },
		{ 512, 1024, -523776, 512 }, { 100000, 1, 99488, 512 }, { 4096, 0, 4096, 0 },
	};
	static uint8_t data[100000], back[100000];
	struct rig_config cfg = { .seed = 5 };

	(void)state;
	memset(data, 'd', sizeof(data));
	for (unsigned n = 0; n < ARRAY_SIZE(t) * 4; n++) {
		unsigned k = n / 4;
		struct ini_cmd c;
		struct rig g;
		struct ini i;

		rig_init(&g, &cfg);
		ini_init(&i, g.w, "iqn.2026-11.io.ringlun.test:one", 1);
		assert_true(rig_login(&g, &i, 0, 0));
		cmd_write(&c, 3, t[k].blocks, data, false);
		c.out_len = t[k].expected;
		c.how = (enum ini_out)(n % 4);
		assert_true(rig_good(&g, &i, &c));
		assert_int_equal(c.residual, t[k].residual);
		fake_file_peek(g.v[0].file, 3 * 512, back, sizeof(back));
		assert_memory_equal(back, data, t[k].moved);
		assert_int_equal(back[t[k].moved], 0);
		cmd_read(&c, 3, t[k].blocks, back);
		c.in_room = t[k].expected;
		assert_true(rig_good(&g, &i, &c));
		assert_int_equal(c.residual, t[k].residual);
		assert_int_equal(c.in_len, t[k].moved);
		assert_string_equal(i.broken, "");
		rig_fini(&g);
	}
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
		cmocka_unit_test(every_size),
		cmocka_unit_test(more_or_less_than_expected),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(also_when_the_going_is_rough),
		cmocka_unit_test(a_server_without_fences_is_found_out),
	};

	if (argc > 1)
		return run_one(strtoull(argv[1], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
