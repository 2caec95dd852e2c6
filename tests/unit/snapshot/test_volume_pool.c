/* A pool on real files: made, filled, grown, emptied; opened again and again; its errors. */
#include "snapshot/volume_pool.h"
#include "backstore/backstore.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

static char root[] = "/var/tmp/ringlun-pool-XXXXXX", dir[64], why[1024];

static void check(int rc, int wanted, const char *says)
{
	if (rc != wanted)
		fail_msg("%d, not %d: %s", rc, wanted, why);
	if (rc && !strstr(why, says))
		fail_msg("\"%s\" does not say \"%s\"", why, says);
}

static void ok(int rc)
{
	check(rc, 0, "");
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

/* Each test has a pool of its own. */
static int fresh(void **state)
{
	static unsigned n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/p%u", root, n++);
	why[0] = '\0';
	return vpool_make(dir, NULL, why, sizeof(why));
}

static struct vpool *opened(void)
{
	struct vpool *p;

	ok(vpool_open(&p, dir, why, sizeof(why)));
	return p;
}

static struct vpool_spec spec_of(const char *name, uint64_t size)
{
	return (struct vpool_spec){ .name = name, .size_bytes = size, .block_bytes = 512 };
}

static struct vpool_volume made(struct vpool *p, const char *name, uint64_t size)
{
	struct vpool_spec spec = spec_of(name, size);
	struct vpool_volume v;

	ok(vpool_create(p, &spec, &v, NULL, why, sizeof(why)));
	return v;
}

/* NULL: there is none; else free() it after vpool_volume_fini. */
static struct vpool_volume *find(struct vpool *p, const char *name)
{
	struct vpool_volume *list, *out = NULL;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		out = malloc(sizeof(*out));
		*out = list[i];
		list[i].path = list[i].device = NULL;
	}
	vpool_list_free(list, n);
	return out;
}

static void put(struct vpool_volume *v)
{
	vpool_volume_fini(v);
	free(v);
}

static unsigned count(struct vpool *p)
{
	struct vpool_volume *list;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	vpool_list_free(list, n);
	return n;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -errno : st.st_size;
}

static unsigned reports;
static char last_report[1024];

static void report(void *arg, const char *what)
{
	(void)arg;
	reports++;
	snprintf(last_report, sizeof(last_report), "%s", what);
}

static void is_clean(void)
{
	int rc = vpool_check(dir, report, NULL, why, sizeof(why));

	if (rc)
		fail_msg("%d found, the last: %s %s", rc, last_report, why);
}

static void found(int n, const char *says)
{
	int rc = vpool_check(dir, report, NULL, why, sizeof(why));

	if (rc != n || !strstr(last_report, says))
		fail_msg("%d found, the last: \"%s\" (%s)", rc, last_report, why);
}

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

		snprintf(name, sizeof(name), "v%u-%0100u", i, 0);
		v = made(p, name, (i + 1) * 512ull);
		if (i % 3 == 0)
			ok(vpool_delete(p, v.uuid, NULL, why, sizeof(why)));
		vpool_volume_fini(&v);
	}
	clock_gettime(CLOCK_MONOTONIC, &t[1]);
	print_message("%u created, a third deleted: %.1f ms each\n", N,
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

		snprintf(name, sizeof(name), "v%u-%0100u", was, 0);
		assert_string_equal(list[i].name, name);
		assert_int_equal(list[i].size_bytes, (was + 1) * 512);
	}
	vpool_list_free(list, n);
	vpool_close(p);
}

#define test(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_volume_lives),
		test(numbers_are_never_used_twice),
		test(the_log_goes_round),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
