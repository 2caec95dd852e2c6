/* A pool on real files: made, filled, grown, emptied; opened again and again; by many at once. */
#include "tests/unit/snapshot/pool_rig.h"

/* ── the life of a volume ── */

static void a_volume_lives(void **state)
{
	struct vpool *p = opened();
	struct vpool_spec spec = spec_of("db", SIZE);
	struct vpool_volume v, *again;
	struct stat st;

	(void)state;
	spec.buffered = spec.read_only = true;
	spec.block_bytes = 4096;
	ok(vpool_create(p, &spec, &v, NULL, why, sizeof(why)));
	assert_string_equal(v.name, "db");
	assert_int_equal(v.kind, VPOOL_FILE);
	assert_int_equal(v.size_bytes, SIZE);
	assert_true(v.made_s > 1700000000);
	assert_int_equal(stat(v.path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	ok(vpool_resize(p, v.uuid, 3 * SIZE, why, sizeof(why)));
	assert_int_equal(size_of(v.path), 3 * SIZE);
	vpool_close(p);
	is_clean();

	p = opened();
	again = find(p, "db");
	assert_non_null(again);
	assert_memory_equal(again->uuid, v.uuid, 16);
	assert_string_equal(again->path, v.path);
	assert_int_equal(again->size_bytes, 3 * SIZE);
	assert_int_equal(again->block_bytes, 4096);
	assert_int_equal(again->made_s, v.made_s);
	assert_true(again->buffered && again->read_only && !again->writethrough);
	ok(vpool_check_volume(again, why, sizeof(why)));
	put(again);
	ok(vpool_delete(p, v.uuid, NULL, why, sizeof(why)));
	assert_int_equal(count(p), 0);
	assert_int_equal(size_of(v.path), -ENOENT);
	check(vpool_delete(p, v.uuid, NULL, why, sizeof(why)), -ENOENT, "there is no volume");
	vpool_close(p);
	is_clean();
	p = opened();
	assert_int_equal(count(p), 0);
	vpool_close(p);
	vpool_volume_fini(&v);
}

/* A record must not need room: the blocks are there, not holes. */
static void the_log_has_its_room(void **state)
{
	static const char *const names[] = { "structure.log", "structure.ckpt.a",
					     "structure.ckpt.b" };
	char path[128];
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, SIZE);
		assert_true(st.st_blocks * 512 >= SIZE);
	}
}

static void numbers_are_never_used_twice(void **state)
{
	struct vpool_volume a, b;
	struct vpool *p = opened();

	(void)state;
	a = made(p, "a", SIZE);
	ok(vpool_delete(p, a.uuid, NULL, why, sizeof(why)));
	b = made(p, "a", SIZE);
	assert_string_not_equal(a.path, b.path);
	ok(vpool_delete(p, b.uuid, NULL, why, sizeof(why)));
	vpool_close(p);
	vpool_volume_fini(&a);
	p = opened();
	a = made(p, "a", SIZE);
	assert_string_not_equal(a.path, b.path);
	vpool_close(p);
	vpool_volume_fini(&a);
	vpool_volume_fini(&b);
}

/* Many more records than the log has room for, and a state that outgrows its first slots. */
static void the_log_goes_round(void **state)
{
	enum { N = 700 };
	struct timespec t[2];
	struct vpool *p = opened();
	char name[VPOOL_NAME_BYTES];
	struct vpool_volume *list;
	unsigned n;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &t[0]);
	for (unsigned i = 0; i < N; i++) {
		struct vpool_volume v;

		snprintf(name, sizeof(name), "v%u-%0100d", i, 0);
		v = made(p, name, (i + 1) * 512ull);
		if (i % 3 == 0)
			ok(vpool_delete(p, v.uuid, NULL, why, sizeof(why)));
		vpool_volume_fini(&v);
	}
	clock_gettime(CLOCK_MONOTONIC, &t[1]);
	print_message("%d created, a third deleted: %.1f ms each\n", N,
		      ((double)(t[1].tv_sec - t[0].tv_sec) * 1e3 +
		       (double)(t[1].tv_nsec - t[0].tv_nsec) / 1e6) /
			      N);
	vpool_close(p);
	is_clean();
	p = opened();
	assert_int_equal(vpool_list(p, &list, &n), 0);
	assert_int_equal(n, N - (N + 2) / 3);
	for (unsigned i = 0; i < n; i++) {
		unsigned was = i / 2 * 3 + 1 + i % 2; /* in the order of making */

		snprintf(name, sizeof(name), "v%u-%0100d", was, 0);
		assert_string_equal(list[i].name, name);
		assert_int_equal(list[i].size_bytes, (was + 1) * 512);
	}
	vpool_list_free(list, n);
	vpool_close(p);
}

