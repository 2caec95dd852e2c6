/* Power cuts and process deaths at every operation, under random histories.
 *
 * Three lives of a volume of 48 sectors: in each, random reads, writes, FUA writes,
 * flushes, discards and zeroings from three reactors, until the power goes (or the
 * process dies) at the n-th start or end of a disk operation, for every n. The next
 * life reads everything and holds it against a model:
 *
 *   flushed, FUA             there
 *   answered, not flushed    there, or what was there before, sector by sector
 *   under way, failed        likewise
 *   after a process's death  all that was answered is there
 *
 * and nothing else ever. A sync that fails latches the volume, in a file that the next
 * life finds if only the process died. Requests that overlap are never under way together: what
 * they leave is nobody's promise. Then the same with stores that cheat: each has to be caught. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"
#include "tests/fakes/cheat_bs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SECTORS = 48,
	SECTOR = 512,
	SIZE = SECTORS * SECTOR,
	OPS = 14,
	AT_ONCE = 6,
	LIVES = 3,
	VALUES = 2 + LIVES * (OPS + 1),
};

/* ── the model: per sector, what was ever written there, in order ── */

struct sector {
	uint32_t value[VALUES];
	unsigned n;
	unsigned safe;	/* value[safe..n-1]: what power loss may leave */
	unsigned acked; /* the latest that was answered with success */
	bool busy;
};

struct setup {
	bool buffered, writethrough, bounce, kill, faults, no_punch;
	enum cheat store;
};

struct history;

struct op {
	struct bs_call c;
	struct history *h;
	enum bs_kind kind;
	unsigned flags;
	uint32_t first, n, value;
	unsigned at[SECTORS];	 /* where it stands in each sector's values */
	unsigned acked[SECTORS]; /* of a flush: what had been answered when it began */
	uint8_t *data;
};

struct history {
	struct bs_rig g;
	struct fake_file *f;
	struct backstore *bs;
	struct setup setup;
	struct sector s[SECTORS];
	struct op ops[OPS];
	unsigned started;
	uint32_t values;
	char violation[256];
	const char *runtime_dir;
	bool latched; /* in the runtime directory, when the end came */
};

static uint64_t chance(struct history *h, uint64_t n)
{
	return fake_world_random(h->g.w, n);
}

static void fill_sector(uint8_t *p, uint32_t value, uint32_t sector)
{
	uint32_t word = value ? value << 8 | sector : 0;

	for (unsigned i = 0; i < SECTOR; i += 4)
		memcpy(p + i, &word, 4);
}

/* UINT32_MAX where it is not one value, made for that place. */
static uint32_t value_of(const uint8_t *p, uint32_t sector)
{
	uint32_t word, other;

	memcpy(&word, p, 4);
	for (unsigned i = 4; i < SECTOR; i += 4) {
		memcpy(&other, p + i, 4);
		if (other != word)
			return UINT32_MAX;
	}
	return !word ? 0 : (word & 0xff) == sector ? word >> 8 : UINT32_MAX;
}

static void violated(struct history *h, const char *what, uint32_t sector, uint32_t value)
{
	if (!h->violation[0])
		snprintf(h->violation, sizeof(h->violation), "%s: sector %u holds %x", what, sector,
			 value);
}

static void expect(struct history *h, const char *what, uint32_t sector, unsigned from,
		   const uint8_t *p)
{
	const struct sector *s = &h->s[sector];
	uint32_t value = value_of(p, sector);

	for (unsigned i = from; i < s->n; i++)
		if (s->value[i] == value)
			return;
	violated(h, what, sector, value);
}

/* ── one operation of a history ── */

static bool is_write(const struct op *op)
{
	return op->kind != BS_READ && op->kind != BS_FLUSH;
}

static bool pick_range(struct history *h, struct op *op)
{
	uint32_t unit = h->bs->block_bytes / SECTOR;

	op->first = (uint32_t)chance(h, SECTORS / unit) * unit;
	op->n = (1 + (uint32_t)chance(h, chance(h, 3) ? 4 : 24)) * unit;
	op->n = MIN(op->n, SECTORS - op->first);
	for (uint32_t i = 0; i < op->n; i++)
		if (h->s[op->first + i].busy)
			return false;
	return true;
}

