/* Helper threads: how many there are when, and that no op is lost or kept waiting. */
#include "backstore/base/workers.h"
#include "tests/unit/backstore/base/engine_rig.h"

#include <dirent.h>
#include <dlfcn.h>
#include <semaphore.h>
#include <stdatomic.h>

/* In the place of libc's: fails as often as told. */
static atomic_uint refuse_threads, refused_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (atomic_load(&refuse_threads)) {
		atomic_fetch_sub(&refuse_threads, 1);
		atomic_fetch_add(&refused_threads, 1);
		return EAGAIN;
	}
	if (!real)
		real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))(
			uintptr_t)dlsym(RTLD_NEXT, "pthread_create");
	return real(thread, attr, start, arg);
}

enum { IDLE_MS = 150 };

static sem_t gate;
static atomic_uint running, most;

/* op->c: 1 waits at the gate, 0 does not */
static int work(struct io_op *op)
{
	unsigned n = atomic_fetch_add(&running, 1) + 1, was = atomic_load(&most);

	while (n > was && !atomic_compare_exchange_weak(&most, &was, n))
		;
	if (op->c)
		while (sem_wait(&gate) < 0)
			;
	atomic_fetch_sub(&running, 1);
	return (int)op->a;
}

static struct workers *pool(struct rig *r, unsigned cap)
{
	struct workers_params p = { .io = r->io, .work = work, .cap = cap, .idle_ms = IDLE_MS };
	struct workers *w;

	atomic_store(&most, 0);
	assert_int_equal(sem_init(&gate, 0, 0), 0);
	assert_int_equal(workers_new(&w, &p), 0);
	return w;
}

static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void put(struct workers *w, struct op_result *ops, unsigned n, unsigned waits)
{
	for (unsigned i = 0; i < n; i++) {
		ops[i] = (struct op_result){ .op = { .done = op_done, .a = i, .c = waits } };
		workers_put(w, &ops[i].op);
		assert_int_equal(ops[i].calls, 0);
	}
}

static void await_running(struct rig *r, unsigned n)
{
	for (unsigned i = 0; i < 4000 && atomic_load(&running) != n; i++)
		turn_for(r, 5);
	assert_int_equal(atomic_load(&running), n);
}

static void check_done(struct rig *r, struct op_result *ops, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		TURN_UNTIL(r, ops[i].calls);
		assert_int_equal(ops[i].res, i);
	}
	turn_for(r, 1);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(ops[i].calls, 1);
}

static void calls_that_hang_do_not_delay_another(void **state)
{
	enum { STUCK = 500 };
	struct rig *r = *state;
	static struct op_result stuck[STUCK], quick[50];
	unsigned before = threads();
	struct workers *w = pool(r, 1000);

	put(w, stuck, STUCK, 1);
	await_running(r, STUCK);
	for (unsigned i = 0; i < 50; i++) {
		put(w, &quick[i], 1, 0);
		check_done(r, &quick[i], 1);
	}
	assert_true(threads() >= before + STUCK);
	for (unsigned i = 0; i < STUCK; i++) {
		assert_int_equal(stuck[i].calls, 0);
		sem_post(&gate);
	}
	check_done(r, stuck, STUCK);
	/* all but one end, and that one serves on */
	for (unsigned i = 0; i < 400 && threads() > before + 1; i++)
		turn_for(r, 50);
	assert_true(threads() <= before + 1);
	put(w, quick, 50, 0);
	check_done(r, quick, 50);
	workers_free(w);
}

static void short_calls_take_few_threads(void **state)
{
	enum { SHORT = 20000 };
	struct rig *r = *state;
	struct op_result *ops = calloc(SHORT, sizeof(*ops));
	struct workers *w = pool(r, SHORT);
	unsigned peak = 0;

	put(w, ops, SHORT, 0);
	for (unsigned i = 0; i < SHORT; i += 1000) {
		TURN_UNTIL(r, ops[i].calls);
		peak = MAX(peak, threads());
	}
	check_done(r, ops, SHORT);
	assert_true(peak < SHORT / 10);
	workers_free(w);
	free(ops);
}

