/* A pool on real files: made, filled, grown, emptied; opened again and again; its errors. */
#include "snapshot/volume_pool.h"

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

/* ── refusals ── */

static void what_cannot_be_made_is_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t size;
		uint32_t block;
		const char *says;
	} t[] = {
		{ "", SIZE, 512, "1 to 127 bytes" },
		{ "a/b", SIZE, 512, "no '/'" },
		{ "a\nb", SIZE, 512, "control characters" },
		{ "v", 0, 512, "needs a size" },
		{ "v", 1000, 512, "no multiple" },
		{ "v", SIZE + 512, 4096, "no multiple" },
		{ "v", SIZE, 1024, "use 512 or 4096" },
		{ "v", UINT64_MAX - 511, 512, "8 EiB" },
	};
	struct vpool *p = opened();
	struct vpool_volume v, first = made(p, "first", SIZE);
	struct vpool_spec spec;
	char name[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		spec = spec_of(t[i].name, t[i].size);
		spec.block_bytes = t[i].block;
		check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, t[i].says);
	}
	memset(name, 'n', sizeof(name));
	name[128] = '\0';
	spec = spec_of(name, SIZE);
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, "not 128");
	spec = spec_of("first", SIZE);
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EEXIST, "first already");
	spec = spec_of("second", SIZE);
	spec.uuid = first.uuid;
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EEXIST, "this id");
	check(vpool_resize(p, first.uuid, SIZE / 2, why, sizeof(why)), -EINVAL, "only grows");
	check(vpool_resize(p, first.uuid, SIZE + 1, why, sizeof(why)), -EINVAL, "no multiple");
	ok(vpool_resize(p, first.uuid, SIZE, why, sizeof(why)));
	check(vpool_resize(p, (const uint8_t[16]){ 1 }, SIZE, why, sizeof(why)), -ENOENT,
	      "01000000");
	/* larger than a file can be: nothing is left of it */
	spec = spec_of("huge", (uint64_t)INT64_MAX / 512 * 512);
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EFBIG, "no files of that size");
	check(vpool_resize(p, first.uuid, (uint64_t)INT64_MAX / 512 * 512, why, sizeof(why)),
	      -EFBIG, "cannot be made longer");
	assert_int_equal(size_of(first.path), SIZE);
	assert_int_equal(count(p), 1);
	vpool_close(p);
	is_clean();
	vpool_volume_fini(&first);
}

static void one_server_at_a_time(void **state)
{
	struct vpool *p = opened(), *second;
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		int rc = vpool_check(dir, report, NULL, why, sizeof(why));

		_exit(rc == -EBUSY && strstr(why, "is locked by process") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	check(vpool_open(&second, dir, why, sizeof(why)), -EBUSY, "already open in this server");
	vpool_close(p);
	vpool_close(opened());
}

static void no_pool_is_made_over_another_or_over_data(void **state)
{
	char path[128], other[96];
	struct vpool_volume v;
	struct vpool *p;

	(void)state;
	check(vpool_make(dir, NULL, why, sizeof(why)), -EEXIST, "import it");
	snprintf(path, sizeof(path), "%s/pool.json", dir);
	vpool_close(opened());
	p = opened();
	v = made(p, "v", SIZE);
	vpool_volume_fini(&v);
	vpool_close(p);
	assert_int_equal(unlink(path), 0);
	check(vpool_make(dir, NULL, why, sizeof(why)), -ENOTEMPTY, "no pool.json, but data");
	check(vpool_open(&p, dir, why, sizeof(why)), -EBADMSG, "pool.json is missing");
	snprintf(other, sizeof(other), "%s.other", dir);
	assert_int_equal(mkdir(other, 0700), 0);
	check(vpool_open(&p, other, why, sizeof(why)), -ENOENT, "there is no pool");
	snprintf(path, sizeof(path), "%s/letters", other);
	close(open(path, O_CREAT, 0600));
	check(vpool_make(other, NULL, why, sizeof(why)), -ENOTEMPTY, "it has letters");
	check(vpool_make(other, "no/group", why, sizeof(why)), -EINVAL,
	      "no name of a volume group");
	snprintf(path, sizeof(path), "%s/a/b", other);
	check(vpool_make(path, NULL, why, sizeof(why)), -ENOENT, "make the folder");
	check(vpool_open(&p, path, why, sizeof(why)), -ENOENT, "there is no pool");
}

static void put_json(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/pool.json", dir);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void a_head_that_is_none_is_refused(void **state)
{
	static const char id[] = "\"uuid\": \"01234567-89ab-cdef-0123-456789abcdef\"";
	static const struct {
		const char *format;
		int rc;
		const char *says;
	} t[] = {
		{ "", -EBADMSG, "line 1" },
		{ "{\"ringlun_pool\": 1, %s", -EBADMSG, "line 1, column" },
		{ "{%s}", -EBADMSG, "has no number" },
		{ "{\"ringlun_pool\": 2, %s}", -EPROTONOSUPPORT,
		  "format 2, and this version knows 1" },
		{ "{\"ringlun_pool\": 1, %s, \"x\": 1}", -EPROTONOSUPPORT,
		  "key that is not known" },
		{ "{\"ringlun_pool\": 1, \"uuid\": 7}", -EBADMSG, "no \"uuid\"" },
		{ "{\"ringlun_pool\": 1, %s, \"volume_group\": \"../x\"}", -EBADMSG,
		  "volume_group" },
		{ "{\"ringlun_pool\": 1, %s}", -EBADMSG, "this pool's" }, /* another pool's log */
	};
	struct vpool *p;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(text, sizeof(text), t[i].format, id);
		put_json(text);
		check(vpool_open(&p, dir, why, sizeof(why)), t[i].rc, t[i].says);
	}
}

/* ── elsewhere ── */

static void a_file_elsewhere_is_served_and_never_touched(void **state)
{
	struct vpool *p = opened();
	struct vpool_spec spec = spec_of("ext", 0);
	struct vpool_volume v;
	char path[96];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s.img", dir);
	spec.path = path;
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -ENOENT, "check the path");
	fd = open(path, O_RDWR | O_CREAT, 0600);
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, "has 0 bytes");
	assert_int_equal(ftruncate(fd, SIZE), 0);
	spec.size_bytes = SIZE / 2;
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, "not the 524288");
	spec.size_bytes = 0;
	spec.path = path + 1;
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, "begin at the root");
	spec.path = "/dev/null";
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, "neither");
	spec.path = path;
	spec.preallocate = true;
	check(vpool_create(p, &spec, &v, NULL, why, sizeof(why)), -EINVAL, "preallocated");
	spec.preallocate = false;
	ok(vpool_create(p, &spec, &v, NULL, why, sizeof(why)));
	assert_int_equal(v.kind, VPOOL_EXTERNAL);
	assert_int_equal(v.size_bytes, SIZE);
	assert_string_equal(v.path, path);
	spec.name = "again";
	check(vpool_create(p, &spec, &(struct vpool_volume){ 0 }, NULL, why, sizeof(why)), -EEXIST,
	      "data of another volume");
	ok(vpool_check_volume(&v, why, sizeof(why)));
	check(vpool_resize(p, v.uuid, 2 * SIZE, why, sizeof(why)), -EINVAL, "make it larger");
	assert_int_equal(ftruncate(fd, 2 * SIZE), 0);
	check(vpool_check_volume(&v, why, sizeof(why)), -EFBIG, "resize the volume");
	ok(vpool_resize(p, v.uuid, 2 * SIZE, why, sizeof(why)));
	vpool_close(p);
	is_clean();
	p = opened();
	ok(vpool_delete(p, v.uuid, NULL, why, sizeof(why)));
	assert_int_equal(size_of(path), 2 * SIZE);
	vpool_close(p);
	vpool_volume_fini(&v);
	close(fd);
}

