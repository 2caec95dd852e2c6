/* The buffer pool against a model that remembers which bytes are whose. */
#include "backstore/base/pool.h"
#include "tests/unit/backstore/base/unit.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
	KIB = 1024,
	MIB = 1024 * KIB,
	PIECES = 16,
};

static uint64_t block_of(uint64_t len)
{
	uint64_t b = POOL_MIN_BYTES;

	while (b < len)
		b *= 2;
	return b;
}

static uint64_t taken(const struct pool *p)
{
	return pool_size_bytes(p) - pool_free_bytes(p);
}

static void lengths_split_largest_first(void **state)
{
	static const struct {
		uint64_t len;
		int n;
		uint64_t pieces[4];
		uint64_t cost;
	} rows[] = {
		{ 1, 1, { 1 }, 4096 },
		{ 4096, 1, { 4096 }, 4096 },
		{ 4097, 1, { 4097 }, 8192 },
		{ 12288, 2, { 8192, 4096 }, 12288 },
		{ 12000, 2, { 8192, 3808 }, 12288 },
		{ 65536, 1, { 65536 }, 65536 },
		{ 65536 - 512, 1, { 65536 - 512 }, 65536 },
		{ 65536 + 512, 2, { 65536, 512 }, 69632 },
		{ MIB, 1, { MIB }, MIB },
		{ MIB + MIB / 2 + 4096, 3, { MIB, MIB / 2, 4096 }, MIB + MIB / 2 + 4096 },
		{ 3 * MIB + 1, 4, { MIB, MIB, MIB, 1 }, 3 * MIB + 4096 },
	};
	struct pool *p = pool_new(8 * MIB);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iovec iov[PIECES];

		assert_int_equal(pool_get(p, rows[i].len, iov, PIECES), rows[i].n);
		for (int k = 0; k < rows[i].n; k++)
			assert_int_equal(iov[k].iov_len, rows[i].pieces[k]);
		assert_int_equal(pool_cost_bytes(rows[i].len), rows[i].cost);
		assert_int_equal(taken(p), rows[i].cost);
		pool_put(p, iov, rows[i].n);
		assert_int_equal(taken(p), 0);
	}
	pool_free(p);
}

static void sizes_are_whole_mebibytes(void **state)
{
	static const struct {
		uint64_t asked, got;
	} rows[] = { { 0, MIB }, { 1, MIB }, { MIB, MIB }, { 3 * MIB - 1, 2 * MIB } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pool *p = pool_new(rows[i].asked);

		assert_int_equal(pool_size_bytes(p), rows[i].got);
		assert_int_equal(pool_free_bytes(p), rows[i].got);
		pool_free(p);
	}
	assert_null(pool_new(UINT64_MAX));
	pool_free(NULL);
}

struct grant {
	struct iovec iov[PIECES];
	int n;
	uint64_t len, cost;
	uint8_t tag;
};

static uint32_t rnd(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Alignment, lengths, and a tag in each block's first and last byte. */
static void take_over(struct grant *g)
{
	uint64_t sum = 0;

	g->cost = 0;
	for (int i = 0; i < g->n; i++) {
		uint64_t block = block_of(g->iov[i].iov_len);
		uint8_t *b = g->iov[i].iov_base;

		assert_true(block <= POOL_MAX_BYTES);
		assert_int_equal((uintptr_t)b % block, 0);
		if (i < g->n - 1)
			assert_int_equal(block, g->iov[i].iov_len);
		b[0] = b[g->iov[i].iov_len - 1] = g->tag;
		sum += g->iov[i].iov_len;
		g->cost += block;
	}
	assert_int_equal(sum, g->len);
}

static void release(struct pool *p, struct grant *g)
{
	for (int i = 0; i < g->n; i++) {
		uint8_t *b = g->iov[i].iov_base;

		assert_int_equal(b[0], g->tag);
		assert_int_equal(b[g->iov[i].iov_len - 1], g->tag);
	}
	pool_put(p, g->iov, g->n);
	g->n = 0;
}

static void agrees_with_a_model(void **state)
{
	enum { GRANTS = 400 };
	struct pool *p = pool_new(16 * MIB);
	struct grant *g = calloc(GRANTS, sizeof(*g));
	uint64_t seed = 1, used = 0;
	unsigned refused = 0, fragments = 0;
	struct iovec all[PIECES];

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		struct grant *x = &g[rnd(&seed) % GRANTS];

		if (x->n) {
			release(p, x);
			used -= x->cost;
		} else {
			int max = 1 + (int)(rnd(&seed) % PIECES);
			uint64_t free_before = pool_free_bytes(p);

			x->len = 1 + rnd(&seed) % (rnd(&seed) % 8 ? 40000 : 2 * MIB);
			x->tag = (uint8_t)round;
			x->n = pool_get(p, x->len, x->iov, max);
			if (x->n < 0) {
				assert_int_equal(x->n, -ENOMEM);
				assert_int_equal(pool_free_bytes(p), free_before);
				/* room was there, but in too many pieces */
				fragments +=
					free_before >= pool_cost_bytes(x->len) && max == PIECES;
				refused++;
				x->n = 0;
				continue;
			}
			assert_true(x->n >= 1 && x->n <= max);
			take_over(x);
			used += x->cost;
		}
		assert_int_equal(taken(p), used);
	}
	assert_true(refused > 100);
	assert_true(fragments < refused);
	for (unsigned i = 0; i < GRANTS; i++) {
		if (g[i].n)
			release(p, &g[i]);
	}
	/* All of it has grown together again. */
	assert_int_equal(pool_get(p, 16 * MIB, all, PIECES), 16);
	pool_put(p, all, 16);
	pool_free(p);
	free(g);
}