/* ── long work ── */

struct steps {
	unsigned n, stop_at;
	uint64_t total;
};

static bool step(void *arg, uint64_t done, uint64_t total)
{
	struct steps *s = arg;

	assert_true(done <= total);
	s->total = total;
	return ++s->n != s->stop_at;
}

static void what_is_cancelled_leaves_nothing(void **state)
{
	struct steps s = { .stop_at = 2 };
	const struct vpool_progress progress = { step, &s };
	struct vpool *p = opened();
	struct vpool_spec spec = spec_of("v", 64 << 20);
	struct vpool_volume v;
	struct stat st;

	(void)state;
	spec.preallocate = true;
	check(vpool_create(p, &spec, &v, &progress, why, sizeof(why)), -ECANCELED, "was not made");
	assert_int_equal(count(p), 0);
	s = (struct steps){ 0 };
	ok(vpool_create(p, &spec, &v, &progress, why, sizeof(why)));
	assert_true(s.n >= 2 && s.total == 64 << 20);
	assert_int_equal(stat(v.path, &st), 0);
	assert_true(st.st_blocks * 512 >= 64 << 20);
	ok(vpool_resize(p, v.uuid, 65 << 20, why, sizeof(why)));
	assert_int_equal(stat(v.path, &st), 0);
	assert_true(st.st_blocks * 512 >= 65 << 20);
	s = (struct steps){ .stop_at = 1 };
	check(vpool_delete(p, v.uuid, &progress, why, sizeof(why)), -ECANCELED, "still there");
	assert_int_equal(count(p), 1);
	s = (struct steps){ .stop_at = 2 }; /* too late */
	ok(vpool_delete(p, v.uuid, &progress, why, sizeof(why)));
	assert_int_equal(count(p), 0);
	vpool_close(p);
	is_clean();
	vpool_volume_fini(&v);
}

/* ── many at once ── */

enum { THREADS = 4, ROUNDS = 60 };

struct worker {
	struct vpool *p;
	unsigned n;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct vpool_volume v, *list;
	char name[32], text[512];
	unsigned n;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct vpool_spec spec = spec_of(name, SIZE);

		snprintf(name, sizeof(name), "of %u-%u", i % 2 ? 0 : w->n + 1, i);
		if (vpool_create(w->p, &spec, &v, NULL, text, sizeof(text))) {
			assert_true(i % 2); /* another one was first */
			continue;
		}
		assert_int_equal(vpool_resize(w->p, v.uuid, 2 * SIZE, text, sizeof(text)), 0);
		assert_int_equal(vpool_list(w->p, &list, &n), 0);
		vpool_list_free(list, n);
		if (i % 4)
			assert_int_equal(vpool_delete(w->p, v.uuid, NULL, text, sizeof(text)), 0);
		vpool_volume_fini(&v);
	}
	return NULL;
}

static void threads_take_turns(void **state)
{
	struct worker w[THREADS];
	pthread_t t[THREADS];
	struct vpool *p = opened();

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ p, i };
		assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(count(p), THREADS * ROUNDS / 4);
	vpool_close(p);
	is_clean();
	p = opened();
	assert_int_equal(count(p), THREADS * ROUNDS / 4);
	vpool_close(p);
}

struct rival {
	struct vpool *p;
	const uint8_t *uuid;
	unsigned n, deleted;
};

static void *resize_often(void *arg)
{
	struct rival *r = arg;
	char text[512];

	for (unsigned i = 0; i < 200; i++) {
		int rc = vpool_resize(r->p, r->uuid, SIZE + (i * 8 + r->n) * 512, text,
				      sizeof(text));

		assert_true(rc == 0 || rc == -EINVAL); /* a rival was larger */
	}
	return NULL;
}

static void *delete_once(void *arg)
{
	struct rival *r = arg;
	char text[512];
	int rc = vpool_delete(r->p, r->uuid, NULL, text, sizeof(text));

	assert_true(rc == 0 || rc == -ENOENT);
	r->deleted = !rc;
	return NULL;
}