static void pick_kind(struct history *h, struct op *op)
{
	static const enum bs_kind kinds[] = { BS_WRITE, BS_WRITE,   BS_WRITE,
					      BS_FLUSH, BS_DISCARD, BS_READ };

	op->kind = kinds[chance(h, 6)];
	op->flags = op->kind == BS_WRITE && chance(h, 3) == 0 ? BS_FUA : 0;
	if (op->kind == BS_DISCARD && chance(h, 2)) {
		op->kind = BS_WRITE_ZEROES;
		op->flags = chance(h, 2) ? BS_MAY_UNMAP : 0;
		op->flags |= chance(h, 3) ? 0 : BS_FUA;
	}
}

static void model_begin(struct history *h, struct op *op)
{
	op->value = op->kind == BS_WRITE ? ++h->values : 0;
	for (uint32_t i = 0; i < SECTORS; i++)
		op->acked[i] = h->s[i].acked;
	for (uint32_t i = 0; i < op->n; i++) {
		struct sector *s = &h->s[op->first + i];

		s->busy = true;
		if (!is_write(op))
			continue;
		op->at[i] = s->n;
		s->value[s->n++] = op->value;
		fill_sector(op->data + i * SECTOR, op->value, op->first + i);
	}
}

static void model_good(struct history *h, struct op *op)
{
	bool durable = (op->flags & BS_FUA) || h->setup.writethrough;

	if (op->kind == BS_FLUSH)
		for (uint32_t i = 0; i < SECTORS; i++)
			h->s[i].safe = MAX(h->s[i].safe, op->acked[i]);
	for (uint32_t i = 0; is_write(op) && i < op->n; i++) {
		struct sector *s = &h->s[op->first + i];

		s->acked = op->at[i];
		if (durable)
			s->safe = op->at[i];
	}
	for (uint32_t i = 0; op->kind == BS_READ && i < op->n; i++)
		expect(h, "a read", op->first + i, h->s[op->first + i].acked,
		       op->data + i * SECTOR);
}

static void start_some(struct history *h);

static void op_done(struct bs_call *c)
{
	struct op *op = c->arg;
	struct history *h = op->h;

	if (fake_world_is_dead(h->g.w))
		return; /* nobody was there to see it */
	for (uint32_t i = 0; i < op->n; i++)
		h->s[op->first + i].busy = false;
	if (c->res == 0)
		model_good(h, op);
	start_some(h);
}

static bool start_one(struct history *h)
{
	struct op *op = &h->ops[h->started];
	struct io *io = h->g.io[chance(h, 3)];

	pick_kind(h, op);
	op->first = op->n = 0;
	if (op->kind != BS_FLUSH && !pick_range(h, op))
		return false;
	op->h = h;
	op->c.then = op_done;
	op->c.arg = op;
	op->data = op->n ? aligned_alloc(4096, SIZE) : NULL;
	h->started++;
	model_begin(h, op);
	bs_call_start(&op->c, h->bs, io, op->kind, op->flags, op->first * SECTOR,
		      op->kind == BS_READ || op->kind == BS_WRITE ? op->data : NULL,
		      op->n * SECTOR);
	return true;
}

static void start_some(struct history *h)
{
	unsigned under_way = 0;

	for (unsigned i = 0; i < h->started; i++)
		under_way += !h->ops[i].c.done;
	for (unsigned tries = 0; tries < 10 && under_way < AT_ONCE && h->started < OPS; tries++)
		under_way += start_one(h);
}

/* ── lives ── */

static const uint8_t uuid[16] = { 0x77 };

static void latch_path(const struct history *h, char out[static 128])
{
	snprintf(out, 128, "%s/77000000000000000000000000000000.latch", h->runtime_dir);
}

/* The end has come: what the drained process does to the file later never happened. */
static void look_at_latch(void *arg)
{
	struct history *h = arg;
	char path[128], line[8] = { 0 };
	FILE *f;

	latch_path(h, path);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	h->latched = !strcmp(line, "failed ");
}