static void there_are_never_more_than_allowed(void **state)
{
	struct rig *r = *state;
	static struct op_result ops[100];
	struct workers *w = pool(r, 4);

	put(w, ops, 100, 1);
	await_running(r, 4);
	turn_for(r, 20);
	for (unsigned i = 0; i < 100; i++)
		sem_post(&gate);
	check_done(r, ops, 100);
	assert_int_equal(atomic_load(&most), 4);
	workers_free(w);
}

/* Where no thread can be made, what there is goes on, and it is tried again by and by. */
static void a_lack_of_threads_passes(void **state)
{
	struct rig *r = *state;
	static struct op_result stuck, ops[20], last;
	struct workers *w = pool(r, 100);

	put(w, &stuck, 1, 1);
	await_running(r, 1);
	atomic_store(&refused_threads, 0);
	atomic_store(&refuse_threads, 3);
	put(w, ops, 2, 1); /* refused twice: now, and when the time has come once more */
	turn_for(r, 10);
	assert_int_equal(atomic_load(&running), 1);
	await_running(r, 3);
	assert_int_equal(atomic_load(&refused_threads), 3);

	/* by a helper, which has to send for the next one */
	atomic_store(&refuse_threads, UINT32_MAX);
	put(w, &last, 1, 0);
	turn_for(r, 250);
	assert_int_equal(last.calls, 0);
	sem_post(&gate); /* one of the three does it, whatever else */
	TURN_UNTIL(r, last.calls);
	atomic_store(&refuse_threads, 0);
	sem_post(&gate);
	sem_post(&gate);
	check_done(r, &stuck, 1);
	check_done(r, ops, 2);
	workers_free(w);
}

/* The one that stays is one that is free: those that hang help nobody. */
static void somebody_stays_beside_those_that_hang(void **state)
{
	struct rig *r = *state;
	static struct op_result stuck[3], quick[2];
	unsigned before = threads();
	struct workers *w = pool(r, 100);

	put(w, stuck, 3, 1);
	await_running(r, 3);
	put(w, quick, 2, 0);
	check_done(r, quick, 2);
	for (unsigned i = 0; i < 100 && threads() > before + 4; i++)
		turn_for(r, 50);
	turn_for(r, 3 * IDLE_MS);
	assert_int_equal(threads(), before + 4);
	atomic_store(&refuse_threads, UINT32_MAX);
	put(w, quick, 2, 0);
	check_done(r, quick, 2);
	atomic_store(&refuse_threads, 0);
	for (unsigned i = 0; i < 3; i++)
		sem_post(&gate);
	check_done(r, stuck, 3);
	workers_free(w);
}

static void without_one_thread_there_is_no_pool(void **state)
{
	struct rig *r = *state;
	struct workers_params p = { .io = r->io, .work = work, .cap = 1, .idle_ms = 1 };
	struct workers *w;

	atomic_store(&refuse_threads, 1);
	assert_int_equal(workers_new(&w, &p), -EAGAIN);
	assert_int_equal(atomic_load(&refuse_threads), 0);
}

/* Freed at once after the last done(), in whatever state the helpers are. */
static void pools_come_and_go(void **state)
{
	struct rig *r = *state;
	static struct op_result ops[20];

	for (unsigned i = 0; i < 200; i++) {
		struct workers *w = pool(r, i % 7 + 1);

		put(w, ops, i % 20, 0);
		for (unsigned k = 0; k < i % 20; k++)
			TURN_UNTIL(r, ops[k].calls);
		workers_free(w);
	}
}

int main(void)
{
	static engine_new_fn *make = io_epoll_engine_new;
	struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_that_hang_do_not_delay_another),
		cmocka_unit_test(short_calls_take_few_threads),
		cmocka_unit_test(there_are_never_more_than_allowed),
		cmocka_unit_test(a_lack_of_threads_passes),
		cmocka_unit_test(somebody_stays_beside_those_that_hang),
		cmocka_unit_test(without_one_thread_there_is_no_pool),
		cmocka_unit_test(pools_come_and_go),
	};

	return engine_run("workers", tests, ARRAY_SIZE(tests), &make);
}