/* Every second page of a full arena is free: 4 KiB pieces are all there is. (A fresh
 * arena is handed out in order of address.) */
static void a_fragmented_arena_gives_small_pieces(void **state)
{
	enum { PAGES = MIB / POOL_MIN_BYTES };
	struct pool *p = pool_new(MIB);
	struct iovec page[PAGES], iov[PIECES];
	int n;

	(void)state;
	for (int i = 0; i < PAGES; i++)
		assert_int_equal(pool_get(p, POOL_MIN_BYTES, &page[i], 1), 1);
	assert_int_equal(pool_free_bytes(p), 0);
	assert_int_equal(pool_get(p, 1, iov, PIECES), -ENOMEM);
	for (int i = 0; i < PAGES; i += 2)
		pool_put(p, &page[i], 1);
	n = pool_get(p, 30000, iov, PIECES);
	assert_int_equal(n, 8);
	for (int i = 0; i < 7; i++)
		assert_int_equal(iov[i].iov_len, POOL_MIN_BYTES);
	assert_int_equal(iov[7].iov_len, 30000 - 7 * POOL_MIN_BYTES);
	pool_put(p, iov, n);
	assert_int_equal(pool_get(p, 65536, iov, 15), -ENOMEM);
	assert_int_equal(pool_get(p, 65536, iov, 16), 16);
	pool_put(p, iov, 16);
	assert_int_equal(pool_free_bytes(p), MIB / 2);
	for (int i = 1; i < PAGES; i += 2)
		pool_put(p, &page[i], 1);
	assert_int_equal(pool_get(p, MIB, iov, 1), 1);
	pool_put(p, iov, 1);
	pool_free(p);
}

/* With few pieces allowed, the last is larger than it need be. */
static void few_pieces_cost_more(void **state)
{
	struct pool *p = pool_new(4 * MIB);
	struct iovec iov[2], small;

	(void)state;
	/* A mebibyte that is split already does not keep the others from being whole. */
	assert_int_equal(pool_get(p, 1, &small, 1), 1);
	assert_int_equal(pool_get(p, MIB, iov, 1), 1);
	pool_put(p, iov, 1);
	pool_put(p, &small, 1);
	assert_int_equal(pool_get(p, MIB - 4096, iov, 1), 1);
	assert_int_equal(iov[0].iov_len, MIB - 4096);
	assert_int_equal(taken(p), MIB);
	pool_put(p, iov, 1);
	assert_int_equal(pool_get(p, MIB + 20000, iov, 2), 2);
	assert_int_equal(iov[1].iov_len, 20000);
	assert_int_equal(taken(p), MIB + 32768);
	pool_put(p, iov, 2);
	assert_int_equal(pool_get(p, 2 * MIB, iov, 1), -ENOMEM);
	assert_int_equal(taken(p), 0);
	pool_free(p);
}

static unsigned resident_pages(void *start, size_t bytes)
{
	unsigned char vec[16 * MIB / 4096];
	unsigned n = 0;

	assert_int_equal(mincore(start, bytes, vec), 0);
	for (size_t i = 0; i < bytes / 4096; i++)
		n += vec[i] & 1;
	return n;
}

/* A pool that served small requests only has touched no more than those. */
static void memory_is_touched_only_when_used(void **state)
{
	struct pool *p = pool_new(16 * MIB);
	struct iovec first, iov;
	uint8_t *arena;

	(void)state;
	assert_int_equal(pool_get(p, 4096, &first, 1), 1);
	arena = (uint8_t *)((uintptr_t)first.iov_base & ~(uintptr_t)(MIB - 1));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pool_get(p, 8192, &iov, 1), 1);
		memset(iov.iov_base, 1, 8192);
		pool_put(p, &iov, 1);
	}
	/* transparent huge pages may round up: to 2 MiB each, not to all */
	assert_true(resident_pages(arena, MIB) <= 256);
	assert_int_equal(resident_pages(arena + 4 * MIB, 8 * MIB), 0);
	pool_put(p, &first, 1);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_split_largest_first),
		cmocka_unit_test(sizes_are_whole_mebibytes),
		cmocka_unit_test(agrees_with_a_model),
		cmocka_unit_test(a_fragmented_arena_gives_small_pieces),
		cmocka_unit_test(few_pieces_cost_more),
		cmocka_unit_test(memory_is_touched_only_when_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