/* After a power cut it would be another boot's. */
static void settle_latch(struct history *h, bool killed)
{
	char path[128];

	latch_path(h, path);
	if (!h->latched || !killed || h->setup.store == CHEAT_LATCH_DIES_WITH_THE_PROCESS)
		(void)unlink(path);
	else
		assert_int_equal(access(path, F_OK), 0);
}

static void store_open(struct history *h)
{
	struct disk_params p = bs_rig_params(h->f);
	struct backstore *bs, *above;
	char why[256];

	assert_int_equal(
		latch_open(&p.latch, h->runtime_dir, uuid, false, &p.latched, why, sizeof(why)), 0);
	p.buffered = h->setup.buffered;
	p.writethrough = h->setup.writethrough;
	if (h->setup.bounce)
		p.block_bytes = p.align_bytes = h->f->dio_align = 4096;
	assert_int_equal(disk_new(&bs, &p), 0);
	if (h->setup.bounce) {
		assert_int_equal(bounce_new(&above, bs, 512), 0);
		bs = above;
	}
	h->bs = h->setup.store == CHEAT_NOT || h->setup.store == CHEAT_LATCH_DIES_WITH_THE_PROCESS
			? bs
			: cheat_bs_new(bs, h->setup.store, SIZE);
}

/* The next life looks at what is there. */
static void judge(struct history *h, bool killed)
{
	uint8_t *all = aligned_alloc(4096, SIZE);

	assert_int_equal(bs_call(&h->g, h->bs, BS_READ, 0, 0, all, SIZE), 0);
	for (uint32_t i = 0; i < SECTORS; i++) {
		struct sector *s = &h->s[i];
		uint32_t value = value_of(all + i * SECTOR, i);

		expect(h, killed ? "after a death" : "after a power cut", i,
		       killed ? s->acked : s->safe, all + i * SECTOR);
		if (!killed) { /* what has survived is durable */
			s->n = 1;
			s->safe = s->acked = 0;
			s->value[0] = value;
		} else { /* but this may still be lost with the power */
			s->acked = s->n;
			s->value[s->n++] = value;
		}
		s->busy = false;
	}
	free(all);
}

static void store_close(struct history *h)
{
	fake_world_run(h->g.w);
	for (unsigned i = 0; i < h->started; i++) {
		assert_true(h->ops[i].c.done);
		free(h->ops[i].data);
	}
	h->started = 0;
	bs_close(h->bs);
}

/* Returns whether the end came at @crash_at, rather than when all was done. */
static bool live(struct history *h, uint64_t crash_at)
{
	struct fake_knobs *k = fake_world_knobs(h->g.w);
	bool killed = h->setup.kill && chance(h, 2), early;

	k->crash_is_kill = killed;
	k->crash_at = crash_at;
	k->fail_at = h->setup.faults ? chance(h, 60) : UINT64_MAX;
	start_some(h);
	fake_world_run(h->g.w);
	early = fake_world_is_dead(h->g.w);
	if (!early && killed)
		fake_world_kill(h->g.w);
	else if (!early)
		fake_world_crash(h->g.w);
	k->fail_at = k->crash_at = UINT64_MAX;
	store_close(h);
	settle_latch(h, killed);
	bs_rig_restart(&h->g);
	store_open(h);
	judge(h, killed);
	return early;
}

/* Returns whether the first life ended early; the violation, if any, in @why. */
static bool scenario(const char *runtime_dir, uint64_t seed, const struct setup *setup,
		     uint64_t crash_at, char *why)
{
	struct history *h = calloc(1, sizeof(*h));
	bool early;

	h->setup = *setup;
	h->runtime_dir = runtime_dir;
	bs_rig_init(&h->g, seed, 3);
	fake_world_knobs(h->g.w)->on_end = look_at_latch;
	fake_world_knobs(h->g.w)->on_end_arg = h;
	h->f = fake_file_new(h->g.w, SIZE);
	h->f->dio_align = setup->buffered ? 0 : 512;
	h->f->no_punch = setup->no_punch;
	h->f->nowait = (enum fake_nowait)(seed % 4);
	fake_world_knobs(h->g.w)->short_permille = seed % 5 ? 0 : 200;
	fake_world_knobs(h->g.w)->eagain_permille = 200;
	for (unsigned i = 0; i < SECTORS; i++)
		h->s[i].n = 1;
	store_open(h);
	early = live(h, crash_at);
	for (unsigned i = 1; i < LIVES; i++)
		live(h, chance(h, 60));
	bs_close(h->bs);
	h->latched = false;
	settle_latch(h, false);
	memcpy(why, h->violation, sizeof(h->violation));
	bs_rig_fini(&h->g);
	free(h);
	return early;
}

