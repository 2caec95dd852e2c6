/* Range locks: one at a time, first come first served among those that overlap, and
 * nobody is forgotten. */
#include "backstore/range_lock.h"
#include "tests/fakes/bs_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 300 };

struct holder {
	struct range_hold hold;
	bool has, had;
};

static struct holder all[N];

static bool overlaps(const struct holder *a, const struct holder *b)
{
	return a->hold.off_bytes < b->hold.off_bytes + b->hold.len_bytes &&
	       b->hold.off_bytes < a->hold.off_bytes + a->hold.len_bytes;
}

static void granted(struct range_hold *h)
{
	struct holder *me = container_of(h, struct holder, hold);

	assert_false(me->has || me->had);
	me->has = true;
	for (struct holder *o = all; o < all + N; o++)
		if (o != me && overlaps(o, me))
			assert_true(o < me ? o->had : !o->has && !o->had);
}

/* Whoever overlaps nobody before it has to have it. */
static void check_all_who_can_have_it(void)
{
	for (struct holder *h = all; h < all + N; h++) {
		bool free = true;

		for (struct holder *o = all; o < h; o++)
			free &= o->had || !overlaps(o, h);
		assert_int_equal(free, h->has || h->had);
	}
}

static void each_has_its_turn(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct range_lock l;
		struct bs_rig g;
		unsigned left = N;

		bs_rig_init(&g, seed, 4);
		range_lock_init(&l);
		for (unsigned i = 0; i < N; i++) {
			all[i] = (struct holder){
				.hold = { .off_bytes = fake_world_random(g.w, 200),
					  .len_bytes = 1 + fake_world_random(g.w, i % 9 ? 4 : 100),
					  .io = g.io[i % 4],
					  .granted = granted }
			};
			if (range_lock_take(&l, &all[i].hold))
				all[i].has = true;
		}
		while (left) {
			struct holder *h = &all[fake_world_random(g.w, N)];

			if (!h->has)
				continue;
			h->has = false;
			h->had = true;
			range_lock_drop(&l, &h->hold);
			fake_world_run(g.w);
			check_all_who_can_have_it();
			left--;
		}
		range_lock_fini(&l);
		bs_rig_fini(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