/* ── what others have done to it ── */

static void what_is_missing_or_cut_is_told(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume a = made(p, "a", SIZE), b = made(p, "b", SIZE);
	char path[128];

	(void)state;
	assert_int_equal(truncate(a.path, SIZE / 2), 0);
	check(vpool_check_volume(&a, why, sizeof(why)), -ENODATA, "its end is lost");
	check(vpool_resize(p, a.uuid, 2 * SIZE, why, sizeof(why)), -ENODATA, "its end is lost");
	assert_int_equal(size_of(a.path), SIZE / 2);
	assert_int_equal(unlink(b.path), 0);
	check(vpool_check_volume(&b, why, sizeof(why)), -ENOENT, "is missing");
	vpool_close(p);
	found(2, "volume b");
	p = opened(); /* they are listed, and can go */
	assert_int_equal(count(p), 2);
	ok(vpool_delete(p, a.uuid, NULL, why, sizeof(why)));
	ok(vpool_delete(p, b.uuid, NULL, why, sizeof(why)));
	vpool_close(p);
	is_clean();
	snprintf(path, sizeof(path), "%s/layers/notes", dir);
	close(open(path, O_CREAT, 0600));
	found(1, "notes is no file of a pool");
	vpool_volume_fini(&a);
	vpool_volume_fini(&b);
}

static void an_orphan_with_data_is_never_removed(void **state)
{
	struct vpool *p;
	struct vpool_volume v;
	char empty[128], full[128];
	int fd;

	(void)state;
	snprintf(empty, sizeof(empty), "%s/layers/3.data", dir);
	snprintf(full, sizeof(full), "%s/layers/4.data", dir);
	fd = open(empty, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	close(fd);
	fd = open(full, O_RDWR | O_CREAT, 0600);
	assert_int_equal(pwrite(fd, "x", 1, 100000), 1);
	close(fd);
	found(2, "belongs to no volume");
	p = opened();
	assert_int_equal(size_of(empty), -ENOENT);
	assert_int_equal(size_of(full), 100001);
	v = made(p, "v", SIZE); /* and their numbers are not used */
	assert_non_null(strstr(v.path, "/5.data"));
	vpool_close(p);
	vpool_volume_fini(&v);
}

static void damage_is_told_by_check(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume a = made(p, "a", SIZE), b = made(p, "b", SIZE);
	char path[128];
	int fd;

	(void)state;
	vpool_close(p);
	snprintf(path, sizeof(path), "%s/structure.log", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "?", 1, 100), 1);
	close(fd);
	found(1, "record at byte 0");
	check(vpool_open(&p, dir, why, sizeof(why)), -EBADMSG, "structure.log");
	vpool_volume_fini(&a);
	vpool_volume_fini(&b);
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

		snprintf(name, sizeof(name), i % 2 ? "of all-%u" : "of %u-%u", i % 2 ? i : w->n, i);
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

#define test(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_volume_lives),
		test(numbers_are_never_used_twice),
		test(the_log_goes_round),
		test(what_cannot_be_made_is_refused),
		test(one_server_at_a_time),
		test(no_pool_is_made_over_another_or_over_data),
		test(a_head_that_is_none_is_refused),
		test(a_file_elsewhere_is_served_and_never_touched),
		test(what_is_missing_or_cut_is_told),
		test(an_orphan_with_data_is_never_removed),
		test(damage_is_told_by_check),
		test(what_is_cancelled_leaves_nothing),
		test(threads_take_turns),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