/* Every point of every seed's history, until a violation. Returns how many scenarios. */
static unsigned all_scenarios(const char *runtime_dir, const struct setup *setup, uint64_t seeds,
			      char *why)
{
	unsigned n = 0;

	why[0] = '\0';
	for (uint64_t seed = 0; seed < seeds; seed++) {
		bool early = true;

		for (uint64_t at = 0; early; at++, n++) {
			early = scenario(runtime_dir, seed, setup, at, why);
			if (why[0]) {
				print_message("seed %llu, operation %llu: %s\n",
					      (unsigned long long)seed, (unsigned long long)at,
					      why);
				return n + 1;
			}
		}
	}
	return n;
}

static const struct setup setups[] = {
	{ .buffered = false },
	{ .buffered = true },
	{ .kill = true },
	{ .buffered = true, .kill = true },
	{ .writethrough = true },
	{ .writethrough = true, .buffered = true, .no_punch = true },
	{ .bounce = true },
	{ .bounce = true, .kill = true, .faults = true },
	{ .bounce = true, .writethrough = true },
	{ .faults = true },
	{ .faults = true, .buffered = true, .kill = true },
	{ .no_punch = true, .kill = true, .faults = true },
};

static void what_is_promised_survives(void **state)
{
	unsigned n = 0;
	char why[256];

	for (unsigned i = 0; i < ARRAY_SIZE(setups); i++) {
		n += all_scenarios(*state, &setups[i], 30, why);
		if (why[0])
			fail_msg("setup %u: %s", i, why);
	}
	print_message("%u scenarios of three lives\n", n);
	assert_true(n >= 10000);
}

static void stores_that_cheat_are_caught(void **state)
{
	static const struct setup cheats[] = {
		{ .store = CHEAT_FLUSH_DOES_NOTHING },
		{ .store = CHEAT_FLUSH_DOES_NOTHING, .buffered = true },
		{ .store = CHEAT_FUA_IS_IGNORED },
		{ .store = CHEAT_FUA_IS_IGNORED, .bounce = true },
		{ .store = CHEAT_GOOD_BEFORE_COMPLETION },
		{ .store = CHEAT_GOOD_BEFORE_COMPLETION, .buffered = true, .kill = true },
		{ .store = CHEAT_LATE_FLUSH_JOINS_THE_ONE_UNDER_WAY },
		{ .store = CHEAT_SYNC_ERRORS_ARE_HIDDEN, .faults = true },
		{ .store = CHEAT_DISCARD_DOES_NOTHING },
		{ .store = CHEAT_LATCH_DIES_WITH_THE_PROCESS,
		  .buffered = true,
		  .kill = true,
		  .faults = true },
	};
	bool caught[CHEATS] = { [CHEAT_NOT] = true };
	char why[256];

	for (unsigned i = 0; i < ARRAY_SIZE(cheats); i++) {
		unsigned n = all_scenarios(*state, &cheats[i], 200, why);

		if (!why[0])
			fail_msg("cheat %u was not caught in %u scenarios", cheats[i].store, n);
		caught[cheats[i].store] = true;
	}
	for (unsigned i = 0; i < CHEATS; i++)
		assert_true(caught[i]);
}

static char dir[] = "/tmp/ringlun-powercut-XXXXXX";

static int setup_dir(void **state)
{
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int drop_dir(void **state)
{
	return rmdir(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_promised_survives),
		cmocka_unit_test(stores_that_cheat_are_caught),
	};

	return cmocka_run_group_tests(tests, setup_dir, drop_dir);
}