static void in_threads(struct rival r[static THREADS], void *(*run)(void *arg))
{
	pthread_t t[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, run, &r[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void rivals_for_one_volume_take_turns(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v = made(p, "v", SIZE), *now;
	struct rival r[THREADS];
	unsigned deleted = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		r[i] = (struct rival){ p, v.uuid, i, 0 };
	in_threads(r, resize_often);
	now = find(p, "v");
	assert_int_equal(now->size_bytes, SIZE + (199 * 8 + THREADS - 1) * 512);
	ok(vpool_check_volume(now, why, sizeof(why)));
	put(now);
	in_threads(r, delete_once);
	for (unsigned i = 0; i < THREADS; i++)
		deleted += r[i].deleted;
	assert_int_equal(deleted, 1);
	vpool_close(p);
	is_clean();
	vpool_volume_fini(&v);
}

/* ── an identity that is used again ── */

struct again {
	struct vpool *p;
	uint8_t uuid[16];
	pthread_t deleting, resizing;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool has_turn, may_go, resized;
	int resize_rc;
};

static void until(struct again *a, const bool *what)
{
	pthread_mutex_lock(&a->lock);
	while (!*what)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

static void tell(struct again *a, bool *what)
{
	pthread_mutex_lock(&a->lock);
	*what = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static bool hold_turn(void *arg, uint64_t done, uint64_t total)
{
	struct again *a = arg;

	(void)done, (void)total;
	tell(a, &a->has_turn);
	until(a, &a->may_go);
	return true;
}

static void *delete_slowly(void *arg)
{
	struct again *a = arg;
	char text[512];

	assert_int_equal(vpool_delete(a->p, a->uuid, &(struct vpool_progress){ hold_turn, a }, text,
				      sizeof(text)),
			 0);
	return NULL;
}

static void *resize_it(void *arg)
{
	struct again *a = arg;
	char text[512];

	a->resize_rc = vpool_resize(a->p, a->uuid, 2 * SIZE, text, sizeof(text));
	tell(a, &a->resized);
	return NULL;
}

/* The first one's record is gone when its bytes are given back: then the second one is made. */
static bool make_anew(void *arg, uint64_t done, uint64_t total)
{
	struct again *a = arg;
	struct vpool_spec spec = spec_of("second", SIZE);
	struct vpool_volume v;
	char text[512];

	if (!done || done != total)
		return true;
	spec.uuid = a->uuid;
	assert_int_equal(vpool_create(a->p, &spec, &v, NULL, text, sizeof(text)), 0);
	vpool_volume_fini(&v);
	assert_int_equal(pthread_create(&a->deleting, NULL, delete_slowly, a), 0);
	until(a, &a->has_turn);
	return true;
}

static void a_deletion_does_not_end_the_turn_of_who_has_its_identity_now(void **state)
{
	struct again a = { .p = opened(),
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .changed = PTHREAD_COND_INITIALIZER };
	struct vpool_volume v = made(a.p, "first", SIZE);
	const struct timespec moment = { .tv_nsec = 100 * 1000 * 1000 };
	bool resized;

	(void)state;
	memcpy(a.uuid, v.uuid, sizeof(a.uuid));
	ok(vpool_delete(a.p, v.uuid, &(struct vpool_progress){ make_anew, &a }, why, sizeof(why)));
	assert_int_equal(pthread_create(&a.resizing, NULL, resize_it, &a), 0);
	nanosleep(&moment, NULL);
	pthread_mutex_lock(&a.lock);
	resized = a.resized;
	pthread_mutex_unlock(&a.lock);
	tell(&a, &a.may_go);
	pthread_join(a.deleting, NULL);
	pthread_join(a.resizing, NULL);
	assert_false(resized);
	assert_int_equal(a.resize_rc, -ENOENT);
	assert_int_equal(count(a.p), 0);
	vpool_close(a.p);
	is_clean();
	vpool_volume_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_volume_lives),
		test(the_log_has_its_room),
		test(numbers_are_never_used_twice),
		test(the_log_goes_round),
		test(what_is_cancelled_leaves_nothing),
		test(threads_take_turns),
		test(rivals_for_one_volume_take_turns),
		test(a_deletion_does_not_end_the_turn_of_who_has_its_identity_now),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
