/* The timer heap against a plain array. */
#include "backstore/base/timers.h"
#include "tests/unit/backstore/base/unit.h"

struct entry {
	struct io_timer t;
	struct rig *rig;
	uint64_t at_ns;	   /* the model: UINT64_MAX = not set */
	unsigned late_run; /* set for the past by a fire() of this run */
};

enum { ENTRIES = 300 };

struct rig {
	struct timers ts;
	struct entry e[ENTRIES];
	uint64_t now_ns, last_ns, seed;
	bool churn; /* fire() sets and clears others */
	unsigned fired, run;
};

static uint32_t rnd(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static void set(struct rig *r, unsigned i, uint64_t at_ns)
{
	timers_set(&r->ts, &r->e[i].t, at_ns);
	r->e[i].at_ns = at_ns;
	r->e[i].late_run = at_ns <= r->now_ns ? r->run : 0;
}

static void clear(struct rig *r, unsigned i)
{
	timers_clear(&r->ts, &r->e[i].t);
	r->e[i].at_ns = UINT64_MAX;
}

static uint64_t model_next(const struct rig *r)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < ENTRIES; i++)
		next = MIN(next, r->e[i].at_ns);
	return next;
}

static void fire(struct io_timer *t)
{
	struct entry *e = container_of(t, struct entry, t);
	struct rig *r = e->rig;

	assert_false(t->set);
	assert_true(e->at_ns <= r->now_ns);  /* due, and set */
	assert_true(e->at_ns >= r->last_ns); /* in order */
	assert_int_equal(e->at_ns, t->at_ns);
	assert_int_not_equal(e->late_run, r->run);
	r->last_ns = e->at_ns;
	e->at_ns = UINT64_MAX;
	r->fired++;
	if (!r->churn)
		return;
	set(r, rnd(&r->seed) % ENTRIES, r->now_ns + 1 + rnd(&r->seed) % 50);
	clear(r, rnd(&r->seed) % ENTRIES);
	if (rnd(&r->seed) % 4 == 0)
		set(r, rnd(&r->seed) % ENTRIES, r->now_ns - MIN(r->now_ns, rnd(&r->seed) % 5));
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	for (unsigned i = 0; i < ENTRIES; i++)
		r->e[i] = (struct entry){ .t.fire = fire, .rig = r, .at_ns = UINT64_MAX };
	return r;
}

static void agrees_with_a_model(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_true(timers_next_ns(&r->ts) == UINT64_MAX);
	assert_int_equal(timers_run(&r->ts, 1000), 0);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned due = 0, ran;

		for (unsigned i = rnd(&r->seed) % 20; i; i--) {
			unsigned which = rnd(&r->seed) % ENTRIES;

			if (rnd(&r->seed) % 3)
				set(r, which, r->now_ns + rnd(&r->seed) % 100);
			else
				clear(r, which);
		}
		assert_true(timers_next_ns(&r->ts) == model_next(r));
		r->now_ns += rnd(&r->seed) % 10;
		r->churn = round % 2;
		for (unsigned i = 0; i < ENTRIES; i++)
			due += r->e[i].at_ns <= r->now_ns;
		r->last_ns = 0;
		r->run = round + 1;
		ran = timers_run(&r->ts, r->now_ns);
		if (!r->churn)
			assert_int_equal(ran, due);
		for (unsigned i = 0; i < ENTRIES; i++) {
			assert_int_equal(r->e[i].t.set, r->e[i].at_ns != UINT64_MAX);
			assert_true(r->e[i].at_ns > r->now_ns || r->e[i].late_run == r->run);
		}
	}
	assert_true(r->fired > 10000);
	free(r);
}

struct again {
	struct io_timer t, victim;
	struct timers *ts;
	unsigned fired, victims;
	bool frees;
};

static void fire_victim(struct io_timer *t)
{
	container_of(t, struct again, victim)->victims++;
}

static void fire_again(struct io_timer *t)
{
	struct again *a = container_of(t, struct again, t);

	timers_set(a->ts, t, 0);
	switch (++a->fired) {
	case 1: /* set for the past, and cleared */
		timers_set(a->ts, &a->victim, 3);
		timers_clear(a->ts, &a->victim);
		break;
	case 2: /* moved from the past to the future */
		timers_set(a->ts, &a->victim, 3);
		timers_set(a->ts, &a->victim, 1000);
		break;
	case 3: /* and back, while it stands before or behind t */
		timers_set(a->ts, &a->victim, 1);
		assert_true(timers_next_ns(a->ts) == 0);
		timers_clear(a->ts, t);
		assert_true(timers_next_ns(a->ts) == 1);
		timers_set(a->ts, t, 0);
		break;
	default:
		break;
	}
}

static void one_set_for_the_past_waits_for_the_next_run(void **state)
{
	struct timers ts = { 0 };
	struct again a = { .t.fire = fire_again, .victim.fire = fire_victim, .ts = &ts };

	(void)state;
	timers_set(&ts, &a.t, 5);
	for (unsigned run = 1; run <= 3; run++) {
		assert_int_equal(timers_run(&ts, 10), 1);
		assert_int_equal(a.fired, run);
		assert_int_equal(a.victims, 0);
		assert_int_equal(timers_next_ns(&ts), 0);
	}
	assert_int_equal(timers_run(&ts, 10), 2);
	assert_int_equal(a.victims, 1);
	timers_clear(&ts, &a.t);
	timers_clear(&ts, &a.t);
	timers_clear(&ts, &a.victim);
	assert_true(timers_next_ns(&ts) == UINT64_MAX);
	assert_int_equal(timers_run(&ts, UINT64_MAX), 0);
}

struct heap_timer {
	struct io_timer t;
};

static void fire_free(struct io_timer *t)
{
	free(container_of(t, struct heap_timer, t));
}

static void fire_may_free_the_timer(void **state)
{
	struct timers ts = { 0 };

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct heap_timer *h = calloc(1, sizeof(*h));

		h->t.fire = fire_free;
		timers_set(&ts, &h->t, i * 7 % 50);
	}
	assert_int_equal(timers_run(&ts, 24), 25);
	assert_int_equal(timers_run(&ts, 24), 0);
	assert_int_equal(timers_next_ns(&ts), 25);
	assert_int_equal(timers_run(&ts, UINT64_MAX - 1), 25);
}

/* Rising, falling and equal times, with a million in the heap: neither recursion nor
 * quadratic time. */
static void nothing(struct io_timer *t)
{
	(void)t;
}

static void a_million_is_no_trouble(void **state)
{
	enum { MANY = 1000000 };
	struct io_timer *t = calloc(MANY, sizeof(*t));

	(void)state;
	for (unsigned order = 0; order < 3; order++) {
		struct timers ts = { 0 };

		for (unsigned i = 0; i < MANY; i++) {
			t[i].fire = nothing;
			timers_set(&ts, &t[i], order == 0 ? i : order == 1 ? MANY - i : 5);
		}
		for (unsigned i = 0; i < MANY; i += 2)
			timers_clear(&ts, &t[i]);
		assert_int_equal(timers_run(&ts, MANY), MANY / 2);
	}
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_model),
		cmocka_unit_test(one_set_for_the_past_waits_for_the_next_run),
		cmocka_unit_test(fire_may_free_the_timer),
		cmocka_unit_test(a_million_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
