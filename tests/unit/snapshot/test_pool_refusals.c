/* What a pool refuses, and what it says to it; what others have done to its files; what lies
 * elsewhere. */
#include "tests/unit/snapshot/pool_rig.h"

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
		const char *before, *after; /* the id */
		int rc;
		const char *says;
	} t[] = {
		{ "", NULL, -EBADMSG, "line 1" },
		{ "{\"ringlun_pool\": 1, ", "", -EBADMSG, "line 1, column" },
		{ "{", "}", -EBADMSG, "has no number" },
		{ "{\"ringlun_pool\": 2, ", "}", -EPROTONOSUPPORT,
		  "format 2, and this version knows 1" },
		{ "{\"ringlun_pool\": 1, ", ", \"x\": 1}", -EPROTONOSUPPORT,
		  "key that is not known" },
		{ "{\"ringlun_pool\": 1, \"uuid\": 7}", NULL, -EBADMSG, "no \"uuid\"" },
		{ "{\"ringlun_pool\": 1, ", ", \"volume_group\": \"../x\"}", -EBADMSG,
		  "volume_group" },
		{ "{\"ringlun_pool\": 1, ", "}", -EBADMSG, "this pool's" }, /* another pool's log */
	};
	struct vpool *p;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(text, sizeof(text), "%s%s%s", t[i].before, t[i].after ? id : "",
			 t[i].after ? t[i].after : "");
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

static bool always(void *arg, uint64_t done, uint64_t total)
{
	(void)arg, (void)done, (void)total;
	return true;
}

static void cut(const char *name, off_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(truncate(path, size), 0);
}

/* The other one has all: it is made whole again. */
static void a_slot_that_was_cut_off_is_told_and_made_whole(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v = made(p, "v", SIZE);

	(void)state;
	vpool_close(p);
	for (unsigned i = 0; i < 4; i++) {
		cut(i % 2 ? "structure.ckpt.b" : "structure.ckpt.a", i < 2 ? 0 : 100);
		found(1, "1048576");
		p = opened();
		assert_int_equal(count(p), 1);
		vpool_close(p);
		is_clean();
	}
	vpool_volume_fini(&v);
}

/* cp -l is no copy, but nothing to be punished for. */
static void another_name_of_a_file_keeps_its_bytes(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v = made(p, "v", UINT64_C(3) << 30);
	char other[96];

	(void)state;
	snprintf(other, sizeof(other), "%s.kept", dir);
	assert_int_equal(link(v.path, other), 0);
	ok(vpool_delete(p, v.uuid, &(struct vpool_progress){ always, NULL }, why, sizeof(why)));
	assert_int_equal(size_of(v.path), -ENOENT);
	assert_int_equal(size_of(other), INT64_C(3) << 30);
	vpool_close(p);
	vpool_volume_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_cannot_be_made_is_refused),
		test(one_server_at_a_time),
		test(no_pool_is_made_over_another_or_over_data),
		test(a_head_that_is_none_is_refused),
		test(a_file_elsewhere_is_served_and_never_touched),
		test(what_is_missing_or_cut_is_told),
		test(an_orphan_with_data_is_never_removed),
		test(damage_is_told_by_check),
		test(a_slot_that_was_cut_off_is_told_and_made_whole),
		test(another_name_of_a_file_keeps_its_bytes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
